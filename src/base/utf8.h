// UTF-8: checking it, making it from Latin-1, taking blanks off it, and showing a user's text in a message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tacet {

// Returns the length of the UTF-8 character at text[i]; 0 for wrong bytes (overlong forms and surrogates too), −1 where the
// text ends inside the character.
int utf8_length(std::string_view text, size_t i);

// Returns the position of the first byte that begins no UTF-8 character, or npos.
size_t first_bad_byte(std::string_view text);

bool is_utf8(std::string_view text);
bool is_ascii(std::string_view text);

// Throws UserError naming `place`, the line and the byte offset (both in the file, lines from 1, bytes from 0) unless `text`
// is UTF-8 without NUL bytes. `line` and `byte` are where in the file the text begins. A text that stops inside a character
// is told as a file that is cut off where `at_end` says that the file ends there too, and elsewhere as one with wrong bytes.
void check_text(std::string_view text, const std::string& place, int64_t line = 1, int64_t byte = 0, bool at_end = true);

// Returns Latin-1 text as UTF-8.
std::string from_latin1(std::string_view text);

// Returns text without the byte order mark that some editors put in front.
std::string_view without_mark(std::string_view text);

// Returns text without the blanks at its ends: ASCII's, and Unicode's such as the no-break space and the ideographic one.
std::string_view trimmed(std::string_view text);

// Returns text in which nothing acts on a terminal: control characters but those in `kept`, marks that turn the direction of
// writing, and bytes that are no UTF-8 become \n, \t, \r, \uHHHH or, for those bytes, \xHH.
std::string visible(std::string_view text, std::string_view kept = "");

// Returns a user's text for a message: visible, cut after some 80 bytes, in double quotes.
std::string in_quotes(std::string_view text);
// Returns the texts in quotes with commas between; of many, the first ones and the number of the others.
std::string in_quotes(const std::vector<std::string>& texts);

}  // namespace tacet
