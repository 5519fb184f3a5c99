// See time_to_target.h.
#include "report/time_to_target.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/merit.h"
#include "report/facts.h"
#include "report/key_lines.h"
#include "report/run_groups.h"
#include "report/text_table.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using nlohmann::json;

struct Sample {
  size_t n = 0;
  double mean = SpeedUp::unknown, square = 0;  // square: of the mean's standard error
};

Sample sample_of(const std::vector<double>& values) {
  Sample s{values.size(), 0, 0};
  const auto n = static_cast<double>(s.n);
  for (const double v : values) s.mean += v / n;
  for (const double v : values) s.square += (v - s.mean) * (v - s.mean);
  s.square = s.n > 1 ? s.square / (n - 1) / n : 0;
  return s;
}

// Fills in the ratio of the first mean to this one. Its interval is that of the logarithm, whose variance is the sum of both
// relative ones, with the degrees of freedom of Welch and Satterthwaite.
void set_ratio(SpeedUp& out, const Sample& first, const Sample& own, bool is_first) {
  out.ratio = first.mean / own.mean;
  if (is_first || first.n < 2 || own.n < 2) return;
  const double a = first.square / (first.mean * first.mean), b = own.square / (own.mean * own.mean);
  if (a + b == 0) {
    out.ratio_low = out.ratio_high = out.ratio;
    return;
  }
  const double freedom =
      (a + b) * (a + b) / (a * a / static_cast<double>(first.n - 1) + b * b / static_cast<double>(own.n - 1));
  const double half = student_95(static_cast<int>(std::max(1.0, std::floor(freedom)))) * std::sqrt(a + b);
  out.ratio_low = out.ratio * std::exp(-half);
  out.ratio_high = out.ratio * std::exp(half);
}

SpeedUp speed_up_of(const std::vector<double>& first, const std::vector<double>& own, bool is_first, double ideal) {
  SpeedUp out;
  if (own.empty()) return out;
  const Sample s = sample_of(own);
  out.mean = s.mean;
  if (s.n > 1) {
    const double half = student_95(static_cast<int>(s.n - 1)) * std::sqrt(s.square);
    out.low = s.mean - half, out.high = s.mean + half;
  }
  if (!first.empty()) set_ratio(out, sample_of(first), s, is_first);
  out.ideal = ideal;
  return out;
}

std::vector<double> of_all(const std::vector<TimeToTarget>& times, double TimeToTarget::*count) {
  std::vector<double> values;
  for (const TimeToTarget& t : times) values.push_back(t.*count);
  return values;
}

double mean_of_all(const std::vector<TimeToTarget>& times, double TimeToTarget::*count) {
  return sample_of(of_all(times, count)).mean;
}

// ---- as text ----

std::string short_number(double value) { return std::isfinite(value) ? fmt::format("{:.4g}", value) : "-"; }

std::string range_text(double low, double high) {
  return std::isfinite(low) && std::isfinite(high) ? short_number(low) + " … " + short_number(high) : "-";
}

void add_column(Table& table, const std::string& head, const std::string& help, std::vector<std::string> cells,
                bool words = false) {
  table.columns.push_back({head, help, std::move(cells), words, {}});
}

template <class Cell>
std::vector<std::string> cells_for(const std::vector<SpeedUpGroup>& groups, const Cell& cell) {
  std::vector<std::string> out;
  for (const SpeedUpGroup& g : groups) out.push_back(cell(g));
  return out;
}

Table named_groups(const std::vector<SpeedUpGroup>& groups) {
  Table table;
  add_column(table, "runs", "The first run of those that differ in their seed only.",
             cells_for(groups,
                       [](const SpeedUpGroup& g) {
                         return g.runs.front() + (g.runs.size() > 1 ? fmt::format(" +{}", g.runs.size() - 1) : "");
                       }),
             true);
  add_column(table, "N", "Clients that take part in a round.",
             cells_for(groups, [](const SpeedUpGroup& g) { return short_number(g.clients); }));
  add_column(table, "I", "Local steps of a round, on average up to the target.",
             cells_for(groups, [](const SpeedUpGroup& g) { return short_number(g.interval); }));
  return table;
}

