// Round and Client: one collective a mean, what travels in it, and what is said when a number is not finite.
#include <chrono>
#include <cmath>
#include <thread>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "engine/round_setup.h"
#include "engine/tree_sum.h"
#include "support/error_of.h"
#include "support/placements.h"
#include "support/quadratic.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using test::Quadratic;

struct RoundTest : testing::Test {
  Quadratic objective{4, {1, 1, 1}, {1, 2, 6}};
  std::unique_ptr<Group> group = single_group();

  RoundSetup setup(std::vector<int> sampled) {
    RoundSetup s;
    s.objective = &objective;
    s.group = group.get();
    s.number = 7;
    s.first_iteration = 70;
    s.interval = 2;
    s.clients = 3;
    s.sampled = std::move(sampled);
    s.rates = [](int) { return Rates{0.5, 0.25}; };
    return s;
  }
};

TEST_F(RoundTest, MeanIsOverTheSampledClients) {
  Round r(setup({0, 2}));
  const Vec m = r.mean([&](Client& i) { return at::full({4}, static_cast<double>(i.id())); });
  EXPECT_EQ(m[3].item<float>(), 1.0f);  // (0 + 2) / 2
  EXPECT_EQ(r.report().collectives, 1);
  EXPECT_EQ(r.report().client_bytes, (4 + 1) * 4);  // the vector and the buffer
  EXPECT_DOUBLE_EQ(r.participation, 2.0 / 3);
}

TEST_F(RoundTest, SeveralVectorsShareOneMessage) {
  Round r(setup({0, 1, 2}));
  const auto m = r.means(2, [&](Client& i) {
    return std::vector<Vec>{at::full({4}, 1.0 * i.id()), at::full({4}, 10.0 * i.id())};
  });
  EXPECT_EQ(m[0][0].item<float>(), 1.0f);
  EXPECT_EQ(m[1][0].item<float>(), 10.0f);
  EXPECT_EQ(r.report().collectives, 1);
}

// ---- a deadline ----

using Clock = std::chrono::steady_clock;

// Client 1 computes until the deadline is over.
struct Slow : Quadratic {
  using Quadratic::Quadratic;
  Clock::time_point until;
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    if (draw.client == 1) std::this_thread::sleep_until(until);
    return Quadratic::gradient(draw, y);
  }
};

Vec two_gradients(Client& i) {
  Vec y = i.start(at::zeros({4}));
  for (int t = 0; t < 2; ++t) y.sub_(i.gradient(y), 0.5);
  return y;
}

// Gradients y − b: after two steps from 0 y is 3b/4. On one rank client 1 is dropped at its second gradient and client 2,
// which comes after it, at its first; with a rank for each, client 2 comes.
TEST(Deadline, TheMeanIsOverThoseThatCame) {
  struct {
    int ranks;
    std::vector<int> late;
    float mean;
  } cases[] = {{1, {1, 2}, 0.75f * 1}, {3, {1}, 0.75f * (1 + 6) / 2}};
  for (const auto& c : cases) {
    auto groups = thread_groups(c.ranks, 20);
    const auto deadline = Clock::now() + std::chrono::seconds(1);
    std::vector<std::thread> threads;
    for (int q = 0; q < c.ranks; ++q)
      threads.emplace_back([&, q] {
        Slow objective(4, {1, 1, 1}, {1, 2, 6});
        objective.until = deadline;
        std::vector<int> dropped;
        RoundSetup s;
        s.objective = &objective;
        s.group = groups[static_cast<size_t>(q)].get();
        s.interval = 2;
        s.clients = 3;
        s.sampled = {0, 1, 2};
        s.rates = [](int) { return Rates{0.5, 0.25}; };
        s.deadline = deadline;
        s.dropped = [&](int client) { dropped.push_back(client); };
        Round r(std::move(s));
        const Vec mean = r.mean(two_gradients);
        EXPECT_EQ(mean[0].item<float>(), c.mean);
        EXPECT_EQ(r.report().late, c.late);
        EXPECT_EQ(r.participation, (3.0 - static_cast<double>(c.late.size())) / 3);
        EXPECT_EQ(r.report().counters.samples, 2 * (3 - static_cast<double>(c.late.size()))) << "only of those that came";
        EXPECT_EQ(objective.buffers()[0].item<float>(), 2);  // each client that came added 2
        EXPECT_EQ(dropped, c.ranks == 1 ? c.late : q == 1 ? std::vector<int>{1} : std::vector<int>{});
      });
    for (std::thread& t : threads) t.join();
  }
}

