// See launch.h. One loop waits for three things at once: output of workers, ends of workers (SIGCHLD) and signals to pass
// on.
#include "launch/launch.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "comm/rendezvous/store.h"
#include "comm/run_keys.h"
#include "launch/signals.h"
#include "launch/worker.h"
#include "tacet/error.h"
#include "tacet/membership.h"

extern char** environ;

namespace tacet {
namespace {

constexpr int kMostWorkers = 1024;

// Tells the user. A closed stderr is no error.
void tell(const std::string& line) { (void)write_all(STDERR_FILENO, "tacet: " + line + "\n"); }

class Launcher {
 public:
  // `again`: all workers were lost, and are started in the middle of their run.
  Launcher(const std::vector<std::string>& argv, int workers, const LaunchOptions& options, bool again = false)
      : options_(options), argv_(argv) {
    for (int r = 0; r < workers; ++r) workers_.emplace_back(r);
    if (!options.place || options.place->rank == 0) {
      const Placement place = options.place.value_or(Placement{});
      store_ = std::make_unique<StoreServer>(place.address, place.port, StoreLimits{}, options.token);
    }
    place_ = options.place.value_or(Placement{.size = workers});
    if (!options.place) place_.port = store_->port();
    const bool told = std::find(argv.begin(), argv.end(), kRejoinOption) != argv.end();
    rejoining_ = again || told;
    if (options.foreign) return;
    if (again && !told) argv_.push_back(kRejoinOption);
    argv_.push_back(kLaunchedOption);
  }

  ~Launcher() {
    // Workers are left here only after an exception.
    signal_all(SIGKILL);
    for (Worker& worker : workers_) worker.wait();
  }

  int run() {
    for (Worker& worker : workers_) start(worker);
    while (any_running()) {
      wait_for_news();
      pass_signals_on();  // before reap(): the news of an end that came between the two would be taken and nobody would look
      reap();
      escalate();
      for (Worker& worker : workers_) worker.show(false);
    }
    drain();
    return verdict();
  }

 private:
  bool any_running() const {
    return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.running(); });
  }

  void signal_all(int signal) {
    for (Worker& worker : workers_) worker.stop(signal);
  }

  // Returns the variables of the worker with this rank on this machine.
  std::vector<std::string> environment(int rank) const {
    std::vector<std::string> own = {
        "RANK=", "WORLD_SIZE=", "LOCAL_RANK=", "MASTER_ADDR=", "MASTER_PORT=", "TORCHELASTIC_USE_AGENT_STORE="};
    const std::string told = std::string(kToldVariable) + "=";
    own.push_back(told);
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
    all.push_back(told + place_.told);
    if (options_.supervise && !options_.token.empty()) all.push_back("TACET_JOIN_TOKEN=" + options_.token);
    return all;
  }

  void start(Worker& worker, bool again = false) {
    Program program{options_.program, argv_, environment(worker.rank())};
    if (again && !rejoining_ && !options_.foreign) program.arguments.push_back(kRejoinOption);
    if (options_.work) {
      program.work = [this, rejoins = again || rejoining_] { return options_.work(rejoins); };
      program.fork = options_.fork;
      program.files = files_;
    }
    worker.start(std::move(program), signals_.mask_before());
  }

  void wait_for_news() {
    auto until = deadline_;
    std::vector<int> files = {signals_.file()};
    for (const Worker& worker : workers_) worker.wait_for(files, until);
    std::vector<pollfd> polled;
    for (const int file : files) polled.push_back({file, POLLIN, 0});
    ::poll(polled.data(), polled.size(), until == kNever ? -1 : poll_milliseconds(until));
  }

  void reap() {
    for (Worker& worker : workers_) {
      if (!worker.reap()) continue;
      if (worker.ended_with(0)) {
        any_good_ = true;
        // Workers of ours end together. A user's own program may have more to do on one worker than on another.
        if (options_.supervise && !options_.foreign && stage_ == kRunning) enter(kFinishing, options_.finish_seconds);
        continue;
      }
      if (replaced(worker)) continue;
      failures_.push_back(worker.rank());
      if (options_.supervise && (worker.killed() || sent_away(worker)) && any_running()) continue;  // the others go on
      if (stage_ == kRunning) enter(kReporting, options_.report_seconds);
    }
  }

