// The picture of `tacet plan`: seconds of a local step against I for each way to send, with the smallest I that costs little
// and the theorems' limits. The numbers are those of src/analysis.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/files.h"
#include "base/utf8.h"
#include "cli/plan_command.h"
#include "cli/progress.h"
#include "figure/panel_sheet.h"
#include "figure/svg_png.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the intervals of the curves: quarters of octaves up to twice all that is marked, the marked ones, and the first
// that hides the whole exchange, where an overlap's curve bends.
std::vector<int64_t> curve_intervals(const PlanFacts& facts) {
  double most = 64;
  std::vector<int64_t> all;
  for (const ExchangePlan& e : facts.exchanges) {
    const double bend = std::clamp(std::ceil(e.seconds / e.step_seconds), 1.0, 1e15);
    most = std::max({most, bend, static_cast<double>(e.interval)});
    all.insert(all.end(), {e.interval, static_cast<int64_t>(bend)});
  }
  for (const TheoremPlan& t : facts.theorems)
    if (t.feasible) most = std::max(most, std::min(t.interval_limit, 1e15));
  int64_t power = 1;
  for (; static_cast<double>(power) < 2 * most; power *= 2)
    for (const int64_t quarters : {4, 5, 6, 7})
      if (power * quarters % 4 == 0) all.push_back(power * quarters / 4);
  all.push_back(power);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// Returns the line of the smallest intervals with and without overlap.
std::string smallest_intervals(const PlanFacts& facts, bool overlap) {
  std::string text = overlap ? "with overlap" : "without overlap";
  const char* separator = ": ";
  for (const ExchangePlan& e : facts.exchanges)
    if (e.overlap == overlap) text += fmt::format("{}{} {}", std::exchange(separator, ", "), e.message, e.interval);
  return text;
}

PanelSheet plan_sheet(const PlanFacts& facts) {
  const ClusterCosts& c = *facts.costs;
  Panel p{.title = fmt::format("{:.4g} s a local step, {}/s ({})", c.step_seconds, human_bytes(c.bytes_per_second),
                               facts.bandwidth_origin),
          .x_label = "I, local steps a round",
          .y_label = "seconds a local step",
          .notes = {"dots: the smallest I with 95 % of the speed without any exchange", smallest_intervals(facts, false),
                    smallest_intervals(facts, true)},
          .log_x = true,
          .log_y = true};
  const std::vector<int64_t> intervals = curve_intervals(facts);
  int colour = 0;
  for (size_t k = 0; k < facts.exchanges.size(); ++k, ++colour) {
    const ExchangePlan& e = facts.exchanges[k];
    if (k > 0 && e.overlap != facts.exchanges[k - 1].overlap) colour = 0;  // a message has one colour, dashed with overlap
    PanelSeries curve{.label = way_name(e), .mark = PanelMark::line, .colour = colour, .dashed = e.overlap};
    for (const int64_t I : intervals) {
      curve.x.push_back(static_cast<double>(I));
      curve.y.push_back(e.seconds_a_step(I));
    }
    p.series.push_back(std::move(curve));
    p.series.push_back({.label = way_name(e),
                        .mark = PanelMark::dots,
                        .x = {static_cast<double>(e.interval)},
                        .y = {e.seconds_a_step(e.interval)},
                        .colour = colour});
  }
  for (const TheoremPlan& t : facts.theorems) {
    if (t.feasible)
      p.series.push_back({.label = fmt::format("theory, {} clients: I ≤ {:.4g}", t.name, t.interval_limit),
                          .mark = PanelMark::guide,
                          .x = {t.interval_limit},
                          .colour = kPanelGrey});
    else
      p.notes.push_back(fmt::format("theory, {} clients: no limit on I, as a condition fails", t.name));
  }
  return {.title = fmt::format("Wall clock against I: {} workers, {} parameters", c.workers, c.parameters),
          .caption = "Seconds of a local step and its part of the exchange, by interval and message.",
          .panels = {std::move(p)}};
}

std::string numbers_beside(const std::string& file) { return fs::path(file).replace_extension(".csv").string(); }

bool is_png(const std::string& file) { return fs::path(file).extension() == ".png"; }

// Returns the bytes of the drawing as PNG.
std::string png_bytes(const std::string& svg) {
  const ScratchFolder folder("tacet-plan");
  write_atomically(folder.path("plan.svg"), svg);
  if (!write_png(folder.path("plan.svg"), folder.path("plan.png")))
    throw UserError(std::string("--picture: ") + kNoPng + "; a name that ends in .svg needs no program");
  return read_file(folder.path("plan.png"));
}

}  // namespace

void check_plan_picture(const std::string& file) {
  if (fs::path(file).extension() != ".svg" && !is_png(file))
    throw UserError("--picture: must end in .svg or .png, got " + visible(file));
  for (const std::string& name : {file, numbers_beside(file)}) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(name, ignored)))
      throw UserError("--picture: " + visible(name) + " is there and is never written over: give a new name");
  }
}

void write_plan_picture(const PlanFacts& facts, const std::string& file) {
  const PanelSheet sheet = plan_sheet(facts);
  const std::string svg = panels_svg(sheet);
  write_atomically(file, is_png(file) ? png_bytes(svg) : svg);
  write_atomically(numbers_beside(file), panels_csv(sheet));
}

}  // namespace tacet
