// See session.h.
#include "train/session.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <ATen/ops/empty.h>

#include "base/clock.h"
#include "comm/collectives.h"
#include "data/record/data_record.h"
#include "engine/tree_sum.h"
#include "recipe/same_run.h"
#include "tacet/error.h"
#include "train/fingerprint.h"
#include "train/state_sharing.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the record of the data that the run in the folder was begun with: its own, or that of its checkpoint; empty for a
// run of an older version, which has none.
std::string record_in(const std::string& folder) {
  for (const fs::path& place : {fs::path(folder), fs::path(folder) / "checkpoint"})
    if (fs::exists(place / "data.json")) return (place / "data.json").string();
  return "";
}

// Throws UserError if the folder holds another run, or one that was begun with other data. A run without a checkpoint may
// have no files yet. Returns lines for people about what can't be told.
std::vector<std::string> require_begun(const std::string& folder, const Training& run, bool has_state) {
  const std::string recipe = (fs::path(folder) / "recipe.toml").string(), record = record_in(folder);
  if (!has_state && !fs::exists(recipe)) return {};
  require_same_run(load_recipe(recipe), run.recipe, recipe);
  if (run.data_record.empty()) return {};
  if (record.empty())
    return {"--resume: " + folder + " has no data.json, as an older version began it: its data are not compared"};
  if (const auto other = difference(read_data_record(record), parse_data_record(run.data_record, "data")))
    throw UserError("--resume: the data must be those that the run was begun with, but " + *other);
  return {};
}

// The mark of fault totals that a checkpoint does not have.
constexpr int64_t kNotSaved = -1;

// Returns the line that tells people of a new group of workers.
std::string membership_line(const std::vector<std::string>& losses, int workers, int64_t round, double seconds) {
  std::string text;
  for (const std::string& loss : losses) text += (text.empty() ? "" : ", ") + loss;
  char end[100];
  std::snprintf(end, sizeof end, "%s%d worker%s from round %lld, %.2f s later", text.empty() ? "" : ": ", workers,
                workers == 1 ? "" : "s", static_cast<long long>(round), seconds);
  return text + end;
}

PeerLost too_few(int left, int needed, const std::string& why) {
  return PeerLost(-1, "run.min_workers: " + std::to_string(needed) + " workers are needed, only " + std::to_string(left) +
                          " are left (" + why + "); there is a checkpoint, go on with --resume");
}

std::vector<int64_t> ids_of(const Membership& membership) {
  std::vector<int64_t> ids;
  for (const auto& w : membership.workers()) ids.push_back(w.id);
  return ids;
}

// A rank's message to the others at a round's end.
struct Note {
  int64_t changed_bytes = 0;  // packed size of its clients' vectors
  double busy_seconds = 0;
  int64_t someone_waits = 0;  // 1: a worker asks to join
};

void record_straggler(RunLog& log, const Membership& membership, const std::vector<Note>& notes) {
  const auto [least, most] = std::minmax_element(
      notes.begin(), notes.end(), [](const Note& a, const Note& b) { return a.busy_seconds < b.busy_seconds; });
  const auto slowest = static_cast<size_t>(most - notes.begin());
  log.record_straggler(membership.workers()[slowest].number, most->busy_seconds - least->busy_seconds);
}

// Makes all ranks count the lines that the log will have. This comes before settled(), behind whose barrier the leader
// writes them: a rank that counted others would add lines twice as the next leader. Collective.
void agree_on_lines(Group& group, RunLog& log, Observer& observer) {
  const int64_t lost = log.drop_lost(all_gather_value(group, log.lines_in_file()).front());
  if (lost == 0 || group.rank() != 0) return;
  observer.warning(log.file("metrics.jsonl") + ": " + std::to_string(lost) + (lost == 1 ? " line is" : " lines are") +
                   " lost with the leader before: not on the disk, and older than the last ones, which all workers keep");
}

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
      claim_(options),
      checkpoints_(options.out, run.options.checkpoint_keep, run.data_record),
      copies_(run.clients, run.options.second_copy) {
  log_.use(group_);
}

// ---- from a checkpoint or from nothing ----

