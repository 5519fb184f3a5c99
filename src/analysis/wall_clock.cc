// See wall_clock.h.
#include "analysis/wall_clock.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "engine/auto_interval.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr double block_values = 256;  // of int8 messages, each with a float of its own

void require_above_zero(const std::string& what, double given) {
  if (!(std::isfinite(given) && given > 0)) throw UserError(fmt::format("{} must be > 0 and finite, got {:g}", what, given));
}

double coded_bytes(const std::string& message, double d) {
  if (message == "f32") return 4 * d;
  if (message == "bf16") return 2 * d;
  if (message == "int8") return d + 4 * std::ceil(d / block_values);
  throw std::logic_error("coded_bytes: " + message);
}

ExchangePlan way(const ClusterCosts& costs, const std::string& message, bool overlap, double share) {
  ExchangePlan plan{.message = message, .overlap = overlap};
  plan.bytes = costs.vectors * mean_bytes(message, costs.parameters, costs.workers);
  // Slices go out and sums come back, and each of the two waits for a way there and back at most.
  plan.seconds = costs.workers > 1 ? plan.bytes / costs.bytes_per_second + 2 * costs.round_trip : 0;
  plan.step_seconds = costs.step_seconds;
  plan.interval = least_interval({plan.step_seconds, plan.seconds}, share, overlap);
  return plan;
}

}  // namespace

void check_costs(const ClusterCosts& c) {
  require_above_zero("step-seconds", c.step_seconds);
  require_above_zero("parameters", static_cast<double>(c.parameters));
  require_above_zero("bandwidth", c.bytes_per_second);
  require_above_zero("vectors", c.vectors);
  require_above_zero("workers", c.workers);
  if (!(std::isfinite(c.round_trip) && c.round_trip >= 0))
    throw UserError(fmt::format("round-trip must be >= 0 and finite, got {:g}", c.round_trip));
}

double mean_bytes(const std::string& message, int64_t parameters, int workers) {
  const auto d = static_cast<double>(parameters);
  const double P = workers, coded = coded_bytes(message, d), sum = 4 * d;
  const double slices = (P - 1) / P * (coded + sum);
  return message == "f32" ? slices : std::min((P - 1) * coded, slices);
}

double ExchangePlan::seconds_a_step(int64_t I) const {
  const double each = seconds / static_cast<double>(I);
  return overlap ? std::max(step_seconds, each) : step_seconds + each;
}

double ExchangePlan::speed(int64_t I) const { return step_seconds / seconds_a_step(I); }

std::vector<ExchangePlan> exchange_plans(const ClusterCosts& costs, double share) {
  check_costs(costs);
  std::vector<ExchangePlan> plans;
  for (const bool overlap : {false, true})
    for (const char* message : {"f32", "bf16", "int8"}) plans.push_back(way(costs, message, overlap, share));
  return plans;
}

}  // namespace tacet
