// The launcher with small shell scripts in place of workers. Each launch happens in a process of its own, so that it can be
// sent signals, and so that what it prints and leaves behind can be looked at.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

#include "comm/rendezvous/store.h"
#include "comm/run_keys.h"
#include "launch/launch.h"
#include "support/error_of.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/membership.h"

namespace tacet {
namespace {

struct Ended {
  int code = -1;  // exit code of the launcher; −1 when a signal ended it
  std::string out, err;
};

class Launch : public testing::Test {
 protected:
  ~Launch() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void SetUp() override {
    // Orphans come to us instead of to init, so that we can look for them.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  }

  // Launches `workers` shells that run the script, in which $RANK and the like are set. $F is a scratch folder.
  void start(int workers, const std::string& script) {
    std::ofstream(folder_ / "worker") << "#!/bin/sh\nF=" << folder_.path() << "\n" << script << "\n";
    std::filesystem::permissions(folder_ / "worker", std::filesystem::perms::owner_all);
    ASSERT_EQ(::pipe(out_), 0);
    ASSERT_EQ(::pipe(err_), 0);
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      ::dup2(out_[1], STDOUT_FILENO);
      ::dup2(err_[1], STDERR_FILENO);
      for (const int fd : {out_[0], out_[1], err_[0], err_[1]}) ::close(fd);
      LaunchOptions options;
      options.program = folder_ / "worker";
      options.report_seconds = 0.3;
      options.stop_seconds = 0.3;
      options.finish_seconds = 1.5;
      options.interrupt_seconds = 600;
      options.work = work_;
      options.fork = fork_;
      options.foreign = foreign_;
      options.supervise = supervise_;
      options.restarts = supervise_ ? 1 : 0;
      int code = 99;
      try {
        code = launch_local({"tacet", "train", "a b.toml"}, workers, options);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "thrown: %s\n", e.what());
        std::fflush(stderr);
      }
      ::_exit(code);
    }
    ::close(out_[1]);
    ::close(err_[1]);
  }

  void signal(int number) { ::kill(pid_, number); }

  // Waits until the file appears in the scratch folder.
  void await(const std::string& file) {
    for (int k = 0; k < 2000; ++k) {
      if (std::filesystem::exists(folder_ / file)) return;
      ::usleep(10000);
    }
    FAIL() << file << " did not appear";
  }
  std::string content(const std::string& file) {
    std::ifstream in(folder_ / file);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  // Waits for the end of the launcher and of everybody who writes to its output.
  Ended end() {
    Ended ended;
    pollfd polled[] = {{out_[0], POLLIN, 0}, {err_[0], POLLIN, 0}};
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
      if (::poll(polled, 2, 30000) <= 0) {
        ADD_FAILURE() << "the launcher hangs";
        break;
      }
      for (auto& p : polled) {
        if (p.revents == 0) continue;
        char bytes[4096];
        const ssize_t n = ::read(p.fd, bytes, sizeof bytes);
        if (n > 0) {
          (p.fd == out_[0] ? ended.out : ended.err).append(bytes, n);
        } else {
          ::close(p.fd);
          p.fd = -1;
        }
      }
    }
    int status = 0;
    if (polled[0].fd >= 0 || polled[1].fd >= 0) signal(SIGKILL);
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
    return ended;
  }

  // Whoever the launcher left behind came to us. A shell's own short sleep ends by itself; a worker would not.
  void expect_nobody_left() {
    for (int k = 0; k < 300; ++k) {
      const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
      if (pid < 0) return;
      if (pid == 0) ::usleep(10000);
    }
    ADD_FAILURE() << "a worker was left behind";
  }

  Ended launch(int workers, const std::string& script) {
    start(workers, script);
    const Ended ended = end();
    expect_nobody_left();
    return ended;
  }

  const test::TempFolder folder_;
  std::function<int(bool rejoins)> work_;  // in the place of the script
  std::function<pid_t()> fork_ = ::fork;   // makes the processes of work_
  bool foreign_ = false, supervise_ = false;
  pid_t pid_ = -1;
  int out_[2], err_[2];
};

std::vector<std::string> sorted_lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}
using Lines = std::vector<std::string>;

