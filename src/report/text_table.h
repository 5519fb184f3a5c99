// A table as plain text for a terminal.
#pragma once

#include <string>

#include "report/compare.h"

namespace tacet {

// Returns the table in at most `width` columns. One that is too wide is cut into stacked blocks that repeat its first
// column.
std::string draw(Table table, int width);

// Returns text without control characters: names come from folders, and no escape sequence of theirs may reach the terminal.
std::string printable(std::string text);

// Returns the first and last characters of a text around "~", `width` columns in all.
std::string shorten(const std::string& text, int width);

}  // namespace tacet
