// The driver around the algorithms: tensor files, NT-ASGD's trigger, checkpoints and what is written down. The
// command as a whole is tested in tests/cli.
#include "tacet/train.h"

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "data/files/safetensors.h"
#include "engine/message_coding.h"
#include "support/error_of.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"
#include "tasks/run_precision.h"
#include "train/tensorboard.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// ---- tensors in files ----

TEST(Safetensors, RoundTripKeepsNamesShapesTypesAndBits) {
  const test::TempFolder f;
  const std::vector<NamedTensor> tensors = {{"b", at::arange(6, at::kFloat).view({2, 3})},
                                            {"a", at::full({1}, 0.1, at::kDouble)},
                                            {"empty", at::empty({0, 4})},
                                            {"n", at::full({2}, int64_t{1} << 60, at::kLong)}};
  write_safetensors(f / "t", tensors);
  const auto back = read_safetensors(f / "t");
  ASSERT_EQ(back.size(), 4u);
  for (const auto& t : tensors)
    for (const auto& r : back)
      if (r.name == t.name) {
        EXPECT_TRUE(at::equal(t.tensor, r.tensor) && t.tensor.scalar_type() == r.tensor.scalar_type()) << t.name;
      }
  EXPECT_FALSE(fs::exists(f / "t.part"));
}

TEST(Safetensors, EveryTruncationIsAnErrorThatNamesTheFile) {
  const test::TempFolder f;
  write_safetensors(f / "t", {{"x", at::ones({5})}});
  std::ifstream in(f / "t", std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (size_t n = 0; n < whole.size(); ++n) {
    std::ofstream(f / "cut", std::ios::binary) << whole.substr(0, n);
    EXPECT_NE(test::error_of([&] { read_safetensors(f / "cut"); }).find("cut"), std::string::npos) << n;
  }
}

// Headers that claim the impossible: no allocation of what they claim.
TEST(Safetensors, LyingHeadersAreRefused) {
  const test::TempFolder f;
  for (const std::string header :
       {R"({"x":{"dtype":"F32","shape":[4000000000000],"data_offsets":[0,16000000000000]}})",
        R"({"x":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}})",
        R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})",
        R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})",
        R"({"x":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})",
        // Two tensors of the same bytes, and bytes of none: the one lies about memory, the other
        // leaves data out.
        R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"y":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
        R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
        R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", R"({"x":{"dtype":"F32","shape":[1]}})", R"({"x":3})",
        R"([1])", "not JSON"}) {
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    std::ofstream(f / "t", std::ios::binary) << bytes << header << std::string(16, 'x');
    EXPECT_NE(test::error_of([&] { read_safetensors(f / "t"); }), "") << header;
  }
}

RC_GTEST_PROP(Safetensors, RandomBytesNeverCrash, (const std::string& junk)) {
  static const test::TempFolder f;
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(junk.size());
  std::ofstream(f / "t", std::ios::binary) << bytes << junk;
  RC_ASSERT(test::error_of([&] { read_safetensors(f / "t"); }) != "" || junk.find('{') != std::string::npos);
}

TEST(Safetensors, AFullFolderLosesNothing) {
  const test::TempFolder f;
  write_safetensors(f / "t", {{"x", at::ones({5})}});
  EXPECT_NE(test::error_of([&] { write_safetensors(f / "t/below", {{"x", at::zeros({5})}}); }), "");
  EXPECT_EQ(read_safetensors(f / "t")[0].tensor.sum().item<float>(), 5);
}

