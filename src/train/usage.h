// What the rounds of this process cost beside arithmetic: page faults, and waiting for data. Evaluations, checkpoints and
// start-up are not in it.
#pragma once

#include <cstdint>

#include <sys/resource.h>

namespace tacet {

class RoundUsage {
 public:
  // Around every round; `steps`: local steps of the clients that live in this process.
  void begin() { before_ = minor_faults(); }
  void end(int64_t steps) {
    if (rounds_++ < warm_up) return;
    faults_ += minor_faults() - before_;
    steps_ += steps;
  }
  // In the rounds after the first two of this process, which take the memory that the others reuse; negative: none yet.
  double page_faults_per_step() const {
    return steps_ > 0 ? static_cast<double>(faults_) / static_cast<double>(steps_) : -1;
  }

 private:
  static constexpr int warm_up = 2;
  static int64_t minor_faults() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  }
  int64_t before_ = 0, faults_ = 0, steps_ = 0;
  int rounds_ = 0;
};

}  // namespace tacet
