// Claims on points: they decide which of several sweeps, also of several machines, runs a point. A claim is a file that only
// one process can create, and a heartbeat in it. A claim without a heartbeat is taken over by a file of the next number,
// which again only one process can create. Clocks of machines are never compared.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace tacet {

struct PointClaim {
  std::string point;  // the point's digest
  int number = 1;     // the file's number, one above that of a claim that was taken over
  bool taken_over = false;
};

class Claims {
 public:
  // `lost_after`: seconds without a heartbeat after which a claim is taken over, or those of its holder where they are more.
  // A claim of this machine is taken over when its process and its run have ended, then at once, and never before.
  Claims(std::string folder, double lost_after);

  // Returns a claim on the point, or nothing where another process has one. Throws UserError where files can't be written.
  std::optional<PointClaim> take(const std::string& point);
  // Renews a claim, and tells which process runs the point (0: none yet). Returns false if another process has taken it
  // over.
  bool beat(const PointClaim& claim, pid_t run);
  // Gives a claim back. One that another process has taken over stays with that process.
  void release(const PointClaim& claim);
  // Removes what a process that is gone has left of its claim on a point that is over.
  void clear(const std::string& point);

  // Returns the file of the recipe that the claim's run reads. It goes with the claim.
  std::string recipe(const PointClaim& claim) const;

  double beat_seconds() const { return lost_after_ / 6; }

 private:
  // The text of somebody else's claim, and since when it has not changed.
  struct Seen {
    int number = 0;
    std::string text;
    Clock::time_point since;
  };
  std::string file(const std::string& point, int number) const;
  int newest(const std::string& point) const;
  bool create(const std::string& point, int number);
  bool is_lost(const std::string& point, int number, std::string& text);
  bool is_own(const PointClaim& claim) const;
  void remove(const PointClaim& claim) const;
  std::string text(pid_t run);

  std::string folder_;
  double lost_after_;
  std::string place_, token_;
  int beats_ = 0;
  std::map<std::string, Seen> seen_;
};

}  // namespace tacet
