// States of a sweep's points, as the files in its folder tell them. Several sweeps of one folder, on several machines,
// read and write these files; who may run a point is decided in claims.h.
#pragma once

#include <string>
#include <vector>

#include "sweep/plan.h"

namespace tacet {

struct PointState {
  enum class Kind {
    open,      // never run, or begun and stopped
    done,      //
    diverged,  // would diverge again: it is run again only when asked to
    failed,    // ended otherwise: the next sweep tries again
  };
  Kind kind = Kind::open;
  std::string reason;  // why it has diverged or failed
};

// Returns "open", "done", "diverged" or "failed".
std::string state_name(PointState::Kind kind);

// The places of a sweep's files.
struct SweepFolder {
  std::string path;

  // Returns the folder of a point's run. A folder with the point's digest is the point's, whatever its name begins with.
  std::string run(const Point& point) const;
  std::string log(const Point& point) const;  // the run's output
  std::string failure(const Point& point) const;
  std::string claims() const;
};

// Writes a file whole, aside and then renamed. Several sweeps may do so at once, and the last one counts. Throws WriteError.
void write_shared(const std::string& path, const std::string& text);

PointState state_of(const SweepFolder& folder, const Point& point);
// Throws UserError where the run in a point's folder has another value of some key. Digests leave defaults out, so a default
// that was another one in the version that made the run is noticed here.
void require_same_values(const SweepFolder& folder, const Point& point);
// Writes how a point has ended, where it is not done. Throws WriteError.
void keep_failure(const SweepFolder& folder, const Point& point, const PointState& state);
void forget_failure(const SweepFolder& folder, const Point& point);

// Moves a run's folder aside if a run can neither begin nor go on in it, because it was killed before its first line or
// between its model and its summary. Nothing is deleted. Returns true if it was moved.
bool move_stuck_run(const SweepFolder& folder, const Point& point);

// Makes the sweep's folders and compares the plan with the one that the folder was begun with: apart from axes both must
// have the same recipe. Throws UserError that names the key.
void open_sweep_folder(const SweepFolder& folder, const SweepPlan& plan);
// Throws UserError where a sweep of the plan that runs these points would refuse the folder. Nothing is written.
void require_sweep_folder(const SweepFolder& folder, const SweepPlan& plan, const std::vector<Point>& points);

}  // namespace tacet
