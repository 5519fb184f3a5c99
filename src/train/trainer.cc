// The driver: one loop over rounds, from a recipe to a run folder. What a round does is the algorithm's; this file decides
// when it happens, with which rates, and what is written down.
#include "tacet/train.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <set>
#include <sstream>
#include <utility>

#include <torch/version.h>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "data/files/safetensors.h"
#include "engine/client_sampling.h"
#include "engine/message_coding.h"
#include "engine/schedule.h"
#include "engine/tree_sum.h"
#include "kernels/convolution/convolution.h"
#include "kernels/recurrent/recurrent.h"
#include "recipe/same_run.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/membership.h"
#include "tacet/registry.h"
#include "tasks/data_wait.h"
#include "train/checkpoint.h"
#include "train/client_state.h"
#include "train/evaluate.h"
#include "train/fingerprint.h"
#include "train/process.h"
#include "train/recovery.h"
#include "train/run_folder.h"
#include "train/tensorboard.h"
#include "train/timed_group.h"
#include "train/usage.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Everything of the driver that lives across rounds. Counts are doubles, exact up to 2^53, so that one visitor serves all.
struct State {
  Vec x;
  double round = 0, iteration = 0, samples = 0, seconds = 0;
  double communications = 0, client_bytes = 0, bytes_sent = 0;
  double epoch_loss = 0, epoch_losses = 0,
         last_epoch_loss = nan;               // training loss of the epoch under way; of the last whole one
  double next_eval = 0, next_checkpoint = 0;  // epochs
  Vec average;                                // NT-ASGD: defined once triggered
  double averaged = 0;                        // iterates in it
  Vec selection_losses;                       // float64: the selecting split's loss at every evaluation
  double best_loss = nan, best_accuracy = nan, best_epoch = nan, best_round = nan;
  double eval_loss = nan, eval_accuracy = nan, eval_round = -1;  // the last evaluation of the selecting split
  double metrics_bytes = 0;
  double skipped = 0;  // gradients that were not finite
  double late = 0;     // turns of clients that were not finished at the deadline

  void visit(StateVisitor& v, bool fresh_models) {
    fresh_models ? v.value("x", x) : v.global("x", x);
    v.global("average", average);
    v.global("selection_losses", selection_losses);
    for (auto [name, value] : std::initializer_list<std::pair<const char*, double*>>{{"round", &round},
                                                                                     {"iteration", &iteration},
                                                                                     {"samples", &samples},
                                                                                     {"seconds", &seconds},
                                                                                     {"communications", &communications},
                                                                                     {"client_bytes", &client_bytes},
                                                                                     {"bytes_sent", &bytes_sent},
                                                                                     {"epoch_loss", &epoch_loss},
                                                                                     {"epoch_losses", &epoch_losses},
                                                                                     {"last_epoch_loss", &last_epoch_loss},
                                                                                     {"next_eval", &next_eval},
                                                                                     {"next_checkpoint", &next_checkpoint},
                                                                                     {"averaged", &averaged},
                                                                                     {"best_loss", &best_loss},
                                                                                     {"best_accuracy", &best_accuracy},
                                                                                     {"best_epoch", &best_epoch},
                                                                                     {"best_round", &best_round},
                                                                                     {"eval_loss", &eval_loss},
                                                                                     {"eval_accuracy", &eval_accuracy},
                                                                                     {"eval_round", &eval_round},
                                                                                     {"metrics_bytes", &metrics_bytes},
                                                                                     {"skipped", &skipped},
                                                                                     {"late", &late}})
      v.number(name, *value);
  }
};

class Trainer {
 public:
  // With a membership, `group` is its first one and is owned here, since it goes when its epoch ends.
  Trainer(const Recipe& recipe, Group* group, Membership* membership, const TrainOptions& options, Observer& observer,
          Objective* given)
      : recipe_(recipe),
        membership_(membership),
        own_group_(membership ? group : nullptr),
        group_(group),
        timed_(*group),
        options_(options),
        observer_(observer),
        method_(find_algorithm(recipe.algorithm.text("name"))),
        clients_(static_cast<int>(recipe.clients.has("count") ? recipe.clients.integer("count") : group->size())),
        sampling_(client_sampling(recipe.clients, clients_)),
        seed_(static_cast<uint64_t>(recipe.run.integer("seed"))),
        schedule_(make_schedule(recipe.schedule, recipe.algorithm, clients_)),
        checkpoints_(options.out, static_cast<int>(recipe.run.integer("checkpoint_keep"))),
        homes_(clients_, recipe.run.flag("second_copy")) {
    recipe_.clients.set("count", int64_t{clients_});
    if (method_.single_client && clients_ != 1)
      throw UserError("algorithm.name: " + method_.name + " runs on one client, clients.count is " +
                      std::to_string(clients_));
    if (method_.every_client && sampling_.participating != clients_)
      throw UserError("clients.participating must be clients.count = " + std::to_string(clients_) + " for " + method_.name +
                      ", where every client takes part in every step, got " + std::to_string(sampling_.participating));
    set_threads(static_cast<int>(recipe.run.integer("threads")));
    release_large_blocks();
    if (!given) own_objective_ = make_objective(recipe_, clients_);
    objective_ = given ? given : own_objective_.get();
    make_algorithm();
    if (membership_) first_buffers_ = objective_->buffers().clone();
  }

