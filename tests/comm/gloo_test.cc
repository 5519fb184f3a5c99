// What can go wrong between processes: peers that die, stop, never come, or disagree; and what they listen on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "comm/workers.h"
#include "support/test_name.h"

namespace tacet {
namespace {

using Said = std::vector<std::string>;

Plan everybody(int size, int floats) {
  Plan plan(size, std::vector<std::vector<int>>(size));
  for (int p = 0; p < size; ++p) {
    for (int q = 0; q < size; ++q) {
      if (p != q) plan[p][q] = {floats};
    }
  }
  return plan;
}

Plan only(int size, std::vector<std::pair<int, int>> pairs) {
  Plan plan(size, std::vector<std::vector<int>>(size));
  for (const auto& [p, q] : pairs) plan[p][q] = plan[q][p] = {3};
  return plan;
}

// Failures look alike whatever carries the messages.
struct Way {
  const char* backend;
  int floats;
};
std::ostream& operator<<(std::ostream& out, const Way& w) { return out << w.backend << "_" << w.floats; }

struct Failing : testing::TestWithParam<Way> {
  static int floats() { return GetParam().floats; }
  static HostOf host_of() {
    const std::string backend = GetParam().backend;
    return backend == "gloo" ? HostOf() : backend == "shared" ? one_host : two_hosts;
  }
};
INSTANTIATE_TEST_SUITE_P(, Failing,  // one message that fits into a socket or slot, and several
                         testing::Values(Way{"gloo", 1}, Way{"gloo", 3000000}, Way{"shared", 1}, Way{"shared", 3000000},
                                         Way{"shared+gloo", 1}, Way{"shared+gloo", 3000000}),
                         [](const auto& param_info) { return test::test_name(testing::PrintToString(param_info.param)); });

TEST_P(Failing, AKilledWorkerIsNamedByTheSurvivors) {
  Workers workers(30, Host::kTacet, host_of());
  workers.start_all(3, [](Group& group) {
    carry_out(group, everybody(3, 10));
    if (group.rank() == 1) ::raise(SIGKILL);
    return carry_out(group, everybody(3, floats()));
  });
  const std::string lost = "lost 1: worker 1 is gone: connection closed";
  EXPECT_EQ(workers.all_said(), (Said{lost, "killed by signal 9", lost}));
}

TEST_P(Failing, ASilentWorkerIsNamedAfterTheTimeLimit) {
  Workers workers(1.5, Host::kTacet, host_of());
  workers.start_all(3, [](Group& group) {
    carry_out(group, everybody(3, 10));
    if (group.rank() == 2) ::raise(SIGSTOP);
    return carry_out(group, everybody(3, floats()));
  });
  EXPECT_EQ(workers.said(0), "lost 2: worker 2 did not answer within 1.5 s");
  EXPECT_EQ(workers.said(1), "lost 2: worker 2 did not answer within 1.5 s");
}

TEST_P(Failing, TheFirstToDieIsNamedAlsoByThoseWhoSawSomebodyElseGo) {
  // 1 waits for 2, which dies; 0 waits for 1, which gives up.
  Workers workers(30, Host::kTacet, host_of());
  workers.start_all(3, [](Group& group) {
    carry_out(group, everybody(3, 10));
    if (group.rank() == 2) ::raise(SIGKILL);
    return carry_out(group, group.rank() == 0 ? only(3, {{0, 1}}) : only(3, {{1, 2}}));
  });
  const std::string lost = "lost 2: worker 2 is gone: connection closed";
  EXPECT_EQ(workers.all_said(), (Said{lost, lost, "killed by signal 9"}));
}

TEST_P(Failing, AFailureElsewhereInAWorkerReachesTheOthersAtOnce) {
  Workers workers(30, Host::kTacet, host_of());
  workers.start_all(3, [](Group& group) -> std::string {
    carry_out(group, everybody(3, 10));  // whoever leaves sooner may find others that still connect
    if (group.rank() == 0) throw std::runtime_error("bad recipe");
    return carry_out(group, everybody(3, 10));
  });
  // "is gone", not "did not answer": nobody had to wait for the time limit.
  const std::string lost = "lost 0: worker 0 is gone: connection closed";
  EXPECT_EQ(workers.all_said(), (Said{"error: bad recipe", lost, lost}));
}

TEST_P(Failing, AGroupThatFailedStaysFailed) {
  Workers workers(30, Host::kTacet, host_of());
  workers.start_all(2, [](Group& group) -> std::string {
    carry_out(group, everybody(2, 10));  // whoever leaves sooner may find others that still connect
    if (group.rank() == 1) ::raise(SIGKILL);
    std::string said;
    for (int k = 0; k < 2; ++k) {
      try {
        carry_out(group, everybody(2, 10));
      } catch (const std::exception& e) {
        said += std::string(e.what()) + "; ";
      }
    }
    return said;
  });
  EXPECT_EQ(workers.said(0), "worker 1 is gone: connection closed; worker 1 is gone: connection closed; ");
}

// So a killed run leaves nothing behind.
TEST(Shared, TheMemoryHasNoNameAndNoDescriptor) {
  Workers workers(30, Host::kTacet, one_host);
  workers.start_all(3, [](Group& group) -> std::string {
    carry_out(group, everybody(3, 10));
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
      if (target.find("memfd:") != std::string::npos) return "still open: " + target;
    }
    int mapped = 0;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) mapped += line.find("/memfd:tacet") != std::string::npos;
    return std::to_string(mapped) + " mapped";
  });
  EXPECT_EQ(workers.all_said(), (Said{"3 mapped", "3 mapped", "3 mapped"}));
}

