// See auto_interval.h.
#include "engine/auto_interval.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "tacet/algorithm.h"

namespace tacet {
namespace {

constexpr int64_t first_decision = 8;  // rounds
constexpr int64_t most_growth = 4;     // by one decision, so that a wrong measurement does little harm

}  // namespace

void IntervalOptions::options(OptionList& o) {
  const std::vector<OnlyWith> is_auto = {{"interval", {Value(std::string("auto"))}}};
  const auto bound = [&](Option& option) {
    option.only_with = is_auto;
    option.not_with = {{"interval_file"}};
  };
  bound(o.integer("interval_min", least, 1, within(1, 1e9), "I of the first rounds"));
  bound(o.integer("interval_max", most, 64, within(1, 1e9), "the largest I that is chosen"));
  bound(o.number("interval_share", share, 0.95, {.min = 0, .max = 1, .min_open = true, .max_open = true},
                 "I grows until so large a share of the time goes into local steps"));
  Option& from = o.maybe_text("interval_file", file, {}, "interval.json of an earlier run, whose decisions are repeated");
  from.only_with = is_auto;
  from.path = Path::yes;
}

IntervalOptions interval_options(const Values& algorithm) {
  auto options = read_options<IntervalOptions>(algorithm);
  if (!algorithm.has("interval")) return options;
  const auto* number = std::get_if<int64_t>(&algorithm.all().at("interval"));
  options.fixed = number ? std::optional(*number) : std::nullopt;
  return options;
}

bool saves_messages(const AlgorithmInfo& method) {
  return !method.single_client && method.collectives(2) == method.collectives(1);
}

int64_t least_interval(const IntervalCosts& costs, double share, bool overlap) {
  const double ratio = costs.exchange_seconds / costs.step_seconds;
  const double least = overlap ? share * ratio : share / (1 - share) * ratio;
  return static_cast<int64_t>(std::clamp(std::ceil(least * (1 - 1e-12)), 1.0, 9e15));
}

bool decides_after(int64_t round) {
  return round > 0 && round % first_decision == 0 && std::has_single_bit(static_cast<uint64_t>(round / first_decision));
}

int64_t next_interval(const IntervalOptions& options, int64_t now, const IntervalCosts& costs, bool overlap) {
  if (!(costs.step_seconds > 0)) return now;  // no client of the slowest worker took part
  const int64_t wanted = std::min(least_interval(costs, options.share, overlap), most_growth * now);
  return std::max(now, std::min(wanted, options.most));
}

}  // namespace tacet
