// The step along a corrected gradient d = g − Gⁱ + G, which EPISODE, EPISODE++ and SCAFFOLD share, with its options:
// y ← y − a (d + λ y), where a goes by ‖d‖. With `decay_in_norm` a goes by ‖d + λ y‖. With momentum y ← y − a m, where
// m ← μ m + (d + λ y) stays with its client and a goes by ‖m‖. Corrections are means of gradients without either.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "algorithms/common_options.h"

namespace tacet {

struct CorrectedStep {
  // `momentum_with` is the condition under which momentum may be given.
  void options(OptionList& o, std::vector<OnlyWith> momentum_with = {}) {
    beta(o, "momentum", rule.momentum, 0, "heavy-ball momentum μ; the norm is then that of its buffer, which holds λx");
    o.all().back().only_with = std::move(momentum_with);
    clipped_decay(o, rule);
    o.all().back().not_with = {{"momentum"}};
  }

  // Turns d into the direction of the client's step and returns the length by which it is clipped. `norm` is ‖d‖.
  double direct(const Client& i, Vec& d, double norm, const Vec& y) {
    return rule.momentum != 0 ? accumulate(buffers.at(i, y), d, y, rule) : add_decay(d, norm, y, rule);
  }

  // Takes the step y ← y − a·d, with λ y where it is not in d yet.
  void take(Vec& y, const Vec& d, double a) const {
    descend(y, d, a, {.weight_decay = rule.momentum != 0 || rule.decay_in_norm ? 0 : rule.weight_decay}, nullptr);
  }

  void state(StateVisitor& v) { v.clients("momentum", buffers); }

  StepRule rule;
  PerClient buffers;  // m
};

}  // namespace tacet
