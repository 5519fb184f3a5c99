// I as the run's own times say (algorithm.interval = "auto"): a run's decisions are written down, belong to its checkpoints,
// and give another run, on other workers, the same bits. The rule itself is tested in tests/engine.
#include "train/interval_control.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_of.h"
#include "support/placements.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A group whose every exchange takes 10 ms longer, as over a slow network.
class SlowGroup : public Group {
 public:
  explicit SlowGroup(Group& group) : group_(group) {}
  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    group_.exchange(to, from);
  }
  int64_t bytes_sent() const override { return group_.bytes_sent(); }
  std::string backend() const override { return group_.backend(); }

 private:
  Group& group_;
};

// Eight clients with noise on an exponential of so many coordinates that steps take longer than what surrounds them. An
// epoch is a local step.
Recipe large(const std::vector<std::string>& sets) {
  return parse_recipe(R"(
data = { name = "noise", samples = 8, noise.kind = "gaussian", noise.scale = 0.5 }
model = { name = "exponential", dimension = 4000, start = 2 }
algorithm = { name = "celgc", eta = 0.05, gamma = 0.2, momentum = 0.5 }
clients = { count = 8 }
schedule = { rounds = 20 }
run = { eval_every = 0, checkpoint_every = 20, checkpoint_keep = 100 }
)",
                      "r.toml", sets);
}

json json_of(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

std::vector<json> interval_lines(const std::string& folder) {
  std::ifstream in(folder + "/metrics.jsonl");
  std::vector<json> found;
  for (std::string line; std::getline(in, line);)
    if (json j = json::parse(line); j["event"] == "interval") found.push_back(j);
  return found;
}

std::vector<int64_t> of_key(const std::vector<json>& lines, const char* key) {
  std::vector<int64_t> values;
  for (const json& line : lines) values.push_back(line[key].get<int64_t>());
  return values;
}

// Runs on so many workers, and returns the checksum of the model.
std::string model_of(const Recipe& recipe, const std::string& out, int workers, bool slow = false, bool resume = false) {
  const std::function<std::string(Group&)> work = [&](Group& group) {
    Observer quiet;
    SlowGroup slowed(group);
    return train(recipe, slow ? static_cast<Group&>(slowed) : group, {.out = out, .resume = resume}, quiet).model_sha256;
  };
  return test::on_ranks(workers, work).front();
}

// The run that the others repeat: over a slow network I grows from 1 as fast as it may.
class Grown : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    sha_ = model_of(large({"algorithm.interval=auto", "algorithm.interval_max=16"}), run(), 2, true);
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string run() { return *folder_ / "slow"; }
  static std::string file() { return run() + "/interval.json"; }
  static Recipe repeating() { return large({"algorithm.interval=auto", "algorithm.interval_file=" + file()}); }

  // Returns a copy of the run as it was when its checkpoint of round 11 had just been written.
  static std::string cut(const std::string& name) {
    const fs::path copy = *folder_ / name;
    fs::copy(run(), copy, fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(run()))
      if (const std::string file = entry.path().filename().string();
          file.starts_with("checkpoint") && file != "checkpoint-11")
        fs::remove_all(copy / file);
    EXPECT_TRUE(fs::exists(copy / "checkpoint-11"));
    return copy.string();
  }

  static inline test::TempFolder* folder_ = nullptr;
  static inline std::string sha_;
};

