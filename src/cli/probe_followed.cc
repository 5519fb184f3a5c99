// Clients along the run and the curvature at its end, as parts of probe.json and as tables. See probe_json.h.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/probe_json.h"

namespace tacet {
namespace {

using nlohmann::json;

// Returns a number for a cell of a table, which is empty where there is none.
std::string cell_of(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

// Returns the rounds whose clients were looked at.
std::vector<const FollowedRound*> looked_at(const ProbeResult& r) {
  std::vector<const FollowedRound*> found;
  for (const FollowedRound& round : r.rounds)
    if (round.heterogeneity) found.push_back(&round);
  return found;
}

json looks_json(const ProbeResult& r) {
  json list = json::array();
  for (const FollowedRound* round : looked_at(r)) {
    const Heterogeneity& h = *round->heterogeneity;
    json look = {{"round", round->round}, {"kappa", numeric(h.kappa)}, {"gradient_square", numeric(h.gradient_square)}};
    if (h.corrections)
      look["corrections"] = {{"clients", h.corrections->clients},
                             {"mean_cosine", numeric(h.corrections->mean_cosine)},
                             {"mean_ratio", numeric(h.corrections->mean_ratio)},
                             {"cosine", numeric(h.corrections->cosine)},
                             {"ratio", numeric(h.corrections->ratio)}};
    list.push_back(look);
  }
  return list;
}

// Returns the largest drift against its bound.
json drift_json(const ProbeResult& r) {
  double drift = 0, share = 0;
  int64_t told = 0, bounded = 0;
  for (const FollowedRound& round : r.rounds) {
    if (!std::isfinite(round.drift)) continue;
    ++told;
    drift = std::max(drift, round.drift);
    if (!std::isfinite(round.drift_bound)) continue;
    ++bounded;
    share = std::max(share, round.drift / round.drift_bound);
  }
  if (told == 0) return missing("no round was followed to its end with more than one client");
  json j = {{"rounds", told}, {"largest", drift}};
  j["largest_share_of_bound"] = bounded > 0 ? json(share) : json(nullptr);
  return j;
}

json scale_of_rounds(const ProbeResult& r) {
  return or_missing([&] {
    const NoiseScale s = mean_scale(r.rounds);
    return json{{"gradient_square", numeric(s.gradient_square)},
                {"noise_trace", numeric(s.noise_trace)},
                {"batch", numeric(s.batch)}};
  });
}

}  // namespace

json rounds_json(const ProbeResult& r) {
  return {{"followed", r.rounds.size()}, {"measured", r.rounds_measured}, {"seconds", r.rounds_seconds},
          {"notes", r.no_rounds},        {"looks", looks_json(r)},        {"drift", drift_json(r)},
          {"scale", scale_of_rounds(r)}};
}

std::string rounds_table_head() {
  return "round,clients,batch,small_square,big_square,drift,drift_bound,kappa,gradient_square,mean_cosine,mean_ratio,cosine,"
         "ratio";
}

std::string rounds_table(const ProbeResult& r) {
  std::string rows;
  for (const FollowedRound& round : r.rounds) {
    rows += fmt::format("{},{},{},{},{},{},{}", round.round, round.clients, round.batch, round.small_square,
                        round.big_square, cell_of(round.drift), cell_of(round.drift_bound));
    const Heterogeneity none, &h = round.heterogeneity ? *round.heterogeneity : none;
    rows += round.heterogeneity ? "," + cell_of(h.kappa) + "," + cell_of(h.gradient_square) : ",,";
    if (h.corrections)
      rows += fmt::format(",{},{},{},{}\n", cell_of(h.corrections->mean_cosine), cell_of(h.corrections->mean_ratio),
                          cell_of(h.corrections->cosine), cell_of(h.corrections->ratio));
    else
      rows += ",,,,\n";
  }
  return rows;
}

std::string client_rounds_table(const ProbeResult& r) {
  std::string rows;
  for (const FollowedRound* round : looked_at(r))
    for (size_t i = 0; i < round->heterogeneity->squares.size(); ++i)
      rows += fmt::format("{},{},{},{}\n", round->round, i, round->heterogeneity->squares[i],
                          round->heterogeneity->distances[i]);
  return rows;
}

json curvature_json(const ProbeResult& r) {
  if (!r.curvature) return missing(r.no_curvature);
  const Curvature& c = *r.curvature;
  json j = {{"products", c.products},
            {"seconds", r.curvature_seconds},
            {"gradient", c.gradient},
            {"step", c.step},
            {"eigenvalue", with_interval(c.eigenvalue, {c.eigenvalue - c.residual, c.eigenvalue + c.residual})},
            {"converged", c.converged},
            {"iterations", c.rayleigh.size()},
            {"rounding", c.rounding},
            {"step_change", c.step_change}};
  j["trace"] = or_missing([&] {
    json trace = with_interval(mean(c.traces), mean_interval(c.traces));
    trace["samples"] = c.traces.size();
    return trace;
  });
  return j;
}

std::string curvature_table(const ProbeResult& r) {
  std::string rows;
  if (!r.curvature) return rows;
  for (size_t k = 0; k < r.curvature->rayleigh.size(); ++k)
    rows += fmt::format("eigenvalue,{},{}\n", k + 1, r.curvature->rayleigh[k]);
  for (size_t k = 0; k < r.curvature->traces.size(); ++k)
    rows += fmt::format("trace,{},{}\n", k + 1, r.curvature->traces[k]);
  return rows;
}

}  // namespace tacet
