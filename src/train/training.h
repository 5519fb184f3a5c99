// A run's subject: recipe, method, objective, messages, and all state that lives across rounds. The other parts of the
// driver share it. Workers and files are not known here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/auto_interval.h"
#include "engine/client_sampling.h"
#include "engine/message_coding.h"
#include "engine/schedule.h"
#include "kernels/trust/kernel_check.h"
#include "recipe/run_options.h"
#include "tacet/algorithm.h"
#include "tacet/recipe.h"
#include "tacet/train.h"
#include "train/interval_record.h"
#include "train/run_state.h"
#include "train/state_codec.h"

namespace tacet {

class Group;

// A split's figures as this worker evaluated them last.
struct SplitFigures {
  Evaluation evaluation;
  std::vector<std::pair<std::string, double>> further;  // Objective::figures
};

struct Training {
  // Builds the objective unless one is given, and the method. `workers` is the number of clients where the recipe has none.
  // Throws UserError.
  Training(const Recipe& recipe, int workers, Objective* given);

  Recipe recipe;
  const RunOptions options;
  const ScheduleOptions ends;  // and NT-ASGD
  const IntervalOptions intervals;
  const int64_t local_epochs;  // E, in place of I; 0: I counts
  const bool pass_ends;        // rounds end with a pass too (algorithm.average_at_pass_end)
  const AlgorithmInfo& method;
  const int clients;
  const ClientSampling sampling;
  const Schedule schedule;
  const std::optional<IntervalRecord> repeated;  // the decisions on I of an earlier run, which this one repeats
  std::unique_ptr<Objective> own_objective;
  Objective* objective = nullptr;
  KernelReport kernels;  // the paths that the objective's products and convolutions take in this process
  std::unique_ptr<Algorithm> algorithm;
  std::unique_ptr<MessageCoder> messages;
  std::string data_record;  // Objective::data_record
  RunState state;
  std::map<std::string, SplitFigures> evaluated;  // by split; not saved
  Vec first_buffers;                              // the objective's, at the start

  // Returns true if I follows the run's own times, or those of an earlier run.
  bool measures_interval() const { return !intervals.fixed; }
  int first_interval() const;  // I of the first rounds
  int interval() const;        // I now
  bool has_deadline() const { return options.round_deadline > 0; }
  double epoch() const { return static_cast<double>(state.samples) / static_cast<double>(objective->training_samples()); }
  double round_epochs() const { return state.round > 0 ? epoch() / static_cast<double>(state.round) : 0; }
  double round_steps() const;  // of a client, by the rounds so far where I does not say
  double fraction() const;     // 0 … 1 of the run
  // Returns the local steps of the round where all clients take equally many: I, or what a method draws for the round, or
  // with pass_ends those to the next multiple of I or to the end of the pass that the run is in.
  int round_interval(int64_t round) const;
  // Returns the local steps of a client that takes part in the round: round_interval(), or ⌈E n_i/b⌉.
  int steps_of(int client, int64_t round) const;
  // Returns a line for each end of the schedule that one round alone goes beyond, by the rounds so far.
  std::vector<std::string> overlong_round() const;
  // Returns lines for people: those of overlong_round(), and on an interval that followed the clock.
  std::vector<std::string> warnings() const;
  // Returns true if the epoch that `next` waits for has come, and moves `next` on. `every` is 0 for never.
  bool due(double every, double& next) const;
  // Brings the dates forward that a checkpoint has from a longer eval_every, checkpoint_every or gradient_every than there
  // is now.
  void bring_dates_forward();
  // Returns true if the validation set is to be evaluated before the next round.
  bool evaluation_due();
  // Returns the seconds that this worker's gradients have waited for data; 0 for functions.
  double data_wait_seconds() const;

  // Returns a function that shows all state to a visitor.
  Visit visitor();
  // Makes a new method, which has sent nothing.
  void make_algorithm();
  // Puts all state but the fault totals back to the run's start.
  void reset();
  // Sets the place of the vectors of this rank's clients. `folder` is the run's. Throws UserError.
  void place_client_state(const Group& group, const std::string& folder);

 private:
  // Throws UserError where the method's delay is longer than an interval that is repeated.
  void require_delay() const;
};

}  // namespace tacet
