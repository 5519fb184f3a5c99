// Noise added to a function's gradient, with mean 0: the symmetric models that theorems on clipping assume, and a skewed one
// that breaks the assumption. A draw is a pure function of its stream.
#pragma once

#include <string>

#include "tacet/options.h"
#include "tacet/random.h"

namespace tacet {

struct Noise {
  std::string kind = "none";  // none, gaussian, uniform, two-point, student, three-point
  double scale = 1;           // gaussian, student: of the untruncated variable; uniform: half width; two-point: ±scale;
                              // three-point: factor
  double bound = 3;           // gaussian, student: draws beyond ± bound · scale are drawn again
  int64_t freedom = 3;        // student: degrees of freedom, ≥ 1
  int64_t batch = 1;          // the mean of so many draws
  int64_t samples = 100;      // draws of all clients together that count as an epoch

  // Binds the keys of data set "noise"; the defaults are the members' values.
  void options(OptionList& o);
};

// Returns one coordinate's noise.
double draw(const Noise& noise, Stream& stream);

}  // namespace tacet
