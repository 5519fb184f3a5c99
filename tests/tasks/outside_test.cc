// Models, data sets, a task and an objective that tacet does not know, added through public headers only and trained from
// recipes.
#include <cmath>
#include <limits>
#include <stdexcept>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "support/error_of.h"
#include "tacet/corpus.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/image_data.h"
#include "tacet/image_model.h"
#include "tacet/language_model.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"
#include "tacet/train.h"

namespace {

using tacet::Option;
using tacet::OptionList;
using tacet::Values;

// ---- an image model and an image data set ----

struct TemplateOptions {
  double scale = 1;
  bool centred = false;
  void options(OptionList& o) {
    o.number("scale", scale, scale, tacet::above(0), "of the scores");
    o.flag("batch_norm", centred, centred, "a batch's mean is taken off");  // networks of tacet have a text of that name
  }
};

// Scores are scale · T x, with a template of each class in T [classes, C·H·W], which starts at 0.
class Templates : public tacet::ImageModel {
 public:
  Templates(const TemplateOptions& o, const tacet::ImageShape& shape)
      : scale_(o.scale),
        centred_(o.centred),
        templates_(register_parameter("templates", at::zeros({shape.classes, shape.size()}))) {}
  at::Tensor forward(const at::Tensor& x, const tacet::Stream*) override {
    const at::Tensor flat = x.flatten(1);
    return scale_ * (centred_ ? flat - flat.mean(0) : flat).matmul(templates_.t());
  }

 private:
  double scale_;
  bool centred_;
  at::Tensor templates_;
};

struct StripeOptions {
  int64_t images = 64;
  void options(OptionList& o) { o.integer("images", images, images, tacet::within(8, 1e6), "in the training set"); }
};

// 4 × 4 images with lit rows (class 0) or lit columns (class 1).
tacet::ImageSplit stripes(int64_t count) {
  at::Tensor bytes = at::zeros({count, 4, 4}, at::kByte);
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(static_cast<int32_t>(i % 2));
    bytes[i].select(i % 2, i / 2 % 2).fill_(255);
  }
  return tacet::split_of_bytes(bytes, labels, 2, "stripes");
}

tacet::ImageData read_stripes(const Values& data) {
  const auto o = tacet::read_options<StripeOptions>(data);
  tacet::ImageData set;
  set.shape = {.channels = 1, .height = 4, .width = 4, .classes = 2};
  set.train = stripes(o.images);
  set.test = stripes(16);
  set.mean = {0};
  set.deviation = {1};
  return set;
}

// ---- a language model and a corpus ----

// The next word's scores are the word's row of a table [V, V], which starts at 0.
class Bigrams : public tacet::LanguageModel, public torch::nn::Module {
 public:
  explicit Bigrams(int64_t vocabulary) : table_(register_parameter("table", at::zeros({vocabulary, vocabulary}))) {}
  torch::nn::Module& module() override { return *this; }
  State zero_state(int64_t) const override { return {}; }
  Loss loss(const at::Tensor& input, const at::Tensor& target, State&, const tacet::BatchKey*) override {
    const at::Tensor loss = at::cross_entropy_loss(at::embedding(table_, input.reshape({-1})), target);
    return {loss, loss};
  }

 private:
  at::Tensor table_;
};

// Three words in turn.
tacet::Corpus three_words(const Values&) {
  tacet::Corpus corpus{.vocabulary = {"a", "b", "c"}};
  const auto fill = [](std::vector<int32_t>& tokens, int count) {
    for (int k = 0; k < count; ++k) tokens.push_back(k % 3);
  };
  fill(corpus.train, 600);
  fill(corpus.valid, 90);
  fill(corpus.test, 90);
  return corpus;
}

// ---- a task, and an objective without one ----

struct DisagreementOptions {
  double second = 3;
  void options(OptionList& o) { o.number("second", second, second, {}, "the second client's opinion"); }
};

