// See session.h.
#include "train/session.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

#include <ATen/ops/empty.h>

#include "base/bytes.h"
#include "comm/collectives.h"
#include "engine/tree_sum.h"
#include "recipe/same_run.h"
#include "tacet/error.h"
#include "train/fingerprint.h"

namespace tacet {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The mark of fault totals that a checkpoint does not have.
constexpr int64_t kNotSaved = -1;

}  // namespace

Session::Session(Training& run, RunLog& log, Observer& observer, const TrainOptions& options, Group& group,
                 std::unique_ptr<Group> own, Membership* membership, std::function<void()> begin)
    : run_(run),
      log_(log),
      observer_(observer),
      options_(options),
      membership_(membership),
      own_group_(std::move(own)),
      group_(&group),
      timed_(group),
      begin_(std::move(begin)),
      checkpoints_(options.out, run.settings.checkpoint_keep),
      copies_(run.clients, run.settings.second_copy) {
  log_.use(group_);
}

// ---- from a checkpoint or from nothing ----

std::string Session::start() {
  if (!membership_) {
    require_same(*group_, fingerprint_of(run_.recipe, *run_.objective, run_.clients));
    restore(options_.resume);
    log_.open(options_.resume);
    if (!options_.resume) begin_();
    phase_ = Phase::settled;
    return "";
  }
  const auto begin = Clock::now();
  try {
    settle();
    // The other workers of a later group write that line. All must count equal lines, as any of them may own the log next.
    if (membership_->term() > 1) record_membership(since(begin), 0);
    return "";
  } catch (const PeerLost& error) {
    return error.what();
  }
}

// Restores the state. It only reads, so damage of a checkpoint is found before a file is touched.
void Session::restore(bool resume) {
  RunState& s = run_.state;
  s.x = run_.objective->initial();
  run_.place_client_state(*group_, options_.out);
  if (!resume) {
    s.selection_losses = at::empty({0}, at::kDouble);
    s.next_eval = run_.settings.eval_every;
    s.next_checkpoint = run_.settings.checkpoint_every;
    return;
  }
  if (first()) {
    const std::string began = log_.file("recipe.toml");
    require_same_run(load_recipe(began), run_.recipe, began);
  }
  for (const std::string& why : load(s)) observer_.warning(why);
}

// Loads the checkpoint and returns lines about it for people. Keeps the fault totals where more is known than was saved.
std::vector<std::string> Session::load(RunState& s) {
  const FaultTotals known = std::exchange(s.faults, {.groups = kNotSaved});
  std::vector<std::string> notes;
  try {
    notes = load_checkpoint(options_.out, *group_, run_.clients, run_.visitor());
  } catch (...) {
    s.faults = known;
    throw;
  }
  if (!notes.empty()) notes.push_back("the run goes on from the checkpoint before, of round " + std::to_string(s.round));
  const bool counted = s.faults.groups != kNotSaved;
  if (!counted && first()) notes.push_back("the checkpoint is of an older version: faults before it are not counted");
  if (!counted || known.groups > s.faults.groups) s.faults = known;
  return notes;
}

void Session::checkpoint() {
  if (!log_.on()) return;
  // Only a round that every rank has committed is saved. No rank can go back behind it, so the lines up to it stay.
  if (guarded()) barrier(*group_);
  checkpoints_.save(run_.state.round, *group_, run_.clients, run_.visitor());
}

void Session::checkpoint_if_due() {
  RunState& s = run_.state;
  const double next = s.next_checkpoint;
  warn_of_checkpoints();
  if (!s.stop && !run_.due(run_.settings.checkpoint_every, s.next_checkpoint)) return;
  try {
    checkpoint();
  } catch (const PeerLost&) {
    s.next_checkpoint = next;  // still to be written
    throw;
  }
}

void Session::wait_for_checkpoint() {
  checkpoints_.wait();
  warn_of_checkpoints();
}

// Warns of checkpoints that could not be written. The older one is still there, and the run goes on.
void Session::warn_of_checkpoints() {
  const std::string trouble = checkpoints_.trouble();
  if (!trouble.empty()) observer_.warning(trouble);
}

// ---- a round happens on all workers or on none ----

void Session::begin_round() {
  log_.mark();
  if (!guarded()) return;
  backup_.begin(run_.visitor());
  phase_ = Phase::in_round;
}

void Session::commit(double busy_seconds) {
  const bool together = guarded();
  bool waiting = together && commit_together(busy_seconds);
  committed();
  if (!together) waiting = membership_ && membership_->someone_waits();
  if (waiting) throw NewWorker();
}

// Returns true if a worker waits to join.
bool Session::commit_together(double busy_seconds) {
  phase_ = Phase::committing;
  changed_.clear();
  if (run_.settings.second_copy) pack_clients(run_.visitor(), backup_.touched(), changed_);
  const auto notes =
      all_gather_value(*group_, Note{static_cast<int64_t>(changed_.size()), busy_seconds, membership_->someone_waits()});
  std::vector<int64_t> sizes;
  bool any = false, waiting = false;
  for (const Note& note : notes) {
    sizes.push_back(note.changed_bytes);
    any = any || note.changed_bytes > 0;
    waiting = waiting || note.someone_waits;
  }
  if (any) {
    copies_.second().receive(*group_, changed_, sizes);
    barrier(*group_);
  }
  record_straggler(notes);
  return waiting;
}

