// Finds the data sets that are here, by the files that the catalog names. Their contents are not read.
#pragma once

#include <string>

#include "tacet/registry.h"

namespace tacet {

// Returns true if the files of this data set are whatever a user gives, so that nobody can look for them.
bool is_of_ones_own(const DatasetInfo& row);

// Returns the folder in which a reader without data.root finds the first of the data set's files; empty where it finds none.
std::string place_of(const DatasetInfo& row);

}  // namespace tacet