// f_i(x) = ½ (x − b_i)², b = (1, second), from x = 0.
class Disagreement : public tacet::Objective {
 public:
  explicit Disagreement(double second = 3) : second_(second) {}
  const std::vector<tacet::Layer>& layers() const override { return layers_; }
  tacet::Vec initial() override { return at::zeros({1}); }
  tacet::Vec workspace() override { return x_; }
  tacet::Vec buffers() override { return none_; }
  tacet::Vec gradient_buffer() override { return g_; }
  int64_t training_samples() const override { return 2; }
  tacet::BatchLoss gradient(const tacet::BatchKey& draw, const tacet::Vec& y) override {
    const double off = y.item<double>() - (draw.client == 0 ? 1 : second_);
    g_.fill_(off);
    return {off * off / 2, 1};
  }

 private:
  double second_;
  std::vector<tacet::Layer> layers_ = {{"x", 0, 1, {1}}};
  tacet::Vec x_ = at::zeros({1}), g_ = at::zeros({1}), none_ = at::zeros({0});
};

// Adds all of them once.
struct Outside : testing::Test {
  static void SetUpTestSuite() {
    tacet::add_model(
        {.name = "templates",
         .paper = "this test",
         .summary = "a template of each class",
         .task = "classification",
         .options = tacet::options_of<TemplateOptions>(),
         .image = [](const Values& model, const tacet::ImageShape& shape, const tacet::Stream&, tacet::Precision) {
           return std::make_shared<Templates>(tacet::read_options<TemplateOptions>(model), shape);
         }});
    tacet::add_dataset({.name = "stripes",
                        .paper = "this test",
                        .summary = "rows and columns",
                        .task = "classification",
                        .options = tacet::image_options(tacet::options_of<StripeOptions>()),
                        .images = read_stripes});
    tacet::add_dataset({.name = "flawed-stripes",
                        .paper = "this test",
                        .summary = "rows and columns with a number that is not finite",
                        .task = "classification",
                        .options = tacet::image_options(std::vector<Option>{}),
                        .images = [](const Values&) {
                          tacet::ImageData set = read_stripes({});
                          set.train.read = [read = set.train.read](int64_t i, float* out, tacet::Stream* augment) {
                            read(i, out, augment);
                            if (i == 5) out[3] = std::numeric_limits<float>::quiet_NaN();
                          };
                          return set;
                        }});
    tacet::add_dataset({.name = "stripes-without-a-test",
                        .paper = "this test",
                        .summary = "rows and columns to train with",
                        .task = "classification",
                        .options = tacet::image_options(std::vector<Option>{}),
                        .images = [](const Values&) {
                          tacet::ImageData set = read_stripes({});
                          set.test = {};
                          return set;
                        }});
    tacet::add_model({.name = "bigrams",
                      .paper = "this test",
                      .summary = "a table of pairs of words",
                      .task = "language-model",
                      .language = [](const Values&, int64_t vocabulary, uint64_t, tacet::Precision) {
                        return std::make_unique<Bigrams>(vocabulary);
                      }});
    tacet::add_dataset({.name = "three-words",
                        .paper = "this test",
                        .summary = "three words in turn",
                        .task = "language-model",
                        .options = tacet::corpus_options({}),
                        .corpus = three_words});
    tacet::add_dataset({.name = "words-to-train-with",
                        .paper = "this test",
                        .summary = "three words in turn",
                        .task = "language-model",
                        .options = tacet::corpus_options({}),
                        .corpus = [](const Values& data) {
                          tacet::Corpus corpus = three_words(data);
                          corpus.valid.clear(), corpus.test.clear();
                          return corpus;
                        }});
    tacet::add_model({.name = "one-number", .paper = "this test", .summary = "x", .task = "agreement"});
    tacet::add_dataset({.name = "two-opinions", .paper = "this test", .summary = "1 and 3", .task = "agreement"});
    tacet::add_task("agreement", [](const tacet::Recipe&, int) { return std::make_unique<Disagreement>(); });
    tacet::add_objective({.name = "disagreement",
                          .summary = "two clients and one number",
                          .options = tacet::options_of<DisagreementOptions>(),
                          .make = [](const tacet::Recipe& recipe, int) {
                            const auto o = tacet::read_options<DisagreementOptions>(recipe.objective);
                            return std::make_unique<Disagreement>(o.second);
                          }});
    tacet::add_objective({.name = "handed", .summary = "the caller hands it to train()"});
  }

