// The page faults of this worker's rounds. Evaluations, checkpoints and start-up do not count.
#pragma once

#include <cstdint>

#include <sys/resource.h>

namespace tacet {

class RoundUsage {
 public:
  // Stand around every round. `steps` are the local steps of this worker's clients.
  void begin() { before_ = minor_faults(); }
  void end(int64_t steps) {
    if (rounds_++ < warm_up) return;
    faults_ += minor_faults() - before_;
    steps_ += steps;
  }
  // Returns the page faults in rounds after this worker's first two, which take the memory that the others reuse. Negative
  // means that there were none yet.
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
