// GPT-2 and AWD-GRU beside definitions of them in torch's own modules; known parameter counts; what is carried between
// batches. AWD-LSTM's arithmetic is witnessed by tests/oracle.
#include <gtest/gtest.h>
#include <torch/nn.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>

#include "gradients.h"
#include "models/text/awd_lstm.h"
#include "models/text/gpt2.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "tacet/error.h"
#include "tacet/flat_module.h"
#include "tacet/language_model.h"
#include "tacet/registry.h"

namespace tacet::language_models_test {
namespace {

using test::Names;

const auto input = torch::tensor({{3, 1, 4}, {1, 5, 9}, {2, 6, 5}, {3, 5, 8}}, torch::kLong);  // [T = 4, B = 3]
const auto target = torch::tensor({1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9}, torch::kLong);

// ---- GPT-2 ----

Gpt2Options tiny() {
  return {.vocabulary = 10, .layers = 2, .width = 8, .heads = 2, .context = 6, .dropout = 0, .attention_dropout = 0};
}

struct Gpt2Witness : torch::nn::Module {
  explicit Gpt2Witness(const Gpt2Options& options) : o(options) {
    wte = register_module("wte", torch::nn::Embedding(o.vocabulary, o.width));
    wpe = register_module("wpe", torch::nn::Embedding(o.context, o.width));
    last = register_module("last", torch::nn::LayerNorm(torch::nn::LayerNormOptions({o.width})));
    for (int64_t l = 0; l < o.layers; ++l) {
      const std::string k = std::to_string(l);
      before.push_back(register_module("before" + k, torch::nn::LayerNorm(torch::nn::LayerNormOptions({o.width}))));
      attn.push_back(register_module("attn" + k, torch::nn::MultiheadAttention(o.width, o.heads)));
      middle.push_back(register_module("middle" + k, torch::nn::LayerNorm(torch::nn::LayerNormOptions({o.width}))));
      up.push_back(register_module("up" + k, torch::nn::Linear(o.width, 4 * o.width)));
      down.push_back(register_module("down" + k, torch::nn::Linear(4 * o.width, o.width)));
    }
  }
  torch::Tensor loss() {
    const int64_t T = input.size(0);
    torch::Tensor x = wte(input) + wpe(torch::arange(T)).unsqueeze(1);  // [T, B, C]
    const auto later = torch::full({T, T}, -1e30f).triu(1);             // added to the scores: not allowed to look
    for (size_t l = 0; l < attn.size(); ++l) {
      const auto y = before[l](x);
      x = x + std::get<0>(attn[l]->forward(y, y, y, {}, true, later, true));
      const auto h = up[l](middle[l](x));
      // Hendrycks and Gimpel's approximation, written out.
      const auto gelu = 0.5 * h * (1 + torch::tanh(std::sqrt(2 / M_PI) * (h + 0.044715 * h.pow(3))));
      x = x + down[l](gelu);
    }
    return torch::nn::functional::cross_entropy(torch::matmul(last(x), wte->weight.t()).reshape({-1, o.vocabulary}), target);
  }
  Names names() const {
    Names n = {{"wte.weight", "wte.weight"}, {"wpe.weight", "wpe.weight"}};
    const auto both = [&](const std::string& theirs, const std::string& ours) {
      for (const char* part : {".weight", ".bias"}) n[theirs + part] = ours + part;
    };
    both("last", "ln_f");
    for (int64_t l = 0; l < o.layers; ++l) {
      const std::string k = std::to_string(l), h = "h." + k;
      both("before" + k, h + ".ln_1");
      n["attn" + k + ".in_proj_weight"] = h + ".attn.qkv.weight";
      n["attn" + k + ".in_proj_bias"] = h + ".attn.qkv.bias";
      both("attn" + k + ".out_proj", h + ".attn.out");
      both("middle" + k, h + ".ln_2");
      both("up" + k, h + ".mlp.in");
      both("down" + k, h + ".mlp.out");
    }
    return n;
  }
  Gpt2Options o;
  torch::nn::Embedding wte{nullptr}, wpe{nullptr};
  torch::nn::LayerNorm last{nullptr};
  std::vector<torch::nn::LayerNorm> before, middle;
  std::vector<torch::nn::MultiheadAttention> attn;
  std::vector<torch::nn::Linear> up, down;
};

// Weights away from their start, where biases are 0 and layer norms 1, so that no mistake in them hides.
void shake(torch::nn::Module& m) {
  const torch::NoGradGuard no_grad;
  int k = 0;
  for (auto& [name, p] : test::parameters_of(m))
    p.add_(0.3 * torch::sin(torch::arange(p.numel(), torch::kFloat) + ++k).view(p.sizes()));
}

TEST(Gpt2, AgreesWithTorchsModules) {
  Gpt2 model(tiny(), 3);
  shake(model);
  Gpt2Witness witness(tiny());
  test::copy_weights(model, witness, witness.names());
  const auto ours = model.loss(input, target, nullptr), theirs = witness.loss();
  EXPECT_NEAR(ours.item<double>(), theirs.item<double>(), 1e-5);
  ours.backward();
  theirs.backward();
  test::expect_same_gradients(model, witness, witness.names());
}

// The published count of GPT-2 small, 124,439,808: 50257·768 + 1024·768 + 12·(12·768² + 13·768) + 2·768.
TEST(Gpt2, TheSmallSizeHasTheKnownNumberOfParameters) {
  Gpt2 model({.vocabulary = 50257}, 1);
  EXPECT_EQ(FlatModule(model).parameters().numel(), 124'439'808);
}

TEST(Gpt2, SeesNothingOfWhatFollows) {
  Gpt2 model(tiny(), 3);
  const auto words = input.t();
  auto changed = words.clone();
  changed.index_put_({torch::indexing::Slice(), 3}, 0);
  const auto a = model.logits(words, nullptr), b = model.logits(changed, nullptr);
  EXPECT_TRUE(torch::equal(a.narrow(1, 0, 3), b.narrow(1, 0, 3)));
  EXPECT_FALSE(torch::allclose(a.narrow(1, 3, 1), b.narrow(1, 3, 1)));
}

TEST(Gpt2, MatricesStartWithTheStatedDeviations) {
  Gpt2 model({.vocabulary = 500, .layers = 8, .width = 64, .heads = 4}, 1);
  const auto p = test::parameters_of(model);
  EXPECT_NEAR(p.at("wte.weight").std().item<double>(), 0.02, 0.001);
  EXPECT_NEAR(p.at("h.3.attn.qkv.weight").std().item<double>(), 0.02, 0.001);
  EXPECT_NEAR(p.at("h.3.attn.out.weight").std().item<double>(), 0.02 / 4, 0.0003);  // √(2·8) = 4
  EXPECT_EQ(p.at("h.3.mlp.out.bias").abs().sum().item<double>(), 0);
}

TEST(Gpt2, EachDropoutChangesTheLossAndIsAFunctionOfTheDraw) {
  const auto run = [](double residual, double weights, int64_t step, bool training) {
    Gpt2Options o = tiny();
    o.dropout = residual;
    o.attention_dropout = weights;
    Gpt2 model(o, 3);
    const BatchKey draw{.seed = 1, .step = step};
    return model.loss(input, target, training ? &draw : nullptr).item<double>();
  };
  const double plain = run(0, 0, 0, true);
  for (const auto& [a, b] : {std::pair{0.5, 0.0}, {0.0, 0.5}}) {
    EXPECT_NE(run(a, b, 0, true), plain);
    EXPECT_EQ(run(a, b, 0, true), run(a, b, 0, true));
    EXPECT_NE(run(a, b, 0, true), run(a, b, 1, true));
    EXPECT_EQ(run(a, b, 0, false), plain);
  }
}

// ---- AWD-GRU ----

AwdLstmOptions gru() {
  AwdLstmOptions o;
  o.vocabulary = 10;
  o.cell = Cell::gru;
  o.layers = 2;
  o.embedding = 6;
  o.hidden = 5;
  o.output_dropout = o.hidden_dropout = o.input_dropout = o.embedding_dropout = o.weight_drop = 0;
  o.alpha = o.beta = 0;
  return o;
}

struct GruWitness : torch::nn::Module {
  GruWitness() {
    embedding = register_module("embedding", torch::nn::Embedding(10, 6));
    a = register_module("a", torch::nn::GRU(6, 5));
    b = register_module("b", torch::nn::GRU(5, 6));
    bias = register_parameter("bias", torch::zeros({10}));
  }
  torch::Tensor loss() {
    auto [x, ha] = a(embedding(input), state_a);
    auto [y, hb] = b(x, state_b);
    state_a = ha.detach();
    state_b = hb.detach();
    return torch::nn::functional::cross_entropy(torch::matmul(y, embedding->weight.t()).view({-1, 10}) + bias, target);
  }
  static Names names() {
    Names n = {{"embedding.weight", "encoder.weight"}, {"bias", "decoder.bias"}};
    for (const char* part : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
      n[std::string("a.") + part + "_l0"] = std::string("rnns.0.") + part;
      n[std::string("b.") + part + "_l0"] = std::string("rnns.1.") + part;
    }
    return n;
  }
  torch::nn::Embedding embedding{nullptr};
  torch::nn::GRU a{nullptr}, b{nullptr};
  torch::Tensor bias, state_a = torch::zeros({1, 3, 5}), state_b = torch::zeros({1, 3, 6});
};

// Twice the same batch: the second time both start from the state that the first one left.
TEST(AwdGru, AgreesWithTorchsModulesAndCarriesItsState) {
  AwdLstm model(gru(), Stream(1, 0, Purpose::initial_weights, 0, 0));
  GruWitness witness;
  test::copy_weights(model, witness, GruWitness::names());
  auto state = model.zero_state(3);
  for (int k = 0; k < 2; ++k) {
    const auto ours = model.loss(input, target, state, nullptr).objective, theirs = witness.loss();
    EXPECT_NEAR(ours.item<double>(), theirs.item<double>(), 1e-6);
    ours.backward();
    theirs.backward();
    test::expect_same_gradients(model, witness, GruWitness::names());
  }
}

// 10000·400 + [3·1150·(400 + 1150) + 2·3450] + [3·1150·2300 + 2·3450] + [3·400·(1150 + 400) + 2·1200] + 10000 = 19,168,700.
TEST(AwdGru, HasThreeQuartersOfTheLstmsRecurrentParameters) {
  AwdLstmOptions o;
  o.vocabulary = 10000;
  o.cell = Cell::gru;
  AwdLstm model(o, Stream(1, 0, Purpose::initial_weights, 0, 0));
  EXPECT_EQ(FlatModule(model).parameters().numel(), 19'168'700);
}

// Four streams a layer: the 64th layer had none left.
TEST(AwdGru, MayHaveManyLayers) {
  AwdLstmOptions o = gru();
  o.layers = 100;
  AwdLstm model(o, Stream(1, 0, Purpose::initial_weights, 0, 0));
  auto state = model.zero_state(3);
  EXPECT_TRUE(std::isfinite(model.loss(input, target, state, nullptr).objective.item<double>()));
}

// ---- from a recipe ----

Values keys(const std::string& name, const test::Given& given) { return test::row_values(find_model(name), given); }

TEST(LanguageModels, EachCarriesWhatItsKindDoes) {
  const test::Given small = {{"hidden", int64_t{5}}, {"embedding", int64_t{4}}};
  EXPECT_EQ(make_language_model(keys("awd-lstm", small), 10, 1)->zero_state(3).size(), 6u);  // h and c of 3 layers
  EXPECT_EQ(make_language_model(keys("awd-gru", small), 10, 1)->zero_state(3).size(), 3u);
  const auto gpt2 = make_language_model(keys("gpt2", {{"layers", int64_t{1}}, {"width", int64_t{12}}}), 10, 1);
  EXPECT_TRUE(gpt2->zero_state(3).empty());
  EXPECT_EQ(gpt2->context(), 1024);
}

TEST(LanguageModels, HeadsMustDivideTheWidth) {
  const Values odd = keys("gpt2", {{"width", int64_t{10}}, {"heads", int64_t{4}}});
  test::expect_mentions(test::error_of([&] { make_language_model(odd, 10, 1); }),
                        {"model.heads must divide model.width = 10, got 4"});
}

}  // namespace
}  // namespace tacet::language_models_test
