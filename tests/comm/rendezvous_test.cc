// The rendezvous: what its operations mean, and that no client, however broken, harms another one.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "comm/rendezvous/handshake.h"
#include "comm/rendezvous/store.h"
#include "support/error_of.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using std::chrono::milliseconds;

// A client that says what it likes.
class Stranger {
 public:
  explicit Stranger(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Stranger() { ::close(socket_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  void say(const std::string& bytes) { said_ = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  // What the server says next; nothing when it has hung up; "silent" after 20 s.
  std::optional<std::string> hear() {
    pollfd polled{socket_, POLLIN, 0};
    if (::poll(&polled, 1, 20000) == 0) return "silent";
    char bytes[4096];
    const ssize_t n = ::recv(socket_, bytes, sizeof bytes, 0);
    if (n <= 0) return std::nullopt;
    return std::string(bytes, n);
  }
  bool dropped() { return !connected_ || !hear().has_value(); }
  void greet() {
    say("tacetS1?");
    EXPECT_EQ(hear(), "tacetS1!");
  }

 private:
  int socket_;
  bool connected_ = false;
  ssize_t said_ = 0;
};

class Store : public testing::Test {
 protected:
  explicit Store(const StoreLimits& limits = {}, const std::string& token = "") : server_("127.0.0.1", 0, limits, token) {}
  StoreClient client() { return StoreClient("127.0.0.1", server_.port(), 10); }
  int port() const { return server_.port(); }
  void expect_serving() {
    StoreClient c("127.0.0.1", port(), 10);
    c.set("still", "here");
    EXPECT_EQ(c.get("still", milliseconds(0)), "here");
  }
  StoreServer server_;
};

struct HurriedStore : Store {
  HurriedStore() : Store(limits()) {}
  static StoreLimits limits() {
    StoreLimits l;
    l.greeting_seconds = l.request_seconds = 0.2;
    l.connections = 5;
    l.stored_bytes = 1000;
    l.buffered_bytes = 2000;
    return l;
  }
};

TEST_F(Store, KeepsWhatIsSet) {
  StoreClient a("127.0.0.1", port(), 10), b("127.0.0.1", port(), 10);
  a.set("key", std::string("two\0zeros\0", 10));
  EXPECT_EQ(b.get("key", milliseconds(0)), std::string("two\0zeros\0", 10));
  a.set("key", "");
  EXPECT_EQ(b.get("key", milliseconds(0)), "");
  EXPECT_EQ(b.count(), 1);
  EXPECT_TRUE(b.remove("key"));
  EXPECT_FALSE(b.remove("key"));
  EXPECT_EQ(a.count(), 0);
}

TEST_F(Store, AValueOfSixteenMebibytes) {
  StoreClient c("127.0.0.1", port(), 10);
  const std::string large(16 << 20, 'x');
  c.set("large", large);
  EXPECT_EQ(c.get("large", milliseconds(0)), large);
}

TEST_F(Store, AGetWaitsForItsKey) {
  StoreClient a("127.0.0.1", port(), 10), b("127.0.0.1", port(), 10);
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(50));
    a.set("late", "value");
  });
  EXPECT_EQ(b.get("late", milliseconds(20000)), "value");
  later.join();
}

TEST_F(Store, AGetGivesUpInTimeAndTheConnectionStaysGood) {
  StoreClient c("127.0.0.1", port(), 10);
  try {
    c.get("never", milliseconds(20));
    FAIL() << "nothing thrown";
  } catch (const StoreTimeout& e) {
    EXPECT_STREQ(e.what(), "rendezvous: key 'never' did not appear within 0.02 s");
  }
  c.set("never", "now");
  EXPECT_EQ(c.get("never", milliseconds(0)), "now");
}

TEST_F(Store, AWaitNeedsAllItsKeys) {
  StoreClient c("127.0.0.1", port(), 10);
  c.set("a", "");
  EXPECT_THROW(c.wait({"a", "b"}, milliseconds(20)), StoreTimeout);
  EXPECT_TRUE(c.check({"a"}));
  EXPECT_FALSE(c.check({"a", "b"}));
  c.set("b", "");
  c.wait({"a", "b"}, milliseconds(0));
  EXPECT_TRUE(c.check({"a", "b"}));
}

TEST_F(Store, CompareSet) {
  StoreClient c("127.0.0.1", port(), 10);
  EXPECT_EQ(c.compare_set("k", "x", "y"), "x");  // missing, and expected to hold x: not set
  EXPECT_EQ(c.count(), 0);
  EXPECT_EQ(c.compare_set("k", "", "first"), "first");
  EXPECT_EQ(c.compare_set("k", "", "second"), "first");
  EXPECT_EQ(c.compare_set("k", "first", "third"), "third");
  EXPECT_EQ(c.get("k", milliseconds(0)), "third");
}

TEST_F(Store, AWillIsCarriedOutWhenItsConnectionEnds) {
  auto reader = client();
  {
    auto mortal = client();
    mortal.will("gone", "yes");
    mortal.will("renamed", "first");
    mortal.will("renamed", "second");
    mortal.will("withdrawn", "yes");
    mortal.will("withdrawn", "");
    for (int k = 0; k < 6; ++k) mortal.will("more/" + std::to_string(k), "x");
    EXPECT_THROW(mortal.will("one too many", "x"), std::logic_error);
    EXPECT_FALSE(reader.check({"gone"}));
  }
  EXPECT_EQ(reader.get("gone", milliseconds(20000)), "yes");
  EXPECT_EQ(reader.get("renamed", milliseconds(20000)), "second");
  EXPECT_FALSE(reader.check({"withdrawn"}));
  EXPECT_FALSE(reader.check({"one too many"}));
}

// Returns the timers of the connections that the system has for a server's port: "02" is the one that asks whether the
// client is still there. A machine without power ends no connection.
std::vector<std::string> timers_of(int port) {
  std::ifstream table("/proc/net/tcp");
  char own[16];
  std::snprintf(own, sizeof own, ":%04X", port);
  std::vector<std::string> out;
  std::string line;
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer;
    words >> number >> local >> remote >> state >> queues >> timer;
    if (local.ends_with(own) && state == "01") out.push_back(timer.substr(0, 2));
  }
  return out;
}

