// See arguments.h.
#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <sstream>

namespace tacet {

std::string outside(const std::string& text, int first, int last) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && first <= number && number <= last) return "";
  return "must be a whole number from " + std::to_string(first) + " to " + std::to_string(last) + ", got '" + text + "'";
}

std::string outside_number(const std::string& text, double first, double last) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && first <= number && number <= last) return "";
  std::ostringstream words;
  words << "must be a number >= " << first;
  if (std::isfinite(last)) words << " and <= " << last;
  return words.str() + ", got '" + text + "'";
}

void declare_sets(CLI::App& command, std::vector<std::string>& sets, const std::string& text) {
  command.add_option("--set", sets, text)
      ->option_text("TABLE.KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* declare_json(CLI::App& command, bool& json) {
  return command.add_flag("--json", json, "print one JSON object instead of text");
}

void declare(CLI::App& command, TrainArguments& a) {
  command.add_option("recipe", a.recipe, "recipe file (TOML)")->required()->option_text("RECIPE");
  command
      .add_option("--out", a.out,
                  "folder of the run; must be new or empty (default: runs/<recipe>, or runs/<recipe>-2 and so on where that "
                  "is there)")
      ->option_text("DIR");
  const CLI::Validator workers(
      [](std::string& text) {
        if (text != "auto") return outside(text, 1, 1024);
        text = std::to_string(kWorkersAuto);
        return std::string();
      },
      "");
  command
      .add_option(
          "--workers", a.workers,
          "processes to start on this machine, or auto: as many as its cores and the round's clients are (default: 1)")
      ->transform(workers)
      ->option_text("P");
  declare_sets(command, a.sets, "override a key of the recipe; may be repeated");
  command.add_flag("--resume", a.resume, "continue the run in --out from its checkpoint");
  command.add_flag("--quiet", a.quiet, "no progress on the terminal");
  auto* dry_run = command.add_flag("--dry-run", a.dry_run, "check recipe and data, print sizes and costs, train nothing");
  declare_json(command, a.json)->needs(dry_run);
  auto* hosts = command.add_option("--hosts", a.hosts, "machines to start one worker each on, over ssh")
                    ->option_text("A,B,C")
                    ->excludes("--workers");
  command.add_option("--ssh", a.ssh, "how to reach them (default: ssh)")->option_text("COMMAND")->needs(hosts);
  command.add_option("--port", a.port, "where they meet, a port of the first of them")
      ->check([](const std::string& text) { return outside(text, 1, 65535); })
      ->option_text("N")
      ->needs(hosts);
  command
      .add_option("--join-token", a.join_token,
                  "file with the secret that workers on several machines share (default: $TACET_JOIN_TOKEN)")
      ->option_text("FILE");
  command.add_flag("--launched", a.launched)->group("");
  command.add_flag("--rejoin", a.rejoin)->group("");
  command.add_flag("--token-from-input", a.token_from_input)->group("");
}

std::vector<std::string> words(const TrainArguments& a) {
  const TrainArguments none;
  std::vector<std::string> all = {a.recipe};
  const auto option = [&](const char* name, const std::string& value) { all.insert(all.end(), {name, value}); };
  const auto flag = [&](const char* name, bool given) {
    if (given) all.push_back(name);
  };
  if (!a.out.empty()) option("--out", a.out);
  if (a.workers != 0) option("--workers", a.workers == kWorkersAuto ? "auto" : std::to_string(a.workers));
  for (const std::string& set : a.sets) option("--set", set);
  flag("--resume", a.resume);
  flag("--quiet", a.quiet);
  flag("--dry-run", a.dry_run);
  flag("--json", a.json);
  if (!a.hosts.empty()) option("--hosts", a.hosts);
  if (a.ssh != none.ssh) option("--ssh", a.ssh);
  if (a.port != 0) option("--port", std::to_string(a.port));
  if (!a.join_token.empty()) option("--join-token", a.join_token);
  flag("--launched", a.launched);
  flag("--rejoin", a.rejoin);
  flag("--token-from-input", a.token_from_input);
  return all;
}

TrainArguments for_workers(const TrainArguments& arguments, const std::string& out) {
  TrainArguments workers;
  workers.recipe = arguments.recipe;
  workers.out = out;
  workers.sets = arguments.sets;
  workers.resume = arguments.resume;
  workers.quiet = arguments.quiet;
  return workers;
}

}  // namespace tacet
