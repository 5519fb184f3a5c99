// See figure_data.h.
#include "figure/figure_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/merit.h"
#include "recipe/sweep_table.h"
#include "report/facts.h"
#include "report/key_lines.h"
#include "sweep/results.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr size_t kMostFigurePoints = 600;  // of a line; more are averaged
constexpr size_t kFigureBins = 40;         // of a histogram

struct FigureAxis {
  const char *name, *key, *label;
};
constexpr FigureAxis kAxes[] = {{"epoch", "epoch", "epoch"},
                                {"iterations", "iteration", "local steps of a client"},
                                {"rounds", "round", "rounds"},
                                {"seconds", "seconds", "training time (s)"},
                                {"bytes", "client_bytes", "bytes of one client's messages"},
                                {"tokens", "tokens", "training tokens of all clients"}};

const FigureAxis& axis_of(const std::string& name) {
  return *std::find_if(std::begin(kAxes), std::end(kAxes), [&](const FigureAxis& axis) { return name == axis.name; });
}

double interpolated(const FigurePoints& points, double x) {
  const auto after = std::lower_bound(points.x.begin(), points.x.end(), x);
  if (after == points.x.begin()) return points.y.front();
  if (after == points.x.end()) return points.y.back();
  const auto k = static_cast<size_t>(after - points.x.begin());
  const double share = (x - points.x[k - 1]) / (points.x[k] - points.x[k - 1]);
  return points.y[k - 1] + share * (points.y[k] - points.y[k - 1]);
}

bool alike(const std::vector<FigurePoints>& runs) {
  return std::all_of(runs.begin(), runs.end(), [&](const FigurePoints& points) { return points.x == runs.front().x; });
}

// Returns the places at which runs are averaged.
std::vector<double> common_x(const std::vector<FigurePoints>& runs) {
  if (alike(runs)) return runs.front().x;
  double first = -std::numeric_limits<double>::infinity(), last = std::numeric_limits<double>::infinity();
  size_t count = 2;
  for (const FigurePoints& points : runs) {
    first = std::max(first, points.x.front());
    last = std::min(last, points.x.back());
    count = std::max(count, std::min(points.x.size(), kMostFigurePoints));
  }
  std::vector<double> out;
  for (size_t k = 0; k < count && first <= last; ++k)
    out.push_back(first + (last - first) * static_cast<double>(k) / static_cast<double>(count - 1));
  return out;
}

void add_mean(FigureSeries& series, double x, const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const auto n = static_cast<double>(values.size());
  const double mean = sum / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  series.x.push_back(x);
  series.mean.push_back(mean);
  series.low.push_back(mean - deviation);
  series.high.push_back(mean + deviation);
  series.n.push_back(values.size());
}

// Averages neighbours where a line has more points than a figure shows.
FigureSeries thinned(FigureSeries series) {
  const size_t count = series.x.size();
  if (count <= kMostFigurePoints) return series;
  for (auto* column : {&series.x, &series.mean, &series.low, &series.high}) {
    std::vector<double> out;
    for (size_t b = 0; b < kMostFigurePoints; ++b) {
      const size_t begin = b * count / kMostFigurePoints, end = (b + 1) * count / kMostFigurePoints;
      double sum = 0;
      for (size_t k = begin; k < end; ++k) sum += (*column)[k];
      out.push_back(sum / static_cast<double>(end - begin));
    }
    *column = std::move(out);
  }
  series.n.resize(kMostFigurePoints);  // the same at every point of such a line
  return series;
}

// Returns the points of each run, and notes values that are not finite.
std::vector<FigurePoints> all_points(FigureData& data, const Figure& figure, const std::string& name,
                                     const std::vector<Run>& runs) {
  std::vector<FigurePoints> out;
  for (const Run& run : runs) {
    out.push_back(points_of(figure, run));
    if (out.back().not_finite > 0)
      data.notes.push_back(fmt::format("{}: {} values of {} in {} are not finite and are left out", name,
                                       out.back().not_finite, figure.y, run.folder));
  }
  return out;
}

// Returns the x of each run that has reached the target, and notes those that have not.
std::vector<double> targets(FigureData& data, const Figure& figure, const std::string& name,
                            const std::vector<FigurePoints>& runs) {
  std::vector<double> out;
  for (const FigurePoints& points : runs)
    if (const double x = reaches(points, *figure.target, higher_is_better(figure.y)); std::isfinite(x)) out.push_back(x);
  if (out.size() < runs.size())
    data.notes.push_back(fmt::format("{}: {} of {} runs did not reach {} = {:g}", name, runs.size() - out.size(),
                                     runs.size(), figure.y, *figure.target));
  return out;
}

