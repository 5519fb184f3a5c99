// Clients along a run, round by round: the noise scale of their first gradients, which costs nothing but a sum, and in some
// rounds how far their gradients are apart and how good the method's corrections are. The run does not notice.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "analysis/heterogeneity.h"
#include "analysis/statistics.h"
#include "base/clock.h"
#include "tacet/algorithm.h"
#include "tacet/objective.h"

namespace tacet {

struct FollowedRound {
  int64_t round = 0;
  int64_t clients = 0;      // whose first gradient was taken at the round's first model
  double batch = 0;         // their samples, on average
  double small_square = 0;  // mean of ‖g_i‖² over them
  double big_square = 0;    // ‖mean of g_i‖²
  // of one client, and its bound 2γI
  double drift = std::numeric_limits<double>::quiet_NaN(), drift_bound = std::numeric_limits<double>::quiet_NaN();
  std::optional<Heterogeneity> heterogeneity;
};

// Returns the round's noise scale: b is a client's mini-batch, B all of them together. How far the clients' own gradients
// are apart counts as noise. Throws UserError where fewer than two clients drew.
NoiseScale round_scale(const FollowedRound& round);
// Returns the scale of all rounds with as many clients as most, with |G|² and S averaged apart.
NoiseScale mean_scale(const std::vector<FollowedRound>& rounds);

struct RoundsOptions {
  int64_t clients = 1;  // N, or the first so many
  uint64_t seed = 0;    // the run's
  // Draws of a client before its first local step, from which the method's corrections are made: EPISODE's `resampling`. The
  // clients are looked at behind them.
  int64_t corrections_at = 0;
  bool has_corrections = false;
  // Returns the mini-batches that each of a client's means may have now, or 0 where the clients are not to be looked at.
  std::function<int64_t(double gradient_seconds)> batches_now = [](double) { return int64_t{0}; };
  // Run before and behind a look at the clients, which holds three vectors of the model's size.
  std::function<void()> make_room = [] {};
  std::function<void(int64_t round, const Vec& x)> go_on = [](int64_t, const Vec&) {};
};

// Follows a run through its gradients (ProbedObjective) and its method (TrainOptions::before_round). Holds one vector of the
// model's size during a round.
class RoundsProbe {
 public:
  // Borrows the objective, which must not be the probed one.
  RoundsProbe(Objective& objective, RoundsOptions options) : objective_(objective), options_(std::move(options)) {}

  // Takes the method whose corrections are looked at.
  void take(Algorithm& method) { method_ = &method; }
  // Takes the begin of a round.
  void begin(int64_t round);
  // Take a gradient of the run before and behind it.
  void before(const BatchKey& draw, const Vec& y);
  void after(const BatchKey& draw, const Vec& y, const BatchLoss& loss);
  // Takes what the run tells of a finished round.
  void drifted(int64_t round, double drift, double bound);
  // Takes the end of the run.
  void end();

  const std::vector<FollowedRound>& rounds() const { return rounds_; }
  int64_t measured() const { return measured_; }  // rounds whose clients were looked at
  double seconds() const { return seconds_; }     // that this took

 private:
  void look(const BatchKey& draw, const Vec& y);
  void add_first(const Vec& y, const BatchLoss& loss);
  void close();
  std::optional<MethodCorrections> corrections() const;

  Objective& objective_;
  RoundsOptions options_;
  Algorithm* method_ = nullptr;
  std::vector<FollowedRound> rounds_;
  int64_t measured_ = 0, asked_ = -1;  // the last round in which it was asked whether to look
  Vec sum_;                            // of the round's first gradients
  double model_norm_ = 0, seconds_ = 0, gradient_seconds_ = 0;
  int64_t gradients_ = 0;
  Clock::time_point start_;
};

}  // namespace tacet
