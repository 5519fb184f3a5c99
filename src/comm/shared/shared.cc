// A group whose ranks of one host exchange through memory that they share. Another group, which they met in, carries the
// rest. Data are copied into slots of the sender's segment and from there to the receiver's memory, so they stay in the
// processors' cache on their way. No call waits without limit. A waiting rank checks every tenth of a second that those it
// waits for still live.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "base/system_random.h"
#include "comm/check_exchange.h"
#include "comm/collectives.h"
#include "comm/shared/segment.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {
namespace {

constexpr int64_t kLookNanoseconds = 100'000'000;
constexpr int kLooks = 20;  // looks at the bell before it sleeps, with a yield after each

// Returns a hash of a text.
int64_t number_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return static_cast<int64_t>(hash >> 16);
}

// Returns the name of this machine, container and user, which differs between processes that can't see each other's memory.
// It is empty if unknown.
std::string this_host() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::error_code error;
  const auto processes = std::filesystem::read_symlink("/proc/self/ns/pid", error);
  return boot.empty() || error ? "" : boot + " " + processes.string() + " " + std::to_string(::geteuid());
}

// The position in an exchange with one neighbour. The pieces in one direction are one stream of bytes.
struct Stream {
  const std::vector<Piece>* pieces = nullptr;
  size_t end = 0;  // pieces [0, end)
  size_t piece = 0;
  int64_t done = 0;  // bytes done of the present piece

  // Calls move(at, n) for the next bytes that lie together, at most `most`. Returns their number, 0 at the end.
  template <class Move>
  int64_t advance(int64_t most, const Move& move) {
    skip();
    if (piece == end) return 0;
    const Piece& p = (*pieces)[piece];
    const int64_t n = std::min(most, p.bytes - done);
    move(p.data + done, n);
    done += n;
    return n;
  }
  bool ended() {
    skip();
    return piece == end;
  }

 private:
  void skip() {
    while (piece < end && done == (*pieces)[piece].bytes) ++piece, done = 0;
  }
};

// Another rank of this host.
struct Neighbour {
  int rank;
  Segment segment;   // theirs
  Fd process;        // pidfd, readable once the process has ended
  int theirs, mine;  // this rank's ring in their segment, their ring in ours
  Stream out = {}, in = {};
  uint64_t common_at[Segment::kSlots] = {};  // slots they must have read before each common slot is filled again
};

class SharedGroup : public Group {
 public:
  // REQUIRES: `mine` has a value when there are neighbours.
  SharedGroup(std::unique_ptr<Group> group, std::optional<Segment> mine, std::vector<Neighbour> neighbours,
              std::vector<int> hosts, double timeout)
      : group_(std::move(group)),
        mine_(std::move(mine)),
        neighbours_(std::move(neighbours)),
        hosts_(std::move(hosts)),
        timeout_(timeout),
        before_(group_->bytes_sent()) {}

