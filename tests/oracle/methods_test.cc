// Every method against an independent NumPy program that was written from the papers: on quadratics with given noise, and,
// for the methods that train networks in the papers, on a small LSTM and a small convolutional net. Then the same program
// with one rule broken after the other: each must be noticed.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "data/clients/client_batches.h"
#include "data/files/safetensors.h"
#include "data/images/images.h"
#include "data/text/corpus.h"
#include "engine/message_coding.h"
#include "support/pass_on.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "support/test_name.h"
#include "tacet/train.h"

namespace tacet::methods_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::Trace;
using test::Trial;

// Draws by round and client, as the program reads them.
std::string round_key(const BatchKey& draw) { return draw.step >= int64_t{1} << 31 ? "begin" : std::to_string(draw.round); }

json options_for_numpy(const AlgorithmInfo& method, const Values& options) {
  json o = json::object();
  const bool is_sparse = method.message == "topk";  // others send their vectors as they are here
  for (const auto& [key, value] : options.all()) {
    if (!is_sparse && (key == "density" || key == "chunk" || key == "values" || key == "feedback")) continue;
    // The driver decides when rounds end, and tells the program each round's steps.
    if (key == "eta" || key == "gamma" || key == "interval" || key == "name" || key == "bias_correction" ||
        key == "message" || key == "average_at_pass_end")
      continue;
    std::visit(
        [&, &name = key](const auto& v) {
          if constexpr (std::is_floating_point_v<std::decay_t<decltype(v)>>)
            o[name] = std::isfinite(v) ? json(v) : json(nullptr);
          else
            o[name] = v;
        },
        value);
  }
  if (options.has("bias_correction")) {  // of m; of v only where it started from ε (see fed_lamb.cc)
    o["correct_m"] = options.flag("bias_correction");
    o["correct_v"] = options.flag("bias_correction") && options.flag("persist");
  }
  return o;
}

class WithNumpy : public testing::Test {
 protected:
  json ask(const json& config, const std::string& option) const {
    return answer(folder_.write("config.json", config.dump()) + " " + option);
  }

  // Asks the program that takes DiLoCo's steps with torch.optim.
  json ask_torch(const json& config) const { return answer(folder_.write("torch.json", config.dump()), TACET_TORCH_ORACLE); }

  // Returns the methods that have an independent definition.
  const std::vector<std::string>& witnessed() const {
    static const auto all = answer("--list-methods").get<std::vector<std::string>>();
    return all;
  }

  const test::TempFolder folder_;

 private:
  json answer(const std::string& arguments, const std::string& program = TACET_METHODS_ORACLE) const {
    const std::string out = folder_ / "out.json";
    const std::string command =
        std::string(TACET_ORACLE_PYTHON) + " -B " + program + " " + arguments + " --out " + out + " 2>" + folder_ / "stderr";
    EXPECT_EQ(0, std::system(command.c_str())) << command << "\n" << std::ifstream(folder_ / "stderr").rdbuf();
    std::ifstream in(out);
    return json::parse(in);
  }
};

// ‖a − b‖/‖b‖, the largest over the rounds.
double difference(const std::vector<Vec>& mine, const json& theirs) {
  double worst = 0;
  if (theirs.size() != mine.size()) return 1;
  for (size_t r = 0; r < mine.size(); ++r) {
    double apart = 0, size = 0;
    for (int64_t j = 0; j < mine[r].numel(); ++j) {
      if (!theirs[r][j].is_number()) return 1;
      const double other = theirs[r][j];
      apart += std::pow(static_cast<double>(mine[r].data_ptr<float>()[j]) - other, 2);
      size += other * other;
    }
    worst = std::max(worst, std::sqrt(apart / size));
  }
  return worst;
}

// ---- quadratics ----

// Adds known noise to the exact gradient and writes it down.
struct Noted : test::Quadratic {
  using Quadratic::Quadratic;
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const BatchLoss s = Quadratic::gradient(draw, y);
    Stream stream = draw.stream(Purpose::gradient_noise);
    std::vector<double> added;
    for (int64_t j = 0; j < y.numel(); ++j) {
      added.push_back(0.4 * stream.normal());
      gradient_buffer().data_ptr<float>()[j] += static_cast<float>(added.back());
    }
    drawn[round_key(draw)][std::to_string(draw.client)].push_back(added);
    return s;
  }
  json drawn = json::object();
};

constexpr double infinite = std::numeric_limits<double>::infinity();

