// Implements command.h: the subcommands and the exit codes (0 done, 2 the user's input, 3 a lost worker, 1 a defect). Each
// larger subcommand has a file of its own.
#include "tacet/command.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/places.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "cli/arguments.h"
#include "cli/data_command.h"
#include "cli/doctor_command.h"
#include "cli/evaluate_command.h"
#include "cli/figure_command.h"
#include "cli/help_files.h"
#include "cli/launch_command.h"
#include "cli/live_server.h"
#include "cli/plan_command.h"
#include "cli/probe_command.h"
#include "cli/sweep_command.h"
#include "cli/train_command.h"
#include "cli/versions.h"
#include "recipe/describe.h"
#include "report/compare.h"
#include "report/page.h"
#include "tacet/error.h"
#include "tacet/options.h"
#include "tacet/registry.h"
#include "tacet/train.h"
#include "train/process.h"

namespace tacet {
namespace {

// A subcommand and the function that runs it.
struct Command {
  CLI::App* app;
  std::function<int()> run;
};
using Commands = std::vector<Command>;

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return 0;
}

int width() { return std::clamp(terminal_width(STDOUT_FILENO), 40, 100); }

void add_train(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("train", "run a recipe");
  const auto arguments = std::make_shared<TrainArguments>();
  declare(*c, *arguments);
  commands.push_back({c, [=] { return cmd_train(*arguments); }});
}

void add_sweep(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("sweep", "run a recipe for every point of a grid and every seed");
  const auto arguments = std::make_shared<SweepArguments>();
  declare(*c, *arguments);
  commands.push_back({c, [=] { return cmd_sweep(*arguments); }});
}

void add_compare(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("compare", "table of runs: final and best figures, rounds, bytes, seconds");
  const auto dirs = std::make_shared<std::vector<std::string>>();
  const auto target = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  c->add_option("runs", *dirs, "folders of runs")->required()->option_text("DIR...");
  c->add_option("--target", *target, "local steps, rounds and seconds until a key of metrics.jsonl has this value")
      ->option_text("KEY=NUMBER");
  declare_json(*c, *json);
  commands.push_back({c, [=] { return cmd_compare(*dirs, *target, *json); }});
}

void add_report(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("report", "one self-contained HTML page with the figures of runs");
  const auto dirs = std::make_shared<std::vector<std::string>>();
  const auto page = std::make_shared<std::string>();
  const auto live = std::make_shared<LiveOptions>();
  c->add_option("runs", *dirs, "folders of runs")->required()->option_text("DIR...");
  auto* output = c->add_option("-o,--output", *page,
                               "the page to write (default: report.html in the run's folder, or here for several runs)")
                     ->option_text("FILE");
  const auto watching = std::make_shared<bool>(false);
  auto* watch = c->add_flag("--watch", *watching, "serve the page while the runs go on, until Ctrl-C")->excludes(output);
  c->add_option("--address", live->address, "with --watch: where it is served (default: 127.0.0.1, for this machine alone)")
      ->needs(watch)
      ->option_text("A");
  c->add_option("--port", live->port, "with --watch: its port (default: a free one)")
      ->needs(watch)
      ->check([](const std::string& text) { return outside(text, 1, 65535); })
      ->option_text("N");
  c->add_option("--token", live->token,
                "with --watch: what a reader's address must have (default: a new one, if other machines reach the page)")
      ->needs(watch)
      ->option_text("T");
  commands.push_back({c, [=] {
                        live->dirs = *dirs;
                        return *watching ? serve_live(*live) : cmd_report(*dirs, *page);
                      }});
}

void add_figure(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("figure", "run what is missing of a figure and draw it (SVG, PNG, CSV)");
  const auto arguments = std::make_shared<FigureArguments>();
  declare(*c, *arguments);
  commands.push_back({c, [=] { return cmd_figure(*arguments); }});
}

void add_eval(CLI::App& app, Commands& commands) {
  struct Arguments {
    std::string model, recipe;
    std::vector<std::string> sets;
  };
  const auto a = std::make_shared<Arguments>();
  auto* c = app.add_subcommand("eval", "evaluate a model on its validation and test data");
  c->add_option("model", a->model, "folder of a run, or a safetensors file")->required()->option_text("DIR|MODEL");
  c->add_option("--recipe", a->recipe, "recipe with the model and the data (default: the run's own)")->option_text("RECIPE");
  declare_sets(*c, a->sets, "override a key of the recipe");
  commands.push_back({c, [=] { return cmd_eval(a->model, a->recipe, a->sets); }});
}

void add_lists(CLI::App& app, Commands& commands) {
  const auto method = std::make_shared<std::string>(), model = std::make_shared<std::string>();
  auto* algorithms = app.add_subcommand("algorithms", "list the methods, or show one with its paper and options");
  algorithms->add_option("name", *method, "method to show (default: a short table of all)")->option_text("NAME");
  commands.push_back(
      {algorithms, [=] { return print(method->empty() ? list_methods(width()) : describe_methods(width(), *method)); }});
  auto* models = app.add_subcommand("models", "list the models, or show one with its paper and options");
  models->add_option("name", *model, "model to show (default: a short table of all)")->option_text("NAME");
  commands.push_back(
      {models, [=] { return print(model->empty() ? list_models(width()) : describe_models(width(), *model)); }});
  if (objectives().empty()) return;
  auto* own = app.add_subcommand("objectives", "list this program's own objectives with their options");
  commands.push_back({own, [] { return print(describe_objectives(width())); }});
}

void add_data_info(CLI::App& data, Commands& commands) {
  struct Arguments {
    std::string name, recipe, partition;
    int clients = 0;
    std::vector<std::string> sets;
    bool json = false;
  };
  const auto a = std::make_shared<Arguments>();
  auto* c = data.add_subcommand("info", "sizes, origin, files and labels of a data set, and its partition");
  c->add_option("name", a->name, "data set")->required()->option_text("NAME");
  c->add_option("--recipe", a->recipe, "show what this recipe's clients get")->option_text("RECIPE");
  c->add_option("--partition", a->partition, "how the training set is dealt, as --set data.partition.kind=KIND")
      ->option_text("KIND");
  c->add_option("--clients", a->clients, "to how many clients (default: 10, or the recipe's)")->option_text("N");
  declare_sets(*c, a->sets, "override a key of the recipe, data.partition.kind=dirichlet for example");
  declare_json(*c, a->json);
  commands.push_back({c, [=] {
                        std::vector<std::string> sets = a->sets;
                        const bool deal = !a->partition.empty();
                        if (deal) sets.push_back("data.partition.kind=" + a->partition);
                        const int clients = a->clients == 0 && deal && a->recipe.empty() ? 10 : a->clients;
                        if (c->count("--clients") > 0 || clients > 0)
                          sets.push_back("clients.count=" + std::to_string(clients));
                        return cmd_data_info(a->name, a->recipe, sets, a->json);
                      }});
}

void add_data(CLI::App& app, Commands& commands) {
  auto* data = app.add_subcommand("data", "data sets");
  data->require_subcommand(1);
  auto* list = data->add_subcommand("list", "list the data sets and the files they need");
  commands.push_back({list, [] { return print(describe_datasets(width())); }});
  add_data_info(*data, commands);
  struct Arguments {
    std::string name, folder, address;
  };
  const auto a = std::make_shared<Arguments>();
  auto* fetch = data->add_subcommand("fetch", "download a data set's original files");
  fetch->add_option("name", a->name, "data set")->required()->option_text("NAME");
  fetch->add_option("--to", a->folder, "folder for data sets (default: $TACET_DATA, else ~/.cache/tacet)")
      ->option_text("DIR");
  fetch->add_option("--from", a->address, "another folder to download from, an http, https or file address")
      ->option_text("URL");
  commands.push_back({fetch, [=] { return cmd_data_fetch(a->name, a->folder, a->address); }});
}

void add_launch(CLI::App& app, Commands& commands) {
  const auto a = std::make_shared<ProgramArguments>();
  auto* c = app.add_subcommand("launch", "start workers of a program of your own, such as python script.py, and watch them");
  c->add_option("--workers", a->workers, "processes to start on this machine")->required()->option_text("P");
  c->add_option("--restarts", a->restarts, "how often lost workers are started again, all together (default: 3)")
      ->option_text("N");
  c->add_option("program", a->words, "the program and its arguments, behind --")->required()->option_text("PROGRAM...");
  commands.push_back({c, [=] { return cmd_launch(*a); }});
}

void add_doctor(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("doctor", "what this machine has and what tacet uses of it, with advice");
  const auto json = std::make_shared<bool>(false);
  declare_json(*c, *json);
  commands.push_back({c, [=] { return cmd_doctor(*json); }});
}

void add_plan(CLI::App& app, Commands& commands) {
  auto* c =
      app.add_subcommand("plan", "step size, clipping and interval that the theorems allow, and what an interval costs");
  const auto arguments = std::make_shared<PlanArguments>();
  declare(*c, *arguments);
  commands.push_back({c, [=] { return cmd_plan(*arguments); }});
}

void add_probe(CLI::App& app, Commands& commands) {
  auto* c = app.add_subcommand("probe", "measure what the theorems assume: relaxed smoothness, noise, heterogeneity");
  const auto arguments = std::make_shared<ProbeArguments>();
  declare(*c, *arguments);
  commands.push_back({c, [=] { return cmd_probe(*arguments); }});
}

// The two subcommands that tell about all others.
void add_help_files(CLI::App& app, Commands& commands) {
  auto* completion = app.add_subcommand("completion", "print a shell's completion of this command");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>{"bash", "zsh", "fish"}))
      ->option_text("SHELL");
  commands.push_back({completion, [&app, shell] { return print(completion_script(app, program_name(), *shell)); }});
  auto* manual = app.add_subcommand("manual", "print the manual page, for man -l -");
  commands.push_back({manual, [&app] { return print(manual_page(app, program_name(), version())); }});
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
  return names;
}

