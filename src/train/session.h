// A worker's part in a run with others: a round happens on all workers or on none, and a lost worker does not lose the run.
// Rounds are transactions (begin_round, commit), workers that are left agree on one state and move the clients among them
// (regroup), and a run goes on from its last checkpoint where too much was lost. Knows no rates, lines or evaluations.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tacet/group.h"
#include "tacet/membership.h"
#include "tacet/train.h"
#include "train/checkpoint.h"
#include "train/client_copies.h"
#include "train/round_backup.h"
#include "train/run_log.h"
#include "train/timed_group.h"
#include "train/training.h"

namespace tacet {

// A worker's phases. Only settled, in_round and committing have the run's state.
//
//   from         by                                                  to
//   fresh        begin_again                                         behind
//   behind       adopt: the state has come from others or a file     settled    (fresh as well)
//   settled      begin_round, with other workers                     in_round
//   in_round     commit begins                                       committing
//   in_round     roll_back: a worker was lost                        settled
//   committing   all have committed, or agree that the round counts  settled
//   committing   roll_back: no worker has committed                  settled
//   any of them  the others went on without it, or all begin again   behind
//   any of them  finish                                              finished
//
// A group of one has nobody to lose: it stays settled. A run without a membership is settled from its start.
enum class Phase {
  fresh,       // this process has not had a state yet
  behind,      // it has none any more, or one that is only being put together
  settled,     // the state is that of the last committed round
  in_round,    // a round changes the state; the backup has the way back
  committing,  // the round is computed here; the others decide if it counts
  finished     // the run is done, nobody goes back
};

class Session {
 public:
  // Thrown by commit() when a worker waits to join.
  struct NewWorker {};

  // All are borrowed but `own`: with a membership its first group, which goes when its term ends. begin: runs the method's
  // begin() on a new run's state.
  Session(Training& run, RunLog& log, Observer& observer, const TrainOptions& options, Group& group,
          std::unique_ptr<Group> own, Membership* membership, std::function<void()> begin);

  Group& group() { return *group_; }
  TimedGroup& timed() { return timed_; }
  bool first() const { return group_->rank() == 0; }
  bool survives() const { return membership_ != nullptr; }  // a lost worker does not end the run
  // Returns true if there is a way back: a lost worker can be survived, and there is one to lose.
  bool guarded() const { return membership_ && group_->size() > 1; }
  // Returns what is set when a worker is lost; null without a membership.
  const std::atomic<bool>* broken() const { return membership_ ? &membership_->broken() : nullptr; }

  // Brings this worker to where the run stands. Returns why the workers have to be regrouped, or nothing. Collective.
  std::string start();
  // Forms groups until one stands whose workers all have the run's state. Throws where that can't be.
  void regroup(const std::string& why);

  void begin_round();
  bool round_open() const { return phase_ == Phase::in_round; }
  // Keeps what a client's turn is about to change.
  void before_turn(int client) { backup_.before(client); }
  // Makes the round count. Once a rank is through, every rank has finished it and its clients' state is on two of them.
  // Whoever sees a failure in here learns from the others which of the two states is the run's. Collective.
  void commit(double busy_seconds);

  // Saves the state. Collective.
  void checkpoint();
  void checkpoint_if_due();
  // Waits for the checkpoint that is being written.
  void wait_for_checkpoint();
  // Ends the run when rank 0 has written everything. Collective.
  void finish();

 private:
  bool has_state() const { return phase_ == Phase::settled || phase_ == Phase::in_round || phase_ == Phase::committing; }
  void restore(bool resume);
  std::vector<std::string> load(RunState& s);
  void warn_of_checkpoints();

  bool commit_together(double busy_seconds);
  void committed();
  void roll_back();
  // A rank's message to the others at a round's end.
  struct Note {
    int64_t changed_bytes = 0;  // of its clients' vectors, packed
    double busy_seconds = 0;
    int64_t someone_waits = 0;  // 1: a worker asks to join
  };
  void record_straggler(const std::vector<Note>& notes);

  void form(const std::string& why);
  void settle();
  void go_on_from(const Agreement& agreed);
  bool share_common(const Agreement& agreed, const std::set<int64_t>& holders);
  void begin_again();
  bool resumes(bool begun);
  void settled(ClientVectors mine, double rounds);
  void adopt();
  void record_membership(double seconds, int64_t repeated);
  int64_t own_id() const { return membership_->workers()[static_cast<size_t>(group_->rank())].id; }

  Training& run_;
  RunLog& log_;
  Observer& observer_;
  const TrainOptions& options_;
  Membership* const membership_;  // null: the group stays, and a lost worker ends the run
  std::unique_ptr<Group> own_group_;
  Group* group_;      // null only while a new one is being formed
  TimedGroup timed_;  // what rounds exchange through
  const std::function<void()> begin_;
  CheckpointWriter checkpoints_;

  Phase phase_ = Phase::fresh;
  RoundBackup backup_;
  ClientCopies copies_;
  std::string changed_;   // by the round under way, packed
  int64_t id_ = 0;        // of this worker in the membership
  double committed_ = 0;  // rounds since all workers began
};

}  // namespace tacet
