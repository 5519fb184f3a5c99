// A run's claim of differential privacy, for a method whose rounds have terms (Algorithm::privacy). Noise of the run's own
// seed is called a simulation. Divergences are the accountant's (analysis/privacy.h).
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace tacet {

struct Training;

// Returns true if noise and sampled clients come from the system's random numbers, so that the run can't be repeated.
bool has_system_noise(const Training& run);

// Returns what summary.json says after the run's rounds; nothing for a method without terms. Of a run that goes on it leaves
// rounds and ε open: one that is killed leaves its first summary, and has trained more rounds than that.
std::optional<nlohmann::json> privacy_summary(const Training& run, bool goes_on);

// Returns that for people: "privacy: ε = 1.2 …", or "simulation: no privacy …"; empty for a method without terms.
std::string privacy_line(const Training& run);

}  // namespace tacet
