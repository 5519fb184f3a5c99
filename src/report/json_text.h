// JSON as the command prints it for `--json`.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace tacet {

// Returns the value on several lines, in ASCII, so that no name in it acts on a terminal. Bytes that are no UTF-8 become the
// replacement character.
inline std::string json_text(const nlohmann::json& value) {
  return value.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace tacet
