// The rows of the table of models for texts other than AWD-LSTM (see table.cc).
#pragma once

#include <vector>

#include "tacet/registry.h"

namespace tacet {

std::vector<Entry> sequence_models();

}  // namespace tacet
