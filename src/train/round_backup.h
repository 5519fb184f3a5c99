// Implements round rollback by a copy of everything that a round changes. The loop and other workers are not known here.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "train/state_codec.h"

namespace tacet {

// The state that a round changes, as it was before. It keeps x itself, and copies of the method's global vectors and of the
// vectors of the clients that have had a turn.
class RoundBackup {
 public:
  void begin(const Visit& visit);
  // Keeps the client's vectors, which are about to change. The first call of a round counts. Several threads may call it.
  void before(int client);
  // Puts back the client's vectors from before its turn.
  void restore(int client);
  // Returns the clients that have had a turn.
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

}  // namespace tacet
