// tacet against an independent PyTorch program: the same weights, tokens and settings, compared loss by loss. The second
// test breaks one rule after the other in the PyTorch program and checks that the comparison notices.
#include <cmath>
#include <cstdlib>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "data/files/safetensors.h"
#include "data/text/corpus.h"
#include "support/pass_on.h"
#include "support/temp_folder.h"
#include "tacet/algorithm.h"
#include "tacet/group.h"
#include "tacet/train.h"

namespace tacet {
namespace {

using nlohmann::json;

// Passes everything on and keeps every mini-batch's loss, by iteration and client.
struct Recorder : test::PassOn {
  using PassOn::PassOn;
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const BatchLoss s = inner.gradient(draw, y);
    loss[draw.iteration][draw.client] = s.loss;
    return s;
  }
  std::map<int64_t, std::map<int, double>> loss;
};

struct Case {
  std::string name, algorithm;
  int clients, interval, iterations;
  std::string more;       // further lines of [algorithm]
  std::string schedule;   // further lines of [schedule]
  std::string data = "";  // further lines of [data]
};

class Witness : public testing::Test {
 protected:
  void SetUp() override {
    // A text with some order in it: the next word is mostly a function of the last one.
    Stream s(5, 0, Purpose::shuffle, 0, 0);
    for (const auto& [name, words] : {std::pair{"train.txt", 700}, {"valid.txt", 60}, {"test.txt", 60}}) {
      std::ofstream out(folder_ / name);
      uint64_t w = 0;
      for (int k = 0; k < words; ++k) {
        w = s.uniform() < 0.7 ? (3 * w + 1) % 17 : s.below(17);
        out << "w" << w << (k % 11 == 10 ? "\n" : " ");
      }
    }
  }

  struct Outcome {
    json config;
    std::vector<std::vector<double>> loss;  // [iteration][client]
    std::map<std::string, double> norms;    // of the final model's tensors
  };

  Outcome run_tacet(const Case& c) {
    const std::string init = folder_ / "init.safetensors";
    const std::string base =
        "[data]\nname = \"text\"\nroot = \"" + folder_.path() + "\"\nbatch_size = 2\nbptt = 6\neval_batch = 2\n" + c.data +
        "\n[model]\nname = \"awd-lstm\"\nlayers = 2\nembedding = 6\nhidden = 7\noutput_dropout = 0\n"
        "hidden_dropout = 0\ninput_dropout = 0\nembedding_dropout = 0\nweight_drop = 0\nalpha = 0.3\nbeta = 3\n";
    const std::string rest = "[algorithm]\nname = \"" + c.algorithm + "\"\n" +
                             (c.algorithm == "sgd-clip" ? "" : "interval = " + std::to_string(c.interval) + "\n") + c.more +
                             "\n[clients]\ncount = " + std::to_string(c.clients) +
                             "\n[schedule]\niterations = " + std::to_string(c.iterations) + "\n" + c.schedule +
                             "\n[run]\neval_every = 0\ncheckpoint_every = 0\n";
    {  // large weights: small ones would hide mistakes in the recurrent part
      const auto objective = make_objective(parse_recipe(base + rest, "oracle.toml"), c.clients);
      Vec x = objective->initial();
      Stream s(11, 0, Purpose::initial_weights, 0, 0);
      s.fill_uniform(x.data_ptr<float>(), x.numel());
      x.mul_(2).sub_(1);
      save_parameters(init, objective->layers(), x);
    }
    const Recipe recipe = parse_recipe(base + "init = \"" + init + "\"\n" + rest, "oracle.toml");
    const auto objective = make_objective(recipe, c.clients);
    Recorder recorder(*objective);
    Observer quiet;
    const auto group = single_group();
    const Result result = train(recipe, recorder, *group, {}, quiet);

    Outcome o;
    for (auto& [iteration, by_client] : recorder.loss) {
      o.loss.emplace_back();
      for (auto& [client, value] : by_client) o.loss.back().push_back(value);
    }
    for (const Layer& l : objective->layers()) o.norms[l.name] = l2_norm(result.x.narrow(0, l.offset, l.size).clone());

    const Values &a = recipe.algorithm, &sch = recipe.schedule;
    o.config = {{"weights", "init.safetensors"},
                {"clients", c.clients},
                {"batch_size", 2},
                {"bptt", 6},
                {"algorithm", c.algorithm},
                {"eta", a.number("eta")},
                {"interval", c.interval},
                {"momentum", a.number("momentum")},
                {"weight_decay", a.number("weight_decay")},
                {"milestones", sch.numbers("milestones")},
                {"factor", sch.number("factor")},
                {"warmup", sch.number("warmup")},
                {"warmup_from", sch.has("warmup_from") ? sch.number("warmup_from") : 1.0},
                {"alpha", 0.3},
                {"beta", 3.0},
                {"tied", true},
                {"layers", 2},
                {"iterations", c.iterations},
                {"partition", recipe.data.text("partition.kind")},
                {"epoch_samples", objective->training_samples()}};
    if (recipe.data.has("partition.percent")) o.config["percent"] = recipe.data.numbers("partition.percent");
    if (a.has("gamma")) o.config["gamma"] = a.number("gamma");
    if (recipe.data.flag("random_lengths"))
      for (int k = 0; k < c.iterations; ++k)
        o.config["lengths"].push_back(
            std::lround(6 * objective->rate_scale(static_cast<uint64_t>(recipe.run.integer("seed")), k)));
    o.config["tokens"]["train"] = load_corpus(recipe.data, "text").train;
    return o;
  }

