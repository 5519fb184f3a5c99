// Tests of counts and words of a run: epochs and extra samples, rounds longer than the schedule, runs that trained nothing,
// resumes without a checkpoint, and event files that go on.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_of.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "tacet/train.h"
#include "train/tensorboard.h"

namespace tacet::told_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Listener : Observer {
  std::vector<std::string> warnings;
  void warning(const std::string& line) override { warnings.push_back(line); }
};

// 100 training samples, 10 a gradient.
struct Task : test::Quadratic {
  int64_t broken_from = std::numeric_limits<int64_t>::max();  // the first round whose losses are not finite
  Task() : Quadratic(4, {1, 2}, {1, 3}, 0.1) { samples_per_batch = 10; }
  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    BatchLoss s = Quadratic::gradient(draw, y);
    if (draw.round >= broken_from) s.loss = std::numeric_limits<double>::quiet_NaN();
    return s;
  }
};

Recipe recipe(const std::string& method, const std::string& schedule, const std::string& run = "") {
  return parse_recipe("[objective]\nname = \"given\"\n[algorithm]\n" + method + "\n[clients]\ncount = 2\n[schedule]\n" +
                          schedule + "\n[run]\n" + run,
                      "test.toml");
}

const std::string celgc = "name = \"celgc\"\neta = 0.1\ngamma = 0.05\ninterval = 5";

Result run(const Recipe& r, const std::string& out, Listener& listener, bool resume = false,
           int64_t broken_from = std::numeric_limits<int64_t>::max()) {
  Task task;
  task.broken_from = broken_from;
  return train(r, task, *single_group(), {.out = out, .resume = resume}, listener);
}

Result run(const Recipe& r, const std::string& out, bool resume = false) {
  Listener quiet;
  return run(r, out, quiet, resume);
}

json summary(const std::string& folder) {
  std::ifstream in(folder + "/summary.json");
  return json::parse(in);
}

std::vector<json> lines(const std::string& folder, const std::string& event) {
  std::ifstream in(folder + "/metrics.jsonl");
  std::vector<json> found;
  for (std::string line; std::getline(in, line);)
    if (const json j = json::parse(line); j["event"] == event) found.push_back(j);
  return found;
}

// ---- epochs ----

// 2 clients × 5 local steps × 10 samples are an epoch, whatever a method draws besides.
TEST(Epochs, CountLocalStepsOnlyAndWhatIsDrawnBesidesIsCountedApart) {
  struct Case {
    const char* method;
    int64_t extra;  // after two rounds
  };
  const Case cases[] = {{"celgc", 0}, {"episode", 40}, {"episode++", 20}, {"fedavg", 0}};
  for (const auto& [method, extra] : cases) {
    SCOPED_TRACE(method);
    const test::TempFolder f;
    const std::string gamma = method == std::string("fedavg") ? "" : "\ngamma = 0.05";
    const Result r =
        run(recipe("name = \"" + std::string(method) + "\"\neta = 0.1\ninterval = 5" + gamma, "epochs = 2"), f / "run");
    EXPECT_EQ(r.rounds, 2);
    EXPECT_EQ(r.epoch, 2);
    EXPECT_EQ(r.extra_samples, extra);
    EXPECT_EQ(summary(f / "run")["extra_samples"], extra);
    EXPECT_EQ(lines(f / "run", "round").back()["extra_samples"], extra);
  }
}

TEST(Epochs, ACheckpointWithoutTheCountersStillResumes) {
  const test::TempFolder f;
  run(recipe(celgc, "epochs = 1"), f / "run");
  const std::string state = f / "run/checkpoint/state.json", sums = f / "run/checkpoint/SHA256SUMS";
  std::ifstream in(state);
  json head = json::parse(in);
  EXPECT_EQ(head["numbers"].erase("extra_samples") + head["numbers"].erase("taken"), 2u);
  std::ofstream(state) << head.dump(1);
  ASSERT_EQ(
      std::system(("cd " + (f / "run/checkpoint") + " && sha256sum state.json state.safetensors > SHA256SUMS").c_str()), 0);
  const Result r = run(recipe(celgc, "epochs = 2"), f / "run", true);
  EXPECT_EQ(r.status, "done");
  EXPECT_EQ(r.rounds, 2);
  EXPECT_EQ(r.extra_samples, 0);
}

TEST(Epochs, ARoundLongerThanTheScheduleIsTold) {
  struct Case {
    const char* schedule;
    std::vector<std::string> words;  // of the warning; none: no warning
  };
  const std::string long_rounds = "name = \"celgc\"\neta = 0.1\ngamma = 0.05\ninterval = 50";
  const Case cases[] = {{"epochs = 1", {"a round is 10 epochs", "schedule.epochs = 1"}},
                        {"epochs = 1\nrounds = 9", {"a round is 10 epochs"}},
                        {"iterations = 10", {"50 local steps", "schedule.iterations = 10"}},
                        {"epochs = 10", {}},
                        {"rounds = 2", {}},
                        {"iterations = 60", {}}};
  for (const auto& [schedule, words] : cases) {
    SCOPED_TRACE(schedule);
    const test::TempFolder f;
    Listener heard;
    run(recipe(long_rounds, schedule), f / "run", heard);
    ASSERT_EQ(heard.warnings.size(), words.empty() ? 0u : 1u);
    EXPECT_EQ(summary(f / "run")["warnings"], json(heard.warnings));
    EXPECT_EQ(lines(f / "run", "round")[0].contains("round_epochs"), !words.empty());
    if (!words.empty()) test::expect_mentions(heard.warnings[0], words);
  }
}

// ---- runs that are not finite ----

