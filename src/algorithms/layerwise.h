// Steps that treat every layer, a parameter tensor, as a vector of its own.
#pragma once

#include <functional>
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

}  // namespace tacet
