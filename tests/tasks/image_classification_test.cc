// Image classification as a whole: files, partition, network and method together. That neither placement nor stopping
// changes the answer, that evaluations are exact, and what batch normalisation's policies promise.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/files/safetensors.h"
#include "data/image_fixtures.h"
#include "data/images/images.h"
#include "engine/client_sampling.h"
#include "kernels/product/product.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/pass_on.h"
#include "support/placements.h"
#include "support/temp_folder.h"
#include "tacet/algorithm.h"
#include "tacet/task.h"
#include "tacet/train.h"
#include "train/evaluate.h"

namespace tacet {
namespace {

struct Classification : testing::Test {
  test::TempFolder data;
  test::Environment root{"TACET_DATA", data.path()}, home{"HOME", data.path()};
  Observer quiet;
  void SetUp() override { write_idx_set(data, 90, 31, 18, 3); }

  static std::string text(const std::string& model, const std::string& more_data = "", const std::string& clients = "",
                          const std::string& schedule = "rounds = 4") {
    return "[data]\nname = \"idx\"\nbatch_size = 8\neval_batch = 7\ncrop_padding = 1\nflip = true\n" + more_data +
           "\n[model]\n" + model +
           "\n[algorithm]\nname = \"celgc\"\neta = 0.05\ngamma = 0.2\ninterval = 3\nmomentum = 0.5\n" +
           "[clients]\ncount = 5\n" + clients + "\n[schedule]\n" + schedule + "\n";
  }
  static Recipe recipe(const std::string& t) { return parse_recipe(t, "test.toml"); }
};

const std::string cnn = "name = \"mnist-cnn\"\nhidden_dropout = 0.3\n";
std::string resnet(const std::string& policy) {
  return "name = \"resnet-20\"\nwidth = 2\nbatch_norm = \"" + policy + "\"\n";
}

const std::string bf16 = "[run]\ndtype = \"bf16\"\n";

struct Outcome {
  Vec x;
  double loss, accuracy;
};

Outcome outcome(const Result& r) { return {r.x, r.final.at("test").loss, r.final.at("test").accuracy}; }

// Weights and running statistics are those of the file; what else it holds is told.
TEST_F(Classification, InitialWeightsBringTheirRunningStatistics) {
  const auto first = make_objective(recipe(text(resnet("average"))), 5);
  first->buffers().copy_(at::arange(1, first->buffers().numel() + 1, at::kFloat));
  const std::string file = data / "first.safetensors";
  save_model(file, first->layers(), first->initial().add_(1), first->buffer_layers(), first->buffers());
  const auto with = [&](const std::string& init) {
    return make_objective(recipe(text(resnet("average") + "init = \"" + init + "\"\n")), 5);
  };
  const auto tuned = with(file);
  EXPECT_TRUE(at::equal(tuned->initial(), first->initial() + 1));
  EXPECT_TRUE(at::equal(tuned->buffers(), first->buffers()));

  const std::string other = data / "other.safetensors";
  std::vector<NamedTensor> tensors = read_safetensors(file);
  std::erase_if(tensors, [&](const NamedTensor& t) { return t.name == first->buffer_layers().back().name; });
  tensors.push_back({"head.old", at::zeros({2})});
  write_safetensors(other, tensors);
  const auto partly = with(other);
  EXPECT_FALSE(at::equal(partly->buffers().narrow(0, 0, 2), first->buffers().narrow(0, 0, 2)));
  const auto told = partly->notes();
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), [](const std::string& line) {
    return line.find("head.old") != std::string::npos && line.find("not this model's and not used") != std::string::npos;
  }));
}

class Placement : public Classification, public testing::WithParamInterface<std::string> {};

// Bitwise the same model and evaluation on 1, 2 and 5 ranks, with half the clients in a round.
TEST_P(Placement, DoesNotChangeTheAnswer) {
  for (const char* kind : {"kind = \"similarity\"\nsimilarity = 20", "kind = \"one-class\"\nevery_round = true"}) {
    const std::string t = text(GetParam(), "[data.partition]\n" + std::string(kind), "participating = 3");
    const auto run = [&](int ranks) {
      return test::on_ranks<Outcome>(ranks, [&](Group& group) { return outcome(train(recipe(t), group, {}, quiet)); });
    };
    const Outcome alone = run(1)[0];
    for (const int ranks : {2, 5})
      for (const Outcome& o : run(ranks)) {
        EXPECT_TRUE(at::equal(o.x, alone.x)) << ranks << " ranks, " << kind;
        EXPECT_EQ(o.loss, alone.loss);
        EXPECT_EQ(o.accuracy, alone.accuracy);
      }
  }
}

TEST_P(Placement, StoppingDoesNotChangeTheAnswer) {
  const test::TempFolder runs;
  const auto run = [&](const std::string& out, int rounds, bool resume) {
    const auto group = single_group();
    TrainOptions options;
    options.out = runs / out;
    options.resume = resume;
    return outcome(train(recipe(text(GetParam(), "", "participating = 3", "rounds = " + std::to_string(rounds))), *group,
                         options, quiet));
  };
  const Outcome whole = run("whole", 5, false);
  run("parts", 2, false);
  const Outcome parts = run("parts", 5, true);
  EXPECT_TRUE(at::equal(whole.x, parts.x));
  EXPECT_EQ(whole.loss, parts.loss);
}

