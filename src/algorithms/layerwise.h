// Steps that treat every layer, a parameter tensor, as a vector of its own, or every coordinate, and the bound on what a
// client changes in a round.
#pragma once

#include <functional>
#include <limits>
#include <span>

#include "tacet/algorithm.h"

namespace tacet {

// Steps y_ℓ ← y_ℓ − a_ℓ d_ℓ in every layer, as descend() does for the whole vector, with a_ℓ = factor(‖g_ℓ‖).
inline void descend_by_layer(Vec& y, const Vec& g, std::span<const Layer> layers,
                             const std::function<double(double norm)>& factor, const StepRule& rule, Vec* m) {
  for (const Layer& l : layers) {
    Vec y_l = y.narrow(0, l.offset, l.size);
    const Vec g_l = g.narrow(0, l.offset, l.size);
    Vec m_l = rule.momentum != 0 ? m->narrow(0, l.offset, l.size) : Vec();
    descend(y_l, g_l, factor(l2_norm(g_l)), rule, &m_l);
  }
}

// Steps y_j ← y_j − a_j d_j in every coordinate, with a_j = min(η, max(least·η, γ/|g_j|)). `factor` is asked once, for the
// largest |g_j|, and counts the step.
inline void descend_by_coordinate(Vec& y, const Vec& g, Rates rates, double least,
                                  const std::function<double(double norm)>& factor, const StepRule& rule, Vec* m) {
  const Vec size = g.abs();
  factor(size.max().item<double>());
  const Vec a = (rates.gamma / (size + 1e-10)).clamp_(least * rates.eta, rates.eta);
  Vec d = rule.decay_in_norm || rule.weight_decay == 0 ? g : g + rule.weight_decay * y;
  if (rule.momentum != 0) d = m->mul_(rule.momentum).add_(d);
  y.sub_(a * d);
}

// Shortens y's distance from x to `longest`.
inline void shorten_change(Vec& y, const Vec& x, double longest) {
  if (longest == std::numeric_limits<double>::infinity()) return;
  const Vec change = y - x;
  const double length = l2_norm(change);
  if (length > longest) y.copy_(x + (longest / length) * change);
}

}  // namespace tacet
