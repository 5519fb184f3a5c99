// Parts of a model: blocks in turn, and means of a part of the vector.
#include <cstring>

#include <gtest/gtest.h>

#include "engine/message_coding.h"
#include "support/error_of.h"
#include "support/placements.h"
#include "support/quadratic.h"

namespace tacet::parts_test {
namespace {

using test::Quadratic;

std::vector<Layer> layers_named(const std::vector<std::string>& names) {
  std::vector<Layer> layers;
  for (const std::string& name : names) {
    const auto size = static_cast<int64_t>(layers.size()) + 1;
    layers.push_back({name, size * (size - 1) / 2, size, {size}});
  }
  return layers;
}

std::vector<std::string> names_of(const ModelPart& part) {
  std::vector<std::string> names;
  for (const Layer& layer : part.layers) names.push_back(layer.name);
  return names;
}

TEST(Parts, AreBlocksInTurn) {
  using Names = std::vector<std::string>;
  const auto layers = layers_named({"wte.weight", "h.0.attn.weight", "h.0.attn.bias", "h.1.attn.weight", "h.1.mlp.bias",
                                    "ln_f.weight", "ln_f.bias", "alone"});
  const auto parts = parts_in_turn(layers, 2, "algorithm.fragments");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(names_of(parts[0]), (Names{"wte.weight", "h.1.attn.weight", "h.1.mlp.bias", "alone"}));
  EXPECT_EQ(names_of(parts[1]), (Names{"h.0.attn.weight", "h.0.attn.bias", "ln_f.weight", "ln_f.bias"}));
  EXPECT_EQ(parts[1].number, 1);
  EXPECT_EQ(parts[0].size() + parts[1].size(), 36);
  EXPECT_EQ(parts_in_turn(layers, 5, "algorithm.fragments")[4].layers.size(), 1u);
  test::expect_mentions(test::error_of([&] { parts_in_turn(layers, 6, "algorithm.fragments"); }),
                        {"algorithm.fragments must be <= 5, the blocks of the model, got 6"});
}

TEST(Parts, AreTakenFromTheVectorAndPutBack) {
  const auto parts = parts_in_turn(layers_named({"a.0.x", "b", "a.1.x"}), 2, "n");
  const Vec x = at::arange(6).to(at::kFloat);
  EXPECT_TRUE(parts[0].of(x).equal(at::tensor({0.0f, 3.0f, 4.0f, 5.0f})));
  parts[0].put(at::full({4}, 9.0f), x);
  EXPECT_TRUE(x.equal(at::tensor({9.0f, 1.0f, 2.0f, 9.0f, 9.0f, 9.0f})));
}

struct Means {
  Vec now, later;
  int64_t bytes = 0;
  int collectives = 0;
};

// Three clients send the second half of a vector that holds their number, at once and on its way. Three rounds, so that
// residuals are in play.
Means of_a_half(Group& group, MessageKind kind) {
  Quadratic objective{600, {1, 1, 1}, {0, 0, 0}};
  const auto parts = parts_in_turn(objective.layers(), 2, "n");
  MessageCoder messages(kind, {.density = 0.25}, 2);
  Means means;
  for (int k = 0; k < 3; ++k) {
    RoundSetup s;
    s.objective = &objective;
    s.group = &group;
    s.clients = 3;
    s.sampled = {0, 1, 2};
    s.messages = &messages;
    s.rates = [](int) { return Rates{0.5, 0.25}; };
    Round r(std::move(s));
    const auto half = [&](const Client& i) {
      return parts[1].of(at::arange(600).to(at::kFloat).mul(0.01 * (1 + i.id())).sin_());
    };
    means.now = r.mean(parts[1], at::full({300}, 0.5), half);
    const auto pending = r.start_mean(parts[1], at::full({300}, 0.5), half);
    r.work([](Client&) {});
    means.later = pending.get();
    means.bytes += r.report().client_bytes;
    means.collectives += r.report().collectives;
  }
  return means;
}

// The mean of the halves, in double; 300 floats a message, and one buffer in each of the two that carry buffers.
TEST(PartOfARound, IsAveragedByItself) {
  const Means f32 = of_a_half(*single_group(), MessageKind::f32);
  ASSERT_EQ(f32.now.numel(), 300);
  for (int64_t j = 0; j < 300; ++j) {
    double expected = 0;
    for (int i = 1; i <= 3; ++i) expected += std::sin(0.01 * i * static_cast<double>(300 + j)) / 3;
    EXPECT_NEAR(f32.now[j].item<double>(), expected, 1e-5) << j;
  }
  EXPECT_TRUE(f32.now.equal(f32.later));
  EXPECT_EQ(f32.bytes, 3 * (2 * 300 + 2) * 4);
  EXPECT_EQ(f32.collectives, 9);
}

TEST(PartOfARound, HasTheSameBitsOnAnyNumberOfRanks) {
  for (const MessageKind kind : {MessageKind::f32, MessageKind::bf16, MessageKind::int8, MessageKind::topk}) {
    const Means alone = of_a_half(*single_group(), kind);
    for (const int ranks : {2, 3, 5})
      for (const Means& other : test::on_ranks<Means>(ranks, [&](Group& g) { return of_a_half(g, kind); })) {
        EXPECT_EQ(0, std::memcmp(alone.now.data_ptr(), other.now.data_ptr(), alone.now.nbytes())) << ranks;
        EXPECT_EQ(0, std::memcmp(alone.later.data_ptr(), other.later.data_ptr(), alone.later.nbytes())) << ranks;
        EXPECT_EQ(alone.bytes, other.bytes);
      }
  }
}

TEST(PartOfARound, HasResidualsOfItsOwn) {
  Quadratic objective{600, {1, 1}, {0, 0}};
  const auto group = single_group();
  const auto parts = parts_in_turn(objective.layers(), 2, "n");
  MessageCoder messages(MessageKind::topk, {.density = 0.25}, 2);
  for (const ModelPart& part : parts) {
    RoundSetup s;
    s.objective = &objective;
    s.group = group.get();
    s.clients = 2;
    s.sampled = {0, 1};
    s.messages = &messages;
    Round r(std::move(s));
    r.mean(part, at::zeros({300}), [&](Client&) { return at::full({300}, 1.0f + static_cast<float>(part.number)); });
  }
  test::Snapshot state;
  messages.state(state);
  // A quarter of each chunk was sent: of 60, of the vector, 15, and of the matrix of 300 75.
  EXPECT_EQ(state.per_client["residual.model"].at(0).sum().item<float>(), 225);
  EXPECT_EQ(state.per_client["residual.part1"].at(1).sum().item<float>(), 450);
}

}  // namespace
}  // namespace tacet::parts_test
