// Rules that every row of the table of models must keep, whatever its network.
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/test_name.h"
#include "tacet/flat_module.h"
#include "tacet/image_model.h"
#include "tacet/language_model.h"
#include "tacet/registry.h"

namespace tacet::every_model_test {
namespace {

// Returns the row's defaults, with sizes so small that every network is made and run in moments.
Values small(const ModelInfo& row) {
  static const std::map<std::string, int64_t> sizes = {{"width", 4},     {"layers", 1}, {"heads", 2},
                                                       {"embedding", 4}, {"hidden", 6}, {"context", 16}};
  Values values;
  values.set("name", row.name);
  for (const Option& o : row.options)
    if (o.fallback) values.set(o.name, sizes.count(o.name) ? Value(sizes.at(o.name)) : *o.fallback);
  return values;
}

struct EveryModel : testing::TestWithParam<std::string> {
  const ModelInfo& row() const { return find_model(GetParam()); }
};

TEST_P(EveryModel, HasAWholeRow) {
  EXPECT_FALSE(row().paper.empty() || row().summary.empty() || row().task.empty());
  EXPECT_EQ(static_cast<bool>(row().image), row().task == "classification");
  EXPECT_EQ(static_cast<bool>(row().language), row().task == "language-model");
  std::set<std::string> keys;
  for (const Option& o : row().options) {
    EXPECT_TRUE(keys.insert(o.name).second) << o.name;
    EXPECT_FALSE(o.doc.empty()) << o.name;
    if (o.fallback) {
      EXPECT_EQ(complaint(o, *o.fallback), std::nullopt) << o.name;
    }
  }
  EXPECT_EQ(keys.count("init"), row().task == "function" ? 0u : 1u);
}

// The key that makes an option used is one of the row or of [data], and the values that do so are values it allows.
TEST_P(EveryModel, NamesKeysInItsConditionsOfUse) {
  for (const Option& o : row().options)
    for (const OnlyWith& condition : o.only_with) {
      if (condition.key.starts_with("data.")) continue;
      const Option* other = nullptr;
      for (const Option& candidate : row().options)
        if (candidate.name == condition.key) other = &candidate;
      ASSERT_TRUE(other) << o.name << ": " << condition.key;
      for (const Value& value : condition.values) EXPECT_EQ(complaint(*other, value), std::nullopt) << o.name;
    }
}

// A module whose last matrix is the head, with torch's name of an attention before it.
TEST(FlatModuleRoles, AttentionIsNoHead) {
  torch::nn::Module module;
  module.register_parameter("embedding", at::ones({3, 2}));
  auto attention = std::make_shared<torch::nn::Module>("multihead_attn");
  attention->register_parameter("in_proj_weight", at::ones({6, 2}));
  module.register_module("multihead_attn", attention);
  module.register_parameter("lm_head", at::ones({3, 2}));
  const FlatModule flat(module);
  for (const Layer& l : flat.layers())
    EXPECT_EQ(l.role, l.name == "embedding" ? Role::embedding : l.name == "lm_head" ? Role::head : Role::matrix) << l.name;
}

// Hugging Face's GPT-2 has its embeddings in a module named "transformer".
TEST(FlatModuleRoles, EmbeddingsWithinAModuleAreEmbeddings) {
  torch::nn::Module module;
  for (const char* name : {"wte", "c_attn"}) {
    auto part = std::make_shared<torch::nn::Module>(name);
    part->register_parameter("weight", at::ones({3, 2}));
    auto outer = std::make_shared<torch::nn::Module>(name);
    outer->register_module(name, part);
    module.register_module(std::string("in_") + name, outer);
  }
  const FlatModule flat(module);
  EXPECT_EQ(flat.layers()[0].role, Role::embedding) << flat.layers()[0].name;  // in_wte.wte.weight
  EXPECT_EQ(flat.layers()[1].role, Role::matrix) << flat.layers()[1].name;
}

TEST_P(EveryModel, GivesLogitsOfImages) {
  if (!row().image) GTEST_SKIP() << "no image model";
  if (row().name == "torchscript") GTEST_SKIP() << "it is a file of one's own: python/tests/test_torchscript.py writes one";
  const auto model = make_image_model(small(row()), {.channels = 3, .height = 64, .width = 64, .classes = 7},
                                      Stream(1, Stream::everyone, Purpose::initial_weights, 0, 0));
  const FlatModule flat(*model);
  EXPECT_GT(flat.parameters().numel(), 0);
  for (const Layer& l : flat.layers())  // the head makes the 7 outputs
    EXPECT_EQ(l.role, l.shape.size() < 2 ? Role::vector : l.shape[0] == 7 ? Role::head : Role::matrix) << l.name;
  model->eval();
  const at::Tensor logits = model->forward(at::full({2, 3, 64, 64}, 0.5), nullptr);
  EXPECT_EQ(logits.sizes().vec(), (std::vector<int64_t>{2, 7}));
  EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
}

// At small initial weights all words are about equally likely: the loss is about ln V.
TEST_P(EveryModel, StartsNearTheUniformLossOfWords) {
  if (!row().language) GTEST_SKIP() << "no language model";
  const auto model = make_language_model(small(row()), 11, 1);
  const FlatModule flat(model->module());
  int embeddings = 0;
  for (const Layer& l : flat.layers()) {
    embeddings += l.role == Role::embedding;
    if (l.shape.size() > 1 && l.shape[0] == 11) {
      EXPECT_TRUE(l.role == Role::embedding || l.role == Role::head) << l.name;
    }
    EXPECT_EQ(l.role == Role::vector, l.shape.size() < 2) << l.name;
  }
  EXPECT_GE(embeddings, 1);
  const at::Tensor input = at::arange(12).remainder(11).view({4, 3}), target = at::arange(1, 13).remainder(11);
  LanguageModel::State state = model->zero_state(3);
  const size_t parts = state.size();
  const auto loss = model->loss(input, target, state, nullptr);
  EXPECT_NEAR(loss.cross_entropy.item<double>(), std::log(11.0), 0.2);
  EXPECT_EQ(state.size(), parts);
  for (const at::Tensor& t : state) EXPECT_FALSE(t.requires_grad());
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const ModelInfo& row : models()) all.push_back(row.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Models, EveryModel, testing::ValuesIn(names()),
                         [](const auto& param_info) { return test::test_name(param_info.param); });

}  // namespace
}  // namespace tacet::every_model_test
