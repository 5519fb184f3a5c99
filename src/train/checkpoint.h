// Complete checkpoints: everything that lives across rounds, keyed by client and never by rank, so that a run continues
// bitwise on any number of workers. Format: docs/reference/checkpoint-format.md. Collected at a round's boundary, written
// beside the training by a thread of rank 0: to a side folder, synced, renamed, with checksums. Only rank 0 touches files.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tacet/group.h"
#include "train/state_codec.h"

namespace tacet {

class CheckpointWriter {
 public:
  // Keeps the last `keep` ≥ 1 checkpoints of `folder`: checkpoint/, and older ones as checkpoint-ROUND/.
  CheckpointWriter(std::string folder, int keep);
  ~CheckpointWriter() { wait(); }
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Makes this process the one that writes here, where several may, one after the other. Removes what another one has not
  // finished, so that its write fails. Puts in place what this one writes only if `holds_lease` still says so then; it is
  // called from another thread. `name` differs from those of the other processes.
  void acquire(const std::string& name, std::function<bool()> holds_lease);

  // Waits for the write before, copies the state that `visit` shows from all ranks to rank 0, and returns while that is
  // being written. `round` is the number of finished rounds. Collective.
  void save(int64_t round, Group& group, int clients, const Visit& visit);
  // Waits until nothing is being written.
  void wait();
  // Returns what went wrong with finished writes since the last call, for people; empty: nothing. Whatever goes wrong leaves
  // the older checkpoints as they were. Does not wait.
  std::string trouble();

 private:
  struct Outcome;
  const std::string folder_;
  const int keep_;
  std::string side_;                   // the folder's checkpoint.part…, of this process alone
  std::function<bool()> holds_lease_;  // null: nobody else writes
  bool first_ = true;                  // nothing written yet: what lies in the folder is somebody else's work
  std::thread thread_;
  std::shared_ptr<Outcome> outcome_;  // of the last write
};

// Restores what `visit` shows from the newest checkpoint that is whole; each rank gets the state of the clients it hosts,
// from rank 0. Returns a line for each newer one that was passed over because it is damaged; the next write removes those.
// Collective: throws UserError on every rank when none is whole, or it is another run's.
std::vector<std::string> load_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit);

// Returns true if the folder has something that looks like a checkpoint, whole or not.
bool has_checkpoint(const std::string& folder);

}  // namespace tacet