  // Trains two clients for two rounds of celgc.
  static tacet::Result train(const std::string& data, const std::string& model, const std::string& eta) {
    tacet::Observer quiet;
    const auto group = tacet::single_group();
    return tacet::train(recipe(data, model, eta), *group, {}, quiet);
  }
  static tacet::Recipe recipe(const std::string& data, const std::string& model, const std::string& eta) {
    return recipe_of("[data]\n" + data + "\n[model]\n" + model + "\n", eta);
  }
  // Returns the recipe with these tables first.
  static tacet::Recipe recipe_of(const std::string& subject, const std::string& eta,
                                 const std::vector<std::string>& sets = {}) {
    return tacet::parse_recipe(subject + "[algorithm]\nname = \"celgc\"\ngamma = 100\ninterval = 5\neta = " + eta +
                                   "\n[clients]\ncount = 2\n[schedule]\nrounds = 2\n",
                               "outside.toml", sets);
  }
  static std::string error_in(const std::string& subject, const std::vector<std::string>& sets = {}) {
    return tacet::test::error_of([&] { recipe_of(subject, "1", sets); });
  }
};

TEST_F(Outside, AnImageModelLearnsAnImageDataSet) {
  const auto result = train("name = \"stripes\"\nimages = 32\nbatch_size = 8", "name = \"templates\"\nscale = 2.0", "0.5");
  EXPECT_EQ(result.rounds, 2);
  EXPECT_EQ(result.x.numel(), 2 * 16);
  EXPECT_LT(result.final.at("test").loss, 0.5 * std::log(2.0));  // ln 2 at the start, where all scores are 0
  EXPECT_EQ(result.final.at("test").accuracy, 1);
}

// Image 5 has a nan. The rates are not to blame, and the message does not say so.
TEST_F(Outside, AnImageThatIsNotFiniteIsNamed) {
  tacet::test::expect_mentions(
      tacet::test::error_of([] { train("name = \"flawed-stripes\"\nbatch_size = 8", "name = \"templates\"", "0.5"); }),
      {"the loss is not finite", "training image 5 (counted from 0) has values that are not finite"});
}

TEST_F(Outside, DataWithNothingToEvaluateIsAnError) {
  EXPECT_EQ(tacet::test::error_of([] { train("name = \"stripes-without-a-test\"", "name = \"templates\"", "0.5"); }),
            "data set stripes-without-a-test: there are no test images");
  EXPECT_EQ(
      tacet::test::error_of([] { train("name = \"words-to-train-with\"\nbatch_size = 2", "name = \"bigrams\"", "5"); }),
      "no text can be evaluated: the corpus has neither valid nor test");
}

TEST_F(Outside, ALanguageModelLearnsACorpus) {
  const auto result = train("name = \"three-words\"\nbatch_size = 2\nbptt = 10\neval_batch = 2", "name = \"bigrams\"", "5");
  EXPECT_EQ(result.x.numel(), 9);
  EXPECT_LT(result.final.at("test").loss, 0.5 * std::log(3.0));  // ln 3 at the start
}

// Five steps x ← x − ½ (x − b_i) leave x − b_i at 1/32 of where it was; the mean of the clients does so to x − 2.
TEST_F(Outside, ATaskMakesItsOwnObjective) {
  const auto result = train("name = \"two-opinions\"", "name = \"one-number\"", "0.5");
  EXPECT_NEAR(result.x.item<double>(), 2 - 2 * std::pow(0.5, 10), 1e-5);
}

