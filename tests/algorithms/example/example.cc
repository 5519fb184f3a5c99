// Implements example.h.
#include "algorithms/example/example.h"

#include "tacet/command.h"

tacet::AlgorithmInfo slowmo();  // of examples/own_algorithm.cc

namespace tacet {

// Stands in for the command, which the example's main() would run: here that has another name and is never called.
int command(int, char**) { return 1; }

namespace test {

const std::deque<AlgorithmInfo>& every_method() {
  static const bool added = (add_algorithm(slowmo()), true);
  (void)added;
  return algorithms();
}

}  // namespace test
}  // namespace tacet
