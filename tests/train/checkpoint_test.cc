// Checkpoints against everything that can end or spoil their writing: a process that is killed before or inside every single
// call that changes the disk, a full disk, damaged bytes. After each the run continues with the bits of one that was never
// disturbed. The calls are counted by this program's own write(), rename(), …, which stand before libc's.
#include "train/checkpoint.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_of.h"
#include "support/quadratic.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/registry.h"
#include "tacet/train.h"
#include "train/run_folder.h"

namespace {

// The process kills itself at the call with this number, counted from 1; 0: never.
std::atomic<int> fatal_call{0}, calls{0};
bool fatal() { return fatal_call != 0 && ++calls == fatal_call; }
void die_at_the_fatal_call() {
  if (fatal()) ::kill(::getpid(), SIGKILL);
}

template <typename F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
ssize_t write(int fd, const void* data, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  if (fatal()) {
    [[maybe_unused]] const ssize_t half = real(fd, data, size / 2);
    ::kill(::getpid(), SIGKILL);
  }
  return real(fd, data, size);
}
int fsync(int fd) {
  static auto* const real = next<int(int)>("fsync");
  die_at_the_fatal_call();
  return real(fd);
}
int rename(const char* from, const char* to) noexcept {
  static auto* const real = next<int(const char*, const char*)>("rename");
  die_at_the_fatal_call();
  return real(from, to);
}
int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const real = next<int(const char*, mode_t)>("mkdir");
  die_at_the_fatal_call();
  return real(path, mode);
}
int unlinkat(int fd, const char* path, int flags) noexcept {
  static auto* const real = next<int(int, const char*, int)>("unlinkat");
  die_at_the_fatal_call();
  return real(fd, path, flags);
}
}

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// In memory where that can be: syncing is what takes time, and it makes no difference to a process that is killed.
struct Folder : test::TempFolder {
  Folder() : TempFolder(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fs::temp_directory_path()) {}
};

// Two clients, their own momentum, an epoch a round.
struct Task : test::Quadratic {
  explicit Task(int64_t d = 6) : Quadratic(d, {1, 2}, {1, 3}, 0.1) { samples_per_batch = 10; }
};

// The name by which recipes mean the objective that a test hands to train().
[[maybe_unused]] const bool known = (add_objective({.name = "given"}), true);

Recipe recipe(int rounds, const std::string& run = "") {
  return parse_recipe(
      "[objective]\nname = \"given\"\n[algorithm]\nname = \"celgc\"\neta = 0.1\ngamma = 0.05\n"
      "interval = 5\nmomentum = 0.5\n[clients]\ncount = 2\n[schedule]\nrounds = " +
          std::to_string(rounds) + "\n[run]\n" + run,
      "test.toml");
}

struct Watcher : Observer {
  std::vector<std::string> warnings;
  std::function<void(int64_t round)> after_round;
  void warning(const std::string& line) override { warnings.push_back(line); }
  void progress(const Progress& p) override {
    if (after_round) after_round(p.round);
  }
};

Result run(const Recipe& r, const std::string& out, bool resume, Watcher& watcher, int64_t d = 6) {
  Task task(d);
  return train(r, task, *single_group(), {.out = out, .resume = resume}, watcher);
}

Result run(const Recipe& r, const std::string& out, bool resume = false) {
  Watcher watcher;
  return run(r, out, resume, watcher);
}

std::vector<std::string> checkpoints(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().rfind("checkpoint", 0) == 0) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

int64_t round_of(const std::string& checkpoint) {
  std::ifstream in(checkpoint + "/state.json");
  return json::parse(in)["round"].get<int64_t>();
}

// Every round once and in order.
void expect_rounds(const std::string& folder, int64_t rounds) {
  std::ifstream in(folder + "/metrics.jsonl");
  int64_t seen = 0;
  for (std::string line; std::getline(in, line);) {
    const json j = json::parse(line);
    if (j["event"] == "round") {
      EXPECT_EQ(j["round"], ++seen);
    }
  }
  EXPECT_EQ(seen, rounds);
}

void change(const std::string& file, const std::function<void(std::string&)>& how) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  in.close();
  how(bytes);
  std::ofstream(file, std::ios::binary) << bytes;
}

