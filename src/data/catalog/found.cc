// See found.h.
#include "data/catalog/found.h"

#include <sstream>
#include <vector>

#include "data/catalog/sources.h"
#include "data/files/locate.h"
#include "tacet/options.h"

namespace tacet {
namespace {

// Returns the names in a row's first text that tell a data set's folder. The text may begin with the subfolder, and go on
// behind a name: "train/CLASS/*.JPEG", "cifar-10-batches-bin/ of the binary version: data_batch_1.bin …".
std::vector<std::string> telling_names(const std::string& text, const std::string& subfolder) {
  std::vector<std::string> names;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word.starts_with(subfolder + "/")) word = word.substr(subfolder.size() + 1);
    word = word.substr(0, word.find('/'));
    if (word.empty()) continue;
    if (text.starts_with(word) || word.find('.') != std::string::npos) names.push_back(word);
    if (text.starts_with(word)) break;
  }
  const size_t plain = names.size();
  for (size_t k = 0; k < plain; ++k) names.push_back(names[k] + ".gz");
  return names;
}

}  // namespace

bool is_of_ones_own(const DatasetInfo& row) { return row.paper == "your own"; }

std::string place_of(const DatasetInfo& row) {
  if (row.files.empty()) return "";
  const Source* source = find_source(row.name);
  const std::string subfolder = source ? source->subfolder : row.name;
  try {
    return find_folder({}, row.name, subfolder, telling_names(row.files.front(), subfolder), system_folders(row.name));
  } catch (const DataMissing&) {
    return "";
  }
}

}  // namespace tacet
