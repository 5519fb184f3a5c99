// The codes of clients' vectors on their way: nothing is lost but what a code leaves out, and the bytes are true.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "engine/message_coding.h"
#include "support/placements.h"
#include "support/quadratic.h"

namespace tacet {
namespace {

using test::Quadratic;

std::vector<float> coded_and_back(MessageKind kind, const std::vector<float>& v, float* residual = nullptr) {
  const auto n = static_cast<int64_t>(v.size());
  std::vector<float> words(static_cast<size_t>(message_words(kind, n))), out(v.size());
  encode(kind, v.data(), nullptr, residual, n, words.data());
  decode(kind, words.data(), 0, n, out.data());
  return out;
}

std::vector<float> noise(int64_t n, int seed = 1) {
  Stream s(static_cast<uint64_t>(seed), 0, Purpose::gradient_noise, 0, 0);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = static_cast<float>(s.normal());
  return v;
}

TEST(Message, HoldsAsManyWordsAsItsKindSays) {
  struct {
    MessageKind kind;
    int64_t n, words;
  } const table[] = {{MessageKind::f32, 11, 11},     {MessageKind::bf16, 11, 6},   {MessageKind::bf16, 512, 256},
                     {MessageKind::int8, 11, 1 + 3}, {MessageKind::int8, 256, 65}, {MessageKind::int8, 257, 67},
                     {MessageKind::int8, 1000, 254}};
  for (const auto& row : table) EXPECT_EQ(message_words(row.kind, row.n), row.words) << row.n;
}

// libtorch's conversion is the witness; ties and what is not finite among them.
TEST(Message, Bf16RoundsToNearestTiesToEven) {
  std::vector<float> v = noise(1001);
  for (const float x : {0.0f, -0.0f, 1 + 0x1p-8f, 1 + 0x3p-8f, 0x1.fffffep127f, INFINITY, -INFINITY, 1e-45f}) v.push_back(x);
  const at::Tensor given = at::tensor(v), expected = given.to(at::kBFloat16).to(at::kFloat);
  const std::vector<float> out = coded_and_back(MessageKind::bf16, v);
  EXPECT_EQ(0, std::memcmp(out.data(), expected.data_ptr(), expected.nbytes()));
  EXPECT_TRUE(std::isnan(coded_and_back(MessageKind::bf16, {NAN})[0]));
}

// A value is off by half a step at most, and a step is 1/127 of the largest value of its own block.
TEST(Message, Int8IsWithinHalfAStepOfItsBlock) {
  std::vector<float> v = noise(1000);
  v[3] = 1000;  // in the first of four blocks
  const std::vector<float> out = coded_and_back(MessageKind::int8, v);
  for (size_t first = 0; first < v.size(); first += 256) {
    float most = 0;
    const size_t last = std::min(first + 256, v.size());
    for (size_t i = first; i < last; ++i) most = std::max(most, std::fabs(v[i]));
    for (size_t i = first; i < last; ++i) EXPECT_LE(std::fabs(v[i] - out[i]), most / 127 * 0.5001f) << i;
  }
  EXPECT_FLOAT_EQ(out[3], 1000);
  EXPECT_EQ(out[4], 0);                            // beside the large one
  EXPECT_LT(std::fabs(v[300] - out[300]), 0.02f);  // in another block
  EXPECT_EQ(coded_and_back(MessageKind::int8, {0, 0}), (std::vector<float>{0, 0}));
  EXPECT_TRUE(std::isnan(coded_and_back(MessageKind::int8, {1, INFINITY})[0]));  // it must not look like a number
}

// 1/127 of half a step of a residual is what is lost of it, 5e-5 of values around 3, in each of 20 messages.
TEST(Message, WhatInt8LeavesOutIsKept) {
  std::vector<float> words(static_cast<size_t>(message_words(MessageKind::int8, 700))), residual(700);
  std::vector<double> given(700), sent(700);
  for (int k = 0; k < 20; ++k) {
    const std::vector<float> v = noise(700, k), out = coded_and_back(MessageKind::int8, v, words.data());
    for (size_t i = 0; i < 700; ++i) given[i] += v[i], sent[i] += out[i];
  }
  decode(MessageKind::int8, words.data(), 0, 700, residual.data());
  double largest = 0;
  for (size_t i = 0; i < 700; ++i) {
    EXPECT_NEAR(given[i], sent[i] + residual[i], 1e-3);
    largest = std::max(largest, std::fabs(static_cast<double>(residual[i])));
  }
  EXPECT_GT(largest, 1e-3);  // there was something to keep
  EXPECT_LT(largest, 0.05);  // of one message, not of twenty
}

// ---- in a round ----

constexpr int64_t d = 1000;

RoundSetup setup(Group& group, Objective& objective, int clients, MessageCoder* messages) {
  RoundSetup s;
  s.objective = &objective;
  s.group = &group;
  s.clients = clients;
  for (int i = 0; i < clients; ++i) s.sampled.push_back(i);
  s.messages = messages;
  s.rates = [](int) { return Rates{0.5, 0.25}; };
  return s;
}

Vec vector_of(int client, int64_t n = d) { return at::tensor(noise(n, 100 + client)); }

TEST(MessageOfARound, VectorsThatBf16CanHoldArriveAsTheyAre) {
  Quadratic objective{d, {1, 1, 1, 1}, {0, 0, 0, 0}};
  const auto group = single_group();
  const auto f = [&](Client& i) { return vector_of(i.id()).mul_(64).round_().div_(64); };
  MessageCoder messages(MessageKind::bf16);
  Round coded(setup(*group, objective, 4, &messages)), plain(setup(*group, objective, 4, nullptr));
  EXPECT_TRUE(coded.mean(f).equal(plain.mean(f)));
  EXPECT_EQ(coded.report().client_bytes, (d / 2 + 1) * 4);  // half of the vector, and the buffer
  EXPECT_EQ(plain.report().client_bytes, (d + 1) * 4);
}

// near + mean(sent) with Σ sent + residuals = Σ (v − near), over rounds and clients.
TEST(MessageOfARound, Int8LosesNothingOverRounds) {
  Quadratic objective{d, {1, 1}, {0, 0}};
  const auto group = single_group();
  MessageCoder messages(MessageKind::int8);
  const Vec near = vector_of(9);
  Vec given = at::zeros({d}, at::kDouble), arrived = at::zeros({d}, at::kDouble);
  for (int k = 0; k < 10; ++k) {
    Round r(setup(*group, objective, 2, &messages));
    const Vec mean = r.mean(near, [&](Client& i) {
      const Vec v = near + 0.01 * vector_of(10 * k + i.id());
      given += (v - near).to(at::kDouble);
      return v;
    });
    arrived += 2 * (mean - near).to(at::kDouble);
  }
  test::Snapshot state;
  messages.state(state);
  for (auto& [client, words] : state.per_client["residual.model"]) {
    Vec residual = at::empty({d});
    decode(MessageKind::int8, words.data_ptr<float>(), 0, d, residual.data_ptr<float>());
    arrived += residual.to(at::kDouble);
  }
  EXPECT_EQ(state.per_client["residual.model"].size(), 2u);
  EXPECT_LT((given - arrived).abs().max().item<double>(), 2e-5);
  EXPECT_GT(given.abs().max().item<double>(), 0.05);
}

// In its first round a client sends the second of the further vectors alone, as des-loc does where its periods ask for it.
// What int8 leaves out of it must not go into the first one, which is a thousand times smaller.
TEST(MessageOfARound, VectorsThatAreSentInDifferentRoundsKeepTheirResidualsApart) {
  Quadratic objective{d, {1, 1}, {0, 0}};
  const auto group = single_group();
  const Vec x = at::zeros({d});
  const auto small = [](int client) { return 1e-3 * vector_of(client); };
  MessageCoder both(MessageKind::int8), fresh(MessageKind::int8);
  Round(setup(*group, objective, 2, &both)).means_of(x, {2}, [&](Client& i) {
    return std::vector<Vec>{x, vector_of(i.id())};
  });
  const auto sent = [&](Client& i) { return std::vector<Vec>{x, small(i.id())}; };
  const Vec after = Round(setup(*group, objective, 2, &both)).means_of(x, {1}, sent)[1];
  EXPECT_TRUE(after.equal(Round(setup(*group, objective, 2, &fresh)).means_of(x, {1}, sent)[1]));
}

TEST(MessageOfARound, WhoIsNotSampledSendsNothingAndKeepsItsResidual) {
  Quadratic objective{d, {1, 1, 1}, {0, 0, 0}};
  const auto group = single_group();
  MessageCoder messages(MessageKind::int8);
  RoundSetup s = setup(*group, objective, 3, &messages);
  s.sampled = {1};
  Round r(std::move(s));
  const Vec x = at::zeros({d});
  const Vec mean = r.partial_mean(x, [&](Client& i) { return vector_of(i.id()); });
  EXPECT_LT((mean - vector_of(1)).abs().max().item<float>(), 0.02);
  test::Snapshot state;
  messages.state(state);
  EXPECT_EQ(state.per_client["residual.model"].size(), 1u);
}

TEST(MessageOfARound, OneClientSendsNothing) {
  Quadratic objective{d, {1}, {0}};
  const auto group = single_group();
  MessageCoder messages(MessageKind::int8);
  Round r(setup(*group, objective, 1, &messages));
  EXPECT_TRUE(r.mean([&](Client& i) { return vector_of(i.id()); }).equal(vector_of(0)));
}

// ---- between ranks ----

struct Travelled {
  Vec mean;
  int64_t bytes;
};

Travelled travel(Group& group, int clients, MessageKind kind, bool weighted = false) {
  Quadratic objective{d, std::vector<double>(clients, 1), std::vector<double>(clients, 0)};
  for (int i = 0; i < clients; ++i) objective.weights.push_back(weighted ? 0.5 + i : 1);
  MessageCoder messages(kind, {.density = 0.25});
  const Vec near = vector_of(99);
  Vec mean;
  const int64_t before = group.bytes_sent();
  for (int k = 0; k < 2; ++k) {  // the second with residuals
    Round r(setup(group, objective, clients, &messages));
    const auto f = [&](Client& i) { return vector_of(i.id()); };
    mean = weighted ? r.weighted_mean(near, f) : r.mean(near, f);
  }
  return {mean, group.bytes_sent() - before};
}

TEST(MessageBetweenRanks, TheMeanIsTheSameForAnyPlacement) {
  for (const MessageKind kind : {MessageKind::bf16, MessageKind::int8, MessageKind::topk})
    for (const bool weighted : {false, true})
      for (const int clients : {2, 3, 7}) {
        const Vec alone = travel(*single_group(), clients, kind, weighted).mean;
        for (const int ranks : {2, 3, 7, 8})  // of 8, one has nobody
          for (const Travelled& t :
               test::on_ranks<Travelled>(ranks, [&](Group& g) { return travel(g, clients, kind, weighted); }))
            EXPECT_EQ(0, std::memcmp(alone.data_ptr(), t.mean.data_ptr(), alone.nbytes())) << clients << " on " << ranks;
      }
}

// 1000 parameters are 500 words of bf16, and 4 + 250 of int8; behind them go 1 buffer, 12 counters and a weight, in two
// rounds. Of a vector of 500, in ten chunks of 50, topk sends 13 each, in 5 + 13 words, and of a matrix of 500 it sends 125,
// in 47 + 125. P ranks send their messages to all others, or slices of them and of the sum: in all (P−1)·(words + 1000) and
// the rest.
TEST(MessageBetweenRanks, BytesAreThoseOfTheCode) {
  struct {
    int ranks;
    MessageKind kind;
    int64_t words;
  } const table[] = {{2, MessageKind::bf16, 2 * 500},          {2, MessageKind::int8, 2 * 254},
                     {4, MessageKind::int8, 4 * 3 * 254},      {4, MessageKind::bf16, 3 * (500 + 1000)},
                     {8, MessageKind::int8, 7 * (254 + 1000)}, {8, MessageKind::bf16, 7 * (500 + 1000)},
                     {2, MessageKind::topk, 2 * 352},          {4, MessageKind::topk, 3 * (352 + 1000)}};
  for (const auto& row : table) {
    int64_t sent = 0;
    for (const Travelled& t : test::on_ranks<Travelled>(row.ranks, [&](Group& g) { return travel(g, row.ranks, row.kind); }))
      sent += t.bytes;
    const int64_t rest = int64_t{row.ranks} * (row.ranks - 1) * 14;
    EXPECT_EQ(sent, 2 * 4 * (row.words + rest)) << row.ranks;
  }
}

}  // namespace
}  // namespace tacet
