// The pictures of `tacet probe`, drawn from its figures: smoothness against the gradient's length, noise beside a normal
// curve, clients. Each has its numbers in a table. What is measured is not decided here.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "base/files.h"
#include "cli/probe_command.h"
#include "figure/panel_sheet.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr size_t layer_panels = 12, histogram_bins = 25;

// Returns `count` values from low to high, at equal ratios where `by_ratio`.
std::vector<double> between(double low, double high, size_t count, bool by_ratio) {
  std::vector<double> out;
  for (size_t k = 0; k < count; ++k) {
    const double share = static_cast<double>(k) / static_cast<double>(count - 1);
    out.push_back(by_ratio ? low * std::pow(high / low, share) : low + share * (high - low));
  }
  return out;
}

// Returns the line of a fit over the gradients' range.
PanelSeries fitted_line(const SmoothnessCloud& cloud, const SmoothnessFit& fit) {
  double low = 0, high = 0;
  for (const double g : cloud.gradients) {
    if (!(g > 0)) continue;
    low = low > 0 ? std::min(low, g) : g;
    high = std::max(high, g);
  }
  PanelSeries line{.label = fmt::format("fit {:.3g} + {:.3g}·‖∇f‖", fit.line.intercept, fit.line.slope),
                   .mark = PanelMark::line,
                   .colour = 1};
  if (!(low > 0)) return line;
  const auto [least, most] = std::minmax_element(cloud.smoothness.begin(), cloud.smoothness.end());
  for (const double g : between(low, high, 80, true)) {
    const double y = fit.line.intercept + fit.line.slope * g;
    if (y < *least / 3 || y > *most * 3) continue;  // beyond the points it would only squeeze them
    line.x.push_back(g), line.y.push_back(y);
  }
  return line;
}

// Returns the panel of L̂ against ‖∇f‖ with its control and fit, or nothing where no line can be fitted.
std::optional<Panel> cloud_panel(const SmoothnessCloud& cloud, uint64_t seed, const std::string& title,
                                 const std::string& x_label) {
  SmoothnessFit fit;
  try {
    fit = fit_cloud(cloud, seed);
  } catch (const UserError&) {
    return std::nullopt;  // probe.json says why
  }
  Panel p{.title = title, .x_label = x_label, .y_label = "L̂", .log_x = true, .log_y = true};
  p.notes.push_back(fmt::format("slope {:.3g} … {:.3g} (95 %), R² {:.2g}, n = {}", fit.line.slope_interval.low,
                                fit.line.slope_interval.high, fit.line.r2, fit.line.n));
  p.notes.push_back(fmt::format("log-log slope {:.3g}; control as steep: p = {:.2g}", fit.logarithms.slope, fit.shuffled_p));
  p.series.push_back({.label = "control: L̂ dealt at random",
                      .x = cloud.gradients,
                      .y = dealt_at_random(cloud.smoothness, seed, 0),
                      .colour = kPanelGrey});
  p.series.push_back({.label = "pairs of the run", .x = cloud.gradients, .y = cloud.smoothness});
  p.series.push_back(fitted_line(cloud, fit));
  return p;
}

std::string about(const ProbeResult& r, const std::string& what) {
  return fmt::format("{}: {}, {} parameters", what, r.model, r.parameters);
}

PanelSheet smoothness_sheet(const ProbeResult& r, uint64_t seed) {
  PanelSheet sheet{.title = about(r, "Smoothness along the run"),
                   .caption = "The change of the gradient over the length of the step, against the gradient's length."};
  if (auto p = cloud_panel(smoothness_cloud(r.points), seed, fmt::format("whole model, {} batches", r.units.size()), "‖∇f‖"))
    sheet.panels.push_back(std::move(*p));
  return sheet;
}

PanelSheet coordinates_sheet(const ProbeResult& r, uint64_t seed) {
  PanelSheet sheet{.title = about(r, "Smoothness by coordinate"),
                   .caption = "The change of a gradient's coordinate over the length of the step, against its size."};
  if (auto p = cloud_panel(coordinate_cloud(r.points), seed, fmt::format("{} coordinates drawn", r.coordinates.size()),
                           "|∂f/∂x_j|"))
    sheet.panels.push_back(std::move(*p));
  return sheet;
}