struct Variant {
  std::string method, name;
  std::map<std::string, Value> options;
};
void PrintTo(const Variant& v, std::ostream* out) { *out << v.method << ", " << v.name; }

// A method with everything on that it has, and once for each choice that changes what it computes.
std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const AlgorithmInfo& m : algorithms()) {
    std::map<std::string, Value> busy;
    for (const Option& o : m.options) {
      if (o.name == "momentum") busy["momentum"] = 0.6;
      if (o.name == "weight_decay") busy["weight_decay"] = 0.15;
      if (o.name == "epsilon") busy["epsilon"] = 0.05;
      if (o.name == "beta1") busy["beta1"] = 0.7;
      if (o.name == "beta2") busy["beta2"] = 0.8;
      if (o.name == "tau") busy["tau"] = 0.05;
      if (o.name == "server_eta") busy["server_eta"] = 0.1;
      if (o.name == "mu" && m.name == "fedprox") busy["mu"] = 0.3;
      if (o.name == "delay") busy["delay"] = int64_t{2};
      if (o.name == "resampling") busy["resampling"] = int64_t{2};
      if (o.name == "weighted") busy["weighted"] = true;
      if (o.name == "trust") busy["trust"] = 0.5;
      if (o.name == "alpha") busy["alpha"] = 0.4;
      if (o.name == "outer_tau") busy["outer_tau"] = 0.1;
      if (o.name == "first_every") busy["first_every"] = int64_t{2};
      if (o.name == "second_every") busy["second_every"] = int64_t{3};
      if (o.name == "message_share") busy["message_share"] = 0.8;
      if (o.name == "local_rate") busy["local_rate"] = 0.7;
      if (o.name == "power") busy["power"] = 0.7;
      if (o.name == "gain") busy["gain"] = 0.5;
      if (o.name == "noise_floor") busy["noise_floor"] = 0.3;
      if (o.name == "server_epsilon") busy["server_epsilon"] = 0.05;
      if (o.name == "fragments") busy["fragments"] = int64_t{2};
      if (o.name == "mix") busy["mix"] = 0.3;
      if (m.name == "sparseloco" && o.name == "outer_eta") busy["outer_eta"] = 0.8;
      if (m.name == "sparseloco" && o.name == "density") busy["density"] = 0.5;
      if (m.name == "sparseloco" && o.name == "feedback") busy["feedback"] = 0.7;
    }
    all.push_back({m.name, "busy", busy});
    const auto also = [&](const std::string& name, const std::map<std::string, Value>& more) {
      auto options = busy;
      for (const auto& [key, value] : more) options[key] = value;
      all.push_back({m.name, name, options});
    };
    const bool corrects = m.name == "scaffold" || m.name.starts_with("episode");
    if (corrects) also("no_momentum", {{"momentum", 0.0}});
    if (find_option(m.options, "decay_in_norm")) {
      std::map<std::string, Value> inside = {{"decay_in_norm", true}};
      if (corrects) inside["momentum"] = 0.0;  // with it the norm is the buffer's
      also("decay_in_norm", inside);
    }
    if (find_option(m.options, "per_layer")) also("per_layer", {{"per_layer", true}});
    if (find_option(m.options, "per_coordinate")) also("per_coordinate", {{"per_coordinate", true}});
    if (find_option(m.options, "max_update")) also("max_update", {{"max_update", 0.2}});
    if (find_option(m.options, "delta")) also("delta", {{"delta", 0.4}});
    if (find_option(m.options, "amsgrad")) also("amsgrad", {{"amsgrad", true}});
    if (const Option* inner = find_option(m.options, "inner")) {
      const Value other = std::string(std::get<std::string>(*inner->fallback) == "sgd" ? "adamw" : "sgd");
      also("other_inner", {{"inner", other}});
      also("max_norm", {{"gamma", infinite}, {"max_norm", 0.6}});
      also("other_inner_max_norm", {{"inner", other}, {"gamma", infinite}, {"max_norm", 0.6}});
      also("other_inner_decay_in_norm", {{"inner", other}, {"decay_in_norm", true}});
    }
    if (m.name == "diloco")
      for (const char* outer : {"momentum", "sgd", "adam"})
        also(std::string("outer_") + outer, {{"outer", std::string(outer)}, {"inner", std::string("sgd")}});
    if (m.name == "diloco-streaming") {
      also("add", {{"merge", std::string("add")}});
      also("at_once", {{"delay", int64_t{0}}});
      also("outer_adam", {{"outer", std::string("adam")}, {"inner", std::string("sgd")}});
    }
    if (m.name == "sparseloco") also("two_bits", {{"values", std::string("2bit")}});
    if (m.name == "muloco")
      for (const char* scale : {"jordan", "moonlight"})
        also(scale, {{"muon_iteration", std::string("jordan")}, {"muon_scale", std::string(scale)}, {"others_rate", 0.5}});
    if (m.name == "fed-nova") {
      also("plain", {{"momentum", 0.0}});
      also("unweighted", {{"weighted", false}});
      also("proximal", {{"momentum", 0.0}, {"mu", 0.3}});
    }
    if (m.name == "norm-ec") also("server_normalised", {{"server_normalised", true}});
    if (m.name == "clip21") also("plain", {{"beta1", 0.0}, {"message_share", 1.0}});
    if (m.name == "lamb") also("bounded", {{"phi_min", 0.8}, {"phi_max", 1.2}});
    if (m.name == "scaffold") {
      also("drift", {{"variate", std::string("drift")}, {"momentum", 0.0}});
      also("init_corrections", {{"init_corrections", true}});
      also("unclipped", {{"gamma", std::numeric_limits<double>::infinity()}});
    }
    if (m.name == "celgc-overlap") also("late", {{"delay", int64_t{3}}}), also("at_once", {{"delay", int64_t{0}}});
    if (m.name == "fedavg") also("unweighted", {{"weighted", false}});
    if (m.name == "episode") also("one_batch", {{"resampling", int64_t{1}}});
    if (m.name == "adam") also("max_norm", {{"max_norm", 0.6}});
    if (m.name == "mixed-clip") also("nu_0", {{"nu", 0.0}}), also("nu_1", {{"nu", 1.0}});
    if (m.name == "sign-sgd-gen") also("beta2_0", {{"beta2", 0.0}});
    if (m.name == "fed-ams") also("restarts", {{"persist", false}});
    if (m.name == "fed-lamb") {
      also("persists", {{"persist", true}});
      also("not_layerwise", {{"layerwise", false}});
      also("uncorrected", {{"bias_correction", false}});
      also("bounded", {{"phi_min", 0.8}, {"phi_max", 1.2}});
    }
  }
  return all;
}

