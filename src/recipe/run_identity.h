// Tells runs apart by their recipes: by values and the contents of files, and not by where a machine keeps these. Whether a
// resumed run is the one that was begun is in same_run.h.
#pragma once

#include <optional>
#include <string>

#include "recipe/used_values.h"

namespace tacet {

// Returns the text by which a value of the recipe tells runs apart: as TOML, or, of a file that the recipe names, a digest
// of its contents, or the file's name alone where its reader looks for it. Returns nothing for what each machine may decide
// for itself: data.root of a published set, for one. That of data of one's own counts by its path, as nothing else tells
// them apart.
std::optional<std::string> identity_of(const Used& used, const Recipe& recipe);

}  // namespace tacet
