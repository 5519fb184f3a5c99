// The workers of a run, as far as an exchange of numbers needs to know them. Backends live in src/comm, one folder each:
// single (one process, nothing to send), threads (tests), gloo (c10d), shared (memory of one host). A Group knows no model,
// client or algorithm.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tacet {

struct PeerLost;

// A piece of memory to send or to fill. `data` is borrowed for the duration of the call.
struct Piece {
  float* data;
  int64_t size;  // floats; 0 is allowed and sends nothing
};

class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;  // 0 … size()−1
  virtual int size() const = 0;  // ≥ 1
  // Sends every piece of to[q] to rank q and fills every piece of from[q] with what rank q sent here, for all q at once.
  // to and from have size() entries; the entry of one's own rank must be empty. The k-th piece sent from p to q has
  // the size of the k-th piece expected. Collective: every rank calls it, in the same order. Returns when all of one's
  // own sends and receives are done. Throws PeerLost within the group's time limit when a peer fails or stays silent.
  virtual void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) = 0;
  // Payload bytes this rank has sent so far.
  virtual int64_t bytes_sent() const = 0;
  virtual std::string backend() const = 0;  // "single", "threads", "gloo", "shared", "shared+gloo"
  // The host of each rank: ranks with equal numbers exchange at little cost. Here: all are alone.
  virtual std::vector<int> hosts() const;
  // For a group built on this one that has found out by itself that a peer is lost, or silent for too long: tells the others
  // as if it had been found here, and returns what to throw, with the peer that all agree on. `how` follows "worker 3 ".
  virtual PeerLost lost(int peer, const std::string& how, bool silent);
};

// One process, no peers.
std::unique_ptr<Group> single_group();

// Several endpoints inside one process, one a thread, for tests: endpoint r must be used by one thread only.
// A member that is destroyed early makes the others' exchanges throw PeerLost instead of waiting for the time limit.
std::vector<std::unique_ptr<Group>> thread_groups(int size, double timeout_seconds = 60);

struct GlooOptions {
  int rank = 0;
  int size = 1;
  std::string address = "127.0.0.1";  // where the rendezvous is; rank 0 serves it there unless `hosted` says otherwise
  int port = 0;
  std::string interface_address = "127.0.0.1";  // this rank's own address: the only one it listens on
  double timeout_seconds = 60;                  // limit of every wait
  bool hosted = false;                          // true: somebody else already serves the rendezvous at address:port
  std::string store = "tacet";  // who that may be: "tacet" (src/comm/rendezvous/store.h) or "tcpstore" (c10d's, as torchrun
                                // hosts it; only with `hosted`, because c10d's own server listens on all interfaces)
  // A secret that every rank must prove to know before it is let in; it is never sent. Empty: nobody is asked.
  std::string token;
};

// Processes connected by c10d's ProcessGroupGloo. Throws PeerLost when not all ranks come in time.
std::unique_ptr<Group> gloo_group(const GlooOptions& options);

struct SharedOptions {
  double timeout_seconds = 60;  // limit of every wait
  // Whose ranks share memory: those that name the same host. Empty: what the machine itself is known by.
  std::string host;
  bool required = false;  // throw UserError where ranks of one host can't share memory, instead of leaving them to `group`
};

// The same workers, but those of one host exchange through memory that they share (Linux: memfd, which has no name and goes
// with its last process). `group` carries the rest, and it is returned as it is where there is nothing to share. Collective.
std::unique_ptr<Group> share_memory(std::unique_ptr<Group> group, const SharedOptions& options);

// Gathers `mine` of every rank, in rank order, on all ranks, bit for bit. Collective. Built on exchange.
std::vector<double> all_gather(Group& group, const std::vector<double>& mine);

}  // namespace tacet