FigureSeries& series_of(FigureData& data, const std::string& label) {
  for (FigureSeries& series : data.series)
    if (series.label == label) return series;
  data.series.emplace_back().label = label;
  return data.series.back();
}

void add_histogram(FigureData& data, const Figure& figure, const std::string& label, const std::vector<FigurePoints>& runs) {
  std::vector<double> values;
  for (const FigurePoints& points : runs) values.insert(values.end(), points.y.begin(), points.y.end());
  const auto scale = [&](double v) { return figure.log_x ? std::log10(v) : v; };
  const size_t all = values.size();
  if (figure.log_x)
    if (const size_t low = std::erase_if(values, [](double v) { return v <= 0; }); low > 0)
      data.notes.push_back(fmt::format("{}: {} of {} values of {} are not above 0 and have no place on a log axis", label,
                                       low, all, figure.y));
  if (values.empty())
    throw UserError(figure.source + ": " + label + ": " + figure.y + " must be > 0 on a log axis, and never is");
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double low = scale(*least), width = std::max(scale(*most) - low, 1e-12) / static_cast<double>(kFigureBins);
  std::vector<double> counts(kFigureBins);
  for (const double v : values)
    counts[std::min(kFigureBins - 1, static_cast<size_t>((scale(v) - low) / width))] += 1 / static_cast<double>(all);
  FigureSeries& series = series_of(data, label);
  for (size_t b = 0; b < kFigureBins; ++b) {
    const double middle = low + (static_cast<double>(b) + 0.5) * width;
    add_mean(series, figure.log_x ? std::pow(10, middle) : middle, {counts[b]});
    series.n.back() = runs.size();
  }
}

// Adds the last values of a group's runs. A run that does not end with a finite one is in no mean.
void add_last(FigureData& data, const Figure& figure, const FigureGroup& group, const std::vector<FigurePoints>& runs) {
  std::vector<double> last;
  for (const FigurePoints& points : runs)
    if (points.ends_finite) last.push_back(points.y.back());
  FigureSeries& series = series_of(data, figure.curves[group.curve].label);
  if (last.size() < runs.size())
    data.notes.push_back(fmt::format("{}: {} of {} runs do not end with a finite {} and are in no mean",
                                     group_name(figure, group), runs.size() - last.size(), runs.size(), figure.y));
  if (!last.empty()) add_mean(series, as_number(*group.value).value(), last);
}

// The mean x of each curve's first group, to which speed-ups are relative; nothing where none of its runs has reached the
// target.
using FirstMeans = std::map<size_t, std::optional<double>>;

// Adds the speed-up of a group: the mean x of the curve's first group over that of this one. Its deviation is that of this
// group's x.
void add_speed_up(FigureData& data, const Figure& figure, const FigureGroup& group, const std::vector<double>& reached,
                  FirstMeans& first) {
  const auto [base, is_first] = first.try_emplace(group.curve);
  if (reached.empty()) return;
  FigureSeries own;
  add_mean(own, 0, reached);
  if (is_first) base->second = own.mean[0];
  if (!base->second) {
    data.notes.push_back(
        fmt::format("{}: no speed-up, as no run at the first value has reached the target", group_name(figure, group)));
    return;
  }
  const double ratio = *base->second / own.mean[0], deviation = ratio * (own.high[0] - own.mean[0]) / own.mean[0];
  FigureSeries& series = series_of(data, figure.curves[group.curve].label);
  add_mean(series, as_number(*group.value).value(), {ratio});
  series.low.back() = ratio - deviation;
  series.high.back() = ratio + deviation;
  series.n.back() = reached.size();
}

// Adds the runs of one group.
void add_runs(FigureData& data, const Figure& figure, const FigureGroup& group, const std::vector<Run>& runs,
              FirstMeans& first) {
  const std::string& label = figure.curves[group.curve].label;
  const std::vector<FigurePoints> points = all_points(data, figure, group_name(figure, group), runs);
  if (figure.kind == "curves") {
    data.series.push_back(mean_of(points));
    data.series.back().label = label;
    if (data.series.back().x.empty())
      data.notes.push_back(label + ": its runs have no " + axis_of(figure.x).label + " in common, so there is no mean");
  } else if (figure.kind == "histogram") {
    add_histogram(data, figure, label, points);
  } else if (figure.kind == "final") {
    add_last(data, figure, group, points);
  } else {
    const std::vector<double> reached = targets(data, figure, group_name(figure, group), points);
    if (figure.kind == "speed-up")
      add_speed_up(data, figure, group, reached, first);
    else if (!reached.empty())
      add_mean(series_of(data, label), 0, reached);
  }
}

