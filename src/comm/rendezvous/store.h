// The rendezvous: a small table of keys and values that the workers of a run share while they find each other. Rank 0 or the
// local launcher serves it, the others connect. c10d's own TCPStore listens on every interface. This one listens on the
// named address only. It is for a few kilobytes at the start of a run, not for data, and knows no c10d.
//
// Protocol, version 1. All numbers are little-endian.
//   greeting   client: the 8 bytes "tacetS1?"; server: the 8 bytes "tacetS1!"; at most 10 s after connecting
//              With a join token: the client's 8 bytes "tacetT1?" and a challenge of 32; the server's "tacetT1!" and
//              challenge; the client's proof of 32 bytes (handshake.h) for both challenges; the server's "tacetT1!" and
//              proof. Instead, and before it hangs up: "tacetTN!" (a token is needed), "tacetTU!" (there is none),
//              "tacetTW!" (it is another).
//   request    u32 length of the rest; u8 operation; its arguments
//   reply      u32 length of the rest; u8 status (0 done, 1 timed out, 2 refused, with a text as its string); the result
//   string     u32 length; bytes. A key has at most 64 KiB, a value at most 16 MiB.
//   keys       u32 count; that many strings
// operations: 1 set(key, value); 2 get(key, u32 milliseconds) → value; 3 add(key, i64) → i64;
//   4 compare_set(key, expected, desired) → value; 5 remove(key) → u8; 6 check(keys) → u8; 7 count() → i64;
//   8 wait(keys, u32 milliseconds); 9 will(key, value): a set that the server does when this connection ends, however it
//   ends. A later will for the same key replaces it, an empty value withdraws it; at most 8.
// get and wait answer when the keys are there, or "timed out". A client sends its next request after the reply to the last.
// The server drops a client that breaks these rules, that takes longer than a minute for one request or for reading one
// reply, or whose request does not fit into what the server may still buffer; the others don't notice.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace tacet {

struct StoreLimits {
  size_t connections = 4096;  // two of each worker, of which there are at most 2,000
  size_t key_bytes = 64 << 10;
  size_t value_bytes = 16 << 20;
  size_t buffered_bytes = 256 << 20;  // requests and replies in flight, of all clients together
  size_t stored_bytes = 256 << 20;    // keys and values; a request beyond it is refused
  double greeting_seconds = 10;
  double request_seconds = 60;  // from a request's first byte to its last, and for the client to read a reply
};

// Serves the table from a thread of its own as long as the object lives. Its destruction closes all connections at once, so
// that waiting clients get an error.
class StoreServer {
 public:
  // Listens on `address` alone (numeric or a name) and on `port` (0: one that is free). Lets in only clients that prove to
  // know `token`; an empty one lets in everybody. Throws UserError when it can't listen.
  StoreServer(const std::string& address, int port, const StoreLimits& limits = {}, const std::string& token = "");
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;
  int port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The error of a key that did not appear in time. The connection is still good.
struct StoreTimeout : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One connection to a StoreServer. Several threads may use it; their requests take turns. Every call throws PeerLost(-1)
// when the server is gone or does not answer (then all later calls do too), and std::logic_error when the server refuses the
// request.
class StoreClient {
 public:
  // Tries to connect until `timeout_seconds` have passed, then throws PeerLost(-1). Throws UserError when something else
  // than a StoreServer answers at that port, the address can't be resolved, or the server's join token is not `token`.
  StoreClient(const std::string& address, int port, double timeout_seconds, const std::string& token = "");
  ~StoreClient();
  StoreClient(const StoreClient&) = delete;
  StoreClient& operator=(const StoreClient&) = delete;

  void set(const std::string& key, const std::string& value);
  // Waits for the key and returns its value. Throws StoreTimeout.
  std::string get(const std::string& key, std::chrono::milliseconds limit);
  // Adds to a counter, kept as decimal text, and returns the new value. A missing counter is 0.
  int64_t add(const std::string& key, int64_t amount);
  // Sets the key to `desired` when it holds `expected`, or is missing and `expected` is empty. Returns the key's value
  // afterwards (`expected` where a missing key was expected to hold something).
  std::string compare_set(const std::string& key, const std::string& expected, const std::string& desired);
  bool remove(const std::string& key);  // returns true if it was there
  bool check(const std::vector<std::string>& keys);
  int64_t count();
  // Asks the server to set the key when this connection ends, by a crash as well. An empty value takes that back.
  void will(const std::string& key, const std::string& value);
  // Waits until all keys are there. Throws StoreTimeout.
  void wait(const std::vector<std::string>& keys, std::chrono::milliseconds limit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tacet
