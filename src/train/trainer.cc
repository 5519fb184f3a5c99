// The driver: one loop over rounds, from a recipe to a run folder. The algorithm runs a round. This file decides on its time
// and rates, and on evaluations and checkpoints after it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/system_random.h"
#include "comm/collectives.h"
#include "engine/client_sampling.h"
#include "engine/non_finite.h"
#include "engine/round_setup.h"
#include "engine/tree_sum.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/membership.h"
#include "tacet/train.h"
#include "train/even_work.h"
#include "train/interval_control.h"
#include "train/measurements.h"
#include "train/model_selection.h"
#include "train/process.h"
#include "train/round_backup.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/run_privacy.h"
#include "train/session.h"
#include "train/training.h"
#include "train/usage.h"

namespace tacet {
namespace {

// Returns what a run has come to on this worker, which is the first one or not.
Result result_of(const Training& run, const std::string& status, bool first) {
  const RunState& s = run.state;
  Result result;
  result.status = status;
  result.x = s.model();
  result.first = first;
  result.rounds = s.round;
  result.iterations = s.iteration;
  result.communications = s.communications;
  result.bytes_sent = s.bytes_sent;
  result.client_bytes = s.client_bytes;
  result.epoch = run.epoch();
  result.extra_samples = s.extra_samples;
  result.skipped = s.skipped;
  result.seconds = s.seconds;
  result.train_loss = s.train_loss();
  result.perplexity = run.objective->has_perplexity();
  for (const auto& [split, of] : run.evaluated) result.final[split] = of.evaluation;
  return result;
}

class Trainer {
 public:
  // With a membership, `own` is its first group, else null. `given` is an objective of the caller's own, or null.
  Trainer(const Recipe& recipe, Group& group, std::unique_ptr<Group> own, Membership* membership,
          const TrainOptions& options, Observer& observer, Objective* given)
      : options_(options),
        observer_(observer),
        run_(recipe, group.size(), given),
        log_(run_, options.out, membership != nullptr),
        session_(run_, log_, observer, options, group, std::move(own), membership, [this] { begin(); }),
        selection_(run_, log_, observer),
        measurements_(run_, log_, observer),
        intervals_(run_, log_, observer) {
    if (group.rank() > 0) return;
    if (const int cores = available_cores(); run_.options.threads > cores)
      observer_.warning("run.threads = " + std::to_string(run_.options.threads) +
                        " is more than the cores that this process may use, " + std::to_string(cores) +
                        ": threads wait for each other");
    for (const std::string& note : run_.objective->notes()) observer_.warning(note);
    for (const std::string& refusal : run_.kernels.refusals()) observer_.warning(refusal);
    if (const std::string line = privacy_line(run_); !has_system_noise(run_) && !line.empty()) observer_.warning(line);
  }

  Result run() {
    try {
      std::string lost = session_.start();
      for (;;) {
        if (!lost.empty()) {
          session_.regroup(std::exchange(lost, ""));
          intervals_.forget();
        }
        try {
          loop();
          return finish();
        } catch (const PeerLost& error) {
          if (!session_.survives()) throw;
          lost = error.what();
        } catch (const Session::NewWorker&) {
          lost = "a worker asks to join";
        }
      }
    } catch (const std::exception& error) {
      log_.failed(error.what());
      throw;
    }
  }

 private:
  // ---- the parts of a round ----

  RoundSetup round_setup(std::vector<int> sampled) {
    rates_ = run_.schedule.at(run_.epoch(), run_.state.round);
    RoundSetup setup;
    setup.objective = run_.objective;
    setup.group = &session_.timed();
    setup.messages = run_.messages.get();
    setup.buffers = &buffers_;
    setup.seed = static_cast<uint64_t>(run_.options.seed);
    setup.number = run_.state.round;
    setup.first_iteration = run_.state.iteration;
    setup.interval = run_.round_interval(run_.state.round);
    setup.mean_interval = run_.interval();
    setup.clients = run_.clients;
    setup.sampled = std::move(sampled);
    setup.system_noise = has_system_noise(run_);
    if (run_.local_epochs > 0) set_steps(setup);
    setup.stop = options_.stop;
    setup.broken = session_.broken();
    setup.skip_non_finite = run_.options.non_finite == "skip";
    setup.rates = [rates = rates_](int) { return rates; };
    measurements_.ask(setup);
    setup.drift_models = std::max(setup.drift_models, options_.drift_models);
    return setup;
  }

