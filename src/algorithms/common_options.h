// Options that several methods bind, and the usual costs of a round, for the methods' own files. eta, gamma, interval and
// message are not here: every row gets them from add_algorithm.
#pragma once

#include <limits>
#include <string>
#include <utility>

#include "tacet/algorithm.h"
#include "tacet/options.h"

namespace tacet {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

inline void beta(OptionList& o, std::string name, double& member, double fallback, std::string doc) {
  o.number(std::move(name), member, fallback, half_open(0, 1), std::move(doc));
}

inline void weight_decay(OptionList& o, double& lambda) {
  o.number("weight_decay", lambda, 0, at_least(0), "λ: λx is added to the step's direction, after the norm was taken");
}

// Binds "momentum" and "weight_decay".
inline void step_rule(OptionList& o, StepRule& rule, double momentum = 0) {
  beta(o, "momentum", rule.momentum, momentum, "heavy-ball momentum μ of the step");
  weight_decay(o, rule.weight_decay);
}

inline double none(int) { return 0; }
inline double two(int) { return 2; }
inline double every(int I) { return I; }

}  // namespace tacet