std::vector<std::string> placed_models() {
  std::vector<std::string> all = {"name = \"logistic\"", cnn, resnet("average"), resnet("local"), resnet("none")};
  if (bf16_products()) all.insert(all.end(), {cnn + bf16, resnet("average") + bf16});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, Placement, testing::ValuesIn(placed_models()),
                         [](const auto& info_) { return "model" + std::to_string(info_.index); });

// run.dtype reaches the network: another gradient, and nearly the same one.
TEST_F(Classification, Bf16IsWhatTheRecipeAsksFor) {
  if (!bf16_products()) GTEST_SKIP() << "no bf16 in this build or on this processor";
  const auto gradient = [&](const std::string& model) {
    const auto objective = make_objective(recipe(text(model)), 5);
    objective->gradient({1, 2, 0, 0, 0}, objective->initial());
    return objective->gradient_buffer().clone();
  };
  for (const std::string& model : {cnn, resnet("none")}) {
    const Vec f32 = gradient(model), rounded = gradient(model + bf16);
    EXPECT_FALSE(at::equal(f32, rounded));
    EXPECT_LT((f32 - rounded).norm().item<double>(), 0.2 * f32.norm().item<double>());
  }
}

// 31 test images in units of 7: 5 units, of which the last has 3. The sums over the units are those of one pass over all.
TEST_F(Classification, EvaluationCountsEveryImageOnce) {
  const std::string all_in_one = text(cnn);
  const Recipe r = recipe(all_in_one), one = parse_recipe(all_in_one, "test.toml", {"data.eval_batch=100"});
  const auto units = make_objective(r, 5), whole = make_objective(one, 5);
  EXPECT_EQ(units->units("test"), 5);
  EXPECT_EQ(whole->units("test"), 1);
  const Vec x = units->initial();
  const auto group = single_group();
  const Score a = evaluate_all(*units, *group, "test", x), b = whole->evaluate("test", 0, x);
  EXPECT_EQ(a.count, 31);
  EXPECT_EQ(a.correct, b.correct);
  EXPECT_NEAR(a.loss, b.loss, 1e-5 * b.loss);
  EXPECT_TRUE(units->has_accuracy());
  EXPECT_FALSE(units->has_perplexity());
}

// Zero weights: every class has probability 1/3, so the loss is ln 3, and the first class is guessed: 11 of 31 images have
// it.
TEST_F(Classification, EvaluationOfAKnownModel) {
  const auto objective = make_objective(recipe(text("name = \"logistic\"")), 5);
  const auto group = single_group();
  const Score s = evaluate_all(*objective, *group, "test", at::zeros_like(objective->initial()));
  EXPECT_NEAR(s.loss / s.count, std::log(3.0), 1e-6);
  EXPECT_EQ(s.correct, 11);
}

// The gradient of softmax regression at zero weights, by hand: mean over the batch of (1/3 − [c = label])·pixel. The batch
// is found by giving one client all its samples: 18 of 90, batch of 18.
TEST_F(Classification, TheGradientIsThatOfSoftmaxRegression) {
  const Recipe r =
      parse_recipe(text("name = \"logistic\""), "test.toml",
                   {"data.batch_size=18", "data.crop_padding=0", "data.flip=false", "data.mean=[0]", "data.deviation=[1]",
                    "data.partition.kind=percent", "data.partition.percent=[20, 20, 20, 20, 20]"});
  const auto objective = make_objective(r, 5);
  const BatchLoss s = objective->gradient({1, 2, 0, 0, 0}, at::zeros_like(objective->initial()));
  EXPECT_EQ(s.samples, 18);
  EXPECT_NEAR(s.loss, std::log(3.0), 1e-6);
  double worst = 0;
  for (int c = 0; c < 3; ++c)
    for (int k = 0; k < 18 * 18; ++k) {
      double expected = 0;
      for (int i = 36; i < 54; ++i) expected += (1.0 / 3 - (i % 3 == c)) * idx_pixel(i, k) / 255.0 / 18;
      worst = std::max(worst, std::abs(objective->gradient_buffer()[c * 324 + k].item<double>() - expected));
    }
  EXPECT_LT(worst, 1e-6);
}

TEST_F(Classification, HeldOutImagesSelect) {
  const auto objective = make_objective(recipe(text("name = \"logistic\"", "valid = 20\n")), 5);
  EXPECT_EQ(objective->splits(), (std::vector<std::string>{"valid", "test"}));
  EXPECT_EQ(objective->training_samples(), 70);
  EXPECT_EQ(objective->units("valid"), 3);
}