TEST_F(RoundTest, ADeadlineThatAllMeetChangesNoBit) {
  objective.noise = 1;
  RoundSetup with = setup({0, 1, 2});
  with.deadline = Clock::now() + std::chrono::hours(1);
  Round a(setup({0, 1, 2})), b(std::move(with));
  EXPECT_TRUE(at::equal(a.mean(two_gradients), b.mean(two_gradients)));
  EXPECT_EQ(b.report().late, std::vector<int>{});
  EXPECT_EQ(b.participation, 1);
}

TEST_F(RoundTest, WhenNobodyComesTheRoundSaysSoAndTheBuffersStay) {
  objective.buffers().fill_(5);
  RoundSetup s = setup({0, 2});
  s.deadline = Clock::now();
  s.dropped = [](int) {};
  const std::atomic<bool> stop{true};
  s.stop = &stop;
  Round r(std::move(s));
  EXPECT_THROW(r.mean(two_gradients), NobodyCame);
  EXPECT_EQ(r.report().late, (std::vector<int>{0, 2}));
  EXPECT_EQ(objective.buffers()[0].item<float>(), 5);
  EXPECT_EQ(r.report().counters.losses, 0);
  EXPECT_EQ(r.report().counters.stop, 2) << "a signal is heard all the same";
}

// Weights 1, 2, 3: (1·0 + 2·1 + 3·2) / 6 = 8/6.
TEST_F(RoundTest, WeightedMean) {
  objective.weights = {1, 2, 3};
  Round r(setup({0, 1, 2}));
  const Vec m = r.weighted_mean([&](Client& i) { return at::full({4}, 1.0 * i.id()); });
  EXPECT_NEAR(m[0].item<float>(), 8.0 / 6, 1e-6);
}

// Every client starts from the buffers of the last mean: client i draws i+1 gradients, so the buffer is (1+2+3)/3 = 2, then
// 2 + 2.
TEST_F(RoundTest, BuffersTravelBehindTheVectorAndAreAveraged) {
  Round r(setup({0, 1, 2}));
  const auto draw = [&](Client& i) {
    Vec y = i.start(at::zeros({4}));
    for (int k = 0; k <= i.id(); ++k) i.gradient(y);
    return y;
  };
  r.mean(draw);
  EXPECT_EQ(objective.buffers()[0].item<float>(), 2.0f);
  r.mean(draw);
  EXPECT_EQ(objective.buffers()[0].item<float>(), 4.0f);
}

TEST_F(RoundTest, CountersAddUpOverClients) {
  Round r(setup({0, 1, 2}));
  r.mean([&](Client& i) {
    Vec y = i.start(at::zeros({4}));
    const Vec g = i.gradient(y);     // −b_i in each of 4 coordinates: ‖g‖ = 2 b_i
    i.clip(r.rates(0), l2_norm(g));  // clipped when 0.25/(2 b_i) < 0.5, that is always
    return y;
  });
  const Counters& c = r.report().counters;
  EXPECT_EQ(c.losses, 3);
  EXPECT_NEAR(c.loss, 4 * 0.5 * (1 + 4 + 36), 1e-4);
  EXPECT_NEAR(c.norm, 2 + 4 + 12, 1e-5);
  EXPECT_EQ(c.clipped, 3);
  EXPECT_EQ(c.samples, 3);
}

