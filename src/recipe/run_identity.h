// What tells a run apart from another one, by its recipe: values, and the contents of files, but not where a machine keeps
// them.
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
