// See traffic.h.
#include "machine/traffic.h"

#include <algorithm>
#include <barrier>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/files.h"
#include "machine/processor.h"

namespace tacet {
namespace {

constexpr int wait_limit = 2;  // seconds that one call on a socket may take

// Three arrays of doubles, written once by the threads that will use them, so that each thread's part is near it.
struct Arrays {
  int64_t size;
  std::unique_ptr<double[]> a, b, c;
};

// Runs work(thread) on so many threads, this one among them, and returns the seconds until all are done.
template <class Work>
double seconds_of(int threads, const Work& work) {
  std::barrier together(threads);
  std::vector<std::thread> others;
  Clock::time_point start;
  const auto run = [&](int thread) {
    together.arrive_and_wait();
    if (thread == 0) start = Clock::now();
    work(thread);
    together.arrive_and_wait();
  };
  for (int t = 1; t < threads; ++t) others.emplace_back(run, t);
  run(0);
  const double seconds = since(start);
  for (std::thread& other : others) other.join();
  return seconds;
}

[[noreturn]] void fail(const char* what) { throw std::runtime_error(std::string(what) + ": " + std::strerror(errno)); }

void set_limits(const Fd& socket) {
  const timeval limit{wait_limit, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct Connection {
  Fd here, there;
};

// Returns both ends of a TCP connection on 127.0.0.1.
Connection connect_loopback() {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* place = reinterpret_cast<sockaddr*>(&address);
  if (listener.get() < 0 || ::bind(listener.get(), place, length) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), place, &length) != 0)
    fail("listening on 127.0.0.1");
  set_limits(listener);
  Connection c;
  c.here = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (c.here.get() < 0) fail("a socket");
  set_limits(c.here);
  if (::connect(c.here.get(), place, length) != 0) fail("connecting to 127.0.0.1");
  c.there = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (c.there.get() < 0) fail("accepting on 127.0.0.1");
  set_limits(c.there);
  return c;
}

// Reads to the stream's end and returns the number of bytes; negative where a wait has ended in vain.
double drain(const Fd& socket) {
  std::vector<char> buffer(1 << 20);
  double bytes = 0;
  for (;;) {
    const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) return bytes;
    bytes += static_cast<double>(n);
  }
}

// Sends for so many seconds. The time ends when the other thread has read the last byte.
Traffic measure_stream(double limit) {
  Connection c = connect_loopback();
  double received = 0;
  const std::vector<char> buffer(1 << 20);
  const auto start = Clock::now();
  std::thread reader([&] { received = drain(c.there); });
  bool sent = true;
  while (sent && since(start) < limit) {
    size_t done = 0;
    while (sent && done < buffer.size()) {
      const ssize_t n = ::send(c.here.get(), buffer.data() + done, buffer.size() - done, MSG_NOSIGNAL);
      if (n > 0) done += static_cast<size_t>(n);
      sent = n > 0 || errno == EINTR;
    }
  }
  const int error = errno;
  c.here.reset();
  reader.join();
  const double seconds = since(start);
  errno = error;
  if (!sent || received < 0) fail("sending through 127.0.0.1");
  return {received, seconds, "one TCP connection on 127.0.0.1, from one thread to another", ""};
}

bool pass_byte(const Fd& from, const Fd& to) {
  char byte = 1;
  return ::send(from.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(to.get(), &byte, 1, 0) == 1;
}

// Fills in the median time of a byte's way there and back, of at most 1,000 trips.
void measure_trips(double limit, LoopbackTraffic& out) {
  const Connection c = connect_loopback();
  std::thread echo([&] {
    for (char byte = 0; ::recv(c.there.get(), &byte, 1, 0) == 1;)
      if (::send(c.there.get(), &byte, 1, MSG_NOSIGNAL) != 1) break;
  });
  std::vector<double> times;
  const auto start = Clock::now();
  bool passed = true;
  while (passed && times.size() < 1000 && since(start) < limit) {
    const auto trip = Clock::now();
    passed = pass_byte(c.here, c.here);
    times.push_back(since(trip));
  }
  ::shutdown(c.here.get(), SHUT_RDWR);
  echo.join();
  if (!passed) throw std::runtime_error("a byte on 127.0.0.1 did not come back");
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  out.round_trip = times[times.size() / 2];
  out.trips = static_cast<int>(times.size());
}

}  // namespace

Traffic memory_traffic(int threads, double bytes, double limit) {
  const auto no_room = [&] { return Traffic{0, 0, "", fmt::format("there is no room for {:.0f} MB", bytes / 1e6)}; };
  if (const double free = this_memory().available; free > 0 && bytes > free) return no_room();
  const auto size = static_cast<int64_t>(bytes / (3 * sizeof(double)));
  Arrays x{size, nullptr, nullptr, nullptr};
  for (auto* array : {&x.a, &x.b, &x.c}) array->reset(new (std::nothrow) double[static_cast<size_t>(size)]);
  if (!x.a || !x.b || !x.c) return no_room();
  const auto begin = [&](int t) { return size * t / threads; };
  seconds_of(threads, [&](int t) {
    for (int64_t k = begin(t); k < begin(t + 1); ++k) x.a[k] = 0, x.b[k] = 1, x.c[k] = 2;
  });
  const auto start = Clock::now();
  double best = 0;
  int passes = 0;
  while (passes < 2 || (since(start) < limit && passes < 100)) {
    const double seconds = seconds_of(threads, [&](int t) {
      double* const a = x.a.get();
      const double *const b = x.b.get(), *const c = x.c.get();
      for (int64_t k = begin(t); k < begin(t + 1); ++k) a[k] = b[k] + 3 * c[k];
    });
    best = passes == 0 ? seconds : std::min(best, seconds);
    ++passes;
    if (since(start) > limit) break;
  }
  if (x.a[0] != 7 || x.a[size - 1] != 7) throw std::logic_error("the arrays of the memory's measurement are wrong");
  return {3.0 * sizeof(double) * static_cast<double>(size), best,
          fmt::format("a = b + 3c on arrays of {:.0f} MB together, {} thread{}, the quickest of {} pass{}", bytes / 1e6,
                      threads, threads == 1 ? "" : "s", passes, passes == 1 ? "" : "es"),
          ""};
}

LoopbackTraffic loopback_traffic(double limit) {
  LoopbackTraffic out;
  try {
    out.stream = measure_stream(0.75 * limit);
    measure_trips(0.25 * limit, out);
  } catch (const std::exception& error) {
    out.stream.error = error.what();
  }
  return out;
}

}  // namespace tacet