  json run_oracle(const json& config, const std::string& option) {
    const auto file = folder_ / "config.json", out = folder_ / "out.json";
    std::ofstream(file) << config;
    const std::string command =
        std::string(TACET_ORACLE_PYTHON) + " " + TACET_ORACLE_SCRIPT + " " + file + " --out " + out + " " + option;
    EXPECT_EQ(0, std::system(command.c_str())) << command;
    std::ifstream in(out);
    return json::parse(in);
  }

  // The largest relative difference of any loss; 1 when a loss is not finite.
  static double difference(const Outcome& o, const json& oracle) {
    double worst = 0;
    const json& theirs = oracle.at("loss");
    if (theirs.size() != o.loss.size()) return 1;
    for (size_t k = 0; k < o.loss.size(); ++k)
      for (size_t i = 0; i < o.loss[k].size(); ++i) {
        if (!theirs[k][i].is_number()) return 1;
        const double other = theirs[k][i];
        worst = std::max(worst, std::abs(o.loss[k][i] - other) / other);
      }
    return worst;
  }

  const test::TempFolder folder_;
};

class WitnessCases : public Witness, public testing::WithParamInterface<Case> {};

TEST_P(WitnessCases, EveryLossAgrees) {
  const Case& c = GetParam();
  const Outcome o = run_tacet(c);
  ASSERT_EQ(o.loss.size(), static_cast<size_t>(c.iterations));
  const json oracle = run_oracle(o.config, "");
  EXPECT_LT(difference(o, oracle), 1e-4);
  for (const auto& [name, norm] : o.norms)
    EXPECT_NEAR(norm, oracle["final"][name]["norm"].get<double>(), 1e-4 * norm) << name;
}

// γ/η is the gradient norm beyond which a step is clipped: at these values about half the steps are.
const std::string busy = "eta = 1.6\ngamma = 0.48\nmomentum = 0.5\nweight_decay = 0.02\n";
const std::string moving = "milestones = [2, 3]\nfactor = 0.5\nwarmup = 1\nwarmup_from = 0.25\n";

INSTANTIATE_TEST_SUITE_P(
    Settings, WitnessCases,
    testing::Values(Case{"celgc_2_clients_I1", "celgc", 2, 1, 64, busy, moving},
                    Case{"celgc_2_clients_I3", "celgc", 2, 3, 66, busy, moving},
                    Case{"celgc_4_clients_I4", "celgc", 4, 4, 64, busy, moving},
                    Case{"celgc_4_clients_I3_fixed_lengths", "celgc", 4, 3, 66, busy, moving, "random_lengths = false\n"},
                    Case{"celgc_3_unequal_shards", "celgc", 3, 4, 64, busy, moving,
                         "partition.kind = \"fixed\"\npartition.percent = [20, 30, 50]\n"},
                    Case{"celgc_plain", "celgc", 4, 4, 60, "eta = 1.6\ngamma = 0.48\n", ""},
                    Case{"naive_clip_2_clients", "naive-clip", 2, 1, 64,
                         "eta = 1.6\ngamma = 0.24\nmomentum = 0.5\nweight_decay = 0.02\n", moving},
                    Case{"naive_clip_4_clients_I4", "naive-clip", 4, 4, 64,
                         "eta = 1.6\ngamma = 0.24\nmomentum = 0.5\nweight_decay = 0.02\n", moving},
                    Case{"fedavg_4_clients_I4", "fedavg", 4, 4, 60, "eta = 0.4\nmomentum = 0.5\nweight_decay = 0.02\n", ""},
                    Case{"sgd_clip", "sgd-clip", 1, 1, 60, busy, moving}),
    [](const auto& param_info) { return param_info.param.name; });

// A comparison is worth something only if it fails against a wrong program.
TEST_F(Witness, TheComparisonNoticesEveryBrokenRule) {
  for (const char* algorithm : {"celgc", "naive-clip"}) {
    const Outcome o = run_tacet(
        {"breaks", algorithm, 3, 4, 64,
         algorithm == std::string("celgc") ? busy : "eta = 1.6\ngamma = 0.24\nmomentum = 0.5\nweight_decay = 0.02\n",
         moving});
    const json all = run_oracle(o.config, "--every-break");
    EXPECT_GT(all.size(), 10u);
    for (const auto& [rule, oracle] : all.items()) {
      const double d = difference(o, oracle);
      std::printf("%-10s %-32s largest relative difference %.1e\n", algorithm, rule.c_str(), d);
      if (rule == "none") {
        EXPECT_LT(d, 1e-4);
      } else {
        EXPECT_GT(d, 1e-4) << rule;
      }
    }
  }
}

}  // namespace
}  // namespace tacet
