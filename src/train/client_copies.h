// Implements client-state replication: each client's vectors on the worker it lives with and, as a second copy, on the next
// one; and the agreement of a new group's workers on whose state is the run's. Moves state; knows neither loop nor files.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tacet/group.h"
#include "train/state_codec.h"

namespace tacet {

// The second copy of clients' vectors: after each round a rank sends the next one those of the clients that changed. It
// keeps what has been committed, and beside it what came last, until that round is committed.
class SecondCopy {
 public:
  // Forgets all, and gets all of the clients of the rank before. Collective.
  void renew(Group& group, const ClientVectors& mine);
  // Collective; `sizes`: bytes of each rank's `mine`, known to all. `mine` is used up.
  void receive(Group& group, std::string& mine, const std::vector<int64_t>& sizes);
  void commit();
  void drop() { staged_.clear(); }
  const ClientVectors& clients() const { return kept_; }
  // Returns true if a rank has ever had any vectors: they are lost with it, if its copy is lost as well.
  bool had_any(int rank) const { return any_.at(static_cast<size_t>(rank)); }

 private:
  ClientVectors kept_;
  std::string staged_, coming_;  // packed: what came last; what is under way
  std::vector<bool> any_;
};

// A worker's word to the others of a new group about the state it has.
struct Claim {
  bool has_state = false;
  double rounds = 0;      // committed, of the state that it has or has staged
  int64_t placement = 0;  // the number of the one in force here
  int64_t staged = 0;     // of the one that is staged; 0: none
};

// The conclusion from all claims, equal on all ranks but for `adopt`.
struct Agreement {
  std::vector<bool> holds;  // by rank: has the run's state
  int root = -1;            // the first that does; −1: nobody
  double rounds = 0;        // the run's state is that after so many
  bool adopt = false;       // what is staged here is in force
};

// Draws the conclusion. A placement is in force as soon as everybody who has the run's state has at least staged it; nobody
// has moved on before.
Agreement agree(const std::vector<Claim>& claims, int rank);
// Collects all claims and agrees. Collective.
Agreement agree(Group& group, const Claim& mine);

// The placement of clients on workers, with their second copies. Clients move to the workers of a new group in two steps:
// what comes is staged beside the old, so that a worker lost on the way takes nothing with it that the old placement still
// has. It is put in force when everybody has staged it.
class ClientCopies {
 public:
  // copies: the next worker has a second copy of what a worker's clients keep.
  ClientCopies(int clients, bool copies) : clients_(clients), copies_(copies) {}

  int64_t number() const { return now_.number; }  // of the placement in force; 0: none yet
  int64_t staged() const { return next_.number; }
  double staged_rounds() const { return next_.rounds; }
  SecondCopy& second() { return now_.second; }

  // Returns true if every client's vectors are with one of the holders, given by id.
  bool complete(const std::set<int64_t>& holders) const;
  // Gets the vectors of the clients that are to live here from those who keep them. me: this worker's id if it is a holder,
  // else −1. Collective.
  ClientVectors fetch(Group& group, const Visit& visit, const std::set<int64_t>& holders, int64_t me) const;
  // Stages the placement `number` with `mine` here. Returns when everybody has. Collective.
  void stage(Group& group, int64_t number, std::vector<int64_t> workers, ClientVectors mine, double rounds);
  void adopt(const Visit& visit);  // puts in force what is staged
  void forget() { next_ = {}; }

 private:
  struct Placement {
    int64_t number = 0;
    std::vector<int64_t> workers;  // ids, by rank
    SecondCopy second;
    ClientVectors mine;  // only while it is staged
    double rounds = 0;   // committed when it was staged
  };
  int64_t keeper(size_t home, const std::set<int64_t>& holders) const;

  const int clients_;
  const bool copies_;
  Placement now_, next_;  // number 0: none
};

}  // namespace tacet
