// Chooses the clients that take part in a round. The choice is a pure function of (seed, round), so it is equal on every
// rank and independent of placement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tacet/options.h"

namespace tacet {

// The table [clients] of a recipe.
struct ClientOptions {
  std::optional<int64_t> count, participating;  // default: one client for each worker; all of them
  std::string sampling;
  int64_t period = 2, switch_every = 1;
  double alpha = 1;

  void options(OptionList& list);
};

struct ClientSampling {
  int clients = 1;               // N
  int participating = 1;         // S ≤ N; of kind poisson, on average
  std::string kind = "uniform";  // one of these:
  // uniform    S of N without replacement, anew in every round
  // fixed      clients 0 … S − 1 in every round
  // periodic   clients are cut into `period` blocks by id; S of block ⌊r / switch_every⌋ mod period are drawn in round r
  // poisson    each client by itself with probability S/N, so that S take part on average, and now and then nobody
  // dirichlet  S of N without replacement, client i with weight w_i; w ~ Dirichlet(alpha) is drawn once a run
  int64_t period = 2, switch_every = 1;
  double alpha = 1;
};

// Returns a complaint where `participating` is more than `count` clients, or than a block of "periodic" has ("must be <=
// clients.count = 8, got 9"). Returns nothing where it is right.
std::optional<std::string> sampling_complaint(const ClientOptions& clients, int count);

// Reads [clients]. Throws UserError with that complaint.
ClientSampling client_sampling(const Values& clients, int count);

// Returns S_r, ascending.
std::vector<int> sample_clients(const ClientSampling& sampling, uint64_t seed, int64_t round);

// Returns the weights w of kind dirichlet, which sum to 1.
std::vector<double> client_weights(const ClientSampling& sampling, uint64_t seed);

}  // namespace tacet
