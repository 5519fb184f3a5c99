// Clients' vectors that are kept in mapped files.
#include "train/client_state.h"

#include <sys/mount.h>

#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "tacet/error.h"

namespace tacet {
namespace {

struct Spill : testing::Test {
  test::TempFolder temp;
  const std::string folder = temp.path();
};

// 100,000 clients with 1,000 floats each would be 400 MB: only those that are touched take room, and nothing stays behind.
TEST_F(Spill, VectorsAreZeroKeepWhatIsWrittenAndLeaveNoFile) {
  PerClient vectors;
  SpillClientState(folder, 0, 100000).clients("momentum", vectors);
  const Vec like = at::full({1000}, 3.0);
  vectors.put(99999, like);
  vectors.put(7, like * 2);
  EXPECT_EQ(vectors.all().at(99999).sum().item<float>(), 3000);
  EXPECT_EQ(vectors.all().at(7).sum().item<float>(), 6000);
  vectors.put(8, at::zeros({1000}));
  vectors.all().at(8).add_(1);
  EXPECT_EQ(vectors.all().at(7).sum().item<float>(), 6000);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(Spill, VectorsOutliveTheirTable) {
  Vec kept;
  {
    PerClient vectors;
    SpillClientState(folder, 0, 4).clients("momentum", vectors);
    vectors.put(2, at::ones({10}));
    kept = vectors.all().at(2);
  }
  EXPECT_EQ(kept.sum().item<float>(), 10);
}

// A write into a sparse file that the disk has no room for ends the process by SIGBUS.
TEST_F(Spill, AFullDiskIsAnError) {
  if (::mount("tacet-test", folder.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "no right to mount a small disk";
  {
    PerClient vectors;
    SpillClientState(folder, 0, 4).clients("momentum", vectors);
    const Vec like = at::ones({150000});  // 0.6 MB
    vectors.put(3, like);
    vectors.put(3, like);  // the same room
    test::expect_mentions(test::error_of([&] { vectors.put(1, like); }),
                          {"run.client_state", folder, "client 1, 600000 bytes", "No space left"});
    EXPECT_EQ(vectors.all().at(3).sum().item<float>(), 150000);
  }
  ::umount2(folder.c_str(), MNT_DETACH);
}

TEST_F(Spill, AFolderThatCannotBeWrittenIsAnError) {
  PerClient vectors;
  SpillClientState("/proc/nowhere", 0, 4).clients("momentum", vectors);
  EXPECT_THROW(vectors.put(0, at::ones({10})), UserError);
}

}  // namespace
}  // namespace tacet
