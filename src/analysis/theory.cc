// See theory.h.
#include "analysis/theory.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "tacet/error.h"

namespace tacet {
namespace {

constexpr double no_limit = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-12;  // of a quotient, generously

void require(bool right, const std::string& what, const std::string& allowed, double given, const std::string& why = "") {
  if (!right)
    throw UserError(fmt::format("{} must be {}, got {:g}{}", what, allowed, given, why.empty() ? "" : " (" + why + ")"));
}

void require_positive(const std::string& what, double given, const std::string& why = "") {
  require(std::isfinite(given) && given > 0, what, "> 0 and finite", given, why);
}

// Sets A and B of the descent inequality on steps up to c/L1.
void set_descent_constants(TheoremPlan& plan, double c) {
  plan.c = c;
  plan.B = std::expm1(c) / c;
  plan.A = 1 + std::exp(c) - plan.B;
}

SideCondition at_most(const std::string& text, const std::string& of, double given, double limit) {
  return {.text = text, .of = of, .given = given, .limit = limit};
}

// Returns the conditions on ε and N that both theorems share.
std::vector<SideCondition> shared_conditions(const ProblemConstants& p, const TheoremPlan& plan) {
  const double ratio = p.L1 > 0 ? plan.A * p.L0 / (plan.B * p.L1) : no_limit;
  const auto N = static_cast<double>(p.clients);
  return {at_most("ε ≤ AL₀/(BL₁)", "epsilon", p.epsilon, ratio), at_most("ε ≤ 0.1", "epsilon", p.epsilon, 0.1),
          at_most("N ≤ 1/ε", "clients", N, 1 / p.epsilon),
          at_most("N ≤ 14AL₀/(5BL₁ε)", "clients", N, 14 * ratio / (5 * p.epsilon))};
}

// Returns what would meet a condition that fails.
std::string nearest_value(const SideCondition& s) {
  const double whole = std::floor(s.limit * (1 + rounding));
  if (s.of == "clients") return whole >= 1 ? fmt::format("clients = {:.0f}", whole) : "none: epsilon must fall first";
  if (s.of == "interval") return whole >= 1 ? fmt::format("interval = {:.0f}", whole) : "none: clients must fall first";
  return fmt::format("{} = {:.6g}", s.of, s.limit);
}

// Returns the condition on I. Where not even I = 1 is allowed and nobody asked for an I, it is one on N: I falls as 1/N.
SideCondition interval_condition(const TheoremPlan& plan, const ProblemConstants& p) {
  SideCondition s{.text = plan.interval_text,
                  .of = "interval",
                  .given = static_cast<double>(plan.interval),
                  .limit = plan.interval_limit};
  if (p.interval || s.limit * (1 + rounding) >= 1) return s;
  const double clients = std::floor(s.limit * static_cast<double>(p.clients) * (1 + rounding));
  s.of = "clients";
  s.nearest = clients >= 1 ? fmt::format("clients = {:.0f}", clients) : "none: epsilon must fall first";
  return s;
}

// Returns the lemmas' conditions on a step and on a round, which follow from the theorem's.
std::vector<SideCondition> lemma_conditions(const TheoremPlan& plan, const ProblemConstants& p) {
  SideCondition drift = at_most("2γI ≤ c/L₁", "gamma", 2 * plan.gamma * static_cast<double>(plan.interval),
                                p.L1 > 0 ? plan.c / p.L1 : no_limit);
  SideCondition step = at_most("AL₀η ≤ 1/2", "gamma", plan.A * p.L0 * plan.eta, 0.5);
  drift.follows = step.follows = true;
  return {drift, step};
}

// Finds the condition that binds. What follows from others binds only where nothing else fails.
void judge(TheoremPlan& plan) {
  plan.feasible = true;
  for (size_t k = 0; k < plan.conditions.size(); ++k) {
    SideCondition& s = plan.conditions[k];
    // Limits are quotients, so a value at its limit may be beyond it by rounding.
    if (!s.holds() && s.strain() < 1 + rounding) s.limit = s.given;
    if (!s.holds() && s.nearest.empty()) s.nearest = s.follows ? "follows from the conditions above" : nearest_value(s);
    plan.feasible = plan.feasible && s.holds();
    const SideCondition& worst = plan.conditions[plan.binding];
    if (s.follows ? !s.holds() && worst.holds() : s.strain() > worst.strain()) plan.binding = k;
  }
}

// Fills in what follows from γ, T and the limit of I.
void finish(TheoremPlan& plan, const ProblemConstants& p, double noise) {
  plan.eta = plan.gamma / (5 * noise);
  const double most = std::floor(plan.interval_limit * (1 + rounding));
  plan.interval = p.interval.value_or(static_cast<int64_t>(std::clamp(most, 1.0, 9e15)));
  plan.conditions.push_back(interval_condition(plan, p));
  for (const SideCondition& s : lemma_conditions(plan, p)) plan.conditions.push_back(s);
  judge(plan);
  plan.rounds = plan.iterations / static_cast<double>(plan.interval);
}

double largest_gamma(const ProblemConstants& p, const TheoremPlan& plan, double noise) {
  const double flat = p.epsilon / (plan.A * p.L0), steep = p.L1 > 0 ? 1 / (plan.B * p.L1) : no_limit;
  return static_cast<double>(p.clients) * p.epsilon / (28 * noise) * std::min(flat, steep);
}

}  // namespace

void check_constants(const ProblemConstants& p) {
  require_positive("L0", p.L0, "a function that is (0, L1)-smooth is also (L0, L1)-smooth for every L0 > 0");
  require(std::isfinite(p.L1) && p.L1 >= 0, "L1", ">= 0 and finite", p.L1);
  require_positive("sigma", p.sigma);
  require(std::isfinite(p.kappa) && p.kappa >= 0, "kappa", ">= 0 and finite", p.kappa);
  require_positive("delta", p.delta);
  require_positive("epsilon", p.epsilon);
  require(p.clients >= 1, "clients", ">= 1", static_cast<double>(p.clients));
  require(p.c_min > 0 && p.c_min <= 1, "c-min", "in (0, 1]", p.c_min);
  require(p.participating >= 0 && p.participating <= p.clients, "participating",
          fmt::format("in 1 … clients = {}", p.clients), static_cast<double>(p.participating));
  if (p.M) require_positive("M", *p.M);
  if (p.interval) require(*p.interval >= 1, "interval", ">= 1", static_cast<double>(*p.interval));
}

TheoremPlan plan_similar(const ProblemConstants& p) {
  check_constants(p);
  TheoremPlan plan{.name = "similar", .source = "Liu et al., NeurIPS 2022, Theorem 1"};
  set_descent_constants(plan, 1.0 / 28);
  // γ and I at their limits have 2γIL₁ = √c_min/(14B), which is within 1/28 only for c_min ≤ B²/4.
  if (p.c_min > plan.B * plan.B / 4) set_descent_constants(plan, 1.0 / 14);
  const auto N = static_cast<double>(p.clients);
  plan.conditions = {{.text = "σ ≥ 1", .of = "sigma", .given = p.sigma, .limit = 1, .at_least = true}};
  for (const SideCondition& s : shared_conditions(p, plan)) plan.conditions.push_back(s);
  plan.interval_text = "I ≤ √(1/c_min)·σ/(Nε)";
  plan.interval_limit = std::sqrt(1 / p.c_min) * p.sigma / (N * p.epsilon);
  plan.gamma = p.c_min * largest_gamma(p, plan, p.sigma);
  plan.iterations = p.delta * p.L0 * p.sigma * p.sigma / (N * std::pow(p.epsilon, 4));
  plan.bound = 9 * p.epsilon;
  plan.bound_text = "9ε";
  finish(plan, p, p.sigma);
  return plan;
}

TheoremPlan plan_differing(const ProblemConstants& p) {
  check_constants(p);
  TheoremPlan plan{.name = "differing", .source = "Liu et al., under review at ICLR 2022, Theorem 1"};
  set_descent_constants(plan, 1.0 / 28);
  const double noise = p.sigma + p.kappa;
  const auto N = static_cast<double>(p.clients);
  plan.conditions = {{.text = "σ + κ ≥ 1", .of = "sigma + kappa", .given = noise, .limit = 1, .at_least = true}};
  for (const SideCondition& s : shared_conditions(p, plan)) plan.conditions.push_back(s);
  plan.interval_text = "I ≤ 1/(2Nε)";
  plan.interval_limit = 1 / (2 * N * p.epsilon);
  plan.gamma = largest_gamma(p, plan, noise);
  plan.iterations = 560 * plan.A * p.L0 * p.delta * noise * noise / (N * std::pow(p.epsilon, 4));
  plan.iterations_exact = true;
  plan.bound = 4 * p.epsilon;
  plan.bound_text = "4ε";
  finish(plan, p, noise);
  return plan;
}

std::vector<ComplexityOrder> complexity_orders(const ProblemConstants& p) {
  check_constants(p);
  const double D = p.delta, L0 = p.L0, L1 = p.L1, s = p.sigma, k = p.kappa, e2 = p.epsilon * p.epsilon, e4 = e2 * e2;
  const auto N = static_cast<double>(p.clients);
  const double S = p.participating > 0 ? static_cast<double>(p.participating) : N;
  const double e3 = e2 * p.epsilon, steps = D * L0 * s * s / e4, episodes = D * (L0 + L1 * (k + s)) * s / e3;
  std::optional<double> sgd, clipped;
  if (p.M) sgd = D * (L0 + L1 * *p.M) * (1 / e2 + s * s / e4);
  if (L1 > 0) clipped = std::pow(D + (L0 + L1 * s) * s * s + s * L0 * L0 / L1, 2) / e4;
  const double differing = D * L0 * (s + k) * (s + k);
  return {{"SGD", "one machine", "Δ(L₀+L₁M)(1/ε²+σ²/ε⁴)", "", sgd, {}},
          {"clipped SGD", "one machine", "(Δ+(L₀+L₁σ)σ²+σL₀²/L₁)²/ε⁴", "", clipped, {}},
          {"clipping framework", "one machine", "ΔL₀σ²/ε⁴", "", steps, {}},
          {"naive parallel", "N machines", "ΔL₀σ²/(Nε⁴)", "ΔL₀σ²/(Nε⁴)", steps / N, steps / N},
          {"CELGC, similar", "N machines", "ΔL₀σ²/(Nε⁴)", "ΔL₀σ/ε³", steps / N, D * L0 * s / e3},
          {"CELGC, differing", "N clients", "ΔL₀(σ+κ)²/(Nε⁴)", "ΔL₀(σ+κ)²/ε³", differing / (N * e4), differing / e3},
          {"EPISODE", "N clients", "ΔL₀σ²/(Nε⁴)", "Δ(L₀+L₁(κ+σ))σ/ε³", steps / N, episodes},
          {"EPISODE++", "S of N clients", "ΔL₀σ²/(Sε⁴)", "Δ(L₀+L₁(κ+σ))σ/ε³", steps / S, episodes}};
}

}  // namespace tacet
