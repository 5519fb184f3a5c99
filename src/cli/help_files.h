// The manual page and the shells' completions, made from the command's own help texts, so that no option is described twice.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tacet {

// Returns the manual page of `app`, a program of that name and version, in roff for man(1).
std::string manual_page(const CLI::App& app, const std::string& program, const std::string& version);

// Returns the completion script for "bash", "zsh" or "fish". It offers subcommands and options, elsewhere files.
std::string completion_script(const CLI::App& app, const std::string& program, const std::string& shell);

}  // namespace tacet
