// A small network between network namespaces, for kernels without netem: opens one TUN device in each namespace and carries
// IPv4 packets among them with a delay, jitter, loss and a limited rate towards each host. It is used by network.sh only,
// which gives the devices their addresses and limits what each host sends (tc tbf). It contacts nothing else and needs
// CAP_NET_ADMIN.
//
// The life of a packet: read from the sender's device → lost with a given probability → arrives at the receiver's link after
// delay ± jitter → waits there behind earlier packets, or is dropped when they are too many → written to the receiver's
// device.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

using Nanoseconds = int64_t;  // of CLOCK_MONOTONIC

constexpr const char* kUsage =
    "usage: network_relay [--delay-ms D] [--jitter-ms J] [--loss P] [--rate-mbit R] [--queue-ms Q] [--seed S] NETNS=ADDRESS "
    "...\n"
    "  Carries packets between the network namespaces (paths or names under /run/netns), each of which gets a device "
    "\"net0\" that\n"
    "  the caller has to give its IPv4 ADDRESS. Prints \"ready\" when they exist; ends on SIGINT or SIGTERM with a line of "
    "JSON.\n"
    "  --delay-ms D   one way, >= 0 (default 0)      --jitter-ms J  uniform in +-J, 0 <= J <= D (default 0)\n"
    "  --loss P       of each packet, 0 <= P < 1     --rate-mbit R  towards each host, >= 0; 0: no limit (default)\n"
    "  --queue-ms Q   longest queue towards a host, > 0 (default 50)\n"
    "  --seed S       of loss and jitter (default 1)\n";

struct Options {
  double delay_ms = 0, jitter_ms = 0, loss = 0, rate_mbit = 0, queue_ms = 50;
  uint64_t seed = 1;
};

struct Host {
  std::string netns;
  in_addr_t address;
  int device = -1;
  Nanoseconds link_free = 0;  // when the link towards it has sent all that waits
};

struct Packet {
  Nanoseconds due;
  uint64_t order;  // of two that are due at the same time, the one that was read first goes first
  int from, to;
  bool at_link;  // it has waited for its turn on the receiver's link and is to be delivered
  size_t size;   // bytes in memory, Offload included
  int64_t wire;  // bytes on the wire: a packet of the kernel may stand for several with a header each
  std::unique_ptr<std::byte[]> bytes;
};

struct Later {
  bool operator()(const Packet& a, const Packet& b) const { return std::tie(a.due, a.order) > std::tie(b.due, b.order); }
};

struct Counts {
  int64_t packets = 0, bytes = 0, lost = 0, overflowed = 0, unroutable = 0, refused = 0;
  Nanoseconds late = 0, most_late = 0;  // how long after its time a packet was delivered: the relay's own share
};

Nanoseconds now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

void enter(int netns) {
  if (::setns(netns, CLONE_NEWNET) != 0) fail("can't enter a network namespace");
}

// The kernel hands over up to 64 KiB of one TCP stream at once where `segments` says so, as to a network card that cuts them
// itself. With loss it must not, since a loss would then take all of them.
int open_device(bool segments) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  std::strcpy(request.ifr_name, "net0");
  if (::ioctl(fd, TUNSETIFF, &request) != 0) fail("can't make the device net0");
  if (::ioctl(fd, TUNSETOFFLOAD, segments ? TUN_F_CSUM | TUN_F_TSO4 : TUN_F_CSUM) != 0) fail("net0: TUNSETOFFLOAD");
  return fd;
}

// What precedes each packet: linux/virtio_net.h's virtio_net_hdr, whose header C++ can't include.
struct Offload {
  uint8_t flags, segments_type;  // segments_type 0: one packet
  uint16_t header_size, segment_size, transport, checksum;
};
static_assert(sizeof(Offload) == 10);

constexpr size_t kHeader = sizeof(Offload), kLargest = kHeader + 65535;

int64_t wire_bytes(const std::byte* bytes, size_t size) {
  Offload offload;
  std::memcpy(&offload, bytes, sizeof offload);
  const auto ip = static_cast<int64_t>(size - kHeader);
  if (offload.segments_type == 0 || offload.segment_size == 0 || ip < offload.transport + 20) return ip;
  const int64_t tcp_words = std::to_integer<int>(bytes[kHeader + offload.transport + 12]) >> 4;
  const int64_t headers = offload.transport + 4 * tcp_words, payload = ip - headers;
  return payload + (payload + offload.segment_size - 1) / offload.segment_size * headers;
}

