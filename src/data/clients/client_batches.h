// The samples of a client's next mini-batch, for any data of separate samples (images, sentences). The owner of a sample is
// decided in partition.h. Samples are numbers here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "data/clients/partition.h"
#include "tacet/algorithm.h"

namespace tacet {

// A client reads its samples in passes: each pass is a new shuffle, keyed by the seed, the client and the pass alone. Passes
// follow each other without a gap, so that every batch is full: one that meets the end of a pass goes on with the next one,
// and a client with fewer samples than a batch has holds some of them several times.
class ClientBatches {
 public:
  // Shares that stay: a client goes on where it stopped, however long ago.
  ClientBatches(Shares shares, int64_t batch_size);
  // One share that all clients have, each in an order of its own. An epoch is one pass over it by all jointly.
  static ClientBatches shared(std::vector<int32_t> samples, int clients, int64_t batch_size);
  // Shares dealt anew in every round: a client starts with a fresh pass in each round. The function is asked for the shares
  // of each round at most once in a row; clients that have none in a round must not draw in it.
  using Deal = std::function<Shares(int64_t round)>;
  ClientBatches(Deal deal, int clients, int64_t samples, int64_t batch_size);

  // The samples of draw.client's next batch; moves its position on.
  std::vector<int32_t> next(const BatchKey& draw);
  // Returns the samples that next() would return, without moving on. Returns nothing where a later round decides.
  std::vector<int32_t> peek(const BatchKey& draw);

  // Returns the client's pass in a round. Its samples are 0 where it gets none in that round.
  ClientPass pass(int client, int64_t round);

  int64_t samples() const { return samples_; }  // all clients' together
  double client_weight(int client) const;       // its samples / the mean of all clients; 1 when dealt anew in every round

  // Shows the position of every client that has drawn, under the name "position": all that lives across batches. Nothing
  // does when shares are dealt anew in every round.
  void state(StateVisitor& visitor);
  struct Position {
    int64_t pass = 0, offset = 0;
    bool operator==(const Position&) const = default;
  };
  // Returns the client's position, which is that of the begin where it has not drawn.
  Position position(int client);
  void move_to(int client, Position position);
  bool nobody_has_drawn() { return positions_.all().empty(); }
  // Returns the number of shuffles in memory: one a client that has drawn, but of a share that all have at most 64 MiB,
  // or 4.
  size_t shuffles() const { return orders_.size(); }

 private:
  ClientBatches(int64_t batch_size, std::vector<int32_t> common);
  struct Order {
    int client = -1;
    int64_t round = -1, pass = -1;
    std::vector<int32_t> samples;
  };
  const std::vector<int32_t>& order(const BatchKey& draw, int64_t pass);
  const std::vector<int32_t>& share(int client) const { return shares_.at(common_ ? 0 : static_cast<size_t>(client)); }
  void deal_for(int64_t round);

  Deal deal_;
  Shares shares_;
  bool common_ = false;    // the only share is every client's
  int most_shuffles_ = 0;  // of such a share
  int64_t dealt_round_ = -1, samples_ = 0, batch_size_;
  PerClient positions_;  // pass and offset as int64; only of clients that have drawn
  // The shuffle under way of each client. Of a share that all have, clients take turns in a few places: the steps of a
  // client follow each other, and a shuffle that was forgotten is made again.
  std::map<int, Order> orders_;
};

}  // namespace tacet
