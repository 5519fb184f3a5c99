// See utf8.h.
#include "base/utf8.h"

#include "base/digest.h"
#include "tacet/error.h"

namespace tacet {

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

void check_text(std::string_view text, const std::string& place, int64_t line, int64_t byte) {
  const auto where = [&](size_t i) {
    return place + ":" + std::to_string(line) + ": byte " + std::to_string(byte + static_cast<int64_t>(i));
  };
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\0') throw UserError(where(i) + ": must be text, got a NUL byte");
    line += c == '\n';
    const int length = utf8_length(text, i);
    if (length < 0) throw UserError(where(i) + ": the file is cut off: it ends in the middle of a UTF-8 character");
    if (length == 0)
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

std::string escaped(std::string_view text, bool keep_lines) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte != 0x7f) || (c == '\n' && keep_lines)) {
      out += c;
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
    } else {
      out += "\\u00";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

}  // namespace tacet