  Result run() {
    if (!membership_) require_same(*group_, fingerprint_of(recipe_, *objective_, clients_));
    try {
      std::string lost = start();
      for (;;) {
        if (!lost.empty()) regroup(std::exchange(lost, ""));
        try {
          loop();
          return finish();
        } catch (const PeerLost& error) {
          if (!membership_) throw;
          lost = error.what();
        } catch (const NewWorker&) {
          lost = "a worker asks to join";
        }
      }
    } catch (const std::exception& error) {
      failed(error.what());
      throw;
    }
  }

 private:
  bool first() const { return group_->rank() == 0; }
  bool writes() const { return first() && !options_.out.empty(); }
  std::string file(const char* name) const { return (fs::path(options_.out) / name).string(); }
  double epoch() const { return s_.samples / static_cast<double>(objective_->training_samples()); }
  double every(const char* key) const { return recipe_.run.number(key); }

  void visit_all(StateVisitor& v) {
    s_.visit(v, method_.fresh_models);
    algorithm_->state(v);
    messages_->state(v);
    objective_->state(v);
  }

  Visit visitor() {
    return [this](StateVisitor& v) { visit_all(v); };
  }

  // Brings this worker to where the run stands. Returns why the workers have to be regrouped, or nothing.
  std::string start() {
    if (!membership_) {
      restore(options_.resume);
      open(options_.resume);
      return "";
    }
    const auto begin = Clock::now();
    try {
      settle();
      // The others of a later group write that line, and all must count the same lines: any of them may own the log next.
      if (membership_->term() > 1) record_membership(since(begin), 0);
      return "";
    } catch (const PeerLost& error) {
      return error.what();
    }
  }

  // The method and what it has sent so far: nothing.
  void make_algorithm() {
    algorithm_ = method_.make(recipe_.algorithm);
    const bool talks = recipe_.algorithm.has("message");
    messages_ = std::make_unique<MessageCoder>(talks ? message_kind(recipe_.algorithm.text("message")) : MessageKind::f32);
  }

  // Where the vectors of the clients that live here are kept.
  void place_client_state() {
    if (recipe_.run.text("client_state") != "file") return;
    if (options_.out.empty()) throw UserError("run.client_state: file needs a run folder (--out)");
    const auto homes = block_bounds(clients_, group_->size());
    SpillClientState spill(options_.out, static_cast<int>(homes[group_->rank()]),
                           static_cast<int>(homes[group_->rank() + 1]));
    algorithm_->state(spill);
    messages_->state(spill);
  }

  // Reads only: whatever is wrong with a checkpoint is found before a file is touched.
  void restore(bool resume) {
    s_.x = objective_->initial();
    place_client_state();
    if (resume) {
      if (first()) check_same_run();
      const auto passed_over = load_checkpoint(options_.out, *group_, clients_, visitor());
      for (const std::string& why : passed_over) observer_.warning(why);
      if (!passed_over.empty())
        observer_.warning("the run goes on from the checkpoint before, of round " +
                          std::to_string(static_cast<int64_t>(s_.round)));
    } else {
      s_.selection_losses = at::empty({0}, at::kDouble);
      s_.next_eval = every("eval_every");
      s_.next_checkpoint = every("checkpoint_every");
    }
  }

  void open(bool resume) {
    opened_ = true;
    if (writes()) {
      std::error_code error;
      fs::create_directories(options_.out, error);
      if (error) throw UserError("--out: " + options_.out + " can't be created: " + error.message());
      write_file(file("recipe.toml"), to_toml(recipe_));
      const auto bytes = static_cast<int64_t>(s_.metrics_bytes);
      log_ = MetricsLog(
          file("metrics.jsonl"),
          resume ? cut_log(file("metrics.jsonl"), bytes, static_cast<int64_t>(s_.round), s_.eval_round == s_.round) : bytes);
      s_.metrics_bytes = static_cast<double>(log_.bytes());
      events_ = TensorBoardLog(options_.out);
      write_summary("running", json::object());
    }
    if (!resume) {
      Round everyone(begin_setting());
      algorithm_->begin(everyone, s_.x);
      account(everyone);
    }
  }

  // A resumed run must be the run that was stopped; only its length and what is recorded when may be another.
  void check_same_run() const {
    const std::string began = file("recipe.toml");
    require_same_run(load_recipe(began), recipe_, began);
  }

  Round::Setting begin_setting() {
    std::vector<int> all(static_cast<size_t>(clients_));
    std::iota(all.begin(), all.end(), 0);
    Round::Setting setting = round_setting(std::move(all));
    setting.first_draw = int64_t{1} << 31;
    setting.deadline.reset();
    setting.before = nullptr;  // no round is under way
    return setting;
  }

  Round::Setting round_setting(std::vector<int> sampled) {
    rates_ = schedule_.at(epoch(), static_cast<int64_t>(s_.round));
    Round::Setting setting;
    setting.objective = objective_;
    setting.group = &timed_;
    setting.messages = messages_.get();
    setting.buffers = &buffers_;
    setting.seed = seed_;
    setting.number = static_cast<int64_t>(s_.round);
    setting.first_iteration = static_cast<int64_t>(s_.iteration);
    setting.interval = interval();
    setting.clients = clients_;
    setting.sampled = std::move(sampled);
    setting.stop = options_.stop;
    if (membership_) setting.broken = &membership_->broken();
    if (guarded()) setting.before = [this](int client) { undo_.before(client); };
    if (has_deadline()) {
      const std::chrono::duration<double> allowed(recipe_.run.number("round_deadline"));
      setting.deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(allowed);
      setting.before = [this, guarded = guarded()](int client) {
        if (guarded) undo_.before(client);
        turns_.before(client);
      };
      setting.dropped = [this](int client) { turns_.restore(client); };
    }
    setting.skip_non_finite = recipe_.run.text("non_finite") == "skip";
    setting.rates = [rates = rates_](int) { return rates; };
    return setting;
  }

