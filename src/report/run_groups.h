// Groups of runs that differ in their seed only, none of which comes twice, and the settings by which groups differ, as the
// runs' resolved recipes tell them. Nothing is averaged here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "report/runs.h"

namespace tacet {

struct RunGroup {
  std::string label;         // names the settings by which it differs; distinct
  std::vector<size_t> runs;  // in the order given
  // Values that differ between groups, by "table.key", as TOML; "data.files" is the mark of the data's files (Run::data),
  // "run.workers" the number of workers, of runs with a seed that comes twice only.
  std::map<std::string, std::string> settings;
};

// Returns the values of a resolved recipe by "table.key", without the seed and without folders, which may differ between
// machines: of a file the name is left, of data.root nothing.
std::map<std::string, std::string> settings_of(const std::string& recipe);

// Returns the groups in the order of their first runs. A run without a recipe is a group of its own. Where a seed comes
// twice, each number of workers has groups of its own, and a run that is there again even so, as a folder given twice is,
// goes into a further group: a mean over them would be of other seconds, or of one run.
std::vector<RunGroup> groups_of(const std::vector<Run>& runs);

}  // namespace tacet
