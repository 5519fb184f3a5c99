// The client of the rendezvous. Every send and receive has a deadline. After a failed one the two ends may no longer agree
// on the start of a message, so the connection is given up.
#include "comm/rendezvous/store.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>

#include "comm/rendezvous/handshake.h"
#include "comm/rendezvous/wire.h"

namespace tacet {

using namespace store_wire;

namespace {

// The time for a reply beyond the limit in the request.
constexpr double kReplySeconds = 10;
constexpr uint32_t kLongestReply = (16 << 20) + 64;

// The reason why a transfer ended early; empty when it did not.
using Failure = std::string;

Failure await(int socket, short event, Clock::time_point deadline) {
  for (;;) {
    pollfd polled{socket, event, 0};
    const int n = ::poll(&polled, 1, poll_milliseconds(deadline));
    if (n > 0) return "";
    if (n == 0 && Clock::now() >= deadline) return "no answer";
    if (n < 0 && errno != EINTR) return std::strerror(errno);
  }
}

Failure send_all(int socket, const std::string& bytes, Clock::time_point deadline) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::send(socket, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n >= 0) {
      done += n;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto failure = await(socket, POLLOUT, deadline); !failure.empty()) return failure;
    } else if (errno != EINTR) {
      return std::strerror(errno);
    }
  }
  return "";
}

Failure receive_all(int socket, std::string& bytes, size_t size, Clock::time_point deadline) {
  bytes.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::recv(socket, bytes.data() + done, size - done, 0);
    if (n > 0) {
      done += n;
    } else if (n == 0) {
      return "connection closed";
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto failure = await(socket, POLLIN, deadline); !failure.empty()) return failure;
    } else if (errno != EINTR) {
      return std::strerror(errno);
    }
  }
  return "";
}

// Returns true if the socket is connected to itself. A client that tries a free port long enough gets that very port for its
// own end.
bool connected_to_itself(int socket) {
  sockaddr_storage mine{}, theirs{};
  socklen_t n = sizeof mine, m = sizeof theirs;
  return ::getsockname(socket, reinterpret_cast<sockaddr*>(&mine), &n) == 0 &&
         ::getpeername(socket, reinterpret_cast<sockaddr*>(&theirs), &m) == 0 && n == m &&
         std::memcmp(&mine, &theirs, n) == 0;
}

Failure connect_to(const addrinfo& address, Fd& socket, Clock::time_point deadline) {
  socket = Fd(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol));
  if (socket.get() < 0) return std::strerror(errno);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return std::strerror(errno);
    if (auto failure = await(socket.get(), POLLOUT, deadline); !failure.empty()) return failure;
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return std::strerror(error);
  }
  if (connected_to_itself(socket.get())) return "nobody listens there";
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return "";
}

}  // namespace

struct StoreClient::State {
  std::mutex mutex;
  Fd socket;
  std::string where, broken;

  [[noreturn]] void give_up(const std::string& why) {
    broken = "the rendezvous at " + where + " is gone: " + why;
    socket.reset();
    throw PeerLost(-1, broken);
  }

  // Sends one request and returns the result in its reply, or nothing when the request timed out.
  std::optional<std::string> ask(const std::string& request, double own_seconds = 0) {
    const std::lock_guard lock(mutex);
    if (!broken.empty()) throw PeerLost(-1, broken);
    std::string message, head, reply;
    put_string(message, request);
    const auto deadline = after(own_seconds + kReplySeconds);
    if (auto failure = send_all(socket.get(), message, deadline); !failure.empty()) give_up(failure);
    if (auto failure = receive_all(socket.get(), head, sizeof(uint32_t), deadline); !failure.empty()) give_up(failure);
    const auto length = value_at<uint32_t>(head.data());
    if (length == 0 || length > kLongestReply) give_up("it sent a malformed reply");
    if (auto failure = receive_all(socket.get(), reply, length, deadline); !failure.empty()) give_up(failure);
    const auto status = static_cast<uint8_t>(reply[0]);
    reply.erase(0, 1);
    if (status == kTimedOut) return std::nullopt;
    if (status == kRefused) throw std::logic_error("rendezvous: " + Reader(reply).string(kLongestReply).value_or("refused"));
    return reply;
  }

  std::string must_ask(const std::string& request) {
    auto result = ask(request);
    if (!result) malformed();
    return *result;
  }

  [[noreturn]] void malformed() {
    const std::lock_guard lock(mutex);
    give_up("it sent a malformed reply");
  }

  std::string string_in(const std::string& result) {
    auto text = Reader(result).string(kLongestReply);
    if (!text) malformed();
    return *text;
  }

  template <typename T>
  T number_in(const std::string& result) {
    const auto value = Reader(result).number<T>();
    if (!value) malformed();
    return *value;
  }
};

