// Several workers as threads of one process, for tests. The receiver copies straight from the sender's memory. This backend
// compares the sizes that both sides give, so it checks a caller most strictly.
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <sstream>

#include "comm/check_exchange.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {
namespace {

// The pieces that p has laid out for q in the exchange under way. They belong to p's caller, who may not leave the exchange
// while somebody reads them.
struct Box {
  enum State { kEmpty, kFull, kBeingRead } state = kEmpty;
  const std::vector<Piece>* pieces = nullptr;
};

struct Shared {
  Shared(int p, double timeout) : size(p), timeout_seconds(timeout), boxes(p, std::vector<Box>(p)), ended(p, false) {}
  const int size;
  const double timeout_seconds;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::vector<Box>> boxes;  // [sender][receiver]
  // Ranks whose endpoint was destroyed. Only ranks that still wait for one of them fail.
  std::vector<bool> ended;
  int lost = -1;  // rank that failed first, which everybody is told; −1: none
  std::string reason;
};

std::string sizes(const std::vector<Piece>& pieces) {
  std::string text = "[";
  for (size_t k = 0; k < pieces.size(); ++k) text += (k ? ", " : "") + std::to_string(pieces[k].bytes);
  return text + "]";
}

class ThreadGroup : public Group {
 public:
  ThreadGroup(int rank, std::shared_ptr<Shared> shared) : rank_(rank), shared_(std::move(shared)) {}
  ~ThreadGroup() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->ended[rank_] = true;
    shared_->changed.notify_all();
  }

  int rank() const override { return rank_; }
  int size() const override { return shared_->size; }
  int64_t bytes_sent() const override { return sent_; }
  std::string backend() const override { return "threads"; }

  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    try {
      check_exchange(rank_, size(), to, from);
      offer(to);
      for (int q = 0; q < size(); ++q) {
        if (!from[q].empty()) take(q, from[q]);
      }
      for (int q = 0; q < size(); ++q) {
        if (!to[q].empty()) await(q, "did not take what was sent", [&] { return box(rank_, q).state == Box::kEmpty; });
      }
    } catch (const std::exception& e) {
      withdraw(e.what());
      throw;
    }
    for (const auto& pieces : to) {
      for (const Piece& piece : pieces) sent_ += piece.bytes;
    }
  }

 private:
  Box& box(int sender, int receiver) { return shared_->boxes[sender][receiver]; }

  // Records the first failure and wakes everybody. The caller holds the mutex.
  void lose(int rank, const std::string& reason) {
    if (shared_->lost >= 0) return;
    shared_->lost = rank;
    shared_->reason = reason;
    shared_->changed.notify_all();
  }

  [[noreturn]] void throw_lost() const {
    throw PeerLost(shared_->lost, "worker " + std::to_string(shared_->lost) + " " + shared_->reason);
  }

  void offer(const std::vector<std::vector<Piece>>& to) {
    const std::lock_guard lock(shared_->mutex);
    for (int q = 0; q < size(); ++q) {
      if (!to[q].empty()) box(rank_, q) = {Box::kFull, &to[q]};
    }
    shared_->changed.notify_all();
  }

  // Waits for `ready`, which is about q, for at most the time limit. A true `ready` wins over a failure elsewhere, since a
  // rank that took part and was then destroyed has done its duty.
  template <typename Ready>
  void await(int q, const std::string& fault, Ready ready) {
    std::unique_lock lock(shared_->mutex);
    const bool in_time = shared_->changed.wait_for(lock, std::chrono::duration<double>(shared_->timeout_seconds),
                                                   [&] { return ready() || shared_->lost >= 0 || shared_->ended[q]; });
    if (ready()) return;
    std::ostringstream limit;
    limit << fault << " within " << shared_->timeout_seconds << " s";
    lose(q, in_time ? "is gone: its endpoint was destroyed" : limit.str());
    throw_lost();
  }

  void take(int q, const std::vector<Piece>& mine) {
    await(q, "did not answer", [&] { return box(q, rank_).state == Box::kFull; });
    const std::vector<Piece>* theirs = nullptr;
    {
      const std::lock_guard lock(shared_->mutex);
      // A sender that failed elsewhere may have withdrawn in between.
      if (box(q, rank_).state != Box::kFull) throw_lost();
      box(q, rank_).state = Box::kBeingRead;
      theirs = box(q, rank_).pieces;
    }
    bool match = theirs->size() == mine.size();
    for (size_t k = 0; match && k < mine.size(); ++k) match = (*theirs)[k].bytes == mine[k].bytes;
    std::string mismatch;
    if (!match) {
      mismatch = "exchange: worker " + std::to_string(q) + " sends pieces of " + sizes(*theirs) + " bytes, but worker " +
                 std::to_string(rank_) + " expects " + sizes(mine);
    }
    for (size_t k = 0; match && k < mine.size(); ++k) {
      if (mine[k].bytes > 0) std::memcpy(mine[k].data, (*theirs)[k].data, static_cast<size_t>(mine[k].bytes));
    }
    {
      const std::lock_guard lock(shared_->mutex);
      box(q, rank_) = {};
      shared_->changed.notify_all();
    }
    if (!match) throw std::logic_error(mismatch);
  }

  // Takes back the pieces that nobody has read after a failure, and waits for those who are copying right now (they never
  // wait).
  void withdraw(const std::string& why) {
    std::unique_lock lock(shared_->mutex);
    lose(rank_, "is gone: " + why);  // no effect when another rank failed first
    for (int q = 0; q < size(); ++q) {
      if (box(rank_, q).state == Box::kFull) box(rank_, q) = {};
      shared_->changed.wait(lock, [&] { return box(rank_, q).state != Box::kBeingRead; });
    }
  }

  const int rank_;
  const std::shared_ptr<Shared> shared_;
  int64_t sent_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<Group>> thread_groups(int size, double timeout_seconds) {
  if (size < 1) throw std::logic_error("thread_groups: size must be at least 1, got " + std::to_string(size));
  auto shared = std::make_shared<Shared>(size, timeout_seconds);
  std::vector<std::unique_ptr<Group>> groups;
  for (int r = 0; r < size; ++r) groups.push_back(std::make_unique<ThreadGroup>(r, shared));
  return groups;
}

}  // namespace tacet
