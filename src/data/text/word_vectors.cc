// See word_vectors.h.
#include "data/text/word_vectors.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "data/files/lines.h"
#include "tacet/error.h"

namespace tacet {
namespace {

int64_t spaces(std::string_view line) {
  int64_t n = 0;
  for (const char c : line) n += c == ' ';
  return n;
}

bool is_header(std::string_view line) {
  return spaces(line) == 1 && line.find_first_not_of("0123456789 ") == std::string_view::npos;
}

// Returns true where a field is written as the numbers of a vector are, with a point.
bool is_component(std::string_view field) {
  float value = 0;
  const auto [next, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc() && next == field.data() + field.size() && field.find('.') != std::string_view::npos;
}

}  // namespace

WordVectors read_word_vectors(const std::string& path, const std::unordered_map<std::string, int64_t>& wanted) {
  WordVectors vectors;
  std::string word;
  std::optional<int64_t> promised;  // words, by the header
  int64_t lines = 0;
  for_each_line(path, [&](std::string_view line, int64_t number) {
    const auto bad = [&](const std::string& why) { return UserError(path + ":" + std::to_string(number) + ": " + why); };
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (number == 1 && is_header(line)) {
      const char* const width = line.data() + line.find(' ') + 1;
      std::from_chars(width, line.data() + line.size(), vectors.width);
      std::from_chars(line.data(), width - 1, promised.emplace(0));
      return;
    }
    ++lines;
    if (vectors.width == 0) {
      vectors.width = spaces(line);
      if (vectors.width == 0) throw bad("must be a word and its numbers, separated by spaces, got one field");
    }
    size_t end = line.find(' ');
    word = line.substr(0, end);
    // Most lines are of words that nobody asked for. A word may itself hold spaces (". . ."): then it starts like another.
    if (!wanted.count(word)) return;
    const int64_t extra = spaces(line) - vectors.width;
    const size_t second = std::min(line.find(' ', end + 1), line.size());
    if (extra < 0 || (extra > 0 && is_component(line.substr(end + 1, second - end - 1))))
      throw bad("must have " + std::to_string(vectors.width) + " numbers after the word, as the first line, got " +
                std::to_string(vectors.width + extra));
    for (int64_t k = 0; k < extra; ++k) end = line.find(' ', end + 1);
    if (extra > 0 && !wanted.count(word = line.substr(0, end))) return;
    std::vector<float> numbers;
    numbers.reserve(static_cast<size_t>(vectors.width));
    const char* at = line.data() + end;
    const char* const last = line.data() + line.size();
    for (int64_t k = 0; k < vectors.width; ++k) {
      float value = 0;
      const auto [next, error] = std::from_chars(at + 1, last, value);
      if (error != std::errc() || (next != last && *next != ' '))
        throw bad("must be a word and " + std::to_string(vectors.width) + " numbers, number " + std::to_string(k + 1) +
                  " is malformed");
      if (!std::isfinite(value))
        throw bad("must be a word and finite numbers, number " + std::to_string(k + 1) + " is " + std::string(at + 1, next));
      numbers.push_back(value);
      at = next;
    }
    vectors.found.emplace(word, std::move(numbers));  // the first of two lines for one word counts
  });
  if (promised && lines < *promised)
    throw UserError(path + ": is cut off: its header promises " + std::to_string(*promised) + " words, got " +
                    std::to_string(lines));
  return vectors;
}

}  // namespace tacet