class OnQuadratics : public WithNumpy, public testing::WithParamInterface<Variant> {
 protected:
  // 4 clients that disagree, S of them in three of five rounds, I = 3, rates that change at every step.
  std::pair<std::vector<Vec>, json> run() {
    const Variant& v = GetParam();
    const AlgorithmInfo& m = find_algorithm(v.method);
    const int N = m.single_client ? 1 : 4, I = m.single_client ? 1 : 3;
    const int64_t rounds = m.single_client ? 8 : 5;
    Trial t = test::trial(v.method, N, I, v.options);
    const bool own_steps = v.method == "fed-nova";
    if (own_steps) t.steps = [](int client) { return 1 + client % 3; };
    if (N > 1 && !m.every_client) t.sampled = {{0, 1, 2, 3}, {1, 3}, {0, 1, 2, 3}, {0, 1, 2}, {2}};
    const bool unclipped = !t.options.has("gamma") || std::isinf(t.options.number("gamma"));
    t.rates = [=](int64_t r, int step) {
      const double scale = 1.0 / (1 + 0.1 * static_cast<double>(r)) * (step % 2 == 0 ? 1 : 0.7);
      return Rates{0.2 * scale, unclipped ? std::numeric_limits<double>::infinity() : 0.3 * scale};
    };
    const bool is_sparse = m.message == "topk";
    const int64_t d = m.name == "muloco" ? 12 : is_sparse ? 32 : 6;
    Noted objective(d, {1, 0.5, 2, 1.2}, {1, -1, 0.5, 2});
    objective.weights = {0.4, 1.6, 1.2, 0.8};
    const auto algorithm = t.method->make(t.options);
    Vec x = objective.initial();
    for (int64_t j = 0; j < d; ++j) x.data_ptr<float>()[j] = 0.5f * static_cast<float>(j) - 1;
    json start = json::array();
    for (int64_t j = 0; j < d; ++j) start.push_back(0.5 * static_cast<double>(j) - 1);
    MessageCoder messages(message_kind(m.message), read_options<SparseOptions>(t.options));
    const Trace trace =
        test::run_on(*single_group(), t, objective, *algorithm, x, 0, rounds, is_sparse ? &messages : nullptr);

    json config = {{"method", v.method}, {"clients", N}, {"interval", I}, {"rounds", rounds}, {"x0", start}};
    config["options"] = options_for_numpy(m, t.options);
    if (v.method == "fedavg" || v.method == "fed-nova" || v.method == "feddyn")
      config["options"]["weights"] = objective.weights;
    if (own_steps)
      for (int i = 0; i < N; ++i) config["steps"].push_back(t.steps(i));
    for (int64_t r = 0; r < rounds; ++r) {
      std::vector<int> sampled(static_cast<size_t>(N));
      for (int i = 0; i < N; ++i) sampled[static_cast<size_t>(i)] = i;
      if (!t.sampled.empty()) sampled = t.sampled[static_cast<size_t>(r)];
      config["sampled"].push_back(sampled);
      int length = I;
      if (m.draws_steps) {
        length = algorithm->draw_steps({t.seed, Stream::everyone, Purpose::round_length, r, 0}, I);
        config["lengths"].push_back(length);
      }
      json rates = json::array();
      for (int step = 0; step < 20; ++step) {
        const Rates now = t.rates(r, step);
        rates.push_back({now.eta, std::isfinite(now.gamma) ? json(now.gamma) : json(nullptr)});
      }
      config["rates"].push_back(rates);
    }
    for (const Layer& l : objective.layers()) {
      config["layers"].push_back({l.offset, l.size});
      config["shapes"].push_back(l.role == Role::matrix ? json(l.shape) : json(nullptr));
    }
    config["problem"] = {{"kind", "quadratic"},
                         {"a", std::vector<double>(objective.a.begin(), objective.a.begin() + N)},
                         {"b", std::vector<double>(objective.b.begin(), objective.b.begin() + N)},
                         {"noise", objective.drawn}};
    return {trace.x, config};
  }
};

