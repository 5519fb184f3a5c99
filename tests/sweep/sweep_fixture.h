// A small recipe, which the tests of figures use as well, and a folder with it for the tests of sweeps.
#pragma once

#include <string>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "sweep/plan.h"

namespace tacet {

inline const std::string small_recipe = R"([data]
name = "noise"
noise.kind = "uniform"
noise.scale = 1
[model]
name = "quartic-pair"
[algorithm]
name = "celgc"
eta = 0.01
gamma = 0.05
interval = 8
[clients]
count = 2
[schedule]
rounds = 20
)";

struct SweepTest : test::TempFolder {
  // Returns a request for a recipe of a function, with more lines at its end.
  SweepRequest request(const std::string& more = "") const {
    SweepRequest out;
    out.recipe = write("r.toml", small_recipe + more);
    return out;
  }
};

}  // namespace tacet