TEST_F(Launch, AFunctionRunsInEachWorkerWithItsVariablesAndItsExitCode) {
  work_ = [](bool) {
    ::dprintf(STDOUT_FILENO, "%s of %s\n", std::getenv("RANK"), std::getenv("WORLD_SIZE"));
    return std::getenv("RANK")[0] == '1' ? 2 : 0;
  };
  const Ended ended = launch(2, "");
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(sorted_lines(ended.out), (Lines{"0 of 2", "[1] 1 of 2"}));
}

TEST_F(Launch, AFunctionThatIsKilledIsRunAgainAndToldSo) {
  supervise_ = true;
  work_ = [](bool rejoins) {
    if (std::getenv("RANK")[0] == '1' && !rejoins) ::kill(::getpid(), SIGKILL);
    ::usleep(300000);
    ::dprintf(STDOUT_FILENO, "%s\n", rejoins ? "again" : "first");
    return 0;
  };
  const Ended ended = launch(2, "");
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(sorted_lines(ended.out), (Lines{"[1] again", "first"}));
}

// As on a machine that is short of memory for a moment.
TEST_F(Launch, AWorkerThatCannotBeStartedAgainDoesNotEndTheOthers) {
  supervise_ = true;
  work_ = [](bool) {
    if (std::getenv("RANK")[0] == '1') ::kill(::getpid(), SIGKILL);
    ::usleep(500000);
    return 0;
  };
  fork_ = [calls = std::make_shared<int>(0)] {
    if (++*calls < 4) return ::fork();  // the launcher and two workers
    errno = EAGAIN;
    return -1;
  };
  const Ended ended = launch(2, "");
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err,
            "tacet: worker 1 was killed by signal 9; it is started again (1 of 1)\n"
            "tacet: can't start the workers (" +
                (folder_ / "worker") + "): Resource temporarily unavailable; the others go on without it\n");
}

TEST_F(Launch, AWorkerThatComesBackWithAMistakeDoesNotEndTheOthers) {
  supervise_ = true;
  work_ = [](bool rejoins) {
    if (rejoins) return 2;
    if (std::getenv("RANK")[0] == '1') ::kill(::getpid(), SIGKILL);
    ::usleep(1500000);  // longer than the launcher waits for others after a failure
    return 0;
  };
  EXPECT_EQ(launch(2, "").code, 0);
}

TEST_F(Launch, AProgramThatIsGoneDoesNotEndTheOthers) {
  foreign_ = supervise_ = true;
  const Ended ended = launch(2, "test $RANK = 1 && { sleep 0.3; rm $F/worker; kill -9 $$; }; sleep 1; echo finished");
  EXPECT_EQ(ended.code, 3);  // nobody does its part
  EXPECT_EQ(ended.out, "finished\n");
  EXPECT_NE(ended.err.find("No such file or directory; the others go on without it\n"), std::string::npos) << ended.err;
}

// The end of a connection tells of a worker's end, so no other worker may hold a copy of it.
TEST_F(Launch, AFunctionHasNoFilesOfTheLauncher) {
  work_ = [](bool) {
    int sockets = 0;
    for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      if (std::filesystem::read_symlink(file.path(), error).string().starts_with("socket:")) ++sockets;
    }
    return sockets == 0 ? 0 : 2;
  };
  EXPECT_EQ(launch(3, "").code, 0);
}

// The news of a worker's end was lost where it came between the look at the workers and the reading of signals: about one
// launch in 400 waited for ever. Signals that keep the launcher busy until that end, and no longer,
// meet the moment nearly always.
TEST_F(Launch, TheEndOfAWorkerIsNeverMissed) {
  work_ = [](bool) {
    const pid_t launcher = ::getppid(), worker = ::getpid();
    if (::fork() == 0) {
      for (int k = 0; k < 1000000 && ::getppid() == worker; ++k) ::kill(launcher, SIGCHLD);
      ::_exit(0);
    }
    ::usleep(1000);
    return 0;
  };
  for (int k = 0; k < 20; ++k) ASSERT_EQ(launch(1, "").code, 0);
}

