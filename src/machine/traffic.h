// Measures how fast this machine moves bytes: through its memory, and through its own loopback. Each measurement takes less
// than a second and says what it did. Nothing leaves the machine.
#pragma once

#include <cstdint>
#include <string>

namespace tacet {

// Bytes that were moved and the time that it took.
struct Traffic {
  double bytes = 0, seconds = 0;
  std::string how;                                                   // one sentence; empty: not measured
  std::string error;                                                 // the reason why not; empty: measured
  double rate() const { return seconds > 0 ? bytes / seconds : 0; }  // bytes a second
};

// Adds two arrays into a third, of `bytes` together, by so many threads, again and again for about `limit` seconds, and
// returns the quickest pass. Arrays that fit into a cache measure the cache.
Traffic memory_traffic(int threads, double bytes, double limit);

// The loopback's stream of bytes, and the time that one byte takes to go there and back.
struct LoopbackTraffic {
  Traffic stream;
  double round_trip = 0;  // seconds, the median
  int trips = 0;
};

// Sends bytes through TCP on 127.0.0.1 from one thread to another for about `limit` seconds, then one byte to and fro. Every
// wait has a limit.
LoopbackTraffic loopback_traffic(double limit);

}  // namespace tacet
