// UTF-8: checking it and making it from Latin-1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tacet {

// Returns the length of the UTF-8 character at text[i]; 0 for wrong bytes (overlong forms and surrogates too), −1 where the
// text ends inside the character.
int utf8_length(std::string_view text, size_t i);

// Returns the position of the first byte that begins no UTF-8 character, or npos.
size_t first_bad_byte(std::string_view text);

bool is_utf8(std::string_view text);
bool is_ascii(std::string_view text);

// Throws UserError naming `place`, the line and the byte offset (both in the file, lines from 1, bytes from 0) unless `text`
// is UTF-8 without NUL bytes. The message tells a text that stops inside a character from one with wrong bytes. `line` and
// `byte` are where in the file the text begins.
void check_text(std::string_view text, const std::string& place, int64_t line = 1, int64_t byte = 0);

// Returns Latin-1 text as UTF-8.
std::string from_latin1(std::string_view text);

// Returns text for a message: control characters, of which a terminal would obey some, become \t, \n, \u001B, … With
// `keep_lines` line ends stay.
std::string escaped(std::string_view text, bool keep_lines = false);

// Returns text without the byte order mark that some editors put in front.
std::string_view without_mark(std::string_view text);

}  // namespace tacet
