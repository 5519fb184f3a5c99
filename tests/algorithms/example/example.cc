// See example.h. The row is the one that the page shows.
#include "algorithms/example/example.h"

#include "algorithms/methods.h"
#include "algorithms/options.h"

namespace tacet {

std::unique_ptr<Algorithm> make_slowmo(const Values& options);

namespace test {

const std::vector<Method>& every_method() {
  using namespace method_options;
  static const std::vector<Method> all = [] {
    std::vector<Method> rows = {
#include "algorithms/example/row.inc"
    };
    rows.insert(rows.begin(), methods().begin(), methods().end());
    return rows;
  }();
  return all;
}

const Method& method_by_name(const std::string& name) {
  for (const Method& m : every_method())
    if (m.name == name) return m;
  return find_method(name);
}

}  // namespace test
}  // namespace tacet