// A witness that is called otherwise than its method would be passed over.
TEST_F(WithNumpy, EveryWitnessIsOfAMethod) {
  EXPECT_FALSE(witnessed().empty());
  for (const std::string& name : witnessed()) EXPECT_EQ(find_algorithm(name).name, name);
}

TEST_P(OnQuadratics, EveryRoundAgreesAndEveryBrokenRuleShows) {
  if (std::ranges::count(witnessed(), GetParam().method) == 0)
    GTEST_SKIP() << GetParam().method << " has no independent definition in tests/oracle/methods_oracle_methods.py";
  const auto [x, config] = run();
  const json all = ask(config, "--every-break");
  EXPECT_LT(difference(x, all.at("none").at("x")), 1e-5);
  EXPECT_GT(all.size(), 3u);
  for (const auto& [rule, broken] : all.items()) {
    if (rule == "none") continue;
    const double d = difference(x, broken.at("x"));
    std::printf("%-14s %-14s %-34s %.1e\n", GetParam().method.c_str(), GetParam().name.c_str(), rule.c_str(), d);
    EXPECT_GT(d, 5e-5) << rule;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, OnQuadratics, testing::ValuesIn(variants()), [](const auto& param_info) {
  return test::test_name(param_info.param.method + "_" + param_info.param.name);
});

// ---- torch's optimisers ----

class WithTorch : public WithNumpy, public testing::WithParamInterface<Variant> {};

// 3 clients that disagree, 6 rounds of 4 steps: AdamW's counts and moments, and momentum, go on over rounds. AdamW
// divides by the root of v, so an ε of 1e-8 would blow up the rounding of a gradient near 0.
TEST_P(WithTorch, EveryRoundAgrees) {
  const Variant& v = GetParam();
  auto options = v.options;
  options["gamma"] = infinite;
  options["max_norm"] = 1.5;
  options["weight_decay"] = 0.1;
  options["epsilon"] = 0.01;
  const Trial t = test::trial(v.method, 3, 4, options);
  Noted objective(12, {1, 0.5, 2}, {1, -1, 0.5});
  const auto algorithm = t.method->make(t.options);
  Vec x = objective.initial();
  json config = {{"method", v.method}, {"clients", 3}, {"interval", 4}, {"rounds", 6}};
  for (int64_t j = 0; j < 12; ++j) {
    x.data_ptr<float>()[j] = 0.5f * static_cast<float>(j) - 1;
    config["x0"].push_back(0.5 * static_cast<double>(j) - 1);
  }
  const Trace trace = test::run_on(*single_group(), t, objective, *algorithm, x, 0, 6);
  config["options"] = options_for_numpy(*t.method, t.options);
  for (int r = 0; r < 6; ++r) {
    config["sampled"].push_back({0, 1, 2});
    config["rates"].push_back(std::vector<json>(4, json::array({0.1, nullptr})));
  }
  for (const Layer& l : objective.layers()) {
    config["layers"].push_back({l.offset, l.size});
    config["shapes"].push_back(l.role == Role::matrix ? json(l.shape) : json(nullptr));
  }
  config["problem"] = {{"kind", "quadratic"}, {"a", objective.a}, {"b", objective.b}, {"noise", objective.drawn}};
  const double apart = difference(trace.x, ask_torch(config).at("x"));
  std::printf("%s, %s: within %.1e of torch.optim\n", v.method.c_str(), v.name.c_str(), apart);
  EXPECT_LT(apart, 2e-6);  // rounding of float32 in 24 steps of AdamW
  // A weight decay that is 1 % off is seen.
  config["options"]["weight_decay"] = 0.101;
  EXPECT_GT(difference(trace.x, ask_torch(config).at("x")), 1e-5);
}

const std::map<std::string, Value> sgd_inside = {{"inner", std::string("sgd")}, {"momentum", 0.6}};

INSTANTIATE_TEST_SUITE_P(
    Diloco, WithTorch,
    testing::Values(
        Variant{"diloco", "adamw", {}},
        Variant{"diloco", "adamw_heavy_ball", {{"outer", std::string("momentum")}, {"beta2", 0.99}}},
        Variant{"diloco", "sgd", sgd_inside},
        Variant{"diloco", "plain", {{"inner", std::string("sgd")}, {"outer", std::string("sgd")}, {"outer_eta", 1.0}}},
        Variant{"muloco", "muon", {}}),
    [](const auto& param_info) { return test::test_name(param_info.param.method + "_" + param_info.param.name); });

// ---- networks ----

// Passes everything on; keeps every mini-batch's loss, and what it was drawn from.
struct Recorder : test::PassOn {
  using PassOn::PassOn;
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const std::string client = std::to_string(draw.client);
    if (note) drawn[round_key(draw)][client].push_back(note(draw));
    const BatchLoss s = inner.gradient(draw, y);
    loss[round_key(draw)][client].push_back(s.loss);
    return s;
  }
  std::function<json(const BatchKey&)> note;
  json loss = json::object(), drawn = json::object();
};

