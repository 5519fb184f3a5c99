// Client streams: what is served when, to whom, and how long; evaluation chunks; errors. Most corpora here count 0, 1, 2, …,
// so that a token's value is its place in the text.
#include "data/text/corpus_batches.h"
#include "support/error_of.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

namespace tacet {
namespace {

std::shared_ptr<const Corpus> counting(int64_t train, int64_t valid = 40, int64_t test = 40) {
  auto c = std::make_shared<Corpus>();
  const auto fill = [](std::vector<int32_t>& tokens, int64_t n) {
    tokens.resize(static_cast<size_t>(n));
    std::iota(tokens.begin(), tokens.end(), 0);
  };
  fill(c->train, train);
  fill(c->valid, valid);
  fill(c->test, test);
  return c;
}

BatchKey at_iteration(int client, int64_t iteration, uint64_t seed = 7) {
  return {.seed = seed, .client = client, .iteration = iteration};
}

std::vector<int64_t> values(const at::Tensor& t) {
  const int64_t* p = t.data_ptr<int64_t>();
  return {p, p + t.numel()};
}

TextOptions fixed_lengths(int64_t batch, int64_t bptt) {
  return {.batch_size = batch, .bptt = bptt, .random_lengths = false, .eval_batch = 2};
}

// The batches of the client's next pass, from a fresh one up to the next fresh one (which is left for the next call: the
// position is put back).
std::vector<TextBatch> pass_of(TextBatches& batches, int client, int64_t iteration = 0, uint64_t seed = 7) {
  std::vector<TextBatch> all;
  const int64_t pass = batches.position(client).pass;
  while (batches.position(client).pass == pass) all.push_back(batches.next(at_iteration(client, iteration++, seed)));
  return all;
}

// Which text positions the pass's inputs were, with how often.
std::map<int64_t, int> inputs_of(const std::vector<TextBatch>& batches) {
  std::map<int64_t, int> seen;
  for (const TextBatch& b : batches)
    for (const int64_t t : values(b.input)) ++seen[t];
  return seen;
}

// 11 tokens, 2 streams of 5 (one token dropped): stream 0 is 0…4, stream 1 is 5…9. bptt 3: the first batch has positions
// 0, 1, 2, then one position (3) is left, which is no batch any more (offset 3 ≥ 5 − 2), so the pass ends.
TEST(TextBatches, CutsStreamsAndShiftsTargets) {
  TextBatches batches(counting(11), fixed_lengths(2, 3), 1);
  const TextBatch b = batches.next(at_iteration(0, 0));
  EXPECT_EQ(b.length, 3);
  EXPECT_EQ(b.input.sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(values(b.input), (std::vector<int64_t>{0, 5, 1, 6, 2, 7}));
  EXPECT_EQ(values(b.target), (std::vector<int64_t>{1, 6, 2, 7, 3, 8}));
  EXPECT_TRUE(b.fresh);
  EXPECT_TRUE(batches.next(at_iteration(0, 1)).fresh);
  EXPECT_EQ(batches.position(0).pass, 2);
}

// 7 tokens in one stream, bptt 2: offsets 0, 2, 4 have 2, 2 and 2 of the 6 positions.
TEST(TextBatches, OnlyTheFirstBatchOfAPassIsFresh) {
  TextBatches batches(counting(7), fixed_lengths(1, 2), 1);
  std::vector<bool> fresh;
  for (int k = 0; k < 5; ++k) fresh.push_back(batches.next(at_iteration(0, k)).fresh);
  EXPECT_EQ(fresh, (std::vector<bool>{true, false, false, true, false}));
}

// 20 tokens, 3 clients: shards 0…5, 6…11, 12…17. On its e-th pass client i reads shard (i + e) mod 3.
TEST(TextBatches, RotatesShardsAfterEachPass) {
  TextBatches batches(counting(20), fixed_lengths(1, 100), 3);
  for (int client = 0; client < 3; ++client)
    for (int pass = 0; pass < 4; ++pass)
      EXPECT_EQ(values(batches.next(at_iteration(client, pass)).input).front(), (client + pass) % 3 * 6)
          << client << " " << pass;
}

TEST(TextBatches, FixedClientsKeepTheirShard) {
  TextOptions options = fixed_lengths(1, 100);
  options.partition = "fixed";
  TextBatches batches(counting(20), options, 3);
  for (int pass = 0; pass < 4; ++pass) EXPECT_EQ(values(batches.next(at_iteration(1, pass)).input).front(), 6);
}

// 1,000 tokens in 10, 30 and 60 %: shards 0…99, 100…399, 400…999; weights are shares × 3.
TEST(TextBatches, CutsUnequalShards) {
  TextOptions options = fixed_lengths(1, 10000);
  options.partition = "fixed";
  options.percent = {10, 30, 60};
  TextBatches batches(counting(1000), options, 3);
  const int64_t first[] = {0, 100, 400}, size[] = {100, 300, 600};
  for (int i = 0; i < 3; ++i) {
    const TextBatch b = batches.next(at_iteration(i, 0));
    EXPECT_EQ(values(b.input).front(), first[i]);
    EXPECT_EQ(b.length, size[i] - 1);
    EXPECT_DOUBLE_EQ(batches.client_weight(i), static_cast<double>(size[i]) * 3 / 1000);
  }
  EXPECT_EQ(batches.training_tokens(), 99 + 299 + 599);
}

TEST(TextBatches, UsesOnlyTheFirstTokensWhenAsked) {
  TextOptions options = fixed_lengths(2, 100);
  options.max_tokens = 20;
  TextBatches batches(counting(1000), options, 2);
  EXPECT_EQ(values(batches.next(at_iteration(1, 0)).input).front(), 10);
  EXPECT_EQ(batches.training_tokens(), 2 * 2 * 4);  // 2 clients × 2 streams of 5 tokens
  options.max_tokens = 5000;                        // more than there are: all of them
  EXPECT_EQ(TextBatches(counting(1000), options, 2).training_tokens(), 2 * 2 * 249);
}

TEST(TextBatches, EvaluatesOnlyTheFirstTokensWhenAsked) {
  TextOptions options = fixed_lengths(2, 100);
  options.eval_batch = 2;
  const auto positions = [&](const char* split) {
    const TextBatches batches(counting(1000), options, 2);
    int64_t sum = 0;
    for (int unit = 0; unit < batches.eval_units(); ++unit)
      for (const TextBatch& batch : batches.eval_batches(split, unit)) sum += batch.target.numel();
    return sum;
  };
  const int64_t all = positions("valid"), training = positions("train");
  options.max_eval_tokens = 20;
  EXPECT_EQ(positions("valid"), 2 * 9);  // 2 streams of 10 tokens
  EXPECT_EQ(positions("test"), 2 * 9);
  EXPECT_EQ(positions("train"), training);
  options.max_eval_tokens = 100000;  // more than there are: all of them
  EXPECT_EQ(positions("valid"), all);
  options.max_eval_tokens = 3;
  test::expect_mentions(test::error_of([&] { TextBatches(counting(1000), options, 2); }),
                        {"data.eval_batch must leave 2 tokens", "data.max_eval_tokens is 3"});
}

// ---- lengths ----

TEST(TextBatches, FixedLengthsDoNotScaleTheRate) {
  const TextBatches batches(counting(1000), fixed_lengths(2, 70), 1);
  for (int k = 0; k < 50; ++k) EXPECT_EQ(batches.rate_scale(1, k), 1.0);
}

// The rate's scale is the drawn length, which the batch has unless the pass ends first. Streams of 100,000 tokens do not
// end.
TEST(TextBatches, LengthsAreTheSameForAllClientsAndDependOnTheIterationOnly) {
  TextOptions options{.batch_size = 1, .bptt = 70, .eval_batch = 1};
  TextBatches batches(counting(400000), options, 4);
  for (const int64_t iteration : {int64_t{5}, int64_t{0}, int64_t{900}, int64_t{1} << 33, int64_t{5}}) {
    const double drawn = batches.rate_scale(7, iteration) * 70;
    for (int client = 0; client < 4; ++client)
      EXPECT_NEAR(static_cast<double>(batches.next(at_iteration(client, iteration)).length), drawn, 1e-9);
  }
}

// Both halves of a 64-bit iteration count: 2^32 apart are different draws. 40 equal pairs by chance are out of the question.
TEST(TextBatches, IterationsBeyond32BitsAreDrawnAnew) {
  const TextBatches batches(counting(1000), {.batch_size = 1, .eval_batch = 1}, 1);
  int equal = 0;
  for (int64_t k = 0; k < 40; ++k) equal += batches.rate_scale(7, k) == batches.rate_scale(7, k + (int64_t{1} << 32));
  EXPECT_LT(equal, 20);
}

// With bptt 70: 95 % of the lengths are int(70 + 5 z), the others int(35 + 5 z). int() takes half a position off the mean
// (69.5, 34.5), so the mean is 0.95·69.5 + 0.05·34.5 = 67.75, and the share below 52 (3.6 σ and 3.4 σ away from either) is 5
// %. Over 20,000 draws the standard errors are √(25 + 0.0475·35²)/√20000 ≈ 0.065 and 0.0015; the seed is fixed.
TEST(TextBatches, LengthsFollowTheReferenceDistribution) {
  const TextBatches batches(counting(1000), {.batch_size = 1, .bptt = 70, .eval_batch = 1}, 1);
  const int n = 20000;
  double sum = 0, low = 0, square = 0;
  for (int k = 0; k < n; ++k) {
    const double length = batches.rate_scale(3, k) * 70;
    EXPECT_GE(length, 5 - 1e-9);
    EXPECT_LE(length, 90 + 1e-9);
    sum += length;
    low += length < 52;
    if (length >= 52) square += (length - 69.5) * (length - 69.5);
  }
  EXPECT_NEAR(sum / n, 67.75, 0.3);
  EXPECT_NEAR(low / n, 0.05, 0.007);
  EXPECT_NEAR(std::sqrt(square / (n - low)), 5, 0.15);
}

// bptt 4: 4 + 5 z is mostly below 5, and beyond 24 for z > 4.2, which 500,000 draws hold about 7 times.
TEST(TextBatches, LengthsStayWithinFiveAndTwentyMoreThanBptt) {
  const TextBatches batches(counting(1000), {.batch_size = 1, .bptt = 4, .eval_batch = 1}, 1);
  double shortest = 1e9, longest = 0;
  for (int k = 0; k < 500000; ++k) {
    const double length = batches.rate_scale(3, k) * 4;
    shortest = std::min(shortest, length);
    longest = std::max(longest, length);
  }
  EXPECT_EQ(shortest, 5);
  EXPECT_EQ(longest, 24);
}

// The key of the draw is part of a run's identity: nobody's stream but everyone's, round 0, the iteration as step.
// The steps to a pass's end are those that the batches take, asked in any order; with shards of other lengths there are
// none.
TEST(TextBatches, KnowWhereThePassesOfAllClientsEnd) {
  for (const bool random : {true, false}) {
    TextOptions options = fixed_lengths(2, 6);
    options.random_lengths = random;
    TextBatches batches(counting(600), options, 3), asked(counting(600), options, 3);
    std::vector<int64_t> ends;  // the pass of each iteration ends before this one
    for (int64_t t = 0; t < 80; ++t) {
      const int64_t pass = batches.position(1).pass;
      for (int client = 0; client < 3; ++client) batches.next(at_iteration(client, t));
      EXPECT_EQ(batches.position(0).pass, batches.position(2).pass);
      if (batches.position(1).pass > pass) ends.resize(static_cast<size_t>(t + 1), t + 1);
    }
    ASSERT_GT(ends.size(), 40u);
    for (const size_t t : {0u, 1u, 20u, 39u, 3u, 38u, 0u})
      EXPECT_EQ(asked.steps_to_pass_end(7, static_cast<int64_t>(t)), ends[t] - static_cast<int64_t>(t)) << t;
    if (random) {
      TextBatches never_asked(counting(600), options, 3);
      bool differs = false;
      for (int64_t t = 0; t < 40; ++t) {
        const int64_t steps = never_asked.steps_to_pass_end(8, t);
        EXPECT_EQ(asked.steps_to_pass_end(8, t), steps) << t << ": passes of another seed are forgotten";
        differs |= steps != ends[static_cast<size_t>(t)] - t;
      }
      EXPECT_TRUE(differs) << "the seed draws the lengths";
    }
    options.partition = "fixed";
    options.percent = {20, 30, 50};
    EXPECT_EQ(TextBatches(counting(600), options, 3).steps_to_pass_end(7, 0), 0);
    options.percent = {33.3, 33.4, 33.3};
    EXPECT_GT(TextBatches(counting(601), options, 3).steps_to_pass_end(7, 0), 0) << "equal streams of unequal shards";
  }
}

TEST(TextBatches, LengthsComeFromTheStreamOfEveryone) {
  const TextBatches batches(counting(1000), {.batch_size = 1, .bptt = 70, .eval_batch = 1}, 1);
  for (int k = 0; k < 20; ++k) {
    Stream s(11, Stream::everyone, Purpose::sequence_length, 0, k);
    const double base = s.uniform() < 0.95 ? 70 : 35;
    EXPECT_DOUBLE_EQ(batches.rate_scale(11, k), std::trunc(base + 5 * s.normal()) / 70);  // all of these within 5 … 90
  }
}

// ---- properties ----

struct Shape {
  int clients;
  TextOptions options;
  int64_t tokens;
};

// Clients, streams and a text that is long enough for them.
Shape any_shape() {
  Shape s;
  s.clients = *rc::gen::inRange(1, 6);
  s.options.batch_size = *rc::gen::inRange(1, 5);
  s.options.bptt = *rc::gen::inRange(2, 30);
  s.options.random_lengths = *rc::gen::arbitrary<bool>();
  s.options.eval_batch = *rc::gen::inRange(1, 5);
  s.options.partition = *rc::gen::element<std::string>("rotate", "fixed");
  const int64_t least = 3 * s.options.batch_size * s.clients;
  s.tokens = *rc::gen::inRange<int64_t>(least, least + 1500);
  return s;
}

// In a pass every position of every stream is an input once, but the last token of a stream, which is only a target, and
// perhaps the one before. Targets follow their inputs. Shards do not overlap.
RC_GTEST_PROP(TextBatchesProperty, APassServesEveryTokenOfTheShardOnce, ()) {
  const Shape s = any_shape();
  TextBatches batches(counting(s.tokens), s.options, s.clients);
  const int64_t shard = s.tokens / s.clients, length = shard / s.options.batch_size;
  int64_t targets = 0;
  for (int client = 0; client < s.clients; ++client) {
    const auto pass = pass_of(batches, client);
    const auto seen = inputs_of(pass);
    int64_t positions = 0;
    for (const TextBatch& b : pass) {
      RC_ASSERT(b.fresh == (positions == 0));
      RC_ASSERT(b.length >= 1 && b.input.size(0) == b.length && b.input.size(1) == s.options.batch_size);
      positions += b.length;
      const auto in = values(b.input), out = values(b.target);
      for (size_t k = 0; k < in.size(); ++k) RC_ASSERT(out[k] == in[k] + 1);
      targets += b.target.numel();
    }
    RC_ASSERT(positions == length - 1 || positions == length - 2);
    RC_ASSERT(static_cast<int64_t>(seen.size()) == positions * s.options.batch_size);  // hence each once
    for (int64_t b = 0; b < s.options.batch_size; ++b)
      for (int64_t t = 0; t < positions; ++t) RC_ASSERT(seen.count(client * shard + b * length + t) == 1);
  }
  RC_ASSERT(targets <= batches.training_tokens());
  RC_ASSERT(targets >= batches.training_tokens() - s.options.batch_size * s.clients);
  if (!s.options.random_lengths) RC_ASSERT(targets == batches.training_tokens());
}

// After N passes with "rotate" each client has read every shard once.
RC_GTEST_PROP(TextBatchesProperty, RotationVisitsEveryShardOnce, ()) {
  Shape s = any_shape();
  s.options.partition = "rotate";
  TextBatches batches(counting(s.tokens), s.options, s.clients);
  const int64_t shard = s.tokens / s.clients;
  for (int client = 0; client < s.clients; ++client) {
    std::map<int64_t, int> visits;
    for (int pass = 0; pass < s.clients; ++pass) ++visits[values(pass_of(batches, client).front().input).front() / shard];
    RC_ASSERT(static_cast<int>(visits.size()) == s.clients);
  }
}

// Unequal shards: consecutive, disjoint, nothing between them, sizes within one token of their shares.
RC_GTEST_PROP(TextBatchesProperty, UnequalShardsCoverTheText, ()) {
  const auto parts = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 20)));
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  TextOptions options{.batch_size = 1, .bptt = 100000, .random_lengths = false, .eval_batch = 1, .partition = "fixed"};
  for (const int p : parts) options.percent.push_back(100 * p / sum);
  const auto clients = static_cast<int>(parts.size());
  const int64_t tokens =
      *rc::gen::inRange<int64_t>(80 * clients, 200 * clients);  // ≥ 4 tokens for a share of 1/20 of the mean
  RC_PRE(*std::min_element(options.percent.begin(), options.percent.end()) / 100 * static_cast<double>(tokens) >= 5);
  TextBatches batches(counting(tokens), options, clients);
  int64_t next = 0;
  double weights = 0;
  for (int i = 0; i < clients; ++i) {
    const TextBatch b = batches.next(at_iteration(i, 0));
    RC_ASSERT(values(b.input).front() == next);
    RC_ASSERT(std::abs(static_cast<double>(b.length + 1) -
                       options.percent[static_cast<size_t>(i)] / 100 * static_cast<double>(tokens)) < 1 + 1e-6);
    next += b.length + 1;
    weights += batches.client_weight(i);
  }
  RC_ASSERT(next == tokens);
  RC_ASSERT(std::abs(weights - clients) < 1e-9);
}