TEST(Shared, TellsWhoIsOnWhichHost) {
  Workers workers(30, Host::kTacet, two_hosts);
  workers.start_all(3, [](Group& group) {
    std::string said = group.backend() + ":";
    for (const int host : group.hosts()) said += " " + std::to_string(host);
    return said;
  });
  // 2 is alone, but the hosts are the same for all: sums are laid out by them.
  EXPECT_EQ(workers.all_said(), (Said{"shared+gloo: 0 0 2", "shared+gloo: 0 0 2", "shared+gloo: 0 0 2"}));
}

TEST(Shared, WorkersThatAreAllAloneStayWithGloo) {
  Workers workers(30, Host::kTacet, [](int rank) { return std::to_string(rank); });
  workers.start_all(2, [](Group& group) { return group.backend(); });
  EXPECT_EQ(workers.all_said(), (Said{"gloo", "gloo"}));
}

TEST(Gloo, LeavingEarlyDoesNotDisturbTheOthers) {
  for (const auto host : {Host::kTacet, Host::kWorkerZero}) {
    Workers workers(30, host);
    workers.start_all(3, [](Group& group) -> std::string {
      if (group.rank() == 0) return "ok";
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      return carry_out(group, only(3, {{1, 2}}));
    });
    EXPECT_EQ(workers.all_said(), (Said{"ok", "ok", "ok"}));
  }
}

TEST(Gloo, AllLeaveTogether) {
  auto* leaving = static_cast<bool*>(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(leaving, MAP_FAILED);
  Workers workers;
  workers.start_all(2, [leaving](Group& group) {
    if (group.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      *leaving = true;
    }
    return std::string("ok");
  });
  EXPECT_EQ(workers.said(0), "ok");
  EXPECT_TRUE(*leaving) << "worker 0 did not wait for worker 1";
  EXPECT_EQ(workers.said(1), "ok");
  ::munmap(leaving, 1);
}

TEST(Gloo, ALostConnectionCannotKillTheProcess) {
  // gloo's writes raise SIGPIPE, which few races show; so look whether all threads that may write have it blocked.
  Workers workers;
  workers.start_all(2, [](Group& group) {
    carry_out(group, everybody(2, 10));
    int threads = 0, blocked = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      if (task.path().filename() == std::to_string(::getpid())) continue;
      std::ifstream in(task.path() / "status");
      for (std::string line; std::getline(in, line);) {
        if (line.rfind("SigBlk:", 0) != 0) continue;
        ++threads;
        blocked += static_cast<int>(std::stoull(line.substr(7), nullptr, 16) >> (SIGPIPE - 1) & 1);
      }
    }
    return threads > 0 && threads == blocked ? "ok" : std::to_string(blocked) + " of " + std::to_string(threads);
  });
  EXPECT_EQ(workers.all_said(), (Said{"ok", "ok"}));
}

TEST(Gloo, WorkerZeroServesTheRendezvous) {
  Workers workers(30, Host::kWorkerZero);
  workers.start_all(3, [](Group& group) { return carry_out(group, everybody(3, 10)); });
  EXPECT_EQ(workers.all_said(), (Said{"ok", "ok", "ok"}));
}

TEST(Gloo, TheStoreOfTorchrunsAgent) {
  if (const auto why = own_network(); !why.empty()) GTEST_SKIP() << why;
  Workers workers(6, Host::kTcpStore);
  const auto job = [](Group& group) { return carry_out(group, everybody(3, 10)); };
  // Started again by the agent, with the same store, after an attempt in which a worker was missing.
  ::setenv("TORCHELASTIC_RESTART_COUNT", "0", 1);
  workers.start(0, 3, job);
  workers.start(2, 3, job);
  const std::string lost = "lost 1: worker 1 did not come within 6 s";
  EXPECT_EQ(workers.all_said(), (Said{lost, lost}));
  ::setenv("TORCHELASTIC_RESTART_COUNT", "1", 1);
  workers.start_all(3, job);
  ::unsetenv("TORCHELASTIC_RESTART_COUNT");
  EXPECT_EQ(workers.all_said(), (Said{"ok", "ok", "ok"}));
  for (const int run : {1, 2}) {  // of one script
    workers.start_all(3, job, [run](GlooOptions& o) { o.run = run; });
    EXPECT_EQ(workers.all_said(), (Said{"ok", "ok", "ok"})) << run;
  }
}