TEST_F(Store, AsksASilentClientWhetherItIsThere) {
  auto quiet = client();
  EXPECT_TRUE(quiet.check({}));
  std::this_thread::sleep_for(milliseconds(300));  // until the reply is acknowledged, the timer is another one
  EXPECT_EQ(timers_of(port()), std::vector<std::string>{"02"});
}

TEST_F(Store, CountersAddUpFromManyClients) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      StoreClient c("127.0.0.1", port(), 10);
      for (int k = 0; k < 200; ++k) c.add("n", k % 2 == 0 ? 3 : -1);
    });
  }
  for (auto& thread : threads) thread.join();
  StoreClient c("127.0.0.1", port(), 10);
  EXPECT_EQ(c.add("n", 0), 8 * 200);  // 8 threads · 100 · (3 − 1)
  EXPECT_EQ(c.get("n", milliseconds(0)), "1600");
}

TEST_F(Store, ACounterMustBeANumber) {
  StoreClient c("127.0.0.1", port(), 10);
  c.set("k", "12x");
  EXPECT_THROW(c.add("k", 1), std::logic_error);
  c.set("k", "9223372036854775807");
  EXPECT_THROW(c.add("k", 1), std::logic_error);
  EXPECT_EQ(c.get("k", milliseconds(0)), "9223372036854775807");
}

TEST_F(Store, GarbageInsteadOfAGreeting) {
  Stranger stranger(port());
  stranger.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(stranger.dropped());
  expect_serving();
}

TEST_F(Store, AnotherVersionOfTheProtocol) {
  Stranger stranger(port());
  stranger.say("tacetS2?");
  EXPECT_TRUE(stranger.dropped());
}

TEST_F(Store, AHugeLength) {
  Stranger stranger(port());
  stranger.greet();
  stranger.say("\xff\xff\xff\xff");
  EXPECT_TRUE(stranger.dropped());
  expect_serving();
}

TEST_F(Store, MalformedRequests) {
  const std::vector<std::string> requests = {
      std::string("\0\0\0\0", 4),                                      // nothing in it
      std::string("\1\0\0\0\x63", 5),                                  // operation 99
      std::string("\1\0\0\0\1", 5),                                    // set without arguments
      std::string("\6\0\0\0\5\xff\0\0\0k", 10),                        // a key of 255 bytes, of which one is there
      std::string("\6\0\0\0\5\1\0\0\0k!", 11),                         // a byte more than the request
      std::string("\7\0\0\0\5\1\0\0\0k!", 11),                         // a byte more than remove needs
      std::string("\5\0\0\0\6\xff\xff\xff\xff", 9),                    // four billion keys
      std::string("\5\0\0\0\5\2\0\1\0", 9) + std::string(65538, 'k'),  // more bytes than announced
  };
  for (const auto& request : requests) {
    Stranger stranger(port());
    stranger.greet();
    stranger.say(request);
    EXPECT_TRUE(stranger.dropped()) << "request " << &request - requests.data();
  }
  expect_serving();
}

