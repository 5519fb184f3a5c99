// The rows of the methods that come with tacet, each from its own file. CMake writes the function from the list of names in
// this folder's CMakeLists.txt.
#pragma once

#include <vector>

#include "tacet/algorithm.h"

namespace tacet {

std::vector<AlgorithmInfo> builtin_algorithms();

}  // namespace tacet
