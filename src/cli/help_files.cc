// See help_files.h.
#include "cli/help_files.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace tacet {
namespace {

// An option or positional argument as the help shows it.
struct HelpOption {
  std::vector<std::string> names;  // "--out", "-o"; of a positional argument what the help calls it
  std::string value;               // "DIR"; empty: a flag
  std::string text;
  bool positional = false;
};

// A subcommand, with those of its own after it in the list.
struct HelpCommand {
  std::string path;  // "data info"; empty: the program itself
  std::string text;
  std::vector<HelpOption> options;
  std::vector<std::pair<std::string, std::string>> below;  // names and texts of its subcommands
};

HelpOption help_option(const CLI::Option& option) {
  HelpOption o;
  o.value = option.get_option_text();
  o.text = option.get_description();
  o.positional = option.get_positional();
  if (o.positional) o.names = {o.value};
  for (const std::string& name : option.get_lnames()) o.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) o.names.push_back("-" + name);
  return o;
}

void collect(const CLI::App& app, const std::string& path, std::vector<HelpCommand>& out) {
  HelpCommand c{path, app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options([](const CLI::Option* o) { return !o->get_group().empty(); }))
    c.options.push_back(help_option(*option));
  const auto subcommands = app.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
  for (const CLI::App* sub : subcommands) c.below.emplace_back(sub->get_name(), sub->get_description());
  out.push_back(std::move(c));
  for (const CLI::App* sub : subcommands) collect(*sub, path + (path.empty() ? "" : " ") + sub->get_name(), out);
}

std::vector<HelpCommand> help_commands(const CLI::App& app) {
  std::vector<HelpCommand> all;
  collect(app, "", all);
  return all;
}

// ---- the manual page ----

// Returns text in which roff finds no command of its own.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\e";
    if (c == '-') out += "\\-";
    if (c != '\\' && c != '-') out += c;
  }
  return !out.empty() && (out[0] == '.' || out[0] == '\'') ? "\\&" + out : out;
}

std::string roff_options(const HelpCommand& command) {
  std::string out;
  for (const HelpOption& o : command.options) {
    std::string names;
    for (const std::string& name : o.names)
      names += (names.empty() ? "" : ", ") + std::string(o.positional ? "\\fI" : "\\fB") + roff(name) + "\\fR";
    if (!o.positional && !o.value.empty()) names += " \\fI" + roff(o.value) + "\\fR";
    out += ".TP\n" + names + "\n" + roff(o.text) + "\n";
  }
  return out;
}

std::string roff_usage(const HelpCommand& command, const std::string& program) {
  std::string out = "\\fB" + roff(program + " " + command.path) + "\\fR";
  for (const HelpOption& o : command.options)
    if (o.positional) out += " \\fI" + roff(o.value) + "\\fR";
  return out + " [options]";
}

// ---- completions ----

// Returns text between single quotes of a shell. A quote in it ends them, stands escaped, and begins them again.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

// Returns the path of a subcommand as a pattern of the scripts' `case`: "/data/info".
std::string slashed(const std::string& path) {
  std::string out = path.empty() ? "" : "/" + path;
  std::replace(out.begin(), out.end(), ' ', '/');
  return out;
}

// Returns what the scripts of bash and zsh share: the loop that finds which subcommand the words before the cursor are of.
std::string place_of_words(const std::vector<HelpCommand>& commands, const std::string& words) {
  std::string patterns;
  for (const HelpCommand& c : commands)
    if (!c.path.empty()) patterns += (patterns.empty() ? "" : " | ") + slashed(c.path);
  return fmt::format(
      "  local place= word\n  for word in {}; do\n    case \"$place/$word\" in\n      {}) place=$place/$word ;;\n"
      "    esac\n  done\n",
      words, patterns);
}

std::string bash_script(const std::vector<HelpCommand>& commands, const std::string& program) {
  std::string cases;
  for (const HelpCommand& c : commands) {
    std::string words;
    for (const auto& [name, text] : c.below) words += name + " ";
    for (const HelpOption& o : c.options)
      for (const std::string& name : o.names)
        if (!o.positional) words += name + " ";
    if (!words.empty()) words.pop_back();
    cases +=
        fmt::format("    \"{}\") {}words={} ;;\n", slashed(c.path), c.below.empty() ? "" : "group=1 ", shell_quoted(words));
  }
  // Without an answer bash offers files.
  return fmt::format(
      "# bash completion of {0}, printed by `{0} completion bash`\n_{0}() {{\n{1}"
      "  local group= words= now=${{COMP_WORDS[COMP_CWORD]}}\n  case \"$place\" in\n{2}  esac\n"
      "  COMPREPLY=()\n  if [[ $group || $now == -* ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$now\")); fi\n"
      "}}\ncomplete -o default -F _{0} {0}\n",
      program, place_of_words(commands, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\""), cases);
}

