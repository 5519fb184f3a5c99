// An environment variable that is put back at the end of the scope.
#pragma once

#include <stdlib.h>

#include <optional>
#include <string>

namespace tacet::test {

class Environment {
 public:
  // Sets the variable, or removes it where there is no value.
  Environment(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* before = ::getenv(name)) before_ = before;
    put(value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { put(before_); }

 private:
  void put(const std::optional<std::string>& value) {
    if (value)
      ::setenv(name_, value->c_str(), 1);
    else
      ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace tacet::test
