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
  // Evaluates the first split again, without a line, where the last evaluation was another process's: a checkpoint has only
  // its loss and accuracy, and the last summary has all figures. Collective. REQUIRES: there are splits.
  void make_up_for_figures(Group& group);
  // Evaluates the other splits, for the last figures. Collective.
  void evaluate_others(Group& group);
  // Adds the model as it is now to NT-ASGD's average, once that was triggered.
  void average_in();

 private:
  // `event` is that of the line; null: none.
  Evaluation evaluate(Group& group, const std::string& split, const char* event);
  bool triggers(double loss) const;
  std::string describe(const std::string& split) const;

  Training& run_;
  RunLog& log_;
  Observer& observer_;
};

}  // namespace tacet
