// See plan_command.h. The plan in words is in plan_text.cc, as JSON in plan_json.cc, as a chart in
// plan_picture.cc.
#include "cli/plan_command.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "machine/traffic.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using nlohmann::json;

// A probe's file, as far as a plan reads it.
class ProbeFigures {
 public:
  // Reads nothing where the path is empty. Throws UserError.
  explicit ProbeFigures(const std::string& path) : path_(visible(path)) {
    if (path.empty()) return;
    all_ = json::parse(read_file(path), nullptr, false);
    if (!all_.is_object() || !all_.contains("probe") || !all_.contains("constants") || !all_["constants"].is_array())
      throw UserError(path_ + ": must be the probe.json of tacet probe, got something else");
  }

  // Returns the constant, or nothing where the probe could not tell it.
  std::optional<PlanConstant> constant(const std::string& name) const {
    const json found = entry(name);
    if (!number_in(found, "value")) return std::nullopt;
    PlanConstant c{.name = name, .value = *number_in(found, "value"), .origin = "probe"};
    const auto low = number_in(found, "low"), high = number_in(found, "high");
    if (low && high) c.interval = Interval{*low, *high};
    return c;
  }

  // Returns what the probe said on why it has no such constant; empty where it said nothing.
  std::string why_not(const std::string& name) const {
    const json found = entry(name);
    const bool told = found.is_object() && found.contains("missing") && found["missing"].is_string();
    return told ? path_ + ": " + visible(found["missing"].get<std::string>()) : "";
  }

  std::optional<double> number(const std::string& name) const { return number_in(all_, name); }

 private:
  static std::optional<double> number_in(const json& object, const std::string& key) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number()) return std::nullopt;
    return object[key].get<double>();
  }
  json entry(const std::string& name) const {
    if (all_.is_object())
      for (const json& c : all_["constants"])
        if (c.is_object() && c.contains("name") && c["name"] == name) return c;
    return {};
  }

  std::string path_;
  json all_;
};

// Collects the constants in their order.
class Constants {
 public:
  Constants(const ProbeFigures& probe, PlanFacts& facts) : probe_(probe), facts_(facts) {}

  // Returns the option's value, else the probe's, else the assumed one. Throws UserError where there is none.
  double take(const std::string& name, const std::string& option, std::optional<double> given,
              std::optional<double> assumed = std::nullopt, const std::string& why = "") {
    std::optional<PlanConstant> c = probe_.constant(name);
    if (given) c = PlanConstant{.name = name, .value = *given, .origin = "given"};
    const std::string told = probe_.why_not(name);
    if (!c && assumed) {
      c = PlanConstant{.name = name, .value = *assumed, .origin = "assumed", .why = why};
      if (!told.empty()) c->why += fmt::format("; {}", told);
    }
    if (!c) {
      throw UserError(option + ": is needed" +
                      (told.empty() ? ", or a probe's file that has it (--probe)" : " (" + told + ")"));
    }
    facts_.constants.push_back(*c);
    return c->value;
  }

 private:
  const ProbeFigures& probe_;
  PlanFacts& facts_;
};

ProblemConstants problem_of(const PlanArguments& a, const ProbeFigures& probe, PlanFacts& facts) {
  Constants constants(probe, facts);
  ProblemConstants p;
  p.L0 = constants.take("L0", "--L0", a.L0);
  p.L1 = constants.take("L1", "--L1", a.L1);
  p.sigma = constants.take("sigma", "--sigma", a.sigma);
  p.kappa = constants.take("kappa", "--kappa", a.kappa, 0, "clients are alike, as --kappa is not given");
  p.delta = constants.take("delta", "--delta", a.delta);
  std::optional<double> clients;
  if (a.clients) clients = static_cast<double>(*a.clients);
  p.clients = static_cast<int64_t>(constants.take("clients", "--clients", clients));
  p.epsilon = constants.take("epsilon", "--epsilon", a.epsilon);
  p.c_min = constants.take("c_min", "--c-min", a.c_min, 1, "the largest there is; less makes steps shorter");
  p.M = a.M;
  p.participating = a.participating.value_or(0);
  if (a.participating && *a.participating < 1)
    throw UserError(fmt::format("participating must be in 1 … clients = {}, got {}", p.clients, *a.participating));
  p.interval = a.interval;
  return p;
}

// Returns true for an option that only the theorems have. Clients may be there for their number, and a probe for its model.
bool says_of_theory(const PlanArguments& a) {
  return a.L0 || a.L1 || a.sigma || a.kappa || a.delta || a.epsilon || a.c_min || a.M || a.participating || a.interval;
}

bool says_of_cluster(const PlanArguments& a) {
  return !a.picture.empty() || a.bandwidth || a.loopback || a.step_seconds || a.parameters || a.round_trip || a.workers ||
         a.vectors;
}

template <typename T>
T needed(std::optional<T> given, const std::string& option) {
  if (!given) throw UserError(option + ": is needed for the cost of an interval, or a probe's file that has it (--probe)");
  return *given;
}