TEST_F(RoundTest, SamplesOfNoLocalStepAreCountedApart) {
  Round r(setup({0, 1, 2}));
  r.mean([&](Client& i) {
    Vec y = i.start(at::zeros({4}));
    i.resample(y);
    i.resample(y);
    i.gradient(y);
    return y;
  });
  EXPECT_EQ(r.report().counters.samples, 3);
  EXPECT_EQ(r.report().counters.extra_samples, 6);
}

// −b_i in each of 4 coordinates: ‖g‖ = 2 b_i, as l2_norm would find.
TEST_F(RoundTest, AGradientComesWithItsLength) {
  Round r(setup({0, 1, 2}));
  r.mean([&](Client& i) {
    Vec y = i.start(at::zeros({4}));
    const auto [g, norm] = i.gradient(y);
    EXPECT_EQ(norm, 2 * objective.b[static_cast<size_t>(i.id())]);
    EXPECT_EQ(norm, l2_norm(g));
    EXPECT_EQ(g.data_ptr(), objective.gradient_buffer().data_ptr());
    return y;
  });
}

TEST_F(RoundTest, ASkippedGradientHasNoLength) {
  RoundSetup s = setup({0});
  s.skip_non_finite = true;
  Round r(std::move(s));
  r.mean([&](Client& i) {
    Vec y = i.start(at::full({4}, INFINITY));
    const auto [g, norm] = i.gradient(y);
    EXPECT_EQ(norm, 0);
    EXPECT_EQ(g.abs().max().item<float>(), 0);
    EXPECT_EQ(i.clip(r.rates(0), norm), 0);
    EXPECT_EQ(objective.buffers()[0].item<float>(), 0) << "running statistics of a batch that is skipped";
    return i.start(at::zeros({4}));
  });
}

// The rounds of a run share their memory: what a round has returned must not be written by the next one.
TEST_F(RoundTest, AMeanStaysAsItIsWhileItIsHeld) {
  SumBuffers buffers;
  std::vector<Vec> means;
  for (int k = 0; k < 4; ++k) {
    RoundSetup s = setup({0, 1, 2});
    s.buffers = &buffers;
    Round r(std::move(s));
    means.push_back(r.mean([&](Client& i) { return at::full({4}, 3.0 * k); }));
  }
  for (int k = 0; k < 4; ++k) EXPECT_TRUE(means[static_cast<size_t>(k)].equal(at::full({4}, 3.0 * k))) << k;
}

TEST_F(RoundTest, AStopReachesEveryRankInTheSameRound) {
  const auto seen = test::on_ranks<double>(3, [&](Group& g) {
    Quadratic own{4, {1, 1, 1}, {1, 2, 6}};
    std::atomic<bool> stop{g.rank() == 1};
    RoundSetup s = setup({0, 1, 2});
    s.objective = &own;
    s.group = &g;
    s.stop = &stop;
    Round r(std::move(s));
    r.mean([&](Client& i) { return i.start(at::zeros({4})); });
    return r.report().counters.stop;
  });
  EXPECT_EQ(seen, (std::vector<double>{1, 1, 1}));
}

TEST_F(RoundTest, ANonFiniteGradientStopsWithItsPlace) {
  Round r(setup({1}));
  const auto step = [&](Client& i) {
    Vec y = i.start(at::zeros({4}));
    i.gradient(y);
    i.clip(r.rates(0), NAN);
    return y;
  };
  test::expect_mentions(test::error_of([&] { r.mean(step); }), {"round 8, client 1, local step 1"});
}

TEST_F(RoundTest, ANonFiniteLossStopsWithItsPlace) {
  Round r(setup({2}));
  EXPECT_THROW(r.mean([&](Client& i) {
    Vec y = i.start(at::full({4}, INFINITY));
    i.gradient(y);
    return y;
  }),
               UserError);
}