  ~SharedGroup() override { leave(Segment::kLeft); }

  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }
  int64_t bytes_sent() const override { return sent_ + group_->bytes_sent() - before_; }
  std::string backend() const override { return all_here() ? "shared" : "shared+" + group_->backend(); }
  std::vector<int> hosts() const override { return hosts_; }
  PeerLost lost(int lost_rank, const std::string& how, bool silent) override {
    const PeerLost agreed = group_->lost(lost_rank, how, silent);
    remember(agreed);
    return agreed;
  }

  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    check_exchange(rank(), size(), to, from);
    if (failed_) throw PeerLost(failed_->rank, failed_->what());
    ++exchanges_;
    for (Neighbour& neighbour : neighbours_) {
      neighbour.out = {&to[neighbour.rank], to[neighbour.rank].size()};
      neighbour.in = {&from[neighbour.rank], from[neighbour.rank].size()};
      for (const Piece& piece : to[neighbour.rank]) sent_ += piece.bytes;
    }
    find_common();
    if (!neighbours_.empty()) exchange_here();
    if (!all_here()) exchange_elsewhere(to, from);
  }

 private:
  bool all_here() const { return static_cast<int>(neighbours_.size()) == size() - 1; }

  void exchange_elsewhere(std::vector<std::vector<Piece>> to, std::vector<std::vector<Piece>> from) {
    for (const Neighbour& neighbour : neighbours_) to[neighbour.rank].clear(), from[neighbour.rank].clear();
    try {
      group_->exchange(to, from);
    } catch (const PeerLost& e) {
      remember(e);
      throw;
    }
  }

  void exchange_here() {
    auto deadline = after(timeout_);
    for (;;) {
      const uint32_t shown = mine_->bell();
      bool ended = true, moved = false;
      for (Neighbour& neighbour : neighbours_) {
        const bool sent = send(neighbour), received = receive(neighbour);
        if (sent || received) neighbour.segment.ring_bell(), moved = true;
        ended = ended && neighbour.out.ended() && neighbour.in.ended();
      }
      moved = send_common() || moved;
      if (ended && common_.bytes == 0) return;
      if (moved) {
        deadline = after(timeout_);
        continue;
      }
      look_for_losses(Clock::now() >= deadline);
      rest(shown);
    }
  }

  void rest(uint32_t shown) const {
    for (int k = 0; k < kLooks; ++k) {
      if (mine_->bell() != shown) return;
      std::this_thread::yield();
    }
    mine_->sleep(shown, std::min(kLookNanoseconds, static_cast<int64_t>(timeout_ * 1e9) / 4 + 1));
  }

  bool send(Neighbour& neighbour) {
    Ring& ring = mine_->ring(neighbour.mine);
    uint64_t slot = ring.written.value.load(std::memory_order_relaxed);
    bool moved = false;
    while (!neighbour.out.ended() && slot - ring.read.value.load(std::memory_order_acquire) < Segment::kSlots) {
      std::byte* at = mine_->data(neighbour.mine, slot);
      int64_t filled = 0;
      const auto copy = [&](const std::byte* data, int64_t n) { std::memcpy(at + filled, data, static_cast<size_t>(n)); };
      while (const int64_t n = neighbour.out.advance(mine_->slot_bytes() - filled, copy)) {
        filled += n;
        if (filled == mine_->slot_bytes()) break;
      }
      mine_->head(neighbour.mine, slot) = {exchanges_, filled, -1};
      ring.written.value.store(++slot, std::memory_order_release);
      moved = true;
    }
    return moved;
  }

  // Finds the last piece, if it is the same memory for every neighbour (a slice of a sum, say). It is then copied once, and
  // all read it from there.
  void find_common() {
    common_ = {};
    if (neighbours_.size() < 2) return;
    for (const Neighbour& neighbour : neighbours_) {
      if (neighbour.out.end == 0) return;
      const Piece& last = neighbour.out.pieces->back();
      if (neighbours_[0].out.end == 0 || last.data != neighbours_[0].out.pieces->back().data ||
          last.bytes != neighbours_[0].out.pieces->back().bytes)
        return;
    }
    common_ = neighbours_[0].out.pieces->back();
    for (Neighbour& neighbour : neighbours_) --neighbour.out.end;
  }

  // Returns true if the neighbour has room for the next common slot.
  bool takes_common(Neighbour& neighbour) const {
    const Ring& ring = mine_->ring(neighbour.mine);
    const uint64_t read = ring.read.value.load(std::memory_order_acquire);
    return neighbour.out.ended() && ring.written.value.load(std::memory_order_relaxed) - read < Segment::kSlots &&
           read >= neighbour.common_at[common_slot_];
  }

  bool send_common() {
    bool moved = false;
    while (common_.bytes > 0 &&
           std::all_of(neighbours_.begin(), neighbours_.end(), [&](Neighbour& p) { return takes_common(p); })) {
      const int64_t n = std::min(common_.bytes, mine_->slot_bytes());
      std::memcpy(mine_->common(common_slot_), common_.data, static_cast<size_t>(n));
      for (Neighbour& neighbour : neighbours_) {
        std::atomic<uint64_t>& written = mine_->ring(neighbour.mine).written.value;
        const uint64_t slot = written.load(std::memory_order_relaxed);
        mine_->head(neighbour.mine, slot) = {exchanges_, n, static_cast<int64_t>(common_slot_)};
        written.store(slot + 1, std::memory_order_release);
        neighbour.common_at[common_slot_] = slot + 1;
        neighbour.segment.ring_bell();
      }
      common_ = {common_.data + n, common_.bytes - n};
      common_slot_ = (common_slot_ + 1) % Segment::kSlots;
      moved = true;
    }
    return moved;
  }

  bool waits_for(Neighbour& neighbour) {
    return !neighbour.out.ended() || !neighbour.in.ended() || (common_.bytes > 0 && !takes_common(neighbour));
  }

  bool receive(Neighbour& neighbour) {
    Ring& ring = neighbour.segment.ring(neighbour.theirs);
    uint64_t slot = ring.read.value.load(std::memory_order_relaxed);
    bool moved = false;
    while (!neighbour.in.ended() && slot < ring.written.value.load(std::memory_order_acquire)) {
      const SlotHead head = neighbour.segment.head(neighbour.theirs, slot);
      const std::byte* at = head.common < 0 ? neighbour.segment.data(neighbour.theirs, slot)
                                            : neighbour.segment.common(static_cast<uint64_t>(head.common));
      int64_t emptied = 0;
      const auto copy = [&](std::byte* data, int64_t n) { std::memcpy(data, at + emptied, static_cast<size_t>(n)); };
      while (head.exchange == exchanges_ && emptied < head.bytes) {
        const int64_t n = neighbour.in.advance(head.bytes - emptied, copy);
        if (n == 0) break;
        emptied += n;
      }
      if (emptied != head.bytes) {
        throw std::logic_error("exchange: worker " + std::to_string(neighbour.rank) + " sends other pieces than worker " +
                               std::to_string(rank()) + " expects");
      }
      ring.read.value.store(++slot, std::memory_order_release);
      moved = true;
    }
    return moved;
  }

  // Throws PeerLost when a neighbour has left or died. It is called when nothing moves, so that all the data of that
  // neighbour are taken first.
  void look_for_losses(bool too_long) {
    const bool look = Clock::now() >= next_look_;
    if (look) next_look_ = Clock::now() + std::chrono::nanoseconds(kLookNanoseconds);
    for (Neighbour& neighbour : neighbours_) {
      if (!waits_for(neighbour)) continue;
      const int32_t state = neighbour.segment.state().load();
      const bool dead = look && has_ended(neighbour);
      if (state == Segment::kHere && !dead) continue;
      if (send(neighbour) || receive(neighbour)) return neighbour.segment.ring_bell();
      const int other = state - Segment::kLost;
      // A neighbour that lost another worker names it, unless it names this one.
      throw lost(other >= 0 && other != rank() ? other : neighbour.rank, "is gone: connection closed", false);
    }
    if (!too_long) return;
    for (const bool incoming : {true, false}) {
      for (Neighbour& neighbour : neighbours_) {
        if (incoming ? !neighbour.in.ended() : waits_for(neighbour))
          throw lost(neighbour.rank, "did not answer within " + seconds_text(timeout_), true);
      }
    }
  }

  static bool has_ended(const Neighbour& neighbour) {
    pollfd polled{neighbour.process.get(), POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
  }

  void remember(const PeerLost& e) {
    failed_ = std::make_unique<PeerLost>(e);
    leave(e.rank >= 0 ? Segment::kLost + e.rank : Segment::kLeft);
  }

  // Leaves the exchange for good and tells the neighbours. The first reason stands.
  void leave(int32_t reason) {
    if (!mine_) return;
    int32_t here = Segment::kHere;
    mine_->state().compare_exchange_strong(here, reason);
    for (const Neighbour& neighbour : neighbours_) neighbour.segment.ring_bell();
  }

  const std::unique_ptr<Group> group_;
  const std::optional<Segment> mine_;
  std::vector<Neighbour> neighbours_;
  const std::vector<int> hosts_;
  const double timeout_;
  const int64_t before_;  // bytes that the meeting took
  std::unique_ptr<PeerLost> failed_;
  Clock::time_point next_look_ = {};
  int64_t exchanges_ = 0;
  Piece common_ = {};         // rest of the common piece
  uint64_t common_slot_ = 0;  // next common slot to fill
  int64_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Group> share_memory(std::unique_ptr<Group> group, const SharedOptions& options) {
  const int size = group->size(), me = group->rank();
  if (size == 1) return group;
  std::string host = options.host.empty() ? this_host() : options.host;
  if (host.empty()) host = "unknown " + std::to_string(me);
  const std::vector<int64_t> keys = all_gather_values(*group, {number_of(host)});
  std::vector<int> hosts, here;
  for (int q = 0; q < size; ++q) {
    hosts.push_back(static_cast<int>(std::find(keys.begin(), keys.end(), keys[q]) - keys.begin()));
    if (keys[q] == keys[me] && q != me) here.push_back(q);
  }

  const uint64_t nonce = system_random_word() >> 1;
  std::optional<Segment> mine = here.empty() ? std::nullopt : Segment::create(static_cast<int>(here.size()), nonce);
  const std::vector<int64_t> nonces = all_gather_values(*group, {static_cast<int64_t>(nonce)});
  const std::vector<int64_t> pids = all_gather_values(*group, {mine ? ::getpid() : -1});
  const std::vector<int64_t> files = all_gather_values(*group, {mine ? mine->file() : -1});
  std::vector<Neighbour> neighbours;
  for (size_t k = 0; mine && k < here.size(); ++k) {
    const int q = here[k];
    if (pids[q] < 0) break;
    const auto pid = static_cast<pid_t>(pids[q]);
    auto theirs =
        Segment::open(pid, static_cast<int>(files[q]), static_cast<int>(here.size()), static_cast<uint64_t>(nonces[q]));
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!theirs || process.get() < 0) break;
    // A rank's rings are for its neighbours in ascending order. So this rank's ring for q is the k-th, and q's ring for this
    // rank comes after those of lower ranks.
    const auto below = std::count_if(here.begin(), here.end(), [&](int p) { return p < me && p != q; });
    neighbours.push_back({q, std::move(*theirs), std::move(process), static_cast<int>(below), static_cast<int>(k)});
  }
  // Either all ranks of a host share memory or none.
  const std::vector<int64_t> good = all_gather_values(*group, {neighbours.size() == here.size() ? 1 : 0});
  for (int q = 0; q < size; ++q) {
    if (good[q] == 1) continue;
    if (options.required && keys[q] == keys[me])
      throw UserError("run.exchange: worker " + std::to_string(q) + " can't share memory with the others on its host");
    for (int r = 0; r < size; ++r)
      if (keys[r] == keys[q]) hosts[r] = r;
  }
  if (std::set<int>(hosts.begin(), hosts.end()).size() == hosts.size()) return group;  // nobody shares
  if (std::count(hosts.begin(), hosts.end(), hosts[me]) == 1) mine.reset(), neighbours.clear();
  if (mine) mine->close_file();
  return std::make_unique<SharedGroup>(std::move(group), std::move(mine), std::move(neighbours), std::move(hosts),
                                       options.timeout_seconds);
}

}  // namespace tacet
