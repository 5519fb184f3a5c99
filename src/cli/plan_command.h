// `tacet plan`: what the theorems on clipped local steps allow for given constants, and what an interval costs on a cluster.
// The formulas are in src/analysis.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics.h"
#include "analysis/theory.h"
#include "analysis/wall_clock.h"

namespace CLI {
class App;
}

namespace tacet {

// The options as they were given.
struct PlanArguments {
  std::optional<double> L0, L1, sigma, kappa, delta, epsilon, c_min, M;
  std::optional<int64_t> clients, participating, interval;
  std::optional<double> step_seconds, bandwidth, round_trip;
  std::optional<int64_t> parameters, workers, vectors;
  std::string probe;    // a file that `tacet probe` wrote; options override it
  std::string picture;  // a file to draw into, NAME.svg or NAME.png; empty: none
  bool loopback = false, json = false;
};

// A constant's value and where it comes from.
struct PlanConstant {
  std::string name;  // "L0"
  double value = 0;
  std::optional<Interval> interval;  // a probe's, of 95 %
  std::string origin;                // "given", "probe", "assumed"
  std::string why;                   // of an assumed one
};

// The first three are empty where only a cluster was told of.
struct PlanFacts {
  std::vector<PlanConstant> constants;
  std::vector<TheoremPlan> theorems;
  std::vector<ComplexityOrder> orders;
  std::optional<ClusterCosts> costs;  // none where nothing was said of the cluster
  std::string bandwidth_origin;       // "given", or how it was measured
  std::vector<ExchangePlan> exchanges;
};

// Adds the options to the subcommand.
void declare(CLI::App& command, PlanArguments& arguments);

// Works out the plan. A picture needs the cluster's costs. Throws UserError for constants that are missing or that no
// problem has, and for a file that is no probe's.
PlanFacts plan_facts(const PlanArguments& arguments);

// Returns the plan for a terminal of `width` columns.
std::string plan_text(const PlanFacts& facts, int width);
// Returns the plan as JSON (docs/reference/commands.md).
std::string plan_json(const PlanFacts& facts);

// Returns the name of a way to send in tables and pictures: "int8 overlap".
std::string way_name(const ExchangePlan& way);

// Throws UserError for a name of a picture that says no kind, and where a file of it is there.
void check_plan_picture(const std::string& file);
// Draws the seconds of a local step against I, and writes the drawing's numbers beside it. Throws UserError where no PNG can
// be made or a file can't be written.
void write_plan_picture(const PlanFacts& facts, const std::string& file);

// Prints the plan, and draws it where asked for. Returns the exit code, which is 2 where no theorem allows the constants.
int cmd_plan(const PlanArguments& arguments);

}  // namespace tacet