struct CountColumn {
  const char* name;
  SpeedUp SpeedUpGroup::*count;
};
constexpr CountColumn count_columns[] = {
    {"steps", &SpeedUpGroup::iterations}, {"rounds", &SpeedUpGroup::rounds}, {"seconds", &SpeedUpGroup::seconds}};

Table times_table(const std::vector<SpeedUpGroup>& groups) {
  Table table = named_groups(groups);
  add_column(table, "algorithm", "The method.", cells_for(groups, [](const SpeedUpGroup& g) { return g.algorithm; }), true);
  add_column(table, "reached", "Runs that have reached the target.",
             cells_for(groups, [](const SpeedUpGroup& g) { return fmt::format("{} of {}", g.reached, g.runs.size()); }));
  for (const CountColumn& c : count_columns) {
    add_column(table, c.name, "Mean at the target.",
               cells_for(groups, [&](const SpeedUpGroup& g) { return short_number((g.*c.count).mean); }));
    add_column(table, "95 %", "Interval of that mean over the seeds.",
               cells_for(groups, [&](const SpeedUpGroup& g) { return range_text((g.*c.count).low, (g.*c.count).high); }));
  }
  return table;
}

Table ratios_table(const std::vector<SpeedUpGroup>& groups) {
  Table table = named_groups(groups);
  for (const CountColumn& c : count_columns) {
    add_column(table, std::string(c.name) + " x", "How many times less than the first group.",
               cells_for(groups, [&](const SpeedUpGroup& g) { return short_number((g.*c.count).ratio); }));
    add_column(table, "95 %", "Interval of that ratio.", cells_for(groups, [&](const SpeedUpGroup& g) {
                 return range_text((g.*c.count).ratio_low, (g.*c.count).ratio_high);
               }));
    add_column(table, "ideal", "The ratio that would be ideal.",
               cells_for(groups, [&](const SpeedUpGroup& g) { return short_number((g.*c.count).ideal); }));
  }
  return table;
}

// ---- as JSON ----

json number_or_nothing(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json json_of(const SpeedUp& s) {
  return {{"mean", number_or_nothing(s.mean)},           {"low", number_or_nothing(s.low)},
          {"high", number_or_nothing(s.high)},           {"ratio", number_or_nothing(s.ratio)},
          {"ratio_low", number_or_nothing(s.ratio_low)}, {"ratio_high", number_or_nothing(s.ratio_high)},
          {"ideal", number_or_nothing(s.ideal)}};
}

}  // namespace

RunTarget parse_target(const std::string& text) {
  const size_t equal = text.find('=');
  RunTarget target{text.substr(0, equal), 0};
  const std::string value = equal == std::string::npos ? "" : text.substr(equal + 1);
  const char* const last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, target.value);
  if (target.key.empty() || error != std::errc() || end != last || !std::isfinite(target.value))
    throw UserError("--target: must be KEY=NUMBER with a key of metrics.jsonl, such as eval_loss=0.5, got " +
                    printable(text));
  return target;
}

std::optional<TimeToTarget> time_to(const RunTarget& target, const Run& run) {
  const KeyLines found = lines_with(run, target.key);
  if (!has_number(found.lines, found.key))
    throw UserError(printable(run.folder) + "/metrics.jsonl: must have lines with " + target.key + " for --target, got " +
                    numeric_keys(run));
  const bool rises = higher_is_better(target.key);
  for (const json& line : found.lines) {
    const double value = number(line, found.key);
    if (rises ? value >= target.value : value <= target.value)
      return TimeToTarget{number(line, "iteration"), number(line, "round"), number(line, "seconds")};
  }
  return std::nullopt;
}