TEST_F(Launch, AForeignProgramGetsNoOptionsOfOurs) {
  foreign_ = true;
  EXPECT_EQ(launch(1, "echo \"$@\"").out, "train a b.toml\n");
  foreign_ = false;
  EXPECT_EQ(launch(1, "echo \"$@\"").out, "train a b.toml --launched\n");
}

TEST_F(Launch, AForeignProgramEndsWhenItLikes) {
  foreign_ = supervise_ = true;
  const Ended ended = launch(3, "test $RANK = 1 && exit 0; sleep 2.5; echo saved");
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(sorted_lines(ended.out), (Lines{"[2] saved", "saved"}));
  EXPECT_EQ(ended.err, "");
}

TEST_F(Launch, AForeignProgramThatFailsAfterAnotherEndedWell) {
  foreign_ = supervise_ = true;
  const Ended ended = launch(2, "test $RANK = 1 && exit 0; sleep 0.5; exit 1");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "tacet: worker 0 ended with exit code 1; the run was ended\n");
}

// 75 and 76 are codes by which our own workers talk to the launcher. To others 75 is EX_TEMPFAIL.
TEST_F(Launch, AForeignProgramsExitCodesAreItsOwn) {
  foreign_ = supervise_ = true;
  for (const int code : {75, 76}) {
    const Ended ended = launch(2, "test $RANK = 0 && exit 0; exit " + std::to_string(code));
    EXPECT_EQ(ended.code, 3);
    EXPECT_EQ(ended.err, "tacet: worker 1 ended with exit code " + std::to_string(code) + "; the run was ended\n");
  }
}

constexpr const char* kKilledTwice =
    "tacet: worker 1 was killed by signal 9; it is started again (1 of 1)\n"
    "tacet: worker 1 was killed by signal 9; it is not started again (restarts left: 0 of 1)\n";

// Its part may be a shard that nobody else has. It does not matter who ends first.
TEST_F(Launch, AForeignProgramThatIsKilledTooOften) {
  foreign_ = supervise_ = true;
  for (const char* script : {"test $RANK = 1 && kill -9 $$; sleep 0.5", "test $RANK = 0 && exit 0; sleep 0.3; kill -9 $$"}) {
    const Ended ended = launch(2, script);
    EXPECT_EQ(ended.code, 3);
    EXPECT_EQ(ended.err,
              std::string(kKilledTwice) + "tacet: worker 1 was killed by signal 9, and nobody has taken over its part\n");
  }
}

// As in a script that calls tacet.train: the others have done what the lost worker had to do, and say that the run is done.
TEST_F(Launch, AForeignProgramThatIsKilledInARunThatTheOthersFinish) {
  foreign_ = supervise_ = true;
  work_ = [](bool) {
    if (std::getenv("RANK")[0] == '1') ::kill(::getpid(), SIGKILL);
    ::usleep(500000);
    StoreClient(std::getenv("MASTER_ADDR"), std::stoi(std::getenv("MASTER_PORT")), 5)
        .set(RunKeys{keys_of_run(0)}("done"), "1");
    return 0;
  };
  const Ended ended = launch(2, "");
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, kKilledTwice);
}

TEST_F(Launch, WhoEndsTooLateIsNamed) {
  supervise_ = true;
  const Ended ended = launch(2, "test $RANK = 1 && exit 0; exec sleep 60");
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, "tacet: worker 0 was killed, as it had not ended 1.5 s after the first that ended well\n");
}

// As of `tacet launch … | head`.
TEST_F(Launch, AReaderWhoGoesAwayEndsNothing) {
  foreign_ = supervise_ = true;
  start(2, "test $RANK = 0 && exit 0; for k in 1 2 3; do echo line; echo problem >&2; sleep 0.2; done; touch $F/done");
  ::close(std::exchange(out_[0], -1));
  ::close(std::exchange(err_[0], -1));
  EXPECT_EQ(end().code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "done"));
  expect_nobody_left();
}

