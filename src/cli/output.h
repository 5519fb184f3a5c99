// Lines for the user on stderr.
#pragma once

#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace tacet {

// Writes to stderr. A failure is ignored, where fmt::print would throw: a reader of our lines who goes away must not end the
// runs.
template <typename... T>
void to_stderr(fmt::format_string<T...> text, T&&... values) {
  std::fputs(fmt::format(text, std::forward<T>(values)...).c_str(), stderr);
}

}  // namespace tacet
