// The collection of tacet's own models. Each model's file defines built_in::NAME(), which returns its rows;
// src/models/CMakeLists.txt lists the files, and CMake writes built_in_models() from that list.
#pragma once

#include <vector>

#include "tacet/registry.h"

namespace tacet {

// Returns the rows of all listed files, in the list's order.
std::vector<ModelInfo> built_in_models();

// Returns the key `init`, a file with initial weights, which every network has.
Option init_option();

}  // namespace tacet
