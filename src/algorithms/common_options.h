// Options that several methods bind, and the usual costs of a round, for the methods' own files. eta, gamma, interval and
// message are not here: every row gets them from add_algorithm.
#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tacet/algorithm.h"
#include "tacet/options.h"

namespace tacet {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

// The conditions of options that do nothing where a client takes one step between two communications.
inline const std::vector<OnlyWith> several_steps = {{"interval"}, {"local_epochs"}};

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

// Binds "weight_decay" and "decay_in_norm", for methods that clip.
inline void clipped_decay(OptionList& o, StepRule& rule) {
  weight_decay(o, rule.weight_decay);
  o.flag("decay_in_norm", rule.decay_in_norm, false, "λx is added to the gradient before its norm is taken, not after")
      .only_with = {{"weight_decay"}};
}

// Binds "momentum", "weight_decay" and "decay_in_norm".
inline void clipped_step_rule(OptionList& o, StepRule& rule) {
  beta(o, "momentum", rule.momentum, 0, "heavy-ball momentum μ of the step");
  clipped_decay(o, rule);
}

// Binds "delta": the δ of Tucat, Mukherjee, "Regularized Gradient Clipping Provably Trains Wide and Deep Neural Networks",
// 2024, where a step is never shorter than δ η ‖g‖.
inline void least_factor(OptionList& o, double& delta) {
  o.number("delta", delta, 0, half_open(0, 1),
           "δ: a clipped step keeps at least this share of the plain one; 0 clips fully");
}

// Binds "per_layer".
inline void by_layer(OptionList& o, bool& per_layer) {
  o.flag("per_layer", per_layer, false,
         "every parameter tensor is clipped by its own norm; clipped_fraction and gradient_norm then count tensors");
}

// Binds "average_at_pass_end", which the driver reads. It is for methods that draw one mini-batch a local step and none
// besides, so that the clients' passes stay together.
inline void average_at_pass_end(OptionList& o) {
  bool unused = false;
  o.flag("average_at_pass_end", unused, false,
         "a round ends after every interval-th local step of the run and also where the clients' pass through their text "
         "ends, as in CELGC's published program for language models; false: after interval steps only")
      .not_with = {{"local_epochs"}};
}

// Binds "per_coordinate".
inline void by_coordinate(OptionList& o, bool& per_coordinate) {
  o.flag("per_coordinate", per_coordinate, false,
         "every coordinate's step is clipped by itself; gradient_norm is then the largest coordinate")
      .not_with = {{"per_layer"}};
}

// Binds "max_update".
inline void bounded_update(OptionList& o, double& max_update) {
  o.number("max_update", max_update, infinity, above_or_infinite(0),
           "a client's change in a round is shortened to this before it is averaged; inf: never");
}

inline double none(int) { return 0; }
inline double two(int) { return 2; }
inline double every(int I) { return I; }

}  // namespace tacet
