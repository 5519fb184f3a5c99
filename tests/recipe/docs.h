// The generated parts of docs/reference/recipes.md stand between `<!-- generated: NAME -->` and `<!-- end of generated: NAME
// -->`.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "recipe/describe.h"

namespace tacet {

inline const std::string recipe_docs_path = std::string(TACET_SOURCE_DIR) + "/docs/reference/recipes.md";

inline std::string recipe_docs() {
  std::ifstream file(recipe_docs_path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The page with every generated part written anew. Throws when a part's markers are missing.
inline std::string regenerated(std::string page) {
  for (const std::string& section : generated_sections()) {
    const std::string open = "<!-- generated: " + section + " -->\n", close = "<!-- end of generated: " + section + " -->";
    const size_t first = page.find(open), last = page.find(close);
    if (first == std::string::npos || last == std::string::npos || last < first)
      throw std::runtime_error("docs/reference/recipes.md has no pair of markers for " + section);
    const size_t begin = first + open.size();
    page.replace(begin, last - begin, markdown_section(section));
  }
  return page;
}

}  // namespace tacet
