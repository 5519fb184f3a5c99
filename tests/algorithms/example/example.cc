// See example.h. The row is the one that the page shows.
#include "algorithms/example/example.h"

#include "algorithms/common_options.h"
#include "algorithms/methods.h"

namespace tacet {

std::unique_ptr<Algorithm> make_slowmo(const Values& options);

namespace test {

const std::vector<AlgorithmInfo>& every_method() {
  using namespace method_options;
  static const std::vector<AlgorithmInfo> all = [] {
    std::vector<AlgorithmInfo> rows = {
#include "algorithms/example/row.inc"
    };
    rows.insert(rows.begin(), algorithms().begin(), algorithms().end());
    return rows;
  }();
  return all;
}

const AlgorithmInfo& method_by_name(const std::string& name) {
  for (const AlgorithmInfo& m : every_method())
    if (m.name == name) return m;
  return find_algorithm(name);
}

}  // namespace test
}  // namespace tacet
