// The server of the rendezvous: one thread, one poll loop, sockets that never block. A client is a stranger until it has
// greeted, and is never trusted. A breach of the rules costs it its own connection and nothing else.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <list>
#include <map>
#include <thread>
#include <unordered_map>

#include "comm/rendezvous/handshake.h"
#include "comm/rendezvous/store.h"
#include "comm/rendezvous/wire.h"

namespace tacet {

using namespace store_wire;

namespace {

constexpr auto kNever = Clock::time_point::max();
constexpr size_t kMostWills = 8;

struct Connection {
  Fd socket;
  bool greeted = false, turned_away = false;
  std::string challenges;  // the client's and ours, while the client's proof is awaited
  std::string in, out;
  // A get or wait that can't be answered yet: its keys, if it wants the value, and its deadline.
  std::vector<std::string> awaited;
  size_t awaited_bytes = 0;
  bool wants_value = false;
  Clock::time_point answer_by = kNever;
  std::map<std::string, std::string> wills;  // keys to set when this connection ends
  Clock::time_point drop_at = kNever;        // limit of the greeting, the request or the reply

  bool waits() const { return answer_by != kNever; }
};

std::optional<int64_t> decimal(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Fd listen_on(const std::string& address, int port) {
  const auto addresses = resolve(address, port);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    Fd socket(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
    const int on = 1;
    if (socket.get() >= 0 && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        ::bind(socket.get(), a->ai_addr, a->ai_addrlen) == 0 && ::listen(socket.get(), 256) == 0) {
      return socket;
    }
    error = errno;
  }
  throw UserError("rendezvous: can't listen on " + place(address, port) + ": " + std::strerror(error));
}

// Lets the system ask a silent client whether it is there. A machine that loses its power says no farewell, and others wait
// for its wills.
void keep_alive(int socket) {
  const int on = 1, idle = 10, between = 5, most = 4;  // seconds, and questions without an answer: 30 s in all
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &most, sizeof most);
}

int port_of(int socket) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &length) != 0) return 0;
  return name.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6&>(name).sin6_port)
                                    : ntohs(reinterpret_cast<sockaddr_in&>(name).sin_port);
}

}  // namespace

struct StoreServer::State {
  State(const std::string& address, int wanted_port, const StoreLimits& store_limits, const std::string& join_token)
      : limits(store_limits), token(join_token), listener(listen_on(address, wanted_port)), port(port_of(listener.get())) {
    wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (wake.get() < 0) throw UserError(std::string("rendezvous: no more files can be opened: ") + std::strerror(errno));
    thread = std::thread([this] { serve(); });
  }

