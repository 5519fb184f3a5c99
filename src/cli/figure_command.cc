// See figure_command.h.
#include "cli/figure_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/files.h"
#include "base/places.h"
#include "base/utf8.h"
#include "cli/output.h"
#include "cli/sweep_lines.h"
#include "figure/figure_data.h"
#include "figure/figure_record.h"
#include "figure/figure_runs.h"
#include "figure/figure_tuning.h"
#include "figure/svg.h"
#include "figure/svg_png.h"
#include "report/page.h"
#include "sweep/runner.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the plan by which the figure's folder is told from those of others.
SweepPlan folder_plan(const Figure& figure) {
  SweepPlan plan;
  plan.axes = {"algorithm.name"};
  plan.base["figure"] = to_toml(Value(fs::path(figure.source).stem().string()));
  return plan;
}

// Runs what is missing of the points. Returns the signal that has stopped it, or 0.
int run_missing(const FigureArguments& a, const Figure& figure, const std::vector<Point>& points,
                const SweepFolder& folder) {
  open_sweep_folder(folder, folder_plan(figure));
  RunnerOptions options;
  options.folder = folder.path;
  options.command = program_name();
  options.workers = a.workers;
  options.jobs = a.jobs;
  options.diverged_above = 0;  // a curve that rises is a result
  options.retry = a.retry;
  options.retry_hint = kRetryHint;
  SweepLines lines(a.quiet);
  options.say = [&](const std::string& line) { lines.say(line); };
  options.show = [&](const std::string& line) { lines.show(line); };
  const RunnerResult run = run_points(points, options);
  if (run.disk_full) throw UserError("the disk is full; make room, and the same command goes on");
  return run.signal;
}

// Returns the points that no grid has, as those of grids have ended by now.
std::vector<Point> without_grids(std::vector<Point> points, const std::vector<CurveTuning>& tunings) {
  const std::vector<Point> grids = tuning_points(tunings);
  std::erase_if(points, [&](const Point& point) {
    return std::any_of(grids.begin(), grids.end(), [&](const Point& other) { return other.digest == point.digest; });
  });
  return points;
}

std::vector<std::vector<Run>> runs_of(const FigurePlan& plan) {
  std::vector<std::vector<Run>> out;
  for (const FigureGroup& group : plan.groups)
    out.push_back(group.runs.empty() ? std::vector<Run>{} : read_runs(group.runs));
  return out;
}

// Lists the runs. Those that depend on values which are not found yet are counted. Throws UserError for a folder that the
// figure would refuse.
void print_runs(const Figure& figure, const FigurePlan& plan, const std::vector<CurveTuning>& tunings,
                const SweepFolder& folder) {
  const std::vector<Point> points = tunings.empty() ? plan.points : tuning_points(tunings);
  require_sweep_folder(folder, folder_plan(figure), points);
  for (const Point& point : points) fmt::print("{:<9} {}\n", state_name(state_of(folder, point).kind), point.name);
  if (!tunings.empty())
    fmt::print("{} runs of grids; then at most {} runs with the best values\n", points.size(), plan.points.size());
}

// Draws one of a figure's keys. `base` is the path without its ending.
FigureData draw_key(const Figure& figure, const FigurePlan& plan, const std::vector<std::vector<Run>>& runs,
                    const std::string& base) {
  FigureData data = figure_data(figure, plan, runs);
  for (const std::string& note : data.notes) to_stderr("{}\n", visible(note));
  write_shared(base + ".svg", figure_svg(figure, data));
  write_shared(base + ".csv", figure_csv(data));
  fmt::print("{0}.svg\n{0}.csv\n", base);
  std::fflush(stdout);
  if (write_png(base + ".svg", base + ".png"))
    fmt::print("{}.png\n", base);
  else
    to_stderr("{}\n", kNoPng);
  return data;
}

