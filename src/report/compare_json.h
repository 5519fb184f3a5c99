// The figures of `tacet compare` as JSON. The tables round them; here they are as the runs' files have them.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "report/runs.h"

namespace tacet {

// Returns {"runs": […]}, an object a run in the order given. Keys are those of the runs' own files where there is one, and
// docs/reference/commands.md lists them. A figure that a run doesn't tell is null.
nlohmann::json compare_json(const std::vector<Run>& runs);

}  // namespace tacet