  bool has_deadline() const { return recipe_.run.number("round_deadline") > 0; }

  int interval() const {
    return recipe_.algorithm.has("interval") ? static_cast<int>(recipe_.algorithm.integer("interval")) : 1;
  }

  void account(const Round& r) {
    const Counters& c = r.counters();
    s_.samples += c.samples;
    s_.epoch_loss += c.loss;
    s_.epoch_losses += c.losses;
    s_.skipped += c.skipped;
    s_.late += static_cast<double>(r.late().size());
    s_.communications += r.collectives();
    s_.client_bytes += static_cast<double>(r.client_bytes());
  }

  double fraction() const {
    double done = 0;
    if (recipe_.schedule.has("epochs")) done = std::max(done, epoch() / recipe_.schedule.number("epochs"));
    if (recipe_.schedule.has("rounds"))
      done = std::max(done, s_.round / static_cast<double>(recipe_.schedule.integer("rounds")));
    if (recipe_.schedule.has("iterations"))
      done = std::max(done, s_.iteration / static_cast<double>(recipe_.schedule.integer("iterations")));
    return std::min(done, 1.0);
  }

  void loop() {
    keep_large_blocks();
    const int64_t bytes_before = group_->bytes_sent();
    const double bytes_so_far = s_.bytes_sent;
    double eval_bytes = 0;  // exchanged for evaluations, checkpoints and membership, which are not the method's
    const auto uncounted = [&](const auto& work) {
      const int64_t before = group_->bytes_sent();
      work();
      eval_bytes += static_cast<double>(group_->bytes_sent() - before);
    };
    while (true) {
      uncounted([&] { checkpoint_if_due(); });
      if (stop_) break;
      begin_transaction();
      // Before the next round rather than after the last one: a run that was stopped in between makes up for it when it is
      // resumed.
      uncounted([&] { evaluate_if_due(); });
      if (fraction() >= 1) break;
      const auto start = Clock::now();
      const double epoch_before = epoch();
      if (has_deadline()) turns_.begin(visitor());
      const auto sampled = sample_clients(sampling_, seed_, static_cast<int64_t>(s_.round));
      Round r(round_setting(sampled));
      usage_.begin();
      try {
        algorithm_->round(r, s_.x);
      } catch (const NobodyCame&) {
        turns_.roll_back(visitor());
      }
      usage_.end(own_among(sampled) * r.I);
      account(r);
      s_.round += 1;
      s_.iteration += r.I;
      if (s_.average.defined()) {
        s_.averaged += 1;
        s_.average.add_(s_.x - s_.average, 1 / s_.averaged);
      }
      s_.seconds += since(start);
      s_.bytes_sent = bytes_so_far + static_cast<double>(group_->bytes_sent() - bytes_before) - eval_bytes;
      record_round(r);
      if (std::floor(epoch() + 1e-9) > std::floor(epoch_before + 1e-9)) record_epoch();
      stop_ = r.counters().stop > 0;
      uncounted([&] { commit(r.busy_seconds()); });
      progress(r);
    }
    status_ = stop_ && fraction() < 1 ? "interrupted" : "done";
  }

  // ---- a round happens on all workers or on none ----

  // A lost worker can be survived, so there must be a way back.
  bool guarded() const { return membership_ && group_->size() > 1; }

  void begin_transaction() {
    lines_before_ = lines_;
    if (!guarded()) return;
    undo_.begin(visitor());
    in_transaction_ = true;
  }

  // Whether the next rank is sent what changed: a lost worker then costs a round, and else the rounds since the checkpoint.
  bool second_copy() const { return recipe_.run.flag("second_copy"); }

  // Collective. Once a rank is through, every rank has finished the round and its clients' state is on two of them. Whoever
  // sees a failure in here learns from the others which of the two states is the run's (settle).
  void commit(double busy_seconds) {
    if (guarded()) {
      finished_ = true;
      changed_.clear();
      if (second_copy()) pack_clients(visitor(), undo_.touched(), changed_);
      const auto size = static_cast<int64_t>(changed_.size());
      std::vector<float> note(2);
      std::memcpy(note.data(), &size, sizeof size);
      note.push_back(static_cast<float>(busy_seconds));
      note.push_back(membership_->someone_waits() ? 1 : 0);
      const auto notes = swap_floats(*group_, note);
      std::vector<int64_t> sizes(notes.size());
      bool any = false, waiting = false;
      for (size_t q = 0; q < notes.size(); ++q) {
        std::memcpy(&sizes[q], notes[q].data(), sizeof(int64_t));
        any = any || sizes[q] > 0;
        waiting = waiting || notes[q][3] > 0;
      }
      if (any) {
        homes_.second().receive(*group_, changed_, sizes);
        swap_floats(*group_, {1});
      }
      record_straggler(notes);
      committed();
      if (waiting) throw NewWorker();
      return;
    }
    committed();
    if (membership_ && membership_->someone_waits()) throw NewWorker();
  }

  void committed() {
    rounds_committed_ += 1;
    homes_.second().commit();
    in_transaction_ = finished_ = false;
    flush();
    lines_before_ = lines_;
  }

