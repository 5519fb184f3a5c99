// The rows of the table of data sets for labelled and for parallel texts (see table.cc).
#pragma once

#include <vector>

#include "tacet/registry.h"

namespace tacet {

std::vector<Entry> sequence_datasets();

}  // namespace tacet