// Two clients must not share storage: a handle aliases, zeros have to be fresh.
TEST_F(RoundTest, PerClientVectorsAreTheirOwn) {
  PerClient per;
  Round r(setup({0, 1}));
  r.mean([&](Client& i) {
    Vec y = i.start(at::zeros({4}));
    per.at(i, y).add_(i.id() + 1);
    return y;
  });
  EXPECT_EQ(per.all()[0][0].item<float>(), 1.0f);
  EXPECT_EQ(per.all()[1][0].item<float>(), 2.0f);
}

// ---- whole-vector arithmetic ----

TEST(Norm, IsTheSameForAnyNumberOfThreads) {
  const Vec v = at::arange(1'000'003, at::kFloat).mul_(1e-3).sin_();
  at::set_num_threads(1);
  const double one = l2_norm(v);
  at::set_num_threads(2);
  EXPECT_EQ(l2_norm(v), one);
  at::set_num_threads(1);
  EXPECT_NEAR(one, v.to(at::kDouble).norm().item<double>(), 1e-9 * one);
}

// (g − mine) + everyones is rounded twice, as here, so the bits agree; and the length is that of what came out.
TEST(Correct, AgreesWithItsNaiveTwin) {
  for (const int64_t n : {1, 15, 16, 17, 70'001}) {
    Vec g = at::arange(n, at::kFloat).mul_(0.01).cos_();
    const Vec mine = at::arange(n, at::kFloat).mul_(0.02).sin_(), all = at::arange(n, at::kFloat).mul_(0.03).cos_();
    const Vec expected = (g - mine) + all;
    const double length = correct(g, mine, all);
    EXPECT_TRUE(g.equal(expected)) << n;
    EXPECT_EQ(length, l2_norm(expected)) << n;
  }
}

// One pass each does what several would: decay inside the norm, and the buffer of momentum, whose copy the direction is.
TEST(Vectors, DecayAndMomentumAreMeasuredAsTheyAreWritten) {
  for (const int64_t d : {1, 17, 100000}) {
    Vec g = at::randn({d}), m = at::randn({d});
    const Vec y = at::randn({d}), g_before = g.clone(), m_before = m.clone();
    const StepRule inside{.weight_decay = 0.5, .decay_in_norm = true}, outside{.weight_decay = 0.5};
    EXPECT_EQ(add_decay(g, 7, y, outside), 7);
    EXPECT_TRUE(g.equal(g_before));
    const double length = add_decay(g, 7, y, inside);
    EXPECT_EQ(length, l2_norm(g));
    EXPECT_TRUE(at::allclose(g, g_before + 0.5 * y));

    const double both = accumulate(m, g, y, {.momentum = 0.25, .weight_decay = 0.5});
    EXPECT_EQ(both, l2_norm(m));
    EXPECT_TRUE(g.equal(m));
    EXPECT_TRUE(at::allclose(m, 0.25 * m_before + g_before + y, 1e-4, 1e-5));
  }
}

// The fused pass against the same formulas in separate tensor operations, in double.
TEST(Descend, AgreesWithItsNaiveTwin) {
  for (const double mu : {0.0, 0.9}) {
    const int64_t n = 70'001;
    Vec y = at::arange(n, at::kFloat).mul_(0.01).cos_(), g = at::arange(n, at::kFloat).mul_(0.02).sin_();
    Vec m = at::arange(n, at::kFloat).mul_(0.03).sin_();
    const Vec direction = mu * m.to(at::kDouble) * (mu != 0) + g.to(at::kDouble) + 0.1 * y.to(at::kDouble);
    const Vec expected = y.to(at::kDouble) - 0.3 * direction;
    descend(y, g, 0.3, {mu, 0.1}, mu != 0 ? &m : nullptr);
    EXPECT_LT((y - expected).abs().max().item<double>(), 1e-6);
    if (mu != 0) {
      EXPECT_LT((m - direction).abs().max().item<double>(), 1e-6);
    }
  }
}

}  // namespace
}  // namespace tacet