  void roll_back() {
    if (in_transaction_) {
      undo_.roll_back(visitor());
      stop_ = false;
    }
    homes_.second().drop();
    pending_.clear();
    timed_.take_seconds();
    for (; lines_ > lines_before_; --lines_)
      if (!recent_.empty()) recent_.pop_back();
    in_transaction_ = finished_ = false;
  }

  // ---- going on with other workers ----

  // Until a group stands whose workers all have the run's state. Ends with an exception where that can't be.
  void regroup(const std::string& why) {
    const auto start = Clock::now();
    const double before = s_.round - (finished_ ? 1 : 0);  // committed
    for (;;) {
      checkpoints_.wait();  // nobody else is in charge of the folder as long as this worker has not come
      group_ = nullptr;
      own_group_.reset();
      own_group_ = membership_->form();
      group_ = own_group_.get();
      if (group_) timed_.use(*group_);
      if (!group_) throw PeerLost(-1, "the run has ended without this worker (" + why + ")");
      try {
        settle();
        record_membership(since(start), before - s_.round);
        if (group_->size() >= membership_->min_workers()) return;
        checkpoint();
        checkpoints_.wait();
        warn_of_checkpoints();
      } catch (const PeerLost&) {
        continue;
      }
      throw PeerLost(-1, "run.min_workers: " + std::to_string(membership_->min_workers()) + " workers are needed, only " +
                             std::to_string(group_->size()) + " are left (" + why +
                             "); there is a checkpoint, go on with --resume");
    }
  }

  int64_t own_id() const { return membership_->members()[static_cast<size_t>(group_->rank())].id; }

  std::vector<int64_t> worker_ids() const {
    std::vector<int64_t> ids;
    for (const auto& m : membership_->members()) ids.push_back(m.id);
    return ids;
  }

  // All workers of a new group agree on one state: that of the last round that any of them committed.
  void settle() {
    if (has_state_ && own_id() != id_) {  // taken for lost: the others went on
      has_state_ = false;
      homes_.forget();
    }
    id_ = own_id();
    if (!has_state_) {  // nor has it a round that could count: neither its lines nor a way back
      in_transaction_ = finished_ = false;
      pending_.clear();
      homes_.second().drop();
    }
    require_same(*group_, fingerprint_of(recipe_, *objective_, clients_));
    if (writes())
      checkpoints_.take_over(std::to_string(id_),
                             [m = membership_, epoch = membership_->term()] { return m->in_charge(epoch); });
    const Agreement agreed = agree(
        *group_, {has_state_, has_state_ ? rounds_committed_ : homes_.staged_rounds(), homes_.number(), homes_.staged()});
    if (has_state_ && rounds_committed_ < agreed.rounds) {
      assert(finished_ && rounds_committed_ + 1 == agreed.rounds);  // it saw the failure in commit()
      committed();
    } else if (has_state_) {
      roll_back();
    }
    if (agreed.adopt) adopt();
    homes_.forget();
    if (agreed.root < 0) return begin_again();
    std::set<int64_t> holders;
    const auto ids = worker_ids();
    for (size_t q = 0; q < ids.size(); ++q)
      if (agreed.holds[q]) holders.insert(ids[q]);
    if (!share_common(agreed.root, holders)) return begin_again();
    settled(homes_.fetch(*group_, visitor(), holders, has_state_ ? id_ : -1), agreed.rounds);
    if (writes()) take_over_files();
  }

  // Collective: `mine` are the vectors of the clients that live here from now on.
  void settled(ClientVectors mine, double rounds) {
    homes_.stage(*group_, membership_->term(), worker_ids(), std::move(mine), rounds);
    adopt();
  }

  void adopt() {
    place_client_state();
    rounds_committed_ = homes_.staged_rounds();
    homes_.adopt(visitor());
    has_state_ = true;
  }

  // From the root to all: what is the same on all. False: some clients' state is lost.
  bool share_common(int root, const std::set<int64_t>& holders) {
    std::vector<std::string> to(static_cast<size_t>(group_->size()));
    if (group_->rank() == root) {
      std::string lines;
      for (const std::string& line : recent_) lines += line + "\n";
      const double head[] = {homes_.complete(holders) ? 1.0 : 0.0, static_cast<double>(lines_), stop_ ? 1.0 : 0.0,
                             static_cast<double>(lines.size())};
      std::string common(reinterpret_cast<const char*>(head), sizeof head);
      common += lines + pack_numbers(visitor());
      to.assign(to.size(), common);
    }
    const auto from = swap_bytes(*group_, std::move(to));
    const std::string& common = from[static_cast<size_t>(root)];
    double head[4];
    std::memcpy(head, common.data(), sizeof head);
    if (head[0] == 0) return false;
    lines_ = lines_before_ = static_cast<int64_t>(head[1]);
    stop_ = head[2] > 0;
    if (!has_state_) {
      reset();
      place_client_state();
    }
    const auto length = static_cast<size_t>(head[3]);
    recent_.clear();
    std::istringstream lines(common.substr(sizeof head, length));
    for (std::string line; std::getline(lines, line);) recent_.push_back(line);
    unpack_numbers(visitor(), common.substr(sizeof head + length));
    to.assign(static_cast<size_t>(group_->size()), "");
    if (group_->rank() == root) {
      std::string globals;
      for (int q = 0; q < group_->size(); ++q) {
        if (holders.count(membership_->members()[static_cast<size_t>(q)].id) > 0) continue;
        if (globals.empty()) globals = pack_globals(visitor());
        to[static_cast<size_t>(q)] = globals;
      }
    }
    const auto globals = swap_bytes(*group_, std::move(to));
    if (!has_state_) unpack_globals(visitor(), globals[static_cast<size_t>(root)]);
    return true;
  }

