// Mini-batches of clients that hold sets of examples: which examples each client's next batch has. What an example is, and
// how examples become tensors, is the caller's business.
#pragma once

#include <cstdint>
#include <vector>

#include "tacet/algorithm.h"

namespace tacet {

// Each client goes through its own examples in passes. A pass has a shuffled order of its own, from
// Stream(seed, client, Purpose::shuffle, pass, 0); its last batch holds what is left, so that every example is seen once a
// pass. Different clients may be used from different threads at once; one client may not.
class ClientBatches {
 public:
  // clients: each client's examples, at least one. batch_size ≥ 1.
  ClientBatches(std::vector<std::vector<int64_t>> clients, int64_t batch_size);

  // The examples of draw.client's next batch, 1 … batch_size of them; moves its position on.
  std::vector<int64_t> next(const Draw& draw);

  int64_t examples() const { return examples_; }  // of all clients
  double client_weight(int client) const;         // its examples / the mean over all clients

  // Shows the position of every client that has drawn a batch, under the name "position".
  void state(StateVisitor& visitor);

 private:
  struct Position {
    int64_t pass = 0, offset = 0;
    int64_t ordered_pass = -1;   // the pass that `order` belongs to: not part of the state, a function of the pass
    std::vector<int64_t> order;  // of this pass
  };
  std::vector<std::vector<int64_t>> clients_;
  std::vector<Position> positions_;
  PerClient saved_;
  int64_t batch_size_, examples_ = 0;
};

}  // namespace tacet