// Draws one of a figure's keys over all of its axes. Returns the numbers over the first one.
FigureData draw_axes(const Figure& figure, const FigurePlan& plan, const std::vector<std::vector<Run>>& runs,
                     const std::string& base) {
  for (const std::string& axis : figure.over) draw_key(with_axis(figure, axis), plan, runs, base + "-over-" + axis);
  return draw_key(figure, plan, runs, base);
}

void draw_figure(const Figure& figure, const FigurePlan& plan, const std::vector<std::string>& grid,
                 std::vector<std::string> notes, const std::string& out) {
  const std::vector<std::vector<Run>> runs = runs_of(plan);
  const FigureData data = draw_axes(figure, plan, runs, out + "/figure");
  notes.insert(notes.end(), data.notes.begin(), data.notes.end());
  for (const std::string& key : figure.also) draw_axes(with_key(figure, key), plan, runs, out + "/figure-" + key);
  write_shared(out + "/figure.json",
               figure_facts(figure, plan, notes, runs, grid.empty() ? std::vector<Run>{} : read_runs(grid)));
  write_shared(out + "/points.csv", figure_points_csv(figure, plan, runs));
  std::vector<std::string> folders;
  for (const FigureGroup& group : plan.groups)
    for (const std::string& run : group.runs)
      if (std::find(folders.begin(), folders.end(), run) == folders.end()) folders.push_back(run);
  write_report(read_runs(folders), out + "/report.html");
  fmt::print("{}/report.html\n", out);
}

}  // namespace

void declare(CLI::App& c, FigureArguments& a) {
  c.add_option("name", a.name, "a name in recipes/figures, or a file (TOML)")->required()->option_text("NAME|FILE");
  c.add_option("--out", a.out, "folder of the figure and its runs (default: figures/<name>)")->option_text("DIR");
  c.add_option("--jobs", a.jobs, "runs at once (default: as many as cores and memory allow)")
      ->check(CLI::Range(1, 1024))
      ->option_text("N");
  c.add_option("--workers", a.workers, "processes of each run (default: 1)")->check(CLI::Range(1, 1024))->option_text("P");
  c.add_flag("--retry", a.retry, kRetryHelp);
  c.add_flag("--quiet", a.quiet, "no progress on the terminal");
  c.add_flag("--dry-run", a.dry_run, "list the runs and how far they are, run and draw nothing");
}

int cmd_figure(const FigureArguments& a) {
  Figure figure = read_figure(find_figure(a.name));
  FigurePlan plan = plan_figure(figure, a.workers);
  require_alike(figure, plan);
  const std::vector<CurveTuning> tunings = plan_tuning(figure, a.workers);
  const SweepFolder folder{a.out.empty() ? "figures/" + fs::path(figure.source).stem().string() : a.out};
  const std::string facts = folder.path + "/figure.json";
  require_same_figure(figure, facts);
  if (a.dry_run) {
    print_runs(figure, plan, tunings, folder);
    return 0;
  }
  const auto stopped_by = [&](const std::vector<Point>& points) {
    const int signal = run_missing(a, figure, points, folder);
    if (signal != 0) to_stderr("stopped; the same command goes on\n");
    return signal;
  };
  std::vector<std::string> notes;
  const auto tell = [&](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) to_stderr("{}\n", visible(line));
    notes.insert(notes.end(), lines.begin(), lines.end());
  };
  tell(tuning_notes(figure, tunings));
  if (!tunings.empty()) {
    if (const int signal = stopped_by(tuning_points(tunings))) return 128 + signal;
    tell(tune(figure, tunings, folder));
    plan = plan_figure(figure, a.workers);
  }
  if (const int signal = stopped_by(without_grids(plan.points, tunings))) return 128 + signal;
  tell(find_runs(figure, plan, folder));
  require_same_figure(figure, facts);  // another one may have been drawn while the runs went on
  draw_figure(figure, plan, grid_runs(tunings, folder), notes, folder.path);
  return 0;
}

}  // namespace tacet
