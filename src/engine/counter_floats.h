// Counters of a round as floats, the form in which they travel behind the vectors of a message.
#pragma once

#include <cstdint>

#include "engine/round_setup.h"

namespace tacet {

inline constexpr int64_t counter_floats = sizeof(Counters) / sizeof(double);

// Writes the counters as floats, to travel behind the vectors. They are sums of few, small numbers or shown to a few digits.
inline void pack(const Counters& c, float* out) {
  const auto* p = reinterpret_cast<const double*>(&c);
  for (int64_t k = 0; k < counter_floats; ++k) out[k] = static_cast<float>(p[k]);
}

// Adds counters that came as floats.
inline void add(Counters& sum, const float* more) {
  auto* p = reinterpret_cast<double*>(&sum);
  for (int64_t k = 0; k < counter_floats; ++k) p[k] += static_cast<double>(more[k]);
}

}  // namespace tacet
