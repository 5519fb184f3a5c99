// Implements example.h.
#include "algorithms/example/example.h"

namespace tacet {

AlgorithmInfo slowmo();

namespace test {

const std::deque<AlgorithmInfo>& every_method() {
  static const bool added = (add_algorithm(slowmo()), true);
  (void)added;
  return algorithms();
}

}  // namespace test
}  // namespace tacet