  ~State() {
    const uint64_t one = 1;
    while (::write(wake.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread.join();
  }

  void serve() {
    std::vector<pollfd> polled;
    for (;;) {
      polled.assign({{wake.get(), POLLIN, 0}, {Clock::now() < accept_after ? -1 : listener.get(), POLLIN, 0}});
      auto next = Clock::now() < accept_after ? accept_after : kNever;
      for (const auto& c : connections) {
        polled.push_back({c.socket.get(), static_cast<short>(c.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        next = std::min({next, c.answer_by, c.drop_at});
      }
      if (::poll(polled.data(), polled.size(), next == kNever ? -1 : poll_milliseconds(next)) < 0) continue;
      if (polled[0].revents != 0) return;
      size_t k = 2;
      for (auto c = connections.begin(); c != connections.end(); ++k) {
        if (serve_one(*c, polled[k].revents)) {
          ++c;
        } else {
          for (const auto& [key, value] : c->wills) store(key, value);
          c = connections.erase(c);
        }
      }
      answer_waiting();
      if (polled[1].revents != 0) accept_all();
    }
  }

  void accept_all() {
    for (;;) {
      Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (socket.get() < 0) {
        // Without free descriptors the waiting client would wake us again at once and for ever.
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) accept_after = after(0.1);
        return;
      }
      if (connections.size() >= limits.connections) continue;  // closes it
      keep_alive(socket.get());
      connections.emplace_back();
      connections.back().socket = std::move(socket);
      connections.back().drop_at = after(limits.greeting_seconds);
    }
  }

  // Returns false if this client is to be dropped.
  bool serve_one(Connection& c, short events) {
    if (Clock::now() >= c.drop_at) return false;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !receive(c)) return false;
    return c.out.empty() || flush(c);
  }

  size_t buffered() const {
    size_t bytes = 0;
    for (const auto& c : connections) bytes += c.in.size() + c.out.size() + c.awaited_bytes;
    return bytes;
  }

  static bool begins(const std::string& bytes, const std::string& hello) {
    return bytes.compare(0, hello.size(), hello, 0, std::min(bytes.size(), hello.size())) == 0;
  }

  // Returns false if the client's first bytes do not let it in.
  bool greet(Connection& c) {
    if (!c.challenges.empty()) return check_proof(c);
    const bool plain = begins(c.in, kHello), secret = begins(c.in, kTokenHello);
    if (!plain && !secret) return false;
    const size_t whole = plain ? kHello.size() : kTokenHello.size() + kChallengeBytes;
    if (c.in.size() < whole) return true;
    if (c.in.size() > whole) return false;
    if (plain && token.empty()) return let_in(c, kWelcome);
    if (plain) return turn_away(c, kTokenNeeded);
    if (token.empty()) return turn_away(c, kTokenUnknown);
    const std::string mine = random_challenge();
    c.challenges = c.in.substr(kTokenHello.size()) + mine;
    c.in.clear();
    c.out = kTokenWelcome + mine;
    return true;
  }

  bool check_proof(Connection& c) {
    if (c.in.size() < kProofBytes) return true;
    if (c.in.size() > kProofBytes) return false;
    if (!same_proof(c.in, proof(token, "client", c.challenges))) return turn_away(c, kTokenWrong);
    return let_in(c, kTokenWelcome + proof(token, "server", c.challenges));
  }

  bool let_in(Connection& c, const std::string& welcome) {
    c.greeted = true;
    c.in.clear();
    c.out = welcome;
    c.drop_at = after(limits.request_seconds);
    return true;
  }

  // Sends the reason, so that a mistaken worker can tell its user, and hangs up once it is read or the time for greetings is
  // over.
  bool turn_away(Connection& c, const std::string& why) {
    c.in.clear();
    c.out = why;
    c.turned_away = true;
    return true;
  }

  bool receive(Connection& c) {
    char bytes[64 << 10];
    const ssize_t n = ::recv(c.socket.get(), bytes, sizeof bytes, 0);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (n == 0) return false;
    // A client must not send while a reply is due. This also bounds the bytes that an impatient client makes us keep.
    if (c.waits() || c.turned_away || !c.out.empty() || buffered() + n > limits.buffered_bytes) return false;
    if (c.greeted && c.in.empty()) c.drop_at = after(limits.request_seconds);
    c.in.append(bytes, n);
    if (!c.greeted) {
      return greet(c);
    }
    if (c.in.size() < sizeof(uint32_t)) return true;
    const size_t length = value_at<uint32_t>(c.in.data());
    if (length == 0 || length > 2 * limits.value_bytes + limits.key_bytes + 64) return false;
    if (c.in.size() - sizeof(uint32_t) < length) return true;
    if (c.in.size() - sizeof(uint32_t) > length) return false;
    const std::string request = c.in.substr(sizeof(uint32_t));
    std::string().swap(c.in);
    c.drop_at = kNever;
    return answer(c, request);
  }

  bool flush(Connection& c) {
    const ssize_t n = ::send(c.socket.get(), c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    c.out.erase(0, n);
    if (c.out.empty() && c.turned_away) return false;
    if (c.out.empty() && c.greeted) c.drop_at = kNever;
    return true;
  }

  void reply(Connection& c, Status status, const std::string& result = "") {
    put(c.out, static_cast<uint32_t>(result.size() + 1));
    put(c.out, static_cast<uint8_t>(status));
    c.out += result;
    c.drop_at = buffered() > limits.buffered_bytes ? Clock::now() : after(limits.request_seconds);
  }

  void refuse(Connection& c, const std::string& why) {
    std::string text;
    put_string(text, why);
    reply(c, kRefused, text);
  }

  bool store(const std::string& key, const std::string& value) {
    const auto old = table.find(key);
    const size_t before = old == table.end() ? 0 : key.size() + old->second.size();
    if (stored - before + key.size() + value.size() > limits.stored_bytes) return false;
    stored = stored - before + key.size() + value.size();
    table[key] = value;
    return true;
  }

  bool have_all(const std::vector<std::string>& keys) const {
    return std::all_of(keys.begin(), keys.end(), [&](const auto& key) { return table.count(key) > 0; });
  }

  void await(Connection& c, std::vector<std::string> keys, bool wants_value, uint32_t milliseconds) {
    c.awaited_bytes = 0;
    for (const auto& key : keys) c.awaited_bytes += key.size();
    c.awaited = std::move(keys);
    c.wants_value = wants_value;
    c.answer_by = Clock::now() + std::chrono::milliseconds(milliseconds);
  }

  void answer_waiting() {
    for (auto& c : connections) {
      if (!c.waits()) continue;
      if (have_all(c.awaited)) {
        std::string result;
        if (c.wants_value) put_string(result, table.at(c.awaited[0]));
        reply(c, kDone, result);
      } else if (Clock::now() >= c.answer_by) {
        reply(c, kTimedOut);
      } else {
        continue;
      }
      c.answer_by = kNever;
      c.awaited.clear();
      c.awaited_bytes = 0;
    }
  }

  // Carries out one request. Returns false if it is malformed.
  bool answer(Connection& c, const std::string& request) {
    Reader in(request);
    const uint8_t operation = *in.number<uint8_t>();
    std::string result;
    if (operation == kCount) {
      if (!in.at_end()) return false;
      put(result, static_cast<int64_t>(table.size()));
      reply(c, kDone, result);
      return true;
    }
    if (operation == kCheck || operation == kWait) {
      auto keys = in.keys(limits.key_bytes);
      const auto limit = operation == kWait ? in.number<uint32_t>() : std::optional<uint32_t>(0);
      if (!keys || !limit || !in.at_end()) return false;
      if (operation == kWait) {
        await(c, std::move(*keys), false, *limit);
      } else {
        put(result, static_cast<uint8_t>(have_all(*keys)));
        reply(c, kDone, result);
      }
      return true;
    }
    const auto key = in.string(limits.key_bytes);
    if (!key) return false;
    const auto entry = table.find(*key);
    switch (operation) {
      case kSet: {
        const auto value = in.string(limits.value_bytes);
        if (!value || !in.at_end()) return false;
        if (!store(*key, *value)) {
          refuse(c, "the rendezvous is full");
        } else {
          reply(c, kDone);
        }
        return true;
      }
      case kGet: {
        const auto limit = in.number<uint32_t>();
        if (!limit || !in.at_end()) return false;
        await(c, {*key}, true, *limit);
        return true;
      }
      case kAdd: {
        const auto amount = in.number<int64_t>();
        if (!amount || !in.at_end()) return false;
        const auto old = entry == table.end() ? std::optional<int64_t>(0) : decimal(entry->second);
        int64_t sum = 0;
        if (!old || __builtin_add_overflow(*old, *amount, &sum)) {
          refuse(c, "key '" + *key + "' is not a counter, or it overflows");
        } else if (!store(*key, std::to_string(sum))) {
          refuse(c, "the rendezvous is full");
        } else {
          put(result, sum);
          reply(c, kDone, result);
        }
        return true;
      }
      case kCompareSet: {
        const auto expected = in.string(limits.value_bytes);
        const auto desired = expected ? in.string(limits.value_bytes) : std::nullopt;
        if (!desired || !in.at_end()) return false;
        const bool swap = entry == table.end() ? expected->empty() : entry->second == *expected;
        if (swap && !store(*key, *desired)) {
          refuse(c, "the rendezvous is full");
          return true;
        }
        put_string(result, swap ? *desired : entry == table.end() ? *expected : entry->second);
        reply(c, kDone, result);
        return true;
      }
      case kWill: {
        const auto value = in.string(limits.key_bytes);
        if (!value || !in.at_end()) return false;
        if (value->empty()) {
          c.wills.erase(*key);
        } else if (c.wills.size() < kMostWills || c.wills.count(*key) > 0) {
          c.wills[*key] = *value;
        } else {
          refuse(c, "a connection may leave at most " + std::to_string(kMostWills) + " wills");
          return true;
        }
        reply(c, kDone);
        return true;
      }
      case kRemove: {
        if (!in.at_end()) return false;
        if (entry != table.end()) {
          stored -= key->size() + entry->second.size();
          table.erase(entry);
        }
        put(result, static_cast<uint8_t>(entry != table.end()));
        reply(c, kDone, result);
        return true;
      }
      default:
        return false;
    }
  }

  const StoreLimits limits;
  const std::string token;
  const Fd listener;
  const int port;
  Fd wake;
  Clock::time_point accept_after = Clock::time_point::min();
  std::list<Connection> connections;
  std::unordered_map<std::string, std::string> table;
  size_t stored = 0;
  std::thread thread;
};

namespace {

// Lets this process have the descriptors that the most connections and their workers' pipes take, where the system allows
// it. A process usually begins with 1,024.
void raise_descriptor_limit() {
  constexpr rlim_t enough = 16384;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough) return;
  limit.rlim_cur = std::min(limit.rlim_max, enough);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

StoreServer::StoreServer(const std::string& address, int port, const StoreLimits& limits, const std::string& token)
    : state_((raise_descriptor_limit(), std::make_unique<State>(address, port, limits, token))) {}
StoreServer::~StoreServer() = default;
int StoreServer::port() const { return state_->port; }

}  // namespace tacet
