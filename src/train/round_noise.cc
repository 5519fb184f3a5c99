// See round_noise.h.
#include "train/round_noise.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "analysis/rounds_probe.h"
#include "engine/tree_sum.h"
#include "tacet/group.h"
#include "train/run_folder.h"

namespace tacet {

void ArrivingSum::begin(const std::vector<int64_t>& bounds, int rank) {
  bounds_ = bounds;
  next_ = bounds[static_cast<size_t>(rank)], last_ = bounds[static_cast<size_t>(rank) + 1];
  nodes_.clear();
}

void ArrivingSum::add(int64_t leaf, const Vec& v) {
  while (next_ < leaf) push(Vec());
  const bool right_half = leaf % 2 == 1 && !nodes_.empty() && nodes_.back().first == leaf - 1 && nodes_.back().sum.defined();
  push(right_half ? v : v.clone());  // a right half is added at once and not kept
}

void ArrivingSum::push(const Vec& v) {
  nodes_.push_back({next_++, 1, v});
  while (last_two_are_siblings() && nodes_[nodes_.size() - 2].width == nodes_.back().width) merge_last_two();
}

// Returns true if the last node is the right half of the one that begins with the node before.
bool ArrivingSum::last_two_are_siblings() const {
  if (nodes_.size() < 2) return false;
  const Node& left = nodes_[nodes_.size() - 2];
  return left.first % (2 * left.width) == 0;
}

void ArrivingSum::merge_last_two() {
  const Vec right = nodes_.back().sum;
  nodes_.pop_back();
  Node& left = nodes_.back();
  left.width *= 2;
  if (!left.sum.defined())
    left.sum = right;
  else if (right.defined())
    left.sum.add_(right);
}

Vec ArrivingSum::total(Group& group, int64_t d) {
  while (next_ < last_) push(Vec());
  // A right half that the tree's end cuts off is whole although it is smaller.
  while (last_ == bounds_.back() && last_two_are_siblings()) merge_last_two();
  const Vec zeros = at::zeros({d});
  if (group.size() == 1) return nodes_.front().sum.defined() ? nodes_.front().sum : zeros;
  // A subtree's sum stands at its first leaf, and nothing at the others.
  const auto leaf = [&](int64_t p) {
    for (const Node& node : nodes_)
      if (node.first == p && node.sum.defined()) return std::vector<const float*>{node.sum.data_ptr<float>()};
    return std::vector<const float*>{zeros.data_ptr<float>()};
  };
  SumBuffers memory;
  return tree_sum(group, bounds_, {.parts = {d}}, leaf, memory);
}

RoundNoise::RoundNoise(Training& run) : run_(run), watched_(*run.objective, {}, [](int64_t, const Vec&) {}) {
  watched_.watch({}, [this](const BatchKey& draw, const Vec& y, const BatchLoss& loss) { look(draw, y, loss); });
}

void RoundNoise::begin(const std::vector<int>& sampled, const std::vector<int64_t>& bounds, int rank) {
  sampled_ = sampled;
  first_.clear();
  sum_.begin(bounds, rank);
}

void RoundNoise::look(const BatchKey& draw, const Vec& y, const BatchLoss& loss) {
  if (draw.step != 0) return;
  const auto at = std::lower_bound(sampled_.begin(), sampled_.end(), draw.client);
  if (at == sampled_.end() || *at != draw.client) return;
  const Vec& x = run_.state.x;
  if (y.data_ptr() != x.data_ptr() && !at::equal(y, x)) return;  // a client with a model of its own
  const Vec g = run_.objective->gradient_buffer();
  const double norm = l2_norm(g);
  if (!std::isfinite(norm)) return;
  first_.insert(first_.end(), {norm * norm, static_cast<double>(loss.samples)});
  sum_.add(at - sampled_.begin(), g);
}

std::map<std::string, double> RoundNoise::end(Group& group) {
  const std::vector<double> all = all_gather(group, first_);  // in the order of the clients
  FollowedRound r{.clients = static_cast<int64_t>(all.size() / 2)};
  const auto n = static_cast<double>(r.clients);
  NoiseTotals& totals = run_.state.noise;
  if (r.clients < 2) {
    ++totals.left_out;
    return {{"noise_clients", n}};
  }
  for (size_t k = 0; k < all.size(); k += 2) r.small_square += all[k] / n, r.batch += all[k + 1] / n;
  r.big_square = std::pow(l2_norm(sum_.total(group, run_.state.x.numel())) / n, 2);
  const NoiseScale scale = round_scale(r);
  ++totals.rounds;
  totals.gradient_square += scale.gradient_square;
  totals.noise_trace += scale.noise_trace;
  return {{"noise_clients", n}, {"noise_gradient_square", scale.gradient_square}, {"noise_trace", scale.noise_trace}};
}

std::optional<nlohmann::json> noise_summary(const Training& run) {
  using nlohmann::json;
  if (!run.options.noise_scale) return {};
  const NoiseTotals& t = run.state.noise;
  const auto n = static_cast<double>(t.rounds);
  const double square = t.gradient_square / n, trace = t.noise_trace / n;  // nan without a round
  std::ostringstream why;
  if (run.sampling.participating < 2)
    why << "a noise scale needs at least 2 clients in a round, got " << run.sampling.participating;
  else if (t.rounds == 0)
    why << "no round had two clients whose first gradients were at its model";
  else if (!(square > 0))
    why << "the gradient is lost in the noise: the mean of |G|² over the rounds must be above 0, got " << square;
  json j = {{"batch", why.str().empty() ? json(trace / square) : json(nullptr)},
            {"gradient_square", finite(square)},
            {"noise_trace", finite(trace)},
            {"rounds", t.rounds},
            {"left_out", t.left_out}};
  if (!why.str().empty()) j["missing"] = why.str();
  return j;
}

}  // namespace tacet