  // As if this process had just begun.
  void reset() {
    make_algorithm();
    put_clients([this](StateVisitor& v) { objective_->state(v); }, {}, true);
    if (first_buffers_.numel() > 0) objective_->buffers().copy_(first_buffers_);
    s_ = State{};
    s_.x = objective_->initial();
    evaluated_.clear();
    further_.clear();
    recent_.clear();
    stop_ = false;
  }

  // Nobody has the run's state, or not all of it: it goes on from the last checkpoint, or from the start.
  void begin_again() {
    has_state_ = false;
    in_transaction_ = finished_ = false;
    reset();
    double saved = 0;
    if (writes() && (options_.resume || options_.rejoin || begun_)) saved = has_checkpoint(options_.out);
    const bool resume = all_gather(*group_, {saved}).front() > 0;
    if (first() && begun_)
      observer_.message(resume ? "the state of lost workers is gone: the run goes on from its last checkpoint"
                               : "the state of lost workers is gone, and there is no checkpoint: the run begins again");
    restore(resume);
    begun_ = true;
    log_ = MetricsLog();
    open(resume);
    lines_ = lines_before_ = static_cast<int64_t>(all_gather(*group_, {static_cast<double>(lines_in_log())}).front());
    const auto bounds = block_bounds(clients_, group_->size());
    std::set<int> mine;
    for (int64_t c = bounds[group_->rank()]; c < bounds[group_->rank() + 1]; ++c) mine.insert(static_cast<int>(c));
    settled(copy_clients(visitor(), mine), 0);
  }

  int64_t lines_in_log() const { return writes() ? static_cast<int64_t>(read_lines(file("metrics.jsonl")).size()) : 0; }

  // The files of the run become this worker's. The log is copied and renamed, so that a worker that was taken for lost and
  // wakes up in the middle of writing writes into a file that nobody reads any more.
  void take_over_files() {
    opened_ = true;
    std::error_code error;
    fs::create_directories(options_.out, error);
    write_file(file("recipe.toml"), to_toml(recipe_));
    std::vector<std::string> lines = read_lines(file("metrics.jsonl"));
    if (static_cast<int64_t>(lines.size()) > lines_) lines.resize(static_cast<size_t>(lines_));
    const int64_t missing = std::min(lines_ - static_cast<int64_t>(lines.size()), static_cast<int64_t>(recent_.size()));
    lines.insert(lines.end(), recent_.end() - missing, recent_.end());
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    log_ = MetricsLog();
    replace_file(file("metrics.jsonl"), text);
    log_ = MetricsLog(file("metrics.jsonl"), static_cast<int64_t>(text.size()));
    s_.metrics_bytes = static_cast<double>(log_.bytes());
    events_ = TensorBoardLog(options_.out);
    write_summary("running", json::object());
  }

  void record_membership(double seconds, double repeated) {
    const auto& losses = membership_->losses();
    std::string text;
    for (const std::string& loss : losses) text += (text.empty() ? "" : ", ") + loss;
    json line = counters("membership");
    line["membership"] = membership_->term();
    line["workers"] = group_->size();
    line["lost"] = losses;
    line["recovery_seconds"] = seconds;
    line["rounds_repeated"] = std::max(repeated, 0.0);
    if (records()) write(std::move(line));
    flush();
    lines_before_ = lines_;
    char end[100];
    std::snprintf(end, sizeof end, "%s%d worker%s from round %.0f, %.2f s later", text.empty() ? "" : ": ", group_->size(),
                  group_->size() == 1 ? "" : "s", s_.round + 1, seconds);
    if (first()) observer_.message(text + end);
  }

  // Who kept the others waiting, in the line of the round.
  void record_straggler(const std::vector<std::vector<float>>& notes) {
    size_t slowest = 0;
    float least = notes[0][2];
    for (size_t q = 0; q < notes.size(); ++q) {
      if (notes[q][2] > notes[slowest][2]) slowest = q;
      least = std::min(least, notes[q][2]);
    }
    for (json& line : pending_) {
      if (line["event"] != "round") continue;
      line["slowest"] = membership_->members()[slowest].worker;
      line["waited"] = notes[slowest][2] - least;
    }
  }

  // Whether the epoch that `next` waits for has come; then `next` moves on.
  bool due(const char* key, double& next) const {
    const double step = every(key);
    if (step == 0 || epoch() + 1e-9 < next) return false;
    while (next <= epoch() + 1e-9) next += step;
    return true;
  }

  void evaluate_if_due() {
    if (due("eval_every", s_.next_eval)) evaluate_selecting();
  }

  // ---- what is written down ----

  // Of this process's gradients; functions have no data to wait for.
  double data_wait_seconds() const {
    const auto* data = dynamic_cast<const DataWait*>(objective_);
    return data ? data->data_wait_seconds() : 0;
  }

  // How many of the round's clients, in order, live in this process.
  int64_t own_among(const std::vector<int>& sampled) const {
    const auto homes = block_bounds(clients_, group_->size());
    const auto place = [&](int rank) { return std::lower_bound(sampled.begin(), sampled.end(), homes[rank]); };
    return place(group_->rank() + 1) - place(group_->rank());
  }

  json counters(const char* event) const {
    return {{"event", event},
            {"round", s_.round},
            {"iteration", s_.iteration},
            {"epoch", epoch()},
            {"seconds", s_.seconds},
            {"communications", s_.communications},
            {"bytes_sent", s_.bytes_sent},
            {"client_bytes", s_.client_bytes}};
  }

