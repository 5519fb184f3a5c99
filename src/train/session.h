// A worker's part in a run with others. A round happens on all workers or on none, and a lost worker does not lose the run.
// Rounds are transactions (begin_round, commit). The workers that are left agree on one state and move the clients among
// them (regroup). Where too much was lost, the run goes on from its last checkpoint. Rates, lines and evaluations are not
// known here.
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
#include "train/run_claim.h"
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
// A group of one has no worker to lose and stays settled. A run without a membership is settled from its start.
enum class Phase {
  fresh,       // it has not had a state yet
  behind,      // its state is lost, or is only being put together
  settled,     // the state is that of the last committed round
  in_round,    // a round changes the state; the backup has the old one
  committing,  // the round is computed here, and the others decide if it counts
  finished     // the run is done, and no worker goes back
};

class Session {
 public:
  // The exception of commit() when a worker waits to join.
  struct NewWorker {};

  // Borrows all but `own`, which with a membership is its first group, and goes when its term ends. `begin` runs the
  // method's begin() on a new run's state.
  Session(Training& run, RunLog& log, Observer& observer, const TrainOptions& options, Group& group,
          std::unique_ptr<Group> own, Membership* membership, std::function<void()> begin);

  Group& group() { return *group_; }
  TimedGroup& timed() { return timed_; }
  bool first() const { return group_->rank() == 0; }
  bool survives() const { return membership_ != nullptr; }  // true if a lost worker does not end the run
  // Returns true if rounds can be rolled back: the run survives a lost worker, and there is one to lose.
  bool guarded() const { return membership_ && group_->size() > 1; }
  // Returns the flag that is set when a worker is lost; null without a membership.
  const std::atomic<bool>* broken() const { return membership_ ? &membership_->broken() : nullptr; }

  // Brings this worker to the run's state. Returns the reason why the workers have to be regrouped, or nothing. Collective.
  std::string start();
  // Forms groups until the workers of one all have the run's state. Throws PeerLost or UserError where that can't be.
  void regroup(const std::string& why);

  void begin_round();
  bool round_open() const { return phase_ == Phase::in_round; }
  // Keeps a client's state, which its turn is about to change.
  void before_turn(int client) { backup_.before(client); }
  // Makes the round count. Once a rank is through, every rank has finished it and its clients' state is on two of them. A
  // rank that fails in here learns from the others which of the two states is the run's. Collective.
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
  TimedGroup timed_;  // the group of rounds
  const std::function<void()> begin_;
  RunClaim claim_;
  CheckpointWriter checkpoints_;

  Phase phase_ = Phase::fresh;
  RoundBackup backup_;
  ClientCopies copies_;
  std::string changed_;   // packed vectors that the round under way has changed
  int64_t id_ = 0;        // this worker's, in the membership
  double committed_ = 0;  // rounds since all workers began
};

}  // namespace tacet
