// Time that only goes forward, for durations and deadlines.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <sstream>
#include <string>

namespace tacet {

using Clock = std::chrono::steady_clock;

// Returns the seconds that have passed since `start`.
inline double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Returns the moment that lies so many seconds ahead.
inline Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Returns the milliseconds until then for poll(): 0 when it has passed, rounded up so that nobody spins.
inline int poll_milliseconds(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

// Returns "0.5 s" for messages.
inline std::string seconds_text(double seconds) {
  std::ostringstream text;
  text << seconds << " s";
  return text.str();
}

}  // namespace tacet
