// What the tests of sweeps share: a small recipe and a folder.
#pragma once

#include <string>

#include "support/error_of.h"
#include "support/temp_folder.h"
#include "sweep/plan.h"

namespace tacet {

struct SweepTest : test::TempFolder {
  // Returns a request for a recipe of a function, with more lines at its end.
  SweepRequest request(const std::string& more = "") const {
    const std::string text = R"([data]
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
    SweepRequest out;
    out.recipe = write("r.toml", text + more);
    return out;
  }
};

}  // namespace tacet
