// Processors, libraries and networks as texts of the system tell them, and measurements that can be checked by counting.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <thread>

#include "machine/libraries.h"
#include "machine/network.h"
#include "machine/processor.h"
#include "machine/traffic.h"

namespace tacet {
namespace {

Processor read(const std::string& flags) {
  std::istringstream text("processor\t: 0\nmodel name\t: Made Up 3000\nflags\t\t: " + flags +
                          "\nprocessor\t: 1\nmodel name\t: Made Up 3000\nflags\t\t: " + flags + "\n");
  return read_processor(text);
}

TEST(Processor, IsWhatItsFlagsSay) {
  const Processor old = read("fpu sse4_2 avx");
  EXPECT_EQ(old.name, "Made Up 3000");
  EXPECT_EQ(old.cores, 2);
  EXPECT_EQ(vector_units(old), "no AVX2, no AVX-512, no bf16, no AMX");
  EXPECT_EQ(vector_units(read("avx2 fma")), "AVX2, no AVX-512, no bf16, no AMX");
  EXPECT_EQ(vector_units(read("avx2 fma avx512f avx512bw avx512dq avx512vl avx512_bf16 amx_tile amx_bf16")),
            "AVX2, AVX-512, bf16, AMX");
}

TEST(Processor, HasTheWholeOfAnExtensionOrNot) {
  EXPECT_FALSE(read("avx2 fma avx512f").avx512);
  EXPECT_FALSE(read("avx2").avx2);
  EXPECT_FALSE(read("amx_bf16").amx_bf16);
}

TEST(Processor, OfAnotherSystemIsUnknown) {
  std::istringstream text(": \nFeatures : fp asimd\nnonsense\n");
  const Processor p = read_processor(text);
  EXPECT_EQ(p.name, "");
  EXPECT_EQ(p.cores, 0);
}

TEST(Processor, OfThisMachineHasTheCoresThatThreadsHave) {
  EXPECT_GE(this_processor().cores, static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_GT(this_memory().total, this_memory().available);
}

TEST(Libraries, AreTheFilesOfAMap) {
  std::istringstream maps(
      "7f00-7f01 r--p 00000000 08:01 1   /usr/lib/libgomp.so.1.0.0\n"
      "7f01-7f02 r-xp 00000000 08:01 1   /usr/lib/libgomp.so.1.0.0\n"
      "7f02-7f03 rw-p 00000000 00:00 0   [heap]\n"
      "7f03-7f04 r--p 00000000 08:01 2   /opt/my torch/lib/libgomp-a34b3233.so.1\n"
      "7f04-7f05 r--p 00000000 08:01 3   /usr/lib/libompltarget.so\n"
      "7f05-7f06 r--p 00000000 08:01 4   /usr/lib/llvm/libomp.so.5\n");
  const std::vector<std::string> files = mapped_files(maps);
  EXPECT_EQ(files.size(), 4u);
  EXPECT_EQ(openmp_runtimes(files),
            (std::vector<std::string>{"/usr/lib/libgomp.so.1.0.0", "/opt/my torch/lib/libgomp-a34b3233.so.1",
                                      "/usr/lib/llvm/libomp.so.5"}));
}

TEST(Libraries, TellTheirVersions) {
  EXPECT_EQ(version_in("OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH USE_OPENMP Zen MAX_THREADS=128"), "0.3.21");
  EXPECT_EQ(version_in("OpenBLAS"), "");
}

TEST(Traffic, OfMemoryCountsThreeArraysOnce) {
  const Traffic t = memory_traffic(2, 24e6, 0.05);
  EXPECT_EQ(t.error, "");
  EXPECT_EQ(t.bytes, 24e6);  // 3 arrays of 10^6 numbers of 8 bytes
  EXPECT_GT(t.seconds, 0);
  EXPECT_NEAR(t.rate() * t.seconds, t.bytes, 1);
  EXPECT_NE(t.how.find("24 MB"), std::string::npos) << t.how;
}

TEST(Traffic, WithoutRoomSaysSo) { EXPECT_NE(memory_traffic(1, 1e18, 0.05).error, ""); }

TEST(Traffic, OfLoopbackIsWholeBuffers) {
  const LoopbackTraffic l = loopback_traffic(0.1);
  ASSERT_EQ(l.stream.error, "");
  EXPECT_GT(l.stream.bytes, 0);
  EXPECT_EQ(std::fmod(l.stream.bytes, 1 << 20), 0);  // all that was sent has arrived
  EXPECT_GT(l.round_trip, 0);
  EXPECT_GT(l.trips, 0);
}

TEST(Network, HasLoopback) {
  const auto all = network_interfaces();
  EXPECT_TRUE(
      std::any_of(all.begin(), all.end(), [](const NetworkInterface& i) { return i.loopback && i.address == "127.0.0.1"; }));
}

TEST(Network, KnowsLocalhostAndNoInvalidName) {
  const HostName local = resolve_host("localhost", 30);
  EXPECT_TRUE(local.answered);
  EXPECT_EQ(local.addresses, std::vector<std::string>{"127.0.0.1"});
  const HostName none = resolve_host("nobody.invalid", 30);
  EXPECT_TRUE(none.addresses.empty());
}

TEST(Network, DoesNotWaitForAResolver) {
  const HostName late = resolve_host("nobody.invalid", 0);
  EXPECT_EQ(late.name, "nobody.invalid");
  EXPECT_TRUE(late.addresses.empty());
}

}  // namespace
}  // namespace tacet
