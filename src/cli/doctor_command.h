// `tacet doctor`: what this machine has, what tacet uses of it, and what to mend.
#pragma once

#include <string>
#include <vector>

#include "cli/doctor_advice.h"

namespace tacet {

// Prints the report, or with `json` one JSON object. Returns the exit code, which is 2 where training is impossible.
int cmd_doctor(bool json);

// Returns the report for a terminal of `width` columns.
std::string doctor_text(const DoctorFacts& facts, const std::vector<Advice>& advice, int width, bool colour);

// Returns the report as JSON, with numbers that are not rounded, in bytes and seconds (docs/reference/commands.md).
std::string doctor_json(const DoctorFacts& facts, const std::vector<Advice>& advice);

}  // namespace tacet