TEST_F(Classification, WeightsAreSharesOfTheData) {
  const auto objective =
      make_objective(parse_recipe(text("name = \"logistic\""), "test.toml",
                                  {"data.partition.kind=percent", "data.partition.percent=[10, 20, 20, 20, 30]"}),
                     5);
  EXPECT_DOUBLE_EQ(objective->client_weight(0), 0.5);
  EXPECT_DOUBLE_EQ(objective->client_weight(4), 1.5);
}

TEST_F(Classification, DealingAnewNeedsEnoughClientsInARound) {
  const auto make = [](const std::string& participating) {
    make_objective(recipe(text("name = \"logistic\"", "[data.partition]\nkind = \"one-class\"\nevery_round = true",
                               "participating = " + participating)),
                   5);
  };
  test::expect_mentions(test::error_of([&] { make("2"); }),
                        {"number of classes, 3", "got 2 clients", "data.partition.every_round", "clients.participating"});
  EXPECT_NO_THROW(make("3"));
}

// ---- who takes part ----

// Passes everything on and notes which clients draw in each round.
struct Attendance : test::PassOn {
  using PassOn::PassOn;
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    present[draw.round].insert(draw.client);
    return inner.gradient(draw, y);
  }
  std::map<int64_t, std::set<int>> present;
};

// The objective deals the data of a round to the clients that it expects; the driver must draw the same ones.
TEST_F(Classification, TheDriverSamplesTheClientsThatTheDataIsDealtTo) {
  for (const bool fixed : {false, true}) {
    const Recipe r = parse_recipe(text("name = \"logistic\"", "", "participating = 2", "rounds = 12"), "test.toml",
                                  {"run.seed=5", std::string("clients.sampling=") + (fixed ? "fixed" : "uniform")});
    const auto objective = make_objective(r, 5);
    Attendance attendance(*objective);
    const auto group = single_group();
    train(r, attendance, *group, {}, quiet);
    ASSERT_EQ(attendance.present.size(), 12u);
    for (const auto& [round, clients] : attendance.present) {
      const std::vector<int> expected = sample_clients(client_sampling(r.clients, 5), 5, round);
      EXPECT_EQ(std::vector<int>(clients.begin(), clients.end()), expected) << round;
    }
  }
}

// Weights of zero leave the biases as logits, 11 … 0 for 12 classes: of the test labels i % 12, 24 of them, those below 5
// are among the five largest, 10 of 24, and 0 is the largest, 2 of 24. The model of 3 classes has no such figure.
TEST_F(Classification, CountsTheFiveLargest) {
  test::TempFolder twelve;
  write_idx_set(twelve, 60, 24, 18, 12);
  const Recipe r = recipe(text("name = \"logistic\"", "root = \"" + twelve.path() + "\"\n"));
  const auto objective = make_objective(r, 5);
  Vec x = at::zeros({18 * 18 * 12 + 12});
  x.narrow(0, 18 * 18 * 12, 12).copy_(at::arange(11, -1, -1));
  const auto group = single_group();
  const Score s = evaluate_all(*objective, *group, "test", x);
  EXPECT_EQ(s.correct / s.count, 2.0 / 24);
  ASSERT_EQ(objective->figures(x).size(), 1u);
  EXPECT_EQ(objective->figures(x)[0].first, "top5_accuracy");
  EXPECT_EQ(objective->figures(x)[0].second, 10.0 / 24);
  // A model that is not finite knows nothing: its scores are in no order.
  x.fill_(std::numeric_limits<float>::quiet_NaN());
  evaluate_all(*objective, *group, "test", x);
  EXPECT_EQ(objective->figures(x)[0].second, 0);

  const auto few = make_objective(recipe(text("name = \"logistic\"")), 5);
  evaluate_all(*few, *group, "test", few->initial());
  EXPECT_TRUE(few->figures(few->initial()).empty());
}

// ---- batch normalisation's policies ----

struct Statistics : Classification {
  // The averaged running statistics after some rounds; every round some clients take part.
  Vec after(const std::string& policy, const std::string& clients, int rounds) {
    const Recipe r = recipe(text(resnet(policy), "", clients, "rounds = " + std::to_string(rounds)));
    const auto objective = make_objective(r, 5);
    const auto group = single_group();
    Attendance attendance(*objective);
    train(r, attendance, *group, {}, quiet);
    return objective->buffers().clone();
  }
};

// A running statistic is linear in the batches' statistics: with all clients in every round it is the same whether averaged
// figures or a client's own are moved on, but for rounding.
TEST_F(Statistics, PoliciesAgreeWhenEveryoneTakesPart) {
  const Vec average = after("average", "", 3), local = after("local", "", 3);
  EXPECT_TRUE(at::allclose(average, local, 1e-5, 1e-6));
}

// With two of five in a round, a client that returns goes on from the average, or from its own figures.
TEST_F(Statistics, PoliciesDifferWhenSomeAreAway) {
  const Vec average = after("average", "participating = 2", 3), local = after("local", "participating = 2", 3);
  EXPECT_FALSE(at::allclose(average, local, 1e-2, 1e-3));
  EXPECT_EQ(after("none", "", 1).numel(), 0);
}

}  // namespace
}  // namespace tacet
