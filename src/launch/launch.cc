// See launch.h. One loop waits for three things at once: output of workers, ends of workers (SIGCHLD) and signals to pass
// on.
#include "launch/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include "base/files.h"
#include "comm/rendezvous/store.h"
#include "tacet/error.h"
#include "tacet/membership.h"

extern char** environ;

namespace tacet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostWorkers = 1024;
constexpr int kUserMistake = 2, kPeerLost = 3;
// Lines on a worker's stderr are held back this long, so that the last ones, before it ends with a user mistake, can be
// dropped when another worker has said the same. Unloading libtorch alone may take a worker half a second after its last
// line.
constexpr double kHoldSeconds = 3;
constexpr double kSameSignalSeconds = 0.5;
// A line that is longer is shown in parts.
constexpr size_t kLongestLine = 64 << 10;

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

struct Pipe {
  Fd out, in;
};

UserError no_start(const std::string& program, int error) {
  return UserError("can't start the workers (" + program + "): " + std::strerror(error));
}

Pipe make_pipe(const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw no_start(program, errno);
  return {Fd(ends[0]), Fd(ends[1])};
}

void write_all(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n >= 0) {
      done += n;
    } else if (errno == EAGAIN) {
      pollfd polled{fd, POLLOUT, 0};
      ::poll(&polled, 1, -1);
    } else if (errno != EINTR) {
      return;  // nobody reads; the workers' results do not depend on it
    }
  }
}

// One of a worker's two streams, on its way to ours.
struct Stream {
  Fd pipe;  // its reading end; closed at the end of the stream
  int target;
  std::string partial;  // a line that has begun
  struct Line {
    std::string text;
    Clock::time_point show_at;
  };
  std::vector<Line> held;  // only on stderr
};

struct Worker {
  pid_t pid = -1;
  bool running = false;
  int status = 0;        // of waitpid, once it has ended
  bool stopped = false;  // we had asked it to end when it did
  std::vector<Stream> streams;

  bool ended_with(int code) const { return !running && WIFEXITED(status) && WEXITSTATUS(status) == code; }
};