// Returns a panel for each of the largest layers, in the model's order.
PanelSheet layers_sheet(const ProbeResult& r, uint64_t seed) {
  PanelSheet sheet{.title = about(r, "Smoothness by layer"),
                   .caption = "Smoothness of the largest layers, each over its own part of the step.",
                   .columns = 3};
  std::vector<size_t> order(r.layers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return r.layer_sizes[a] > r.layer_sizes[b]; });
  order.resize(std::min(order.size(), layer_panels));
  std::sort(order.begin(), order.end());
  for (const size_t l : order)
    if (auto p = cloud_panel(smoothness_cloud(r.points, l), seed, r.layers[l], "‖∇f‖ of the layer"))
      sheet.panels.push_back(std::move(*p));
  return sheet;
}

// Returns the panel of a histogram with the normal curve of the same mean and deviation.
Panel histogram_panel(const std::vector<double>& values, const std::string& title) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double low = *least, width = std::max(*most - low, 1e-300) / static_cast<double>(histogram_bins);
  const double m = mean(values), s = deviation(values), n = static_cast<double>(values.size());
  Panel p{.title = title, .x_label = "projection", .y_label = "density"};
  p.notes.push_back(fmt::format("n = {}, skewness {:.2g}", values.size(), skewness(values)));
  PanelSeries bars{.label = "", .mark = PanelMark::bars}, curve{.label = "", .mark = PanelMark::line, .colour = 1};
  std::vector<double> counts(histogram_bins);
  for (const double v : values) counts[std::min(histogram_bins - 1, static_cast<size_t>((v - low) / width))] += 1;
  for (size_t b = 0; b < histogram_bins; ++b) {
    bars.x.push_back(low + (static_cast<double>(b) + 0.5) * width);
    bars.y.push_back(counts[b] / (n * width));
  }
  for (const double v : between(std::min(low, m - 3 * s), std::max(*most, m + 3 * s), 81, false)) {
    curve.x.push_back(v);
    curve.y.push_back(std::exp(-0.5 * std::pow((v - m) / s, 2)) / (s * std::sqrt(2 * std::numbers::pi)));
  }
  p.series = {std::move(bars), std::move(curve)};
  return p;
}

PanelSheet noise_sheet(const ProbeResult& r) {
  const NoiseFigures& n = *r.noise;
  PanelSheet sheet{.title = about(r, fmt::format("Noise of {} gradients of batch {:g}", n.samples, n.batch)),
                   .caption =
                       "Histograms of mini-batch gradients along their mean, the principal direction of others' noise and "
                       "random directions, with normal curves.",
                   .columns = 3};
  const auto add = [&](const std::vector<double>& values, const std::string& title) {
    if (values.size() >= 20 && deviation(values) > 0) sheet.panels.push_back(histogram_panel(values, title));
  };
  add(n.along, "along the mean gradient");
  add(n.along_principal, "principal direction");
  for (size_t j = 0; j < n.projections.size(); ++j) add(n.projections[j], fmt::format("random direction {}", j));
  return sheet;
}

PanelSheet clients_sheet(const ProbeResult& r) {
  PanelSheet sheet{.title = about(r, "Clients' distances from the mean gradient"),
                   .caption = "The distance of each client's gradient from that of all, without the noise."};
  if (!r.heterogeneity) return sheet;
  const double kappa = r.heterogeneity->kappa;
  Panel p{.title = std::isnan(kappa) ? "κ is lost in the noise" : fmt::format("κ = {:.4g}", kappa),
          .x_label = "client",
          .y_label = "‖∇f_i − ∇f‖"};
  PanelSeries bars{.label = "root of the unbiased square, 0 where that is below 0", .mark = PanelMark::bars},
      noisy{.label = "distance of the means, with the noise in it", .colour = 1};
  for (size_t i = 0; i < r.heterogeneity->squares.size(); ++i) {
    bars.x.push_back(static_cast<double>(i)), noisy.x.push_back(static_cast<double>(i));
    bars.y.push_back(std::sqrt(std::max(0.0, r.heterogeneity->squares[i])));
    noisy.y.push_back(r.heterogeneity->distances[i]);
  }
  p.series = {std::move(bars), std::move(noisy)};
  sheet.panels.push_back(std::move(p));
  return sheet;
}

using RoundValue = std::function<double(const FollowedRound&)>;

// Returns the rounds in which the value is finite.
PanelSeries over_rounds(const ProbeResult& r, const std::string& label, PanelMark mark, int colour,
                        const RoundValue& value) {
  PanelSeries series{.label = label, .mark = mark, .colour = colour};
  for (const FollowedRound& round : r.rounds)
    if (const double v = value(round); std::isfinite(v))
      series.x.push_back(static_cast<double>(round.round)), series.y.push_back(v);
  return series;
}