ClusterCosts costs_of(const PlanArguments& a, const ProbeFigures& probe, PlanFacts& facts) {
  ClusterCosts c;
  c.step_seconds = needed(a.step_seconds ? a.step_seconds : probe.number("step_seconds"), "--step-seconds");
  std::optional<int64_t> parameters = a.parameters;
  if (const auto d = probe.number("parameters")) {
    if (a.parameters && static_cast<double>(*a.parameters) != *d)
      throw UserError(fmt::format("{}: is the probe of a model with {:.0f} parameters, got --parameters {}",
                                  visible(a.probe), *d, *a.parameters));
    parameters = static_cast<int64_t>(*d);
  }
  c.parameters = needed(parameters, "--parameters");
  std::optional<int64_t> clients = a.clients;
  if (const auto of_probe = probe.constant("clients"); of_probe && !clients) clients = static_cast<int64_t>(of_probe->value);
  c.workers = static_cast<int>(std::clamp<int64_t>(needed(a.workers ? a.workers : clients, "--workers"), -1, 1 << 20));
  c.vectors = static_cast<int>(std::clamp<int64_t>(a.vectors.value_or(1), -1, 1 << 20));
  c.round_trip = a.round_trip.value_or(0);
  facts.bandwidth_origin = "given";
  if (a.loopback) {
    const LoopbackTraffic loop = loopback_traffic(0.4);
    if (!loop.stream.error.empty()) throw UserError("--loopback: can't be measured here: " + loop.stream.error);
    c.bytes_per_second = loop.stream.rate();
    c.round_trip = a.round_trip.value_or(loop.round_trip);
    facts.bandwidth_origin = loop.stream.how;
  } else {
    c.bytes_per_second = needed(a.bandwidth, "--bandwidth");
  }
  return c;
}

}  // namespace

void declare(CLI::App& command, PlanArguments& a) {
  command.add_option("--L0", a.L0, "smoothness: the Hessian's norm is at most L0 + L1 times the gradient's")
      ->option_text("X");
  command.add_option("--L1", a.L1, "see --L0; 0 for an ordinarily smooth function")->option_text("X");
  command.add_option("--sigma", a.sigma, "bound on the noise of a mini-batch gradient")->option_text("X");
  command.add_option("--kappa", a.kappa, "mean distance of a client's gradient from that of all (default: 0)")
      ->option_text("X");
  command.add_option("--delta", a.delta, "loss at the start above the least loss")->option_text("X");
  command.add_option("--clients", a.clients, "number of clients N")->option_text("N");
  command.add_option("--epsilon", a.epsilon, "accuracy; the theorems bound the mean gradient norm by 4 or 9 times it")
      ->option_text("X");
  command.add_option("--c-min", a.c_min, "factor of Lemma 1 for clipped noise, at most 1 (default: 1)")->option_text("X");
  command.add_option("--M", a.M, "bound on the gradient's norm, for one row of the table of orders")->option_text("X");
  command.add_option("--participating", a.participating, "clients of a round, for EPISODE++ (default: all)")
      ->option_text("S");
  command.add_option("--interval", a.interval, "check this I (default: the largest that is allowed)")->option_text("I");
  command.add_option("--probe", a.probe, "take constants from the probe.json of tacet probe; options override them")
      ->option_text("FILE");
  command.add_option("--step-seconds", a.step_seconds, "seconds of a client's local step")->option_text("X");
  command.add_option("--parameters", a.parameters, "parameters of the model")->option_text("N");
  auto* bandwidth =
      command.add_option("--bandwidth", a.bandwidth, "bytes a second that a worker can send")->option_text("X");
  command.add_flag("--loopback", a.loopback, "measure this machine's loopback in place of a network")->excludes(bandwidth);
  command.add_option("--round-trip", a.round_trip, "seconds of an empty message there and back (default: 0)")
      ->option_text("X");
  command.add_option("--workers", a.workers, "workers, one client each (default: as many as clients)")->option_text("P");
  command.add_option("--vectors", a.vectors, "vectors that the method sends in a round (default: 1)")->option_text("N");
  command.add_option("--picture", a.picture, "draw what an interval costs; its numbers go into NAME.csv")
      ->option_text("NAME.svg|NAME.png");
  declare_json(command, a.json);
}

PlanFacts plan_facts(const PlanArguments& a) {
  const ProbeFigures probe(a.probe);
  PlanFacts facts;
  if (says_of_theory(a) || !says_of_cluster(a)) {
    const ProblemConstants problem = problem_of(a, probe, facts);
    facts.theorems = {plan_similar(problem), plan_differing(problem)};
    facts.orders = complexity_orders(problem);
  }
  if (says_of_cluster(a)) {
    facts.costs = costs_of(a, probe, facts);
    facts.exchanges = exchange_plans(*facts.costs);
  }
  return facts;
}

int cmd_plan(const PlanArguments& arguments) {
  if (!arguments.picture.empty()) check_plan_picture(arguments.picture);
  const PlanFacts facts = plan_facts(arguments);
  if (!arguments.picture.empty()) write_plan_picture(facts, arguments.picture);
  const std::string text =
      arguments.json ? plan_json(facts) : plan_text(facts, std::clamp(terminal_width(STDOUT_FILENO), 40, 110));
  std::fputs(text.c_str(), stdout);
  if (facts.theorems.empty()) return 0;
  if (std::any_of(facts.theorems.begin(), facts.theorems.end(), [](const TheoremPlan& t) { return t.feasible; })) return 0;
  const TheoremPlan& first = facts.theorems.front();
  const SideCondition& worst = first.conditions[first.binding];
  to_stderr("tacet: no theorem allows these constants: {} must hold, got {:.6g} against {:.6g}; nearest: {}\n", worst.text,
            worst.given, worst.limit, worst.nearest);
  return 2;
}

}  // namespace tacet