TEST(NotFinite, ARunThatSkippedEveryGradientIsNotDone) {
  const test::TempFolder f;
  Listener quiet;
  const Recipe r = recipe(celgc, "rounds = 2", "non_finite = \"skip\"");
  const auto go = [&] { run(r, f / "run", quiet, false, 0); };
  test::expect_mentions(test::error_of(go), {"run.non_finite", "all 20 gradients", "nothing was trained"});
  EXPECT_EQ(summary(f / "run")["status"], "failed");
  EXPECT_FALSE(fs::exists(f / "run/model.safetensors"));
}

TEST(NotFinite, TheAdviceNamesOnlyOptionsThatTheMethodHas) {
  struct Case {
    const char* method;
    bool has_gamma;
  };
  const Case cases[] = {
      {"name = \"fedavg\"\neta = 0.1", false}, {"name = \"scaffold\"\neta = 0.1", false}, {celgc.c_str(), true}};
  for (const auto& [method, has_gamma] : cases) {
    const test::TempFolder f;
    Listener quiet;
    const Recipe r = recipe(method, "rounds = 2");
    const std::string said = test::error_of([&] { run(r, f / "run", quiet, false, 1); });
    test::expect_mentions(said, {"round 2, client 0", "lower algorithm.eta"});
    EXPECT_EQ(said.find("gamma") != std::string::npos, has_gamma) << said;
  }
}

// ---- resumes without a checkpoint ----

TEST(Begin, AResumeWithoutACheckpointBeginsAtTheStartAndSaysSo) {
  const Recipe r = recipe(celgc, "rounds = 3");
  const test::TempFolder f;
  const Result whole = run(r, f / "whole");
  // A run that was killed before its first checkpoint.
  fs::create_directories(f / "begun");
  for (const char* file : {"recipe.toml", "metrics.jsonl", "summary.json"})
    fs::copy_file(f / "whole/" + file, f / "begun/" + file);
  std::ofstream(f / "begun/metrics.jsonl", std::ios::app) << "{\"event\":\"round\",\"rou";
  fs::create_directories(f / "empty");
  for (const char* place : {"new", "empty", "begun"}) {
    SCOPED_TRACE(place);
    Listener heard;
    const Result again = run(r, f / place, heard, true);
    EXPECT_TRUE(at::equal(again.x, whole.x));
    EXPECT_EQ(lines(f / place, "round").size(), 3u);
    ASSERT_EQ(heard.warnings.size(), 1u);
    test::expect_mentions(heard.warnings[0], {"no checkpoint yet", "begins at its start"});
  }
}

TEST(Begin, AFolderOfAnotherRunOrOfAnotherProgramIsRefusedAndStays) {
  const test::TempFolder f;
  run(recipe(celgc, "rounds = 1"), f / "other");
  for (const auto& entry : fs::directory_iterator(f / "other"))
    if (entry.path().filename().string().starts_with("checkpoint")) fs::remove_all(entry.path());
  fs::copy(f / "other", f / "finished", fs::copy_options::recursive);
  fs::remove(f / "other/model.safetensors");
  fs::create_directories(f / "foreign");
  std::ofstream(f / "foreign/precious") << "data";
  const Recipe now = recipe("name = \"celgc\"\neta = 0.2\ngamma = 0.05\ninterval = 5", "rounds = 1");
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"other", {"algorithm.eta", "0.1", "0.2"}},
      {"finished", {"--resume", "no checkpoint", "finished run"}},
      {"foreign", {"--resume", "no checkpoint", "no run's folder"}}};
  for (const auto& [place, words] : cases) {
    SCOPED_TRACE(place);
    const std::string folder = f / place;
    const auto files = std::distance(fs::directory_iterator(folder), {});
    test::expect_mentions(test::error_of([&] { run(now, folder, true); }), words);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), files);
  }
}

// ---- event files ----

struct Points {
  std::map<int64_t, int> rounds;  // points of round/train_loss, by step
  int files = 0;
};

// Counts the records of all event files that have the tag, by a reader of the format of its own.
Points points(const std::string& folder) {
  Points p;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find("tfevents") == std::string::npos) continue;
    ++p.files;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    for (size_t at = 0; at + 16 <= bytes.size();) {
      uint64_t size = 0;
      std::memcpy(&size, bytes.data() + at, sizeof size);
      const std::string event = bytes.substr(at + 12, size);
      at += 16 + size;
      if (event.find("round/train_loss") == std::string::npos) continue;
      // Field 1, a double, comes first: 9 bytes. Field 2 is the step, a number of less than 128 here.
      EXPECT_EQ(event[9], 0x10);
      p.rounds[event[10]] += 1;
    }
  }
  return p;
}

TEST(EventFiles, GoOnWithOnePointAStepAfterAResume) {
  const test::TempFolder f;
  run(recipe(celgc, "epochs = 2"), f / "run");
  // Lines and points behind the checkpoint, as a run has written them that was killed then.
  {
    TensorBoardLog killed(f / "run", {});
    std::ofstream more(f / "run/metrics.jsonl", std::ios::app);
    for (const json& line : lines(f / "run", "round")) killed.write(line);
    const json late = {{"event", "round"}, {"round", 3}, {"iteration", 15}, {"train_loss", 1.0}};
    killed.write(late);
    more << late.dump() << "\n";
  }
  run(recipe(celgc, "epochs = 4"), f / "run", true);
  const Points p = points(f / "run");
  EXPECT_EQ(p.rounds, (std::map<int64_t, int>{{5, 1}, {10, 1}, {15, 1}, {20, 1}}));
  EXPECT_EQ(p.files, 1);
}

}  // namespace
}  // namespace tacet::told_test