// A program counts on SIGPIPE: without it `seq … | head` would go on.
TEST_F(Launch, AProgramHasItsOwnSigpipe) {
  foreign_ = supervise_ = true;
  EXPECT_EQ(launch(1, "sh -c 'kill -PIPE $$; echo alive' || echo ended").out, "ended\n");
}

TEST_F(Launch, AllWell) {
  const auto ended = launch(3, "exit 0");
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out + ended.err, "");
}

TEST_F(Launch, WorkersAreToldTheirPlace) {
  ::setenv("RANK", "77", 1);
  ::setenv("TORCHELASTIC_USE_AGENT_STORE", "True", 1);
  const auto ended = launch(2, R"(echo "$RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $TORCHELASTIC_USE_AGENT_STORE|$1|$2|$3|$#"
case $MASTER_PORT in ''|*[!0-9]*) echo bad port;; esac)");
  ::unsetenv("RANK");
  ::unsetenv("TORCHELASTIC_USE_AGENT_STORE");
  EXPECT_EQ(sorted_lines(ended.out),
            (Lines{"0 0 2 127.0.0.1 |train|a b.toml|--launched|3", "[1] 1 1 2 127.0.0.1 |train|a b.toml|--launched|3"}));
}

TEST_F(Launch, LinesOfOthersHaveTheirNumberAndStayWhole) {
  const auto ended =
      launch(3, R"(test $RANK = 0 && exec echo direct; printf 'one\ntw'; sleep 0.1; printf 'o\nthree'; echo problem >&2)");
  EXPECT_EQ(sorted_lines(ended.out),
            (Lines{"[1] one", "[1] three", "[1] two", "[2] one", "[2] three", "[2] two", "direct"}));
  EXPECT_EQ(sorted_lines(ended.err), (Lines{"[1] problem", "[2] problem"}));
}

TEST_F(Launch, MuchOutputIsNotLost) {
  const auto ended = launch(2, "test $RANK = 0 || seq 1 50000");
  const auto lines = sorted_lines(ended.out);
  EXPECT_EQ(lines.size(), 50000u);
  EXPECT_EQ(lines.back(), "[1] 9999");
}

TEST_F(Launch, AWorkerThatFails) {
  const auto ended = launch(3, "test $RANK = 1 && exit 1; exec sleep 60");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "tacet: worker 1 ended with exit code 1; the run was ended\n");
}

TEST_F(Launch, AWorkerThatIsKilled) {
  const auto ended = launch(3, "test $RANK = 2 && kill -9 $$; exec sleep 60");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "tacet: worker 2 was killed by signal 9; the run was ended\n");
}

TEST_F(Launch, ThoseWhoLostAPeerAreNotToBlame) {
  // 0 ends with 3 before 1 is killed, as seen by the launcher.
  const auto ended = launch(2, "test $RANK = 0 && exit 3; sleep 0.1; kill -9 $$");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "tacet: worker 1 was killed by signal 9; the run was ended\n");
}

TEST_F(Launch, AllLostAPeer) {
  const auto ended = launch(2, "exit 3");
  EXPECT_EQ(ended.code, 3);
  // Either may be the first.
  EXPECT_EQ(ended.err, "tacet: worker " + ended.err.substr(14, 1) + " ended with exit code 3; the run was ended\n");
}

TEST_F(Launch, TheOthersMayReportBeforeTheyAreEnded) {
  const auto ended = launch(2, "test $RANK = 1 && exit 1; sleep 0.1; echo worker 1 is gone >&2; exit 3");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "worker 1 is gone\ntacet: worker 1 ended with exit code 1; the run was ended\n");
}

TEST_F(Launch, AUsersMistakeIsToldOnce) {
  const auto ended = launch(3, "echo 'r.toml:7: bad' >&2; exit 2");
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.err, "r.toml:7: bad\n");
}

TEST_F(Launch, AUsersMistakeThatOnlyOthersFind) {
  const auto ended = launch(3, "test $RANK = 0 && exec sleep 60; echo 'r.toml:7: bad' >&2; exit 2");
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.err, "[1] r.toml:7: bad\n");
}

