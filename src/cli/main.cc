// The command: arguments, and the exit codes of the contract (0 done, 2 the user's input, 3 a lost peer, 1 a defect).
// What the subcommands do is in their own files.
#include <algorithm>
#include <cstdio>
#include <exception>

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/data_command.h"
#include "cli/train_command.h"
#include "recipe/describe.h"
#include "report/compare.h"
#include "report/page.h"
#include "tacet/error.h"
#include "tacet/options.h"
#include "tacet/train.h"
#include "train/process.h"

namespace {

int width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::clamp<int>(size.ws_col, 40, 100);
}

int run(int argc, char** argv) {
  CLI::App app{"tacet trains neural networks on many machines, or many simulated clients, that talk rarely."};
  app.require_subcommand(1);
  app.set_version_flag("--version", tacet::version());
  app.footer("Start with: tacet train recipes/demo/celgc.toml --workers 4");

  tacet::TrainCommand train;
  auto* t = app.add_subcommand("train", "run a recipe");
  t->add_option("recipe", train.recipe, "recipe file (TOML)")->required()->option_text("RECIPE");
  t->add_option("--out", train.out, "folder of the run; must be new or empty (default: runs/<recipe>)")->option_text("DIR");
  const CLI::Validator workers(
      [](std::string& text) {
        if (text != "auto") return CLI::Range(1, 1024)(text);
        text = std::to_string(tacet::kWorkersAuto);
        return std::string();
      },
      "");
  t->add_option("--workers", train.workers,
                "processes to start on this machine, or auto: as many as its cores and the round's clients are (default: 1)")
      ->transform(workers)
      ->option_text("P");
  t->add_option("--set", train.sets, "override a key of the recipe; may be repeated")
      ->option_text("TABLE.KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  t->add_flag("--resume", train.resume, "continue the run in --out from its checkpoint");
  t->add_flag("--quiet", train.quiet, "no progress on the terminal");
  t->add_flag("--dry-run", train.dry_run, "check recipe and data, print sizes and costs, train nothing");
  auto* hosts = t->add_option("--hosts", train.hosts, "machines to start one worker each on, over ssh")
                    ->option_text("A,B,C")
                    ->excludes("--workers");
  t->add_option("--ssh", train.ssh, "how to reach them (default: ssh)")->option_text("COMMAND")->needs(hosts);
  t->add_option("--port", train.port, "where they meet, a port of the first of them")
      ->check(CLI::Range(1, 65535))
      ->option_text("N")
      ->needs(hosts);
  t->add_option("--join-token", train.join_token,
                "file with the secret that workers on several machines share (default: $TACET_JOIN_TOKEN)")
      ->option_text("FILE");
  t->add_flag("--launched", train.launched)->group("");  // between the launcher and its workers
  t->add_flag("--rejoin", train.rejoin)->group("");
  t->add_flag("--token-from-input", train.token_from_input)->group("");

  std::vector<std::string> dirs;
  std::string page;
  auto* compare = app.add_subcommand("compare", "table of runs: final and best figures, rounds, bytes, seconds");
  compare->add_option("runs", dirs, "folders of runs")->required()->option_text("DIR...");
  auto* report = app.add_subcommand("report", "one self-contained HTML page with the figures of runs");
  report->add_option("runs", dirs, "folders of runs")->required()->option_text("DIR...");
  report->add_option("-o,--output", page, "the page to write (default: report.html)")->option_text("FILE");

  std::string model, recipe;
  std::vector<std::string> sets;
  auto* eval = app.add_subcommand("eval", "evaluate a model on its validation and test data");
  eval->add_option("model", model, "folder of a run, or a safetensors file")->required()->option_text("DIR|MODEL");
  eval->add_option("--recipe", recipe, "recipe with the model and the data (default: the run's own)")->option_text("RECIPE");
  eval->add_option("--set", sets, "override a key of the recipe")
      ->option_text("TABLE.KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);

  auto* algorithms = app.add_subcommand("algorithms", "list the methods with their papers and options");
  auto* models = app.add_subcommand("models", "list the models with their papers and options");
  auto* data = app.add_subcommand("data", "data sets");
  data->require_subcommand(1);
  auto* data_list = data->add_subcommand("list", "list the data sets and the files they need");
  std::string dataset, folder, address;
  auto* data_info = data->add_subcommand("info", "sizes, origin, files and labels of a data set, and its partition");
  data_info->add_option("name", dataset, "data set")->required()->option_text("NAME");
  data_info->add_option("--recipe", recipe, "show what this recipe's clients get")->option_text("RECIPE");
  std::string partition;
  int clients = 0;
  data_info->add_option("--partition", partition, "how the training set is dealt, as --set data.partition.kind=KIND")
      ->option_text("KIND");
  data_info->add_option("--clients", clients, "to how many clients (default: 10, or the recipe's)")->option_text("N");
  data_info->add_option("--set", sets, "override a key of the recipe, data.partition.kind=dirichlet for example")
      ->option_text("TABLE.KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* data_fetch = data->add_subcommand("fetch", "download a data set's original files");
  data_fetch->add_option("name", dataset, "data set")->required()->option_text("NAME");
  data_fetch->add_option("--to", folder, "folder for data sets (default: $TACET_DATA, else ~/.cache/tacet)")
      ->option_text("DIR");
  data_fetch->add_option("--from", address, "another folder to download from, an http, https or file address")
      ->option_text("URL");

  // CLI11 only says that a subcommand is missing; a misspelt one deserves its name back.
  if (argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
    if (std::find(names.begin(), names.end(), argv[1]) == names.end()) {
      const auto near = tacet::nearest(argv[1], names);
      throw tacet::UserError("there is no subcommand \"" + std::string(argv[1]) + "\"" +
                             (near ? "; did you mean \"" + *near + "\"?" : "; tacet --help lists them"));
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    throw tacet::UserError(std::string(error.what()) + " (tacet --help tells more)");
  }
  if (*t) return tacet::cmd_train(train);
  if (*compare) return tacet::cmd_compare(dirs);
  if (*report) return tacet::cmd_report(dirs, page);
  if (*eval) return tacet::cmd_eval(model, recipe, sets);
  if (*algorithms) std::fputs(tacet::describe_methods(width()).c_str(), stdout);
  if (*models) std::fputs(tacet::describe_models(width()).c_str(), stdout);
  if (*data_list) std::fputs(tacet::describe_datasets(width()).c_str(), stdout);
  if (*data_info) {
    if (!partition.empty()) sets.push_back("data.partition.kind=" + partition);
    if (clients == 0 && !partition.empty() && recipe.empty()) clients = 10;
    if (data_info->count("--clients") > 0 || clients > 0) sets.push_back("clients.count=" + std::to_string(clients));
    return tacet::cmd_data_info(dataset, recipe, sets);
  }
  if (*data_fetch) return tacet::cmd_data_fetch(dataset, folder, address);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  tacet::share_one_heap();
  try {
    return run(argc, argv);
  } catch (const tacet::UserError& error) {
    std::fprintf(stderr, "tacet: %s\n", error.what());
    return 2;
  } catch (const tacet::PeerLost& error) {
    std::fprintf(stderr, "tacet: %s\n", error.what());
    return 3;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tacet: this is a defect of tacet: %s\n", error.what());
    return 1;
  }
}
