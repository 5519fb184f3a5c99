// The classifiers of texts beside a definition in torch's own modules that reads one sentence at a time, without packing or
// padding; the known parameter count; the losses; dropout.
#include "models/text/text_classifier.h"

#include <gtest/gtest.h>
#include <torch/nn.h>
#include <torch/types.h>

#include "gradients.h"
#include "tacet/flat_module.h"

namespace tacet::text_classifier_test {
namespace {

using test::Names;

// Sentences of different lengths, not in order of length, two of the same.
const std::vector<std::vector<int32_t>> first = {{3, 1, 4}, {1}, {5, 9, 2, 6, 5}, {3, 5, 8}};
const std::vector<std::vector<int32_t>> second = {{2, 7}, {1, 8, 2, 8}, {1}, {8, 2, 8, 4, 5, 9}};
const auto labels = torch::tensor({2, 0, 1, 2}, torch::kLong);

std::vector<TextView> views(const std::vector<std::vector<int32_t>>& texts) { return {texts.begin(), texts.end()}; }

TextClassifierOptions tiny(bool pair, Cell cell, bool both, Pooling pooling) {
  TextClassifierOptions o;
  o.vocabulary = 10;
  o.classes = 3;
  o.pair = pair;
  o.cell = cell;
  o.embedding = 4;
  o.hidden = 5;
  o.layers = 2;
  o.bidirectional = both;
  o.pooling = pooling;
  o.mlp_hidden = 6;
  return o;
}

// One recurrent module of torch over one sentence [T, E] → outputs [T, D·H] and final states [D, H] of the last layer.
struct Witness : torch::nn::Module {
  explicit Witness(const TextClassifierOptions& options) : o(options) {
    embedding = register_module("embedding", torch::nn::Embedding(o.vocabulary, o.embedding));
    if (o.cell == Cell::lstm)
      lstm = register_module(
          "rnn", torch::nn::LSTM(
                     torch::nn::LSTMOptions(o.embedding, o.hidden).num_layers(o.layers).bidirectional(o.bidirectional)));
    else if (o.cell == Cell::gru)
      gru = register_module(
          "rnn",
          torch::nn::GRU(torch::nn::GRUOptions(o.embedding, o.hidden).num_layers(o.layers).bidirectional(o.bidirectional)));
    else
      rnn = register_module(
          "rnn",
          torch::nn::RNN(torch::nn::RNNOptions(o.embedding, o.hidden).num_layers(o.layers).bidirectional(o.bidirectional)));
    const int64_t features = (o.pair ? 4 : 1) * (o.bidirectional ? 2 : 1) * o.hidden;
    a = register_module("a", torch::nn::Linear(features, o.mlp_hidden));
    b = register_module("b", torch::nn::Linear(o.mlp_hidden, o.mlp_hidden));
    c = register_module("c", torch::nn::Linear(o.mlp_hidden, o.classes));
  }
  torch::Tensor vector(const std::vector<int32_t>& text) {
    const auto x = embedding(torch::tensor(std::vector<int64_t>(text.begin(), text.end()))).unsqueeze(1);  // [T, 1, E]
    torch::Tensor out, last;
    if (o.cell == Cell::lstm) {
      std::tuple<torch::Tensor, torch::Tensor> state;
      std::tie(out, state) = lstm(x);
      last = std::get<0>(state);
    } else if (o.cell == Cell::gru) {
      std::tie(out, last) = gru(x);
    } else {
      std::tie(out, last) = rnn(x);
    }
    if (o.pooling == Pooling::max) return out.squeeze(1).amax(0);
    if (o.pooling == Pooling::mean) return out.squeeze(1).mean(0);
    return last.slice(0, last.size(0) - (o.bidirectional ? 2 : 1)).reshape({-1});
  }
  torch::Tensor scores() {
    std::vector<torch::Tensor> rows;
    for (size_t k = 0; k < first.size(); ++k) {
      torch::Tensor u = vector(first[k]);
      if (o.pair) {
        const torch::Tensor v = vector(second[k]);
        u = torch::cat({u, v, torch::abs(u - v), u * v});
      }
      rows.push_back(u);
    }
    return c(torch::tanh(b(torch::tanh(a(torch::stack(rows))))));
  }
  Names names() const {
    Names n = {{"embedding.weight", "embedding.weight"}};
    for (int64_t l = 0; l < o.layers; ++l)
      for (const char* part : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"})
        for (const char* suffix : {"", "_reverse"})
          if (o.bidirectional || !*suffix)
            n["rnn." + std::string(part) + "_l" + std::to_string(l) + suffix] =
                "encoder." + std::to_string(l) + "." + part + suffix;
    int k = 0;
    for (const char* layer : {"a", "b", "c"}) {
      for (const char* part : {"weight", "bias"})
        n[std::string(layer) + "." + part] = "classifier." + std::to_string(k) + "." + part;
      ++k;
    }
    return n;
  }
  TextClassifierOptions o;
  torch::nn::Embedding embedding{nullptr};
  torch::nn::LSTM lstm{nullptr};
  torch::nn::GRU gru{nullptr};
  torch::nn::RNN rnn{nullptr};
  torch::nn::Linear a{nullptr}, b{nullptr}, c{nullptr};
};

class Classifier : public testing::TestWithParam<std::tuple<bool, Cell, bool, Pooling>> {};

TEST_P(Classifier, AgreesWithTorchsModulesOneSentenceAtATime) {
  const auto o = std::apply(tiny, GetParam());
  TextClassifier model(o, {}, 7);
  Witness witness(o);
  test::copy_weights(model, witness, witness.names());
  const auto ours = model.scores(views(first), o.pair ? views(second) : std::vector<TextView>{}, nullptr);
  const auto theirs = witness.scores();
  test::expect_near(ours, theirs, "scores");
  model.loss(ours, labels).backward();
  torch::nn::functional::cross_entropy(theirs, labels,
                                       torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum))
      .backward();
  test::expect_same_gradients(model, witness, witness.names());
}

INSTANTIATE_TEST_SUITE_P(EveryEncoder, Classifier,
                         testing::Combine(testing::Bool(), testing::Values(Cell::rnn, Cell::gru, Cell::lstm),
                                          testing::Bool(), testing::Values(Pooling::max, Pooling::mean, Pooling::last)));

// Conneau et al.'s BiLSTM-max of width 2048 on vectors of width 300 that are not trained, with its classifier of width 512:
// encoder 2·(4·2048·(300 + 2048) + 2·4·2048) = 38,502,400, the paper's "about 40M"; classifier 4·4096·512 + 512 + 512² + 512
// + 3·512 + 3 = 8,653,315.
TEST(TextClassifierSize, ThePapersNetworkHasTheKnownNumberOfParameters) {
  TextClassifierOptions o;
  o.vocabulary = 2;
  o.classes = 3;
  TextClassifier model(o, torch::zeros({2, 300}), 1);
  EXPECT_EQ(FlatModule(model).parameters().numel(), 38'502'400 + 8'653'315);
}

// Two rows of scores: (2, 5, 1) with label 0 violates by 1 + 5 − 2 = 4, (0, 3, 1) with label 1 by max(0, 1 + 1 − 3) = 0.
TEST(TextClassifierLoss, HingeTakesTheLargestViolationOnly) {
  TextClassifierOptions o = tiny(false, Cell::rnn, false, Pooling::last);
  o.hinge = true;
  TextClassifier model(o, {}, 1);
  const auto scores = torch::tensor({{2.0f, 5.0f, 1.0f}, {0.0f, 3.0f, 1.0f}}).requires_grad_();
  const auto loss = model.loss(scores, torch::tensor({0, 1}, torch::kLong));
  EXPECT_EQ(loss.item<float>(), 4);
  loss.backward();
  EXPECT_TRUE(torch::equal(scores.grad(), torch::tensor({{-1.0f, 1.0f, 0.0f}, {0.0f, 0.0f, 0.0f}})));
}

TEST(TextClassifierVectors, FrozenOnesAreNoParameterAndOthersAreTrained) {
  TextClassifierOptions o = tiny(false, Cell::gru, false, Pooling::max);
  const auto vectors = torch::arange(40, torch::kFloat).view({10, 4}) / 40;
  TextClassifier frozen(o, vectors, 1);
  EXPECT_EQ(test::parameters_of(frozen).count("embedding.weight"), 0u);
  o.frozen = false;
  TextClassifier trained(o, vectors, 1);
  EXPECT_TRUE(torch::equal(test::parameters_of(trained).at("embedding.weight"), vectors));
  const auto a = frozen.scores(views(first), {}, nullptr);
  o.embedding = 5;
  EXPECT_THROW(TextClassifier(o, vectors, 1), std::exception);
}

TEST(TextClassifierDropout, IsAFunctionOfTheDrawAndAbsentInEvaluation) {
  TextClassifierOptions o = tiny(true, Cell::lstm, true, Pooling::max);
  const auto run = [&](double layers, double mlp, int64_t step, bool training) {
    o.dropout = layers;
    o.mlp_dropout = mlp;
    TextClassifier model(o, {}, 1);
    const BatchKey draw{.seed = 1, .client = 2, .round = 3, .step = step};
    return model.scores(views(first), views(second), training ? &draw : nullptr);
  };
  const auto plain = run(0, 0, 0, true);
  for (const auto& [layers, mlp] : {std::pair{0.5, 0.0}, {0.0, 0.5}}) {
    EXPECT_FALSE(torch::equal(run(layers, mlp, 0, true), plain));
    EXPECT_TRUE(torch::equal(run(layers, mlp, 0, true), run(layers, mlp, 0, true)));
    EXPECT_FALSE(torch::equal(run(layers, mlp, 0, true), run(layers, mlp, 1, true)));
    EXPECT_TRUE(torch::equal(run(layers, mlp, 0, false), plain));
  }
}

}  // namespace
}  // namespace tacet::text_classifier_test
