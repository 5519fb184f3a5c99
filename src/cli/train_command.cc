// See train_command.h.
#include "cli/train_command.h"

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <time.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/places.h"
#include "cli/dry_run.h"
#include "cli/progress.h"
#include "cli/train_plan.h"
#include "launch/hosts.h"
#include "launch/launch.h"
#include "launch/meeting.h"
#include "launch/signals.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/membership.h"
#include "tacet/train.h"

namespace tacet {
namespace {

// True after the first SIGINT or SIGTERM. The run finishes the round in flight and stops with a checkpoint.
std::atomic<bool> stop_requested{false};
std::atomic<int> stop_signal{0};
std::atomic<int64_t> stop_since{0};  // nanoseconds of the monotonic clock; 0: no signal yet

constexpr auto kSameSignalNanoseconds = static_cast<int64_t>(kSameSignalSeconds * 1e9);
static_assert(std::atomic<int64_t>::is_always_lock_free);

void on_signal(int signal) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t at = now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
  int64_t since = 0;
  if (stop_since.compare_exchange_strong(since, at)) {
    stop_signal = signal;
    stop_requested = true;
  } else if (at - since >= kSameSignalNanoseconds) {
    _exit(128 + signal);  // a second signal ends the process at once
  }
}

void catch_signals(bool launched) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  // A terminal sends Ctrl-C to every process of the job. Workers wait for the launcher's SIGTERM.
  if (launched) action.sa_handler = SIG_IGN;
  sigaction(SIGINT, &action, nullptr);
  // A reader of our output may go away before the run has ended, as `tee` does at Ctrl-C.
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

// Prints to stdout. A closed stdout is no error, unlike with fmt::print.
template <typename... T>
void print(fmt::format_string<T...> text, T&&... values) {
  std::fputs(fmt::format(text, std::forward<T>(values)...).c_str(), stdout);
}

void print_result(const Result& r, const std::string& out) {
  print("{}: {} rounds, {:.2f} epochs, {} communications, {} sent, {:.1f} s\n", r.status, r.rounds, r.epoch,
        r.communications, human_bytes(static_cast<double>(r.bytes_sent)), r.seconds);
  if (r.extra_samples > 0) print("{} extra samples besides the epochs\n", r.extra_samples);
  if (r.skipped > 0) print("{} gradients were not finite and were skipped\n", r.skipped);
  if (r.status != "done") {
    print("continue with the same command and --resume --out {}\n", out);
    return;
  }
  print("train loss {}", figure(r.train_loss));
  for (const auto& [split, e] : r.final) {
    print(", {} loss {}", split, figure(e.loss));
    if (r.perplexity) print(" (perplexity {})", figure(std::exp(e.loss), 2));
    if (std::isfinite(e.accuracy)) print(" (accuracy {:.2f} %)", 100 * e.accuracy);
  }
  print("\nrun folder {}\n", out);
}

HostsOptions hosts_of(const TrainArguments& a) { return {split_hosts(a.hosts), a.ssh, a.port}; }

int start_hosts(const TrainPlan& plan) {
  if (!plan.token.empty()) ::setenv("TACET_JOIN_TOKEN", plan.token.c_str(), 1);
  return launch_hosts(hosts_of(plan.arguments), words(for_workers(plan.arguments, plan.out)));
}

int start_workers(const TrainPlan& plan) {
  // This check complains once, where every worker would. On several machines only the first one writes.
  if (!plan.place || plan.place->rank == 0) check_run_folder(plan.out, plan.arguments.resume);
  std::vector<std::string> argv = words(for_workers(plan.arguments, plan.out));
  argv.insert(argv.begin(), {program_name(), "train"});
  LaunchOptions launch;
  launch.supervise = true;
  launch.restarts = static_cast<int>(plan.recipe.run.integer("restarts"));
  launch.place = plan.place;
  launch.token = plan.token;
  return launch_local(argv, plan.place ? 1 : plan.workers, launch);
}

Meeting meeting_of(const TrainPlan& plan) {
  Meeting meeting{*plan.place, plan.token, plan.recipe.run.text("exchange"), plan.recipe.run.number("peer_timeout"),
                  static_cast<int>(plan.recipe.run.integer("min_workers"))};
  meeting.place.hosted = plan.place->hosted || plan.arguments.launched;
  return meeting;
}

int exit_code(const Result& result, const TrainPlan& plan) {
  if (result.status == "done" || result.status == "ended") return 0;
  if (plan.arguments.launched) return kStopped;
  const int signal = stop_signal.load();
  return 128 + (signal != 0 ? signal : SIGTERM);  // without one, another worker's stopped the run
}

int report(const Result& result, bool first, const TrainPlan& plan) {
  if (first && result.status != "ended") print_result(result, plan.out);
  return exit_code(result, plan);
}

int run(TrainPlan plan) {
  catch_signals(plan.arguments.launched);
  TrainOptions options;
  options.out = plan.out;
  options.resume = plan.arguments.resume;
  options.rejoin = plan.arguments.rejoin;
  options.stop = &stop_requested;
  TerminalProgress progress(plan.arguments.quiet);  // hears from rank 0 only
  if (!plan.place || plan.place->store != "tacet" || plan.place->size == 1) {
    const auto group = plan.place ? fixed_group(meeting_of(plan)) : single_group();
    return report(train(plan.recipe, *group, options, progress), group->rank() == 0, plan);
  }
  if (!plan.recipe.clients.has("count")) plan.recipe.clients.set("count", int64_t{plan.place->size});
  const auto membership = membership_of(meeting_of(plan));
  try {
    const Result result = train(plan.recipe, *membership, options, progress);
    return report(result, result.first, plan);
  } catch (const PeerLost& error) {
    if (membership->term() == 0) throw PeerLost(error.rank, error.what() + how_placed(*plan.place));
    if (!membership->stranded()) throw;
    std::fprintf(stderr, "tacet: %s\n", error.what());
    return kStranded;
  }
}

// Removes a folder at its end, unless something was written there.
struct RemovedIfEmpty {
  std::string folder;  // empty: none
  ~RemovedIfEmpty() {
    if (!folder.empty()) ::rmdir(folder.c_str());
  }
};

}  // namespace

int cmd_train(const TrainArguments& arguments) {
  TrainPlan plan = resolve(arguments);
  const RemovedIfEmpty made{plan.made_out ? plan.out : ""};
  switch (plan.step) {
    case TrainPlan::Step::dry_run:
      return dry_run(plan.recipe, plan.workers, !plan.place && arguments.hosts.empty(), arguments.json);
    case TrainPlan::Step::start_hosts:
      return start_hosts(plan);
    case TrainPlan::Step::reach_host:
      become_ssh(hosts_of(arguments), words(for_workers(arguments, arguments.out)));
    case TrainPlan::Step::start_workers:
      return start_workers(plan);
    case TrainPlan::Step::run:
      break;
  }
  return run(std::move(plan));
}

}  // namespace tacet
