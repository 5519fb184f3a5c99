// A copy of all that an objective carries from gradient to gradient besides x: its state and its buffers. With it a probe
// can draw in the middle of a run and leave no trace.
#pragma once

#include <map>
#include <string>

#include "tacet/algorithm.h"

namespace tacet {

class SavedState {
 public:
  // Copies the objective's state. Borrows the objective.
  explicit SavedState(Objective& objective);
  // Puts the state back as it was.
  void restore();

 private:
  struct Keeper;
  struct Restorer;
  Objective& objective_;
  Vec buffers_;
  std::map<std::string, Vec> globals_;
  std::map<std::string, std::map<int, Vec>> clients_;
  std::map<std::string, double> numbers_;
};

}  // namespace tacet
