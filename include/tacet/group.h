// The workers of a run, as far as an exchange of data needs to know them. Backends live in src/comm, one folder each: single
// (one worker, nothing to send), threads (tests), gloo (c10d), shared (memory of one host). A Group knows no model, client
// or algorithm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace tacet {

struct PeerLost;

// A piece of memory to send or to fill, borrowed for the duration of the call.
struct Piece {
  std::byte* data = nullptr;
  int64_t bytes = 0;  // 0 is allowed and sends nothing

  Piece() = default;
  // Takes `count` plain values that lie one behind the other.
  template <class T>
  Piece(T* first, int64_t count)
      : data(reinterpret_cast<std::byte*>(first)), bytes(count * static_cast<int64_t>(sizeof(T))) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_const_v<T>);
  }
};

class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;  // 0 … size()−1
  virtual int size() const = 0;  // ≥ 1
  // Sends every piece of to[q] to rank q and fills every piece of from[q] with what rank q sent here, for all q at once.
  // Returns when all sends and receives of this rank are done. Throws PeerLost within the group's time limit when a worker
  // fails or stays silent. Typed collectives are built on it (comm/collectives.h).
  // REQUIRES: every rank calls it, in the same order; to and from have size() entries, empty for the own rank; the k-th
  // piece sent from p to q is as long as the k-th piece expected.
  virtual void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) = 0;
  // Returns the payload bytes that this rank has sent so far.
  virtual int64_t bytes_sent() const = 0;
  virtual std::string backend() const = 0;  // "single", "threads", "gloo", "shared", "shared+gloo"
  // Returns the host of each rank: ranks with equal numbers exchange at little cost. By default all are alone.
  virtual std::vector<int> hosts() const;
  // Tells the others that a worker is lost, or silent for too long, as if this group had found it. Returns the exception to
  // throw, with the rank that all agree on. A group that is built on this one calls it. `how` follows "worker 3 ".
  virtual PeerLost lost(int rank, const std::string& how, bool silent);
};

// Returns the group of one worker.
std::unique_ptr<Group> single_group();

// Returns the endpoints of several workers inside one process, for tests. Endpoint r must be used by one thread only. An
// endpoint that is destroyed early makes the others' exchanges throw PeerLost instead of waiting for the time limit.
std::vector<std::unique_ptr<Group>> thread_groups(int size, double timeout_seconds = 60);

struct GlooOptions {
  int rank = 0;
  int size = 1;
  // The rendezvous' address and port. Rank 0 serves it there unless it is `hosted`.
  std::string address = "127.0.0.1";
  int port = 0;
  std::string interface_address = "127.0.0.1";  // this rank's own address, the only one it listens on
  double timeout_seconds = 60;                  // limit of every wait
  bool hosted = false;                          // the launcher or torchrun's agent serves the rendezvous
  // Kind of the rendezvous: "tacet", or "tcpstore" for c10d's, as torchrun hosts it. The latter must be `hosted`, because
  // c10d's own server listens on all interfaces.
  std::string store = "tacet";
  std::string token;  // secret that every rank must prove to know and that is never sent; empty: nobody is asked
  int run = 0;        // number, from 1, of one run among several at one rendezvous, the same on every rank; 0: the only one
};

// Returns the group of workers that are connected by c10d's ProcessGroupGloo. Throws PeerLost when not all ranks come in
// time.
std::unique_ptr<Group> gloo_group(const GlooOptions& options);

struct SharedOptions {
  double timeout_seconds = 60;  // limit of every wait
  std::string host;             // ranks that give equal names share memory; empty: the machine's own name
  bool required = false;  // throw UserError where ranks of one host can't share memory, instead of leaving them to `group`
};

// Returns a group of the workers of `group` in which those of one host exchange through memory that they share (Linux:
// memfd, which has no name and goes with its last process). `group` carries the rest. It is returned as it is where there is
// nothing to share. Collective.
std::unique_ptr<Group> share_memory(std::unique_ptr<Group> group, const SharedOptions& options);

// Returns the bytes of every rank, in rank order, on all ranks. At most 4 GiB a rank. Collective.
std::vector<std::string> all_gather_bytes(Group& group, const std::string& mine);
// Returns `mine` of every rank, in rank order, on all ranks, bit for bit. Collective.
std::vector<double> all_gather(Group& group, const std::vector<double>& mine);

}  // namespace tacet
