// Complete checkpoints: everything that lives across rounds, keyed by client and never by rank, so that a run continues
// bitwise on any number of workers. The format is in docs/reference/checkpoint-format.md. State is collected at a round's
// boundary and written beside the training by a thread of rank 0: to a side folder, synced, renamed, with checksums. Only
// rank 0 touches files.
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
  // Keeps the last `keep` ≥ 1 checkpoints of `folder`: checkpoint/, and older ones as checkpoint-ROUND/. Each has a copy of
  // `data_record`, the text of data.json, unless that is empty.
  CheckpointWriter(std::string folder, int keep, std::string data_record = {});
  ~CheckpointWriter() { wait(); }
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Makes this worker the one that writes here, where several may, one after the other. Removes another one's unfinished
  // checkpoint, so that its write fails. From now on a checkpoint is put in place only if `holds_lease` returns true at that
  // time. It is called from another thread. `name` differs from those of the other workers.
  void acquire(const std::string& name, std::function<bool()> holds_lease);

  // Waits for the write before, copies the state that `visit` shows from all ranks to rank 0, and returns while it is being
  // written. `round` is the number of finished rounds. Collective.
  void save(int64_t round, Group& group, int clients, const Visit& visit);
  // Waits until nothing is being written.
  void wait();
  // Returns the errors of finished writes since the last call, for people; empty without any. A failed write leaves the
  // older checkpoints as they were. Does not wait.
  std::string trouble();

 private:
  struct Outcome;
  const std::string folder_;
  const int keep_;
  const std::string data_record_;
  std::string side_;                   // this worker's own checkpoint.part… in the folder
  std::function<bool()> holds_lease_;  // null: no other worker writes
  bool first_ = true;                  // nothing written yet, so a part in the folder is another worker's
  std::thread thread_;
  std::shared_ptr<Outcome> outcome_;  // the last write's
};

// Restores the state that `visit` shows from the newest whole checkpoint. Each rank gets its clients' state from rank 0.
// Returns a line for each newer checkpoint that is damaged and was passed over; the next write removes those. Throws
// UserError on every rank when none is whole, or it is another run's. Collective.
std::vector<std::string> load_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit);

// Returns true if the folder has a checkpoint, whole or damaged.
bool has_checkpoint(const std::string& folder);

}  // namespace tacet
