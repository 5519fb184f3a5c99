// The report of `tacet plan` as JSON. Its keys are told in docs/reference/commands.md; they are added to, never renamed.
#include <cmath>

#include <nlohmann/json.hpp>

#include "cli/plan_command.h"
#include "report/json_text.h"

namespace tacet {
namespace {

using nlohmann::json;

// Returns a number, or null for a limit that does not exist.
json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
json maybe(const std::optional<double>& value) { return value ? finite(*value) : json(nullptr); }

json of_constant(const PlanConstant& c) {
  json j = {{"name", c.name}, {"value", finite(c.value)}, {"origin", c.origin},
            {"why", c.why},   {"low", nullptr},           {"high", nullptr}};
  if (c.interval) j.update({{"low", finite(c.interval->low)}, {"high", finite(c.interval->high)}});
  return j;
}

json of_condition(const SideCondition& s) {
  return {{"text", s.text},         {"of", s.of},         {"given", finite(s.given)}, {"limit", finite(s.limit)},
          {"at_least", s.at_least}, {"holds", s.holds()}, {"nearest", s.nearest},     {"follows", s.follows}};
}

json of_theorem(const TheoremPlan& t) {
  json conditions = json::array();
  for (const SideCondition& s : t.conditions) conditions.push_back(of_condition(s));
  return {{"name", t.name},
          {"source", t.source},
          {"feasible", t.feasible},
          {"conditions", conditions},
          {"binding", t.conditions[t.binding].text},
          {"A", t.A},
          {"B", t.B},
          {"c", t.c},
          {"gamma", t.gamma},
          {"eta", t.eta},
          {"interval", t.interval},
          {"interval_limit", t.interval_limit},
          {"iterations", t.iterations},
          {"iterations_exact", t.iterations_exact},
          {"rounds", t.rounds},
          {"bound", t.bound}};
}

json of_order(const ComplexityOrder& o) {
  return {{"method", o.method},
          {"setting", o.setting},
          {"iterations", maybe(o.iterations)},
          {"rounds", maybe(o.rounds)},
          {"iterations_text", o.iterations_text},
          {"rounds_text", o.rounds_text}};
}

json of_exchange(const ExchangePlan& e) {
  json speeds = json::array();
  for (int64_t I = 1; I <= 1024; I *= 2)
    speeds.push_back({{"interval", I}, {"share", e.speed(I)}, {"seconds_a_step", e.seconds_a_step(I)}});
  return {{"message", e.message}, {"overlap", e.overlap},   {"bytes", e.bytes},
          {"seconds", e.seconds}, {"interval", e.interval}, {"speeds", speeds}};
}

json of_cluster(const PlanFacts& facts) {
  json exchanges = json::array();
  for (const ExchangePlan& e : facts.exchanges) exchanges.push_back(of_exchange(e));
  const ClusterCosts& c = *facts.costs;
  return {{"step_seconds", c.step_seconds},
          {"parameters", c.parameters},
          {"workers", c.workers},
          {"bytes_per_second", c.bytes_per_second},
          {"round_trip", c.round_trip},
          {"vectors", c.vectors},
          {"bandwidth_origin", facts.bandwidth_origin},
          {"exchanges", exchanges}};
}

}  // namespace

std::string plan_json(const PlanFacts& facts) {
  json all = {{"constants", json::array()}, {"theorems", json::array()}, {"orders", json::array()}, {"cluster", nullptr}};
  for (const PlanConstant& c : facts.constants) all["constants"].push_back(of_constant(c));
  for (const TheoremPlan& t : facts.theorems) all["theorems"].push_back(of_theorem(t));
  for (const ComplexityOrder& o : facts.orders) all["orders"].push_back(of_order(o));
  if (facts.costs) all["cluster"] = of_cluster(facts);
  return json_text(all);
}

}  // namespace tacet
