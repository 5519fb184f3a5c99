// See run_identity.h.
#include "recipe/run_identity.h"

#include <filesystem>

#include "base/digest.h"
#include "data/catalog/found.h"

namespace tacet {

namespace fs = std::filesystem;

std::optional<std::string> identity_of(const Used& used, const Recipe& recipe) {
  const std::string text = to_toml(used.value);
  if (!used.option || !used.option->per_machine) return text;
  if (used.option->path == Path::no) return {};
  if (used.table == "data" && used.key == "root")
    return is_of_ones_own(find_dataset(recipe.data.text("name"))) ? std::optional(text) : std::nullopt;
  const fs::path file = std::get<std::string>(used.value);
  if (used.option->path == Path::searched) return file.filename().string();
  std::error_code error;
  return fs::is_regular_file(file, error) ? "sha256 " + sha256_file(file.string()) : text;
}

}  // namespace tacet
