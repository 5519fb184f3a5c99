// See measurements.h.
#include "train/measurements.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "data/clients/partition.h"
#include "engine/tree_sum.h"
#include "tacet/group.h"

namespace tacet {
namespace {

// Returns the sums over the units in their order. `mine` has this rank's, four numbers a unit.
Score total_of(Group& group, const std::vector<double>& mine) {
  const std::vector<double> all = all_gather(group, mine);
  std::map<double, Score> by_unit;
  for (size_t k = 0; k + 4 <= all.size(); k += 4) by_unit[all[k]] = {all[k + 1], all[k + 2], all[k + 3]};
  Score total;
  for (const auto& [unit, s] : by_unit) {
    total.loss += s.loss;
    total.correct += s.correct;
    total.count += s.count;
  }
  return total;
}

// Returns the units that are measured: all of them, or a part that the seed draws.
std::vector<int64_t> units_of(const RunOptions& options, int count) {
  const auto some = static_cast<int64_t>(std::ceil(options.gradient_part * count));
  return drawn_samples(count, std::clamp<int64_t>(some, 1, count), static_cast<uint64_t>(options.seed));
}

// Returns the first 6 bytes of a digest of the model as a number, which a double holds exactly.
double mark_of_model(const Vec& x) {
  Digest digest;
  digest.add({static_cast<const char*>(x.data_ptr()), static_cast<size_t>(x.nbytes())});
  return static_cast<double>(std::stoull(digest.hex().substr(0, 12), nullptr, 16));
}

bool is_zero(const Values& algorithm, const char* key) { return !algorithm.has(key) || algorithm.number(key) == 0; }

}  // namespace

MeasuredGradient measured_gradient(Objective& objective, Group& group, const std::vector<int64_t>& units, const Vec& x) {
  std::vector<double> mine;
  const auto leaf = [&](int64_t position) {
    const int64_t unit = units[static_cast<size_t>(position)];
    const Score s = objective.unit_gradient(static_cast<int>(unit), x);
    mine.insert(mine.end(), {static_cast<double>(unit), s.loss, s.correct, s.count});
    return std::vector<const float*>{objective.gradient_buffer().data_ptr<float>()};
  };
  SumBuffers memory;
  const SumShape shape{.parts = {x.numel()}};
  const at::Tensor sum =
      tree_sum(group, block_bounds(static_cast<int64_t>(units.size()), group.size()), shape, leaf, memory);
  MeasuredGradient found{l2_norm(sum), total_of(group, mine)};
  found.norm /= found.total.count;
  return found;
}

Measurements::Measurements(Training& run, RunLog& log, Observer& observer) : run_(run), log_(log), observer_(observer) {
  const RunOptions& o = run.options;
  if (o.noise_scale) noise_ = std::make_unique<RoundNoise>(run);
  if (o.smoothness_every > 0) smoothness_ = std::make_unique<RoundSmoothness>(run);
  if (o.gradient_every == 0) return;
  units_ = units_of(o, run.objective->gradient_units());
}

void Measurements::ask(RoundSetup& setup) const {
  if (run_.options.check) setup.drift_models = run_.clients;
  setup.bounded_drift = has_bounded_drift();
  if (noise_) setup.objective = &noise_->objective();
}

// Returns true if no local step is longer than γ: without momentum and decay, which step beyond the clipped gradient, and
// without coding, which moves the mean.
bool Measurements::has_bounded_drift() const {
  const Values& a = run_.recipe.algorithm;
  const auto by = [&](const char* part) { return a.has(part) && a.flag(part); };
  const bool by_part = by("per_layer") || by("per_coordinate");  // then each layer's or coordinate's step may be γ long
  return run_.method.short_steps && is_zero(a, "momentum") && is_zero(a, "weight_decay") && is_zero(a, "delta") &&
         !by_part && (!a.has("message") || a.text("message") == "f32");
}

void Measurements::before_round(const std::vector<int>& sampled, const std::vector<int64_t>& bounds, Group& group) {
  if (run_.options.update_size) before_ = run_.state.x.clone();
  if (noise_) noise_->begin(sampled, bounds, group.rank());
  if (smoothness_) smoothness_->begin(group);
}

std::map<std::string, double> Measurements::after_round(Group& group, const RoundReport& report) {
  std::map<std::string, double> figures;
  if (run_.options.update_size) add_update(figures);
  if (noise_) add_noise(group, figures);
  if (run_.options.check) check(group, report.drift, figures);
  return figures;
}

void Measurements::add_noise(Group& group, std::map<std::string, double>& figures) {
  const auto noise = noise_->end(group);
  figures.insert(noise.begin(), noise.end());
  if (noise.size() > 1 || std::exchange(told_, true) || group.rank() > 0) return;
  observer_.warning("run.noise_scale: round " + std::to_string(run_.state.round) +
                    " has no estimate, as fewer than two clients of " + run_.method.name +
                    " began it with a gradient at its model; summary.json counts such rounds");
}

void Measurements::add_update(std::map<std::string, double>& figures) const {
  const Vec update = run_.state.x - before_;
  figures["update_max"] = update.abs().max().item<double>();
  figures["update_rms"] = l2_norm(update) / std::sqrt(static_cast<double>(update.numel()));
}

void Measurements::check(Group& group, const Drift& own, std::map<std::string, double>& figures) const {
  constexpr size_t numbers = 4;
  const std::vector<double> all =
      all_gather(group, {mark_of_model(run_.state.x), static_cast<double>(own.client), own.distance, own.bound});
  const std::string round = "run.check: round " + std::to_string(run_.state.round) + ": ";
  // Each float32 step rounds every coordinate, so a drift may pass its bound by a few units of the model's last digit.
  const double slack = 1e-6 * l2_norm(run_.state.x);
  Drift worst;
  for (size_t rank = 0; rank < all.size() / numbers; ++rank) {
    const double* at = all.data() + rank * numbers;
    if (at[0] != all[0])
      throw std::runtime_error(round + "worker " + std::to_string(rank) + " has another model than worker 0");
    const Drift d{static_cast<int>(at[1]), at[2], at[3]};
    if (d.client < 0) continue;
    if (d.distance > 1.0001 * d.bound + slack) {
      std::ostringstream text;
      text << round << "client " << d.client << " is " << d.distance
           << " from the mean of all, and must be within 2γI = " << d.bound
           << " of it (γ = " << run_.schedule.at(run_.epoch(), run_.state.round - 1).gamma << " now)";
      throw std::runtime_error(text.str());
    }
    if (worst.client < 0 || d.distance > worst.distance) worst = d;
  }
  if (worst.client < 0) return;
  figures["drift"] = worst.distance;
  if (std::isfinite(worst.bound)) figures["drift_bound"] = worst.bound;
}

void Measurements::measure_smoothness(Group& group) {
  if (!smoothness_) return;
  if (const auto pair = smoothness_->end(group); !pair.empty()) log_.record("smoothness", pair);
}

void Measurements::measure_gradient(Group& group) {
  RunState& s = run_.state;
  if (units_.empty() || !run_.due(run_.options.gradient_every, s.next_gradient)) return;
  const MeasuredGradient found = measured_gradient(*run_.objective, group, units_, s.model());
  s.gradient_round = s.round;
  const double part = static_cast<double>(units_.size()) / run_.objective->gradient_units();
  std::map<std::string, double> figures = {{"full_gradient_norm", found.norm},
                                           {"full_loss", found.total.loss / found.total.count},
                                           {"samples", found.total.count},
                                           {"part", part}};
  if (run_.objective->has_accuracy()) figures["full_accuracy"] = found.total.correct / found.total.count;
  log_.record("gradient", figures);
  if (group.rank() > 0) return;
  char text[120];
  std::snprintf(text, sizeof text, "epoch %.2f  gradient norm %.6g  over %.4g %% of the training set", run_.epoch(),
                found.norm, 100 * part);
  observer_.message(text);
}

}  // namespace tacet
