// Figures of a run that the method does not make: the gradient over the training set, the size of a round's update, the
// noise scale, smoothness, and checks of what must hold. They read the model and change nothing that a round reads, so a run
// has the same bits with them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/round_setup.h"
#include "tacet/objective.h"
#include "tacet/train.h"
#include "train/round_noise.h"
#include "train/round_smoothness.h"
#include "train/run_log.h"
#include "train/training.h"

namespace tacet {

class Group;

// The gradient of f at a point, over all units or some.
struct MeasuredGradient {
  double norm = 0;  // ‖(1/n) Σ ∇ℓ‖ over the n samples
  Score total;      // sums over the same samples
};

// Measures the gradient over the units, which are ascending. The sum has a fixed order, so the bits do not depend on the
// number of workers. Collective.
MeasuredGradient measured_gradient(Objective& objective, Group& group, const std::vector<int64_t>& units, const Vec& x);

class Measurements {
 public:
  // Borrows all of them. Throws UserError where [run] asks for what the objective does not have.
  Measurements(Training& run, RunLog& log, Observer& observer);

  // Keeps the model from which the round starts, where its update is measured. `bounds` are the workers' among the round's
  // clients. Collective.
  void before_round(const std::vector<int>& sampled, const std::vector<int64_t>& bounds, Group& group);
  // Asks the round for the drift of its clients and for their first gradients, where these are looked at.
  void ask(RoundSetup& setup) const;
  // Returns the figures of the round just finished. Throws std::runtime_error where something that must hold does not.
  // Collective.
  std::map<std::string, double> after_round(Group& group, const RoundReport& report);
  // Measures the smoothness of the round just finished, where it is due. Collective.
  void measure_smoothness(Group& group);
  // Measures the gradient over the training set, where it is due. Collective.
  void measure_gradient(Group& group);

 private:
  void add_update(std::map<std::string, double>& figures) const;
  void check(Group& group, const Drift& own, std::map<std::string, double>& figures) const;
  void add_noise(Group& group, std::map<std::string, double>& figures);
  bool has_bounded_drift() const;

  Training& run_;
  RunLog& log_;
  Observer& observer_;
  std::vector<int64_t> units_;                   // of the training set, that a gradient is measured over
  Vec before_;                                   // the model before the round under way
  std::unique_ptr<RoundNoise> noise_;            // null unless run.noise_scale
  std::unique_ptr<RoundSmoothness> smoothness_;  // null unless run.smoothness_every
  bool told_ = false;                            // the user has heard of a round without a noise scale
};

}  // namespace tacet
