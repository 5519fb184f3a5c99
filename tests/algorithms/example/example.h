// The worked example of docs/guide/adding-an-algorithm.md as a row beside those of the table, for the suites.
#pragma once

#include <string>
#include <vector>

#include "tacet/algorithm.h"

namespace tacet::test {

const std::vector<AlgorithmInfo>& every_method();  // those of the table, and the example
const AlgorithmInfo& method_by_name(const std::string& name);

}  // namespace tacet::test
