// See sweep_command.h.
#include "cli/sweep_command.h"

#include <cstdio>
#include <filesystem>
#include <limits>

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/places.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/sweep_lines.h"
#include "report/text_table.h"
#include "sweep/results.h"
#include "sweep/runner.h"

namespace tacet {
namespace {

std::string folder_of(const SweepArguments& a) {
  if (!a.out.empty()) return a.out;
  return (std::filesystem::path("runs") / std::filesystem::path(a.request.recipe).stem()).string() + "-sweep";
}

void print_plan(const SweepPlan& plan, const SweepFolder& folder) {
  for (const Point& point : plan.points) fmt::print("{:<9} {}\n", state_name(state_of(folder, point).kind), point.name);
}

// Prints what did not go well, once more and all together. Returns the number of such points.
size_t print_failures(const SweepResults& results) {
  size_t count = 0;
  for (const PointResult& point : results.points) {
    const bool bad = point.state.kind == PointState::Kind::failed || point.state.kind == PointState::Kind::diverged;
    if (!bad) continue;
    if (count++ == 0) fmt::print("\n");
    fmt::print("{}: {}: {}\n", state_name(point.state.kind), point.point->name, visible(point.state.reason));
  }
  return count;
}

size_t print_results(const SweepPlan& plan, const SweepResults& results, const std::string& folder) {
  fmt::print("{}", draw(results_table(plan, results), std::max(40, terminal_width(STDOUT_FILENO))));
  const size_t failed = print_failures(results);
  if (results.best) {
    const SeedGroup& best = results.groups[*results.best];
    std::string values;
    for (const Setting& setting : best.settings) values += " " + setting.key + " = " + setting.value;
    fmt::print("\nbest by {}:{} ({:.6g}, n = {})\n", results.figure, values.empty() ? " all" : values, best.mean,
               best.count);
    fmt::print("its recipe {}/best.toml\n", folder);
  }
  fmt::print("sweep folder {}\n", folder);
  return failed;
}

RunnerOptions runner_options(const SweepArguments& a, const std::string& folder, SweepLines& lines) {
  RunnerOptions options;
  options.folder = folder;
  options.command = program_name();
  options.workers = a.request.workers;
  options.jobs = a.jobs;
  options.lost_after = a.lost_after;
  options.diverged_above = a.diverged_above;
  options.retry = a.retry;
  options.wait = !a.no_wait;
  options.retry_hint = kRetryHint;
  options.say = [&](const std::string& line) { lines.say(line); };
  options.show = [&](const std::string& line) { lines.show(line); };
  return options;
}

int exit_code_of(const RunnerResult& run, size_t failed, const std::string& folder) {
  if (run.signal != 0) {
    to_stderr("stopped; the same command goes on with {}\n", folder);
    return 128 + run.signal;
  }
  if (run.disk_full) to_stderr("tacet: the disk is full; make room, and the same command goes on\n");
  if (run.elsewhere > 0) to_stderr("{} points are run by other sweeps of this folder\n", run.elsewhere);
  return run.disk_full || failed > 0 ? 2 : 0;
}

}  // namespace

void declare(CLI::App& c, SweepArguments& a) {
  c.add_option("recipe", a.request.recipe, "recipe file (TOML)")->required()->option_text("RECIPE");
  const auto many = [](CLI::Option* option) { option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll); };
  many(c.add_option("--grid", a.request.grids,
                    "a key and its values: a,b,c or FROM..TO:N, with log:, random: or log-random: "
                    "before N (default: the recipe's [sweep])")
           ->option_text("TABLE.KEY=VALUES"));
  c.add_option("--seeds", a.request.seeds, "seeds of each point, 1..3 or 1,2,7 (default: the recipe's)")
      ->option_text("SEEDS");
  c.add_option("--key", a.request.best, "figure of summary.json that decides (default: train_loss)")->option_text("FIGURE");
  c.add_option("--random-seed", a.request.random_seed, "seed of random values (default: the recipe's [sweep], else 0)")
      ->check([](const std::string& text) { return outside(text, 0, std::numeric_limits<int>::max()); })
      ->option_text("N");
  c.add_option("--out", a.out, "folder of the sweep, new or that of this sweep (default: runs/<recipe>-sweep)")
      ->option_text("DIR");
  c.add_option("--jobs", a.jobs, "runs at once (default: as many as cores and memory allow)")
      ->check([](const std::string& text) { return outside(text, 1, 1024); })
      ->option_text("N");
  c.add_option("--workers", a.request.workers, "processes of each run (default: 1)")
      ->check([](const std::string& text) { return outside(text, 1, 1024); })
      ->option_text("P");
  declare_sets(c, a.request.sets, "override a key of the recipe in all points; may be repeated");
  c.add_option("--diverged", a.diverged_above,
               "a run whose training loss is above X times that of its first round for 10 rounds is stopped; 0: none is "
               "(default: 10)")
      ->check([](const std::string& text) { return outside_number(text, 0, std::numeric_limits<double>::infinity()); })
      ->option_text("X");
  c.add_option("--lost-after", a.lost_after,
               "seconds without a sign of life after which another machine's point is taken over "
               "(default: 60)")
      ->check([](const std::string& text) { return outside_number(text, 1, 86400); })
      ->option_text("S");
  c.add_flag("--retry", a.retry, kRetryHelp);
  c.add_flag("--no-wait", a.no_wait, "end when all points that are left are run by other sweeps of the folder");
  c.add_flag("--quiet", a.quiet, "no progress on the terminal");
  c.add_flag("--dry-run", a.dry_run, "list the points and how far they are, run nothing");
}

int cmd_sweep(const SweepArguments& arguments) {
  const SweepPlan plan = plan_sweep(arguments.request);
  const SweepFolder folder{folder_of(arguments)};
  SweepLines lines(arguments.quiet);
  for (const std::string& note : plan.notes) lines.say(note);
  if (arguments.dry_run) {
    require_sweep_folder(folder, plan, plan.points);
    print_plan(plan, folder);
    return 0;
  }
  open_sweep_folder(folder, plan);
  if (!arguments.quiet) lines.say(fmt::format("{} points in {}", plan.points.size(), folder.path));
  const RunnerResult run = run_points(plan.points, runner_options(arguments, folder.path, lines));
  const SweepResults results = results_of(plan, folder);
  if (!run.disk_full) write_results(plan, results, folder);
  const size_t failed = print_results(plan, results, folder.path);
  std::fflush(stdout);
  return exit_code_of(run, failed, folder.path);
}

}  // namespace tacet
