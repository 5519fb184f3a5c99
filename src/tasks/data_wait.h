// The time that an objective's gradients waited for their mini-batches: reading, decoding, augmenting, or a thread that does
// so.
#pragma once

#include "base/clock.h"

namespace tacet {

class DataWait {
 public:
  double data_wait_seconds() const { return seconds_; }  // so far

 protected:
  // Returns the mini-batch of a gradient that `data` returns, and counts the time.
  template <class F>
  auto waiting_for(const F& data) {
    const auto start = Clock::now();
    auto batch = data();
    seconds_ += since(start);
    return batch;
  }

 private:
  double seconds_ = 0;
};

}  // namespace tacet
