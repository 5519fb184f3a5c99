// The batch that is prepared ahead: whatever is guessed and however long it takes, a draw gets its own batch.
#include "tasks/prefetch.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "data/clients/client_batches.h"

namespace tacet {
namespace {

using Samples = std::vector<int32_t>;

BatchKey draw_of(int client, int64_t round, int64_t step) { return {7, client, round, step, 0}; }

TEST(BatchOrder, RepeatsWhatItSawTheLastTime) {
  struct Row {
    const char* name;
    std::vector<std::pair<int, int>> round;  // client and step, in order
  };
  const Row rows[] = {
      {"one client, four steps", {{0, 0}, {0, 1}, {0, 2}, {0, 3}}},
      {"one step", {{0, 0}}},
      {"three clients", {{2, 0}, {2, 1}, {3, 0}, {3, 1}, {9, 0}, {9, 1}}},
      {"a sample before the steps of all", {{0, 0}, {1, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}}},
  };
  for (const Row& row : rows) {
    BatchOrder order;
    BatchKey guess;
    for (int r = 0; r < 4; ++r)
      for (size_t k = 0; k < row.round.size(); ++k) {
        const BatchKey now = draw_of(row.round[k].first, r, row.round[k].second);
        if (r >= 2 || (r == 1 && k > 0)) {
          EXPECT_EQ(std::tie(guess.client, guess.round, guess.step), std::tie(now.client, now.round, now.step))
              << row.name << ", round " << r << ", draw " << k;
        }
        guess = order.next(now);
      }
  }
}

// A probe draws between two rounds of a run, in rounds far ahead: no guess may go back behind the run's begin.
TEST(BatchOrder, IsOfNoRoundBeforeTheFirst) {
  BatchOrder order;
  order.next(draw_of(0, 0, 0));
  order.next(draw_of(0, 1 << 30, 5));
  order.next(draw_of(0, 1, 0));
  const BatchKey guess = order.next(draw_of(0, 2, 5));  // as the last time behind step 5: 2³⁰ − 1 rounds back
  EXPECT_EQ(std::tie(guess.client, guess.round, guess.step), std::make_tuple(0, int64_t{2}, int64_t{6}));
}

struct Made {
  Samples samples;
  int64_t step = 0;
  std::thread::id by;
};

// Clients in turn, the third one now and then instead of the first: some guesses are right and some are not. Every batch is
// the one that batches without a look ahead give, with the step of its own draw.
TEST(Prefetch, EveryDrawGetsItsOwnBatch) {
  const Shares shares = {{0, 1, 2, 3, 4}, {5, 6, 7}, {8, 9, 10, 11}};
  ClientBatches plain(shares, 2), batches(shares, 2);
  BatchOrder order;
  std::atomic<int> made = 0;
  Prefetch<Made> ahead(
      [&](const Samples& samples, const BatchKey& draw) {
        std::this_thread::sleep_for(std::chrono::microseconds(made++ % 3 * 200));
        return Made{samples, draw.step, std::this_thread::get_id()};
      },
      0);
  int64_t from_thread = 0;
  for (int round = 0; round < 40; ++round)
    for (const int client : {round % 7 == 3 ? 2 : 0, 1})
      for (int step = 0; step < 3; ++step) {
        const BatchKey draw = draw_of(client, round, step);
        const Made batch = ahead.take(batches.next(draw), draw);
        EXPECT_EQ(batch.samples, plain.next(draw)) << round << ", " << client << ", " << step;
        EXPECT_EQ(batch.step, step);
        from_thread += batch.by != std::this_thread::get_id();
        const BatchKey next = order.next(draw);
        ahead.expect(batches.peek(next), next);
      }
  EXPECT_EQ(from_thread, ahead.hits());
  EXPECT_GT(from_thread, 80);  // of 240; most guesses are right, and each of those can be taken
}

TEST(Prefetch, AnErrorArrivesWithTheDrawThatMeetsIt) {
  Prefetch<int> ahead(
      [](const Samples& samples, const BatchKey&) {
        if (samples[0] == 3) throw std::runtime_error("image 3 is damaged");
        return samples[0];
      },
      0);
  for (const int32_t sample : {1, 2, 3, 4}) {
    const BatchKey draw = draw_of(0, 0, sample);
    ahead.expect({sample}, draw);
    if (sample == 2) continue;  // expected, but another one is asked for: not taken
    try {
      EXPECT_EQ(ahead.take({sample}, draw), sample);
      EXPECT_NE(sample, 3);
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(sample, 3);
      EXPECT_STREQ(error.what(), "image 3 is damaged");
    }
  }
}

TEST(Prefetch, PreparesOnlyWhatIsWorthIt) {
  Prefetch<int> ahead([](const Samples& samples, const BatchKey&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(samples[0]));
    return 0;
  });
  EXPECT_FALSE(ahead.pays());
  ahead.take({1}, draw_of(0, 0, 0));
  EXPECT_TRUE(ahead.pays());
}

TEST(Prefetch, EndsWithABatchUnderWay) {
  std::atomic<bool> started = false, ended = false;
  {
    Prefetch<int> ahead([&](const Samples&, const BatchKey&) {
      started = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ended = true;
      return 0;
    });
    ahead.expect({1}, draw_of(0, 0, 0));
    while (!started) std::this_thread::yield();
  }
  EXPECT_TRUE(ended);
}

// A look at the next batch moves no client on, over the ends of passes too.
TEST(ClientBatches, ALookDoesNotMoveOn) {
  ClientBatches batches({{0, 1, 2, 3, 4}}, 3);
  EXPECT_TRUE(batches.peek(draw_of(0, 0, 0)).empty());  // it has not begun
  batches.next(draw_of(0, 0, 0));
  for (int k = 1; k < 8; ++k) {
    const Samples seen = batches.peek(draw_of(0, 0, k));
    EXPECT_EQ(batches.peek(draw_of(0, 0, k)), seen);
    EXPECT_EQ(batches.next(draw_of(0, 0, k)), seen);
  }
}

}  // namespace
}  // namespace tacet