  // Starts a lost worker again and returns true. When no restart is left, or the system has no room for a process, tells the
  // user and the others, and returns false.
  bool replaced(Worker& worker) {
    const bool lost = worker.killed() || ended_as_ours(worker, kStranded);
    if (!options_.supervise || stage_ != kRunning || !lost) return false;
    worker.show(true);
    const std::string all = std::to_string(options_.restarts);
    if (restarts_ >= options_.restarts) {
      tell(end_of(worker) + "; it is not started again (restarts left: 0 of " + all + ")");
      say_nobody_comes();
      return false;
    }
    ++restarts_;
    tell(end_of(worker) + "; it is started again (" + std::to_string(restarts_) + " of " + all + ")");
    restarted_.insert(worker.rank());
    try {
      start(worker, true);
      return true;
    } catch (const UserError& error) {
      tell(std::string(error.what()) + "; the others go on without it");
      say_nobody_comes();
      return false;
    }
  }

  // Returns true for a worker that came back other than it was, as after a change of the recipe's file. It tells the user's
  // mistake itself, and the run goes on without it.
  bool sent_away(const Worker& worker) {
    const bool away = restarted_.count(worker.rank()) > 0 && ended_as_ours(worker, kUserMistake);
    if (away) say_nobody_comes();
    return away;
  }

  // Makes workers that wait for others stop waiting.
  void say_nobody_comes() {
    try {
      if (store_) StoreClient(place_.address, place_.port, 1, options_.token).set(kNobodyComes, "1");
    } catch (const std::exception&) {
      // Then they wait until their time limit.
    }
  }

  // Returns true if the workers have finished tacet's latest run. In it the others did what a lost worker had to do.
  bool run_is_done() const {
    try {
      if (!store_) return false;
      StoreClient client(place_.address, place_.port, 1, options_.token);
      const int run = client.check({kLatestRun}) ? std::stoi(client.get(kLatestRun, std::chrono::seconds(1))) : 0;
      return client.check({RunKeys{keys_of_run(run)}("done")});
    } catch (const std::exception&) {
      return false;
    }
  }

  // Returns true for a worker of ours that has ended with one of the codes by which it talks to the launcher. A user's own
  // program may mean anything by them.
  bool ended_as_ours(const Worker& worker, int code) const { return !options_.foreign && worker.ended_with(code); }

  // Returns "worker 1 was killed by signal 9".
  std::string end_of(const Worker& worker) const {
    const std::string how = ended_as_ours(worker, kStranded) ? "lost the other workers" : worker.how_it_ended();
    return "worker " + std::to_string(place_.rank + worker.rank()) + " " + how;
  }

  void pass_signals_on() {
    while (const int signal = signals_.next()) {
      if (signal == SIGCHLD) continue;
      if (options_.supervise && signal_ != 0 && Clock::now() < same_signal_until_) continue;
      same_signal_until_ = after(kSameSignalSeconds);
      signal_all(signal_ == 0 ? SIGTERM : SIGKILL);
      if (signal_ == 0) {
        signal_ = signal;
        enter(kStopping, options_.interrupt_seconds);
        if (options_.supervise) say_nobody_comes();
      }
    }
  }

  void escalate() {
    if (Clock::now() < deadline_) return;
    if (stage_ == kReporting) {
      signal_all(SIGTERM);
      enter(kStopping, options_.stop_seconds);
    } else if (stage_ == kStopping || stage_ == kFinishing) {
      if (stage_ == kFinishing) tell_of_the_late();
      signal_all(SIGKILL);
      deadline_ = kNever;
    }
  }

  // The exit code is 0 in spite of their end, so they are named.
  void tell_of_the_late() const {
    for (const Worker& worker : workers_) {
      if (!worker.running()) continue;
      char text[120];
      std::snprintf(text, sizeof text, "worker %d was killed, as it had not ended %g s after the first that ended well",
                    place_.rank + worker.rank(), options_.finish_seconds);
      tell(text);
    }
  }

