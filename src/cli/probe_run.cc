// See probe_run.h.
#include "cli/probe_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <stdexcept>

#include <unistd.h>

#include <fmt/format.h>

#include "analysis/probed_objective.h"
#include "base/terminal.h"
#include "cli/output.h"
#include "data/clients/partition.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/random.h"
#include "tacet/registry.h"
#include "tacet/train.h"

namespace tacet {
namespace {

constexpr double trajectory_share = 0.5, rounds_share = 0.15;  // of the budget; rounds are a part of the trajectory
constexpr int64_t probed_coordinates = 100;

// Ends the training of a probe that has seen enough.
struct SeenEnough : std::runtime_error {
  SeenEnough() : std::runtime_error("the probe has seen enough") {}
};

// Tells the rounds' probe the drift of each round.
struct DriftObserver : Observer {
  explicit DriftObserver(RoundsProbe& to) : rounds(to) {}
  void progress(const Progress& p) override { rounds.drifted(p.round - 1, p.drift, p.drift_bound); }
  RoundsProbe& rounds;
};

void note_once(ProbeResult& r, const std::string& reason) {
  if (std::find(r.no_rounds.begin(), r.no_rounds.end(), reason) == r.no_rounds.end()) r.no_rounds.push_back(reason);
}

// Returns true if the method corrects its clients' gradients with vectors that a probe can look at.
bool has_corrections(const ProbeSource& source, ProbeResult& r) {
  const std::string method = source.recipe.algorithm.text("name");
  if (method != "episode" && method != "episode++" && method != "scaffold") return false;
  if (r.clients > kProbedClients) {
    note_once(r, fmt::format("corrections are looked at with at most {} clients", kProbedClients));
    return false;
  }
  if (method == "episode" && source.recipe.clients.has("participating") &&
      source.recipe.clients.integer("participating") < r.clients) {
    note_once(r, "episode's corrections are looked at where all clients take part in every round");
    return false;
  }
  return true;
}

// Returns the batches that a look at the clients may take now, or 0.
int64_t batches_now(const ProbeArguments& a, const ProbeLine& line, ProbeResult& r, const RoundsOptions& o, size_t points,
                    double gradient_seconds, int64_t done) {
  if (done >= a.rounds) return 0;
  const double gone = line.seconds() / (trajectory_share * a.seconds);
  const double part = std::max(gone, static_cast<double>(points) / static_cast<double>(a.points));
  if (part < static_cast<double>(done) / static_cast<double>(a.rounds)) return 0;
  const double gradients = static_cast<double>((o.has_corrections ? 5 : 4) * o.clients);
  const double each = gradients * gradient_seconds, may = rounds_share * a.seconds / static_cast<double>(a.rounds);
  if (each <= may) return static_cast<int64_t>(std::clamp(std::floor(may / std::max(each, 1e-9)), 1.0, 4.0));
  note_once(r, fmt::format("{:g} gradients take {:.1f} s, and a round may have {:.1f} s: give more --seconds or fewer "
                           "--rounds",
                           gradients, each, may));
  return 0;
}

// Returns up to 100 different coordinates of a model of size d, ascending. A shuffle of all would take twice the model's
// memory.
std::vector<int64_t> drawn_coordinates(int64_t d, uint64_t seed) {
  Stream stream(seed, Stream::everyone, Purpose::partition, 0, 1);
  std::set<int64_t> drawn;
  while (static_cast<int64_t>(drawn.size()) < std::min(probed_coordinates, d))
    drawn.insert(static_cast<int64_t>(stream.below(static_cast<uint64_t>(d))));
  return {drawn.begin(), drawn.end()};
}

RoundsOptions rounds_options(const ProbeSource& source, ProbeResult& r) {
  RoundsOptions o;
  o.clients = std::min(r.clients, kProbedClients);
  o.seed = source.seed();
  o.has_corrections = has_corrections(source, r);
  const Values& method = source.recipe.algorithm;
  if (o.has_corrections && method.has("resampling")) o.corrections_at = method.integer("resampling");
  return o;
}

// Returns the reason why no clients are looked at along the run, or nothing.
std::string no_look(const ProbeSource& source, const ProbeArguments& a, const ProbeResult& r) {
  if (a.rounds == 0) return "--rounds is 0";
  if (r.clients < 2) return "there is one client only";
  return no_own_data(source.recipe);
}

}  // namespace

std::string no_own_data(const Recipe& recipe) {
  const bool anew = recipe.data.has("partition.every_round") && recipe.data.flag("partition.every_round");
  return anew ? "clients have no data of their own, as data.partition.every_round deals anew" : "";
}

ProbeLine::ProbeLine(bool quiet, double budget) : shows_(!quiet && is_terminal(STDERR_FILENO)), budget_(budget) {}

ProbeLine::~ProbeLine() {
  if (drawn_) to_stderr("\r\x1b[K");
}

void ProbeLine::draw(const std::string& what) {
  if (!shows_ || (drawn_ && since(last_) < 0.2)) return;
  to_stderr("\r\x1b[K{}", one_row(fmt::format("{}  {:.0f} of {:.0f} s", what, seconds(), budget_), STDERR_FILENO));
  std::fflush(stderr);
  drawn_ = true, last_ = Clock::now();
}

Vec follow_run(const ProbeSource& source, const ProbeArguments& a, Objective& objective, Vec start, ProbeLine& line,
               ProbeResult& r) {
  if (objective.gradient_units() == 0) {
    r.no_points = "this task has no gradient over its training set";
    note_once(r, "the run is not followed, as " + r.no_points);
    return start.defined() ? start : objective.initial();
  }
  r.units = drawn_samples(objective.gradient_units(), std::min<int64_t>(a.units, objective.gradient_units()), source.seed());
  const AlgorithmInfo& row = find_algorithm(source.recipe.algorithm.text("name"));
  if (row.keeps_models || row.own_models)
    throw UserError("algorithm.name must be a method whose clients meet at a common model, at which a probe measures, got " +
                    row.name + ", whose clients keep models of their own");
  r.coordinates = drawn_coordinates(r.parameters, source.seed());
  SmoothnessProbe probe(objective, {r.units.begin(), r.units.end()}, a.every, r.coordinates);
  RoundsOptions options = rounds_options(source, r);
  const std::string none = no_look(source, a, r);
  if (!none.empty()) note_once(r, none);
  int64_t looks = 0;
  options.batches_now = [&, clients = options](double gradient_seconds) {
    const int64_t batches =
        none.empty() ? batches_now(a, line, r, clients, probe.points().size(), gradient_seconds, looks) : 0;
    looks += batches > 0;
    return batches;
  };
  options.make_room = [&] { probe.release(); };
  options.go_on = [&](int64_t round, const Vec& x) { probe.begin(round, x); };
  RoundsProbe rounds(objective, options);
  Vec last;
  const auto visit = [&](int64_t round, const Vec& x) {
    rounds.begin(round);
    probe.visit(round, x);
    const size_t n = probe.points().size();
    line.draw(fmt::format("smoothness  round {}  {} of {} points", round, n, a.points));
    const double each = n > 0 ? probe.seconds() / static_cast<double>(n) : 0;
    if (n < static_cast<size_t>(a.points) && line.left(trajectory_share) >= each) return;
    probe.release();
    last = x.clone();
    throw SeenEnough();
  };
  // In the middle of a round its first model is the latest common one. Before the first round no client has taken a step.
  const auto in_time = [&] {
    if (line.left(trajectory_share) > 0) return;
    last = probe.last().defined() ? probe.last() : objective.workspace().clone();
    throw SeenEnough();
  };
  ProbedObjective probed(objective, std::move(start), visit, in_time);
  probed.watch([&](const BatchKey& draw, const Vec& y) { rounds.before(draw, y); },
               [&](const BatchKey& draw, const Vec& y, const BatchLoss& loss) { rounds.after(draw, y, loss); });
  DriftObserver observer(rounds);
  TrainOptions how;
  how.before_round = [&](Algorithm& method) { rounds.take(method); };
  how.drift_models = r.clients > 1 ? 1 : 0;
  const auto group = single_group();
  try {
    last = train(source.recipe, probed, *group, how, observer).x;
  } catch (const SeenEnough&) {
  }
  rounds.end();
  r.points = probe.points();
  r.smoothness_seconds = probe.seconds();
  r.rounds = rounds.rounds();
  r.rounds_measured = rounds.measured();
  r.rounds_seconds = rounds.seconds();
  return last;
}

}  // namespace tacet