// Notes the points that have no place on a logarithmic axis.
void note_undrawn(FigureData& data, const Figure& figure) {
  for (const FigureSeries& series : data.series) {
    size_t count = 0;
    for (size_t k = 0; k < series.x.size(); ++k)
      count += (figure.log_x && series.x[k] <= 0) || (figure.log_y && series.mean[k] <= 0);
    if (count > 0)
      data.notes.push_back(fmt::format("{}: {} of {} points are not above 0 and have no place on a log axis", series.label,
                                       count, series.x.size()));
  }
}

// Adds one group to the figure. One that has diverged as a whole adds no point, but its curve's name and count stay.
void add_group_data(FigureData& data, const Figure& figure, const FigureGroup& group, const std::vector<Run>& runs,
                    FirstMeans& first) {
  const std::string& label = figure.curves[group.curve].label;
  const bool to_target = figure.kind == "bars" || figure.kind == "speed-up";
  if (!runs.empty())
    add_runs(data, figure, group, runs, first);
  else if (!to_target)
    series_of(data, label);
  else
    first.try_emplace(group.curve);
  for (FigureSeries& series : data.series)
    if (series.label == label) series.diverged += group.diverged;
}

void add_labels(FigureData& data, const Figure& figure) {
  const std::string axis = axis_of(figure.x).label, target = figure.target ? fmt::format("{:g}", *figure.target) : "";
  data.x_label = axis, data.y_label = figure.y;
  if (figure.kind == "histogram") data.x_label = figure.y, data.y_label = "share of rounds";
  if (figure.kind == "final" || figure.kind == "speed-up") data.x_label = figure.parameter;
  if (figure.kind == "final") data.y_label = "last " + figure.y;
  if (figure.kind == "bars") data.x_label = "", data.y_label = axis + " to " + figure.y + " = " + target;
  if (figure.kind == "speed-up") data.y_label = "speed-up in " + axis + " to " + figure.y + " = " + target;
  if (!figure.x_label.empty()) data.x_label = figure.x_label;
  if (!figure.y_label.empty()) data.y_label = figure.y_label;
}

}  // namespace

FigurePoints points_of(const Figure& figure, const Run& run) {
  FigurePoints out;
  const std::string x_key = axis_of(figure.x).key;
  const KeyLines found = lines_with(run, figure.y, figure.x == "epoch" && figure.kind != "histogram");
  for (const auto& line : found.lines) {
    const double x = number(line, x_key), y = number(line, found.key);
    if (line.contains(found.key)) out.ends_finite = std::isfinite(y);
    if (line.contains(found.key) && !std::isfinite(y)) ++out.not_finite;
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    if (!out.x.empty() && x < out.x.back()) continue;
    if (out.x.empty() || x > out.x.back()) {
      out.x.push_back(x);
      out.y.emplace_back();
      out.over.emplace_back();
    }
    out.y.back() = y;
    out.over.back().clear();
    for (const std::string& axis : figure.over) out.over.back().push_back(number(line, axis_of(axis).key));
  }
  if (out.x.empty())
    throw UserError(run.folder + "/metrics.jsonl: must have lines with " + x_key + " and " + figure.y + " for the figure " +
                    figure.source + ", got " + numeric_keys(run));
  return out;
}

double reaches(const FigurePoints& points, double target, bool higher) {
  for (size_t k = 0; k < points.x.size(); ++k)
    if (higher ? points.y[k] >= target : points.y[k] <= target) return points.x[k];
  return kUnknown;
}

FigureSeries mean_of(const std::vector<FigurePoints>& runs) {
  FigureSeries out;
  std::vector<double> values(runs.size());
  for (const double x : common_x(runs)) {
    for (size_t k = 0; k < runs.size(); ++k) values[k] = interpolated(runs[k], x);
    add_mean(out, x, values);
  }
  return thinned(std::move(out));
}

FigureData figure_data(const Figure& figure, const FigurePlan& plan, const std::vector<std::vector<Run>>& runs) {
  FigureData data;
  FirstMeans first;
  for (size_t k = 0; k < plan.groups.size(); ++k) add_group_data(data, figure, plan.groups[k], runs[k], first);
  add_labels(data, figure);
  note_undrawn(data, figure);
  return data;
}

std::string figure_csv(const FigureData& data) {
  std::string out = "curve,n,x,mean,low,high\n";
  for (const FigureSeries& series : data.series)
    for (size_t k = 0; k < series.x.size(); ++k)
      out += fmt::format("{},{},{},{},{},{}\n", csv_cell(series.label), series.n[k], series.x[k], series.mean[k],
                         series.low[k], series.high[k]);
  return out;
}

}  // namespace tacet