// A Position is all there is to a client: put into another object, it goes on with the same batches.
RC_GTEST_PROP(TextBatchesProperty, ARestoredPositionContinuesIdentically, ()) {
  const Shape s = any_shape();
  const auto corpus = counting(s.tokens);
  TextBatches whole(corpus, s.options, s.clients), resumed(corpus, s.options, s.clients);
  const int client = *rc::gen::inRange(0, s.clients);
  const int before = *rc::gen::inRange(0, 30);
  for (int k = 0; k < before; ++k) whole.next(at_iteration(client, k));
  resumed.position(client) = whole.position(client);
  for (int k = before; k < before + 30; ++k) {
    const TextBatch a = whole.next(at_iteration(client, k)), b = resumed.next(at_iteration(client, k));
    RC_ASSERT(a.fresh == b.fresh && at::equal(a.input, b.input) && at::equal(a.target, b.target));
  }
}

// ---- evaluation ----

// 13 tokens in 3 streams of 4: 0…3, 4…7, 8…11. Unit 0 has streams 0·3/2 … 1·3/2 − 1 = 0, unit 1 streams 1 and 2. bptt 2: the
// positions 0, 1 and then 2; position 3 is only a target.
TEST(TextEvaluation, CutsStreamsIntoUnitsAndChunks) {
  TextOptions options = fixed_lengths(1, 2);
  options.eval_batch = 3;
  const TextBatches batches(counting(100, 13), options, 1);
  ASSERT_EQ(batches.eval_units(), 2);
  const auto first = batches.eval_batches("valid", 0), second = batches.eval_batches("valid", 1);
  ASSERT_EQ(first.size(), 2u);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(values(first[0].input), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(values(first[1].input), (std::vector<int64_t>{2}));
  EXPECT_EQ(values(second[0].input), (std::vector<int64_t>{4, 8, 5, 9}));
  EXPECT_EQ(values(second[1].target), (std::vector<int64_t>{7, 11}));
  EXPECT_TRUE(first[0].fresh);
  EXPECT_FALSE(first[1].fresh);
}

// Over all units every position of every stream is an input once, except each stream's last token.
RC_GTEST_PROP(TextEvaluationProperty, EveryPositionIsScoredOnce, ()) {
  Shape s = any_shape();
  const int64_t tokens = *rc::gen::inRange<int64_t>(2 * s.options.eval_batch, 400);
  const TextBatches batches(counting(s.tokens, tokens, tokens), s.options, s.clients);
  const int64_t E = s.options.eval_batch, length = tokens / E;
  RC_ASSERT(batches.eval_units() == (E >= 2 ? 2 : 1));
  for (const char* split : {"valid", "test"}) {
    std::map<int64_t, int> seen;
    for (int unit = 0; unit < batches.eval_units(); ++unit)
      for (const TextBatch& b : batches.eval_batches(split, unit)) {
        RC_ASSERT(b.length <= s.options.bptt && b.input.size(1) >= 1);
        const auto in = values(b.input), out = values(b.target);
        for (size_t k = 0; k < in.size(); ++k) {
          RC_ASSERT(out[k] == in[k] + 1);
          ++seen[in[k]];
        }
      }
    RC_ASSERT(static_cast<int64_t>(seen.size()) == E * (length - 1));
    for (const auto& [position, times] : seen) RC_ASSERT(times == 1 && position % length != length - 1);
  }
}

// ---- errors ----

// 3 clients × 4 streams × 3 tokens = 36: one token fewer is too short, 36 are enough.
TEST(TextErrors, EveryStreamNeedsThreeTokens) {
  test::expect_mentions(
      test::error_of([] { TextBatches(counting(35), fixed_lengths(4, 5), 3); }),
      {"data.batch_size × clients.count", "data.batch_size 4", "clients.count 3", "the corpus has only 35"});
  TextBatches enough(counting(36), fixed_lengths(4, 5), 3);
  EXPECT_EQ(enough.next(at_iteration(0, 0)).length, 2);
  TextOptions options = fixed_lengths(4, 5);
  options.max_tokens = 35;
  test::expect_mentions(test::error_of([&] { TextBatches(counting(1000), options, 3); }), {"data.max_tokens is 35"});
}

TEST(TextErrors, EveryEvaluationStreamNeedsTwoTokens) {
  TextOptions options = fixed_lengths(1, 5);
  options.eval_batch = 10;
  test::expect_mentions(test::error_of([&] { TextBatches(counting(100, 40, 19), options, 1); }),
                        {"data.eval_batch", "got 10", "only 19 tokens", "test split"});
  EXPECT_EQ(TextBatches(counting(100, 40, 20), options, 1).eval_batches("test", 0).size(), 1u);
}

TEST(TextErrors, PercentagesMustFit) {
  const struct {
    const char* what;
    std::vector<double> percent;
    std::string partition;
    std::vector<std::string> mentions;
  } rows[] = {
      {"too few", {50, 50}, "fixed", {"data.partition.percent", "clients.count is 3", "got 2"}},
      {"too many", {25, 25, 25, 25}, "fixed", {"clients.count is 3", "got 4"}},
      {"none for one", {50, 50, 0}, "fixed", {"> 0", "got 0"}},
      {"less than none", {60, 50, -10}, "fixed", {"> 0", "got -10"}},
      {"no number", {50, 50, std::nan("")}, "fixed", {"> 0", "nan"}},
      {"wrong sum", {50, 30, 19}, "fixed", {"sum 100", "got 99"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    TextOptions options = fixed_lengths(1, 5);
    options.partition = row.partition;
    options.percent = row.percent;
    test::expect_mentions(test::error_of([&] { TextBatches(counting(1000), options, 3); }), row.mentions);
  }
}

// The shares of eight published unequal shards are rounded to 2 digits; a sum off by less than half a percent is taken as
// 100.
TEST(TextErrors, ARoundedSumIsAccepted) {
  TextOptions options = fixed_lengths(1, 100000);
  options.partition = "fixed";
  options.percent = {33.3, 33.3, 33.3};  // 99.9
  TextBatches batches(counting(999), options, 3);
  int64_t tokens = 0;
  for (int i = 0; i < 3; ++i) tokens += batches.next(at_iteration(i, 0)).length + 1;
  EXPECT_EQ(tokens, 999);
}

// The published program cuts 103 tokens into 2 · 4 streams of 12 and deals them: worker w begins at 2 · 12 · w. Without the
// option the shards are of 25 tokens, whose streams have 12 as well.
TEST(TextBatches, WholeStreamsBeginWhereThePublishedBatchesDo) {
  TextOptions o = fixed_lengths(2, 5);
  TextBatches plain(counting(103), o, 4);
  o.whole_streams = true;
  TextBatches whole(counting(103), o, 4);
  EXPECT_EQ(plain.training_tokens(), whole.training_tokens());
  for (int w = 0; w < 4; ++w) {
    EXPECT_EQ(values(whole.next(at_iteration(w, 0)).input).front(), 24 * w);
    EXPECT_EQ(values(plain.next(at_iteration(w, 0)).input).front(), 25 * w);
    EXPECT_EQ(whole.shard_tokens(w), 24);
  }
}

}  // namespace
}  // namespace tacet