TEST(Sha256, KnownAnswer) {
  const test::TempFolder f;
  std::ofstream(f / "abc") << "abc";  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256_file(f / "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The check value of CRC-32C (iSCSI, RFC 3720) for the digits 1 to 9.
TEST(TensorBoard, ChecksumHasTheKnownCheckValue) { EXPECT_EQ(crc32c("123456789"), 0xe3069283u); }

// ---- runs on an objective of one's own ----

// A quadratic whose validation loss follows a script, to steer NT-ASGD.
struct Scripted : test::Quadratic {
  std::vector<double> script;
  size_t next = 0;
  explicit Scripted(std::vector<double> losses) : Quadratic(4, {1, 1}, {1, 3}, 0.1), script(std::move(losses)) {
    samples_per_batch = 10;
  }
  std::vector<std::string> splits() const override { return {"valid"}; }
  int units(const std::string&) const override { return 1; }
  Score evaluate(const std::string&, int, const Vec&) override {
    return {script.at(std::min(next++, script.size() - 1)), 0, 1};
  }
};

// The name by which recipes mean the objective that a test hands to train().
[[maybe_unused]] const bool known = (add_objective({.name = "given"}), true);

Recipe recipe(const std::string& schedule, const std::string& run = "") {
  return parse_recipe(
      "[objective]\nname = \"given\"\n[algorithm]\nname = \"celgc\"\neta = 0.1\ngamma = 0.05\n"
      "interval = 5\nmomentum = 0.5\n[clients]\ncount = 2\n[schedule]\n" +
          schedule + "\n[run]\n" + run,
      "test.toml");
}

std::vector<json> lines(const std::string& file, const std::string& event) {
  std::ifstream in(file);
  std::vector<json> found;
  for (std::string line; std::getline(in, line);) {
    json j = json::parse(line);
    if (j["event"] == event) found.push_back(j);
  }
  return found;
}

// An epoch is 100 samples: 2 clients × 5 steps × 10 samples, so one round. nonmono = 2: the trigger is the first evaluation
// (the k-th) whose loss exceeds the smallest of the first k−1−2; with 5 4 3 2 3.5 6 …: the 6th, since 6 > min(5, 4, 3).
TEST(NtAsgd, IsTriggeredByTheRuleAndAveragesFromThere) {
  const test::TempFolder f;
  Scripted objective({5, 4, 3, 2, 3.5, 6, 1, 1});
  const auto group = single_group();
  Observer quiet;
  const Result r = train(recipe("epochs = 8\nnt_asgd = true\nnonmono = 2"), objective, *group, {.out = f / "run"}, quiet);
  const auto evals = lines(f / "run/metrics.jsonl", "eval");
  ASSERT_EQ(evals.size(), 8u);
  for (size_t k = 0; k < 8; ++k) EXPECT_EQ(evals[k]["averaged"].get<bool>(), k >= 6) << k;
  EXPECT_EQ(r.status, "done");

  // The final model is the mean of the iterates after rounds 6, 7 and 8.
  std::vector<Vec> x;
  for (int rounds : {6, 7, 8}) {
    Scripted again({1});
    x.push_back(train(recipe("rounds = " + std::to_string(rounds)), again, *group, {}, quiet).x.clone());
  }
  EXPECT_TRUE(at::allclose(r.x, (x[0] + x[1] + x[2]) / 3, 1e-6, 1e-7));
}

// An evaluation that is not a number is neither the best nor one that a later loss is compared with: the 5th triggers, since
// 6 > min(5, nan), and the best is the third.
TEST(NtAsgd, PassesOverLossesThatAreNotANumber) {
  const test::TempFolder f;
  Scripted objective({5, std::numeric_limits<double>::quiet_NaN(), 3, 4, 6, std::numeric_limits<double>::quiet_NaN(), 7});
  Observer quiet;
  const auto group = single_group();
  train(recipe("epochs = 7\nnt_asgd = true\nnonmono = 2"), objective, *group, {.out = f / "run"}, quiet);
  const auto evals = lines(f / "run/metrics.jsonl", "eval");
  ASSERT_EQ(evals.size(), 7u);
  for (size_t k = 0; k < 7; ++k) EXPECT_EQ(evals[k]["averaged"].get<bool>(), k >= 5) << k;
  std::ifstream in(f / "run/summary.json");
  const json best = json::parse(in)["best"];
  EXPECT_EQ(best["eval_loss"], 3);
  EXPECT_EQ(best["round"], 3);
}

// Two rounds are an epoch here. Triggered at epoch 6, the mean is over the models of rounds 12, 14 and 16, not of 13 and 15.
TEST(NtAsgd, AveragesTheModelsOfEpochsWhenAsked) {
  Observer quiet;
  const auto group = single_group();
  const auto halves = [](std::vector<double> script) {
    Scripted objective(std::move(script));
    objective.samples_per_batch = 5;
    return objective;
  };
  Scripted objective = halves({5, 4, 3, 2, 3.5, 6, 1, 1});
  const Recipe asked = recipe("epochs = 8\nnt_asgd = true\nnonmono = 2\nnt_asgd_each = \"epoch\"");
  const Result r = train(asked, objective, *group, {}, quiet);
  EXPECT_EQ(r.rounds, 16);
  std::vector<Vec> x;
  for (int rounds : {12, 14, 16}) {
    Scripted again = halves({1});
    x.push_back(train(recipe("rounds = " + std::to_string(rounds)), again, *group, {}, quiet).x.clone());
  }
  EXPECT_TRUE(at::allclose(r.x, (x[0] + x[1] + x[2]) / 3, 1e-6, 1e-7));
  Scripted other = halves({5, 4, 3, 2, 3.5, 6, 1, 1});
  const Recipe rounds = recipe("epochs = 8\nnt_asgd = true\nnonmono = 2");
  EXPECT_FALSE(at::equal(train(rounds, other, *group, {}, quiet).x, r.x));
}

TEST(NtAsgd, IsNotTriggeredWithoutBeingAsked) {
  Scripted objective({1, 2, 3, 4, 5, 6, 7, 8});
  Observer quiet;
  const test::TempFolder f;
  train(recipe("epochs = 8"), objective, *single_group(), {.out = f / "run"}, quiet);
  for (const auto& e : lines(f / "run/metrics.jsonl", "eval")) EXPECT_FALSE(e["averaged"].get<bool>());
}

// Stopped after every possible round and resumed, with NT-ASGD under way in some of them: the same bits, and no line twice.
TEST(Resume, AtAnyRoundGivesTheSameModelAndMetrics) {
  Observer quiet;
  const auto group = single_group();
  const std::vector<double> script = {5, 4, 3, 2, 3.5, 6, 1, 1};
  const test::TempFolder whole;
  Scripted objective(script);
  const Recipe full = recipe("epochs = 8\nnt_asgd = true\nnonmono = 2");
  const Result straight = train(full, objective, *group, {.out = whole / "run"}, quiet);
  for (int cut = 1; cut < 8; ++cut) {
    const test::TempFolder f;
    struct StopAt : Observer {
      int round;
      std::atomic<bool> stop{false};
      void progress(const Progress& p) override { stop = p.round + 1 >= round; }
    } stopper;
    stopper.round = cut;
    stopper.stop = cut == 1;
    Scripted first(script);
    const Result half = train(full, first, *group, {.out = f / "run", .stop = &stopper.stop}, stopper);
    ASSERT_EQ(half.status, "interrupted");
    ASSERT_EQ(half.rounds, cut);
    Scripted second(script);
    second.next = first.next;
    const Result rest = train(full, second, *group, {.out = f / "run", .resume = true}, quiet);
    EXPECT_TRUE(at::equal(rest.x, straight.x)) << "cut at round " << cut;
    const auto rounds = lines(f / "run/metrics.jsonl", "round");
    ASSERT_EQ(rounds.size(), 8u);
    for (size_t k = 0; k < 8; ++k) EXPECT_EQ(rounds[k]["round"], k + 1);
    EXPECT_EQ(rest.model_sha256, straight.model_sha256);
  }
}

// Ends a run after so many rounds.
struct StopAfter : Observer {
  explicit StopAfter(int64_t rounds) : last(rounds), stop(rounds == 1) {}
  void progress(const Progress& p) override { stop = p.round + 1 >= last; }
  const int64_t last;
  std::atomic<bool> stop;
};

std::vector<int> rounds_of(const std::string& folder, const std::string& event) {
  std::vector<int> rounds;
  for (const auto& line : lines(folder + "/metrics.jsonl", event)) rounds.push_back(line["round"]);
  return rounds;
}

json numbers_of(const std::string& folder) {
  std::ifstream in(folder + "/checkpoint/state.json");
  return json::parse(in)["numbers"];
}

// Has figures besides loss and accuracy, which no checkpoint has.
struct Figured : Scripted {
  using Scripted::Scripted;
  bool evaluates_training() const override { return true; }
  std::vector<std::pair<std::string, double>> figures(const Vec& x) override {
    return {{"length", x.norm().item<double>()}};
  }
};

json final_of(const std::string& folder) {
  std::ifstream in(folder + "/summary.json");
  return json::parse(in)["final"];
}

TEST(Resume, AFinishedRunHasAllItsFiguresAgain) {
  const test::TempFolder f;
  Observer quiet;
  const Recipe r = recipe("rounds = 3", "eval_train = true");
  Figured objective({1});
  train(r, objective, *single_group(), {.out = f / "run"}, quiet);
  const json before = final_of(f / "run");
  EXPECT_TRUE(before.contains("eval_length") && before.contains("train_set_loss")) << before;
  const auto evaluations = rounds_of(f / "run", "eval"), of_training = rounds_of(f / "run", "train");
  for (const int workers : {1, 2}) {
    auto groups = thread_groups(workers, 20);
    std::vector<std::thread> threads;
    for (auto& group : groups)
      threads.emplace_back([&] {
        Figured again({1});
        train(r, again, *group, {.out = f / "run", .resume = true}, quiet);
      });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(final_of(f / "run"), before) << workers;
    EXPECT_EQ(rounds_of(f / "run", "eval"), evaluations) << "one that is made up for has no line";
    EXPECT_EQ(rounds_of(f / "run", "train"), of_training);
  }
}

// A round is an epoch. The checkpoint has the dates of the longer options.
TEST(Resume, AShorterOptionCountsAtOnce) {
  const test::TempFolder f;
  Observer quiet;
  Scripted objective({1});
  StopAfter two(2);
  train(recipe("rounds = 8", "eval_every = 6\ncheckpoint_every = 6"), objective, *single_group(),
        {.out = f / "run", .stop = &two.stop}, two);
  EXPECT_EQ(numbers_of(f / "run")["next_eval"]["value"], 6);
  StopAfter five(5);
  train(recipe("rounds = 8", "eval_every = 1\ncheckpoint_every = 0.5"), objective, *single_group(),
        {.out = f / "run", .resume = true, .stop = &five.stop}, five);
  EXPECT_EQ(rounds_of(f / "run", "eval"), (std::vector<int>{3, 4}));  // round 5's comes with the next one
  EXPECT_TRUE(fs::exists(f / "run/checkpoint-4"));
}

TEST(Resume, TheDatesOfAnUnchangedOptionStayToTheBit) {
  const std::string every = "eval_every = 0.7\ncheckpoint_every = 1.1";
  const test::TempFolder whole;
  Observer quiet;
  Scripted objective({1});
  train(recipe("rounds = 12", every), objective, *single_group(), {.out = whole / "run"}, quiet);
  for (const int cut : {1, 3, 7, 10}) {
    const test::TempFolder f;
    StopAfter stopper(cut);
    train(recipe("rounds = 12", every), objective, *single_group(), {.out = f / "run", .stop = &stopper.stop}, stopper);
    train(recipe("rounds = 12", every), objective, *single_group(), {.out = f / "run", .resume = true}, quiet);
    EXPECT_EQ(rounds_of(f / "run", "eval"), rounds_of(whole / "run", "eval")) << cut;
    for (const char* date : {"next_eval", "next_checkpoint", "next_gradient"})
      EXPECT_EQ(numbers_of(f / "run")[date], numbers_of(whole / "run")[date]) << cut << date;
  }
}

// Rounds may be counted in place of epochs: a round is an epoch here, and evaluations come at 3, 6 and at the end.
TEST(Evaluation, ComesEverySoManyRoundsWhenAsked) {
  const test::TempFolder f;
  Observer quiet;
  Scripted objective({1});
  train(recipe("rounds = 8", "eval_rounds = 3"), objective, *single_group(), {.out = f / "run"}, quiet);
  std::vector<int> at;
  for (const auto& e : lines(f / "run/metrics.jsonl", "eval")) at.push_back(e["round"]);
  EXPECT_EQ(at, (std::vector<int>{3, 6, 8}));
}

// The next leader would take the lines that it did not count for those of a round that is repeated, and cut them.
TEST(SameForAll, TheRoundsThatHaveALine) {
  auto groups = thread_groups(2, 20);
  std::vector<std::string> said(2);
  std::vector<std::thread> threads;
  for (size_t q = 0; q < 2; ++q)
    threads.emplace_back([&, q] {
      Scripted objective({1});
      Observer quiet;
      const Recipe r = recipe("rounds = 2", "log_every = " + std::to_string(1 + q));
      said[q] = test::error_of([&] { train(r, objective, *groups[q], {}, quiet); });
    });
  for (std::thread& t : threads) t.join();
  for (const std::string& text : said)
    EXPECT_EQ(text,
              "the recipe's run.log_every must be the same for all workers, but it is 1 for worker 0 and 2 for worker 1");
}

// ---- a deadline ----

// Clients that in some rounds (from 0) compute until the deadline is over.
struct Slow : test::Quadratic {
  using Quadratic::Quadratic;
  std::set<std::pair<int64_t, int>> slow;  // round, client
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const BatchLoss s = Quadratic::gradient(draw, y);
    // At the turn's last gradient but one, so that momentum and the like have changed.
    if (draw.step == 1 && slow.count({draw.round, draw.client}))
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return s;
  }
  // 9 and 12 samples in batches of 3: 3 and 4 steps an epoch.
  ClientPass client_pass(int client, int64_t) override { return {9 + 3 * client, 3}; }
};

struct Late {
  const char* name;
  const char* method;
  std::map<std::string, Value> more;
  bool by_epochs = false;  // a round is a local epoch of each client
};

const std::vector<std::vector<int>> everyone = {{0, 1}};

void expect_the_late_one_was_not_there(const Late& p) {
  const test::TempFolder f;
  std::string options = "name = \"" + std::string(p.method) + "\"\neta = 0.1\n";
  options += p.by_epochs ? "local_epochs = 1\n" : "interval = 3\n";
  if (find_algorithm(p.method).options[1].name == "gamma") options += "gamma = 0.2\n";
  for (const auto& [key, value] : p.more) options += key + " = " + to_toml(value) + "\n";
  const Recipe r = parse_recipe("[objective]\nname = \"given\"\n[algorithm]\n" + options +
                                    "[clients]\ncount = 2\n[schedule]\nrounds = 5\n[run]\nround_deadline = 1\n",
                                "test.toml");
  auto groups = thread_groups(2, 20);
  std::vector<Vec> x(2);
  std::vector<std::thread> threads;
  for (size_t q = 0; q < 2; ++q)
    threads.emplace_back([&, q] {
      Slow objective(6, {1, 2}, {1, -3});
      objective.weights = {0.5, 1.5};
      objective.slow = {{1, 1}, {3, 0}, {3, 1}};
      Observer quiet;
      x[q] = train(r, objective, *groups[q], {.out = f / "run"}, quiet).x;
    });
  for (std::thread& t : threads) t.join();

  // Rounds 0 and 1, the second with client 0 alone; round 2; nobody in round 3; round 4.
  test::Trial trial = test::trial(p.method, 2, p.by_epochs ? 4 : 3, p.more);
  if (p.by_epochs) trial.steps = [](int client) { return 3 + client; };
  test::Quadratic objective(6, {1, 2}, {1, -3});
  objective.weights = {0.5, 1.5};
  auto algorithm = trial.method->make(trial.options);
  const auto group = single_group();
  MessageCoder messages(p.more.count("message") ? MessageKind::int8 : MessageKind::f32);
  Vec expected = objective.initial();
  trial.sampled = {{0, 1}, {0}};
  run_on(*group, trial, objective, *algorithm, expected, 0, 2, &messages);
  trial.sampled = everyone;
  for (const int64_t round : {2, 4}) run_on(*group, trial, objective, *algorithm, expected, round, round + 1, &messages);
  EXPECT_TRUE(at::equal(x[0], expected)) << x[0] << expected;
  EXPECT_TRUE(at::equal(x[0], x[1]));

  const auto rounds = lines(f / "run/metrics.jsonl", "round");
  const std::vector<std::vector<int>> late = {{}, {1}, {}, {0, 1}, {}};
  ASSERT_EQ(rounds.size(), late.size());
  for (size_t k = 0; k < late.size(); ++k) {
    EXPECT_EQ(rounds[k]["late"], json(late[k])) << k;
    EXPECT_EQ(rounds[k]["came"], 2 - late[k].size()) << k;
  }
  std::ifstream in(f / "run/summary.json");
  EXPECT_EQ(json::parse(in)["late"], 3);
}

// A round that a client does not finish is, for everybody, a round for which it was not chosen: bit for bit. The runs mostly
// wait, so they do it side by side.
TEST(Deadline, WhoComesTooLateWasNotThere) {
  const std::vector<Late> methods = {{"momentum", "celgc", {{"momentum", 0.5}}},
                                     {"weights", "fedavg", {{"weighted", true}}},
                                     {"variates", "scaffold", {}},
                                     {"corrections", "episode++", {}},
                                     {"server", "fed-adam", {}},
                                     {"moments", "fed-ams", {{"persist", true}}},
                                     {"coded", "celgc", {{"message", std::string("int8")}}},
                                     {"epochs", "celgc", {{"momentum", 0.5}}, true},
                                     {"variates of epochs", "scaffold", {}, true}};
  std::vector<std::thread> runs;
  for (const Late& p : methods)
    runs.emplace_back([&p] {
      SCOPED_TRACE(p.name);
      expect_the_late_one_was_not_there(p);
    });
  for (std::thread& t : runs) t.join();
}

// No client ever comes in time. A run until an epoch's end would never end.
TEST(Deadline, ARunOfNobodySaysSo) {
  const test::TempFolder f;
  struct Slower : test::Quadratic {
    using Quadratic::Quadratic;
    BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return Quadratic::gradient(draw, y);
    }
  };
  const auto said = [&](const std::string& schedule) {
    Slower objective(6, {1, 2}, {1, -3});
    const Recipe r = parse_recipe(
        "[objective]\nname = \"given\"\n[algorithm]\nname = \"celgc\"\neta = 0.1\ngamma = 0.2\ninterval = 3\n[clients]\n"
        "count = 2\n[schedule]\n" +
            schedule + "\n[run]\nround_deadline = 0.01\n",
        "test.toml");
    struct : Observer {
      std::vector<std::string> warnings;
      void warning(const std::string& line) override { warnings.push_back(line); }
    } heard;
    const std::string error = test::error_of([&] { train(r, objective, *single_group(), {}, heard); });
    EXPECT_EQ(heard.warnings,
              (std::vector<std::string>{"run.round_deadline = 0.01: no client came in time in round 1, which "
                                        "changes nothing"}));
    return error;
  };
  EXPECT_EQ(
      said("epochs = 1"),
      "run.round_deadline must be longer than a client's turn: no client came in time in 10 rounds in a row, got 0.01");
  EXPECT_EQ(said("rounds = 3"),
            "run.round_deadline must be longer than a client's turn: no client came in time in any round, got 0.01");
}

