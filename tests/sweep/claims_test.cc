// Claims of several sweeps on one point. Two Claims of one process stand for two machines: what tells a process of this
// machine is the text in the file, which a test writes.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/temp_folder.h"
#include "sweep/claims.h"

namespace tacet {
namespace {

struct ClaimsTest : testing::Test {
  test::TempFolder folder;
  Claims claims(double lost_after = 1000) const { return Claims(folder.path(), lost_after); }
};

TEST_F(ClaimsTest, GoToOne) {
  Claims a = claims(), b = claims();
  const auto claim = a.take("p");
  ASSERT_TRUE(claim);
  EXPECT_FALSE(claim->taken_over);
  EXPECT_FALSE(b.take("p"));
  EXPECT_FALSE(a.take("p"));
  EXPECT_TRUE(b.take("q"));
}

TEST_F(ClaimsTest, AreFreeAfterRelease) {
  Claims a = claims(), b = claims();
  a.release(*a.take("p"));
  const auto claim = b.take("p");
  ASSERT_TRUE(claim);
  EXPECT_FALSE(claim->taken_over);
}

// A process that is killed in the middle of a heartbeat leaves the half written file beside its claim.
TEST_F(ClaimsTest, LeaveNothingBehindOfAHeartbeatThatWasCutShort) {
  Claims a = claims();
  const auto claim = a.take("p");
  folder.write("p.1.part", "{");
  a.release(*claim);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// A claim of another machine is lost only after it has been watched without a change for the stated time.
TEST_F(ClaimsTest, OfAnotherMachineAreTakenOverWithoutHeartbeat) {
  folder.write("p.1", "{\"place\": \"elsewhere\"}\n");
  Claims patient = claims();
  EXPECT_FALSE(patient.take("p"));
  Claims hasty = claims(1e-9);
  auto claim = hasty.take("p");  // the first look begins the watch
  if (!claim) claim = hasty.take("p");
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->number, 2);
  EXPECT_TRUE(claim->taken_over);
  EXPECT_FALSE(patient.take("p"));
}

TEST_F(ClaimsTest, OfAProcessOfThisMachineThatHasEndedAreTakenOverAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    Claims own = claims();
    _exit(own.take("p") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  Claims mine = claims();
  const auto claim = mine.take("p");
  ASSERT_TRUE(claim);
  EXPECT_TRUE(claim->taken_over);
}

// A run that outlives its sweep still writes into its folder.
TEST_F(ClaimsTest, AreKeptWhileTheRunLives) {
  const pid_t run = ::fork();
  if (run == 0) {
    ::pause();
    _exit(0);
  }
  const pid_t sweep = ::fork();
  if (sweep == 0) {
    Claims own = claims();
    const auto claim = own.take("p");
    _exit(claim && own.beat(*claim, run) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(sweep, &status, 0), sweep);
  ASSERT_EQ(status, 0);
  // That may take any time: the run of a sweep that was stopped by Ctrl-Z goes on.
  for (const double lost_after : {1000.0, 1e-9}) {
    Claims other = claims(lost_after);
    EXPECT_FALSE(other.take("p"));
    EXPECT_FALSE(other.take("p"));
  }
  Claims mine = claims();
  ::kill(run, SIGKILL);
  ASSERT_EQ(::waitpid(run, &status, 0), run);
  EXPECT_TRUE(mine.take("p"));
}

TEST_F(ClaimsTest, TellTheirHolderThatTheyAreLost) {
  Claims a = claims();
  const auto claim = a.take("p");
  ASSERT_TRUE(claim);
  EXPECT_TRUE(a.beat(*claim, 0));
  folder.write("p.2", "{}");
  EXPECT_FALSE(a.beat(*claim, 0));
}

// A machine that was held up finds its claim taken over and released, or a later claim of the same number in its place.
TEST_F(ClaimsTest, OfOthersAreNeitherRenewedNorReleased) {
  Claims late = claims();
  const auto claim = late.take("p");
  ASSERT_TRUE(claim);
  std::filesystem::remove(folder / "p.1");
  EXPECT_FALSE(late.beat(*claim, 0));
  EXPECT_FALSE(std::filesystem::exists(folder / "p.1"));
  Claims other = claims();
  const auto newer = other.take("p");
  ASSERT_TRUE(newer);
  EXPECT_FALSE(late.beat(*claim, 0));
  late.release(*claim);
  EXPECT_TRUE(other.beat(*newer, 0));
}

// Two machines may have been given different times.
TEST_F(ClaimsTest, AreWatchedForTheTimeOfTheirHolder) {
  folder.write("p.1", "{\"place\": \"elsewhere\", \"lost_after\": 1000}\n");
  Claims hasty = claims(1e-9);
  EXPECT_FALSE(hasty.take("p"));
  EXPECT_FALSE(hasty.take("p"));
}

TEST_F(ClaimsTest, AreKeptByHeartbeats) {
  Claims a = claims(), b = claims(1e-9);
  const auto claim = a.take("p");
  folder.write("p.1", "{\"place\": \"elsewhere\", \"beat\": 1}\n");
  (void)b.take("p");
  folder.write("p.1", "{\"place\": \"elsewhere\", \"beat\": 2}\n");
  Claims c = claims(1000);
  EXPECT_FALSE(c.take("p"));
  folder.write("p.1", "{\"place\": \"elsewhere\", \"beat\": 3}\n");
  EXPECT_FALSE(c.take("p"));
}

}  // namespace
}  // namespace tacet
