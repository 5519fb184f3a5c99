// Looks at a run's metrics.jsonl while it grows: how far the run is, and whether it diverges.
#pragma once

#include <cstdint>
#include <string>

#include "sweep/plan.h"

namespace tacet {

class PointWatch {
 public:
  // A training loss above `limit` times that of the first round, in kRounds rounds in a row, counts as divergence. 0: none
  // does.
  PointWatch(const Point& point, std::string metrics, double limit);

  static constexpr int kRounds = 10;

  void look();                                   // reads the lines that are new
  double fraction() const { return fraction_; }  // the finished part of the run, in [0, 1]
  int64_t rounds() const { return rounds_; }
  const std::string& divergence() const { return divergence_; }  // empty: none

 private:
  void read_line(const std::string& line);

  double epochs_, last_round_, iterations_;  // ends of the run
  std::string path_;
  double limit_;
  std::streamoff offset_ = 0;
  double fraction_ = 0, first_loss_ = 0;
  int64_t rounds_ = 0;
  int high_ = 0;  // rounds in a row above the limit
  std::string divergence_;
};

}  // namespace tacet
