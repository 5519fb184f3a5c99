// See dip_test.h. Heights are counted in values rather than shares: the distribution function goes from k to k + 1 at the
// value with index k. Its greatest convex minorant runs through lower corners (v_k, k), its least concave majorant through
// upper corners (v_k, k + 1).
#include "analysis/dip_test.h"

#include <algorithm>
#include <vector>

#include "analysis/statistics.h"
#include "tacet/random.h"

namespace tacet {
namespace {

using Indices = std::vector<size_t>;

// Returns the corners of the convex (sign 1) or concave (sign −1) hull of the points (v_k, k) with first ≤ k ≤ last.
Indices hull(const std::vector<double>& v, size_t first, size_t last, int sign) {
  Indices corners;
  for (size_t k = first; k <= last; ++k) {
    while (corners.size() >= 2) {
      const size_t a = corners[corners.size() - 2], b = corners.back();
      const double turn = (v[b] - v[a]) * static_cast<double>(k - b) - (v[k] - v[b]) * static_cast<double>(b - a);
      if (sign * turn > 0) break;
      corners.pop_back();
    }
    corners.push_back(k);
  }
  return corners;
}

// Returns the height at v_k of the line of a hull, whose corner at or before k is `corner`. Equal values have the height
// of the lowest corner in a minorant, of the highest in a majorant.
double height(const std::vector<double>& v, const Indices& corners, size_t corner, double x, bool majorant) {
  const size_t a = corners[corner], b = corners[std::min(corner + 1, corners.size() - 1)];
  const double lift = majorant ? 1 : 0;
  if (v[b] == v[a]) return static_cast<double>(majorant ? b : a) + lift;
  return static_cast<double>(a) + static_cast<double>(b - a) * (x - v[a]) / (v[b] - v[a]) + lift;
}

// Returns the index among the corners of the last one at or before k.
size_t segment(const Indices& corners, size_t k) {
  const auto above = std::upper_bound(corners.begin(), corners.end(), k);
  return static_cast<size_t>(above - corners.begin()) - 1;
}

struct Gap {
  double most = 0;
  size_t left = 0, right = 0;  // the next window
};

// Finds where majorant and minorant are farthest apart, at a corner of either.
Gap widest(const std::vector<double>& v, const Indices& minorant, const Indices& majorant) {
  Gap gap;
  for (size_t g = 0; g < minorant.size(); ++g) {
    const size_t k = minorant[g], s = segment(majorant, k);
    const double d = height(v, majorant, s, v[k], true) - static_cast<double>(k);
    if (d > gap.most) gap = {d, k, majorant[s] == k ? k : majorant[std::min(s + 1, majorant.size() - 1)]};
  }
  for (size_t l = 0; l < majorant.size(); ++l) {
    const size_t k = majorant[l], s = segment(minorant, k);
    const double d = static_cast<double>(k) + 1 - height(v, minorant, s, v[k], false);
    if (d > gap.most) gap = {d, minorant[s], k};
  }
  return gap;
}

// Returns the largest distance of the step function from a hull, over the values with indices from … to.
double farthest(const std::vector<double>& v, const Indices& corners, size_t from, size_t to, bool majorant) {
  double most = 0;
  for (size_t k = from; k <= to; ++k) {
    const double line = height(v, corners, segment(corners, k), v[k], majorant), step = static_cast<double>(k);
    most = std::max(most, majorant ? line - step : step + 1 - line);
  }
  return most;
}

double dip_of_sorted(const std::vector<double>& v) {
  const auto n = static_cast<double>(v.size());
  size_t left = 0, right = v.size() - 1;
  double most = 1;
  if (v.front() == v.back()) return 1 / (2 * n);
  for (;;) {
    const Indices minorant = hull(v, left, right, 1), majorant = hull(v, left, right, -1);
    const Gap gap = widest(v, minorant, majorant);
    if (gap.most <= most) break;
    most = std::max({most, farthest(v, minorant, left, gap.left, false), farthest(v, majorant, gap.right, right, true)});
    if (gap.left == left && gap.right == right) break;
    left = gap.left, right = gap.right;
    if (left >= right) break;
  }
  return most / (2 * n);
}

}  // namespace

double dip(std::span<const double> values) {
  require_samples("a dip", 4, values.size());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return dip_of_sorted(sorted);
}

DipTest dip_test(std::span<const double> values, uint64_t seed, int64_t simulations) {
  require_samples("a dip test", 20, values.size());
  DipTest test{dip(values)};
  test.simulations = simulations;
  int64_t as_far = 0;
  std::vector<double> uniform(values.size());
  for (int64_t s = 0; s < simulations; ++s) {
    Stream stream(seed, Stream::everyone, Purpose::gradient_noise, 1, s);
    for (double& u : uniform) u = stream.uniform();
    std::sort(uniform.begin(), uniform.end());
    as_far += dip_of_sorted(uniform) >= test.dip;
  }
  test.p = static_cast<double>(as_far + 1) / static_cast<double>(simulations + 1);
  return test;
}

}  // namespace tacet