void Session::committed() {
  committed_ += 1;
  copies_.second().commit();
  log_.commit();
  phase_ = Phase::settled;
}

void Session::roll_back() {
  if (phase_ == Phase::in_round || phase_ == Phase::committing) {
    backup_.roll_back(run_.visitor());
    run_.state.stop = false;
  }
  copies_.second().drop();
  log_.roll_back();
  timed_.take_seconds();
  phase_ = Phase::settled;
}

void Session::record_straggler(const std::vector<Note>& notes) {
  const auto [least, most] = std::minmax_element(
      notes.begin(), notes.end(), [](const Note& a, const Note& b) { return a.busy_seconds < b.busy_seconds; });
  const auto slowest = static_cast<size_t>(most - notes.begin());
  log_.record_straggler(membership_->workers()[slowest].number, most->busy_seconds - least->busy_seconds);
}

// ---- going on with other workers ----

// Replaces the group by the next term's. Throws PeerLost when the run has ended meanwhile.
void Session::form(const std::string& why) {
  checkpoints_.wait();  // no other worker gets the lease before this one has come
  group_ = nullptr;
  log_.use(nullptr);
  own_group_.reset();
  own_group_ = membership_->form();
  group_ = own_group_.get();
  log_.use(group_);
  if (!group_) throw PeerLost(-1, "the run has ended without this worker (" + why + ")");
  timed_.use(*group_);
}

void Session::regroup(const std::string& why) {
  const auto start = Clock::now();
  const int64_t before = run_.state.round - (phase_ == Phase::committing ? 1 : 0);  // committed rounds
  for (;;) {
    form(why);
    try {
      settle();
      record_membership(since(start), before - run_.state.round);
      if (group_->size() >= membership_->min_workers()) return;
      checkpoint();
      wait_for_checkpoint();
    } catch (const PeerLost&) {
      continue;
    }
    throw PeerLost(-1, "run.min_workers: " + std::to_string(membership_->min_workers()) + " workers are needed, only " +
                           std::to_string(group_->size()) + " are left (" + why +
                           "); there is a checkpoint, go on with --resume");
  }
}

std::vector<int64_t> Session::worker_ids() const {
  std::vector<int64_t> ids;
  for (const auto& w : membership_->workers()) ids.push_back(w.id);
  return ids;
}

// Makes all workers of a new group agree on the state after the last round that any of them committed. Collective.
void Session::settle() {
  if (has_state() && own_id() != id_) {  // the others took this worker for lost and went on
    phase_ = Phase::behind;
    copies_.forget();
  }
  id_ = own_id();
  if (!has_state()) {  // without a state there is no round that could count
    log_.forget_pending();
    copies_.second().drop();
  }
  require_same(*group_, fingerprint_of(run_.recipe, *run_.objective, run_.clients));
  if (log_.writes())
    checkpoints_.acquire(std::to_string(id_),
                         [m = membership_, term = membership_->term()] { return m->holds_lease(term); });
  const Agreement agreed =
      agree(*group_, {has_state(), has_state() ? committed_ : copies_.staged_rounds(), copies_.number(), copies_.staged()});
  if (has_state() && committed_ < agreed.rounds) {
    assert(phase_ == Phase::committing && committed_ + 1 == agreed.rounds);  // this worker saw the failure in commit()
    committed();
  } else if (has_state()) {
    roll_back();
  }
  if (agreed.adopt) adopt();
  copies_.forget();
  go_on_from(agreed);
}

void Session::go_on_from(const Agreement& agreed) {
  if (agreed.root < 0) return begin_again();
  std::set<int64_t> holders;
  const auto ids = worker_ids();
  for (size_t q = 0; q < ids.size(); ++q)
    if (agreed.holds[q]) holders.insert(ids[q]);
  if (!share_common(agreed.root, holders)) return begin_again();
  settled(copies_.fetch(*group_, run_.visitor(), holders, has_state() ? id_ : -1), agreed.rounds);
  if (log_.writes()) log_.acquire();
}

// Puts a placement in force. `mine` has the vectors of the clients that live here from now on. Collective.
void Session::settled(ClientVectors mine, double rounds) {
  copies_.stage(*group_, membership_->term(), worker_ids(), std::move(mine), rounds);
  adopt();
}

void Session::adopt() {
  run_.place_client_state(*group_, options_.out);
  committed_ = copies_.staged_rounds();
  copies_.adopt(run_.visitor());
  phase_ = Phase::settled;
}

// Sends the state that is equal on all ranks from the root to all. Returns false if some clients' state is lost. Collective.
bool Session::share_common(int root, const std::set<int64_t>& holders) {
  if (!share_numbers(root, holders)) return false;
  share_globals(root, holders);
  return true;
}

