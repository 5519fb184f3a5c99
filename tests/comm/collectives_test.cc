// Collectives of values and bytes whose sizes differ from rank to rank, odd ones and none included.
#include "comm/collectives.h"

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

}  // namespace
}  // namespace tacet