// Throws UserError for a misspelt subcommand, with the nearest name. CLI11 only says that one is missing.
void check_subcommand(const CLI::App& app, const std::string& given) {
  const std::vector<std::string> names = subcommands_of(app);
  if (std::find(names.begin(), names.end(), given) != names.end()) return;
  const auto near = nearest(given, names);
  throw UserError("there is no subcommand \"" + given + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : "; " + program_name() + " --help lists them"));
}

// Throws UserError where a subcommand with some of its own is followed by none of them, and names them all. `given` is empty
// where nothing follows.
void check_below(const CLI::App& sub, const std::string& given) {
  const std::vector<std::string> names = subcommands_of(sub);
  if (names.empty() || given.starts_with('-') || std::find(names.begin(), names.end(), given) != names.end()) return;
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  throw UserError(program_name() + " " + sub.get_name() + ": must be followed by one of " + all + ", got " +
                  (given.empty() ? "nothing" : "\"" + given + "\""));
}

// Returns false in a program that calls command() with something of its own.
bool is_tacet() { return program_name() == "tacet"; }

int run(int argc, char** argv) {
  CLI::App app{"tacet trains neural networks on many machines, or many simulated clients, that talk rarely."};
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return version_text(versions()); }, "print versions, commit and processor");
  app.footer(
      "Exit codes: 0 done; 2 your input is wrong; 3 a worker was lost and the run could not go on; 130, 143 a signal "
      "stopped it; 1 a defect.\n"
      "Start with: " +
      program_name() + " train " + (is_tacet() ? "recipes/demo/celgc.toml --workers 4" : "RECIPE.toml --workers 2"));
  Commands commands;
  add_train(app, commands);
  add_sweep(app, commands);
  add_compare(app, commands);
  add_report(app, commands);
  add_figure(app, commands);
  add_eval(app, commands);
  add_lists(app, commands);
  add_data(app, commands);
  add_launch(app, commands);
  add_doctor(app, commands);
  add_plan(app, commands);
  add_probe(app, commands);
  add_help_files(app, commands);
  if (argc > 1 && argv[1][0] != '-') {
    check_subcommand(app, argv[1]);
    check_below(*app.get_subcommand(std::string(argv[1])), argc > 2 ? argv[2] : "");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    throw UserError(std::string(error.what()) + " (" + program_name() + " --help tells more)");
  }
  for (const Command& command : commands)
    if (*command.app) return command.run();
  return 0;
}

