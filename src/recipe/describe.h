// The tables of methods, models, data sets and recipe keys as text: for `tacet algorithms`, `tacet models`, `tacet data
// list` and for the generated parts of docs/reference/recipes.md. Nothing is written here that is not in those tables.
#pragma once

#include <string>
#include <vector>

namespace tacet {

// For the terminal, wrapped at `width` columns (40 or more). Each entry: name, paper, summary, keys with range, default and
// meaning. Ends with a newline. With a name, that entry alone; throws UserError where there is none of that name.
std::string describe_methods(int width = 80, const std::string& name = "");
std::string describe_models(int width = 80, const std::string& name = "");
std::string describe_datasets(int width = 80);
std::string describe_objectives(int width = 80);  // of the program; empty where it has none
// Return a short table, each entry's name and summary.
std::string list_methods(int width = 80);
std::string list_models(int width = 80);

// The sections of docs/reference/recipes.md that are generated: "clients", "schedule", "run", "algorithms", "models",
// "datasets".
const std::vector<std::string>& generated_sections();
// One of them as Markdown, ending with a newline. Any other name is a defect of the caller (std::logic_error).
std::string markdown_section(const std::string& section);

}  // namespace tacet