struct Network {
  std::string method, rates, options;  // lines of [algorithm]; rates are those on the LSTM
  std::string small_rates;             // on the convolutional net, whose kinks make larger steps chaotic
};
void PrintTo(const Network& n, std::ostream* out) { *out << n.method; }

class OnNetworks : public WithNumpy, public testing::WithParamInterface<Network> {
 protected:
  static constexpr int clients = 4, interval = 2, rounds = 32;

  // Trains with tacet and fills in what both problems share.
  std::pair<Result, json> train_and_describe(const Recipe& recipe, Objective& objective, Recorder& recorder) {
    Observer quiet;
    const Result result = train(recipe, recorder, *single_group(), {}, quiet);
    json config = {{"method", GetParam().method},
                   {"clients", clients},
                   {"interval", interval},
                   {"rounds", rounds},
                   {"x0", nullptr},
                   {"layers", nullptr}};
    config["options"] = options_for_numpy(find_algorithm(GetParam().method), recipe.algorithm);
    const double eta = recipe.algorithm.number("eta");
    for (int r = 0; r < rounds; ++r) {
      config["sampled"].push_back(sampled_in(recorder, r));
      json rates = json::array();
      for (int t = 0; t < interval; ++t) {
        const double scale = objective.rate_scale(1, r * interval + t);
        json gamma = recipe.algorithm.has("gamma") ? json(recipe.algorithm.number("gamma") * scale) : json(nullptr);
        rates.push_back({eta * scale, gamma});
      }
      config["rates"].push_back(rates);
    }
    return {result, config};
  }

  static std::vector<int> sampled_in(const Recorder& recorder, int r) {
    std::vector<int> ids;
    for (const auto& [client, losses] : recorder.loss.at(std::to_string(r)).items()) ids.push_back(std::stoi(client));
    return ids;
  }

