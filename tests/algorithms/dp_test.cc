// DP-FedAvg: identities, rounds by hand, what its noise is, and that C follows the clients' lengths.
#include <cmath>

#include <gtest/gtest.h>

#include "algorithms/run_alone.h"
#include "support/placements.h"

namespace tacet::dp_test {
namespace {

using test::Options;
using test::Quadratic;
using test::run_alone;
using test::Trace;
using test::Trial;
using test::trial;
using test::with;

const Options unclipped = {{"gamma", test::infinite}};
const Options fixed = with(unclipped, {{"clip_rate", 0.0}});

// Parabolas so flat and so far away that every gradient has that size at every client.
Quadratic slopes(std::vector<double> sizes) {
  std::vector<double> curvature, minimum;
  for (const double s : sizes) {
    curvature.push_back(1e-6 * std::abs(s));
    minimum.push_back(s > 0 ? -1e6 : 1e6);
  }
  return {1, curvature, minimum};
}

TEST(DpFedAvg, OfALongClipAndNoNoiseIsFedAvg) {
  const Quadratic three{5, {1, 0.5, 2}, {1, -1, 3}, 0.5};
  const Options step = {{"momentum", 0.9}, {"weight_decay", 0.1}};
  const Trace private_one = run_alone(trial("dp-fedavg", 3, 4, with(with(fixed, step), {{"clip_norm", 1e6}})), three, 6);
  const Trace plain = run_alone(trial("fedavg", 3, 4, step), three, 6);
  for (size_t r = 0; r < plain.x.size(); ++r)
    EXPECT_LT(l2_norm(private_one.x[r] - plain.x[r]), 1e-5 * l2_norm(plain.x[r])) << r;
}

// f_1 = ½(x − 3)², f_2 = ½(x + ½)², η = 1, I = 1 from 0, C = 1: the changes are 3 and −½, shortened 1 and −½; x = ¼. One of
// two is no longer than C. q = 0.9: C = e^{−0.2(0.5 − 0.9)}. Then 2.75 and −0.75, shortened e^{0.08} and −0.75.
TEST(DpFedAvg, ByHand) {
  const Options given = with(unclipped, {{"eta", 1.0}, {"clip_norm", 1.0}, {"clip_quantile", 0.9}});
  const Trace t = run_alone(trial("dp-fedavg", 2, 1, given), {1, {1, 1}, {3, -0.5}}, 2);
  EXPECT_NEAR(t.x[0].item<double>(), 0.25, 1e-6);
  EXPECT_NEAR(t.notes[0].at("clip_share"), 0.5, 1e-6);
  EXPECT_NEAR(t.notes[1].at("clip_norm"), std::exp(0.08), 1e-6);
  EXPECT_NEAR(t.x[1].item<double>(), 0.25 + (std::exp(0.08) - 0.75) / 2, 1e-6);
  const Trace stays =
      run_alone(trial("dp-fedavg", 2, 1, with(fixed, {{"eta", 1.0}, {"clip_norm", 1.0}})), {1, {1, 1}, {3, -0.5}}, 3);
  EXPECT_EQ(stays.notes[2].at("clip_norm"), 1);
}

// Changes of length 1: from both sides C comes near it, whereas the bit the wrong way round runs away from it.
TEST(DpFedAvg, TheClipComesToTheLengthOfTheChanges) {
  for (const double first : {0.1, 5.0}) {
    const Options given = with(unclipped, {{"eta", 1.0}, {"clip_norm", first}});
    const Trace t = run_alone(trial("dp-fedavg", 4, 1, given), slopes({1, 1, 1, 1}), 60);
    EXPECT_NEAR(t.notes.back().at("clip_norm"), 1, 0.12) << first;
  }
}

// Lengths 1, 2, 4, 8 and 16: below 8 three of five are within C, from there on four, and q is 0.7.
TEST(DpFedAvg, TheClipIsTheQuantile) {
  const Options given = with(unclipped, {{"eta", 1.0}, {"clip_norm", 1.0}, {"clip_quantile", 0.7}});
  const Trace t = run_alone(trial("dp-fedavg", 5, 1, given), slopes({1, -2, 4, -8, 16}), 300);
  EXPECT_GT(t.notes.back().at("clip_norm"), 7);
  EXPECT_LT(t.notes.back().at("clip_norm"), 9);
}

TEST(DpFedAvg, ChangesOfNothingStayNothing) {
  const Trace t = run_alone(trial("dp-fedavg", 3, 2, unclipped), {4, {1, 1, 1}, {0, 0, 0}}, 5);
  for (const Vec& x : t.x) EXPECT_EQ(l2_norm(x), 0);
  EXPECT_NEAR(t.notes.back().at("clip_norm"), 0.1 * std::exp(-0.1 * 4), 1e-9);  // all bits are 1: e^{−0.2·½} a round
}

// ---- noise ----

// Returns how far a round moves coordinates that no gradient moves: each goes by N(0, (z_Δ C/S)²).
double deviation_of_a_round(const Options& options, int clients) {
  const int64_t d = 40000;
  const Quadratic flat{d, std::vector<double>(static_cast<size_t>(clients), 0),
                       std::vector<double>(static_cast<size_t>(clients), 0)};
  return l2_norm(run_alone(trial("dp-fedavg", clients, 1, options), flat, 1).x[0]) / std::sqrt(static_cast<double>(d));
}

TEST(DpFedAvg, NoiseIsAsLargeAsThePaperSays) {
  const double error = 5 / std::sqrt(2 * 40000.0);
  // C stays: z C/S = 1.5·2/4.
  const Options stays = with(fixed, {{"clip_norm", 2.0}, {"noise_multiplier", 1.5}});
  EXPECT_NEAR(deviation_of_a_round(stays, 4) / 0.75, 1, error);
  // σ_b = 1.2: z_Δ = (1.5⁻² − 2.4⁻²)^(−½) = 1.92154.
  const Options told = with(unclipped, {{"clip_norm", 2.0}, {"noise_multiplier", 1.5}, {"bit_noise", 1.2}});
  EXPECT_NEAR(deviation_of_a_round(told, 4) / (1.92154 * 2 / 4), 1, error);
  // By default σ_b = max(S/20, z): of 4 clients z, so that z_Δ = z √(4/3); of 100 clients 5.
  const Options adapts = with(unclipped, {{"clip_norm", 2.0}, {"noise_multiplier", 1.5}});
  EXPECT_NEAR(deviation_of_a_round(adapts, 4) / (1.5 * std::sqrt(4.0 / 3) * 2 / 4), 1, error);
  EXPECT_NEAR(deviation_of_a_round(adapts, 100) / (1.51717 * 2 / 100), 1, error);  // (1.5⁻² − 10⁻²)^(−½)
}

// Bits in noise of σ_b = 3: their share is 1 ± 3/2 of two clients that do not move. The logarithm of C follows it.
TEST(DpFedAvg, BitsAreInNoiseToo) {
  const Options given = with(unclipped, {{"noise_multiplier", 0.01}, {"bit_noise", 3.0}, {"clip_quantile", 1.0}});
  const Trace t = run_alone(trial("dp-fedavg", 2, 1, given), {1, {0, 0}, {0, 0}}, 1000);
  double sum = 0, squares = 0;
  for (const auto& notes : t.notes) {
    const double off = notes.at("clip_share") - 1;
    sum += off, squares += off * off;
  }
  EXPECT_NEAR(sum / 1000, 0, 5 * 1.5 / std::sqrt(1000));
  EXPECT_NEAR(std::sqrt(squares / 1000), 1.5, 5 * 1.5 / std::sqrt(2000));
  EXPECT_NEAR(std::log(t.notes[1].at("clip_norm") / t.notes[0].at("clip_norm")), -0.2 * (t.notes[0].at("clip_share") - 1),
              1e-9);
}

// Sums are divided by the clients of a round on average, so that one client more adds no more than C/S. Nobody's round has
// noise all the same.
TEST(DpFedAvg, OfAVaryingNumberDividesByTheirMean) {
  const Options given = with(unclipped, {{"eta", 1.0}, {"clip_norm", 1.0}, {"clip_quantile", 0.9}});
  Trial t = trial("dp-fedavg", 4, 1, given);
  t.mean_sampled = 2;
  t.sampled = {{0, 1, 2}, {3}, {}};
  const Trace run = run_alone(t, slopes({-0.5, -0.5, -0.5, -0.25}), 3);
  EXPECT_NEAR(run.x[0].item<double>(), 0.75, 1e-5);
  EXPECT_NEAR(run.notes[0].at("clip_share"), 0.5 + 3 * 0.5 / 2, 1e-6);
  EXPECT_NEAR(run.x[1].item<double>(), 0.75 + 0.125, 1e-5);
  EXPECT_NEAR(run.notes[1].at("clip_share"), 0.5 + 0.5 / 2, 1e-6);
  EXPECT_EQ(run.x[2].item<float>(), run.x[1].item<float>());
  EXPECT_EQ(run.notes[2].at("clip_share"), 0.5);
  t.options.set("noise_multiplier", 1.0);
  const Trace noisy = run_alone(t, slopes({-0.5, -0.5, -0.5, -0.25}), 3);
  EXPECT_NE(noisy.x[2].item<float>(), noisy.x[1].item<float>());
}

TEST(DpFedAvg, OfTheSystemsNoiseIsNeverTheSameAndEqualOnAllRanks) {
  const Trial t = trial("dp-fedavg", 3, 2, {{"noise_multiplier", 1.0}, {"noise_source", std::string("system")}});
  const auto go = [&](Group& group) {
    Quadratic objective{5, {1, 0.5, 2}, {1, -1, 3}};
    const auto algorithm = t.method->make(t.options);
    Vec x = objective.initial();
    return test::run_on(group, t, objective, *algorithm, x, 0, 3).x.back();
  };
  const Vec first = go(*single_group()), second = go(*single_group());
  EXPECT_GT(l2_norm(first - second), 1e-4);
  const auto all = test::on_ranks<Vec>(3, go);
  for (const Vec& x : all) EXPECT_EQ(0, std::memcmp(x.data_ptr(), all.front().data_ptr(), x.nbytes()));
}

TEST(DpFedAvg, TellsItsTerms) {
  const auto terms = [](const Options& options) {
    return find_algorithm("dp-fedavg").make(trial("dp-fedavg", 1, 1, options).options)->privacy();
  };
  EXPECT_EQ(terms({})->noise, 0);
  EXPECT_FALSE(terms({})->system_noise);
  const auto system = terms({{"noise_multiplier", 0.8}, {"noise_source", std::string("system")}, {"privacy_delta", 1e-6}});
  EXPECT_EQ(system->noise, 0.8);
  EXPECT_TRUE(system->system_noise);
  EXPECT_EQ(system->delta, 1e-6);
  EXPECT_FALSE(find_algorithm("fedavg").make(trial("fedavg", 1, 1).options)->privacy());
}

}  // namespace
}  // namespace tacet::dp_test
