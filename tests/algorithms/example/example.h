// The worked example of docs/guide/adding-an-algorithm.md, examples/own_algorithm.cc, added to the table of methods for the
// suites.
#pragma once

#include <deque>

#include "tacet/algorithm.h"
#include "tacet/registry.h"

namespace tacet::test {

// Returns tacet's methods and the example.
const std::deque<AlgorithmInfo>& every_method();

}  // namespace tacet::test