  // The workers have ended, and all that they wrote has been read: a pipe holds no more than show() reads at a time. A
  // process that one of them has left behind may hold a pipe open for ever, so nobody waits for its end.
  void drain() {
    std::set<std::string> said;
    for (Worker& worker : workers_) {
      // A user's mistake is found by every worker alike. Worker 0 tells it on its own stderr.
      if (worker.ended_with(kUserMistake)) {
        if (workers_[0].ended_with(kUserMistake)) {
          worker.drop_held();
        } else {
          worker.drop_repeated(said);
        }
      }
      worker.show(true);
    }
  }

  int verdict() const {
    if (signal_ != 0) return 128 + signal_;
    if (failures_.empty()) return 0;
    // Lost workers don't spoil what the others have finished. A user's own program that fails does. One that is killed does
    // as well, unless a run was finished: nobody else takes over a part of the user's own.
    const bool finished = options_.supervise && any_good_;
    const bool killed = std::all_of(failures_.begin(), failures_.end(), [&](int r) { return workers_[r].killed(); });
    if (finished && (!options_.foreign || (killed && run_is_done()))) return 0;
    const auto first = std::find_if(failures_.begin(), failures_.end(),
                                    [&](int r) { return !workers_[r].ended_with(kPeerLost) && !workers_[r].stopped(); });
    const Worker& worker = workers_[first != failures_.end() ? *first : failures_[0]];
    if (worker.ended_with(kUserMistake)) return kUserMistake;
    if (ended_as_ours(worker, kStopped)) {
      tell("the run was stopped by a signal to another worker; --resume goes on");
      return 128 + SIGTERM;
    }
    tell(end_of(worker) + (finished && killed ? ", and nobody has taken over its part" : "; the run was ended"));
    return kPeerLost;
  }

  static constexpr auto kNever = Clock::time_point::max();
  enum Stage { kRunning, kFinishing, kReporting, kStopping };
  void enter(Stage stage, double seconds) {
    stage_ = stage;
    deadline_ = after(seconds);
  }

  const LaunchOptions options_;
  std::vector<std::string> argv_;
  const std::vector<int> files_ = open_files();  // those that were open before the launcher's own
  Signals signals_;                              // before store_, whose thread inherits the mask
  std::unique_ptr<StoreServer> store_;           // none where another machine's launcher has it
  Placement place_;                              // the first worker's
  std::vector<Worker> workers_;
  std::vector<int> failures_;  // ranks, in the order of their ends
  Stage stage_ = kRunning;
  Clock::time_point deadline_ = kNever;  // the stage's
  int signal_ = 0;                       // the first one to pass on
  Clock::time_point same_signal_until_ = kNever;
  bool rejoining_ = false;  // all workers were started again
  bool any_good_ = false;   // a worker has ended with 0
  int restarts_ = 0;
  std::set<int> restarted_;  // ranks
};

// Keeps a launcher, in a process of its own, alive: the rendezvous is there, so its loss would otherwise end the run. The
// workers end with their launcher, and new ones go on from the last checkpoint.
int keep_launched(const std::vector<std::string>& argv, int workers, LaunchOptions options) {
  const Signals signals;
  int signal = 0;
  bool again = false;
  for (;;) {
    const pid_t parent = ::getpid(), pid = options.fork();
    if (pid < 0) throw no_start(options.program, errno);
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(kPeerLost);
      int code = kPeerLost;
      ::pthread_sigmask(SIG_SETMASK, &signals.mask_before(), nullptr);
      try {
        code = Launcher(argv, workers, options, again).run();
      } catch (const UserError& error) {
        tell(error.what());
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
      tell("the launcher was killed by signal " + std::to_string(WTERMSIG(status)));
      return kPeerLost;
    }
    options.restarts -= 1;
    tell("the launcher was killed by signal " + std::to_string(WTERMSIG(status)) + "; all workers are started again");
    again = true;
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
