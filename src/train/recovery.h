// What makes a round a transaction, and what lets a run go on without a worker: the state to go back to, clients' state on
// its way from worker to worker, and a second copy of it on another worker. It moves state and knows neither loop nor files.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tacet/algorithm.h"
#include "tacet/group.h"
#include "train/checkpoint.h"

namespace tacet {

// By client: its vector of every per-client state, in the order in which they are shown; undefined where it has none.
using ClientVectors = std::map<int, std::vector<Vec>>;

// Copies of the vectors of the given clients.
ClientVectors copy_clients(const Visit& visit, const std::set<int>& clients);
// Makes the vectors of the clients in `vectors` what they are there. `only`: nobody else has any from now on.
void put_clients(const Visit& visit, const ClientVectors& vectors, bool only);
std::string pack(const ClientVectors& vectors);
// The same of the clients' own vectors, into memory that is kept from round to round.
void pack_clients(const Visit& visit, const std::set<int>& clients, std::string& bytes);
ClientVectors unpack(const std::string& bytes);

// What is the same on every rank: numbers, and global vectors.
std::string pack_numbers(const Visit& visit);
void unpack_numbers(const Visit& visit, const std::string& bytes);
std::string pack_globals(const Visit& visit);
void unpack_globals(const Visit& visit, const std::string& bytes);

// Everything that a round changes, as it was before. Keeps x itself, and copies of the method's global vectors and of the
// vectors of the clients that have had a turn.
class RoundBackup {
 public:
  void begin(const Visit& visit);
  void before(int client);   // its vectors are about to change; the first call counts. Safe from several threads
  void restore(int client);  // back to what it was before its turn
  std::set<int> touched() const;
  void roll_back(const Visit& visit);

 private:
  std::map<std::string, double> numbers_;
  std::map<std::string, Vec> globals_, values_;  // copies; references
  std::vector<PerClient*> states_;
  ClientVectors clients_;
  ClientVectors spare_;  // memory of the last round's copies
  std::mutex mutex_;
};

// Bytes to every rank, and what they sent here, by rank. Collective.
std::vector<std::string> swap_bytes(Group& group, std::vector<std::string> to);

// A few floats of every rank, by rank: the smallest exchange there is, after which everybody has come this far. Collective;
// all send the same number of floats.
std::vector<std::vector<float>> swap_floats(Group& group, const std::vector<float>& mine);

// The second copy: after each round the next rank is sent the vectors of the clients that changed. Kept is what has been
// committed; what came last waits until the round is.
class SecondCopy {
 public:
  // Forgets all, and gets all of the clients of the rank before. Collective.
  void renew(Group& group, const ClientVectors& mine);
  // Collective; `sizes`: bytes of each rank's `mine`, known to all. `mine` is used up.
  void receive(Group& group, std::string& mine, const std::vector<int64_t>& sizes);
  void commit();
  void drop() { staged_.clear(); }
  const ClientVectors& clients() const { return kept_; }
  // Whether a rank has ever had any: what is lost with it, if its copy is lost as well.
  bool had_any(int rank) const { return any_.at(static_cast<size_t>(rank)); }

 private:
  ClientVectors kept_;
  std::string staged_, coming_;  // packed: what came last; what is under way
  std::vector<bool> any_;
};

// What a worker of a new group tells the others about the state it has.
struct Claim {
  bool has_state = false;
  double rounds = 0;      // committed, of the state that it has or has staged
  int64_t placement = 0;  // the number of the one in force here
  int64_t staged = 0;     // of the one that is staged; 0: none
};

// What follows from all claims, the same on every rank but for `adopt`.
struct Agreement {
  std::vector<bool> holds;  // by rank: has the run's state
  int root = -1;            // the first that does; −1: nobody
  double rounds = 0;        // the run's state is that after so many
  bool adopt = false;       // what is staged here is in force
};

// A placement is in force as soon as everybody who has the run's state has at least staged it; nobody has moved on before.
Agreement agree(const std::vector<Claim>& claims, int rank);
// Collective.
Agreement agree(Group& group, const Claim& mine);

// Which worker each client lives with, and the second copies. Clients move to the workers of a new group in two steps: what
// comes is staged beside the old, so that a worker lost on the way takes nothing with it that the old placement still has,
// and is put in force when everybody has staged it.
class ClientCopies {
 public:
  // copies: the next worker has a second copy of what a worker's clients keep.
  ClientCopies(int clients, bool copies) : clients_(clients), copies_(copies) {}

  int64_t number() const { return now_.number; }  // of the placement in force; 0: none yet
  int64_t staged() const { return next_.number; }
  double staged_rounds() const { return next_.rounds; }
  SecondCopy& second() { return now_.second; }

  // Whether every client's vectors are with one of the holders, given by id.
  bool complete(const std::set<int64_t>& holders) const;
  // Collective: the vectors of the clients that are to live here, from those who keep them. me: this worker's id if it is a
  // holder, else −1.
  ClientVectors fetch(Group& group, const Visit& visit, const std::set<int64_t>& holders, int64_t me) const;
  // Collective: stages the placement `number` with `mine` here. Returns when everybody has.
  void stage(Group& group, int64_t number, std::vector<int64_t> workers, ClientVectors mine, double rounds);
  void adopt(const Visit& visit);  // what is staged
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