class Relay {
 public:
  Relay(const Options& options, std::vector<Host> hosts)
      : options_(options), hosts_(std::move(hosts)), random_(options.seed) {
    const int home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) fail("/proc/self/ns/net");
    for (Host& host : hosts_) {
      const std::string path = host.netns.find('/') == std::string::npos ? "/run/netns/" + host.netns : host.netns;
      const int netns = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (netns < 0) fail(path);
      enter(netns);
      host.device = open_device(options_.loss == 0);
      ::close(netns);
    }
    enter(home);
    ::close(home);
    last_.assign(hosts_.size() * hosts_.size(), 0);
  }

  // Until a signal comes to `signals`. A network does not wait for a processor: before all that train, as far as the kernel
  // lets it.
  void run(int signals) {
    const sched_param first{.sched_priority = 1};
    ::sched_setscheduler(0, SCHED_RR, &first);
    ::prctl(PR_SET_TIMERSLACK, 1);
    std::vector<pollfd> polled = {{signals, POLLIN, 0}};
    for (const Host& host : hosts_) polled.push_back({host.device, POLLIN, 0});
    for (;;) {
      timespec wait{};
      if (!waiting_.empty()) {
        const Nanoseconds left = std::max<Nanoseconds>(0, waiting_.top().due - now());
        wait = {left / 1'000'000'000, left % 1'000'000'000};
      }
      if (::ppoll(polled.data(), polled.size(), waiting_.empty() ? nullptr : &wait, nullptr) < 0 && errno != EINTR)
        fail("ppoll");
      if (polled[0].revents != 0) return;
      for (size_t h = 0; h < hosts_.size(); ++h)
        if (polled[h + 1].revents != 0) read(static_cast<int>(h));
      deliver();
    }
  }

  const Counts& counts() const { return counts_; }

 private:
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  void read(int from) {
    // Not without end, so that what is due is not kept waiting.
    for (int k = 0; k < 64; ++k) {
      const ssize_t n = ::read(hosts_[from].device, buffer_, kLargest);
      if (n <= 0) return;
      accept(from, static_cast<size_t>(n));
    }
  }

  void accept(int from, size_t size) {
    if (size < kHeader + 20 || (std::to_integer<int>(buffer_[kHeader]) >> 4) != 4) return;  // IPv6 asks for neighbours
    in_addr_t address;
    std::memcpy(&address, buffer_ + kHeader + 16, sizeof address);
    const auto to = std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& h) { return h.address == address; });
    if (to == hosts_.end()) {
      ++counts_.unroutable;
      return;
    }
    if (options_.loss > 0 && uniform() < options_.loss) {
      ++counts_.lost;
      return;
    }
    const double ms = options_.delay_ms + (options_.jitter_ms > 0 ? options_.jitter_ms * (2 * uniform() - 1) : 0);
    const int receiver = static_cast<int>(to - hosts_.begin());
    // Packets between two hosts keep their order: real networks send a stream along one path.
    Nanoseconds& last = last_[from * hosts_.size() + receiver];
    last = std::max(last, now() + static_cast<Nanoseconds>(ms * 1e6));
    Packet p{last, ++order_, from, receiver, false, size, wire_bytes(buffer_, size), std::make_unique<std::byte[]>(size)};
    std::memcpy(p.bytes.get(), buffer_, size);
    waiting_.push(std::move(p));
  }

  void deliver() {
    while (!waiting_.empty() && waiting_.top().due <= now()) {
      Packet p = std::move(const_cast<Packet&>(waiting_.top()));  // its place in the order is read no more: pop() comes next
      waiting_.pop();
      if (p.at_link || options_.rate_mbit == 0)
        write(p);
      else
        enqueue(std::move(p));
    }
  }

  // The last byte has arrived. Bytes before it have been passed on as they came, if the link was free.
  void enqueue(Packet p) {
    Host& host = hosts_[p.to];
    const Nanoseconds turn =
        host.link_free + static_cast<Nanoseconds>(static_cast<double>(p.wire) * 8e3 / options_.rate_mbit);
    if (turn - p.due > static_cast<Nanoseconds>(options_.queue_ms * 1e6)) {
      ++counts_.overflowed;
      return;
    }
    host.link_free = p.due = std::max(p.due, turn);
    p.at_link = true;
    waiting_.push(std::move(p));
  }

  void write(const Packet& p) {
    const Nanoseconds late = now() - p.due;
    counts_.late += late;
    counts_.most_late = std::max(counts_.most_late, late);
    ++counts_.packets;
    counts_.bytes += p.wire;
    if (::write(hosts_[p.to].device, p.bytes.get(), p.size) < 0) ++counts_.refused;  // the host's device is down
  }

  const Options options_;
  std::vector<Host> hosts_;
  std::mt19937_64 random_;
  std::priority_queue<Packet, std::vector<Packet>, Later> waiting_;
  std::vector<Nanoseconds> last_;  // [from, to]: when the last packet between them arrives
  uint64_t order_ = 0;
  Counts counts_;
  std::byte buffer_[kLargest];
};

