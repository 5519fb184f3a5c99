// Collectives of values and bytes whose sizes differ from rank to rank, odd ones and none included.
#include "comm/collectives.h"

#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "comm/workers.h"

namespace tacet {
namespace {

// Returns a text that tells sender and receiver, of a length that is no multiple of four.
std::string letter(int from, int to) {
  return std::string(static_cast<size_t>(from * to * 7), static_cast<char>('a' + from));
}

std::string swap_all(Group& group) {
  const int n = group.size(), me = group.rank();
  std::vector<std::string> send;
  for (int q = 0; q < n; ++q) send.push_back(letter(me, q));
  const auto got = all_to_all(group, send);
  for (int q = 0; q < n; ++q)
    if (got[static_cast<size_t>(q)] != letter(q, me)) return "the letter from " + std::to_string(q) + " is wrong";

  const auto texts = all_gather_bytes(group, letter(me, 1));
  for (int q = 0; q < n; ++q)
    if (texts[static_cast<size_t>(q)] != letter(q, 1)) return "the text of " + std::to_string(q) + " is wrong";

  std::vector<int64_t> mine(static_cast<size_t>(me), (int64_t{1} << 60) + me), all;
  for (int q = 0; q < n; ++q) all.insert(all.end(), static_cast<size_t>(q), (int64_t{1} << 60) + q);
  if (all_gather_values(group, mine) != all) return "the values are wrong";
  if (all_gather(group, {0.1 * me}).back() != 0.1 * (n - 1)) return "the numbers are wrong";
  return "ok";
}

TEST(Collectives, OfOneWorkerHandBackItsOwn) { EXPECT_EQ(swap_all(*single_group()), "ok"); }

TEST(Collectives, OverConnections) {
  Workers workers;
  workers.start_all(3, swap_all);
  EXPECT_EQ(workers.all_said(), std::vector<std::string>(3, "ok"));
}

TEST(Collectives, InSharedMemory) {
  for (const HostOf& hosts : {HostOf(one_host), HostOf(two_hosts)}) {
    Workers workers(30, Host::kTacet, hosts);
    workers.start_all(4, swap_all);
    EXPECT_EQ(workers.all_said(), std::vector<std::string>(4, "ok"));
  }
}

// An endpoint that counts in how many exchanges it hears from each of the others.
class Listening : public Group {
 public:
  explicit Listening(std::unique_ptr<Group> group) : group_(std::move(group)), heard_(static_cast<size_t>(size())) {}
  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }
  int64_t bytes_sent() const override { return group_->bytes_sent(); }
  std::string backend() const override { return group_->backend(); }
  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    for (size_t q = 0; q < from.size(); ++q)
      heard_[q] += std::any_of(from[q].begin(), from[q].end(), [](const Piece& piece) { return piece.bytes > 0; });
    group_->exchange(to, from);
  }
  const std::vector<int>& heard() const { return heard_; }

 private:
  const std::unique_ptr<Group> group_;
  std::vector<int> heard_;
};

// A worker with nothing to send or to get went on at once, and took those who still exchanged much for lost. Worker 1 sends
// 9 MiB to worker 0 in three slices, and worker 2 hears from both in the exchange of sizes and with each slice.
TEST(Collectives, KeepThoseWhoWaitInformedOfALongTransfer) {
  const std::string much(9 << 20, 'm');
  auto groups = thread_groups(3);
  std::vector<std::thread> workers;
  for (size_t me = 0; me < 3; ++me)
    workers.emplace_back([&, me] {
      Listening group(std::move(groups[me]));
      std::vector<std::string> send(3);
      if (me == 1) send[0] = much;
      const auto got = all_to_all(group, std::move(send));
      EXPECT_EQ(got[1] == much, me == 0);
      for (size_t q = 0; q < 3; ++q) EXPECT_EQ(group.heard()[q], q == me ? 0 : 4) << me << " of " << q;
    });
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace tacet