TEST_F(Launch, AWorkerThatWillNotEndIsKilled) {
  const auto ended = launch(2, "test $RANK = 1 && exit 1; trap '' TERM; while :; do sleep 0.05; done");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.err, "tacet: worker 1 ended with exit code 1; the run was ended\n");
}

TEST_F(Launch, TheOthersAreAskedToEndBeforeTheyAreKilled) {
  const auto ended =
      launch(2, "test $RANK = 1 && exit 1; trap 'echo cleaned up; exit 3' TERM; while :; do sleep 0.05; done");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.out, "cleaned up\n");
}

TEST_F(Launch, AStoppedWorkerIsAskedToo) {
  const auto ended = launch(2, "test $RANK = 1 && exit 1; trap 'echo cleaned up; exit 3' TERM; kill -STOP $$");
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.out, "cleaned up\n");
}

TEST_F(Launch, ATerminalsInterruptIsLeftToTheLauncher) { EXPECT_EQ(launch(1, "kill -INT $$; echo alive").out, "alive\n"); }

TEST_F(Launch, ALineWithoutEndIsShownInParts) {
  const auto ended =
      launch(2, R"(x() { head -c $1 /dev/zero | tr '\0' x; }; test $RANK = 0 || { x 60000; sleep 0.2; x 140000; })");
  size_t characters = 0;
  for (const auto& line : sorted_lines(ended.out)) {
    EXPECT_LE(line.size(), 4 + 65536u);
    characters += line.size() - 4;  // "[1] "
  }
  EXPECT_EQ(characters, 200000u);
}

TEST_F(Launch, SignalsArePassedOn) {
  for (const int number : {SIGTERM, SIGINT}) {
    start(2, "trap 'echo checkpoint; exit 0' TERM; touch $F/up$RANK; while :; do sleep 0.05; done");
    await("up0");
    await("up1");
    signal(number);
    const auto ended = end();
    EXPECT_EQ(ended.code, 128 + number);
    EXPECT_EQ(sorted_lines(ended.out), (Lines{"[1] checkpoint", "checkpoint"}));
    EXPECT_EQ(ended.err, "");
    expect_nobody_left();
    std::filesystem::remove(folder_ / "up0");
    std::filesystem::remove(folder_ / "up1");
  }
}

TEST_F(Launch, TheSecondSignalKills) {
  start(2, "trap 'touch $F/told$RANK' TERM; touch $F/up$RANK; while :; do sleep 0.05; done");
  await("up0");
  await("up1");
  signal(SIGTERM);
  await("told0");
  await("told1");
  signal(SIGINT);
  EXPECT_EQ(end().code, 143);
  expect_nobody_left();
}

TEST_F(Launch, WorkersDieWithTheLauncher) {
  start(3, "echo $$ > $F/new$RANK; mv $F/new$RANK $F/pid$RANK; trap '' TERM; while :; do sleep 0.05; done");
  for (const char* file : {"pid0", "pid1", "pid2"}) await(file);
  signal(SIGKILL);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  // They come to us as orphans, and they come dead.
  for (int r = 0; r < 3; ++r) {
    const pid_t worker = std::stoi(content("pid" + std::to_string(r)));
    int status = 0, k = 0;
    while (::waitpid(worker, &status, WNOHANG) == 0 && k < 2000) {
      ::usleep(10000);
      ++k;
    }
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "worker " << r;
  }
  while (::waitpid(-1, nullptr, 0) > 0) {  // the workers' own sleeps
  }
  ::close(out_[0]);
  ::close(err_[0]);
}

TEST_F(Launch, AProcessThatAWorkerLeavesBehindDoesNotHoldTheLauncher) {
  start(2, "sleep 5 & echo started; exit 0");
  // Its output stays open (for worker 0's child), so only the launcher itself is waited for.
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  int living = 0;
  while (::waitpid(-1, nullptr, WNOHANG) == 0 && living == 0) ++living;
  EXPECT_EQ(living, 1) << "the launcher waited for a stranger";
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  ::close(out_[0]);
  ::close(err_[0]);
}

