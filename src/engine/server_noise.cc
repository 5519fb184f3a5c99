// Implements server_noise.h.
#include "engine/server_noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "base/system_random.h"
#include "tacet/group.h"
#include "tacet/random.h"

namespace tacet {
namespace {

constexpr int64_t numbers_a_stream = 1 << 15;
constexpr int64_t words_at_once = 1 << 12;

// Returns a number of (0, 1].
double unit(uint64_t word) { return static_cast<double>((word >> 11) + 1) * 0x1p-53; }

// Fills with normal numbers by Box and Muller, two of two words.
void fill_system_normals(float* out, int64_t n) {
  std::array<uint64_t, words_at_once> words{};
  for (int64_t first = 0; first < n; first += words_at_once) {
    fill_system_random(words.data(), sizeof words);
    for (int64_t k = 0; k < std::min(words_at_once, n - first); ++k) {
      const auto pair = static_cast<size_t>(k & ~int64_t{1});
      const double radius = std::sqrt(-2 * std::log(unit(words[pair]))), angle = 2 * M_PI * unit(words[pair + 1]);
      out[first + k] = static_cast<float>(radius * (k % 2 == 0 ? std::cos(angle) : std::sin(angle)));
    }
  }
}

}  // namespace

Vec keyed_normals(uint64_t seed, int64_t round, int64_t n) {
  Vec out = at::empty({n}, at::kFloat);
  auto* p = out.data_ptr<float>();
  const int64_t streams = (n + numbers_a_stream - 1) / numbers_a_stream;
  at::parallel_for(0, streams, 1, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      Stream stream(seed, Stream::everyone, Purpose::server_noise, round, k);
      const int64_t end = std::min(n, (k + 1) * numbers_a_stream);
      for (int64_t j = k * numbers_a_stream; j < end; ++j) p[j] = static_cast<float>(stream.normal());
    }
  });
  return out;
}

Vec system_normals(Group& group, int64_t n) {
  Vec out = at::empty({n}, at::kFloat);
  auto* p = out.data_ptr<float>();
  const auto ranks = static_cast<size_t>(group.size());
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  if (group.rank() == 0) {
    fill_system_normals(p, n);
    for (size_t q = 1; q < ranks; ++q) to[q] = {{p, n}};
  } else {
    from[0] = {{p, n}};
  }
  if (ranks > 1) group.exchange(to, from);
  return out;
}

}  // namespace tacet