std::string Session::start() {
  if (!membership_) {
    require_same(*group_, fingerprint_of(run_.recipe, *run_.objective, run_.clients), false);
    claim_.settle(*group_, true);
    const bool may = first() && options_.resume && has_checkpoint(options_.out);
    const bool resume = options_.resume && all_gather_value(*group_, int64_t{may}).front() > 0;
    restore(resume);
    log_.open(resume);
    if (!resume) begin_();
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
  if (first() && (resume || (log_.on() && options_.resume)))
    for (const std::string& line : require_begun(options_.out, run_, resume)) observer_.warning(line);
  s.x = run_.objective->initial();
  run_.place_client_state(*group_, options_.out);
  if (!resume) {
    if (first() && options_.resume && phase_ == Phase::fresh)
      observer_.warning("--resume: " + options_.out + " has no checkpoint yet, so the run begins at its start");
    s.selection_losses = at::empty({0}, at::kDouble);
    s.next_eval = run_.options.eval_every;
    s.next_checkpoint = run_.options.checkpoint_every;
    return;
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
  run_.bring_dates_forward();
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
  if (!s.stop && !run_.due(run_.options.checkpoint_every, s.next_checkpoint)) return;
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
  if (const std::string trouble = checkpoints_.trouble(); !trouble.empty()) observer_.warning(trouble);
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
  if (run_.options.second_copy) pack_clients(run_.visitor(), backup_.touched(), changed_);
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
  record_straggler(log_, *membership_, notes);
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
      record_membership(since(start), std::max<int64_t>(before - run_.state.round, 0));
      if (group_->size() >= membership_->min_workers()) return;
      checkpoint();
      wait_for_checkpoint();
    } catch (const Differs& error) {
      if (first()) observer_.warning(error.what());
      continue;
    } catch (const PeerLost&) {
      continue;
    }
    throw too_few(group_->size(), membership_->min_workers(), why);
  }
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
  require_same(*group_, fingerprint_of(run_.recipe, *run_.objective, run_.clients), has_state());
  log_.use(nullptr);  // where another run has the folder, not even this one's failure is written down
  claim_.settle(*group_, membership_->term() == 1);
  log_.use(group_);
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
  const auto ids = ids_of(*membership_);
  for (size_t q = 0; q < ids.size(); ++q)
    if (agreed.holds[q]) holders.insert(ids[q]);
  if (!share_common(agreed, holders)) return begin_again();
  agree_on_lines(*group_, log_, observer_);
  settled(copies_.fetch(*group_, run_.visitor(), holders, has_state() ? id_ : -1), agreed.rounds);
  if (log_.writes()) log_.acquire();
}

// Puts a placement in force. `mine` has the vectors of the clients that live here from now on. Collective.
void Session::settled(ClientVectors mine, double rounds) {
  copies_.stage(*group_, membership_->term(), ids_of(*membership_), std::move(mine), rounds);
  adopt();
}

void Session::adopt() {
  run_.place_client_state(*group_, options_.out);
  committed_ = copies_.staged_rounds();
  copies_.adopt(run_.visitor());
  phase_ = Phase::settled;
}

// Sends the state that is equal on all ranks from the root to all. Returns false if some clients' state is lost. Collective.
bool Session::share_common(const Agreement& agreed, const std::set<int64_t>& holders) {
  CommonState mine;
  if (group_->rank() == agreed.root)
    mine = {copies_.complete(holders), log_.lines(), run_.state.stop, log_.recent(), pack_numbers(run_.visitor())};
  const CommonState common = share(*group_, agreed.root, mine);
  if (!common.complete) return false;
  if (!has_state()) {
    run_.reset();
    run_.place_client_state(*group_, options_.out);
  }
  run_.state.stop = common.stop;
  log_.set_lines(common.lines);
  log_.set_recent(common.recent);
  unpack_numbers(run_.visitor(), common.numbers);
  std::vector<bool> lacks = agreed.holds;
  lacks.flip();
  share_globals(*group_, agreed.root, lacks, run_.visitor());
  return true;
}

// Returns true if there is a checkpoint of this run to go on from. Brings the fault totals, which a return to a checkpoint
// keeps, to all ranks. Collective.
bool Session::resumes(bool begun) {
  run_.state.faults = agree_on_faults(*group_, run_.state.faults);
  const bool may = log_.writes() && (options_.resume || options_.rejoin || begun);
  return all_gather_value(*group_, int64_t{may && has_checkpoint(options_.out)}).front() > 0;
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
  FaultTotals& f = run_.state.faults;
  f = {f.groups + 1, f.lost + static_cast<int64_t>(losses.size()), f.rounds_repeated + repeated, f.seconds + seconds};
  log_.record_membership(membership_->term(), losses, seconds, repeated);
  log_.commit();
  if (first()) observer_.message(membership_line(losses, group_->size(), run_.state.round + 1, seconds));
}

void Session::finish() {
  if (guarded()) barrier(*group_);  // all workers stay until rank 0 has written everything
  if (!membership_) return;
  phase_ = Phase::finished;
  if (first()) membership_->finish();
}

}  // namespace tacet