TEST(Gloo, AMissingWorkerIsNamed) {
  Workers workers(1);
  const auto job = [](Group&) { return std::string("ok"); };
  workers.start(0, 4, job);
  workers.start(2, 4, job);
  const std::string lost = "lost 1: workers 1, 3 did not come within 1 s";
  EXPECT_EQ(workers.all_said(), (Said{lost, lost}));
}

TEST(Gloo, AMissingRendezvousIsAnError) {
  Workers workers(0.5, Host::kWorkerZero);
  workers.start(1, 2, [](Group&) { return std::string("ok"); });
  const std::string said = workers.said(1);
  EXPECT_EQ(said,
            "lost -1: no rendezvous at 127.0.0.1:" + std::to_string(workers.port()) + " within 0.5 s: Connection refused");
}

TEST(Gloo, WorkersThatDisagreeAboutTheirNumber) {
  Workers workers(5);
  const auto job = [](Group&) { return std::string("ok"); };
  workers.start(0, 2, job);
  workers.start(1, 3, job);
  EXPECT_EQ(workers.said(0),
            "user error: WORLD_SIZE must be the same for all workers, but it is 2 for worker 0 and 3 for worker 1");
}

TEST(Gloo, TwoWorkersWithTheSameRank) {
  Workers workers(1);
  const auto job = [](Group&) { return std::string("ok"); };
  workers.start(0, 2, job);
  EXPECT_EQ(workers.said(0), "lost 1: worker 1 did not come within 1 s");
  workers.start(0, 2, job);
  EXPECT_EQ(workers.said(0), "user error: RANK must differ from worker to worker, but 0 has come twice to 127.0.0.1:" +
                                 std::to_string(workers.port()));
}

TEST(Gloo, WrongOptions) {
  Workers workers(5);
  const auto job = [](Group&) { return std::string("ok"); };
  const auto said = [&](const Change& change) {
    workers.start(1, 2, job, change);
    return workers.said(1);
  };
  EXPECT_EQ(said([](GlooOptions& o) { o.rank = 2; }), "user error: workers: a rank must be from 0 to 1, got 2");
  EXPECT_EQ(said([](GlooOptions& o) { o.size = 0; }), "user error: workers: their number must be at least 1, got 0");
  EXPECT_EQ(said([](GlooOptions& o) { o.port = 0; }),
            "user error: workers: the rendezvous port must be from 1 to 65535, got 0");
  EXPECT_EQ(said([](GlooOptions& o) { o.store = "redis"; }),
            "user error: workers: the rendezvous must be one of tacet, tcpstore, got 'redis'");
  EXPECT_EQ(said([](GlooOptions& o) {
              o.store = "tcpstore";
              o.hosted = false;
            }),
            "user error: workers: a rendezvous of kind tcpstore must be hosted by somebody else");
}

TEST(Gloo, AnOwnAddressOfAnotherMachine) {
  Workers workers(5);
  const auto job = [](Group&) { return std::string("ok"); };
  // 192.0.2.0/24 is reserved for documentation; nobody has such an address.
  workers.start_all(2, job, [](GlooOptions& o) { o.interface_address = "192.0.2.1"; });
  EXPECT_EQ(workers.said(0), "user error: a worker's own address must be one of this machine's addresses, got '192.0.2.1'");
}

// The local addresses, as /proc/net writes them, of this process's listening sockets.
std::string listening() {
  std::set<std::string> mine;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.rfind("socket:[", 0) == 0) mine.insert(target.substr(8, target.size() - 9));
  }
  std::set<std::string> found;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, skip, inode;
      fields >> number >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
      if (state == "0A" && mine.count(inode) > 0) found.insert(local.substr(0, local.find(':')));
    }
  }
  std::string text;
  for (const auto& address : found) text += address + " ";
  return text;
}

TEST(Gloo, OnlyTheNamedAddressIsListenedOn) {
  Workers workers(30, Host::kWorkerZero);
  workers.start_all(2, [](Group& group) {
    // In the middle of a run. Worker 0 serves the rendezvous, so it listens for certain.
    carry_out(group, everybody(2, 10));
    return listening();
  });
  EXPECT_EQ(workers.said(0), "0100007F ");  // 127.0.0.1
  const std::string other = workers.said(1);
  EXPECT_TRUE(other == "0100007F " || other.empty()) << other;
}

}  // namespace
}  // namespace tacet