  bool records() const { return !options_.out.empty(); }

  // Every rank keeps the lines of a round until it is committed, and the last ones for longer: rank 0 may be lost before it
  // has written them.
  void write(json line) {
    // Whole counts are written as integers.
    for (const char* key : {"round", "iteration", "communications", "bytes_sent", "client_bytes"})
      if (line.contains(key)) line[key] = static_cast<int64_t>(line[key].get<double>());
    pending_.push_back(std::move(line));
  }

  void flush() {
    for (const json& line : pending_) {
      lines_ += 1;
      if (membership_) recent_.push_back(line.dump());
      if (!writes()) continue;
      log_.write(line);
      events_.write(line);
      s_.metrics_bytes = static_cast<double>(log_.bytes());
    }
    pending_.clear();
    constexpr size_t most_recent = 256;
    if (recent_.size() > most_recent) recent_.erase(recent_.begin(), recent_.end() - most_recent);
  }

  void record_round(const Round& r) {
    const Counters& c = r.counters();
    const double loss = c.losses > 0 ? c.loss / c.losses : nan;
    const double clipped = c.steps > 0 ? c.clipped / c.steps : 0;
    if (records() && static_cast<int64_t>(s_.round) % recipe_.run.integer("log_every") == 0) {
      json line = counters("round");
      line["exchange_seconds"] = timed_.take_seconds();
      const double waited = data_wait_seconds();
      line["data_wait_seconds"] = waited - std::exchange(data_wait_written_, waited);
      line["train_loss"] = finite(loss);
      line["clipped_fraction"] = clipped;
      line["gradient_norm"] = finite(c.norms > 0 ? c.norm / c.norms : nan);
      line["eta"] = rates_.eta;
      line["gamma"] = finite(rates_.gamma);
      if (c.skipped > 0) line["skipped"] = c.skipped;
      if (has_deadline()) {
        line["came"] = sampling_.participating - static_cast<int>(r.late().size());
        line["late"] = r.late();
      }
      for (const auto& [name, value] : r.notes()) line[name] = finite(value);
      write(std::move(line));
    }
  }

  void progress(const Round& r) {
    const Counters& c = r.counters();
    if (first())
      observer_.progress({.fraction = fraction(),
                          .epoch = epoch(),
                          .round = static_cast<int64_t>(s_.round),
                          .iteration = static_cast<int64_t>(s_.iteration),
                          .train_loss = c.losses > 0 ? c.loss / c.losses : nan,
                          .eval_loss = s_.eval_loss,
                          .clipped_fraction = c.steps > 0 ? c.clipped / c.steps : 0,
                          .communications = static_cast<int64_t>(s_.communications),
                          .bytes_sent = static_cast<int64_t>(s_.bytes_sent),
                          .seconds = s_.seconds,
                          .perplexity = objective_->has_perplexity()});
  }

  void record_epoch() {
    s_.last_epoch_loss = s_.epoch_losses > 0 ? s_.epoch_loss / s_.epoch_losses : nan;
    s_.epoch_loss = s_.epoch_losses = 0;
    if (!records()) return;
    json line = counters("epoch");
    line["epoch_finished"] = static_cast<int64_t>(epoch() + 1e-9);
    line["train_loss"] = finite(s_.last_epoch_loss);
    write(std::move(line));
  }

  const Vec& model() const { return s_.average.defined() ? s_.average : s_.x; }

  Evaluation evaluate(const std::string& split, const char* event) {
    const Score score = evaluate_all(*objective_, *group_, split, model());
    const Evaluation e{score.loss / score.count, objective_->has_accuracy() ? score.correct / score.count : nan};
    evaluated_[split] = e;
    further_[split] = objective_->figures(model());
    if (records()) {
      json line = counters(event);
      line["split"] = split;
      line["averaged"] = s_.average.defined();
      line.update(figures(e, "eval_"));
      for (const auto& [name, value] : further_[split]) line["eval_" + name] = finite(value);
      write(std::move(line));
    }
    return e;
  }

  json figures(const Evaluation& e, const std::string& prefix) const {
    json j = {{prefix + "loss", finite(e.loss)}};
    if (objective_->has_perplexity()) j[prefix + "perplexity"] = finite(std::exp(e.loss));
    if (objective_->has_accuracy()) j[prefix + "accuracy"] = finite(e.accuracy);
    return j;
  }

  // The first split decides what is best and triggers NT-ASGD: when its loss is worse than the best one more than `nonmono`
  // evaluations ago, averaging starts and goes on to the end (Merity et al. 2018, Algorithm 1).
  void evaluate_selecting() {
    if (objective_->splits().empty()) return;
    const Evaluation e = evaluate(objective_->splits().front(), "eval");
    s_.eval_loss = e.loss;
    s_.eval_accuracy = e.accuracy;
    s_.eval_round = s_.round;
    if (!(e.loss >= s_.best_loss))
      s_.best_loss = e.loss, s_.best_accuracy = e.accuracy, s_.best_epoch = epoch(), s_.best_round = s_.round;
    const auto nonmono = recipe_.schedule.integer("nonmono");
    const int64_t past = s_.selection_losses.numel();
    if (recipe_.schedule.flag("nt_asgd") && !s_.average.defined() && past > nonmono &&
        e.loss > s_.selection_losses.narrow(0, 0, past - nonmono).min().item<double>()) {
      s_.average = s_.x.clone();
      s_.averaged = 1;
      if (first()) observer_.message("NT-ASGD was triggered: from here on the models of all rounds are averaged");
    }
    s_.selection_losses = at::cat({s_.selection_losses, at::full({1}, e.loss, at::kDouble)});
    if (first()) observer_.message(describe(e, objective_->splits().front()));
  }

