// The accountant: what (ε, δ) differential privacy rounds give that show a sum over sampled clients in Gaussian noise. It
// counts in Rényi divergences. Noise itself, and what else a run shows of its clients, are not known here.
#pragma once

#include <cstdint>

namespace tacet {

// The way in which a round's clients are drawn. It decides which runs ε makes hard to tell apart.
enum class ClientDraw {
  by_themselves,  // each with probability `rate`; the runs are those with and without one client
  fixed_number    // that share of all, without replacement; in the other run one client has other data
};

// One round.
struct NoisyRound {
  double noise = 1;  // z > 0: deviation of the noise in units of the most that one client adds to the sum
  double rate = 1;   // share of the clients that are drawn, 0 < rate ≤ 1
  ClientDraw drawn = ClientDraw::by_themselves;
};

// Returns a bound on the Rényi divergence of that order, > 1, between the round in one run and in the other. For a fixed
// number the order must be whole.
double renyi_divergence(const NoisyRound& round, double order);

struct PrivacyLoss {
  double epsilon = 0;
  double order = 0;  // order of the divergence that gives the smallest ε
};

// Returns the smallest ε for δ, 0 < δ < 1, after so many rounds. No round is no loss.
PrivacyLoss privacy_loss(const NoisyRound& round, int64_t rounds, double delta);

}  // namespace tacet