bool Session::share_numbers(int root, const std::set<int64_t>& holders) {
  RunState& s = run_.state;
  std::vector<std::string> to(static_cast<size_t>(group_->size()));
  if (group_->rank() == root) {
    const std::string lines = log_.recent();
    std::string common;
    for (const int64_t n :
         {int64_t{copies_.complete(holders)}, log_.lines(), int64_t{s.stop}, static_cast<int64_t>(lines.size())})
      put(common, n);
    common += lines + pack_numbers(run_.visitor());
    to.assign(to.size(), common);
  }
  const std::string common = all_to_all(*group_, std::move(to))[static_cast<size_t>(root)];
  size_t at = 0;
  const auto next = [&] { return take<int64_t>(common, at); };
  if (next() == 0) return false;
  const int64_t lines = next(), stop = next(), length = next();
  if (!has_state()) {
    run_.reset();
    run_.place_client_state(*group_, options_.out);
  }
  s.stop = stop > 0;
  log_.set_lines(lines);
  log_.set_recent(common.substr(at, static_cast<size_t>(length)));
  unpack_numbers(run_.visitor(), common.substr(at + static_cast<size_t>(length)));
  return true;
}

void Session::share_globals(int root, const std::set<int64_t>& holders) {
  std::vector<std::string> to(static_cast<size_t>(group_->size()));
  if (group_->rank() == root) {
    std::string globals;
    const auto ids = worker_ids();
    for (size_t q = 0; q < ids.size(); ++q) {
      if (holders.count(ids[q]) > 0) continue;
      if (globals.empty()) globals = pack_globals(run_.visitor());
      to[q] = globals;
    }
  }
  const auto globals = all_to_all(*group_, std::move(to));
  if (!has_state()) unpack_globals(run_.visitor(), globals[static_cast<size_t>(root)]);
}

// Returns true if there is a checkpoint of this run to go on from. Brings the fault totals, which a return to a checkpoint
// keeps, to all ranks. Collective.
bool Session::resumes(bool begun) {
  FaultTotals& f = run_.state.faults;
  double saved = 0;
  if (log_.writes() && (options_.resume || options_.rejoin || begun)) saved = has_checkpoint(options_.out);
  const std::vector<double> told = all_gather(*group_, {saved, static_cast<double>(f.groups), static_cast<double>(f.lost),
                                                        static_cast<double>(f.rounds_repeated), f.seconds});
  for (size_t k = 0; k < told.size(); k += 5) {
    if (told[k + 1] <= static_cast<double>(f.groups)) continue;
    f = {static_cast<int64_t>(told[k + 1]), static_cast<int64_t>(told[k + 2]), static_cast<int64_t>(told[k + 3]),
         told[k + 4]};
  }
  return told.front() > 0;
}

// Goes on from the last checkpoint, or from the start, where no worker has the whole state of the run. Collective.
void Session::begin_again() {
  const bool begun = phase_ != Phase::fresh;
  if (begun) phase_ = Phase::behind;
  const bool resume = resumes(begun);
  run_.reset();
  log_.set_recent("");
  if (first() && begun)
    observer_.message(resume ? "the state of lost workers is gone: the run goes on from its last checkpoint"
                             : "the state of lost workers is gone, and there is no checkpoint: the run begins again");
  restore(resume);
  phase_ = Phase::behind;
  log_.close();
  log_.open(resume);
  if (!resume) begin_();
  log_.set_lines(static_cast<int64_t>(all_gather(*group_, {static_cast<double>(log_.lines_in_file())}).front()));
  const auto bounds = block_bounds(run_.clients, group_->size());
  std::set<int> mine;
  for (int64_t c = bounds[group_->rank()]; c < bounds[group_->rank() + 1]; ++c) mine.insert(static_cast<int>(c));
  settled(copy_clients(run_.visitor(), mine), 0);
}

void Session::record_membership(double seconds, int64_t repeated) {
  const auto& losses = membership_->losses();
  repeated = std::max<int64_t>(repeated, 0);
  FaultTotals& f = run_.state.faults;
  f = {f.groups + 1, f.lost + static_cast<int64_t>(losses.size()), f.rounds_repeated + repeated, f.seconds + seconds};
  log_.record_membership(membership_->term(), losses, seconds, repeated);
  log_.commit();
  std::string text;
  for (const std::string& loss : losses) text += (text.empty() ? "" : ", ") + loss;
  char end[100];
  std::snprintf(end, sizeof end, "%s%d worker%s from round %lld, %.2f s later", text.empty() ? "" : ": ", group_->size(),
                group_->size() == 1 ? "" : "s", static_cast<long long>(run_.state.round) + 1, seconds);
  if (first()) observer_.message(text + end);
}

void Session::finish() {
  if (guarded()) barrier(*group_);  // all workers stay until rank 0 has written everything
  if (!membership_) return;
  phase_ = Phase::finished;
  if (first()) membership_->finish();
}

}  // namespace tacet
