// Chooses the clients that take part in a round. The choice is a pure function of (seed, round), the same on every rank, and
// independent of where clients live.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

// The table [clients] of a recipe.
struct ClientOptions {
  std::optional<int64_t> count, participating;  // one client a worker; all
  std::string sampling;
  int64_t period = 2;
  double alpha = 1;

  void options(OptionList& list);
};

struct ClientSampling {
  int clients = 1;               // N
  int participating = 1;         // S ≤ N
  std::string kind = "uniform";  // one of the below
  // uniform    S of N without replacement, anew in every round
  // fixed      clients 0 … S − 1 in every round
  // periodic   clients are cut into `period` blocks by id; block r mod period is available in round r, and S of it are drawn
  // dirichlet  S of N without replacement, client i with weight w_i; w ~ Dirichlet(alpha) is drawn once a run
  int64_t period = 2;
  double alpha = 1;
};

// Returns what is wrong with `participating` for so many clients ("must be <= clients.count = 8, got 9"): more than N, or
// than a block of "periodic" has. Nothing when it is right.
std::optional<std::string> sampling_complaint(const ClientOptions& clients, int count);

// Reads [clients]. Throws UserError with that complaint.
ClientSampling client_sampling(const Values& clients, int count);

// Returns S_r, ascending.
std::vector<int> sample_clients(const ClientSampling& sampling, uint64_t seed, int64_t round);

// Returns w of kind dirichlet; they sum to 1.
std::vector<double> client_weights(const ClientSampling& sampling, uint64_t seed);

}  // namespace tacet
