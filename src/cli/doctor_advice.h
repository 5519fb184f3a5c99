// Advice on what is off on this machine, judged from the facts, with the mend. Nothing is read or measured here.
#pragma once

#include <string>
#include <vector>

#include "cli/doctor_facts.h"

namespace tacet {

struct Advice {
  enum class Level {
    note,     // good to know
    warning,  // slower or less than it could be, or a trap
    fatal,    // training is impossible
  };
  Level level;
  std::string about;  // a part of the report: "processor", "kernels", "blas", "openmp", "memory", "loopback", "hosts", …
  std::string text;
};

// Returns all advice, in the report's order.
std::vector<Advice> advice_for(const DoctorFacts& facts);

// Returns "note", "warning" or "fatal".
std::string name_of(Advice::Level level);

}  // namespace tacet
