// See bleu.h.
#include "tasks/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>

namespace tacet {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void replace_all(std::string& s, std::string_view what, std::string_view by) {
  for (size_t at = s.find(what); at != std::string::npos; at = s.find(what, at + by.size())) s.replace(at, what.size(), by);
}

// The ASCII characters that always stand alone: all but letters, digits and ' , - .
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

// One pass over the text in which wherever `first` and `second` hold for neighbours the pair becomes before(a) and after(b),
// and the pass goes on behind the pair: pairs do not overlap.
template <class First, class Second>
std::string spaced(const std::string& s, First first, Second second, bool around_first) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    if (i + 1 < s.size() && first(s[i]) && second(s[i + 1])) {
      if (around_first)
        out += {' ', s[i], ' ', s[i + 1]};
      else
        out += {s[i], ' ', s[i + 1], ' '};
      i += 2;
    } else {
      out += s[i++];
    }
  }
  return out;
}

// The length of the white space at s[i], 0 for none: what Unicode counts as such, in UTF-8.
size_t white_space(std::string_view s, size_t i) {
  const auto c = static_cast<unsigned char>(s[i]);
  if (c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31)) return 1;
  const auto starts = [&](std::string_view w) { return s.substr(i, w.size()) == w; };
  if (starts("\xC2\x85") || starts("\xC2\xA0")) return 2;
  if (starts("\xE1\x9A\x80") || starts("\xE2\x80\xA8") || starts("\xE2\x80\xA9") || starts("\xE2\x80\xAF") ||
      starts("\xE2\x81\x9F") || starts("\xE3\x80\x80"))
    return 3;
  if (starts("\xE2\x80") && i + 2 < s.size() && static_cast<unsigned char>(s[i + 2]) >= 0x80 &&
      static_cast<unsigned char>(s[i + 2]) <= 0x8A)
    return 3;
  return 0;
}

using Grams = std::map<std::vector<int>, int>;

}  // namespace

std::vector<std::string> tokens_13a(std::string_view text) {
  std::string s(text);
  replace_all(s, "<skipped>", "");
  replace_all(s, "-\n", "");
  replace_all(s, "\n", " ");
  replace_all(s, "&quot;", "\"");
  replace_all(s, "&amp;", "&");
  replace_all(s, "&lt;", "<");
  replace_all(s, "&gt;", ">");
  s = " " + s + " ";
  std::string alone;
  for (const char c : s) {
    if (stands_alone(c))
      alone += {' ', c, ' '};
    else
      alone += c;
  }
  const auto no_digit = [](char c) { return !is_digit(c); };
  const auto point = [](char c) { return c == '.' || c == ','; };
  s = spaced(alone, no_digit, point, false);
  s = spaced(s, point, no_digit, true);
  s = spaced(
      s, is_digit, [](char c) { return c == '-'; }, false);
  std::vector<std::string> tokens;
  bool inside = false;
  for (size_t i = 0; i < s.size();) {
    if (const size_t space = white_space(s, i); space > 0) {
      inside = false;
      i += space;
      continue;
    }
    if (!inside) tokens.emplace_back();
    inside = true;
    tokens.back() += s[i++];
  }
  return tokens;
}

void add_sentence(BleuCounts& counts, std::string_view system, std::string_view reference) {
  std::map<std::string, int> index;
  const auto numbered = [&](std::string_view text) {
    std::vector<int> out;
    for (const std::string& token : tokens_13a(text))
      out.push_back(index.emplace(token, static_cast<int>(index.size())).first->second);
    return out;
  };
  const std::vector<int> s = numbered(system), r = numbered(reference);
  counts.system += static_cast<double>(s.size());
  counts.reference += static_cast<double>(r.size());
  for (size_t n = 1; n <= 4; ++n) {
    const auto grams = [&](const std::vector<int>& words) {
      Grams all;
      for (size_t k = 0; k + n <= words.size(); ++k)
        ++all[std::vector<int>(words.begin() + static_cast<ptrdiff_t>(k), words.begin() + static_cast<ptrdiff_t>(k + n))];
      return all;
    };
    const Grams ours = grams(s), theirs = grams(r);
    for (const auto& [gram, count] : ours) {
      const auto found = theirs.find(gram);
      counts.total[n - 1] += count;
      if (found != theirs.end()) counts.matches[n - 1] += std::min(count, found->second);
    }
  }
}

double bleu(const BleuCounts& c) {
  if (c.matches == std::array<double, 4>{}) return 0;
  double logs = 0, smooth = 1;
  for (size_t n = 0; n < 4; ++n) {
    if (c.total[n] == 0) return 0;  // no n-gram of this length: its precision is 0
    const double matches = c.matches[n] > 0 ? c.matches[n] : 1 / (smooth *= 2);
    logs += std::log(100 * matches / c.total[n]);
  }
  const double brevity = c.system < c.reference ? std::exp(1 - c.reference / c.system) : 1;
  return brevity * std::exp(logs / 4);
}

std::vector<double> pack(const BleuCounts& c) {
  std::vector<double> out = {c.system, c.reference};
  out.insert(out.end(), c.matches.begin(), c.matches.end());
  out.insert(out.end(), c.total.begin(), c.total.end());
  return out;
}

BleuCounts unpack(const std::vector<double>& numbers) {
  BleuCounts c{.system = numbers.at(0), .reference = numbers.at(1)};
  for (size_t n = 0; n < 4; ++n) {
    c.matches[n] = numbers.at(2 + n);
    c.total[n] = numbers.at(6 + n);
  }
  return c;
}

}  // namespace tacet