  std::string describe(const Evaluation& e, const std::string& split) const {
    char text[200];
    int n = std::snprintf(text, sizeof text, "epoch %.2f  train loss %.4f  %s loss %.4f", epoch(),
                          std::isnan(s_.last_epoch_loss) ? s_.epoch_loss / s_.epoch_losses : s_.last_epoch_loss,
                          split.c_str(), e.loss);
    if (objective_->has_perplexity()) n += std::snprintf(text + n, sizeof text - n, "  ppl %.2f", std::exp(e.loss));
    if (objective_->has_accuracy()) n += std::snprintf(text + n, sizeof text - n, "  accuracy %.2f %%", 100 * e.accuracy);
    if (s_.average.defined()) std::snprintf(text + n, sizeof text - n, "  (NT-ASGD)");
    std::string line = text;
    for (const auto& [name, value] : further_.at(split)) {
      std::snprintf(text, sizeof text, "  %s %.6g", name.c_str(), value);
      line += text;
    }
    return line;
  }

  void checkpoint() {
    if (!records()) return;
    // Only of a round that every rank has committed: no other rank can go back behind it, so the lines up to it stay.
    if (guarded()) swap_floats(*group_, {1});
    checkpoints_.save(static_cast<int64_t>(s_.round), *group_, clients_, visitor());
  }

  void checkpoint_if_due() {
    const double next = s_.next_checkpoint;
    warn_of_checkpoints();
    if (!stop_ && !due("checkpoint_every", s_.next_checkpoint)) return;
    try {
      checkpoint();
    } catch (const PeerLost&) {
      s_.next_checkpoint = next;  // still to be written
      throw;
    }
  }

  // A checkpoint that can't be written is a warning: the older one is still there, and the run goes on.
  void warn_of_checkpoints() {
    const std::string trouble = checkpoints_.trouble();
    if (!trouble.empty()) observer_.warning(trouble);
  }

  void write_summary(const std::string& status, const json& more) {
    if (!writes()) return;
    int64_t parameters = 0;
    for (const Layer& l : objective_->layers()) parameters += l.size;
    json j = {{"status", status},
              {"algorithm", method_.name},
              {"interval", interval()},
              {"model", recipe_.model.text("name")},
              {"data", recipe_.data.text("name")},
              {"parameters", parameters},
              {"workers", group_->size()},
              {"clients", clients_},
              {"participating", sampling_.participating},
              {"threads", recipe_.run.integer("threads")},
              {"backend", group_->backend()},
              {"recurrent_path", recurrent_path()},
              {"convolution_path", fast_convolutions() ? "onednn" : "libtorch"},
              {"versions", {{"tacet", version()}, {"torch", TORCH_VERSION}}}};
    if (status != "running") j["faults"] = faults();
    j.update(more);
    write_file(file("summary.json"), j.dump(1) + "\n");
  }

  // Over all parts of a run that was resumed: the sums of the log's membership lines.
  json faults() const {
    int64_t groups = 0, lost = 0, repeated = 0;
    double seconds = 0;
    for (const std::string& text : read_lines(file("metrics.jsonl"))) {
      if (text.find("\"membership\"") == std::string::npos) continue;
      const json line = json::parse(text, nullptr, false);
      if (line.is_discarded() || line["event"] != "membership") continue;
      groups += 1;
      lost += static_cast<int64_t>(line["lost"].size());
      repeated += static_cast<int64_t>(line["rounds_repeated"].get<double>());
      seconds += line["recovery_seconds"].get<double>();
    }
    return {{"groups", groups}, {"lost", lost}, {"rounds_repeated", repeated}, {"seconds", seconds}};
  }

  void failed(const std::string& why) {
    try {
      if (opened_ && group_) write_summary("failed", {{"error", why}, {"rounds", static_cast<int64_t>(s_.round)}});
    } catch (const std::exception&) {
      // The disk may be what failed; the first error is the one to report.
    }
  }

