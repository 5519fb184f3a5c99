// One folder, one run: the claim that the worker who writes a folder holds.
#include "train/run_claim.h"

#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "tacet/group.h"
#include "tacet/train.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

struct Claimed : testing::Test {
  test::TempFolder temp;
  const std::string folder = temp.path() + "/run", file = folder + "/" + kClaimName;
  const TrainOptions options{.out = folder};

  void SetUp() override { fs::remove(folder); }
  // Claims by a run of one worker.
  static void settle(RunClaim& claim, bool begins = true) { claim.settle(*single_group(), begins); }
};

TEST_F(Claimed, AnotherRunIsRefusedAndToldWhere) {
  RunClaim first(options), second(options);
  settle(first);
  const std::string holder = "process " + std::to_string(::getpid());
  test::expect_mentions(test::error_of([&] { settle(second); }), {"--out: " + folder + " is in use", holder});
  test::expect_mentions(test::error_of([&] { check_run_folder(folder, false); }), {folder, "in use", holder});
  test::expect_mentions(claimed_by(folder), {holder});
}

TEST_F(Claimed, TheEndOfARunFreesItsFolderAndLeavesNothingBehind) {
  {
    RunClaim first(options);
    settle(first);
    EXPECT_TRUE(fs::exists(file));
  }
  EXPECT_FALSE(fs::exists(folder)) << "nothing was written";
  fs::create_directory(folder);
  {
    RunClaim second(options);
    settle(second);
  }
  EXPECT_TRUE(fs::is_empty(folder)) << "a folder of the user's stays";
}

// A process that was killed leaves the file, and the system has freed the lock.
TEST_F(Claimed, AFileThatNobodyHoldsIsNoClaim) {
  fs::create_directory(folder);
  std::ofstream(file) << "0123456789abcdef 7 elsewhere\n";
  EXPECT_EQ(claimed_by(folder), "");
  check_run_folder(folder, false);
  RunClaim claim(options);
  settle(claim);
  EXPECT_NE(claimed_by(folder), "");
}

// Two commands have found the folder free, and one of them was done before the other claimed it.
TEST_F(Claimed, AFolderThatWasWrittenMeanwhileIsRefused) {
  RunClaim late(options);
  fs::create_directory(folder);
  std::ofstream(folder + "/metrics.jsonl") << "{}\n";
  test::expect_mentions(test::error_of([&] { settle(late); }), {folder, "not empty"});
}

// The leader before may be taken for lost and still live, on another machine.
TEST_F(Claimed, MovesToTheNextLeaderOfItsRun) {
  std::optional<RunClaim> lost(std::in_place, options);
  RunClaim next(options), stranger(options);
  auto groups = thread_groups(2, 20);
  std::thread leader([&] { lost->settle(*groups[0], true); });
  next.settle(*groups[1], true);
  leader.join();
  settle(next, false);
  lost.reset();
  EXPECT_TRUE(fs::exists(file)) << "the old leader has removed the new one's claim";
  test::expect_mentions(test::error_of([&] { settle(stranger, false); }), {"in use"});
}

TEST_F(Claimed, WaitsForAProcessThatIsEnding) {
  std::optional<RunClaim> ending(std::in_place, options);
  settle(*ending);
  std::thread end([&] {
    ::usleep(300000);
    ending.reset();
  });
  RunClaim next(options);
  settle(next);
  end.join();
}

}  // namespace
}  // namespace tacet