  // Sets the steps of each client that trains in the round, and the most of them as I.
  void set_steps(RoundSetup& setup) const {
    std::vector<int> steps(static_cast<size_t>(run_.clients), 0);
    const auto count = [&](int client) { steps[static_cast<size_t>(client)] = run_.steps_of(client, setup.number); };
    if (run_.method.keeps_models)
      for (int client = 0; client < run_.clients; ++client) count(client);
    else
      for (const int client : setup.sampled) count(client);
    setup.interval = std::max(1, *std::max_element(steps.begin(), steps.end()));
    setup.steps = [steps = std::move(steps)](int client) { return steps[static_cast<size_t>(client)]; };
  }

  // Returns the setup of a round of the loop, which also has a way back and a deadline.
  RoundSetup guarded_setup(std::vector<int> sampled, const WorkPlan& plan) {
    RoundSetup setup = round_setup(std::move(sampled));
    setup.bounds = plan.bounds;
    if (run_.sampling.kind == "poisson") setup.mean_sampled = run_.sampling.participating;
    const bool guarded = session_.guarded(), deadline = run_.has_deadline();
    if (guarded || deadline)
      setup.before = [this, guarded, deadline](int client) {
        if (guarded) session_.before_turn(client);
        if (deadline) turns_.before(client);
      };
    if (!deadline) return setup;
    turns_.begin(run_.visitor());
    setup.deadline = after(run_.options.round_deadline);
    setup.dropped = [this](int client) { turns_.restore(client); };
    return setup;
  }

  // Returns the clients of the next round. Where noise hides who they are, a number chooses them that the system draws here
  // and nobody keeps. Collective in that case.
  std::vector<int> draw_clients() {
    auto key = static_cast<uint64_t>(run_.options.seed);
    if (has_system_noise(run_)) key = all_gather_value(session_.group(), system_random_word()).front();
    return sample_clients(run_.sampling, key, run_.state.round);
  }

  // Deals the turns of a round, and lends the guests' vectors. Collective.
  WorkPlan deal(const std::vector<int>& sampled) {
    const int ranks = session_.group().size(), me = session_.group().rank();
    WorkPlan at_home = work_at_home(sampled, run_.clients, ranks);
    if (!run_.options.even_work || run_.has_deadline() || run_.method.keeps_models) return at_home;
    std::vector<int64_t> steps;
    for (const int client : sampled) steps.push_back(run_.steps_of(client, run_.state.round));
    WorkPlan plan = even_work(sampled, steps, run_.clients, ranks);
    if (plan.guests.empty()) return plan;
    for (const Guest& g : plan.guests)
      if (session_.guarded() && (g.home == me || g.worker == me)) session_.before_turn(g.client);
    const bool has_room = run_.options.client_state == "memory";
    return lend(session_.group(), run_.visitor(), plan.guests, has_room) ? plan : at_home;
  }

  // Runs the method's begin(), with every client.
  void begin() {
    std::vector<int> all(static_cast<size_t>(run_.clients));
    std::iota(all.begin(), all.end(), 0);
    RoundSetup setup = round_setup(std::move(all));
    setup.first_draw = begin_draws;
    Round everyone(std::move(setup));
    run_.algorithm->begin(everyone, run_.state.x);
    account(everyone.report());
  }

  // ---- the loop ----

  void loop() {
    keep_large_blocks();
    RunState& s = run_.state;
    const int64_t bytes_before = session_.group().bytes_sent(), bytes_so_far = s.bytes_sent;
    int64_t others = 0;  // bytes of evaluations, checkpoints and membership, which are not the method's
    const auto uncounted = [&](const auto& work) {
      const int64_t before = session_.group().bytes_sent();
      work();
      others += session_.group().bytes_sent() - before;
    };
    for (;;) {
      uncounted([&] { session_.checkpoint_if_due(); });
      if (s.stop) break;
      session_.begin_round();
      // This comes before the next round rather than after the last one, so that a resumed run makes up for it.
      uncounted([&] {
        if (run_.evaluation_due()) selection_.evaluate_selecting(session_.group());
        measurements_.measure_gradient(session_.group());
      });
      if (run_.fraction() >= 1) break;
      const double epoch_before = run_.epoch();
      std::vector<int> sampled;
      uncounted([&] { sampled = draw_clients(); });
      const auto start = Clock::now();
      const double exchanged = session_.timed().seconds();
      WorkPlan plan;
      uncounted([&] { plan = deal(sampled); });
      Round r(guarded_setup(sampled, plan));
      uncounted([&] { measurements_.before_round(sampled, plan.bounds, session_.group()); });
      compute(r, sampled, plan);
      if (!plan.guests.empty()) uncounted([&] { give_back(session_.group(), run_.visitor(), plan.guests); });
      const double spent = since(start);
      s.seconds += spent;
      intervals_.add(r.report(), r.I, spent, session_.timed().seconds() - exchanged);
      s.bytes_sent = bytes_so_far + session_.group().bytes_sent() - bytes_before - others;
      std::map<std::string, double> figures;
      uncounted([&] { figures = measurements_.after_round(session_.group(), r.report()); });
      if (run_.sampling.kind == "poisson") figures["came"] = static_cast<double>(sampled.size());
      record(r.report(), epoch_before, figures);
      uncounted([&] { measurements_.measure_smoothness(session_.group()); });
      uncounted([&] { intervals_.decide(session_.group()); });
      s.stop = r.report().counters.stop > 0;
      uncounted([&] { session_.commit(r.report().busy_seconds); });
      progress(r.report());
    }
    status_ = s.stop && run_.fraction() < 1 ? "interrupted" : "done";
  }

