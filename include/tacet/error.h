// The two failures a caller of tacet can act on. Anything else that escapes is a defect of tacet (exit code 1).
// This is not a logging facility, and it is not for control flow.
#pragma once

#include <stdexcept>
#include <string>

namespace tacet {

// A mistake in the user's input: recipe, data file, option, output folder. The message names the place, what is allowed and
// what was given, for example `recipe.toml:7: algorithm.gamma must be > 0, got -1`. Exit code 2.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The loss of another worker, which is gone or silent for longer than the limit. Where it reaches the caller, the run can't
// go on. Exit code 3.
struct PeerLost : std::runtime_error {
  PeerLost(int peer_rank, const std::string& what) : std::runtime_error(what), rank(peer_rank) {}
  int rank;  // the lost worker's; −1 where it can't be told
};

}  // namespace tacet
