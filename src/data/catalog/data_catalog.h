// The collection of tacet's own data sets. Each file of a data set, or of a family with one reader, defines
// built_in::NAME(), which returns its rows; src/data/CMakeLists.txt lists the files, and CMake writes built_in_datasets()
// from that list.
#pragma once

#include <vector>

#include "tacet/registry.h"

namespace tacet {

// Returns the rows of all listed files, in the list's order.
std::vector<DatasetInfo> built_in_datasets();

}  // namespace tacet