std::string zsh_script(const std::vector<HelpCommand>& commands, const std::string& program) {
  std::string cases;
  for (const HelpCommand& c : commands) {
    std::string below, options;
    for (const auto& [name, text] : c.below) below += shell_quoted(name + ":" + text) + " ";
    for (const HelpOption& o : c.options)
      for (const std::string& name : o.names)
        if (!o.positional) options += shell_quoted(name + ":" + o.text) + " ";
    cases += fmt::format("    \"{}\") below=({}) options=({}) ;;\n", slashed(c.path), below, options);
  }
  return fmt::format(
      "#compdef {0}\n# zsh completion of {0}, printed by `{0} completion zsh`\n_{0}() {{\n{1}"
      "  local -a below options\n  case \"$place\" in\n{2}  esac\n"
      "  if [[ ${{words[CURRENT]}} == -* ]]; then _describe -o option options\n"
      "  elif (( ${{#below}} )); then _describe command below\n  else _files; fi\n}}\n"
      "if [[ $funcstack[1] == _{0} ]]; then _{0} \"$@\"; else compdef _{0} {0}; fi\n",
      program, place_of_words(commands, "\"${(@)words[2,CURRENT-1]}\""), cases);
}

std::string fish_script(const std::vector<HelpCommand>& commands, const std::string& program) {
  std::string out = fmt::format("# fish completion of {0}, printed by `{0} completion fish`\n", program);
  for (const HelpCommand& c : commands) {
    std::string seen;
    std::istringstream path(c.path);
    for (std::string word; path >> word;) seen += (seen.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    std::string names;
    for (const auto& [name, text] : c.below) names += " " + name;
    const std::string here = c.path.empty() ? "__fish_use_subcommand" : seen;
    const std::string first = c.path.empty() ? here : here + "; and not __fish_seen_subcommand_from" + names;
    for (const auto& [name, text] : c.below)
      out += fmt::format("complete -c {} -n {} -f -a {} -d {}\n", program, shell_quoted(first), name, shell_quoted(text));
    for (const HelpOption& o : c.options) {
      if (o.positional) continue;
      std::string flags;
      for (const std::string& name : o.names)
        flags += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      out += fmt::format("complete -c {} -n {}{}{} -d {}\n", program, shell_quoted(here), flags,
                         o.value.empty() ? "" : " -r", shell_quoted(o.text));
    }
  }
  return out;
}

}  // namespace

std::string manual_page(const CLI::App& app, const std::string& program, const std::string& version) {
  const std::vector<HelpCommand> commands = help_commands(app);
  std::string upper = program;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  std::string out = fmt::format(".TH {} 1 \"\" \"{} {}\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", upper, program, version,
                                roff(program), roff(app.get_description()));
  for (const HelpCommand& c : commands)
    if (!c.path.empty() && c.below.empty()) out += roff_usage(c, program) + "\n.br\n";
  out += ".SH OPTIONS\n" + roff_options(commands.front()) + ".SH COMMANDS\n";
  for (const HelpCommand& c : commands)
    if (!c.path.empty() && c.below.empty())
      out += ".SS " + roff_usage(c, program) + "\n" + roff(c.text) + "\n" + roff_options(c);
  out += ".SH NOTES\n";
  std::istringstream footer(app.get_footer());
  for (std::string line; std::getline(footer, line);)
    if (!line.empty()) out += roff(line) + "\n.br\n";
  return out;
}

std::string completion_script(const CLI::App& app, const std::string& program, const std::string& shell) {
  const std::vector<HelpCommand> commands = help_commands(app);
  if (shell == "bash") return bash_script(commands, program);
  if (shell == "zsh") return zsh_script(commands, program);
  if (shell == "fish") return fish_script(commands, program);
  throw std::logic_error("no completion for " + shell);
}

}  // namespace tacet
