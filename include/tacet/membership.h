// The workers of a run, as they are lost and join. Time is cut into terms: a term is a list of workers that is
// written down at the rendezvous once, for good, and a group of connections among exactly these. A term ends when one of
// its workers is gone or when a new one asks to join; whoever then comes to the next term in time is in it. A worker that
// was taken for lost and wakes up again finds its term over and rejoins as a new one. Nothing here knows what is trained, or
// who starts processes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

// Keys by which the launcher and the workers talk at the rendezvous.
inline constexpr const char* kRunIsDone = "tacet/done";            // set by the workers: nobody needs to join any more
inline constexpr const char* kNobodyComes = "tacet/nobody-comes";  // set by the launcher: it starts no more workers

struct MembershipOptions {
  GlooOptions place;              // as for gloo_group; rank and size are those at the start of the run
  std::string exchange = "auto";  // run.exchange: "gloo" connects only, "shared" insists on shared memory within a host
  int min_workers = 1;            // a term of fewer waits for others, up to place.timeout_seconds
};

class Membership {
 public:
  // Connects to the rendezvous, which somebody else hosts (options.place.hosted). Throws PeerLost when there is none in
  // time.
  explicit Membership(const MembershipOptions& options);
  virtual ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Ends the term this worker is in, if any, and forms the next one; null when the run has ended meanwhile. The first term
  // has all `size` workers. A later one has those of the last term that are left, in their order, and the new ones behind
  // them. A worker that is gone is known by its closed connection; one that is silent is waited for 2 s; one that still
  // computes, at most the time limit. A new worker waits until the term under way ends. Throws PeerLost when workers do not
  // come in time or the rendezvous is gone, UserError when RANK or WORLD_SIZE do not fit.
  virtual std::unique_ptr<Group> form();

  struct Worker {
    int64_t id;  // of this worker since it came: never used twice in a run
    int number;  // its rank when the run was started
  };
  const std::vector<Worker>& workers() const;  // of the term, by rank
  int64_t term() const;                        // 1, 2, …
  int min_workers() const;
  // Returns who of the term before is not in this one, and why: "worker 2 is gone".
  const std::vector<std::string>& losses() const;

  const std::atomic<bool>& broken() const;  // set as soon as the term is known to be over
  bool someone_waits() const;               // a new worker waits for the end of the term
  // Returns true as long as no later term than `term`, this worker's when it is called, has been decided upon: its workers
  // then hold the lease of the run's folder. Asks the rendezvous, from any thread. False as well when that is gone.
  bool holds_lease(int64_t term) const;
  void finish();          // the run is done
  bool stranded() const;  // was in a term, but could not form the next one: starting anew may help

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tacet
