// Worker processes for tests. Each is a fork of the test program, made before that has any thread, which joins a gloo group,
// does one job and reports in one text. Their rendezvous is a process of its own, as under the launcher.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

using Job = std::function<std::string(Group&)>;
using Change = std::function<void(GlooOptions&)>;  // of what a worker joins with

// Who serves the rendezvous: a process with our StoreServer, worker 0, or a process with c10d's TCPStore, as torchrun's
// agent. TCPStore listens on all interfaces, so a test calls own_network() first.
enum class Host { kTacet, kWorkerZero, kTcpStore };

// The host that a worker takes itself to be on, given its rank; workers of one host share memory. Without it none do.
using HostOf = std::function<std::string(int rank)>;
inline std::string one_host(int) { return "here"; }
inline std::string two_hosts(int rank) { return rank < 2 ? "here" : "there"; }

// Moves the test program into a network of its own, with nothing but a loopback interface. Says why when that can't be done.
std::string own_network();

class Workers {
 public:
  explicit Workers(double timeout_seconds = 30, Host host = Host::kTacet, HostOf host_of = {});
  ~Workers();  // kills all that are left
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Starts worker `rank` of `size`.
  void start(int rank, int size, const Job& job, const Change& change = {});
  void start_all(int size, const Job& job, const Change& change = {});

  // Waits for the end of a worker and returns what the job returned, or "lost R: text" for PeerLost, "user error: text",
  // "error: text", "killed by signal S", "hung" when it did not end within a minute.
  std::string said(int rank);
  std::vector<std::string> all_said();

  int port() const { return port_; }

 private:
  struct Process {
    pid_t pid = -1;
    int pipe = -1;
  };
  const double timeout_seconds_;
  const Host host_kind_;
  const HostOf host_of_;
  int port_ = 0;
  pid_t host_ = -1;
  std::map<int, Process> processes_;
};

// A job's plan: how many floats each piece has, by sender and receiver. Empty on the diagonal.
using Plan = std::vector<std::vector<std::vector<int>>>;

// Sends and checks all pieces of a plan. Returns "ok", or what arrived wrong.
std::string carry_out(Group& group, const Plan& plan);

}  // namespace tacet
