// See rounds_probe.h.
#include "analysis/rounds_probe.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "analysis/saved_state.h"
#include "engine/round_setup.h"

namespace tacet {
namespace {

// Finds the vectors of SCAFFOLD, EPISODE and EPISODE++ among a method's state.
struct CorrectionFinder : StateVisitor {
  MethodCorrections found;
  void global(const std::string& name, Vec& value) override {
    if (name == "c" || name == "G") found.mean = value;
  }
  void clients(const std::string& name, PerClient& value) override {
    if (name == "variates" || name == "corrections") found.clients = &value;
  }
  void number(const std::string&, double&) override {}
  void scratch(const std::string& name, PerClient& value) override { clients(name, value); }
};

// Returns the number of clients that drew in most rounds.
int64_t usual_clients(const std::vector<FollowedRound>& rounds) {
  std::map<int64_t, int64_t> count;
  for (const FollowedRound& r : rounds) ++count[r.clients];
  int64_t best = 0, most = 0;
  for (const auto& [clients, n] : count)
    if (n > most) best = clients, most = n;
  return best;
}

}  // namespace

NoiseScale round_scale(const FollowedRound& r) {
  require_samples("a noise scale of a round", 2, static_cast<size_t>(r.clients));
  const std::vector<double> small = {r.small_square}, big = {r.big_square};
  return noise_scale(small, r.batch, big, r.batch * static_cast<double>(r.clients));
}

NoiseScale mean_scale(const std::vector<FollowedRound>& rounds) {
  const int64_t clients = usual_clients(rounds);
  NoiseScale sum;
  double n = 0;
  for (const FollowedRound& r : rounds) {
    if (r.clients != clients) continue;
    const NoiseScale s = round_scale(r);
    sum.gradient_square += s.gradient_square;
    sum.noise_trace += s.noise_trace;
    ++n;
  }
  require_samples("a noise scale of rounds", 1, static_cast<size_t>(n));
  sum.gradient_square /= n, sum.noise_trace /= n;
  sum.batch = sum.gradient_square > 0 ? sum.noise_trace / sum.gradient_square : std::numeric_limits<double>::quiet_NaN();
  return sum;
}

void RoundsProbe::begin(int64_t round) {
  close();
  rounds_.push_back({.round = round});
}

void RoundsProbe::before(const BatchKey& draw, const Vec& y) {
  if (draw.step >= begin_draws || rounds_.empty()) return;
  if (draw.step == options_.corrections_at && asked_ != draw.round) {
    asked_ = draw.round;
    look(draw, y);
  }
  start_ = Clock::now();
}

void RoundsProbe::look(const BatchKey& draw, const Vec& y) {
  const double each = gradients_ > 0 ? gradient_seconds_ / static_cast<double>(gradients_) : 0;
  const int64_t batches = gradients_ > 0 ? options_.batches_now(each) : 0;
  if (batches < 1) return;
  const auto start = Clock::now();
  // Behind the first draws the round's sum is complete, so that its vector makes room as well.
  if (options_.corrections_at > 0) close();
  options_.make_room();
  SavedState saved(objective_);
  HeterogeneityOptions o;
  o.clients = options_.clients;
  o.batches = batches;
  o.seed = options_.seed;
  o.series = 2 + measured_;
  o.corrections = corrections();
  rounds_.back().heterogeneity = measure_heterogeneity(objective_, y, o);
  saved.restore();
  Vec w = objective_.workspace();
  if (w.data_ptr() != y.data_ptr()) w.copy_(y);
  ++measured_;
  options_.go_on(draw.round, y);
  seconds_ += since(start);
}

std::optional<MethodCorrections> RoundsProbe::corrections() const {
  if (!options_.has_corrections || !method_) return std::nullopt;
  CorrectionFinder finder;
  method_->state(finder);
  if (!finder.found.clients || finder.found.clients->all().empty()) return std::nullopt;
  return finder.found;
}

void RoundsProbe::after(const BatchKey& draw, const Vec& y, const BatchLoss& loss) {
  if (draw.step >= begin_draws || rounds_.empty()) return;
  gradient_seconds_ += since(start_);
  ++gradients_;
  if (draw.step == 0) add_first(y, loss);
}

void RoundsProbe::add_first(const Vec& y, const BatchLoss& loss) {
  const Vec g = objective_.gradient_buffer();
  const double norm = l2_norm(g), model = l2_norm(y);
  FollowedRound& r = rounds_.back();
  if (!std::isfinite(norm) || (r.clients > 0 && model != model_norm_)) return;  // a client with a model of its own
  if (r.clients == 0)
    model_norm_ = model, sum_ = g.clone();
  else
    sum_.add_(g);
  ++r.clients;
  r.small_square += norm * norm;
  r.batch += static_cast<double>(loss.samples);
}

void RoundsProbe::close() {
  if (!sum_.defined()) return;
  FollowedRound& r = rounds_.back();
  const auto n = static_cast<double>(r.clients);
  r.small_square /= n, r.batch /= n;
  r.big_square = std::pow(l2_norm(sum_) / n, 2);
  sum_ = Vec();
}

void RoundsProbe::drifted(int64_t round, double drift, double bound) {
  if (rounds_.empty() || rounds_.back().round != round) return;
  rounds_.back().drift = drift, rounds_.back().drift_bound = bound;
}

void RoundsProbe::end() {
  close();
  if (!rounds_.empty() && rounds_.back().clients == 0) rounds_.pop_back();  // it has only begun
}

}  // namespace tacet
