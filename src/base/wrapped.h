// Text broken into lines for a terminal.
#pragma once

#include <cstddef>
#include <string>

namespace tacet {

// Returns the columns of UTF-8 text, one for each character.
size_t text_columns(const std::string& text);

// Breaks text at its spaces into lines of at most `width` columns, each `indent` columns to the right, and ends each line. A
// word longer than a line stands alone.
std::string wrapped(const std::string& text, size_t indent, size_t width);

}  // namespace tacet
