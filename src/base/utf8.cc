// See utf8.h.
#include "base/utf8.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns the character that begins at text[i] and has `length` bytes.
char32_t character(std::string_view text, size_t i, int length) {
  const auto lead = static_cast<unsigned char>(text[i]);
  char32_t c = length == 1 ? lead : lead & (0xFF >> (length + 1));
  for (int k = 1; k < length; ++k) c = c << 6 | (static_cast<unsigned char>(text[i + static_cast<size_t>(k)]) & 0x3F);
  return c;
}

// Returns the length of the blank that text begins with, 0 for none.
size_t blank_length(std::string_view text) {
  const int length = text.empty() ? 0 : utf8_length(text, 0);
  if (length <= 0) return 0;
  const char32_t c = character(text, 0, length);
  const bool blank = c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
                     (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
                     c == 0x3000 || c == 0xFEFF;
  return blank ? static_cast<size_t>(length) : 0;
}

// Returns true for characters that act on a terminal instead of being seen: controls and marks of direction.
bool acts(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

std::string escaped_character(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  if (c == '\r') return "\\r";
  const std::array<char, 2> bytes = {static_cast<char>(c >> 8), static_cast<char>(c)};
  std::string digits = hexadecimal({bytes.data(), bytes.size()});
  for (char& digit : digits)
    if (digit >= 'a') digit = static_cast<char>(digit - 'a' + 'A');
  return "\\u" + digits;  // as TOML writes them, too
}

}  // namespace

int utf8_length(std::string_view s, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char lead = byte(i);
  if (lead < 0x80) return 1;
  const int length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (length == 0) return 0;
  // The second byte's range excludes longer forms than needed, surrogates and what lies beyond U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (int k = 1; k < length; ++k) {
    if (i + k >= s.size()) return -1;
    const unsigned char b = byte(i + k);
    if (k == 1 ? b < low || b > high : (b & 0xC0) != 0x80) return 0;
  }
  return length;
}

size_t first_bad_byte(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const int length = utf8_length(text, i);
    if (length <= 0) return i;
    i += static_cast<size_t>(length);
  }
  return std::string_view::npos;
}

bool is_utf8(std::string_view text) { return first_bad_byte(text) == std::string_view::npos; }

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

void check_text(std::string_view text, const std::string& place, int64_t line, int64_t byte, bool at_end) {
  const auto where = [&](size_t i) {
    return place + ":" + std::to_string(line) + ": byte " + std::to_string(byte + static_cast<int64_t>(i));
  };
  if (byte == 0 && (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")))
    throw UserError(where(0) + ": must be UTF-8, begins as UTF-16 does: save it as UTF-8");
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\0') throw UserError(where(i) + ": must be text, got a NUL byte");
    line += c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] != '\n');
    const int length = utf8_length(text, i);
    if (length < 0 && at_end)
      throw UserError(where(i) + ": the file is cut off: it ends in the middle of a UTF-8 character");
    if (length <= 0)
      throw UserError(where(i) + ": must be UTF-8, got a malformed character that starts with byte 0x" +
                      hexadecimal(text.substr(i, 1)));
    i += static_cast<size_t>(length);
  }
}

std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    if (b < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | b >> 6);
      out += static_cast<char>(0x80 | (b & 0x3F));
    }
  }
  return out;
}

std::string_view without_mark(std::string_view text) { return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text; }

std::string_view trimmed(std::string_view text) {
  while (const size_t n = blank_length(text)) text.remove_prefix(n);
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (blank_length(text.substr(last)) != text.size() - last) break;
    text = text.substr(0, last);
  }
  return text;
}

std::string visible(std::string_view text, std::string_view kept) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const int length = utf8_length(text, i);
    if (length <= 0) {
      out += "\\x" + hexadecimal(text.substr(i++, 1));
      continue;
    }
    const auto n = static_cast<size_t>(length);
    const char32_t c = character(text, i, length);
    if (acts(c) && kept.find(text.substr(i, n)) == std::string_view::npos)
      out += escaped_character(c);
    else
      out += text.substr(i, n);
    i += n;
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  constexpr size_t most = 80;
  size_t end = std::min(text.size(), most);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return "\"" + visible(text.substr(0, end)) + (end < text.size() ? "…\"" : "\"");
}

std::string in_quotes(const std::vector<std::string>& texts) {
  constexpr size_t most = 20;
  std::string out;
  for (size_t k = 0; k < std::min(texts.size(), most); ++k) out += (k > 0 ? ", " : "") + in_quotes(texts[k]);
  return texts.size() > most ? out + " and " + std::to_string(texts.size() - most) + " more" : out;
}

}  // namespace tacet