TEST_F(Outside, AnObjectiveNeedsNoModelAndNoData) {
  tacet::Observer quiet;
  const tacet::Recipe r = recipe_of("[objective]\nname = \"disagreement\"\nsecond = 5\n", "0.5");
  const auto group = tacet::single_group();
  const auto result = tacet::train(r, *group, {}, quiet);
  EXPECT_NEAR(result.x.item<double>(), 3 - 3 * std::pow(0.5, 10), 1e-5);
  const std::string text = tacet::to_toml(r);
  EXPECT_TRUE(text.starts_with("[objective]\nname = \"disagreement\"\nsecond = 5.0\n\n[algorithm]\n")) << text;
  EXPECT_EQ(tacet::to_toml(tacet::parse_recipe(text, "again.toml")), text);
}

TEST_F(Outside, AnObjectiveIsHandedToTrain) {
  tacet::Observer quiet;
  const tacet::Recipe r = recipe_of("[objective]\nname = \"handed\"\n", "0.5");
  Disagreement objective(5);
  const auto group = tacet::single_group();
  const auto result = tacet::train(r, objective, *group, {}, quiet);
  EXPECT_NEAR(result.x.item<double>(), 3 - 3 * std::pow(0.5, 10), 1e-5);
  EXPECT_THROW(tacet::train(r, *group, {}, quiet), std::logic_error);
}

TEST_F(Outside, ARecipeHasOneSubject) {
  const std::string own = "[objective]\nname = \"disagreement\"\n";
  EXPECT_EQ(
      error_in(own + "[model]\nname = \"templates\"\n"),
      "outside.toml:3: model must not be given beside [objective]: an objective of the program's own has no model and no "
      "data set");
  EXPECT_EQ(
      error_in(own, {"data.name=stripes"}),
      "--set data.name: must not be given beside [objective]: an objective of the program's own has no model and no data "
      "set");
  EXPECT_EQ(error_in(""),
            "outside.toml:1: objective.name must be given (disagreement, handed), or data.name and model.name, "
            "got nothing");
  EXPECT_EQ(
      error_in("[objective]\nname = \"disagrement\"\n"),
      "outside.toml:2: objective.name must be one of disagreement, handed, got the string \"disagrement\"; did you mean "
      "disagreement?");
  EXPECT_EQ(error_in(own + "third = 1\n"),
            "outside.toml:3: objective.third is not a key of disagreement; its keys are name, "
            "second");
}

TEST_F(Outside, RowsHaveTheSharedKeysAndErrorsOfOurs) {
  EXPECT_THROW(recipe("name = \"stripes\"\nimages = 4", "name = \"templates\"", "1"), tacet::UserError);
  EXPECT_THROW(recipe("name = \"stripes\"", "name = \"bigrams\"", "1"), tacet::UserError);
  const auto r = recipe("name = \"stripes\"\npartition.kind = \"one-class\"", "name = \"templates\"\ninit = \"w\"", "1");
  EXPECT_EQ(r.data.integer("images"), 64);
  EXPECT_EQ(r.model.number("scale"), 1);
}

TEST_F(Outside, NamesAreTakenOnce) {
  EXPECT_THROW(tacet::add_model({.name = "templates", .task = "agreement"}), std::logic_error);
  EXPECT_THROW(tacet::add_model({.name = "other", .task = "classification"}), std::logic_error);
  EXPECT_THROW(tacet::add_model({.name = "other",
                                 .task = "language-model",
                                 .options = {{.name = "init", .kind = tacet::Kind::text}},
                                 .language = [](const Values&, int64_t vocabulary, uint64_t,
                                                tacet::Precision) { return std::make_unique<Bigrams>(vocabulary); }}),
               std::logic_error);
  EXPECT_THROW(tacet::add_dataset({.name = "mnist", .task = "agreement"}), std::logic_error);
  EXPECT_THROW(tacet::add_objective({.name = "handed"}), std::logic_error);
  EXPECT_THROW(tacet::add_task("classification", [](const tacet::Recipe&, int) { return std::make_unique<Disagreement>(); }),
               std::logic_error);
}

}  // namespace
