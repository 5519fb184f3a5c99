// One mini-batch ahead. While a gradient is computed, a thread prepares the batch that is most likely asked for next. The
// batch of a draw is decided elsewhere, so a wrong guess costs work but never changes a result.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <omp.h>

#include "base/clock.h"
#include "tacet/objective.h"

namespace tacet {

// Guesses the draw after a draw: as it was the last time that the client stood at this step, else the client's next step.
// A probe's draws are of rounds far ahead; the way back from them is no guess for a round of the run.
class BatchOrder {
 public:
  BatchKey next(const BatchKey& now) {
    if (last_) after_[{last_->client, last_->step}] = {now.client, now.step, now.round - last_->round};
    last_ = now;
    BatchKey guess = now;
    const auto seen = after_.find({now.client, now.step});
    if (seen == after_.end() || now.round + seen->second.rounds_later < 0) {
      guess.step += 1;
    } else {
      guess.client = seen->second.client;
      guess.step = seen->second.step;
      guess.round += seen->second.rounds_later;
    }
    return guess;
  }

 private:
  struct After {
    int client;
    int64_t step, rounds_later;
  };
  std::optional<BatchKey> last_;
  std::map<std::pair<int, int64_t>, After> after_;  // by client and step
};

// Batch: what `prepare` makes of the samples of a draw. prepare must depend on its arguments alone; it is called on this
// object's thread and on the caller's.
template <class Batch>
class Prefetch {
 public:
  using Samples = std::vector<int32_t>;
  using Prepare = std::function<Batch(const Samples&, const BatchKey&)>;

  // Batches that are prepared in less than `worth_seconds` are not prepared ahead: handing over would cost as much.
  explicit Prefetch(Prepare prepare, double worth_seconds = 2e-4)
      : prepare_(std::move(prepare)), worth_seconds_(worth_seconds) {}
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  // Waits for the batch under way.
  ~Prefetch() {
    {
      const std::lock_guard lock(mutex_);
      end_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // The batch of `samples`, ready or made now. An error of its preparation is thrown here, wherever it happened.
  Batch take(const Samples& samples, const BatchKey& draw) {
    if (job_ && same(*job_, samples, draw)) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return job_->done; });
      const Job job = std::move(*job_);
      job_.reset();
      seconds_ = job.seconds;
      hits_ += 1;
      if (job.error) std::rethrow_exception(job.error);
      return *job.batch;
    }
    const auto start = Clock::now();
    Batch batch = prepare_(samples, draw);
    seconds_ = since(start);
    return batch;
  }

  bool pays() const { return seconds_ >= worth_seconds_; }

  // Has the batch prepared from here on, unless the one before is still under way.
  void expect(Samples samples, const BatchKey& draw) {
    {
      const std::lock_guard lock(mutex_);
      if (samples.empty() || (job_ && !job_->done)) return;
      job_.emplace(Job{std::move(samples), draw});
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    changed_.notify_all();
  }

  int64_t hits() const { return hits_; }  // batches that were taken from the thread

 private:
  struct Job {
    Samples samples;
    BatchKey draw;
    std::optional<Batch> batch = {};
    std::exception_ptr error = {};
    double seconds = 0;
    bool done = false;
  };

  // The random stream of a batch has all of these as its key.
  static bool same(const Job& job, const Samples& samples, const BatchKey& draw) {
    const auto key = [](const BatchKey& d) { return std::tie(d.seed, d.client, d.round, d.step); };
    return key(job.draw) == key(draw) && job.samples == samples;
  }

  void work() {
    at::get_num_threads();   // libtorch sets a thread's OpenMP up once …
    omp_set_num_threads(1);  // … after which this thread never makes a team: the cores belong to the gradient
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return end_ || (job_ && !job_->done); });
      if (end_) return;
      Job& job = *job_;  // nobody else touches it before it is done
      lock.unlock();
      const auto start = Clock::now();
      try {
        job.batch = prepare_(job.samples, job.draw);
      } catch (...) {
        job.error = std::current_exception();
      }
      lock.lock();
      job.seconds = since(start);
      job.done = true;
      changed_.notify_all();
    }
  }

  Prepare prepare_;
  double worth_seconds_, seconds_ = 0;
  int64_t hits_ = 0;
  std::optional<Job> job_;  // the queue, of one
  bool end_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace tacet
