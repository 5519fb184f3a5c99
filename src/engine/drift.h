// The distance of clients' models from their mean, which Lemma 2 of Liu et al., NeurIPS 2022, bounds for clipped steps.
#pragma once

#include <limits>

#include "tacet/vector.h"

namespace tacet {

class Round;
struct RoundSetup;

// The client's model that was farthest from the mean of all, beyond the bound where there is one.
struct Drift {
  int client = -1;  // −1: none of this rank's clients sent a model
  double distance = 0;
  double bound = std::numeric_limits<double>::infinity();  // Σ γ_t over its local steps t, and over the most of any client
};

struct ClientModel {
  int client;
  const Vec& model;
  const Vec& mean;  // of all clients
};

// Compares a client's model with the mean, and puts it in the place of `worst` where it is farther.
void note_drift(const Round& round, const RoundSetup& setup, const ClientModel& of, Drift& worst);

}  // namespace tacet