// Says an error's text. Names and values of the user's may hold anything, and nothing of it may reach the terminal as a
// command.
void say(const char* what) { std::fprintf(stderr, "tacet: %s\n", visible(what, "\n").c_str()); }

int say_defect(const char* what) {
  std::fprintf(stderr, "tacet: this is a defect of %s: %s\n", is_tacet() ? "tacet" : "tacet or of this program", what);
  return 1;
}

// Runs the command and returns its exit code. Tells what was thrown.
int run_and_tell(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const UserError& error) {
    say(error.what());
    return 2;
  } catch (const PeerLost& error) {
    say(error.what());
    return 3;
  } catch (const std::bad_alloc&) {
    say("there is not enough memory: a smaller model, batch or data set is needed");
    return 2;
  } catch (const std::system_error& error) {
    // fmt::print throws where stdout can't be written, and with_output() tells that.
    return std::ferror(stdout) != 0 ? 0 : say_defect(error.what());
  } catch (const std::exception& error) {
    // libtorch's allocator has no type of error of its own.
    if (const std::string text = error.what(); text.find("can't allocate memory") != std::string::npos) {
      say(("there is not enough memory: a smaller model, batch or data set is needed (" + text.substr(0, text.find('\n')) +
           ")")
              .c_str());
      return 2;
    }
    return say_defect(error.what());
  }
}

// Returns true if stdout is closed, or is a pipe or terminal whose other end is closed.
bool has_no_reader() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

// Returns the exit code of a command whose own is `code`: 2 in place of 0 where a part of its output is lost, as on a full
// disk. A reader who has gone away and a closed stdout are no errors.
int with_output(int code) {
  const bool failed_before = std::ferror(stdout) != 0;
  const int why = std::fflush(stdout) == 0 ? 0 : errno;
  if ((why == 0 && !failed_before) || why == EPIPE || why == EBADF || has_no_reader()) return code;
  say((std::string("stdout can't be written: ") + (why != 0 ? std::strerror(why) : "a part of the output is lost")).c_str());
  return code == 0 ? 2 : code;
}

}  // namespace

int command(int argc, char** argv) {
  share_one_heap();
  return with_output(run_and_tell(argc, argv));
}

}  // namespace tacet
