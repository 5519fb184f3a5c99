// Implements client-state replication. Each client's vectors are on its own worker and, as a second copy, on the next one.
// The workers of a new group agree here on the run's state. The loop and files are not known here.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tacet/group.h"
#include "train/state_codec.h"

namespace tacet {

// The second copy of clients' vectors. After each round a rank sends the next one the vectors that changed. It keeps the
// committed vectors, and beside them the last ones that came, until their round is committed.
class SecondCopy {
 public:
  // Forgets all vectors, and gets those of all clients of the rank before. Collective.
  void renew(Group& group, const ClientVectors& mine);
  // Sends `mine` to the next rank and stages the vectors of the rank before. `sizes` has the bytes of each rank's `mine`.
  // Uses up `mine`. Collective.
  void receive(Group& group, std::string& mine, const std::vector<int64_t>& sizes);
  void commit();
  void drop() { staged_.clear(); }
  const ClientVectors& clients() const { return kept_; }
  // Returns true if a rank has ever had any vectors. They are lost when both the rank and its copy are.
  bool had_any(int rank) const { return any_.at(static_cast<size_t>(rank)); }

 private:
  ClientVectors kept_;
  std::string staged_, coming_;  // packed vectors: the last ones that came; those under way
  std::vector<bool> any_;
};

// A worker's message to the others of a new group about its state.
struct Claim {
  bool has_state = false;
  double rounds = 0;      // committed rounds of the state that it has or has staged
  int64_t placement = 0;  // number of the placement in force here
  int64_t staged = 0;     // number of the staged placement; 0: none
};

// The conclusion from all claims, equal on all ranks but for `adopt`.
struct Agreement {
  std::vector<bool> holds;  // by rank: true if it has the run's state
  int root = -1;            // first rank that has it; −1: none
  double rounds = 0;        // committed rounds of the run's state
  bool adopt = false;       // this rank's staged placement is in force
};

// Draws the conclusion from all claims. A placement is in force as soon as all workers that have the run's state have at
// least staged it. No worker moves on before.
Agreement agree(const std::vector<Claim>& claims, int rank);
// Collects all claims and agrees. Collective.
Agreement agree(Group& group, const Claim& mine);

// The placement of clients on workers, with their second copies. Clients move to the workers of a new group in two steps.
// The new placement is staged beside the old one, so that the loss of a worker on the way leaves the old one whole. It is
// put in force when all have staged it.
class ClientCopies {
 public:
  // `copies` says that the next worker has a second copy of a worker's clients' vectors.
  ClientCopies(int clients, bool copies) : clients_(clients), copies_(copies) {}

  int64_t number() const { return now_.number; }  // the placement in force; 0: none yet
  int64_t staged() const { return next_.number; }
  double staged_rounds() const { return next_.rounds; }
  SecondCopy& second() { return now_.second; }

  // Returns true if one of the holders, given by id, has each client's vectors.
  bool complete(const std::set<int64_t>& holders) const;
  // Returns the vectors of the clients that will live here, from the workers that keep them. `me` is this worker's id if it
  // is a holder, else −1. Collective.
  ClientVectors fetch(Group& group, const Visit& visit, const std::set<int64_t>& holders, int64_t me) const;
  // Stages the placement `number` with `mine` here. Returns when all workers have done so. Collective.
  void stage(Group& group, int64_t number, std::vector<int64_t> workers, ClientVectors mine, double rounds);
  void adopt(const Visit& visit);  // puts the staged placement in force
  void forget() { next_ = {}; }

 private:
  struct Placement {
    int64_t number = 0;
    std::vector<int64_t> workers;  // ids, by rank
    SecondCopy second;
    ClientVectors mine;  // only while it is staged
    double rounds = 0;   // rounds committed when it was staged
  };
  int64_t keeper(size_t home, const std::set<int64_t>& holders) const;

  const int clients_;
  const bool copies_;
  Placement now_, next_;  // number 0: none
};

}  // namespace tacet
