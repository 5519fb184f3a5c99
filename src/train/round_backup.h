// Implements round rollback: a copy of everything that a round changes. Knows neither the loop nor other workers.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "train/state_codec.h"

namespace tacet {

// Everything that a round changes, as it was before. Keeps x itself, and copies of the method's global vectors and of the
// vectors of the clients that have had a turn.
class RoundBackup {
 public:
  void begin(const Visit& visit);
  // Keeps the client's vectors, which are about to change; the first call counts. Safe from several threads.
  void before(int client);
  // Puts back what the client was before its turn.
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
