// See training.h.
#include "training.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "comm/rendezvous/handshake.h"
#include "launch/environment.h"
#include "launch/launch.h"
#include "launch/meeting.h"
#include "module_objective.h"
#include "tacet/error.h"
#include "tacet/recipe.h"
#include "tacet/train.h"
#include "train/process.h"

namespace tacet {
namespace {

namespace py = pybind11;

// The signals that end a run. The handler is not Python's, which waits for Python code: a recipe's own model runs none.
struct Stop {
  std::atomic<bool> asked{false};
  std::array<struct sigaction, NSIG> before{};  // by signal
};

std::atomic<Stop*> stop_under_way{nullptr};

// Asks the run to end after the round under way. A second signal gets the handler that was there before.
void ask_to_stop(int signal) {
  Stop& stop = *stop_under_way.load();
  if (!stop.asked.exchange(true)) return;
  ::sigaction(signal, &stop.before[static_cast<size_t>(signal)], nullptr);
  ::raise(signal);
}

// Lets the signals ask for an end while it lives.
class StopOnSignals {
 public:
  explicit StopOnSignals(std::vector<int> signals) : signals_(std::move(signals)), outer_(stop_under_way.exchange(&stop_)) {
    struct sigaction action {};
    action.sa_handler = ask_to_stop;
    for (const int signal : signals_) {
      auto& before = stop_.before[static_cast<size_t>(signal)];
      ::sigaction(signal, &action, &before);
      // Whoever started us with it ignored wants it ignored: a launcher, whose workers wait for its SIGTERM.
      if (before.sa_handler == SIG_IGN) ::sigaction(signal, &before, nullptr);
    }
  }
  ~StopOnSignals() {
    for (const int signal : signals_) ::sigaction(signal, &stop_.before[static_cast<size_t>(signal)], nullptr);
    stop_under_way = outer_;
  }
  StopOnSignals(const StopOnSignals&) = delete;
  StopOnSignals& operator=(const StopOnSignals&) = delete;

  const std::atomic<bool>& asked() const { return stop_.asked; }

 private:
  const std::vector<int> signals_;
  Stop stop_;
  Stop* const outer_;  // of a run around this one, whose loss trains another model
};

// Calls a Python function with each line for people.
class Listener : public Observer {
 public:
  explicit Listener(py::object hear) : hear_(std::move(hear)) {}
  ~Listener() override {
    const py::gil_scoped_acquire gil;
    hear_ = py::object();
  }
  void message(const std::string& line) override { say("message", line); }
  void warning(const std::string& line) override { say("warning", line); }

 private:
  void say(const char* kind, const std::string& line) {
    const py::gil_scoped_acquire gil;
    hear_(kind, line);
  }
  py::object hear_;
};

Meeting meeting_of(const Recipe& recipe, Placement place, int number) {
  Meeting meeting = placed_meeting(std::move(place), recipe.run.text("exchange"), recipe.run.number("peer_timeout"),
                                   static_cast<int>(recipe.run.integer("min_workers")));
  meeting.run = number;
  return meeting;
}

// Trains alone in this process, among workers that stay (other launchers), or among workers that may be lost (tacet's), as
// the place says. A worker that can only start anew has the status "stranded". `number` is the run's in the program.
Result run_in_place(Recipe recipe, Objective* objective, const std::optional<Placement>& place, int number,
                    const TrainOptions& options, Observer& observer) {
  const auto among = [&](auto& workers) {
    return objective ? train(recipe, *objective, workers, options, observer) : train(recipe, workers, options, observer);
  };
  if (!place || place->store != "tacet" || place->size == 1 || !placed_by_tacet()) {
    const auto group = place ? fixed_group(meeting_of(recipe, *place, number)) : single_group();
    return among(*group);
  }
  if (!recipe.clients.has("count")) recipe.clients.set("count", int64_t{place->size});
  const auto membership = membership_of(meeting_of(recipe, *place, number));
  try {
    Result result = among(*membership);
    if (result.status == "ended") observer.warning("this worker has no part in the run, which had ended before it came");
    return result;
  } catch (const PeerLost& error) {
    if (membership->term() == 0) throw PeerLost(error.rank, error.what() + how_placed(*place));
    if (!membership->stranded()) throw;
    observer.warning(error.what());
    return {.status = "stranded"};
  }
}

py::dict facts_of(const Result& result) {
  py::dict facts;
  facts["status"] = result.status;
  facts["first"] = result.first;
  facts["rounds"] = result.rounds;
  facts["sha256"] = result.model_sha256;
  return facts;
}

// Undoes, when it goes, what training tells the C library about large blocks (keep_large_blocks): the program goes on.
struct LargeBlocksAfterwards {
  LargeBlocksAfterwards() = default;
  ~LargeBlocksAfterwards() { release_large_blocks(); }
  LargeBlocksAfterwards(const LargeBlocksAfterwards&) = delete;
  LargeBlocksAfterwards& operator=(const LargeBlocksAfterwards&) = delete;
};

// Trains, with `host` as the objective unless it is None. `alone` leaves the environment's placement aside. `number` tells
// the program's runs apart, from 1, and is the same on all workers. The first of the signals ends the run after the round
// under way.
py::dict train_here(const Recipe& given, const py::object& host, const std::string& out, bool resume, bool rejoins,
                    bool alone, int number, const std::vector<int>& signals, const py::object& hear) {
  const std::optional<Placement> place = alone ? std::nullopt : placement_from_environment();
  const Recipe recipe = with_clients(given, place ? place->size : 1);
  std::unique_ptr<Objective> objective;
  if (!host.is_none()) objective = make_module_objective(host, recipe, clients_of(recipe, 1));
  TrainOptions options;
  options.out = out;
  options.resume = resume;
  options.rejoin = rejoins;
  const LargeBlocksAfterwards afterwards;
  const StopOnSignals stop(signals);
  options.stop = &stop.asked();
  Listener listener(hear);
  std::optional<Result> result;
  {
    const py::gil_scoped_release no_gil;
    result = run_in_place(recipe, objective.get(), place, number, options, listener);
    if (objective && result->status == "done") objective->workspace().copy_(result->x);  // no file says it to other ranks
    objective.reset();
  }
  return facts_of(*result);
}

// Starts workers that are copies of this process and run `work`, and waits for all of them. The process must have no other
// thread.
int launch_copies(const py::function& work, int workers, int restarts) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  LaunchOptions options;
  options.supervise = true;
  options.restarts = restarts;
  options.work = [&](bool rejoins) { return work(rejoins).cast<int>(); };
  options.fork = [] {
    PyOS_BeforeFork();
    const pid_t pid = ::fork();
    pid == 0 ? PyOS_AfterFork_Child() : PyOS_AfterFork_Parent();
    return pid;
  };
  return launch_local({"python"}, workers, options);
}

}  // namespace

void add_training(py::module_& m) {
  m.def("train_here", &train_here, py::arg("recipe"), py::arg("host"), py::arg("out"), py::arg("resume"), py::arg("rejoins"),
        py::arg("alone"), py::arg("number"), py::arg("signals"), py::arg("hear"));
  m.def("launch_copies", &launch_copies, py::arg("work"), py::arg("workers"), py::arg("restarts"));
  m.def("check_run_folder", &check_run_folder, py::arg("out"), py::arg("resume"));
  m.def("placed_rank", []() -> std::optional<std::pair<int, int>> {
    const auto place = placement_from_environment();
    if (!place) return std::nullopt;
    return std::pair(place->rank, place->size);
  });
}

}  // namespace tacet
