// The gradient noise scale along a run (run.noise_scale): each round's estimates from the clients' first gradients, and
// their means over the run. It reads gradients that the run takes anyway, and changes nothing of it. The formula is in
// src/analysis.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "analysis/probed_objective.h"
#include "tacet/objective.h"
#include "train/training.h"

namespace tacet {

class Group;

// The sum of vectors that come one by one, in the order of tree_sum(), so that its bits do not depend on who owned which
// leaf. It keeps the sums over the largest subtrees so far, which are O(log S) vectors.
class ArrivingSum {
 public:
  // Begins a sum over bounds.back() leaves, of which this worker owns [bounds[rank], bounds[rank + 1]).
  void begin(const std::vector<int64_t>& bounds, int rank);
  // Adds a copy of the leaf's vector. Leaves come in ascending order, and those that are left out are zeros.
  void add(int64_t leaf, const Vec& v);
  // Returns the sum of all workers' leaves, of size d. Collective.
  Vec total(Group& group, int64_t d);

 private:
  struct Node {
    int64_t first, width;
    Vec sum;  // not defined: zeros
  };
  void push(const Vec& v);
  void merge_last_two();
  bool last_two_are_siblings() const;

  std::vector<int64_t> bounds_;
  int64_t next_ = 0, last_ = 0;  // the next leaf, and the first behind this worker's
  std::vector<Node> nodes_;
};

class RoundNoise {
 public:
  // Borrows the run. Throws UserError for a method whose clients keep models of their own.
  explicit RoundNoise(Training& run);

  // Returns the run's objective for rounds, which shows the clients' first gradients here.
  Objective& objective() { return watched_; }
  // Takes the round's clients, and the bounds of the workers among them.
  void begin(const std::vector<int>& sampled, const std::vector<int64_t>& bounds, int rank);
  // Adds the estimates of the round to those of the run, and returns them as figures of its line. Without two clients whose
  // first gradients were at the round's model it counts the round as left out. Collective.
  std::map<std::string, double> end(Group& group);

 private:
  void look(const BatchKey& draw, const Vec& y, const BatchLoss& loss);

  Training& run_;
  ProbedObjective watched_;
  std::vector<int> sampled_;
  std::vector<double> first_;  // squared length and samples of this worker's first gradients
  ArrivingSum sum_;
};

// Returns what summary.json says of the run's noise scale; nothing where it was not asked for.
std::optional<nlohmann::json> noise_summary(const Training& run);

}  // namespace tacet