TEST_F(Grown, EachDecisionIsALineAndFollowsTheRule) {
  const auto lines = interval_lines(run());
  EXPECT_EQ(of_key(lines, "round"), (std::vector<int64_t>{8, 16}));
  EXPECT_EQ(of_key(lines, "old"), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(of_key(lines, "new"), (std::vector<int64_t>{4, 16}));
  EXPECT_EQ(of_key(lines, "iteration"), (std::vector<int64_t>{8, 8 + 8 * 4}));
  IntervalOptions options;
  options.most = 16;
  for (const json& line : lines) {
    const IntervalCosts costs{line["step_seconds"], line["exchange_seconds"]};
    EXPECT_GT(costs.exchange_seconds, 0.01);  // at least one exchange a round
    EXPECT_GT(costs.step_seconds, 0);
    EXPECT_EQ(next_interval(options, line["old"], costs, false), line["new"].get<int64_t>());
    EXPECT_EQ(line["repeated"], false);
  }
  const json summary = json_of(run() + "/summary.json"), record = json_of(file());
  EXPECT_EQ(summary["iterations"], 8 + 8 * 4 + 4 * 16);
  EXPECT_EQ(summary["interval"], 16);
  EXPECT_EQ(summary["interval_auto"], json::parse(R"({"first": 1, "decisions": 2, "repeated": false})"));
  EXPECT_NE(summary["warnings"].dump().find("interval_file"), std::string::npos) << "that it may not repeat itself";
  EXPECT_EQ(record["first"], 1);
  for (size_t k = 0; k < lines.size(); ++k) {
    EXPECT_EQ(record["decisions"][k]["round"], lines[k]["round"]);
    EXPECT_EQ(record["decisions"][k]["interval"], lines[k]["new"]);
    EXPECT_EQ(record["decisions"][k]["step_seconds"], lines[k]["step_seconds"]);
  }
}

TEST_F(Grown, AnotherPlacementRepeatsTheDecisionsAndHasTheSameBits) {
  for (const int workers : {1, 3}) {
    const std::string out = *folder_ / ("repeated-" + std::to_string(workers));
    EXPECT_EQ(model_of(repeating(), out, workers), sha_) << workers;
    const auto lines = interval_lines(out);
    EXPECT_EQ(of_key(lines, "new"), (std::vector<int64_t>{4, 16}));
    for (const json& line : lines) EXPECT_EQ(line["repeated"], true);
    const json summary = json_of(out + "/summary.json");
    EXPECT_EQ(summary["interval_auto"]["repeated"], true);
    EXPECT_EQ(summary["warnings"], json::array());
    EXPECT_EQ(json_of(out + "/interval.json"), json_of(file()));
  }
  EXPECT_NE(model_of(large({"algorithm.interval=4"}), *folder_ / "fixed", 1), sha_) << "the comparison can't fail";
}

// The run is resumed on one worker, which measured anew would keep a small I, and goes through round 16 again.
TEST_F(Grown, AResumedRunRepeatsWhatItsFolderHas) {
  const Recipe recipe = large({"algorithm.interval=auto", "algorithm.interval_max=16"});
  const std::string whole = cut("whole"), bare = cut("bare");
  EXPECT_EQ(model_of(recipe, whole, 1, false, true), sha_);
  const auto lines = interval_lines(whole);
  EXPECT_EQ(of_key(lines, "round"), (std::vector<int64_t>{8, 16})) << "none is lost, none is there twice";
  EXPECT_EQ(lines[1]["repeated"], true);
  EXPECT_EQ(json_of(whole + "/interval.json"), json_of(file()));

  fs::remove(fs::path(bare) / "interval.json");
  model_of(recipe, bare, 1, false, true);
  EXPECT_EQ(interval_lines(bare)[1]["repeated"], false) << "without the file round 16 decides anew, by times of its own";
}

TEST_F(Grown, ADecisionBeforeTheCheckpointIsPartOfIt) {
  const std::string bare = cut("of-checkpoint");
  fs::remove(fs::path(bare) / "interval.json");
  const Recipe recipe = large({"algorithm.interval=auto", "algorithm.interval_max=16", "schedule.rounds=13"});
  model_of(recipe, bare, 1, false, true);
  EXPECT_EQ(json_of(bare + "/summary.json")["iterations"], 8 + 5 * 4);
  EXPECT_EQ(of_key(interval_lines(bare), "round"), (std::vector<int64_t>{8}));
}

// Nothing is changed where nothing is gained, and that is written down too.
TEST(AutoIntervalRun, StaysWhereItIsOnOneWorker) {
  const test::TempFolder f;
  model_of(
      large({"algorithm.interval=auto", "algorithm.interval_min=3", "algorithm.interval_share=0.05", "schedule.rounds=9"}),
      f / "run", 1);
  const auto lines = interval_lines(f / "run");
  EXPECT_EQ(of_key(lines, "old"), (std::vector<int64_t>{3}));
  EXPECT_EQ(of_key(lines, "new"), (std::vector<int64_t>{3}));
}

// ---- every method ----

Recipe small(const AlgorithmInfo& m, const std::string& keys) {
  std::string text = "[data]\nname = \"noise\"\nsamples = 4\nnoise.kind = \"gaussian\"\n[model]\nname = \"exponential\"\n";
  text += "dimension = 6\nstart = 2\n[clients]\ncount = 4\n[schedule]\nrounds = 6\n[algorithm]\nname = \"" + m.name + "\"\n";
  for (const Option& o : m.options)
    if (!o.fallback && o.required) text += o.name + " = 0.05\n";
  return parse_recipe(text + keys, "small.toml");
}

// A script of one interval is the recipe with that interval, and one that changes has the same bits on 1, 2 and 4 workers.
TEST(AutoIntervalRun, EveryMethodRepeatsAScriptOnAnyNumberOfWorkers) {
  const test::TempFolder f;
  const std::string still = f.write("still.json", interval_json({3, {}}));
  const std::string moves =
      f.write("moves.json", interval_json({2, {{1, 3, 0, 0}, {3, 5, 0, 0}, {4, 1, 0, 0}, {5, 4, 0, 0}}}));
  int tried = 0;
  for (const AlgorithmInfo& m : algorithms()) {
    if (!saves_messages(m)) continue;
    const auto x_of = [&](const std::string& keys, int workers) {
      const Recipe recipe = small(m, keys);
      const std::function<Vec(Group&)> work = [&](Group& group) {
        Observer quiet;
        return train(recipe, group, {}, quiet).x;
      };
      return test::on_ranks(workers, work).front();
    };
    const std::string by_file = "interval = \"auto\"\ninterval_file = \"";
    EXPECT_TRUE(at::equal(x_of(by_file + still + "\"\n", 1), x_of("interval = 3\n", 1))) << m.name;
    const Vec alone = x_of(by_file + moves + "\"\n", 1);
    EXPECT_TRUE(at::equal(x_of(by_file + moves + "\"\n", 2), alone)) << m.name;
    EXPECT_TRUE(at::equal(x_of(by_file + moves + "\"\n", 4), alone)) << m.name;
    EXPECT_FALSE(at::equal(x_of(by_file + still + "\"\n", 2), alone)) << m.name;
    ++tried;
  }
  EXPECT_GT(tried, 20);
}

// ---- the parts ----

TEST(IntervalRecord, ComesBackFromItsFileAndItsVector) {
  const test::TempFolder f;
  const IntervalRecord record{2, {{8, 4, 0.125, 1.5}, {16, 16, 0.1, 1e-9}}};
  const IntervalRecord back = read_interval_record(f.write("interval.json", interval_json(record)));
  Vec saved;
  EXPECT_TRUE(decisions_in(saved).empty());
  for (const IntervalDecision& d : record.decisions) saved = with_decision(saved, d);
  for (const auto& found : {back.decisions, decisions_in(saved)}) {
    ASSERT_EQ(found.size(), 2u);
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(found[k].round, record.decisions[k].round);
      EXPECT_EQ(found[k].interval, record.decisions[k].interval);
      EXPECT_EQ(found[k].step_seconds, record.decisions[k].step_seconds);
      EXPECT_EQ(found[k].exchange_seconds, record.decisions[k].exchange_seconds);
    }
  }
  EXPECT_EQ(back.first, 2);
  EXPECT_EQ(decision_after(record, 16)->interval, 16);
  EXPECT_EQ(decision_after(record, 9), nullptr);
}

