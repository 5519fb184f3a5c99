// The table [run] of a recipe: the computing and recording of a run. Model, data and method are in the other tables.
#pragma once

#include <cstdint>
#include <string>

#include "tacet/options.h"

namespace tacet {

struct RunOptions {
  int64_t seed = 1;
  int threads = 1;
  std::string dtype;
  double eval_every = 1, checkpoint_every = 1;  // epochs
  int64_t eval_rounds = 0;
  bool eval_train = false, update_size = false, noise_scale = false, check = false;
  double gradient_every = 0;                           // epochs
  double gradient_part = 1;                            // of the training set
  int64_t smoothness_every = 0, smoothness_units = 1;  // rounds; evaluation batches of the training set
  double smoothness_share = 0.1;                       // of the training time
  int checkpoint_keep = 2;
  int64_t log_every = 1;  // rounds
  std::string non_finite, client_state, device, exchange;
  double peer_timeout = 60;  // seconds
  int restarts = 3;
  bool second_copy = true, even_work = true;
  int min_workers = 1;
  double round_deadline = 0;  // seconds; 0: none

  void options(OptionList& list);
};

}  // namespace tacet
