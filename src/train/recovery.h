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
ClientVectors unpack(const std::string& bytes);

// What is the same on every rank: numbers, and global vectors.
std::string pack_numbers(const Visit& visit);
void unpack_numbers(const Visit& visit, const std::string& bytes);
std::string pack_globals(const Visit& visit);
void unpack_globals(const Visit& visit, const std::string& bytes);

// Everything that a round changes, as it was before. Costs one copy of x, of the method's global vectors, and of the vectors
// of the clients that have had a turn.
class Undo {
 public:
  void begin(const Visit& visit);
  void before(int client);  // its vectors are about to change; the first call counts. Safe from several threads
  std::set<int> touched() const;
  void roll_back(const Visit& visit);

 private:
  std::map<std::string, double> numbers_;
  std::map<std::string, Vec> globals_;
  std::vector<PerClient*> states_;
  ClientVectors clients_;
  std::mutex mutex_;
};

// Bytes to every rank, and what they sent here, by rank. Collective.
std::vector<std::string> swap_bytes(Group& group, std::vector<std::string> to);

// A few floats of every rank, by rank: the smallest exchange there is, after which everybody has come this far. Collective;
// all send the same number of floats.
std::vector<std::vector<float>> swap_floats(Group& group, const std::vector<float>& mine);

// The second copy: after each round the next rank is sent the vectors of the clients that changed. Kept is what has been
// committed; what came last waits until the round is.
class Replica {
 public:
  // Forgets all, and gets all of the clients of the rank before. Collective.
  void renew(Group& group, const ClientVectors& mine);
  // Collective; `sizes`: bytes of each rank's `mine`, known to all.
  void receive(Group& group, const std::string& mine, const std::vector<int64_t>& sizes);
  void commit();
  void drop() { staged_.clear(); }
  const ClientVectors& clients() const { return kept_; }
  // Whether a rank has ever had any: what is lost with it, if its copy is lost as well.
  bool had_any(int rank) const { return any_.at(static_cast<size_t>(rank)); }

 private:
  ClientVectors kept_, staged_;
  std::vector<bool> any_;
};

}  // namespace tacet
