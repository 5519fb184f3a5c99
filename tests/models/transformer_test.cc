// The Transformer beside torch's own encoder and decoder layers; its size; label smoothing; decoding beside full
// enumeration.
#include "models/text/transformer.h"

#include <gtest/gtest.h>
#include <torch/nn.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <functional>

#include "gradients.h"
#include "tacet/flat_module.h"

namespace tacet::transformer_test {
namespace {

using test::Names;
using Text = std::vector<int32_t>;

std::vector<Transformer::View> views(const std::vector<Text>& texts) { return {texts.begin(), texts.end()}; }

TransformerOptions tiny(int64_t vocabulary = 12) {
  TransformerOptions o;
  o.vocabulary = vocabulary;
  o.layers = 2;
  o.width = 8;
  o.heads = 2;
  o.inner = 12;
  o.dropout = 0;
  o.label_smoothing = 0;
  return o;
}

// Weights away from their start, where biases are 0 and layer norms 1, so that no mistake in them hides.
void shake(torch::nn::Module& m, double size = 0.3) {
  const torch::NoGradGuard no_grad;
  int k = 0;
  for (auto& [name, p] : test::parameters_of(m))
    p.add_(size * torch::sin(1.7 * torch::arange(p.numel(), torch::kFloat) + ++k).view(p.sizes()));
}

struct Witness : torch::nn::Module {
  explicit Witness(const TransformerOptions& options) : o(options) {
    embedding = register_module("embedding", torch::nn::Embedding(o.vocabulary, o.width));
    for (int64_t l = 0; l < o.layers; ++l) {
      encoder.push_back(register_module(
          "e" + std::to_string(l),
          torch::nn::TransformerEncoderLayer(
              torch::nn::TransformerEncoderLayerOptions(o.width, o.heads).dim_feedforward(o.inner).dropout(0))));
      decoder.push_back(register_module(
          "d" + std::to_string(l),
          torch::nn::TransformerDecoderLayer(
              torch::nn::TransformerDecoderLayerOptions(o.width, o.heads).dim_feedforward(o.inner).dropout(0))));
    }
  }
  torch::Tensor embed(const torch::Tensor& words) {  // [T, B] → [T, B, C]
    const int64_t T = words.size(0);
    torch::Tensor positions = torch::zeros({T, 1, o.width});
    for (int64_t p = 0; p < T; ++p)
      for (int64_t c = 0; c < o.width; ++c) {
        const double angle =
            static_cast<double>(p) / std::pow(10000.0, static_cast<double>(c - c % 2) / static_cast<double>(o.width));
        positions[p][0][c] = c % 2 == 0 ? std::sin(angle) : std::cos(angle);
      }
    return embedding(words) * std::sqrt(static_cast<double>(o.width)) + positions;
  }
  // [T, B, V]
  torch::Tensor logits(const torch::Tensor& source, const torch::Tensor& input) {
    const torch::Tensor padding = (source == 0).t();  // [B, S], true: not to be looked at
    torch::Tensor x = embed(source);
    for (auto& layer : encoder) x = layer(x, torch::Tensor(), padding);
    torch::Tensor y = embed(input);
    const auto later = torch::full({input.size(0), input.size(0)}, -1e30f).triu(1);
    for (auto& layer : decoder) y = layer(y, x, later, torch::Tensor(), torch::Tensor(), padding);
    return torch::matmul(y, embedding->weight.t());
  }
  Names names() const {
    Names n = {{"embedding.weight", "embedding.weight"}};
    const auto both = [&](const std::string& theirs, const std::string& ours) {
      for (const char* part : {".weight", ".bias"}) n[theirs + part] = ours + part;
    };
    const auto attention = [&](const std::string& theirs, const std::string& ours) {
      n[theirs + ".in_proj_weight"] = ours + ".qkv.weight";
      n[theirs + ".in_proj_bias"] = ours + ".qkv.bias";
      both(theirs + ".out_proj", ours + ".out");
    };
    for (int64_t l = 0; l < o.layers; ++l) {
      for (const auto& [theirs, ours] : {std::pair{"e" + std::to_string(l), "encoder." + std::to_string(l)},
                                         {"d" + std::to_string(l), "decoder." + std::to_string(l)}}) {
        attention(theirs + ".self_attn", ours + ".self");
        both(theirs + ".linear1", ours + ".ff.in");
        both(theirs + ".linear2", ours + ".ff.out");
        both(theirs + ".norm1", ours + ".norm_1");
        both(theirs + ".norm2", ours + ".norm_2");
      }
      attention("d" + std::to_string(l) + ".multihead_attn", "decoder." + std::to_string(l) + ".cross");
      both("d" + std::to_string(l) + ".norm3", "decoder." + std::to_string(l) + ".norm_3");
    }
    return n;
  }
  TransformerOptions o;
  torch::nn::Embedding embedding{nullptr};
  std::vector<torch::nn::TransformerEncoderLayer> encoder;
  std::vector<torch::nn::TransformerDecoderLayer> decoder;
};

// Three pairs of different lengths; <pad> 0, <s> 2, </s> 3. Written out as rectangles, time down, for the witness.
const std::vector<Text> source = {{5, 6, 7}, {8}, {9, 5}}, target = {{4, 5}, {6, 7, 8}, {9}};
const auto source_columns = torch::tensor({{5, 8, 9}, {6, 3, 5}, {7, 0, 3}, {3, 0, 0}}, torch::kLong);
const auto input_columns = torch::tensor({{2, 2, 2}, {4, 6, 9}, {5, 7, 0}, {0, 8, 0}}, torch::kLong);
const auto wanted_columns = torch::tensor({{4, 6, 9}, {5, 7, 3}, {3, 8, -1}, {-1, 3, -1}}, torch::kLong);

TEST(Transformer, AgreesWithTorchsLayers) {
  Transformer model(tiny(), 3);
  shake(model);
  Witness witness(tiny());
  test::copy_weights(model, witness, witness.names());
  const auto ours = model.loss(views(source), views(target), nullptr);
  EXPECT_EQ(ours.pieces, 9);  // 2 + 3 + 1 pieces and three </s>
  const auto theirs = torch::nn::functional::cross_entropy(
      witness.logits(source_columns, input_columns).reshape({-1, 12}), wanted_columns.reshape({-1}),
      torch::nn::functional::CrossEntropyFuncOptions().ignore_index(-1).reduction(torch::kSum));
  EXPECT_NEAR(ours.cross_entropy.item<double>(), theirs.item<double>(), 1e-4);
  ours.smoothed.backward();
  theirs.backward();
  test::expect_same_gradients(model, witness, witness.names());
}

// torch.nn.Transformer() has 44,140,544 parameters, 2·2·512 of them in two last layer norms that the paper's network lacks;
// the embedding of 37,000 pieces adds 37000·512. The paper gives "65 million" for this base model.
TEST(Transformer, TheBaseSizeHasTheKnownNumberOfParameters) {
  TransformerOptions o;
  o.vocabulary = 37000;
  Transformer model(o, 1);
  EXPECT_EQ(FlatModule(model).parameters().numel(), 44'140'544 - 2'048 + 37'000 * 512);
}

// (1 − ε)·CE + ε·(mean over all words of −log p), here from the logits.
TEST(Transformer, LabelSmoothingSpreadsItsShareOverAllWords) {
  TransformerOptions o = tiny();
  o.label_smoothing = 0.2;
  Transformer model(o, 3);
  shake(model);
  const auto log_p =
      torch::log_softmax(model.logits(views({source[0]}), input_columns.t().narrow(0, 0, 1).narrow(1, 0, 3), nullptr)[0], 1);
  double ce = 0, spread = 0;
  const std::vector<int64_t> wanted = {4, 5, 3};
  for (int64_t t = 0; t < 3; ++t) {
    ce -= log_p[t][wanted[static_cast<size_t>(t)]].item<double>();
    for (int64_t v = 0; v < 12; ++v) spread -= log_p[t][v].item<double>() / 12;
  }
  const auto loss = model.loss(views({source[0]}), views({target[0]}), nullptr);
  EXPECT_NEAR(loss.cross_entropy.item<double>(), ce, 1e-5);
  EXPECT_NEAR(loss.smoothed.item<double>(), 0.8 * ce + 0.2 * spread, 1e-5);
}

TEST(Transformer, BatchesDoNotChangeALossBeyondRounding) {
  Transformer model(tiny(), 3);
  shake(model);
  double alone = 0;
  for (size_t k = 0; k < source.size(); ++k)
    alone += model.loss(views({source[k]}), views({target[k]}), nullptr).cross_entropy.item<double>();
  EXPECT_NEAR(model.loss(views(source), views(target), nullptr).cross_entropy.item<double>(), alone, 1e-4);
}

TEST(Transformer, EachDropoutChangesTheLossAndIsAFunctionOfTheDraw) {
  const auto run = [](double residual, double weights, int64_t step, bool training) {
    TransformerOptions o = tiny();
    o.dropout = residual;
    o.attention_dropout = weights;
    Transformer model(o, 3);
    const BatchKey draw{.seed = 1, .step = step};
    return model.loss(views(source), views(target), training ? &draw : nullptr).smoothed.item<double>();
  };
  const double plain = run(0, 0, 0, true);
  for (const auto& [a, b] : {std::pair{0.5, 0.0}, {0.0, 0.5}}) {
    EXPECT_NE(run(a, b, 0, true), plain);
    EXPECT_EQ(run(a, b, 0, true), run(a, b, 0, true));
    EXPECT_NE(run(a, b, 0, true), run(a, b, 1, true));
    EXPECT_EQ(run(a, b, 0, false), plain);
  }
}

// ---- decoding ----

// Log-probabilities of what may follow `pieces`, by the whole network without any cache; <pad> and <s> never may.
std::vector<double> next_log_p(Transformer& model, const Text& from, const Text& pieces) {
  std::vector<int64_t> input = {2};
  input.insert(input.end(), pieces.begin(), pieces.end());
  const auto all = torch::log_softmax(model.logits(views({from}), torch::tensor(input, torch::kLong).unsqueeze(0),
                                                   nullptr)[0][static_cast<int64_t>(pieces.size())],
                                      0);
  std::vector<double> out;
  for (int64_t v = 0; v < all.numel(); ++v) out.push_back(v == 0 || v == 2 ? -INFINITY : all[v].item<double>());
  return out;
}

struct DecodingTest : testing::Test {
  torch::NoGradGuard no_grad;
  Transformer model{tiny(7), 5};
  DecodingTest() { shake(model, 0.6); }
};

TEST_F(DecodingTest, GreedyTakesTheLikeliestPieceAtEveryStep) {
  const std::vector<Text> texts = {{4, 5, 6}, {6}, {5, 5}, {1, 4, 1, 6}};
  const auto translations = model.translate(views(texts), {.beam = 1, .extra = 4});
  for (size_t k = 0; k < texts.size(); ++k) {
    Text want;
    while (want.size() < texts[k].size() + 4) {
      const auto p = next_log_p(model, texts[k], want);
      const auto best = static_cast<int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
      if (best == 3) break;
      want.push_back(best);
    }
    EXPECT_EQ(translations[k], want) << k;
  }
}

// A beam that holds every hypothesis finds the best of all: 5 pieces can follow another (7 without <pad> and <s>), one of
// them ends the text; with one source piece and 2 more, texts of up to 3 pieces, at most 4³ = 64 of a length.
TEST_F(DecodingTest, AWideBeamFindsTheBestOfAllTranslations) {
  for (const double alpha : {0.0, 0.6, 2.0}) {
    for (const Text& from : {Text{4}, Text{6}, Text{1}}) {
      Text best;
      double best_score = -INFINITY;
      const std::function<void(const Text&, double)> visit = [&](const Text& pieces, double score) {
        const auto offer = [&](double total) {
          const double value = total / std::pow((5 + static_cast<double>(pieces.size()) + 1) / 6, alpha);
          if (value > best_score) best_score = value, best = pieces;
        };
        if (pieces.size() == 3) return offer(score);  // the limit: taken as it is
        const auto p = next_log_p(model, from, pieces);
        offer(score + p[3]);
        for (int32_t v = 0; v < 7; ++v)
          if (v != 3 && !std::isinf(p[static_cast<size_t>(v)])) {
            Text longer = pieces;
            longer.push_back(v);
            visit(longer, score + p[static_cast<size_t>(v)]);
          }
      };
      visit({}, 0);
      EXPECT_EQ(model.translate(views({from}), {.beam = 200, .length_penalty = alpha, .extra = 2})[0], best) << alpha;
    }
  }
}

TEST_F(DecodingTest, SentencesInABatchAreSearchedIndependently) {
  const std::vector<Text> texts = {{4, 5, 6}, {6}, {5, 5, 1, 4, 6}};
  const Decoding how{.beam = 3, .extra = 3};
  const auto together = model.translate(views(texts), how);
  for (size_t k = 0; k < texts.size(); ++k) EXPECT_EQ(model.translate(views({texts[k]}), how)[0], together[k]) << k;
}

}  // namespace
}  // namespace tacet::transformer_test
