// See locate.h.
#include "data/files/locate.h"

#include <filesystem>

#include "base/places.h"
#include "base/utf8.h"
#include "data/catalog/sources.h"

namespace tacet {

namespace fs = std::filesystem;

Option root_option() {
  return {.name = "root",
          .kind = Kind::text,
          .doc = "folder with the files; without it $TACET_DATA, then ~/.cache/tacet are searched",
          .required = false,
          .free_on_resume = true,
          .per_machine = true,
          .path = Path::yes};
}

std::vector<std::string> system_folders(const std::string& dataset) {
  if (dataset == "fashion-mnist") return {"/usr/share/datasets/fashion-mnist"};
  return {};
}

std::string find_folder(const Values& data, const std::string& dataset, const std::string& subfolder,
                        const std::vector<std::string>& wanted, const std::vector<std::string>& system) {
  std::vector<fs::path> places;
  std::string chosen_by;
  if (data.has("root")) {
    const std::string given = data.text("root");
    if (given.empty()) throw UserError("data.root must be the folder of data set \"" + dataset + "\", got \"\"");
    const fs::path root = expand_home(given);
    places = {root, root / subfolder};
    chosen_by = "data.root is \"" + visible(given) + "\"";
  } else {
    const std::string base = variable("TACET_DATA");
    if (!base.empty()) places = {fs::absolute(base) / subfolder, fs::absolute(base)};
    if (const std::string cache = cache_folder(); !cache.empty()) places.push_back(fs::path(cache) / subfolder);
    for (const std::string& place : system) places.emplace_back(place);
    chosen_by = "data.root is not given and $TACET_DATA is " + (base.empty() ? "not set" : "\"" + visible(base) + "\"");
  }
  for (const fs::path& place : places)
    if (!first_existing(place.string(), wanted).empty()) return place.string();

  std::string files, looked;
  for (const std::string& name : wanted) files += (files.empty() ? "" : " or ") + name;
  for (const fs::path& place : places) looked += (looked.empty() ? "" : ", ") + place.string();
  // With data.root, what `tacet data fetch` downloads to $TACET_DATA would not be looked at.
  const bool fetched = !data.has("root") && find_source(dataset) != nullptr;
  throw DataMissing("data set \"" + dataset + "\" was not found: no " + files + " in " +
                    (looked.empty() ? "any folder" : looked) + " (" + chosen_by + "); " +
                    (fetched ? "`tacet data fetch " + dataset + "` downloads it; else " : "") +
                    "give data.root or set $TACET_DATA");
}

std::string only_existing(const std::string& folder, const std::vector<std::string>& names, const std::string& remedy) {
  std::string found;
  for (const std::string& name : names) {
    const std::string path = first_existing(folder, {name});
    if (path.empty()) continue;
    if (!found.empty()) throw UserError(found + ": must not lie beside " + name + ", as only one of them is read" + remedy);
    found = path;
  }
  return found;
}

}  // namespace tacet