std::vector<SpeedUpGroup> speed_ups(const RunTarget& target, const std::vector<Run>& runs) {
  std::vector<SpeedUpGroup> groups;
  std::vector<std::vector<TimeToTarget>> times;
  for (const RunGroup& group : groups_of(runs)) {
    const Run& first = runs[group.runs.front()];
    const Facts f = facts(first);
    groups.emplace_back();
    groups.back().algorithm = f.algorithm;
    groups.back().clients = or_else(number(first.summary, "participating"), f.clients);
    times.emplace_back();
    for (const size_t k : group.runs) {
      groups.back().runs.push_back(runs[k].name);
      if (const auto reached = time_to(target, runs[k])) times.back().push_back(*reached);
    }
  }
  for (size_t k = 0; k < groups.size(); ++k) {
    SpeedUpGroup& g = groups[k];
    g.reached = times[k].size();
    if (times[k].empty()) continue;
    const double rounds = mean_of_all(times[k], &TimeToTarget::rounds);
    if (rounds > 0) g.interval = mean_of_all(times[k], &TimeToTarget::iterations) / rounds;
    const double clients = g.clients / groups[0].clients, intervals = g.interval / groups[0].interval;
    const bool same_interval = std::fabs(intervals - 1) < 1e-9;
    const auto of = [&](double TimeToTarget::*count, double ideal) {
      return speed_up_of(of_all(times[0], count), of_all(times[k], count), k == 0, ideal);
    };
    g.iterations = of(&TimeToTarget::iterations, clients);
    g.rounds = of(&TimeToTarget::rounds, clients * intervals);
    g.seconds = of(&TimeToTarget::seconds, same_interval ? clients : SpeedUp::unknown);
  }
  return groups;
}

// P(|T| ≤ t) is a finite sum in cos² θ with tan θ = t/√ν, and grows with t.
double student_95(int freedom) {
  const auto within = [freedom](double t) {
    const double theta = std::atan(t / std::sqrt(freedom)), square = std::pow(std::cos(theta), 2);
    const bool odd = freedom % 2 == 1;
    double term = odd ? std::cos(theta) : 1, sum = freedom == 1 ? 0 : term;
    for (int k = odd ? 3 : 2; k < freedom; k += 2) {
      term *= square * (k - 1) / k;
      sum += term;
    }
    if (odd) return 2 / std::acos(-1.0) * (theta + std::sin(theta) * sum);
    return std::sin(theta) * sum;
  };
  double low = 1.9, high = 13;
  for (int k = 0; k < 60; ++k) {
    const double middle = (low + high) / 2;
    (within(middle) < 0.95 ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::string target_text(const RunTarget& target, const std::vector<SpeedUpGroup>& groups, int width) {
  std::string out = fmt::format("\nTo {} = {:g}\n", printable(target.key), target.value) + draw(times_table(groups), width);
  for (const SpeedUpGroup& g : groups)
    if (g.reached < g.runs.size())
      out += fmt::format("{}: {} of {} runs did not reach it and are left out of the means.\n", printable(g.runs.front()),
                         g.runs.size() - g.reached, g.runs.size());
  if (groups.size() > 1)
    out += fmt::format("\nSpeed-up over {}\n", printable(groups.front().runs.front())) + draw(ratios_table(groups), width);
  return out;
}

json target_json(const RunTarget& target, const std::vector<SpeedUpGroup>& groups) {
  json all = json::array();
  for (const SpeedUpGroup& g : groups)
    all.push_back({{"runs", g.runs},
                   {"algorithm", g.algorithm},
                   {"clients", number_or_nothing(g.clients)},
                   {"interval", number_or_nothing(g.interval)},
                   {"reached", g.reached},
                   {"iterations", json_of(g.iterations)},
                   {"rounds", json_of(g.rounds)},
                   {"seconds", json_of(g.seconds)}});
  return {{"key", target.key}, {"value", target.value}, {"groups", all}};
}

}  // namespace tacet