  void compute(Round& r, const std::vector<int>& sampled, const WorkPlan& plan) {
    RunState& s = run_.state;
    if (options_.before_round) options_.before_round(*run_.algorithm);
    usage_.begin();
    try {
      run_.algorithm->round(r, s.x);
      rounds_of_nobody_ = 0;
    } catch (const NobodyCame&) {
      if (run_.has_deadline()) pass_over_round();
    }
    usage_.end(own_steps(sampled, plan));
    account(r.report());
    s.round += 1;
    s.iteration += r.I;
    if (run_.ends.nt_asgd_each == "round") selection_.average_in();
  }

  // Goes on after a round in which no client came in time. Throws UserError when that has become the rule.
  void pass_over_round() {
    turns_.roll_back(run_.visitor());
    const std::string given = to_toml(run_.options.round_deadline);
    if (++rounds_of_nobody_ == most_rounds_of_nobody)
      throw UserError("run.round_deadline must be longer than a client's turn: no client came in time in " +
                      std::to_string(most_rounds_of_nobody) + " rounds in a row, got " + given);
    if (rounds_of_nobody_ == 1 && session_.first())
      observer_.warning("run.round_deadline = " + given + ": no client came in time in round " +
                        std::to_string(run_.state.round + 1) + ", which changes nothing");
  }

  // Returns the local steps of the round's clients whose turns are on this worker.
  int64_t own_steps(const std::vector<int>& sampled, const WorkPlan& plan) {
    const auto rank = static_cast<size_t>(session_.group().rank());
    return std::accumulate(sampled.begin() + plan.bounds[rank], sampled.begin() + plan.bounds[rank + 1], int64_t{0},
                           [&](int64_t sum, int client) { return sum + run_.steps_of(client, run_.state.round); });
  }

  void account(const RoundReport& r) {
    RunState& s = run_.state;
    s.samples += static_cast<int64_t>(r.counters.samples);
    s.extra_samples += static_cast<int64_t>(r.counters.extra_samples);
    s.taken += static_cast<int64_t>(r.counters.losses);
    s.epoch_loss += r.counters.loss;
    s.epoch_losses += static_cast<int64_t>(r.counters.losses);
    s.epoch_steps += static_cast<int64_t>(r.counters.steps);
    s.epoch_clipped += static_cast<int64_t>(r.counters.clipped);
    s.epoch_judged += static_cast<int64_t>(r.counters.judged);
    s.epoch_correct += static_cast<int64_t>(r.counters.correct);
    s.skipped += static_cast<int64_t>(r.counters.skipped);
    s.late += static_cast<int64_t>(r.late.size());
    s.communications += r.collectives;
    s.client_bytes += r.client_bytes;
  }

  void record(const RoundReport& r, double epoch_before, const std::map<std::string, double>& figures) {
    RunState& s = run_.state;
    if (log_.wants_round()) log_.record_round(r, rates_, session_.timed().take_seconds(), figures);
    if (!std::exchange(length_told_, true) && session_.first())
      for (const std::string& line : run_.overlong_round()) observer_.warning(line);
    if (std::floor(run_.epoch() + 1e-9) <= std::floor(epoch_before + 1e-9)) return;
    if (run_.ends.nt_asgd_each == "epoch") selection_.average_in();
    s.last_epoch_loss = s.epoch_losses > 0 ? s.epoch_loss / static_cast<double>(s.epoch_losses) : RunState::nan;
    log_.record_epoch();
    s.epoch_loss = 0;
    s.epoch_losses = s.epoch_steps = s.epoch_clipped = s.epoch_judged = s.epoch_correct = 0;
  }