TEST_F(Launch, AProgramThatCannotBeRun) {
  LaunchOptions options;
  options.program = folder_ / "missing";
  EXPECT_EQ(test::error_of([&] { launch_local({"tacet"}, 2, options); }),
            "can't start the workers (" + options.program + "): No such file or directory");
  expect_nobody_left();
}

TEST_F(Launch, AWrongNumberOfWorkers) {
  EXPECT_THROW(launch_local({"tacet"}, 0), UserError);
  EXPECT_THROW(launch_local({"tacet"}, 1025), UserError);
}

class Environment : public testing::Test {
 protected:
  static constexpr const char* kNames[] = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
                                           "TORCHELASTIC_USE_AGENT_STORE"};
  Environment() { set({}); }
  ~Environment() override { set({}); }
  void set(const std::vector<std::pair<std::string, std::string>>& values) {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::string error() {
    return test::error_of([] { placement_from_environment(); });
  }
};

TEST_F(Environment, SaysNothing) {
  EXPECT_FALSE(placement_from_environment().has_value());
  set({{"MASTER_PORT", "x"}});  // alone it may be meant for another program
  EXPECT_FALSE(placement_from_environment().has_value());
}

TEST_F(Environment, SaysAll) {
  set({{"RANK", "2"}, {"WORLD_SIZE", "3"}, {"MASTER_ADDR", "127.0.0.9"}, {"MASTER_PORT", "29500"}});
  const auto p = placement_from_environment().value();
  EXPECT_EQ(p.rank, 2);
  EXPECT_EQ(p.size, 3);
  EXPECT_EQ(p.address, "127.0.0.9");
  EXPECT_EQ(p.port, 29500);
  EXPECT_FALSE(p.hosted);
  EXPECT_FALSE(p.launched);
  EXPECT_EQ(p.store, "tacet");
}

TEST_F(Environment, TorchrunsAgentServes) {
  set({{"RANK", "0"},
       {"WORLD_SIZE", "1"},
       {"MASTER_ADDR", "localhost"},
       {"MASTER_PORT", "1"},
       {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  EXPECT_TRUE(placement_from_environment()->hosted);
  EXPECT_EQ(placement_from_environment()->store, "tcpstore");
  ::setenv("TORCHELASTIC_USE_AGENT_STORE", "False", 1);
  EXPECT_FALSE(placement_from_environment()->hosted);
}

TEST_F(Environment, LoopbackIsReachedOverLoopback) {
  set({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", "29500"}});
  EXPECT_EQ(placement_from_environment()->interface_address, "127.0.0.1");
}

TEST_F(Environment, Mistakes) {
  set({{"RANK", "0"}});
  EXPECT_EQ(error(), "environment: WORLD_SIZE must be a whole number from 1 to 2000, but it is not set, though RANK=0 is");
  set({{"WORLD_SIZE", "4"}});
  EXPECT_EQ(error(), "environment: RANK must be a whole number from 0 to 3, but it is not set, though WORLD_SIZE=4 is");
  set({{"WORLD_SIZE", "4"}, {"RANK", "4"}});
  EXPECT_EQ(error(), "environment: RANK must be a whole number from 0 to 3, got '4'");
  set({{"WORLD_SIZE", "4x"}, {"RANK", "1"}});
  EXPECT_EQ(error(), "environment: WORLD_SIZE must be a whole number from 1 to 2000, got '4x'");
  set({{"WORLD_SIZE", "4"}, {"RANK", "-1"}});
  EXPECT_EQ(error(), "environment: RANK must be a whole number from 0 to 3, got '-1'");
  set({{"WORLD_SIZE", "4"}, {"RANK", "1"}, {"MASTER_PORT", "65536"}});
  EXPECT_EQ(error(), "environment: MASTER_PORT must be a whole number from 1 to 65535, got '65536'");
  set({{"WORLD_SIZE", "4"}, {"RANK", "1"}, {"MASTER_PORT", "1"}});
  EXPECT_EQ(error(), "environment: MASTER_ADDR must be the address of the rendezvous, but it is not set");
}

}  // namespace
}  // namespace tacet