// A client's first turn is dropped, so it has no momentum before its next one. Its place in the file has the dropped one's.
TEST(Deadline, ADroppedTurnLeavesNothingInAFile) {
  const test::TempFolder f;
  std::vector<Vec> x;
  for (const char* place : {"memory", "file"}) {
    const Recipe r = parse_recipe(
        "[objective]\nname = \"given\"\n[algorithm]\nname = \"celgc\"\neta = 0.1\ngamma = 0.2\nmomentum = 0.5\n"
        "interval = 3\n[clients]\ncount = 2\n[schedule]\nrounds = 2\n[run]\nround_deadline = 1\nclient_state = \"" +
            std::string(place) + "\"\n",
        "test.toml");
    Slow objective(6, {1, 2}, {1, -3});
    objective.slow = {{0, 1}};
    Observer quiet;
    x.push_back(train(r, objective, *single_group(), {.out = f / place}, quiet).x);
    EXPECT_EQ(lines(f.path() + "/" + place + "/metrics.jsonl", "round")[0]["late"], json(std::vector<int>{1}));
  }
  EXPECT_TRUE(at::equal(x[0], x[1])) << x[0] << x[1];
}

TEST(RunFolder, IsNeverWrittenOver) {
  const test::TempFolder f;
  std::ofstream(f / "precious") << "data";
  Scripted objective({1});
  Observer quiet;
  const std::string said =
      test::error_of([&] { train(recipe("rounds = 1"), objective, *single_group(), {.out = f.path()}, quiet); });
  EXPECT_NE(said.find("is not empty"), std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator(f.path()), {}), 1);
}