TEST(IntervalRecord, RefusesWhatIsNone) {
  const test::TempFolder f;
  const auto refused = [&](const std::string& text, const std::string& why) {
    const std::string error = test::error_of([&] { read_interval_record(f.write("i.json", text)); });
    EXPECT_NE(error.find("i.json: "), std::string::npos) << error;
    EXPECT_NE(error.find(why), std::string::npos) << error;
  };
  refused("", "must be the interval.json of a run");
  refused("[1]", "must be the interval.json of a run");
  refused(R"({"format": 2, "first": 1, "decisions": []})", "format must be a whole number >= 1 and <= 1, got 2");
  refused(R"({"format": 1, "first": 0, "decisions": []})", "first must be a whole number >= 1 and <= 1000000000, got 0");
  refused(R"({"format": 1, "first": 1, "decisions": [{"round": 8}]})", "interval must be");
  refused(R"({"format": 1, "first": 1, "decisions": [{"round": 8, "interval": 1.5}]})", "got 1.5");
  refused(R"({"format": 1, "first": 1, "decisions": [{"round": 8, "interval": 2}, {"round": 8, "interval": 4}]})",
          "round must be a whole number >= 9");
  EXPECT_THROW(read_interval_record(f / "none.json"), UserError);
}

TEST(IntervalRecord, ADelayThatDoesNotFitIsAMistake) {
  const test::TempFolder f;
  const std::string file = f.write("interval.json", interval_json({4, {{2, 2, 0, 0}}}));
  const Recipe recipe =
      small(find_algorithm("celgc-overlap"), "delay = 3\ninterval = \"auto\"\ninterval_file = \"" + file + "\"\n");
  Observer quiet;
  const std::string error = test::error_of([&] { train(recipe, *single_group(), {}, quiet); });
  EXPECT_NE(error.find("algorithm.delay must be <= the smallest interval in " + file + ", which is 2, got 3"),
            std::string::npos)
      << error;
}

TEST(IntervalControl, TakesTheMedianSoThatOneSlowRoundCountsLittle) {
  const IntervalCosts c = median_costs({{1, 10}, {100, 12}, {2, 1000}, {3, 11}, {2, 9}});
  EXPECT_EQ(c.step_seconds, 2);
  EXPECT_EQ(c.exchange_seconds, 11);
}

}  // namespace
}  // namespace tacet
