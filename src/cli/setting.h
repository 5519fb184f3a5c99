// A recipe's setting as a paper would print it: rates, steps, clients, batch, network, partition, and the schedule as a
// table. Nothing is measured here; dry_run.cc prints it beside what a machine makes of it.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "tacet/recipe.h"

namespace tacet {

// Returns lines for a terminal, each with a label of 12 columns. REQUIRES: with_clients() has been through the recipe.
std::string setting_text(const Recipe& recipe);

// Returns the same facts under the keys participating, setting and schedule (docs/reference/commands.md).
nlohmann::json setting_json(const Recipe& recipe);

}  // namespace tacet
