// Rounding of floats to bfloat16 numbers.
#pragma once

#include <bit>
#include <cstdint>

namespace tacet {

// Returns the bits of the nearest bfloat16 number, ties to even. NaN stays NaN.
inline uint16_t nearest_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : nearest);
}

// Returns the number that the bits stand for.
inline float float_of(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

}  // namespace tacet
