// The time that an objective's gradients waited for their mini-batches: reading, decoding, augmenting, or a thread that does
// so.
#pragma once

#include <chrono>

namespace tacet {

class DataWait {
 public:
  double data_wait_seconds() const { return seconds_; }  // so far

 protected:
  // Returns the mini-batch of a gradient that `data` returns, and counts the time.
  template <class F>
  auto waiting_for(const F& data) {
    const auto start = std::chrono::steady_clock::now();
    auto batch = data();
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return batch;
  }

 private:
  double seconds_ = 0;
};

}  // namespace tacet