  void progress(const RoundReport& r) {
    if (!session_.first()) return;
    const Counters& c = r.counters;
    const RunState& s = run_.state;
    const double bound = r.drift.client >= 0 && std::isfinite(r.drift.bound) ? r.drift.bound : RunState::nan;
    observer_.progress({.fraction = run_.fraction(),
                        .epoch = run_.epoch(),
                        .round = s.round,
                        .iteration = s.iteration,
                        .train_loss = c.losses > 0 ? c.loss / c.losses : RunState::nan,
                        .eval_loss = s.eval_loss,
                        .clipped_fraction = c.steps > 0 ? c.clipped / c.steps : 0,
                        .communications = s.communications,
                        .bytes_sent = s.bytes_sent,
                        .seconds = s.seconds,
                        .perplexity = run_.objective->has_perplexity(),
                        .drift = r.drift.client >= 0 ? r.drift.distance : RunState::nan,
                        .drift_bound = bound});
  }

  // ---- the end ----

  Result finish() {
    if (status_ == "done") {
      require_trained();
      evaluate_finally();
    }
    session_.wait_for_checkpoint();
    Result result = result_of(run_, status_, session_.first());
    log_.flush();
    if (session_.first() && has_system_noise(run_)) observer_.message(privacy_line(run_));
    log_.finish(result, usage_.page_faults_per_step());
    session_.finish();
    return result;
  }

  // Throws UserError when every gradient was skipped, or every client late. Such a run has trained nothing, so it is not
  // done.
  void require_trained() const {
    const RunState& s = run_.state;
    if (s.late > 0 && s.taken == 0 && s.skipped == 0)
      throw UserError("run.round_deadline must be longer than a client's turn: no client came in time in any round, got " +
                      to_toml(run_.options.round_deadline));
    if (s.skipped == 0 || s.taken > 0 || std::isfinite(s.train_loss())) return;
    throw UserError("run.non_finite: all " + std::to_string(s.skipped) +
                    " gradients were not finite and were skipped, so nothing was trained: " + lower_rates(rates_) +
                    ", or look at the data and model.init");
  }

  void evaluate_finally() {
    RunState& s = run_.state;
    const auto splits = run_.objective->splits();
    const int64_t bytes = s.bytes_sent;
    if (!splits.empty() && s.eval_round != s.round) {
      if (!session_.round_open()) session_.begin_round();
      selection_.evaluate_selecting(session_.group());
      session_.commit(0);  // the checkpoint has the evaluation, so no worker may go back behind it
      session_.begin_round();
    }
    log_.flush();
    session_.checkpoint();  // before the last figures, which alone a resume of a finished run repeats
    if (!splits.empty()) {
      selection_.make_up_for_figures(session_.group());
      run_.evaluated[splits.front()].evaluation = {s.eval_loss, s.eval_accuracy};
    }
    selection_.evaluate_others(session_.group());
    s.bytes_sent = bytes;
  }

  const TrainOptions& options_;
  Observer& observer_;
  Training run_;
  RunLog log_;
  Session session_;
  ModelSelection selection_;
  Measurements measurements_;
  IntervalControl intervals_;
  SumBuffers buffers_;
  static constexpr int most_rounds_of_nobody = 10;
  int rounds_of_nobody_ = 0;  // in a row, before the round deadline
  RoundBackup turns_;         // state of late clients from before their turns; used with a deadline
  RoundUsage usage_;
  Rates rates_{0, std::numeric_limits<double>::infinity()};  // the round under way's
  std::string status_;
  bool length_told_ = false;  // the user has heard of a round that is longer than the schedule
};

// Trains `given`, or the recipe's own objective where that is null.
Result train_among(Group& group, const Recipe& recipe, Objective* given, const TrainOptions& options, Observer& observer) {
  if (!options.out.empty() && group.rank() == 0) check_run_folder(options.out, options.resume);
  return Trainer(recipe, group, nullptr, nullptr, options, observer, given).run();
}

Result train_among(Membership& membership, const Recipe& recipe, Objective* given, const TrainOptions& options,
                   Observer& observer) {
  auto group = membership.form();
  if (!group) return {.status = "ended"};
  if (!options.out.empty() && !options.rejoin && membership.term() == 1 && group->rank() == 0)
    check_run_folder(options.out, options.resume);
  Group& first = *group;
  return Trainer(recipe, first, std::move(group), &membership, options, observer, given).run();
}

}  // namespace

Result train(const Recipe& recipe, Group& group, const TrainOptions& options, Observer& observer) {
  return train_among(group, recipe, nullptr, options, observer);
}

Result train(const Recipe& recipe, Objective& objective, Group& group, const TrainOptions& options, Observer& observer) {
  return train_among(group, recipe, &objective, options, observer);
}

Result train(const Recipe& recipe, Membership& membership, const TrainOptions& options, Observer& observer) {
  return train_among(membership, recipe, nullptr, options, observer);
}

Result train(const Recipe& recipe, Objective& objective, Membership& membership, const TrainOptions& options,
             Observer& observer) {
  return train_among(membership, recipe, &objective, options, observer);
}

std::string version() { return TACET_VERSION; }

}  // namespace tacet