  Result finish() {
    if (status_ == "done") {
      const auto splits = objective_->splits();
      const auto bytes = s_.bytes_sent;
      if (!splits.empty() && s_.eval_round != s_.round) {
        evaluate_selecting();
        commit(0);  // the checkpoint says that it was evaluated, so nobody must go back behind that
        begin_transaction();
      }
      if (!splits.empty()) evaluated_[splits.front()] = {s_.eval_loss, s_.eval_accuracy};
      flush();
      checkpoint();  // before the last figures: a resume of a finished run only repeats those
      for (size_t k = 1; k < splits.size(); ++k) {
        const Evaluation e = evaluate(splits[k], "test");
        if (first()) observer_.message(describe(e, splits[k]));
      }
      s_.bytes_sent = bytes;
    }
    checkpoints_.wait();
    warn_of_checkpoints();
    Result result;
    result.status = status_;
    result.x = model();
    result.first = first();
    result.rounds = static_cast<int64_t>(s_.round);
    result.iterations = static_cast<int64_t>(s_.iteration);
    result.communications = static_cast<int64_t>(s_.communications);
    result.bytes_sent = static_cast<int64_t>(s_.bytes_sent);
    result.client_bytes = static_cast<int64_t>(s_.client_bytes);
    result.epoch = epoch();
    result.seconds = s_.seconds;
    result.train_loss = std::isnan(s_.last_epoch_loss) ? s_.epoch_loss / s_.epoch_losses : s_.last_epoch_loss;
    result.perplexity = objective_->has_perplexity();
    result.final = evaluated_;
    flush();
    if (writes()) {
      if (status_ == "done") {
        save_model(file("model.safetensors"), objective_->layers(), result.x, objective_->buffer_layers(),
                   objective_->buffers());
        result.model_sha256 = sha256_file(file("model.safetensors"));
      }
      json final = {{"round", result.rounds},
                    {"iteration", result.iterations},
                    {"epoch", result.epoch},
                    {"train_loss", finite(result.train_loss)}};
      const auto splits = objective_->splits();
      for (const auto& [split, e] : evaluated_) {
        const std::string prefix = split == splits.front() ? "eval_" : split + "_";
        final.update(figures(e, prefix));
        for (const auto& [name, value] : further_[split]) final[prefix + name] = finite(value);
      }
      json best = {{"round", std::isnan(s_.best_round) ? json(nullptr) : json(static_cast<int64_t>(s_.best_round))},
                   {"epoch", finite(s_.best_epoch)}};
      best.update(figures({s_.best_loss, s_.best_accuracy}, "eval_"));
      const double faults = usage_.page_faults_per_step();
      write_summary(status_, {{"final", final},
                              {"best", best},
                              {"rounds", result.rounds},
                              {"iterations", result.iterations},
                              {"epochs", result.epoch},
                              {"communications", result.communications},
                              {"bytes_sent", result.bytes_sent},
                              {"client_bytes", result.client_bytes},
                              {"skipped", static_cast<int64_t>(s_.skipped)},
                              {"late", static_cast<int64_t>(s_.late)},
                              {"seconds", result.seconds},
                              {"data_wait_seconds", data_wait_seconds()},
                              {"page_faults_per_step", faults < 0 ? json(nullptr) : json(faults)},
                              {"averaged", s_.average.defined()},
                              {"model_sha256", result.model_sha256.empty() ? json(nullptr) : json(result.model_sha256)}});
    }
    if (guarded()) swap_floats(*group_, {1});  // all stay until rank 0 has written everything
    if (membership_) {
      in_transaction_ = false;
      if (first()) membership_->finish();
    }
    return result;
  }

  Recipe recipe_;
  Membership* const membership_;  // null: the group stays, and a lost worker ends the run
  std::unique_ptr<Group> own_group_;
  Group* group_;      // null only while a new one is being formed
  TimedGroup timed_;  // what rounds exchange through
  const TrainOptions& options_;
  Observer& observer_;
  const AlgorithmInfo& method_;
  const int clients_;
  const ClientSampling sampling_;
  const uint64_t seed_;
  const Schedule schedule_;
  CheckpointWriter checkpoints_;
  std::unique_ptr<Objective> own_objective_;
  Objective* objective_ = nullptr;
  std::unique_ptr<Algorithm> algorithm_;
  std::unique_ptr<MessageCoder> messages_;
  MetricsLog log_;
  TensorBoardLog events_;
  State s_;
  std::map<std::string, Evaluation> evaluated_;
  std::map<std::string, std::vector<std::pair<std::string, double>>> further_;  // Objective::figures, by split
  SumBuffers buffers_;
  Rates rates_{};      // of the round under way
  RoundBackup turns_;  // with a deadline: what clients that come too late have changed
  RoundUsage usage_;
  double data_wait_written_ = 0;  // what the lines so far say
  std::string status_;
  bool stop_ = false;    // some worker was asked to stop
  bool opened_ = false;  // from here on a failure is written into the run's folder

  // Lines of metrics.jsonl: of the round under way, the last ones written, how many are written, and were before this round.
  std::vector<json> pending_;
  std::vector<std::string> recent_;
  int64_t lines_ = 0, lines_before_ = 0;

  // Only with a membership.
  struct NewWorker {};  // thrown at the end of a round: a worker waits to join
  RoundBackup undo_;
  ClientCopies homes_;
  std::string changed_;          // by the round under way, packed
  Vec first_buffers_;            // the objective's, at the start
  int64_t id_ = 0;               // of this worker in the membership
  double rounds_committed_ = 0;  // since all workers began
  bool has_state_ = false, begun_ = false;
  bool in_transaction_ = false;  // undo_ is of use
  bool finished_ = false;        // the round has been computed, whether it counts depends on the others
};

}  // namespace

Result train(const Recipe& recipe, Group& group, const TrainOptions& options, Observer& observer) {
  if (!options.out.empty() && group.rank() == 0) check_run_folder(options.out, options.resume);
  return Trainer(recipe, &group, nullptr, options, observer, nullptr).run();
}

Result train(const Recipe& recipe, Objective& objective, Group& group, const TrainOptions& options, Observer& observer) {
  if (!options.out.empty() && group.rank() == 0) check_run_folder(options.out, options.resume);
  return Trainer(recipe, &group, nullptr, options, observer, &objective).run();
}

Result train(const Recipe& recipe, Membership& membership, const TrainOptions& options, Observer& observer) {
  auto group = membership.form();
  if (!group) return {.status = "ended"};
  if (!options.out.empty() && !options.rejoin && membership.term() == 1 && group->rank() == 0)
    check_run_folder(options.out, options.resume);
  return Trainer(recipe, group.release(), &membership, options, observer, nullptr).run();
}

std::string version() { return TACET_VERSION; }

}  // namespace tacet