TEST_F(Store, AKeyThatIsTooLong) {
  StoreClient c("127.0.0.1", port(), 10);
  c.set(std::string(64 << 10, 'k'), "");
  EXPECT_THROW(c.set(std::string((64 << 10) + 1, 'k'), ""), PeerLost);
  expect_serving();
}

TEST_F(Store, ARequestInSmallPartsIsServed) {
  Stranger slow(port());
  for (const char c : std::string("tacetS1?")) {
    slow.say(std::string(1, c));
    std::this_thread::sleep_for(milliseconds(2));
  }
  EXPECT_EQ(slow.hear(), "tacetS1!");
  for (const char c : std::string("\1\0\0\0\7", 5)) {
    slow.say(std::string(1, c));
    std::this_thread::sleep_for(milliseconds(2));
  }
  // count() = 0: nine bytes, a status and an i64.
  EXPECT_EQ(slow.hear(), std::string("\x9\0\0\0\0\0\0\0\0\0\0\0\0", 13));
}

TEST_F(Store, AClientThatAsksAgainBeforeItsAnswer) {
  Stranger stranger(port());
  stranger.greet();
  stranger.say(std::string("\xa\0\0\0\2\1\0\0\0k\xff\xff\0\0", 14));  // get("k") with 65 s
  std::this_thread::sleep_for(milliseconds(50));
  stranger.say(std::string("\1\0\0\0\7", 5));
  EXPECT_TRUE(stranger.dropped());
}

TEST_F(HurriedStore, AHalfOpenConnection) {
  Stranger silent(port()), half(port());
  half.say("tace");
  EXPECT_TRUE(silent.dropped());
  EXPECT_TRUE(half.dropped());
  expect_serving();
}

TEST_F(HurriedStore, ARequestThatNeverEnds) {
  Stranger stranger(port());
  stranger.greet();
  stranger.say(std::string("\x40\0\0\0\1", 5));
  EXPECT_TRUE(stranger.dropped());
  expect_serving();
}

TEST_F(HurriedStore, AnIdleClientStaysConnected) {
  StoreClient c("127.0.0.1", port(), 10);
  std::this_thread::sleep_for(milliseconds(600));  // three times the limits for greeting and request
  c.set("k", "v");
  EXPECT_EQ(c.get("k", milliseconds(600)), "v");
  EXPECT_THROW(c.get("never", milliseconds(600)), StoreTimeout);
}

TEST_F(HurriedStore, TooManyConnectionsAreTurnedAway) {
  std::vector<std::unique_ptr<StoreClient>> five;
  for (int k = 0; k < 5; ++k) five.push_back(std::make_unique<StoreClient>("127.0.0.1", port(), 10));
  EXPECT_TRUE(Stranger(port()).dropped());
  EXPECT_THROW(StoreClient("127.0.0.1", port(), 0.3), PeerLost);
  five[0]->set("k", "v");
  five.pop_back();
  expect_serving();
}

TEST_F(HurriedStore, FullTable) {
  StoreClient c("127.0.0.1", port(), 10);
  c.set("k", std::string(900, 'x'));
  EXPECT_THROW(c.set("l", std::string(100, 'x')), std::logic_error);  // 1 + 900 + 1 + 100 > 1000
  c.set("k", std::string(990, 'x'));                                  // in place of the old one: 991
  EXPECT_FALSE(c.check({"l"}));
  c.remove("k");
  c.set("l", std::string(100, 'x'));
}

TEST_F(HurriedStore, ARequestThatDoesNotFitIntoTheBuffers) {
  StoreClient c("127.0.0.1", port(), 10);
  EXPECT_THROW(c.set("k", std::string(5000, 'x')), PeerLost);
  expect_serving();
}

// ---- with a join token ----

const std::string kToken = "a token of sufficient length";

struct SecretStore : Store {
  SecretStore() : Store({}, kToken) {}
  std::string mistake(const std::string& token) {
    return test::error_of([&] { StoreClient("127.0.0.1", port(), 10, token); });
  }
  void expect_serving_members() {
    StoreClient c("127.0.0.1", port(), 10, kToken);
    c.set("still", "here");
    EXPECT_EQ(c.get("still", milliseconds(0)), "here");
  }
};

TEST_F(SecretStore, LetsInWhoKnowsTheToken) {
  expect_serving_members();
  EXPECT_NE(mistake("").find("asks for a join token"), std::string::npos) << mistake("");
  EXPECT_NE(mistake(kToken + "!").find("has another one"), std::string::npos) << mistake(kToken + "!");
  EXPECT_NE(mistake("").find(std::to_string(port())), std::string::npos);
  expect_serving_members();
}

