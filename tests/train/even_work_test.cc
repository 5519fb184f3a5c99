// Rounds whose turns are dealt evenly: the cut, the guests' vectors, bits that don't depend on it, and whom it relieves.
#include "train/even_work.h"

#include <atomic>
#include <cstring>

#include <gtest/gtest.h>

#include "engine/client_sampling.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "tacet/train.h"

namespace tacet::even_work_test {
namespace {

using Bounds = std::vector<int64_t>;

bool same_bits(const Vec& a, const Vec& b) { return std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0; }

TEST(EvenWork, CutsTheStepsEvenly) {
  EXPECT_EQ(even_bounds({1, 1, 1, 1}, 2), (Bounds{0, 2, 4}));
  EXPECT_EQ(even_bounds({3, 3, 3, 3, 3}, 3), (Bounds{0, 1, 3, 5}));  // as clients are cut into blocks
  EXPECT_EQ(even_bounds({5, 1, 1, 1}, 2), (Bounds{0, 1, 4}));
  EXPECT_EQ(even_bounds({1, 1, 1, 5}, 2), (Bounds{0, 3, 4}));
  EXPECT_EQ(even_bounds({9, 1, 1, 1, 6}, 3), (Bounds{0, 1, 4, 5}));
  EXPECT_EQ(even_bounds({7}, 3), (Bounds{0, 0, 0, 1}));
  EXPECT_EQ(even_bounds({1, 2, 3}, 1), (Bounds{0, 3}));
}

// Clients 0 – 4 live on rank 0, 5 – 9 on rank 1.
TEST(EvenWork, HasGuestsOnlyWhereTheyHelp) {
  const WorkPlan plan = even_work({0, 1, 2, 7}, {4, 4, 4, 4}, 10, 2);
  EXPECT_EQ(plan.bounds, (Bounds{0, 2, 4}));
  EXPECT_EQ(plan.guests, (std::vector<Guest>{{2, 0, 1}}));
  for (const std::vector<int>& sampled : {std::vector<int>{0, 1, 5, 6}, {3, 8}, {9}, {0, 1, 7}}) {
    const WorkPlan home = even_work(sampled, std::vector<int64_t>(sampled.size(), 4), 10, 2);
    EXPECT_TRUE(home.guests.empty());
    EXPECT_EQ(home.bounds, work_at_home(sampled, 10, 2).bounds);
  }
  EXPECT_TRUE(even_work({0, 1, 2}, {1, 1, 7}, 10, 1).guests.empty());
  // All live on rank 0. The steps of the first weigh as much as those of the others.
  EXPECT_EQ(even_work({0, 1, 2, 3}, {6, 2, 2, 2}, 10, 2).guests, (std::vector<Guest>{{1, 0, 1}, {2, 0, 1}, {3, 0, 1}}));
  EXPECT_TRUE(even_work({}, {}, 10, 2).guests.empty());
}

struct Rank {
  PerClient small, large;
  Visit visit() {
    return [this](StateVisitor& v) {
      v.clients("small", small);
      v.clients("large", large);
    };
  }
};

// Client 2 lives on rank 0 and works on rank 1. 10 numbers move, 70,000 don't.
TEST(EvenWork, LendsWhatIsSmallAndBringsItBack) {
  const std::vector<Guest> guests = {{2, 0, 1}};
  for (const bool has_room : {true, false})
    for (const int64_t size : {10, 70000}) {
      const auto works = [&](Group& g) {
        Rank rank;
        if (g.rank() == 0) {
          rank.small.put(1, at::ones({3}));
          rank.small.put(2, at::full({size}, 5.0));
        }
        const bool lent = lend(g, rank.visit(), guests, has_room || g.rank() != 1);
        EXPECT_EQ(lent, has_room && size == 10);
        if (!lent) {
          EXPECT_EQ(rank.small.all().size(), g.rank() == 0 ? 2u : 0u);
          return 0;
        }
        if (g.rank() == 1) {
          EXPECT_EQ(rank.small.all().at(2)[9].item<float>(), 5);
          rank.small.all().at(2).add_(1);
          rank.large.put(2, at::full({4}, 7.0));  // made in its turn
        }
        give_back(g, rank.visit(), guests);
        if (g.rank() == 0) {
          EXPECT_EQ(rank.small.all().at(2)[9].item<float>(), 6);
          EXPECT_EQ(rank.large.all().at(2)[3].item<float>(), 7);
          EXPECT_EQ(rank.small.all().at(1)[0].item<float>(), 1);
        } else {
          EXPECT_TRUE(rank.small.all().empty());
          EXPECT_TRUE(rank.large.all().empty());
        }
        return 0;
      };
      test::on_ranks<int>(2, works);
    }
}

Recipe recipe(const std::string& algorithm, int rounds, bool even = true, const std::string& run = "") {
  return parse_recipe(
      "[data]\nname = \"noise\"\nnoise.kind = \"gaussian\"\nnoise.scale = 0.5\n[model]\nname = \"quadratic\"\n"
      "[algorithm]\neta = 0.05\ninterval = 3\n" +
          algorithm + "[clients]\ncount = 12\nparticipating = 4\n[schedule]\nrounds = " + std::to_string(rounds) +
          "\n[run]\neven_work = " + (even ? "true" : "false") + "\n" + run,
      "test.toml");
}

int guests_in(const Recipe& r, int rounds, int ranks) {
  int guests = 0;
  for (int64_t k = 0; k < rounds; ++k) {
    const auto sampled = sample_clients(client_sampling(r.clients, 12), 1, k);
    guests += static_cast<int>(even_work(sampled, std::vector<int64_t>(sampled.size(), 3), 12, ranks).guests.size());
  }
  return guests;
}

// Momentum, control variates and what int8 left out go with their clients.
TEST(EvenWork, NoBitDependsOnIt) {
  for (const char* algorithm : {"name = \"fedavg\"\nmomentum = 0.9\n", "name = \"scaffold\"\ngamma = 0.1\n",
                                "name = \"naive-clip-partial\"\ngamma = 0.1\n",
                                "name = \"celgc\"\ngamma = 0.1\nmomentum = 0.5\nmessage = \"int8\"\n"}) {
    SCOPED_TRACE(algorithm);
    const Recipe r = recipe(algorithm, 12);
    Observer quiet;
    const Vec alone = train(r, *single_group(), {}, quiet).x;
    for (const int ranks : {2, 3, 5}) {
      EXPECT_GT(guests_in(r, 12, ranks), 3);
      for (const bool even : {true, false})
        for (const Vec& x : test::on_ranks<Vec>(ranks, [&](Group& g) {
               Observer none;
               return train(recipe(algorithm, 12, even), g, {}, none).x;
             }))
          EXPECT_TRUE(same_bits(x, alone)) << ranks << " workers, even_work = " << even;
    }
  }
}

// The checkpoint of three workers has every client's vectors, as the run that goes on alone needs them.
TEST(EvenWork, GuestsAreAtHomeInACheckpoint) {
  const std::string algorithm = "name = \"scaffold\"\ngamma = 0.1\n";
  const test::TempFolder f;
  Observer quiet;
  const Vec straight = train(recipe(algorithm, 12), *single_group(), {}, quiet).x;
  test::on_ranks<int>(3, [&](Group& g) {
    Observer none;
    train(recipe(algorithm, 7), g, {.out = f / "run"}, none);
    return 0;
  });
  const Recipe longer = recipe(algorithm, 12);
  EXPECT_TRUE(same_bits(train(longer, *single_group(), {.out = f / "run", .resume = true}, quiet).x, straight));
}

// Counts the gradients of its worker.
struct Busy : test::Quadratic {
  Busy() : Quadratic(4, std::vector<double>(12, 1), std::vector<double>(12, 1), 0.1) {}
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    ++gradients;
    return Quadratic::gradient(draw, y);
  }
  int gradients = 0;
};

// Four clients of three steps in each of 20 rounds: 120 steps of each of two workers.
TEST(EvenWork, WorkersTakeEquallyManySteps) {
  const auto counts = [](bool even) {
    const Recipe r = parse_recipe(
        std::string("[objective]\nname = \"given\"\n[algorithm]\nname = \"fedavg\"\neta = 0.05\ninterval = 3\n") +
            "[clients]\ncount = 12\nparticipating = 4\n[schedule]\nrounds = 20\n[run]\neven_work = " +
            (even ? "true" : "false") + "\n",
        "test.toml");
    return test::on_ranks<int>(2, [&](Group& g) {
      Busy busy;
      Observer none;
      train(r, busy, g, {}, none);
      return busy.gradients;
    });
  };
  EXPECT_EQ(counts(true), (std::vector<int>{120, 120}));
  const auto at_home = counts(false);
  EXPECT_EQ(at_home[0] + at_home[1], 240);
  EXPECT_NE(at_home[0], at_home[1]);
}

}  // namespace
}  // namespace tacet::even_work_test
