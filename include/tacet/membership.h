// The workers of a run, as they are lost and join. A run is cut into terms. A term is a list of workers that is written down
// at the rendezvous once, for good, and a group of connections among exactly these. It ends when one of its workers is lost
// or a new one asks to join. All workers that then come in time are in the next term. A worker that was taken for lost and
// wakes up finds its term over and rejoins as a new one. Nothing here knows the model, or starts workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

// The key by which the launcher tells the workers of all runs at its rendezvous that it starts no more of them.
inline constexpr const char* kNobodyComes = "tacet/nobody-comes";

struct MembershipOptions {
  GlooOptions place;              // as for gloo_group, with rank and size at the start of the run
  std::string exchange = "auto";  // run.exchange: "gloo" connects only, "shared" insists on shared memory within a host
  int min_workers = 1;            // ≥ 1; a term of fewer waits for others, up to place.timeout_seconds
};

class Membership {
 public:
  // Connects to the rendezvous, which the launcher serves (options.place.hosted). Throws PeerLost when there is none in
  // time.
  explicit Membership(const MembershipOptions& options);
  virtual ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Ends this worker's term, if it has one, and forms the next one. Returns null when the run has ended meanwhile, or all of
  // its workers have come to one of a higher number (options.place.run), as after an error that a script catches. The first
  // term has all `size` workers. A later one has those that are left of the last term, in their order, and the new ones
  // behind them. A lost worker is known by its closed connection. A silent one is waited for 2 s, one that still computes at
  // most the time limit. A new worker waits until the term under way ends. Throws PeerLost when workers do not come in time,
  // none of the term under way hears of a new one in time, or the rendezvous is gone, UserError when RANK or WORLD_SIZE do
  // not fit.
  virtual std::unique_ptr<Group> form();

  struct Worker {
    int64_t id;  // unique in the run: a worker that rejoins gets a new one
    int number;  // rank at the start of the run
  };
  const std::vector<Worker>& workers() const;  // the term's, by rank
  int64_t term() const;                        // number of the term: 1, 2, …
  int min_workers() const;
  // Returns a line for each worker of the term before that is not in this one: "worker 2 is gone".
  const std::vector<std::string>& losses() const;

  const std::atomic<bool>& broken() const;  // true as soon as the term is known to be over
  bool someone_waits() const;               // true while a new worker waits for the end of the term
  // Returns true if no later term than `term` has been decided. The term's leader then holds the lease of the run's folder.
  // Asks the rendezvous, and may be called from any thread. Returns false as well when the rendezvous is gone.
  bool holds_lease(int64_t term) const;
  void finish();          // tells all that the run is done
  bool stranded() const;  // true if this worker was in a term but could not form the next one; a fresh start may help

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tacet
