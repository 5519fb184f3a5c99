#include "comm/workers.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "comm/gloo/c10d_version.h"
#include "comm/rendezvous/store.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr int kHangMilliseconds = 60000;

[[noreturn]] void host(Host kind, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::unique_ptr<StoreServer> ours;
  c10::intrusive_ptr<c10d::TCPStore> theirs;
  if (kind == Host::kTacet) {
    ours = std::make_unique<StoreServer>("127.0.0.1", 0);
  } else {
    c10d::TCPStoreOptions options;
    options.port = 0;
    options.isServer = true;
    options.waitWorkers = false;
    without_libuv(options);
    theirs = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  }
  const int port = ours ? ours->port() : theirs->getPort();
  if (::write(pipe, &port, sizeof port) != sizeof port) ::_exit(1);
  for (;;) ::pause();
}

// A port that was free a moment ago.
int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("no free port");
  }
  ::close(fd);
  return ntohs(address.sin_port);
}

std::string outcome(const GlooOptions& options, const HostOf& host_of, const Job& job) {
  try {
    auto group = gloo_group(options);
    if (host_of) {
      SharedOptions shared;
      shared.timeout_seconds = options.timeout_seconds;
      shared.host = host_of(options.rank);
      shared.required = true;
      group = share_memory(std::move(group), shared);
    }
    return job(*group);
  } catch (const PeerLost& e) {
    return "lost " + std::to_string(e.rank) + ": " + e.what();
  } catch (const UserError& e) {
    return std::string("user error: ") + e.what();
  } catch (const std::exception& e) {
    return std::string("error: ") + e.what();
  }
}

// Small whole numbers that differ between all neighbours of a float, so that a piece in the wrong place shows.
float value(int from, int to, size_t piece, int64_t i) {
  return static_cast<float>(((from * 8 + to) * 16 + static_cast<int>(piece % 16)) * 8192 + i % 8191);
}

constexpr float kGuard = -7;

}  // namespace

std::string own_network() {
  if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return std::string("no network namespaces here: ") + std::strerror(errno);
  }
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = ::ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
  ::close(fd);
  return up ? "" : std::string("the loopback interface can't be started: ") + std::strerror(errno);
}

Workers::Workers(double timeout_seconds, Host kind, HostOf host_of)
    : timeout_seconds_(timeout_seconds), host_kind_(kind), host_of_(std::move(host_of)) {
  if (kind == Host::kWorkerZero) {
    port_ = free_port();
    return;
  }
  int ends[2];
  if (::pipe(ends) != 0 || (host_ = ::fork()) < 0) throw std::runtime_error("can't fork");
  if (host_ == 0) host(kind, ends[1]);
  ::close(ends[1]);
  if (::read(ends[0], &port_, sizeof port_) != sizeof port_) throw std::runtime_error("the host of the rendezvous failed");
  ::close(ends[0]);
}

Workers::~Workers() {
  for (auto& [rank, process] : processes_) {
    if (process.pid < 0) continue;
    ::kill(process.pid, SIGKILL);
    ::waitpid(process.pid, nullptr, 0);
    ::close(process.pipe);
  }
  if (host_ < 0) return;
  ::kill(host_, SIGKILL);
  ::waitpid(host_, nullptr, 0);
}

void Workers::start(int rank, int size, const Job& job, const Change& change) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  GlooOptions options;
  options.rank = rank;
  options.size = size;
  options.port = port_;
  options.timeout_seconds = timeout_seconds_;
  options.hosted = host_kind_ != Host::kWorkerZero;
  options.store = host_kind_ == Host::kTcpStore ? "tcpstore" : "tacet";
  if (change) change(options);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("can't fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    const std::string text = outcome(options, host_of_, job);
    const bool told = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  processes_[rank] = {pid, ends[0]};
}

void Workers::start_all(int size, const Job& job, const Change& change) {
  for (int r = 0; r < size; ++r) start(r, size, job, change);
}

std::string Workers::said(int rank) {
  Process& process = processes_.at(rank);
  std::string text;
  for (;;) {
    pollfd polled{process.pipe, POLLIN, 0};
    if (::poll(&polled, 1, kHangMilliseconds) == 0) return "hung";  // the destructor ends it
    char bytes[4096];
    const ssize_t n = ::read(process.pipe, bytes, sizeof bytes);
    if (n <= 0) break;
    text.append(bytes, n);
  }
  int status = 0;
  ::waitpid(process.pid, &status, 0);
  ::close(process.pipe);
  process = {};
  return WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status)) : text;
}

std::vector<std::string> Workers::all_said() {
  std::vector<std::string> all;
  for (const auto& [rank, process] : processes_) all.push_back(said(rank));
  return all;
}

std::string carry_out(Group& group, const Plan& plan) {
  const int me = group.rank(), n = group.size();
  // Every piece to receive has a guard before and behind it.
  std::vector<std::vector<std::vector<float>>> out(n), in(n);
  std::vector<std::vector<Piece>> to(n), from(n);
  int64_t floats = 0;
  for (int q = 0; q < n; ++q) {
    for (size_t k = 0; k < plan[me][q].size(); ++k) {
      auto& piece = out[q].emplace_back(plan[me][q][k] + 2, kGuard);
      for (int i = 0; i < plan[me][q][k]; ++i) piece[i + 1] = value(me, q, k, i);
      floats += plan[me][q][k];
    }
    for (const int size : plan[q][me]) in[q].emplace_back(size + 2, kGuard);
    for (auto& piece : out[q]) to[q].push_back({piece.data() + 1, static_cast<int64_t>(piece.size()) - 2});
    for (auto& piece : in[q]) from[q].push_back({piece.data() + 1, static_cast<int64_t>(piece.size()) - 2});
  }
  const int64_t before = group.bytes_sent();
  group.exchange(to, from);
  if (group.bytes_sent() - before != floats * 4) {
    return "bytes_sent grew by " + std::to_string(group.bytes_sent() - before) + ", not by " + std::to_string(floats * 4);
  }
  for (int q = 0; q < n; ++q) {
    for (size_t k = 0; k < in[q].size(); ++k) {
      const auto& piece = in[q][k];
      const int64_t last = static_cast<int64_t>(piece.size()) - 1;
      for (int64_t i = 0; i <= last; ++i) {
        const float expected = i == 0 || i == last ? kGuard : value(q, me, k, i - 1);
        if (piece[i] != expected) {
          return "piece " + std::to_string(k) + " from " + std::to_string(q) + " to " + std::to_string(me) +
                 " is wrong at " + std::to_string(i - 1);
        }
      }
    }
  }
  return "ok";
}

}  // namespace tacet
