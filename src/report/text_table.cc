// See text_table.h.
#include "report/text_table.h"

#include <algorithm>
#include <vector>

namespace tacet {
namespace {

// Returns the columns of UTF-8 text, counting a code point as one.
int columns_of(const std::string& s) {
  return static_cast<int>(std::count_if(s.begin(), s.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string pad(const std::string& s, int width, bool left) {
  std::string space(static_cast<size_t>(std::max(0, width - columns_of(s))), ' ');
  return left ? s + space : space + s;
}

constexpr int kGap = 2;

}  // namespace

std::string printable(std::string s) {
  for (char& c : s) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  // C1 controls, which some terminals obey, are U+0080 to U+009F.
  for (size_t k = 0; k + 1 < s.size(); ++k) {
    if (s[k] == '\xC2' && static_cast<unsigned char>(s[k + 1]) < 0xA0) s.replace(k, 2, "?");
  }
  return s;
}

std::string shorten(const std::string& s, int width) {
  int have = columns_of(s);
  if (have <= width) return s;
  int head = (width - 1) / 2, tail = width - 1 - head, at = 0;
  std::string out;
  for (char c : s) {
    if ((c & 0xC0) != 0x80) {
      if (at == head) out += '~';
      ++at;
    }
    if (at <= head || at > have - tail) out += c;
  }
  return out;
}

std::string draw(Table table, int width) {
  if (table.columns.empty()) return "";
  int widest_name = std::max(12, width / 3);
  std::vector<int> widths;
  for (Column& column : table.columns) {
    column.head = shorten(printable(column.head), widest_name);
    int w = columns_of(column.head);
    for (std::string& cell : column.cells) {
      cell = shorten(printable(cell), widest_name);
      w = std::max(w, columns_of(cell));
    }
    widths.push_back(w);
  }
  std::string out;
  for (size_t from = 1; from < table.columns.size();) {
    int used = widths[0];
    size_t to = from;
    while (to < table.columns.size() && (to == from || used + kGap + widths[to] <= width)) used += kGap + widths[to++];
    if (!out.empty()) out += '\n';
    auto line = [&](auto&& cell) {
      std::string s = pad(cell(table.columns[0]), widths[0], table.columns[0].words);
      for (size_t c = from; c < to; ++c)
        s += std::string(kGap, ' ') + pad(cell(table.columns[c]), widths[c], table.columns[c].words);
      s.erase(s.find_last_not_of(' ') + 1);
      out += s + '\n';
    };
    line([](const Column& c) { return c.head; });
    out += std::string(static_cast<size_t>(used), '-') + '\n';
    for (size_t r = 0; r < table.columns[0].cells.size(); ++r) line([&](const Column& c) { return c.cells[r]; });
    from = to;
  }
  return out;
}

}  // namespace tacet