  // Draws a start that is large enough for mistakes to show and saves it where both read it.
  void save_start(const Recipe& recipe, const std::string& file, double size) {
    const auto objective = make_objective(recipe, clients);
    Vec x = objective->initial();
    Stream s(11, 0, Purpose::initial_weights, 0, 0);
    s.fill_uniform(x.data_ptr<float>(), x.numel());
    x.mul_(2 * size).sub_(size);
    save_parameters(file, objective->layers(), x);
  }

  void compare(const Result& result, const Recorder& recorder, const json& config) {
    const json theirs = ask(config, "");
    double worst = 0;
    int losses = 0;
    for (int r = 0; r < rounds; ++r)
      for (const auto& [client, mine] : recorder.loss.at(std::to_string(r)).items())
        for (size_t k = 0; k < mine.size(); ++k, ++losses) {
          const double other = theirs.at("loss").at(static_cast<size_t>(r)).at(client).at(k);
          worst = std::max(worst, std::abs(mine[k].get<double>() - other) / other);
        }
    const double apart = difference({result.x}, json::array({theirs.at("x").back()}));
    std::printf("%-14s %d losses within %.1e, final model within %.1e\n", GetParam().method.c_str(), losses, worst, apart);
    EXPECT_GE(losses, rounds * interval);
    EXPECT_LT(worst, 1e-4);
    EXPECT_LT(apart, 1e-4);
  }

  std::string rest(const std::string& rates) const {
    const bool sampling = GetParam().method != "episode" && GetParam().method != "celgc";
    return "[algorithm]\nname = \"" + GetParam().method + "\"\ninterval = " + std::to_string(interval) + "\n" + rates +
           GetParam().options + "[clients]\ncount = " + std::to_string(clients) + (sampling ? "\nparticipating = 3" : "") +
           "\n[schedule]\nrounds = " + std::to_string(rounds) + "\n[run]\neval_every = 0\ncheckpoint_every = 0\n";
  }
};

TEST_P(OnNetworks, LstmLanguageModel) {
  Stream s(5, 0, Purpose::shuffle, 0, 0);
  for (const auto& [name, words] : {std::pair{"train.txt", 700}, {"valid.txt", 60}, {"test.txt", 60}}) {
    std::ofstream out(folder_ / name);
    uint64_t w = 0;
    for (int k = 0; k < words; ++k) {  // mostly a function of the word before
      w = s.uniform() < 0.7 ? (3 * w + 1) % 17 : s.below(17);
      out << "w" << w << (k % 11 == 10 ? "\n" : " ");
    }
  }
  const std::string start = folder_ / "start.safetensors";
  const std::string base = "[data]\nname = \"text\"\nroot = \"" + folder_.path() +
                           "\"\nbatch_size = 2\nbptt = 6\neval_batch = 2\n[model]\nname = \"awd-lstm\"\nlayers = 2\n"
                           "embedding = 6\nhidden = 7\noutput_dropout = 0\nhidden_dropout = 0\ninput_dropout = 0\n"
                           "embedding_dropout = 0\nweight_drop = 0\nalpha = 0.3\nbeta = 3\n";
  save_start(parse_recipe(base + rest(GetParam().rates), "lm.toml"), start, 1);
  const Recipe recipe = parse_recipe(base + "init = \"" + start + "\"\n" + rest(GetParam().rates), "lm.toml");
  const auto objective = make_objective(recipe, clients);
  Recorder recorder(*objective);
  recorder.note = [&](const BatchKey& draw) { return std::lround(6 * objective->rate_scale(draw.seed, draw.iteration)); };
  auto [result, config] = train_and_describe(recipe, *objective, recorder);
  config["problem"] = {{"kind", "lm"},          {"weights", "start.safetensors"},
                       {"batch_size", 2},       {"bptt", 6},
                       {"alpha", 0.3},          {"beta", 3.0},
                       {"tied", true},          {"layers", 2},
                       {"partition", "rotate"}, {"lengths", recorder.drawn}};
  config["problem"]["tokens"]["train"] = load_corpus(recipe.data, "text").train;
  compare(result, recorder, config);
}

