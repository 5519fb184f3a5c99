// See sparse_coding.h.
#include "engine/sparse_coding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

namespace tacet {
namespace {

int64_t largest_divisor(int64_t n, int64_t most) {
  for (int64_t k = std::min(n, most); k > 1; --k)
    if (n % k == 0) return k;
  return 1;
}

// Two places lie in three bytes.
void put_place(uint8_t* bytes, int64_t k, int64_t place) {
  uint8_t* at = bytes + k * 3 / 2;
  if (k % 2 == 0) {
    at[0] = static_cast<uint8_t>(place & 255);
    at[1] = static_cast<uint8_t>(place >> 8);
  } else {
    at[0] = static_cast<uint8_t>(at[0] | (place & 15) << 4);
    at[1] = static_cast<uint8_t>(place >> 4);
  }
}

int64_t place_at(const uint8_t* bytes, int64_t k) {
  const uint8_t* at = bytes + k * 3 / 2;
  return k % 2 == 0 ? at[0] | (at[1] & 15) << 8 : at[0] >> 4 | at[1] << 4;
}

// The places of the values that a chunk sends, ascending.
using Places = std::array<int64_t, most_in_chunk>;

// Finds the places of the largest values. Returns false if a value is not finite.
bool find_largest(const SparseChunk& chunk, const float* v, Places& places) {
  std::array<uint64_t, most_in_chunk> keys;
  bool finite = true;
  for (int64_t i = 0; i < chunk.size; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(v[i]) & 0x7fffffffu;  // in the order of sizes
    finite = finite && bits < 0x7f800000u;
    keys[i] = static_cast<uint64_t>(bits) << 12 | static_cast<uint64_t>(most_in_chunk - 1 - i);  // the first of equal ones
  }
  const auto end = keys.begin() + chunk.kept;
  if (chunk.kept < chunk.size) std::nth_element(keys.begin(), end, keys.begin() + chunk.size, std::greater<>());
  for (int64_t k = 0; k < chunk.kept; ++k)
    places[k] = most_in_chunk - 1 - static_cast<int64_t>(keys[k] & (most_in_chunk - 1));
  std::sort(places.begin(), places.begin() + chunk.kept);
  return finite;
}

// Codes values in two bits: by their distance from the mean, in steps of 6/4 of the deviation. A code stands for the mean of
// its values.
void put_codes(const float* v, const Places& places, int64_t kept, float* words) {
  const auto n = static_cast<double>(kept);
  double mean = 0, squares = 0;
  for (int64_t k = 0; k < kept; ++k) mean += v[places[k]] / n;
  for (int64_t k = 0; k < kept; ++k) squares += std::pow(v[places[k]] - mean, 2);
  const double step = 6 * std::sqrt(squares / (n - 1)) / 4;
  std::array<double, table_words> sum{}, count{};
  auto* codes = reinterpret_cast<uint8_t*>(words + table_words);
  for (int64_t k = 0; k < kept; ++k) {
    const double off = v[places[k]] - mean;
    const auto code = static_cast<size_t>(step > 0 ? std::clamp(std::nearbyint(off / step + 2), 0.0, 3.0) : 2.0);
    codes[k / 4] = static_cast<uint8_t>(codes[k / 4] | code << (2 * (k % 4)));
    sum[code] += off;
    count[code] += 1;
  }
  for (size_t c = 0; c < sum.size(); ++c) words[c] = static_cast<float>(count[c] > 0 ? mean + sum[c] / count[c] : 0);
}

}  // namespace

std::vector<SparseChunk> sparse_chunks(std::span<const Layer> layers, const SparseOptions& options) {
  std::vector<SparseChunk> chunks;
  int64_t values = 0, words = 0;
  for (const Layer& layer : layers) {
    const int64_t longest = layer.shape.size() > 1 ? options.chunk : largest_divisor(layer.size, 64);
    for (int64_t at = 0; at < layer.size; at += longest) {
      const int64_t size = std::min(longest, layer.size - at), kept = kept_of(size, options.density);
      chunks.push_back({values + at, size, kept, words});
      words += sparse_words(size, kept, options.in_two_bits());
    }
    values += layer.size;
  }
  chunks.push_back({values, 0, 0, words});
  return chunks;
}

void sparse_encode(const SparseChunk& chunk, bool two_bits, const float* v, float* words) {
  Places places;
  const bool finite = find_largest(chunk, v, places);
  std::fill_n(words, sparse_words(chunk.size, chunk.kept, two_bits), 0.0f);
  if (chunk.kept < chunk.size)
    for (int64_t k = 0; k < chunk.kept; ++k) put_place(reinterpret_cast<uint8_t*>(words), k, places[k]);
  float* values = words + place_words(chunk.size, chunk.kept);
  const bool codes = uses_codes(chunk.kept, two_bits);
  if (!finite) {
    std::fill_n(values, codes ? table_words : chunk.kept, std::numeric_limits<float>::quiet_NaN());
  } else if (codes) {
    put_codes(v, places, chunk.kept, values);
  } else {
    for (int64_t k = 0; k < chunk.kept; ++k) values[k] = v[places[k]];
  }
}

void sparse_decode(const SparseChunk& chunk, bool two_bits, const float* words, float* out) {
  const bool whole = chunk.kept == chunk.size, codes = uses_codes(chunk.kept, two_bits);
  const auto* places = reinterpret_cast<const uint8_t*>(words);
  const float* values = words + place_words(chunk.size, chunk.kept);
  const auto* packed = reinterpret_cast<const uint8_t*>(values + table_words);
  if (!whole) std::fill_n(out, chunk.size, 0.0f);
  for (int64_t k = 0; k < chunk.kept; ++k)
    out[whole ? k : place_at(places, k)] = values[codes ? packed[k / 4] >> (2 * (k % 4)) & 3 : k];
}

}  // namespace tacet
