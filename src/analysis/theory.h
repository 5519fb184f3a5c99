// The theorems on clipped local steps as pure functions: from constants of a problem to the step size, clipping parameter,
// interval and length of a run that a theorem allows, with every side condition checked. Speed is in wall_clock.h.
//
// similar    Theorem 1 of Liu, Zhuang, Lei and Liao, "A communication-efficient distributed gradient clipping algorithm for
//            training deep neural networks", NeurIPS 2022: clients draw from one distribution, noise symmetric and unimodal
// differing  Theorem 1 of its earlier version (under review at ICLR 2022), where clients differ by κ on average
// EPISODE, EPISODE++ and the rows of Table 1 are stated there as orders only, so their constants are left out here too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tacet {

struct ProblemConstants {
  double L0 = 0, L1 = 0;            // ‖∇²f(x)‖ ≤ L0 + L1 ‖∇f(x)‖; L0 > 0, L1 ≥ 0
  double sigma = 0;                 // ‖∇F_i(x; ξ) − ∇f_i(x)‖ ≤ σ; > 0
  double kappa = 0;                 // mean_i ‖∇f_i(x) − ∇f(x)‖ ≤ κ; ≥ 0
  double delta = 0;                 // f(x_0) − min f ≤ Δ; > 0
  int64_t clients = 1;              // N
  double epsilon = 0;               // ε; > 0
  double c_min = 1;                 // of Lemma 1, in (0, 1]
  std::optional<double> M;          // ‖∇f(x)‖ ≤ M; only a row of Table 1 has it
  int64_t participating = 0;        // S, of EPISODE++; 0: all
  std::optional<int64_t> interval;  // I that is asked for; else the largest that is allowed
};

// Throws UserError for a constant that no problem has.
void check_constants(const ProblemConstants& constants);

// One side condition, given ≤ limit or given ≥ limit.
struct SideCondition {
  std::string text;  // "ε ≤ AL₀/(BL₁)"
  std::string of;    // what could be changed: "epsilon"
  double given = 0, limit = 0;
  bool at_least = false;  // given ≥ limit
  bool follows = false;   // holds by the choice of η, γ and I, and is checked all the same
  std::string nearest;    // where it fails: the nearest value that meets it, or why none does
  bool holds() const { return at_least ? given >= limit : given <= limit; }
  // Returns 1 at the limit, less where there is room.
  double strain() const { return at_least ? limit / given : given / limit; }
};

struct TheoremPlan {
  std::string name, source;
  double A = 0, B = 0, c = 0;
  std::vector<SideCondition> conditions;
  size_t binding = 0;  // the condition nearest to its limit, or farthest beyond it
  bool feasible = false;
  // The largest steps allowed, where all conditions hold; the formulas' values in any case.
  double gamma = 0, eta = 0;
  double interval_limit = 0;  // I ≤ this
  std::string interval_text;  // "I ≤ 1/(2Nε)"
  int64_t interval = 1;
  double iterations = 0;          // T, local steps of each client
  bool iterations_exact = false;  // else an order, without its constant
  double rounds = 0;              // T/I
  double bound = 0;               // of the mean over the run of E‖∇f(x̄_t)‖
  std::string bound_text;         // "4ε"
};

TheoremPlan plan_similar(const ProblemConstants& constants);
TheoremPlan plan_differing(const ProblemConstants& constants);

// An order of Table 1, or of a theorem that is stated as one: no constant factor is known.
struct ComplexityOrder {
  std::string method, setting;
  std::string iterations_text, rounds_text;  // formulas; rounds_text is empty where a method never talks
  std::optional<double> iterations, rounds;  // their values; empty where a constant is not given
};

// Returns the rows of Table 1 (both versions of the paper), then EPISODE (Crawshaw, Bao and Liu, ICLR 2023) and EPISODE++
// (the same, NeurIPS 2023), with one pair of brackets more than in the authors' slides: a number of rounds has no unit.
std::vector<ComplexityOrder> complexity_orders(const ProblemConstants& constants);

}  // namespace tacet
