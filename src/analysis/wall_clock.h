// Costs of an interval in wall-clock time: seconds of a local step, bytes of a message, bandwidth, and the I from which on
// nearly nothing is lost to waiting. It is arithmetic on figures that were measured or given, and measures nothing itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tacet {

struct ClusterCosts {
  double step_seconds = 0;      // of a local step
  int64_t parameters = 0;       // d
  int workers = 2;              // P, each on a host of its own, with one client each
  double bytes_per_second = 0;  // that a host can send
  double round_trip = 0;        // seconds of an empty message there and back
  int vectors = 1;              // that the method sends in a round
};

// Throws UserError for costs that no cluster has.
void check_costs(const ClusterCosts& costs);

// Returns the bytes that a worker sends for one mean of vectors in this message coding: "f32", "bf16", "int8", or
// "topk" with its defaults, as if the model were one matrix.
double mean_bytes(const std::string& message, int64_t parameters, int workers);

// One way to send: a message coding, with or without celgc-overlap's local steps beside the exchange.
struct ExchangePlan {
  std::string message;
  bool overlap = false;
  double bytes = 0;      // a round, by a worker
  double seconds = 0;    // of an exchange
  int64_t interval = 1;  // the smallest I with at least `share` of the attainable speed
  // Returns the share of the speed without any exchange that is reached at I: c/(c + e/I), or c/max(c, e/I) with overlap.
  double speed(int64_t I) const;
  // Returns the seconds of a local step and its part of the exchange.
  double seconds_a_step(int64_t I) const;
  double step_seconds = 0;
};

// Returns the eight ways, by message, without and with overlap. 0 < share < 1.
std::vector<ExchangePlan> exchange_plans(const ClusterCosts& costs, double share = 0.95);

}  // namespace tacet
