// The report of `tacet plan` in words and tables.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/wrapped.h"
#include "cli/plan_command.h"
#include "cli/progress.h"
#include "report/text_table.h"

namespace tacet {
namespace {

std::string shown(double value) { return std::isfinite(value) ? fmt::format("{:.4g}", value) : "none"; }
std::string shown(const std::optional<double>& value) { return value ? shown(*value) : "-"; }

std::string of_interval(const PlanConstant& c) {
  return c.interval ? shown(c.interval->low) + " … " + shown(c.interval->high) : "-";
}

std::string constants_table(const PlanFacts& facts, int width) {
  Table table{
      {{.head = "constant", .words = true}, {.head = "value"}, {.head = "95 % interval"}, {.head = "from", .words = true}}};
  for (const PlanConstant& c : facts.constants) {
    table.columns[0].cells.push_back(c.name);
    table.columns[1].cells.push_back(shown(c.value));
    table.columns[2].cells.push_back(of_interval(c));
    table.columns[3].cells.push_back(c.origin);
  }
  std::string text = draw(table, width);
  for (const PlanConstant& c : facts.constants)
    if (!c.why.empty()) text += wrapped(c.name + " is assumed: " + c.why, 0, static_cast<size_t>(width));
  return text;
}

std::string conditions_table(const TheoremPlan& t, int width) {
  Table table{{{.head = "condition", .words = true},
               {.head = "given"},
               {.head = "limit"},
               {.head = "holds", .words = true},
               {.head = "nearest", .words = true}}};
  for (size_t k = 0; k < t.conditions.size(); ++k) {
    const SideCondition& s = t.conditions[k];
    table.columns[0].cells.push_back(s.text);
    table.columns[1].cells.push_back(shown(s.given));
    table.columns[2].cells.push_back(shown(s.limit));
    table.columns[3].cells.push_back(std::string(s.holds() ? "yes" : "NO") + (k == t.binding ? ", binds" : ""));
    table.columns[4].cells.push_back(s.nearest.empty() ? "-" : s.nearest);
  }
  return draw(table, width);
}

std::string theorem_text(const TheoremPlan& t, int width) {
  std::string text = fmt::format("\n{} clients: {} ({})\n\n", t.name, t.feasible ? "allowed" : "NOT allowed", t.source);
  text += conditions_table(t, width) + "\n";
  if (!t.feasible) return text;
  const auto line = [&](const std::string& sentence) { text += wrapped(sentence, 0, static_cast<size_t>(width)); };
  line(fmt::format("γ ≤ {:.4g}, η = γ/(5{}) ≤ {:.4g}, I = {} (I ≤ {:.4g}).", t.gamma, t.name == "similar" ? "σ" : "(σ+κ)",
                   t.eta, t.interval, t.interval_limit));
  const std::string length =
      t.iterations_exact
          ? fmt::format("T ≥ {:.4g} local steps of each client, {:.4g} rounds.", t.iterations, t.rounds)
          : fmt::format(
                "T of the order of {:.4g} local steps of each client, {:.4g} rounds; the theorem states no constant.",
                t.iterations, t.rounds);
  line(length);
  line(fmt::format("Then the mean of E‖∇f(x̄)‖ over the run is at most {} = {:.4g}.", t.bound_text, t.bound));
  return text;
}

std::string orders_table(const PlanFacts& facts, int width) {
  Table table{{{.head = "method", .words = true},
               {.head = "local steps", .words = true},
               {.head = "value"},
               {.head = "rounds", .words = true},
               {.head = "value"}}};
  for (const ComplexityOrder& o : facts.orders) {
    table.columns[0].cells.push_back(o.method);
    table.columns[1].cells.push_back(o.iterations_text);
    table.columns[2].cells.push_back(shown(o.iterations));
    table.columns[3].cells.push_back(o.rounds_text.empty() ? "-" : o.rounds_text);
    table.columns[4].cells.push_back(shown(o.rounds));
  }
  return "\norders (Table 1 and later papers), without their constant factors\n\n" + draw(table, width);
}

// Returns the intervals of the table of speeds: powers of two, and the theorems' largest.
std::vector<int64_t> intervals_of(const PlanFacts& facts) {
  std::vector<int64_t> all = {1, 2, 4, 8, 16, 32, 64, 128};
  for (const TheoremPlan& t : facts.theorems)
    if (t.feasible) all.push_back(t.interval);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::string speeds_table(const PlanFacts& facts, int width) {
  Table table{{{.head = "I", .words = true}}};
  for (const int64_t I : intervals_of(facts)) {
    std::string row = std::to_string(I);
    for (const TheoremPlan& t : facts.theorems)
      if (t.feasible && t.interval == I) row += " (" + t.name + ")";
    table.columns[0].cells.push_back(row);
  }
  for (const ExchangePlan& e : facts.exchanges) {
    Column column{.head = way_name(e)};
    for (const int64_t I : intervals_of(facts)) column.cells.push_back(fmt::format("{:.1f} %", 100 * e.speed(I)));
    table.columns.push_back(column);
  }
  return draw(table, width);
}

std::string ways_table(const PlanFacts& facts, int width) {
  Table table{{{.head = "message", .words = true},
               {.head = "sent a round"},
               {.head = "s a round"},
               {.head = "smallest I for 95 %"},
               {.head = "s a step there"}}};
  for (const ExchangePlan& e : facts.exchanges) {
    table.columns[0].cells.push_back(way_name(e));
    table.columns[1].cells.push_back(human_bytes(e.bytes));
    table.columns[2].cells.push_back(shown(e.seconds));
    table.columns[3].cells.push_back(std::to_string(e.interval));
    table.columns[4].cells.push_back(shown(e.seconds_a_step(e.interval)));
  }
  return draw(table, width);
}

std::string cluster_text(const PlanFacts& facts, int width) {
  const ClusterCosts& c = *facts.costs;
  std::string text =
      "\n" +
      wrapped(fmt::format("what an interval costs: {} workers, {} parameters, {:.4g} s a local step, {}/s ({})", c.workers,
                          c.parameters, c.step_seconds, human_bytes(c.bytes_per_second), facts.bandwidth_origin),
              0, static_cast<size_t>(width));
  text += "\n" + ways_table(facts, width) + "\nshare of the speed without any exchange\n\n" + speeds_table(facts, width);
  for (const TheoremPlan& t : facts.theorems)
    text += fmt::format("theory's limit, {} clients: {}\n", t.name,
                        t.feasible ? fmt::format("I ≤ {:.4g}", t.interval_limit) : "none, as a condition fails");
  return text;
}

}  // namespace

std::string way_name(const ExchangePlan& e) { return e.message + (e.overlap ? " overlap" : ""); }

std::string plan_text(const PlanFacts& facts, int width) {
  std::string text;
  if (facts.theorems.empty()) {
    text = "the theorems are left out, as none of their constants is given\n";
  } else {
    text = constants_table(facts, width);
    for (const TheoremPlan& t : facts.theorems) text += theorem_text(t, width);
    text += orders_table(facts, width);
  }
  if (facts.costs) text += cluster_text(facts, width);
  return text;
}

}  // namespace tacet
