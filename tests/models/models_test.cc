// The flat buffers behind a module, and what AWD-LSTM's masks do. That its arithmetic is right is witnessed by tests/oracle.
#include <gtest/gtest.h>
#include <torch/nn.h>
#include <torch/types.h>

#include "kernels/recurrent/lstm.h"
#include "models/text/awd_lstm.h"
#include "tacet/flat_module.h"

namespace tacet::models_test {
namespace {

// ---- flat buffers ----

struct Tied : torch::nn::Module {
  Tied() {
    a = register_parameter("a", torch::ones({2, 3}));
    register_parameter("again", a);  // the same tensor under a second name
    norm = register_module("norm", torch::nn::BatchNorm1d(3));
  }
  torch::Tensor a;
  torch::nn::BatchNorm1d norm{nullptr};
};

TEST(FlatModule, TiedWeightsCountOnceAndLayersLeaveNoGap) {
  Tied m;
  const FlatModule flat(m);
  ASSERT_EQ(flat.layers().size(), 3u);  // a, norm.weight, norm.bias
  EXPECT_EQ(flat.layers()[0].name, "a");
  int64_t at = 0;
  for (const Layer& l : flat.layers()) {
    EXPECT_EQ(l.offset, at);
    at += l.size;
  }
  EXPECT_EQ(flat.parameters().numel(), 12);
  EXPECT_EQ(flat.buffers().numel(), 6);  // running mean and variance; the batch counter is no floating-point number
}

TEST(FlatModule, ModuleAndBufferShareStorageBothWays) {
  Tied m;
  const FlatModule flat(m);
  flat.parameters().fill_(2);
  EXPECT_EQ(m.a.sum().item<float>(), 12);
  (m.a * m.a).sum().backward();  // the gradient is 2a = 4 and lands in the flat gradient
  EXPECT_EQ(flat.gradients()[5].item<float>(), 4);
  EXPECT_EQ(flat.gradients()[6].item<float>(), 0);
  m.norm->train();
  m.norm(torch::randn({8, 3}, torch::make_generator<at::CPUGeneratorImpl>(1)) + 5);
  EXPECT_GT(flat.buffers().sum().item<float>(), 3.5);  // moved from the start, 0 and 1 each
}

// ---- AWD-LSTM ----

AwdLstmOptions tiny() {
  AwdLstmOptions o;
  o.vocabulary = 11;
  o.layers = 2;
  o.embedding = 6;
  o.hidden = 5;
  o.output_dropout = o.hidden_dropout = o.input_dropout = o.embedding_dropout = o.weight_drop = 0;
  return o;
}

Stream seeded(uint64_t seed) { return {seed, 0, Purpose::initial_weights, 0, 0}; }

AwdLstm::Draws draws(int64_t step) {
  const auto stream = [&](Purpose p) { return Stream(1, 0, p, 0, step); };
  return {stream(Purpose::embedding_dropout), stream(Purpose::input_dropout), stream(Purpose::hidden_dropout),
          stream(Purpose::output_dropout), stream(Purpose::weight_drop)};
}

struct AwdLstmTest : testing::Test {
  torch::Tensor input = torch::arange(12).remainder(11).view({4, 3}), target = torch::arange(1, 13).remainder(11);
  // Mean cross-entropy and objective of a model at its initial weights.
  std::pair<double, double> losses(const AwdLstmOptions& o, const AwdLstm::Draws* d) {
    AwdLstm m(o, seeded(3));
    auto state = m.zero_state(3);
    const auto l = m.loss(input, target, state, d);
    return {l.cross_entropy.item<double>(), l.objective.item<double>()};
  }
};

// The paper's network on Penn Treebank has 24 million parameters (Merity et al. 2018, table 1), in detail:
// 10000·400 + [4·1150·(400+1150) + 2·4600] + [4·1150·2300 + 2·4600] + [4·400·(1150+400) + 2·1600] + 10000 = 24,221,600.
TEST(AwdLstm, ThePaperSizeHasTheKnownNumberOfParameters) {
  AwdLstmOptions o;
  o.vocabulary = 10000;
  AwdLstm m(o, seeded(1));
  const FlatModule flat(m);
  EXPECT_EQ(flat.parameters().numel(), 24'221'600);
  o.tied = false;
  AwdLstm untied(o, seeded(1));
  EXPECT_EQ(FlatModule(untied).parameters().numel(), 24'221'600 + 4'000'000);
}

TEST(AwdLstm, InitialWeightsDependOnTheSeedAlone) {
  AwdLstm a(tiny(), seeded(3)), b(tiny(), seeded(3)), c(tiny(), seeded(4));
  const Vec wa = FlatModule(a).parameters(), wb = FlatModule(b).parameters(), wc = FlatModule(c).parameters();
  EXPECT_TRUE(torch::equal(wa, wb));
  EXPECT_FALSE(torch::equal(wa, wc));
}

// With 11 equally likely words the untrained model's loss is about ln 11 = 2.398.
TEST_F(AwdLstmTest, StartsNearTheUniformLoss) { EXPECT_NEAR(losses(tiny(), nullptr).first, 2.398, 0.1); }

TEST_F(AwdLstmTest, EvaluationIgnoresEveryMaskAndTheRegularisers) {
  AwdLstmOptions o = tiny();
  const double plain = losses(o, nullptr).first;
  o.output_dropout = o.hidden_dropout = o.input_dropout = o.embedding_dropout = o.weight_drop = 0.5;
  EXPECT_EQ(losses(o, nullptr).first, plain);
  EXPECT_EQ(losses(o, nullptr).second, plain);
}

TEST_F(AwdLstmTest, EveryMaskChangesTheLossAndIsAFunctionOfItsStep) {
  const auto d = draws(0), other = draws(1);
  const double plain = losses(tiny(), &d).first;
  for (double AwdLstmOptions::*field :
       {&AwdLstmOptions::output_dropout, &AwdLstmOptions::hidden_dropout, &AwdLstmOptions::input_dropout,
        &AwdLstmOptions::embedding_dropout, &AwdLstmOptions::weight_drop}) {
    AwdLstmOptions o = tiny();
    o.*field = 0.5;
    const double masked = losses(o, &d).first;
    EXPECT_NE(masked, plain);
    EXPECT_EQ(masked, losses(o, &d).first);
    EXPECT_NE(masked, losses(o, &other).first);
  }
}

TEST_F(AwdLstmTest, OneDrawARowDiffersFromOneAnElement) {
  const auto d = draws(0);
  AwdLstmOptions o = tiny();
  o.weight_drop = 0.5;
  const double element = losses(o, &d).first;
  o.weight_drop_rows = true;
  EXPECT_NE(losses(o, &d).first, element);
}

// objective − cross-entropy = α·mean(h²) + β·mean((h[t+1] − h[t])²): linear in α and β.
TEST_F(AwdLstmTest, RegularisersAddUp) {
  const auto d = draws(0);
  const auto extra = [&](double alpha, double beta) {
    AwdLstmOptions o = tiny();
    o.alpha = alpha;
    o.beta = beta;
    const auto [ce, objective] = losses(o, &d);
    return objective - ce;
  };
  EXPECT_EQ(extra(0, 0), 0);
  EXPECT_GT(extra(1, 0), 0);
  EXPECT_NEAR(extra(2, 3), 2 * extra(1, 0) + 3 * extra(0, 1), 1e-6);
}

TEST_F(AwdLstmTest, CarriedStateChangesWhatFollowsAndHoldsNoGraph) {
  AwdLstm m(tiny(), seeded(3));
  auto state = m.zero_state(3);
  const double fresh = m.loss(input, target, state, nullptr).cross_entropy.item<double>();
  for (const auto& s : state) EXPECT_FALSE(s.h.requires_grad() || s.c.requires_grad());
  EXPECT_NE(m.loss(input, target, state, nullptr).cross_entropy.item<double>(), fresh);
}

// ---- the recurrent layer beside torch's module ----

TEST(Lstm, AgreesWithTorchsModule) {
  torch::nn::LSTM reference(torch::nn::LSTMOptions(5, 4));
  const auto x = torch::linspace(-1, 1, 7 * 3 * 5).view({7, 3, 5});
  const auto p = reference->named_parameters();
  const auto zero = torch::zeros({3, 4});
  const LstmOutput ours = lstm_layer(x, zero, zero, p["weight_ih_l0"], p["weight_hh_l0"], p["bias_ih_l0"], p["bias_hh_l0"]);
  const auto [theirs, last] = reference->forward(x);
  EXPECT_TRUE(torch::allclose(ours.output, theirs, 1e-6, 1e-6));
  EXPECT_TRUE(torch::allclose(ours.c, std::get<1>(last)[0], 1e-6, 1e-6));
}

}  // namespace
}  // namespace tacet::models_test