TEST_F(Store, ATokenForAServerWithoutOne) {
  test::expect_mentions(test::error_of([&] { StoreClient("127.0.0.1", port(), 10, kToken); }),
                        {"was started without a join token"});
}

TEST_F(SecretStore, ARequestBeforeTheProofIsNotServed) {
  for (const std::string& words :
       {std::string("tacetS1?") + std::string("\1\0\0\0\7", 5),             // greeting and request at once
        "tacetT1?" + std::string(32, 'c') + std::string("\1\0\0\0\7", 5),   // behind the challenge
        "tacetT1?" + std::string(32, 'c') + std::string(32, 'p') + "x"}) {  // a proof before the server's challenge
    Stranger stranger(port());
    stranger.say(words);
    EXPECT_TRUE(stranger.dropped()) << words.size();
  }
  Stranger guest(port());
  guest.say("tacetT1?" + std::string(32, 'c'));
  const std::string challenge = guest.hear().value_or("");
  ASSERT_EQ(challenge.substr(0, 8), "tacetT1!");
  ASSERT_EQ(challenge.size(), 40u);
  guest.say(std::string(32, 'p'));
  EXPECT_EQ(guest.hear(), "tacetTW!");
  EXPECT_TRUE(guest.dropped());
  expect_serving_members();
}

// What one member said does not help another one: challenges differ, and the two sides' proofs as well.
TEST_F(SecretStore, AnOverheardProofIsOfNoUse) {
  std::string first;
  for (int k = 0; k < 2; ++k) {
    Stranger guest(port());
    guest.say("tacetT1?" + std::string(32, 'c'));
    const std::string challenge = guest.hear().value_or("").substr(8);
    ASSERT_EQ(challenge.size(), kChallengeBytes);
    if (k == 0) {
      first = proof(kToken, "client", std::string(32, 'c') + challenge);
      guest.say(first);
      EXPECT_EQ(guest.hear(), "tacetT1!" + proof(kToken, "server", std::string(32, 'c') + challenge));
    } else {
      guest.say(first);
      EXPECT_EQ(guest.hear(), "tacetTW!");
    }
  }
}

// HMAC-SHA-256 of a known answer, computed by another program:
// printf 'tacet join client\0abc' | openssl dgst -sha256 -hmac 'a token of sufficient length'
TEST(Handshake, KnownAnswer) {
  std::string hex;
  for (const char c : proof(kToken, "client", "abc")) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    hex += two;
  }
  EXPECT_EQ(hex, "3f91d2a8569dac9ac21a0a32740d47032913dbc39f25d701d42530d2a3ce24fd");
}

TEST(StoreServer, ItsEndWakesWaitingClients) {
  auto server = std::make_unique<StoreServer>("127.0.0.1", 0);
  const int port = server->port();
  StoreClient c("127.0.0.1", port, 10);
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(50));
    server.reset();
  });
  const std::string gone = "the rendezvous at 127.0.0.1:" + std::to_string(port) + " is gone: connection closed";
  for (int k = 0; k < 2; ++k) {  // the second time without a connection
    try {
      c.get("never", milliseconds(60000));
      ADD_FAILURE() << "nothing thrown";
    } catch (const PeerLost& e) {
      EXPECT_EQ(e.what(), gone);
      EXPECT_EQ(e.rank, -1);
    }
  }
  later.join();
}

TEST(StoreServer, APortThatIsTaken) {
  const StoreServer first("127.0.0.1", 0);
  EXPECT_EQ(test::error_of([&] { StoreServer("127.0.0.1", first.port()); }),
            "rendezvous: can't listen on 127.0.0.1:" + std::to_string(first.port()) + ": Address already in use");
}

TEST(StoreServer, AnAddressThatIsNotOurs) {
  EXPECT_THROW(StoreServer("192.0.2.1", 0), UserError);  // reserved for documentation
}

TEST(StoreClient, AnotherProgramAtThePort) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  std::thread other([&] {
    const int peer = ::accept(listener, nullptr, nullptr);
    EXPECT_EQ(::send(peer, "220 mail ready\r\n", 16, MSG_NOSIGNAL), 16);
    char bytes[64];
    EXPECT_EQ(::recv(peer, bytes, sizeof bytes, 0), 8);
    ::close(peer);
  });
  EXPECT_THROW(StoreClient("127.0.0.1", ntohs(address.sin_port), 10), UserError);
  other.join();
  ::close(listener);
}

}  // namespace
}  // namespace tacet