namespace {

std::string request_of(Operation operation) { return std::string(1, static_cast<char>(operation)); }

std::string request_of(Operation operation, const std::string& key) {
  std::string request = request_of(operation);
  put_string(request, key);
  return request;
}

uint32_t wire_milliseconds(std::chrono::milliseconds limit) {
  return static_cast<uint32_t>(std::clamp<int64_t>(limit.count(), 0, UINT32_MAX));
}

std::string in_seconds(std::chrono::milliseconds limit) {
  std::string text = std::to_string(static_cast<double>(limit.count()) / 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

}  // namespace

namespace {

// Greets the server, with a proof where there is a token. Throws UserError when it turns this client away for good.
Failure greet(int socket, const std::string& where, const std::string& token, Clock::time_point deadline) {
  const auto patience = std::min(deadline, after(kReplySeconds));
  const std::string mine = token.empty() ? "" : random_challenge();
  std::string welcome, theirs, answer;
  if (auto failure = send_all(socket, token.empty() ? kHello : kTokenHello + mine, deadline); !failure.empty())
    return failure;
  if (auto failure = receive_all(socket, welcome, kWelcome.size(), patience); !failure.empty()) return failure;
  if (welcome == kTokenNeeded)
    throw UserError("rendezvous: " + where +
                    " asks for a join token: give --join-token FILE or $TACET_JOIN_TOKEN, the same for all workers");
  if (welcome == kTokenUnknown)
    throw UserError("rendezvous: " + where + " was started without a join token, but this worker was given one");
  if (welcome != (token.empty() ? kWelcome : kTokenWelcome))
    throw UserError("rendezvous: " + where +
                    " must be the address and port of a run of tacet, but another program answers there");
  if (token.empty()) return "";
  if (auto failure = receive_all(socket, theirs, kChallengeBytes, patience); !failure.empty()) return failure;
  if (auto failure = send_all(socket, proof(token, "client", mine + theirs), deadline); !failure.empty()) return failure;
  if (auto failure = receive_all(socket, welcome, kTokenWelcome.size(), patience); !failure.empty()) return failure;
  if (welcome == kTokenWelcome) {
    if (auto failure = receive_all(socket, answer, kProofBytes, patience); !failure.empty()) return failure;
    if (same_proof(answer, proof(token, "server", mine + theirs))) return "";
  }
  throw UserError("rendezvous: the join token must be the same for all workers, but " + where + " has another one");
}

}  // namespace

StoreClient::StoreClient(const std::string& address, int port, double timeout_seconds, const std::string& token)
    : state_(std::make_unique<State>()) {
  const auto addresses = resolve(address, port);
  const auto deadline = after(timeout_seconds);
  state_->where = place(address, port);
  Failure failure;
  do {
    for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
      failure = connect_to(*a, state_->socket, deadline);
      if (failure.empty()) failure = greet(state_->socket.get(), state_->where, token, deadline);
      if (failure.empty()) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  } while (Clock::now() < deadline);
  throw PeerLost(-1, "no rendezvous at " + state_->where + " within " +
                         in_seconds(std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000))) + ": " +
                         failure);
}

StoreClient::~StoreClient() = default;

void StoreClient::set(const std::string& key, const std::string& value) {
  std::string request = request_of(kSet, key);
  put_string(request, value);
  state_->must_ask(request);
}

std::string StoreClient::get(const std::string& key, std::chrono::milliseconds limit) {
  std::string request = request_of(kGet, key);
  put(request, wire_milliseconds(limit));
  const auto result = state_->ask(request, static_cast<double>(wire_milliseconds(limit)) / 1000);
  if (!result) throw StoreTimeout("rendezvous: key '" + key + "' did not appear within " + in_seconds(limit));
  return state_->string_in(*result);
}

int64_t StoreClient::add(const std::string& key, int64_t amount) {
  std::string request = request_of(kAdd, key);
  put(request, amount);
  return state_->number_in<int64_t>(state_->must_ask(request));
}

std::string StoreClient::compare_set(const std::string& key, const std::string& expected, const std::string& desired) {
  std::string request = request_of(kCompareSet, key);
  put_string(request, expected);
  put_string(request, desired);
  return state_->string_in(state_->must_ask(request));
}

bool StoreClient::remove(const std::string& key) {
  return state_->number_in<uint8_t>(state_->must_ask(request_of(kRemove, key))) != 0;
}

bool StoreClient::check(const std::vector<std::string>& keys) {
  std::string request = request_of(kCheck);
  put_keys(request, keys);
  return state_->number_in<uint8_t>(state_->must_ask(request)) != 0;
}

void StoreClient::will(const std::string& key, const std::string& value) {
  std::string request = request_of(kWill, key);
  put_string(request, value);
  state_->must_ask(request);
}

int64_t StoreClient::count() { return state_->number_in<int64_t>(state_->must_ask(request_of(kCount))); }

void StoreClient::wait(const std::vector<std::string>& keys, std::chrono::milliseconds limit) {
  std::string request = request_of(kWait);
  put_keys(request, keys);
  put(request, wire_milliseconds(limit));
  if (!state_->ask(request, static_cast<double>(wire_milliseconds(limit)) / 1000)) {
    std::string names;
    for (const auto& key : keys) names += (names.empty() ? "'" : ", '") + key + "'";
    throw StoreTimeout("rendezvous: not all of the keys " + names + " appeared within " + in_seconds(limit));
  }
}

}  // namespace tacet