// The signals that the loop reads, blocked for everybody else while it runs.
class Signals {
 public:
  Signals() {
    sigemptyset(&mine_);
    for (const int s : {SIGINT, SIGTERM, SIGCHLD}) {
      struct sigaction now {};
      ::sigaction(s, nullptr, &now);
      // Somebody who started us with these ignored (nohup, a shell's background job) wants them ignored.
      if (s == SIGCHLD || now.sa_handler != SIG_IGN) sigaddset(&mine_, s);
    }
    ::pthread_sigmask(SIG_BLOCK, &mine_, &before_);
    struct sigaction normal {};
    normal.sa_handler = SIG_DFL;  // ignored SIGCHLD would take the workers' exit codes from us
    ::sigaction(SIGCHLD, &normal, &child_before_);
    file_ = Fd(::signalfd(-1, &mine_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~Signals() {
    while (next() != 0) {
    }
    ::sigaction(SIGCHLD, &child_before_, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int file() const { return file_.get(); }
  const sigset_t& mask_before() const { return before_; }
  // The next signal that has come, or 0.
  int next() const {
    signalfd_siginfo info{};
    return ::read(file_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo)
                                                                                        : 0;
  }

 private:
  sigset_t mine_, before_;
  struct sigaction child_before_ {};
  Fd file_;
};

class Launcher {
 public:
  Launcher(const std::vector<std::string>& argv, int workers, const LaunchOptions& options)
      : options_(options), argv_(argv), workers_(workers) {
    if (!options.place || options.place->rank == 0) {
      const Placement place = options.place.value_or(Placement{});
      store_ = std::make_unique<StoreServer>(place.address, place.port, StoreLimits{}, options.token);
    }
    place_ = options.place.value_or(Placement{.size = workers});
    if (!options.place) place_.port = store_->port();
    argv_.push_back(kLaunchedOption);
    rejoining_ = std::find(argv.begin(), argv.end(), kRejoinOption) != argv.end();
  }

  ~Launcher() {
    // Only after an exception is anybody left here.
    signal_all(SIGKILL);
    for (auto& worker : workers_) {
      if (worker.running) ::waitpid(worker.pid, &worker.status, 0);
    }
  }

  int run() {
    for (size_t r = 0; r < workers_.size(); ++r) start(static_cast<int>(r));
    while (any_running()) {
      wait_for_news();
      reap();
      pass_signals_on();
      escalate();
      for (auto& worker : workers_) show(worker, false);
    }
    drain();
    return verdict();
  }

 private:
  bool any_running() const {
    return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.running; });
  }

  void signal_all(int signal) {
    for (auto& worker : workers_) {
      if (!worker.running) continue;
      worker.stopped = true;
      ::kill(worker.pid, signal);
      // A worker that was stopped (SIGSTOP, ^Z) has to run to end.
      ::kill(worker.pid, SIGCONT);
    }
  }

  std::vector<std::string> environment(int rank) const {
    std::vector<std::string> own = {
        "RANK=", "WORLD_SIZE=", "LOCAL_RANK=", "MASTER_ADDR=", "MASTER_PORT=", "TORCHELASTIC_USE_AGENT_STORE="};
    if (options_.supervise) own.push_back("TACET_JOIN_TOKEN=");
    std::vector<std::string> all;
    for (char** e = environ; *e != nullptr; ++e) {
      const std::string variable = *e;
      if (std::none_of(own.begin(), own.end(), [&](const auto& name) { return variable.rfind(name, 0) == 0; })) {
        all.push_back(variable);
      }
    }
    const std::string values[] = {std::to_string(place_.rank + rank), std::to_string(place_.size), std::to_string(rank),
                                  place_.address, std::to_string(place_.port)};
    for (size_t k = 0; k < std::size(values); ++k) all.push_back(own[k] + values[k]);
    if (options_.supervise && !options_.token.empty()) all.push_back("TACET_JOIN_TOKEN=" + options_.token);
    return all;
  }

  void start(int rank, bool again = false) {
    Worker& worker = workers_[rank];
    Pipe out, err;
    if (rank > 0) {
      out = make_pipe(options_.program);
      err = make_pipe(options_.program);
    }
    Pipe failure = make_pipe(options_.program);  // carries errno when the program can't be run, and closes when it runs

    // Everything that needs memory comes before fork(): the rendezvous' thread may hold the allocator's lock.
    auto variables = environment(rank);
    std::vector<char*> arguments, environment;
    std::string rejoin = kRejoinOption;
    for (auto& text : argv_) arguments.push_back(text.data());
    if (again && !rejoining_) arguments.push_back(rejoin.data());
    for (auto& text : variables) environment.push_back(text.data());
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    const pid_t parent = ::getpid();

    const pid_t pid = ::fork();
    if (pid < 0) throw no_start(options_.program, errno);
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(kPeerLost);  // the launcher died before it could be watched
      if (rank > 0) {
        ::dup2(out.in.get(), STDOUT_FILENO);
        ::dup2(err.in.get(), STDERR_FILENO);
      }
      ::signal(SIGINT, SIG_IGN);
      ::pthread_sigmask(SIG_SETMASK, &signals_.mask_before(), nullptr);
      ::execve(options_.program.c_str(), arguments.data(), environment.data());
      const int error = errno;
      [[maybe_unused]] const auto n = ::write(failure.in.get(), &error, sizeof error);
      ::_exit(kPeerLost);
    }
    worker.pid = pid;
    worker.running = true;
    failure.in.reset();
    int error = 0;
    ssize_t n;
    do {
      n = ::read(failure.out.get(), &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    if (n == static_cast<ssize_t>(sizeof error)) throw no_start(options_.program, error);
    if (rank > 0) {
      for (auto* pipe : {&out, &err}) {
        ::fcntl(pipe->out.get(), F_SETFL, O_NONBLOCK);
        worker.streams.push_back({std::move(pipe->out), pipe == &out ? STDOUT_FILENO : STDERR_FILENO, "", {}});
      }
    }
  }

  void wait_for_news() {
    auto until = deadline_;
    std::vector<pollfd> polled = {{signals_.file(), POLLIN, 0}};
    for (const auto& worker : workers_) {
      for (const auto& stream : worker.streams) {
        polled.push_back({stream.pipe.get(), POLLIN, 0});  // a negative one is passed over
        if (worker.running && !stream.held.empty()) until = std::min(until, stream.held.front().show_at);
      }
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    ::poll(polled.data(), polled.size(), until == kNever ? -1 : static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
  }

  void reap() {
    for (auto& worker : workers_) {
      if (!worker.running || ::waitpid(worker.pid, &worker.status, WNOHANG) != worker.pid) continue;
      worker.running = false;
      const bool good = WIFEXITED(worker.status) && WEXITSTATUS(worker.status) == 0;
      if (good) {
        any_good_ = true;
        if (options_.supervise && stage_ == kRunning) {
          stage_ = kFinishing;
          deadline_ = after(options_.finish_seconds);
        }
        continue;
      }
      if (replaced(worker)) continue;
      failures_.push_back(static_cast<int>(&worker - workers_.data()));
      if (options_.supervise && WIFSIGNALED(worker.status) && any_running()) continue;  // the others go on
      if (stage_ == kRunning) {
        stage_ = kReporting;
        deadline_ = after(options_.report_seconds);
      }
    }
  }

  // Starts a worker again that was lost; when that is not to be done any more, tells the others.
  bool replaced(Worker& worker) {
    const int rank = static_cast<int>(&worker - workers_.data());
    if (!options_.supervise || stage_ != kRunning || !(WIFSIGNALED(worker.status) || worker.ended_with(kStranded)))
      return false;
    if (restarts_ >= options_.restarts) {
      say_nobody_comes();
      return false;
    }
    ++restarts_;
    show(worker, true);
    worker.streams.clear();
    write_all(STDERR_FILENO, "tacet: worker " + std::to_string(place_.rank + rank) + " " + how_it_ended(worker) +
                                 "; it is started again (" + std::to_string(restarts_) + " of " +
                                 std::to_string(options_.restarts) + ")\n");
    start(rank, true);
    return true;
  }

  // So that workers that wait for others stop waiting.
  void say_nobody_comes() {
    try {
      if (store_) StoreClient(place_.address, place_.port, 1, options_.token).set(kNobodyComes, "1");
    } catch (const std::exception&) {
      // Then they wait until their time limit.
    }
  }

  void pass_signals_on() {
    while (const int signal = signals_.next()) {
      if (signal == SIGCHLD) continue;
      // A signal to the whole job reaches us twice: by itself and from the process above.
      if (options_.supervise && signal_ != 0 && Clock::now() < same_signal_until_) continue;
      same_signal_until_ = after(kSameSignalSeconds);
      signal_all(signal_ == 0 ? SIGTERM : SIGKILL);
      if (signal_ == 0) {
        signal_ = signal;
        stage_ = kStopping;
        deadline_ = after(options_.interrupt_seconds);
        if (options_.supervise) say_nobody_comes();
      }
    }
  }

  void escalate() {
    if (Clock::now() < deadline_) return;
    if (stage_ == kReporting) {
      signal_all(SIGTERM);
      stage_ = kStopping;
      deadline_ = after(options_.stop_seconds);
    } else if (stage_ == kStopping || stage_ == kFinishing) {
      signal_all(SIGKILL);
      deadline_ = kNever;
    }
  }

  void print(size_t rank, int target, const std::string& line) {
    write_all(target, "[" + std::to_string(rank) + "] " + line + "\n");
  }

  // Moves on what a worker has written; `all`: also what could be held back.
  void show(Worker& worker, bool all) {
    const size_t rank = &worker - workers_.data();
    for (auto& stream : worker.streams) {
      char bytes[16 << 10];
      // Not more than a pipe holds at a time, so that a worker that never stops writing does not stop the others.
      for (int k = 0; k < 4 && stream.pipe.get() >= 0; ++k) {
        const ssize_t n = ::read(stream.pipe.get(), bytes, sizeof bytes);
        if (n > 0) {
          stream.partial.append(bytes, n);
        } else if (n == 0) {
          stream.pipe.reset();
        } else if (errno != EINTR) {
          break;
        }
      }
      size_t begin = 0;
      for (;;) {
        size_t end = stream.partial.find('\n', begin);
        size_t next = end + 1;
        if (end == std::string::npos) {
          const size_t left = stream.partial.size() - begin;
          if (left == 0 || (left < kLongestLine && stream.pipe.get() >= 0 && !all)) break;
          next = end = begin + std::min(left, kLongestLine);
        }
        const std::string line = stream.partial.substr(begin, end - begin);
        begin = next;
        if (stream.target == STDERR_FILENO) {
          stream.held.push_back({line, after(kHoldSeconds)});
        } else {
          print(rank, stream.target, line);
        }
      }
      stream.partial.erase(0, begin);
      // The last words of a worker that has ended wait until it is known how the run ended.
      const auto now = Clock::now();
      size_t shown = 0;
      while (shown < stream.held.size() && (all || (worker.running && stream.held[shown].show_at <= now))) {
        print(rank, stream.target, stream.held[shown++].text);
      }
      stream.held.erase(stream.held.begin(), stream.held.begin() + static_cast<int64_t>(shown));
    }
  }

  // The workers have ended, and all that they wrote has been read: a pipe holds no more than show() reads at a time. A
  // process that one of them has left behind may hold a pipe open for ever, so nobody waits for its end.
  void drain() {
    std::set<std::string> said;
    for (auto& worker : workers_) {
      if (worker.ended_with(kUserMistake)) {
        for (auto& stream : worker.streams) {
          // A user's mistake is found by every worker alike. Worker 0 has told it already, on its own stderr.
          if (!stream.partial.empty()) stream.held.push_back({std::exchange(stream.partial, ""), Clock::now()});
          std::erase_if(stream.held, [&](const auto& line) {
            return workers_[0].ended_with(kUserMistake) || !said.insert(line.text).second;
          });
        }
      }
      show(worker, true);
    }
  }

  static std::string how_it_ended(const Worker& worker) {
    if (worker.ended_with(kStranded)) return "lost the other workers";
    return WIFSIGNALED(worker.status) ? "was killed by signal " + std::to_string(WTERMSIG(worker.status))
                                      : "ended with exit code " + std::to_string(WEXITSTATUS(worker.status));
  }

  int verdict() const {
    if (signal_ != 0) return 128 + signal_;
    if (failures_.empty() || (options_.supervise && any_good_)) return 0;
    const auto first = std::find_if(failures_.begin(), failures_.end(),
                                    [&](int r) { return !workers_[r].ended_with(kPeerLost) && !workers_[r].stopped; });
    const int rank = first != failures_.end() ? *first : failures_[0];
    const Worker& worker = workers_[rank];
    if (worker.ended_with(kUserMistake)) return kUserMistake;
    write_all(STDERR_FILENO,
              "tacet: worker " + std::to_string(place_.rank + rank) + " " + how_it_ended(worker) + "; the run was ended\n");
    return kPeerLost;
  }

  static constexpr auto kNever = Clock::time_point::max();
  enum Stage { kRunning, kFinishing, kReporting, kStopping };

  const LaunchOptions options_;
  std::vector<std::string> argv_;
  Signals signals_;                     // before store_, whose thread inherits the mask
  std::unique_ptr<StoreServer> store_;  // none where another machine's launcher has it
  Placement place_;                     // of the first worker
  std::vector<Worker> workers_;
  std::vector<int> failures_;  // ranks, in the order of their ends
  Stage stage_ = kRunning;
  Clock::time_point deadline_ = kNever;  // of the stage
  int signal_ = 0;                       // the first one to pass on
  Clock::time_point same_signal_until_ = kNever;
  bool rejoining_ = false;  // all workers were started again
  bool any_good_ = false;   // a worker has ended with 0
  int restarts_ = 0;
};

// Keeps a launcher, in a process of its own, alive: the rendezvous is there, so its loss would otherwise end the run. The
// workers end with their launcher, and new ones go on from the last checkpoint.
int keep_launched(std::vector<std::string> argv, int workers, LaunchOptions options) {
  const Signals signals;
  int signal = 0;
  for (;;) {
    const pid_t parent = ::getpid(), pid = ::fork();
    if (pid < 0) throw no_start(options.program, errno);
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(kPeerLost);
      int code = kPeerLost;
      ::pthread_sigmask(SIG_SETMASK, &signals.mask_before(), nullptr);
      try {
        code = Launcher(argv, workers, options).run();
      } catch (const UserError& error) {
        write_all(STDERR_FILENO, "tacet: " + std::string(error.what()) + "\n");
        code = kUserMistake;
      }
      ::_exit(code);
    }
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) != pid) {
      pollfd polled{signals.file(), POLLIN, 0};
      ::poll(&polled, 1, -1);
      while (const int got = signals.next()) {
        if (got == SIGCHLD) continue;
        if (signal == 0) signal = got;
        ::kill(pid, SIGTERM);
        ::kill(pid, SIGCONT);
      }
    }
    if (signal != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) return 128 + signal;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (signal != 0 || options.restarts == 0) {
      write_all(STDERR_FILENO, "tacet: the launcher was killed by signal " + std::to_string(WTERMSIG(status)) + "\n");
      return kPeerLost;
    }
    options.restarts -= 1;
    write_all(STDERR_FILENO, "tacet: the launcher was killed by signal " + std::to_string(WTERMSIG(status)) +
                                 "; all workers are started again\n");
    if (std::find(argv.begin(), argv.end(), kRejoinOption) == argv.end()) argv.push_back(kRejoinOption);
  }
}

}  // namespace

int launch_local(const std::vector<std::string>& argv, int workers, const LaunchOptions& options) {
  if (workers < 1 || workers > kMostWorkers) {
    throw UserError("--workers must be from 1 to " + std::to_string(kMostWorkers) + ", got " + std::to_string(workers));
  }
  return options.supervise ? keep_launched(argv, workers, options) : Launcher(argv, workers, options).run();
}

}  // namespace tacet