// A run without a model and a data set names neither.
TEST(RunFolder, AnObjectiveOfOnesOwnIsCalledSo) {
  const test::TempFolder f;
  Scripted objective({1});
  Observer quiet;
  train(recipe("rounds = 1"), objective, *single_group(), {.out = f / "run"}, quiet);
  std::ifstream in(f / "run/summary.json");
  const json summary = json::parse(in);
  EXPECT_EQ(summary["objective"], "given");
  EXPECT_FALSE(summary.contains("model"));
  EXPECT_FALSE(summary.contains("data"));
  const Recipe kept = load_recipe(f / "run/recipe.toml");
  EXPECT_EQ(kept.objective.text("name"), "given");
  EXPECT_TRUE(kept.model.all().empty() && kept.data.all().empty());
}

TEST(RunFolder, ADivergingRunSaysSoAndIsMarkedFailed) {
  const test::TempFolder f;
  Scripted objective({1});
  objective.a = {1e30, 1e30};
  Observer quiet;
  const Recipe r = parse_recipe(
      "[objective]\nname = \"given\"\n[algorithm]\nname = \"fedavg\"\neta = 1e10\ninterval = 5\n"
      "[clients]\ncount = 2\n[schedule]\nrounds = 3\n",
      "test.toml");
  const std::string said = test::error_of([&] { train(r, objective, *single_group(), {.out = f / "run"}, quiet); });
  EXPECT_NE(said.find("round 1, client 0, local step"), std::string::npos) << said;
  std::ifstream in(f / "run/summary.json");
  EXPECT_EQ(json::parse(in)["status"], "failed");
}

// ---- what a run asks of its machine ----

TEST(RunDtype, Bf16NeedsAMachineThatMultipliesIt) {
  Values run;
  run.set("dtype", std::string("bf16"));
  EXPECT_EQ(precision_of(run, /*bf16=*/true), Precision::bf16);
  const std::string said = test::error_of([&] { precision_of(run, /*bf16=*/false); });
  for (const char* word : {"run.dtype", "bf16", "f32"}) EXPECT_NE(said.find(word), std::string::npos) << said;
  run.set("dtype", std::string("f32"));
  EXPECT_EQ(precision_of(run, /*bf16=*/false), Precision::f32);
}

}  // namespace
}  // namespace tacet