double number(const std::string& option, const char* text, double lowest, double highest) {
  char* end = nullptr;
  const double value = text ? std::strtod(text, &end) : 0;
  if (!text || end == text || *end != '\0' || !(value >= lowest && value <= highest)) {
    throw std::invalid_argument(option + " must be a number from " + std::to_string(lowest) + " to " +
                                std::to_string(highest) + ", got '" + (text ? text : "") + "'");
  }
  return value;
}

Host parse_host(const std::string& text) {
  const size_t equal = text.rfind('=');
  in_addr address{};
  if (equal == std::string::npos || equal == 0 || ::inet_pton(AF_INET, text.c_str() + equal + 1, &address) != 1)
    throw std::invalid_argument("a host must be NETNS=ADDRESS, got '" + text + "'");
  return {text.substr(0, equal), address.s_addr};
}

void parse(int argc, char** argv, Options& o, std::vector<Host>& hosts) {
  const std::map<std::string, double*> values = {{"--delay-ms", &o.delay_ms},
                                                 {"--jitter-ms", &o.jitter_ms},
                                                 {"--rate-mbit", &o.rate_mbit},
                                                 {"--loss", &o.loss},
                                                 {"--queue-ms", &o.queue_ms}};
  for (int k = 1; k < argc; ++k) {
    const std::string word = argv[k];
    const auto value = values.find(word);
    if (word == "--seed") {
      o.seed = static_cast<uint64_t>(number(word, argv[++k], 0, 1e15));
    } else if (value != values.end()) {
      *value->second = number(word, argv[++k], 0, word == "--loss" ? 0.999 : 1e6);
    } else if (word.rfind("-", 0) == 0) {
      throw std::invalid_argument("there is no option " + word + "\n" + kUsage);
    } else {
      hosts.push_back(parse_host(word));
    }
  }
  if (o.jitter_ms > o.delay_ms) throw std::invalid_argument("--jitter-ms must be at most --delay-ms");
  if (o.queue_ms == 0) throw std::invalid_argument("--queue-ms must be > 0");
  if (hosts.size() < 2) throw std::invalid_argument("at least two hosts are needed\n" + std::string(kUsage));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options;
    std::vector<Host> hosts;
    parse(argc, argv, options, hosts);
    sigset_t ends;
    sigemptyset(&ends);
    for (const int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, s);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    const int signals = ::signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0) fail("signalfd");

    const auto relay = std::make_unique<Relay>(options, std::move(hosts));
    std::printf("ready\n");
    std::fflush(stdout);
    const Nanoseconds start = now();
    relay->run(signals);

    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    const Counts& c = relay->counts();
    std::printf(
        "{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"packets\": %lld, \"bytes\": %lld, \"lost\": %lld, \"overflowed\": "
        "%lld, "
        "\"unroutable\": %lld, \"refused\": %lld, \"late_mean_us\": %.1f, \"late_max_us\": %.1f}\n",
        1e-9 * static_cast<double>(now() - start), seconds(usage.ru_utime) + seconds(usage.ru_stime),
        static_cast<long long>(c.packets), static_cast<long long>(c.bytes), static_cast<long long>(c.lost),
        static_cast<long long>(c.overflowed), static_cast<long long>(c.unroutable), static_cast<long long>(c.refused),
        c.packets ? 1e-3 * static_cast<double>(c.late) / static_cast<double>(c.packets) : 0,
        1e-3 * static_cast<double>(c.most_late));
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "network_relay: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "network_relay: %s\n", error.what());
    return 1;
  }
}
