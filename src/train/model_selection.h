// Evaluation during and after a run: the best model so far, and NT-ASGD, both by the loss of the first split.
#pragma once

#include <string>

#include "tacet/train.h"
#include "train/run_log.h"
#include "train/training.h"

namespace tacet {

class Group;

class ModelSelection {
 public:
  // Borrows all of them.
  ModelSelection(Training& run, RunLog& log, Observer& observer) : run_(run), log_(log), observer_(observer) {}

  // Evaluates the first split, which selects the best model and triggers NT-ASGD. Does nothing where there is none.
  // Collective.
  void evaluate_selecting(Group& group);
  // Evaluates the other splits, for the last figures. Collective.
  void evaluate_others(Group& group);
  // Adds the model as it is now to NT-ASGD's average, once that was triggered.
  void average_in();

 private:
  Evaluation evaluate(Group& group, const std::string& split, const char* event);
  bool triggers(double loss) const;
  std::string describe(const std::string& split) const;

  Training& run_;
  RunLog& log_;
  Observer& observer_;
};

}  // namespace tacet
