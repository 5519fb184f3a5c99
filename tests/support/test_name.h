// "episode++ on stuck-pair" as GoogleTest wants a parameter's name: letters, digits and _.
#pragma once

#include <cctype>
#include <string>

namespace tacet::test {

inline std::string test_name(std::string text) {
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = c == '+' ? 'p' : '_';
  return text;
}

}  // namespace tacet::test
