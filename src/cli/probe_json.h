// Parts of probe.json and of the tables beside it: what probe_files.cc puts together. A figure that could not be made is
// {"missing": why}.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "analysis/statistics.h"
#include "cli/probe_command.h"

namespace tacet {

// Returns the value, or null where it is not finite.
nlohmann::json numeric(double value);
nlohmann::json missing(const std::string& why);
// Returns what `make` returns, or why it could not.
nlohmann::json or_missing(const std::function<nlohmann::json()>& make);
nlohmann::json with_interval(double value, const Interval& interval);

// Return the run's clients round by round, and their tables' rows.
nlohmann::json rounds_json(const ProbeResult& result);
std::string rounds_table_head();
std::string rounds_table(const ProbeResult& result);
std::string client_rounds_table(const ProbeResult& result);

// Return the curvature, and its table's rows.
nlohmann::json curvature_json(const ProbeResult& result);
std::string curvature_table(const ProbeResult& result);

}  // namespace tacet
