// See runner.h.
#include "sweep/runner.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <list>
#include <set>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/files.h"
#include "engine/divergence.h"
#include "launch/signals.h"
#include "machine/processor.h"
#include "report/runs.h"
#include "sweep/child.h"
#include "sweep/claims.h"
#include "sweep/point_watch.h"
#include "tacet/error.h"
#include "train/process.h"

namespace tacet {
namespace {

constexpr double kLookSeconds = 1;       // between two looks at the runs
constexpr double kElsewhereSeconds = 2;  // between two looks at points of other sweeps
constexpr double kMemoryMargin = 1.25;   // a further run may need so much more than the largest one so far
constexpr double kStopSeconds = 300;     // for a run to write its checkpoint after SIGTERM

// A run under way.
struct Running {
  const Point* point;
  PointClaim claim;
  Child child;
  PointWatch watch;
  int64_t rounds_before = 0;  // that an earlier process of the run has left
  Clock::time_point start = Clock::now();
  std::string divergence = {};  // why it was stopped
  bool lost = false;            // another sweep has taken its claim
};

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(0.0, seconds) + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

// Returns what a run has printed since `begin`, at most the last 64 KiB.
std::string printed(const std::string& log) {
  std::string text;
  try {
    for (const std::string& line : read_lines(log)) text += line + "\n";
  } catch (const UserError&) {
    // The run's end is told without its words.
  }
  constexpr size_t most = 64 << 10;
  return text.size() > most ? text.substr(text.size() - most) : text;
}

// Returns the command's own last complaint, or the last line.
std::string complaint_in(const std::string& output) {
  std::string last, own;
  size_t begin = 0;
  while (begin < output.size()) {
    const size_t end = output.find('\n', begin);
    const std::string line = output.substr(begin, end - begin);
    if (!line.empty()) last = line;
    if (line.starts_with("tacet: ")) own = line.substr(7);
    begin = end == std::string::npos ? output.size() : end + 1;
  }
  return own.empty() ? last : own;
}

class Runner {
 public:
  Runner(const std::vector<Point>& points, const RunnerOptions& options)
      : options_(options), folder_{options.folder}, claims_(folder_.claims(), options.lost_after), all_(points.size()) {
    for (const Point& point : points) open_.push_back(&point);
    jobs_ = options.jobs > 0 ? options.jobs : jobs_that_fit(points, options.workers, available_cores());
  }

  RunnerResult run() {
    drop_finished();
    at_start_ = ended_;
    try {
      while (!finished()) {
        start_some();
        wait();
        handle_signals();
        reap();
        look();
      }
    } catch (...) {
      end_all();
      throw;
    }
    result_.elsewhere = stopping() ? 0 : open_.size();
    return result_;
  }

 private:
  bool stopping() const { return result_.signal != 0 || result_.disk_full; }
  bool finished() const {
    if (!running_.empty()) return false;
    return stopping() || open_.empty() || (!options_.wait && only_elsewhere_);
  }

  // Drops the points that need no run, and notes those that are run again.
  void drop_finished() {
    for (const Point* point : open_) {
      const PointState::Kind kind = state_of(folder_, *point).kind;
      if (kind == PointState::Kind::failed || (kind == PointState::Kind::diverged && options_.retry))
        again_.insert(point->digest);
    }
    std::erase_if(open_, [&](const Point* point) {
      const bool over = is_over(*point);
      if (over) claims_.clear(point->digest);
      return over;
    });
  }

  bool is_over(const Point& point) {
    const PointState state = state_of(folder_, point);
    if (state.kind == PointState::Kind::open) return false;
    if (state.kind == PointState::Kind::done) {
      require_same_values(folder_, point);
    } else {
      if (again_.count(point.digest) != 0) return false;
      ++failed_;
      options_.say(fmt::format("{} before: {}: {}{}", state_name(state.kind), point.name, state.reason,
                               state.kind == PointState::Kind::diverged ? options_.retry_hint : ""));
    }
    ++ended_;
    return true;
  }

  // A further run starts beside others only when it is known how much memory a run takes, and so much is left, also for
  // those that have not come to their first round.
  bool has_room() const {
    if (static_cast<int>(running_.size()) >= jobs_) return false;
    if (running_.empty() || options_.jobs > 0) return true;
    if (peak_ == 0) return false;
    const auto young = std::count_if(running_.begin(), running_.end(),
                                     [](const Running& now) { return now.watch.rounds() <= now.rounds_before; });
    const Memory memory = this_memory();
    return memory.available == 0 || memory.available > kMemoryMargin * peak_ * static_cast<double>(1 + young);
  }