TEST(Checkpoints, TheLastOnesAreKept) {
  struct Case {
    int keep;
    std::vector<std::string> names;
  };
  for (const auto& [keep, names] :
       std::vector<Case>{{1, {"checkpoint"}},
                         {2, {"checkpoint", "checkpoint-4"}},
                         {3, {"checkpoint", "checkpoint-3", "checkpoint-4"}},
                         {9, {"checkpoint", "checkpoint-1", "checkpoint-2", "checkpoint-3", "checkpoint-4"}}}) {
    const Folder f;
    run(recipe(5, "checkpoint_keep = " + std::to_string(keep)), f / "run");
    EXPECT_EQ(checkpoints(f / "run"), names) << keep;
    EXPECT_EQ(round_of(f / "run/checkpoint"), 5);
    for (size_t k = 1; k < names.size(); ++k)
      EXPECT_EQ("checkpoint-" + std::to_string(round_of(f / "run/" + names[k])), names[k]);
  }
}

TEST(Checkpoints, AKillAtAnyCallThatChangesTheDisk) {
  constexpr int rounds = 3;
  for (const int keep : {1, 2}) {
    const Recipe r = recipe(rounds, "checkpoint_keep = " + std::to_string(keep));
    const Folder whole;
    const std::string model = run(r, whole / "run").model_sha256;
    int killed = 0, resumed = 0;
    for (int call = 1;; ++call) {
      const Folder f;
      const pid_t child = ::fork();
      if (child == 0) {
        fatal_call = call;
        try {
          run(r, f / "run");
        } catch (const std::exception&) {
          ::_exit(1);
        }
        ::_exit(0);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      if (WIFEXITED(status)) {
        EXPECT_EQ(WEXITSTATUS(status), 0);
        break;
      }
      ASSERT_EQ(WTERMSIG(status), SIGKILL);
      ++killed;
      if (!has_checkpoint(f / "run")) continue;  // before the first one was written
      ++resumed;
      Watcher watcher;
      EXPECT_EQ(run(r, f / "run", true, watcher).model_sha256, model) << "killed at call " << call;
      EXPECT_EQ(watcher.warnings, std::vector<std::string>()) << "a kill damages nothing; call " << call;
      expect_rounds(f / "run", rounds);
      EXPECT_EQ(checkpoints(f / "run").size(), static_cast<size_t>(keep)) << "killed at call " << call;
    }
    EXPECT_GT(killed, 40);
    EXPECT_GT(resumed, 30);
  }
}

using Damage = std::pair<const char*, std::function<void(const std::string&)>>;

const std::vector<Damage>& damages() {
  const auto flip = [](const char* name, size_t where) {
    return [=](const std::string& c) {
      change(c + "/" + name, [&](std::string& bytes) { bytes[bytes.size() * where / 100] ^= 4; });
    };
  };
  const auto cut = [](const char* name) {
    return [=](const std::string& c) { change(c + "/" + name, [](std::string& bytes) { bytes.resize(bytes.size() / 2); }); };
  };
  static const std::vector<Damage> all = {
      {"a bit of the tensors", flip("state.safetensors", 95)},
      {"a bit of the tensors' header", flip("state.safetensors", 20)},
      {"a bit of the numbers", flip("state.json", 50)},
      {"a bit of the sums", flip("SHA256SUMS", 3)},
      {"half of the tensors", cut("state.safetensors")},
      {"half of the numbers", cut("state.json")},
      {"half of the sums", cut("SHA256SUMS")},
      {"no tensors", [](const std::string& c) { fs::remove(c + "/state.safetensors"); }},
      {"no numbers", [](const std::string& c) { fs::remove(c + "/state.json"); }},
      {"no sums", [](const std::string& c) { fs::remove(c + "/SHA256SUMS"); }},
      {"an empty folder",
       [](const std::string& c) {
         fs::remove_all(c);
         fs::create_directory(c);
       }},
  };
  return all;
}

TEST(Checkpoints, ADamagedNewestOneFallsBackToTheOneBefore) {
  const Folder whole;
  const Recipe longer = recipe(6);
  const std::string model = run(longer, whole / "run").model_sha256;
  for (const auto& [what, damage] : damages()) {
    const Folder f;
    run(recipe(4), f / "run");
    damage(f / "run/checkpoint");
    Watcher watcher;
    EXPECT_EQ(run(longer, f / "run", true, watcher).model_sha256, model) << what;
    ASSERT_EQ(watcher.warnings.size(), 2u) << what;
    EXPECT_NE(watcher.warnings[0].find("run/checkpoint/"), std::string::npos) << watcher.warnings[0];
    EXPECT_EQ(watcher.warnings[1], "the run goes on from the checkpoint before, of round 3");
    expect_rounds(f / "run", 6);
    EXPECT_EQ(checkpoints(f / "run"), (std::vector<std::string>{"checkpoint", "checkpoint-5"})) << what;
  }
}

TEST(Checkpoints, WhenAllAreDamagedTheNewestIsNamedAndNothingIsTouched) {
  for (const auto& [what, damage] : damages()) {
    const Folder f;
    run(recipe(4), f / "run");
    for (const char* name : {"run/checkpoint", "run/checkpoint-3"}) damage(f / name);
    const std::string said = test::error_of([&] { run(recipe(6), f / "run", true); });
    EXPECT_NE(said.find("/run"), std::string::npos) << what << ": " << said;
    expect_rounds(f / "run", 4);
    EXPECT_EQ(checkpoints(f / "run"), (std::vector<std::string>{"checkpoint", "checkpoint-3"})) << what;
  }
}

// A damaged one must not count as one of the kept ones, else the only whole one would be removed.
TEST(Checkpoints, ADamagedOneDoesNotPushOutAWholeOne) {
  const Folder f;
  run(recipe(4), f / "run");
  change(f / "run/checkpoint/state.safetensors", [](std::string& bytes) { bytes.back() ^= 1; });
  // One checkpoint, at the end, of a later round than the damaged one's.
  run(recipe(6, "checkpoint_every = 0"), f / "run", true);
  EXPECT_EQ(checkpoints(f / "run"), (std::vector<std::string>{"checkpoint", "checkpoint-3"}));
}

TEST(Checkpoints, LostLinesOfTheMetricsAreNoticed) {
  const Folder f;
  run(recipe(4), f / "run");
  change(f / "run/metrics.jsonl", [](std::string& bytes) { bytes.resize(bytes.size() / 2); });
  EXPECT_THROW(run(recipe(6), f / "run", true), UserError);
}

// A disk of its own, which is full for a while.
TEST(Checkpoints, AFullDiskKeepsTheOlderOneAndTheRunGoesOn) {
  const Folder f;
  constexpr int64_t d = 300'000;  // a checkpoint of x and two clients' momentum: 3.6 MB; two, and one being written: 10.8 MB
  if (::mount("tacet-test", f.path().c_str(), "tmpfs", 0, "size=16m") != 0) {
    std::printf("left out: no small disk can be mounted here: %s\n", std::strerror(errno));
    GTEST_SKIP();
  }
  Watcher watcher;
  watcher.after_round = [&](int64_t round) {
    // The state of round 1 is written by now or soon: the disk fills up behind it, and is free again for round 5.
    if (round == 2) {
      for (int k = 0; k < 1000 && !fs::exists(f / "run/checkpoint"); ++k)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const auto left = fs::space(f.path()).available;
      std::ofstream(f / "filler") << std::string(left - (2 << 20), 'x');
    }
    if (round == 5) fs::remove(f / "filler");
  };
  const Recipe r = recipe(5);
  const Result disturbed = run(r, f / "run", false, watcher, d);
  EXPECT_EQ(disturbed.status, "done");
  ASSERT_FALSE(watcher.warnings.empty());
  EXPECT_NE(watcher.warnings[0].find("the checkpoint of round 2 could not be written, the one before is kept"),
            std::string::npos)
      << watcher.warnings[0];
  EXPECT_NE(watcher.warnings[0].find("no space left"), std::string::npos) << watcher.warnings[0];
  EXPECT_EQ(checkpoints(f / "run"), (std::vector<std::string>{"checkpoint", "checkpoint-1"}));
  EXPECT_EQ(round_of(f / "run/checkpoint"), 5);
  expect_rounds(f / "run", 5);
  const Folder whole;
  Watcher quiet;
  EXPECT_EQ(disturbed.model_sha256, run(r, whole / "run", false, quiet, d).model_sha256);
  EXPECT_EQ(::umount(f.path().c_str()), 0);
}

// On 3 ranks, of which only the first may look at the files.
TEST(Checkpoints, RanksNeedNoSharedDisk) {
  const Folder f;
  run(recipe(3), f / "run");
  Task alone;
  Watcher quiet;
  const Result straight = run(recipe(5), f / "straight");
  auto groups = thread_groups(3);
  std::vector<std::thread> threads;
  std::vector<Vec> x(3);
  for (size_t rank = 0; rank < 3; ++rank)
    threads.emplace_back([&, rank] {
      Task task;
      Watcher watcher;
      const std::string out = rank == 0 ? f / "run" : f / "not-here";
      x[rank] = train(recipe(5), task, *groups[rank], {.out = out, .resume = true}, watcher).x;
    });
  for (auto& thread : threads) thread.join();
  for (const Vec& mine : x) EXPECT_TRUE(at::equal(mine, straight.x));
  EXPECT_FALSE(fs::exists(f / "not-here"));
}

// One number is a state.
void save_round(CheckpointWriter& writer, Group& group, int64_t round) {
  double number = static_cast<double>(round);
  writer.save(round, group, 1, [&](StateVisitor& v) { v.number("n", number); });
  writer.wait();
}

double saved_round(const fs::path& folder, Group& group) {
  double number = -1;
  load_checkpoint(folder.string(), group, 1, [&](StateVisitor& v) { v.number("n", number); });
  return number;
}

TEST(CheckpointWriter, PutsNothingInPlaceOnceOthersWentOnWithoutIt) {
  const Folder folder;
  const auto group = single_group();
  CheckpointWriter stale(folder.path(), 2), current(folder.path(), 2);
  bool holds_lease = true;
  stale.acquire("1", [&] { return holds_lease; });
  save_round(stale, *group, 3);
  EXPECT_EQ(stale.trouble(), "");
  holds_lease = false;
  save_round(stale, *group, 4);
  EXPECT_NE(stale.trouble().find("went on without this one"), std::string::npos);
  EXPECT_EQ(saved_round(folder.path(), *group), 3);
  current.acquire("2", [] { return true; });
  save_round(current, *group, 5);
  EXPECT_EQ(saved_round(folder.path(), *group), 5);
}

TEST(CheckpointWriter, TakesAwayWhatAnotherOneIsAboutToPutInPlace) {
  const Folder folder;
  const auto group = single_group();
  CheckpointWriter stale(folder.path(), 2), current(folder.path(), 2);
  // Stopped between the question and the rename; meanwhile another one takes over.
  stale.acquire("1", [&] {
    current.acquire("2", [] { return true; });
    save_round(current, *group, 5);
    return true;
  });
  save_round(stale, *group, 4);
  EXPECT_NE(stale.trouble(), "");
  EXPECT_EQ(saved_round(folder.path(), *group), 5);
}

TEST(MetricsLog, IsCutByRoundsBecauseAnotherWorkersLinesHaveOtherLengths) {
  const Folder folder;
  const std::string path = folder / "metrics.jsonl";
  const std::string head = R"({"event":"round","round":1}
{"event":"membership","round":1}
{"event":"round","round":2,"longer":"than when the checkpoint was written"}
)",
                    eval = R"({"event":"eval","round":2})"
                           "\n",
                    tail = R"({"event":"test","round":2}
{"event":"round","round":3}
{"event":"rou)";
  for (const bool evaluated : {false, true}) {
    std::ofstream(path) << head << eval << tail;
    const std::string left = evaluated ? head + eval : head;
    EXPECT_EQ(cut_log(path, 40, {2, evaluated, evaluated}), static_cast<int64_t>(left.size()));
    std::ifstream in(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), left);
  }
  EXPECT_THROW(cut_log(path, 4000, {4, false, false}), UserError);  // round 4 is not there
}

}  // namespace
}  // namespace tacet
