// The claim on a run's folder: a lock on a file in it, which the worker that writes there holds. Without it, two runs could
// choose one folder, and a resume could go on in the folder of a run that still lives. The system frees the lock of a
// process that ends, however it ends.
#pragma once

#include <string>

#include "base/files.h"
#include "tacet/error.h"

namespace tacet {

class Group;
struct TrainOptions;

inline constexpr const char* kClaimName = "run.lock";

// Returns the holder of a folder's claim for people, "process 7 on node1"; empty without one. Waits a little for a process
// that is ending.
std::string claimed_by(const std::string& folder);

// Returns the error of a folder that is claimed.
UserError in_use(const std::string& folder, const std::string& holder);

class RunClaim {
 public:
  // Borrows the options. Without a run folder nothing is claimed.
  explicit RunClaim(const TrainOptions& options) : options_(options) {}
  // Removes the file of the claim, and a folder in which nothing was written.
  ~RunClaim();
  RunClaim(const RunClaim&) = delete;
  RunClaim& operator=(const RunClaim&) = delete;

  // Makes rank 0 the holder. A leader of this run that was lost may still live and hold the claim, which then moves.
  // `begins` says that no worker has written yet, so that rank 0 checks the folder again: it was free when it was checked
  // before, but not claimed. Throws UserError on rank 0 if another run holds the claim. Collective.
  void settle(Group& group, bool begins);

 private:
  void take();
  bool take_free(const std::string& path);
  void take_from_lost_leader(const std::string& path);

  const TrainOptions& options_;
  std::string run_;  // a random name of the run, by which its workers know their own claim
  Fd file_;          // locked; none where this worker does not write, or the file system has no locks
  bool made_folder_ = false;
};

}  // namespace tacet