  void start_some() {
    if (stopping()) return;
    if (only_elsewhere_ && since(looked_elsewhere_) < kElsewhereSeconds) return;
    for (size_t left = open_.size(); left > 0 && has_room(); --left) {
      const Point* point = open_.front();
      open_.pop_front();
      if (!try_start(*point)) open_.push_back(point);
    }
    only_elsewhere_ = !open_.empty() && running_.empty();
    looked_elsewhere_ = Clock::now();
  }

  // Starts a point unless it is over. Returns false for one that another sweep runs.
  bool try_start(const Point& point) {
    const std::optional<PointClaim> claim = claims_.take(point.digest);
    if (!claim) return is_over(point);  // a sweep that is held up may still hold a point that it has ended
    try {
      if (!is_over(point)) return begin(point, *claim), true;
    } catch (...) {
      claims_.release(*claim);
      throw;
    }
    claims_.release(*claim);
    return true;
  }

  void begin(const Point& point, const PointClaim& claim) {
    if (claim.taken_over) options_.say(fmt::format("taken over: {}: the sweep that ran it is gone", point.name));
    if (move_stuck_run(folder_, point))
      options_.say(fmt::format("moved to aside/: {}: it was killed where a run can't go on, and begins again", point.name));
    start(point, claim);
  }

  void start(const Point& point, const PointClaim& claim) {
    forget_failure(folder_, point);
    const std::string run = folder_.run(point);
    const std::string recipe = claims_.recipe(claim);
    write_atomically(recipe, point.recipe);
    std::vector<std::string> argv = {options_.command, "train", recipe, "--out", run, "--resume", "--quiet"};
    if (options_.workers > 1) argv.insert(argv.end(), {"--workers", std::to_string(options_.workers)});
    std::error_code ignored;
    std::filesystem::remove(folder_.log(point), ignored);
    Running now{&point, claim, {}, PointWatch(point, run + "/metrics.jsonl", options_.diverged_above)};
    now.watch.look();
    now.rounds_before = now.watch.rounds();
    now.child.start(std::move(argv), folder_.log(point), signals_.mask_before());
    running_.push_back(std::move(now));  // from here on its end releases the claim
    ++result_.started;
    beaten_ = {};  // so that the claim soon tells which process it is
  }

  // Waits for a signal, which the end of a run is too, or for the next look.
  void wait() {
    const double most = running_.empty() ? kElsewhereSeconds : kLookSeconds;
    if (running_.empty() && !only_elsewhere_) return;
    pollfd file{signals_.file(), POLLIN, 0};
    ::poll(&file, 1, poll_milliseconds(after(most)));
  }

  void handle_signals() {
    while (const int signal = signals_.next()) {
      if (signal == SIGCHLD) continue;
      const bool again = result_.signal != 0;
      if (again && Clock::now() < same_signal_until_) continue;
      same_signal_until_ = after(kSameSignalSeconds);
      result_.signal = signal;
      stop_until_ = after(kStopSeconds);
      for (const Running& now : running_) now.child.send(again ? SIGKILL : SIGTERM);
      if (!again && !running_.empty()) options_.say("stopping: the runs write their checkpoints");
    }
    if (result_.signal != 0 && !running_.empty() && Clock::now() > stop_until_)
      for (const Running& now : running_) now.child.send(SIGKILL);
  }

  void reap() {
    for (auto now = running_.begin(); now != running_.end();) {
      if (!now->child.reap()) {
        ++now;
        continue;
      }
      Running ended = std::move(*now);
      now = running_.erase(now);
      end(ended);
    }
  }

  // Judges a run that has ended.
  void end(Running& now) {
    now.watch.look();
    if (now.watch.rounds() > 0) peak_ = std::max(peak_, 1.0);
    const Point& point = *now.point;
    const PointState state = judge(now);
    const bool over = state.kind != PointState::Kind::open;
    if (!over) open_.push_back(&point);  // stopped with the sweep, or run by another one
    if (over && state.kind != PointState::Kind::done) keep(point, state);
    claims_.release(now.claim);
    if (!over) return;
    ++ended_;
    tell(now, state);
  }

  // Keeps why a run has failed. A full disk stops the sweep anyway, and the point is then run again.
  void keep(const Point& point, const PointState& state) {
    try {
      keep_failure(folder_, point, state);
    } catch (const WriteError&) {
      if (!result_.disk_full) throw;
    }
  }