double quality_at(const FollowedRound& round, double CorrectionQuality::*figure) {
  const bool has = round.heterogeneity && round.heterogeneity->corrections;
  return has ? (*round.heterogeneity->corrections).*figure : std::numeric_limits<double>::quiet_NaN();
}

Panel quality_panel(const ProbeResult& r, const std::string& title, double CorrectionQuality::*of_mean,
                    double CorrectionQuality::*of_clients) {
  return {.title = title,
          .x_label = "round",
          .series = {over_rounds(r, "of G and ∇f", PanelMark::points, 0,
                                 [=](const FollowedRound& f) { return quality_at(f, of_mean); }),
                     over_rounds(r, "of G − Gⁱ and ∇f − ∇f_i", PanelMark::points, 1,
                                 [=](const FollowedRound& f) { return quality_at(f, of_clients); })}};
}

PanelSheet rounds_sheet(const ProbeResult& r) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  PanelSheet sheet{.title = about(r, "Clients along the run"),
                   .caption = "Heterogeneity, drift, first gradients and the quality of corrections by round.",
                   .columns = 2};
  const auto kappa = [](const FollowedRound& f) { return f.heterogeneity ? f.heterogeneity->kappa : none; };
  const auto gradient = [](const FollowedRound& f) {
    return f.heterogeneity && f.heterogeneity->gradient_square > 0 ? std::sqrt(f.heterogeneity->gradient_square) : none;
  };
  sheet.panels.push_back({.title = "Heterogeneity",
                          .x_label = "round",
                          .series = {over_rounds(r, "κ", PanelMark::points, 0, kappa),
                                     over_rounds(r, "‖∇f‖", PanelMark::points, 1, gradient)}});
  sheet.panels.push_back(
      {.title = "Distance of a client's model from the mean",
       .x_label = "round",
       .series = {over_rounds(r, "drift", PanelMark::points, 0, [](const FollowedRound& f) { return f.drift; }),
                  over_rounds(r, "bound 2γI", PanelMark::line, 1, [](const FollowedRound& f) { return f.drift_bound; })}});
  sheet.panels.push_back(
      {.title = "First gradients of a round",
       .x_label = "round",
       .series = {over_rounds(r, "mean of ‖g_i‖²", PanelMark::points, 0,
                              [](const FollowedRound& f) { return f.clients > 1 ? f.small_square : none; }),
                  over_rounds(r, "‖mean of g_i‖²", PanelMark::points, 1,
                              [](const FollowedRound& f) { return f.clients > 1 ? f.big_square : none; })}});
  sheet.panels.push_back(
      quality_panel(r, "Cosine of corrections", &CorrectionQuality::mean_cosine, &CorrectionQuality::cosine));
  sheet.panels.push_back(quality_panel(r, "Lengths of corrections over the true ones", &CorrectionQuality::mean_ratio,
                                       &CorrectionQuality::ratio));
  std::erase_if(sheet.panels, [](const Panel& p) {
    return std::all_of(p.series.begin(), p.series.end(), [](const PanelSeries& s) { return s.x.empty(); });
  });
  for (Panel& p : sheet.panels) std::erase_if(p.series, [](const PanelSeries& s) { return s.x.empty(); });
  return sheet;
}

}  // namespace

std::vector<std::string> write_probe_pictures(const ProbeResult& r, uint64_t seed, const std::string& folder) {
  std::vector<std::string> lines;
  const auto draw = [&](const std::string& name, const PanelSheet& sheet) {
    if (sheet.panels.empty()) return;  // probe.json says what was not measured
    const std::string base = (std::filesystem::path(folder) / name).string();
    try {
      write_atomically(base + ".svg", panels_svg(sheet));
      write_atomically(base + ".picture.csv", panels_csv(sheet));
    } catch (const UserError& error) {
      lines.push_back(name + ".svg is not drawn: " + error.what());
    }
  };
  draw("smoothness", smoothness_sheet(r, seed));
  draw("coordinates", coordinates_sheet(r, seed));
  if (r.layers.size() > 1) draw("layers", layers_sheet(r, seed));
  draw("noise", noise_sheet(r));
  draw("clients", clients_sheet(r));
  draw("rounds", rounds_sheet(r));
  return lines;
}

}  // namespace tacet
