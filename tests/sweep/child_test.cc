// A run's process. Whoever was never started, or has been reaped, has no number that a signal could reach another process
// by.
#include <gtest/gtest.h>

#include <unistd.h>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "sweep/child.h"

namespace tacet {
namespace {

TEST(Child, ThatWasNotStartedIsOver) {
  Child child;
  const test::TempFolder folder;
  sigset_t none;
  sigemptyset(&none);
  EXPECT_NE(test::error_of([&] { child.start({"program"}, folder / "no/such/log", none); }).find("can't be written"),
            std::string::npos);
  EXPECT_TRUE(child.reap());
  EXPECT_LE(child.pid(), 0);
}

TEST(Child, HasNoNumberOnceItIsReaped) {
  Child child;
  const test::TempFolder folder;
  sigset_t none;
  sigemptyset(&none);
  child.start({"program", "--gtest_list_tests"}, folder / "log", none);  // this program itself
  for (int k = 0; k < 600 && !child.reap(); ++k) ::usleep(100'000);
  ASSERT_TRUE(child.reap());
  EXPECT_EQ(child.pid(), 0);
  EXPECT_EQ(child.exit_code(), 0);
  EXPECT_TRUE(child.reap());
}

}  // namespace
}  // namespace tacet