  PointState judge(const Running& now) {
    if (now.lost) return {};
    if (!now.divergence.empty()) return {PointState::Kind::diverged, now.divergence};
    if (now.child.exit_code() == 0 && state_of(folder_, *now.point).kind == PointState::Kind::done)
      return {PointState::Kind::done, ""};
    if (result_.signal != 0 && now.child.exit_code() >= 128) return {};
    const std::string output = printed(folder_.log(*now.point)), complaint = complaint_in(output);
    if (tells_divergence(complaint)) return {PointState::Kind::diverged, complaint};
    if (output.find("No space left on device") != std::string::npos) result_.disk_full = true;
    return {PointState::Kind::failed, now.child.how_it_ended() + (complaint.empty() ? "" : ": " + complaint)};
  }

  void tell(const Running& now, const PointState& state) {
    if (state.kind != PointState::Kind::done) ++failed_;
    const std::string place = fmt::format("[{}/{}] {}: {}", ended_, all_, state_name(state.kind), now.point->name);
    if (state.kind == PointState::Kind::done)
      options_.say(fmt::format("{}, {}", place, duration(since(now.start))));
    else
      options_.say(fmt::format("{}: {}", place, state.reason));
  }

  void look() {
    if (since(looked_) < kLookSeconds) return;
    looked_ = Clock::now();
    for (Running& now : running_) {
      now.watch.look();
      if (now.watch.rounds() > 0) peak_ = std::max(peak_, now.child.peak_memory());
      if (now.divergence.empty() && !now.watch.divergence().empty()) {
        now.divergence = now.watch.divergence();
        now.child.send(SIGKILL);
      }
    }
    if (since(beaten_) >= claims_.beat_seconds()) beat();
    options_.show(whole());
  }

  void beat() {
    beaten_ = Clock::now();
    for (Running& now : running_) {
      if (now.lost || claims_.beat(now.claim, now.child.pid())) continue;
      now.lost = true;
      now.child.send(SIGKILL);
      options_.say(fmt::format("given up: {}: another sweep has taken it over", now.point->name));
    }
  }

  // Returns a line on the whole: what is done, what runs, and the time that is left at the pace so far.
  std::string whole() const {
    double share = 0;
    for (const Running& now : running_) share += now.watch.fraction();
    const double done = static_cast<double>(ended_ - at_start_) + share, left = static_cast<double>(all_ - ended_) - share;
    std::string line = fmt::format("{} of {} points, {} running", ended_, all_, running_.size());
    if (failed_ > 0) line += fmt::format(", {} failed or diverged", failed_);
    if (done > 0) line += ", about " + duration(since(start_) / done * left) + " left";
    return line;
  }

  void end_all() {
    for (const Running& now : running_) now.child.send(SIGTERM);
    auto until = after(kStopSeconds);
    for (Running& now : running_) {
      while (!now.child.reap()) {
        if (Clock::now() > until) now.child.send(SIGKILL);
        pollfd file{signals_.file(), POLLIN, 0};
        ::poll(&file, 1, 100);
        while (const int signal = signals_.next())
          if (signal != SIGCHLD) until = {};  // a user who does not want to wait
      }
      claims_.release(now.claim);
    }
  }

  const RunnerOptions& options_;
  const SweepFolder folder_;
  Claims claims_;
  Signals signals_;
  std::deque<const Point*> open_;  // not yet over, and not running here
  std::list<Running> running_;
  std::set<std::string> again_;  // digests of points that failed before this sweep
  RunnerResult result_;
  size_t all_, ended_ = 0, at_start_ = 0, failed_ = 0;
  int jobs_ = 1;
  double peak_ = 0;  // bytes that the largest run has taken so far; 0: not known yet
  bool only_elsewhere_ = false;
  Clock::time_point start_ = Clock::now(), looked_{}, beaten_ = Clock::now(), looked_elsewhere_{}, stop_until_{},
                    same_signal_until_{};
};

}  // namespace

int jobs_that_fit(const std::vector<Point>& points, int workers, int cores) {
  int threads = 1;
  for (const Point& point : points) threads = std::max(threads, point.threads);
  return std::max(1, cores / (threads * std::max(1, workers)));
}

RunnerResult run_points(const std::vector<Point>& points, const RunnerOptions& options) {
  return Runner(points, options).run();
}

}  // namespace tacet
