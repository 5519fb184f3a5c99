// See wrapped.h.
#include "base/wrapped.h"

#include <algorithm>
#include <sstream>

namespace tacet {

size_t text_columns(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string wrapped(const std::string& text, size_t indent, size_t width) {
  std::istringstream words(text);
  std::string out, word;
  size_t column = 0;
  while (words >> word) {
    if (column && column + 1 + text_columns(word) > width) {
      out += '\n';
      column = 0;
    }
    if (column == 0) {
      out += std::string(indent, ' ') + word;
      column = indent + text_columns(word);
    } else {
      out += " " + word;
      column += 1 + text_columns(word);
    }
  }
  return out + "\n";
}

}  // namespace tacet