// Writes an IDX file: magic 0, 0, type 8 (bytes), dimensions, then big-endian sizes and the bytes.
void write_idx(const fs::path& file, const std::vector<uint32_t>& sizes, const std::vector<uint8_t>& bytes) {
  std::ofstream out(file, std::ios::binary);
  out.put(0).put(0).put(8).put(static_cast<char>(sizes.size()));
  for (uint32_t n : sizes)
    for (int shift : {24, 16, 8, 0}) out.put(static_cast<char>(n >> shift & 255));
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Images with a bright square whose place tells the class, under noise.
void write_images(const test::TempFolder& folder, const std::string& part, int n, uint64_t seed) {
  Stream s(seed, 0, Purpose::augmentation, 0, 0);
  std::vector<uint8_t> pixels, labels;
  for (int i = 0; i < n; ++i) {
    const auto label = static_cast<int>(s.below(10));
    labels.push_back(static_cast<uint8_t>(label));
    for (int y = 0; y < 28; ++y)
      for (int x = 0; x < 28; ++x)
        pixels.push_back(static_cast<uint8_t>(s.below(90) + (y / 6 == label / 3 && x / 6 == label % 3 + 1 ? 150 : 0)));
  }
  write_idx(folder / (part + "-images-idx3-ubyte"), {static_cast<uint32_t>(n), 28, 28}, pixels);
  write_idx(folder / (part + "-labels-idx1-ubyte"), {static_cast<uint32_t>(n)}, labels);
}

TEST_P(OnNetworks, ConvolutionalNet) {
  write_images(folder_, "train", 240, 1);
  write_images(folder_, "t10k", 40, 2);
  const std::string start = folder_ / "start.safetensors";
  const std::string base =
      "[data]\nname = \"mnist\"\nroot = \"" + folder_.path() +
      "\"\nbatch_size = 8\npartition.kind = \"similarity\"\npartition.similarity = 30\n"
      "[model]\nname = \"mnist-cnn\"\nfirst = 4\nsecond = 6\nhidden = 12\ndropout = 0\nhidden_dropout = 0\n";
  save_start(parse_recipe(base + rest(GetParam().small_rates), "cnn.toml"), start, 0.2);
  const Recipe recipe = parse_recipe(base + "init = \"" + start + "\"\n" + rest(GetParam().small_rates), "cnn.toml");
  const auto objective = make_objective(recipe, clients);
  const auto images = load_images(recipe.data);
  ClientBatches batches(partition(partition_options(recipe.data), images->train.labels, images->train.users, clients), 8);
  Recorder recorder(*objective);
  recorder.note = [&](const BatchKey& draw) { return batches.next(draw); };
  auto [result, config] = train_and_describe(recipe, *objective, recorder);

  std::vector<int32_t> all;
  for (int32_t i = 0; i < 240; ++i) all.push_back(i);
  const ImageInput input{.mean = images->mean, .deviation = images->deviation};
  write_safetensors(folder_ / "images.safetensors",
                    {{"images", image_batch(images->train, images->shape, all, input, nullptr).contiguous()}});
  config["problem"] = {{"kind", "cnn"},
                       {"weights", "start.safetensors"},
                       {"images", "images.safetensors"},
                       {"labels", images->train.labels},
                       {"batches", recorder.drawn}};
  compare(result, recorder, config);
}

INSTANTIATE_TEST_SUITE_P(
    Methods, OnNetworks,
    testing::Values(
        Network{"celgc", "eta = 0.8\ngamma = 0.3\n", "momentum = 0.3\nweight_decay = 0.01\n", "eta = 0.1\ngamma = 0.1\n"},
        Network{"episode", "eta = 0.5\ngamma = 0.25\n", "resampling = 2\nweight_decay = 0.01\n", "eta = 0.1\ngamma = 0.1\n"},
        Network{"episode++", "eta = 0.3\ngamma = 0.2\n", "weight_decay = 0.01\n", "eta = 0.1\ngamma = 0.1\n"},
        Network{"scaffold", "eta = 0.3\ngamma = 0.4\n", "weight_decay = 0.01\n", "eta = 0.1\ngamma = 0.1\n"},
        Network{"fed-ams", "eta = 0.02\n", "epsilon = 1e-3\n", "eta = 0.002\n"},
        Network{"fed-lamb", "eta = 0.02\n", "epsilon = 1e-3\nweight_decay = 0.01\n", "eta = 0.005\n"},
        Network{"minibatch-clip", "eta = 0.8\ngamma = 0.5\n", "momentum = 0.5\nweight_decay = 0.01\n",
                "eta = 0.1\ngamma = 0.1\n"}),
    [](const auto& param_info) { return test::test_name(param_info.param.method); });

}  // namespace
}  // namespace tacet::methods_test
