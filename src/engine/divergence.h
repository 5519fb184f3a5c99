// The mark of a divergence in the text of an error: what is not finite is blamed on the rates. Errors of other processes are
// known by their text alone.
#pragma once

#include <string_view>

namespace tacet {

inline constexpr std::string_view kLowerRates = "lower algorithm.eta";

// Returns true for the error of a run that diverged. Values that are not finite because of the data, or before the first
// step, are no divergence: no rate is to blame, and the run may do well once the cause is mended.
inline bool tells_divergence(std::string_view message) {
  return message.find(" is not finite at ") != std::string_view::npos && message.find(kLowerRates) != std::string_view::npos;
}

}  // namespace tacet
