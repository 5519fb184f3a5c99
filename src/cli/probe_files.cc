// The files of `tacet probe`: probe.json and tables. The keys are told in docs/reference/commands.md; they are added to,
// never renamed. A figure that could not be made is {"missing": why}.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "analysis/dip_test.h"
#include "analysis/symmetry_test.h"
#include "base/files.h"
#include "cli/probe_command.h"
#include "cli/probe_json.h"
#include "report/json_text.h"
#include "tacet/error.h"
#include "tacet/random.h"
#include "tacet/train.h"

namespace tacet {
namespace {

using nlohmann::json;

json of_line(const LineFit& fit) {
  return {{"intercept", with_interval(fit.intercept, fit.intercept_interval)},
          {"slope", with_interval(fit.slope, fit.slope_interval)},
          {"r2", numeric(fit.r2)},
          {"points", fit.n},
          {"confidence", fit.confidence}};
}

json of_fit(const SmoothnessFit& fit) {
  return {{"line", of_line(fit.line)},
          {"log_line", of_line(fit.logarithms)},
          {"covering_L0", numeric(fit.covering)},
          {"covering_L1", numeric(fit.bounding_slope)},
          {"left_out", fit.left_out},
          {"control", {{"mean_abs_slope", numeric(fit.shuffled_slope)}, {"p", fit.shuffled_p}}}};
}

json smoothness_json(const ProbeResult& r, uint64_t seed) {
  json j = {{"units", r.units}, {"seconds", r.smoothness_seconds}, {"points", r.points.size()}};
  if (!r.no_points.empty()) return missing(r.no_points);
  j["fit"] = or_missing([&] { return of_fit(fit_smoothness(r.points, seed)); });
  j["state"] = r.starts_afresh ? "zero at the start of every window of text" : "nothing is carried";
  j["coordinates"] = {{"sampled", r.coordinates.size()},
                      {"fit", or_missing([&] { return of_fit(fit_cloud(coordinate_cloud(r.points), seed)); })}};
  j["layers"] = json::array();
  for (size_t l = 0; r.layers.size() > 1 && l < r.layers.size(); ++l)
    j["layers"].push_back(
        {{"name", r.layers[l]}, {"fit", or_missing([&] { return of_fit(fit_smoothness(r.points, seed, l)); })}});
  return j;
}

json direction_json(const std::vector<double>& projection, uint64_t seed) {
  return {{"deviation", or_missing([&] { return json(deviation(projection)); })},
          {"skewness", or_missing([&] { return json(skewness(projection)); })},
          {"symmetry", or_missing([&] {
             const SymmetryTest t = symmetry_test(projection);
             return json{{"leaning", t.leaning}, {"p", t.p}, {"n", t.n}};
           })},
          {"signs", or_missing([&] {
             const SignTest t = sign_test(projection, mean(projection));
             return json{{"above", t.above}, {"below", t.below}};
           })},
          {"dip", or_missing([&] {
             const DipTest t = dip_test(projection, seed);
             return json{{"dip", t.dip}, {"p", t.p}};
           })}};
}

json scale_json(const NoiseFigures& n) {
  return or_missing([&] {
    const double b = n.batch, B = n.batch * static_cast<double>(n.group);
    require_samples("a noise scale", 2, n.big_squares.size());
    const NoiseScale s = noise_scale(n.small_squares, b, n.big_squares, B);
    return json{{"gradient_square", numeric(s.gradient_square)},
                {"noise_trace", numeric(s.noise_trace)},
                {"batch", numeric(s.batch)},
                {"small_batch", b},
                {"large_batch", B}};
  });
}

// The direction was found in other gradients, so that it can't have been drawn to these.
json principal_json(const NoiseFigures& n, uint64_t seed) {
  json j = direction_json(n.along_principal, seed);
  j["drawn"] = n.principal;
  j["share"] = or_missing([&] {
    require_samples("the share of a direction", 2, n.along_principal.size());
    double along = 0, whole = 0;
    for (size_t k = 0; k < n.norms.size(); ++k) along += std::pow(n.along_principal[k], 2), whole += std::pow(n.norms[k], 2);
    return numeric(along / whole);
  });
  return j;
}

json noise_json(const ProbeResult& r, uint64_t seed) {
  const NoiseFigures& n = *r.noise;
  json j = {{"samples", n.samples},   {"reference", n.reference},
            {"batch", n.batch},       {"mean_gradient", numeric(n.gradient)},
            {"scale", scale_json(n)}, {"directions", json::array()}};
  j["tail"] = or_missing([&] {
    const TailIndex t = tail_index(n.norms);
    json tail = with_interval(t.alpha, t.interval);
    tail["k"] = t.k;
    return tail;
  });
  j["quantiles"] = json::array();
  for (const double q : {0.5, 0.9, 0.95, 0.99})
    j["quantiles"].push_back({{"q", q}, {"norm", or_missing([&] {
                                           return with_interval(quantile(n.norms, q), quantile_interval(n.norms, q));
                                         })}});
  for (const auto& projection : n.projections) j["directions"].push_back(direction_json(projection, seed));
  j["along_gradient"] = direction_json(n.along, seed);
  j["principal"] = principal_json(n, seed);
  return j;
}

json heterogeneity_json(const ProbeResult& r) {
  if (!r.heterogeneity) return missing(r.no_heterogeneity);
  const Heterogeneity& h = *r.heterogeneity;
  return {{"clients", h.squares.size()},
          {"kappa", numeric(h.kappa)},
          {"squares", h.squares},
          {"distances_with_noise", h.distances}};
}

json sigma_json(const NoiseFigures& n) {
  json j = or_missing([&] { return with_interval(quantile(n.norms, 0.95), quantile_interval(n.norms, 0.95)); });
  j["what"] = "0.95 quantile of the noise's norm";
  return j;
}

// Returns the interval of κ from clients drawn again.
json kappa_json(const ProbeResult& r) {
  if (r.clients == 1) return {{"value", 0.0}, {"what", "one client"}};
  if (!r.heterogeneity) return missing(r.no_heterogeneity);
  const std::vector<double>& s = r.heterogeneity->squares;
  // The squares are free of the noise on average, so that their sum may be negative. That says nothing of κ but its size.
  if (!(r.heterogeneity->kappa > 0))
    return missing(
        "how far clients are apart is lost in the noise of their gradients: give more --seconds, or --kappa to tacet plan");
  json j = {{"value", r.heterogeneity->kappa}, {"what", "root mean square over clients, without the noise"}};
  if (s.size() < 8) {
    j["interval_missing"] = fmt::format("an interval needs at least 8 clients, got {}", s.size());
    return j;
  }
  std::vector<double> again;
  for (int64_t b = 0; b < 1000; ++b) {
    Stream stream(0, Stream::everyone, Purpose::shuffle, 4, b);
    double sum = 0;
    for (size_t k = 0; k < s.size(); ++k) sum += s[stream.below(s.size())];
    again.push_back(std::sqrt(std::max(0.0, sum / static_cast<double>(s.size()))));
  }
  j.update({{"low", quantile(again, 0.025)}, {"high", quantile(again, 0.975)}});
  return j;
}

json L0_json(const ProbeResult& r, uint64_t seed) {
  if (!r.no_points.empty()) return missing(r.no_points);
  return or_missing([&] {
    const SmoothnessFit fit = fit_smoothness(r.points, seed);
    // The theorems want L₀ > 0, and any such number is true here.
    if (!(fit.covering > 0)) return missing("every point is below L₁‖∇f‖ alone: give --L0");
    json j = with_interval(fit.covering,
                           {fit.line.intercept_interval.low, std::max(fit.covering, fit.line.intercept_interval.high)});
    j["what"] = "least L0 with which every point is below the line; the interval begins at the fitted line's own start";
    return j;
  });
}

json L1_json(const ProbeResult& r, uint64_t seed) {
  if (!r.no_points.empty()) return missing(r.no_points);
  return or_missing([&] {
    const SmoothnessFit fit = fit_smoothness(r.points, seed);
    json j = with_interval(fit.bounding_slope, fit.line.slope_interval);
    j["what"] = "slope of the fitted line, or 0 where it falls";
    return j;
  });
}

json delta_json(const ProbeResult& r) {
  if (!r.loss_has_floor) return missing("the least value of a function is not measured");
  if (r.points.empty()) return missing("no loss at the start was measured");
  return {{"value", r.points.front().loss}, {"what", "loss at the start, as losses are at least 0"}};
}

json c_min_json(const ProbeResult& r) {
  if (!r.clip_threshold) return missing(r.no_clip_threshold);
  return or_missing([&]() -> json {
    const double share = kept_share(r.noise->along, r.noise->gradient_norms, *r.clip_threshold);
    if (share > 0 && share <= 1)
      return {{"value", share},
              {"what", "Lemma 1 along the mean gradient, at the threshold gamma/eta of the recipe's base rates"}};
    return missing(
        fmt::format("the estimate along the gradient is {:.3g}, outside of (0, 1]: no gradient or every gradient is "
                    "clipped, or the noise hides their mean",
                    share));
  });
}

json constants_json(const ProbeResult& r, uint64_t seed) {
  json list = json::array();
  const auto add = [&](const std::string& name, json value) {
    value["name"] = name;
    list.push_back(value);
  };
  add("L0", L0_json(r, seed));
  add("L1", L1_json(r, seed));
  add("sigma", sigma_json(*r.noise));
  add("kappa", kappa_json(r));
  add("delta", delta_json(r));
  add("clients", {{"value", r.clients}, {"what", "of the recipe"}});
  add("c_min", c_min_json(r));
  return list;
}

void write_table(const std::string& folder, const std::string& name, const std::string& head, const std::string& rows) {
  if (!rows.empty()) write_atomically((std::filesystem::path(folder) / name).string(), head + "\n" + rows);
}

}  // namespace

json numeric(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json missing(const std::string& why) { return {{"missing", why}}; }

json or_missing(const std::function<json()>& make) {
  try {
    return make();
  } catch (const UserError& error) {
    return missing(error.what());
  }
}

json with_interval(double value, const Interval& interval) {
  return {{"value", numeric(value)}, {"low", numeric(interval.low)}, {"high", numeric(interval.high)}};
}

std::string probe_json(const ProbeResult& r, uint64_t seed) {
  const json all = {{"probe", 1},
                    {"tacet", version()},
                    {"recipe", r.recipe},
                    {"model", r.model},
                    {"parameters", r.parameters},
                    {"clients", r.clients},
                    {"step_seconds", r.noise->step_seconds},
                    {"seconds", r.seconds},
                    {"constants", constants_json(r, seed)},
                    {"smoothness", smoothness_json(r, seed)},
                    {"noise", noise_json(r, seed)},
                    {"heterogeneity", heterogeneity_json(r)},
                    {"rounds", rounds_json(r)},
                    {"curvature", curvature_json(r)}};
  return json_text(all);
}

void write_probe_tables(const ProbeResult& r, const std::string& folder) {
  std::string points, layers, coordinates, noise, clients;
  for (const SmoothnessPoint& p : r.points) {
    points += fmt::format("{},{},{},{},{},{},{}\n", p.round, p.loss, p.gradient, p.step, p.smoothness, p.rounding,
                          p.counts() ? 1 : 0);
    for (size_t l = 0; r.layers.size() > 1 && l < r.layers.size(); ++l)
      layers += fmt::format("{},\"{}\",{},{}\n", p.round, r.layers[l], p.layer_gradients[l], p.layer_smoothness[l]);
    for (size_t j = 0; j < r.coordinates.size(); ++j)
      coordinates +=
          fmt::format("{},{},{},{}\n", p.round, r.coordinates[j], p.coordinate_gradients[j], p.coordinate_smoothness[j]);
  }
  const NoiseFigures& n = *r.noise;
  std::string head = "norm,gradient_norm,along_gradient";
  if (!n.along_principal.empty()) head += ",principal";
  for (size_t j = 0; j < n.projections.size(); ++j) head += fmt::format(",direction_{}", j);
  for (size_t k = 0; k < n.norms.size(); ++k) {
    noise += fmt::format("{},{},{}", n.norms[k], n.gradient_norms[k], n.along[k]);
    if (!n.along_principal.empty()) noise += fmt::format(",{}", n.along_principal[k]);
    for (const auto& projection : n.projections) noise += fmt::format(",{}", projection[k]);
    noise += "\n";
  }
  if (r.heterogeneity)
    for (size_t i = 0; i < r.heterogeneity->squares.size(); ++i)
      clients += fmt::format("{},{},{}\n", i, r.heterogeneity->squares[i], r.heterogeneity->distances[i]);
  write_table(folder, "smoothness.csv", "round,loss,gradient_norm,step,smoothness,rounding,counts", points);
  write_table(folder, "layers.csv", "round,layer,gradient_norm,smoothness", layers);
  write_table(folder, "coordinates.csv", "round,coordinate,gradient,smoothness", coordinates);
  write_table(folder, "noise.csv", head, noise);
  write_table(folder, "clients.csv", "client,square,distance_with_noise", clients);
  write_table(folder, "rounds.csv", rounds_table_head(), rounds_table(r));
  write_table(folder, "client_rounds.csv", "round,client,square,distance_with_noise", client_rounds_table(r));
  write_table(folder, "curvature.csv", "kind,number,value", curvature_table(r));
}

}  // namespace tacet
