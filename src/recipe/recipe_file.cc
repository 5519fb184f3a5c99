// Reading recipe files and --set arguments into layers of given values, with their places.
#include "recipe/recipe_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

// A header such as [=x] fails an assertion of the library before it reports the mistake.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include "base/digest.h"
#include "base/utf8.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

constexpr size_t largest_file = 1 << 20;  // bytes; a recipe is a page of text

bool bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::string list_of_others(const toml::array& list) {
  for (const toml::node& element : list)
    if (!element.is_number()) {
      const std::string what = element.is_string()    ? describe_given(Value(std::string(**element.as_string())))
                               : element.is_boolean() ? to_toml(Value(**element.as_boolean()))
                               : element.is_array()   ? "a list"
                               : element.is_table()   ? "a table"
                                                      : "a date or time";
      return "a list with " + what;
    }
  return "a list";
}

Given to_given(const toml::node& node);

// Returns the elements of a list as they were written; none where one of them can't be a Value.
std::vector<Value> elements_of(const toml::array& list) {
  std::vector<Value> out;
  for (const toml::node& element : list) {
    const Given given = to_given(element);
    if (!given.value) return {};
    out.push_back(*given.value);
  }
  return out;
}

Given to_given(const toml::node& node) {
  Given given;
  if (const auto* flag = node.as_boolean()) {
    given.value = flag->get();
  } else if (const auto* integer = node.as_integer()) {
    given.value = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    given.value = number->get();
  } else if (const auto* text = node.as_string()) {
    given.value = text->get();
  } else if (const auto* list = node.as_array()) {
    Numbers numbers;
    for (const toml::node& element : *list)
      if (const auto v = element.value<double>(); v && element.is_number()) numbers.push_back(*v);
    if (numbers.size() == list->size())
      given.value = std::move(numbers);
    else
      given.other = list_of_others(*list);
    given.list = elements_of(*list);
  } else {
    given.other = node.is_table() ? "a table" : "a date or time";
  }
  return given;
}

int line_of(const toml::key& key, const toml::node& node) {
  const auto line = key.source().begin.line;
  return static_cast<int>(line ? line : node.source().begin.line);
}

std::string line_of_text(const std::string& text, size_t number) {
  std::istringstream in(text);
  std::string line;
  for (size_t k = 0; k < number; ++k) std::getline(in, line);
  return line;
}

bool is_about_size(const toml::parse_error& error) {
  return error.description().find("not representable in 64 bits") != std::string_view::npos;
}

// Makes a number of the first decimal integer in a line that 64 bits do not hold. Returns false where there is none.
bool widen(std::string& text, size_t number) {
  size_t begin = 0;
  for (size_t k = 1; k < number && begin != std::string::npos; ++k) begin = text.find('\n', begin) + 1;
  const auto digit = [&](size_t at) {
    return at < text.size() && ((text[at] >= '0' && text[at] <= '9') || text[at] == '_');
  };
  for (size_t at = begin; at < text.size() && text[at] != '\n'; ++at) {
    if (!digit(at)) continue;
    size_t end = at;
    while (digit(end)) ++end;
    const bool whole = end == text.size() || std::strchr(" \t\r\n,]}#", text[end]) != nullptr;
    const bool alone = at > begin && std::strchr(" \t=,[+-", text[at - 1]) != nullptr;
    if (whole && alone && end - at >= 19) {
      text.insert(end, ".0");
      return true;
    }
    at = end - 1;
  }
  return false;
}

// Parses TOML. An integer that 64 bits do not hold becomes a number, so that the complaint about it tells its key's range.
toml::table parse_widened(std::string text, const std::string& source) {
  for (;;) {
    try {
      return toml::parse(text, source);
    } catch (const toml::parse_error& error) {
      if (!is_about_size(error) || !widen(text, error.source().begin.line)) throw;
    }
  }
}

// Returns what helps with a line that is not TOML; often nothing.
std::string advice_on(const std::string& line, const toml::parse_error& error) {
  if (is_about_size(error)) return "; integers are from -9223372036854775808 to 9223372036854775807";
  const size_t quote = line.find('"');
  return quote != std::string::npos && line.find('\\', quote) != std::string::npos ? kBackslashAdvice : "";
}

// Returns true for text that may stand for itself where it is not TOML.
bool is_word(const std::string& text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || std::strchr("\"'[]{},#=", c);
  });
}

// Returns the pieces between the commas that are in no brackets and no quotes.
std::vector<std::string> pieces_of(const std::string& text) {
  std::vector<std::string> out(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote == 0 && (c == '"' || c == '\''))
      quote = c;
    else if (c == quote)
      quote = 0;
    if (quote == 0) depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (c == ',' && quote == 0 && depth == 0)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

// Files first to last, then what they hold, so that messages can sort by them.
class Reader {
 public:
  RecipeLayers result;

  void read_sets(const std::vector<std::string>& sets) {
    result.layers.emplace_back();
    for (size_t k = 0; k < sets.size(); ++k) read_set(sets[k], static_cast<int>(k));
  }

  void read_files(std::string text, std::string source) {
    std::vector<std::string> shown = {source};
    std::vector<fs::path> visited = {canonical(source)};
    for (;;) {
      const std::optional<Given> base = read_file(text, source);
      if (!base) return;
      const auto* name = base->value ? std::get_if<std::string>(&*base->value) : nullptr;
      if (!name || name->empty() || name->find('\0') != std::string::npos)
        throw UserError(base->at + " must be the path of a recipe file, got " + describe_given(*base));
      const fs::path path = (fs::path(source).parent_path() / *name).lexically_normal();
      shown.push_back(path.string());
      const fs::path key = canonical(path);
      if (std::count(visited.begin(), visited.end(), key)) {
        std::string chain = shown.front();
        for (size_t k = 1; k < shown.size(); ++k) chain += " -> " + shown[k];
        throw UserError(base->at + " must not lead back to the same file, got " + chain);
      }
      visited.push_back(key);
      text = read_recipe_file(path.string(), base->at);
      source = path.string();
    }
  }

 private:
  static fs::path canonical(const fs::path& path) {
    std::error_code ignored;
    const fs::path found = fs::weakly_canonical(path, ignored);
    return ignored ? path.lexically_normal() : found;
  }

  void complain(int line, std::string text) {
    result.complaints.push_back({result.layers.size() - 1, line, std::move(text)});
  }

  void add(GivenTable& table, const std::string& key, Given given, const std::string& at, int line) {
    given.at = at;
    given.line = line;
    if (!table.keys.emplace(key, std::move(given)).second) complain(line, at + " must be given once, got it twice");
  }

  // `at` tells how to name the place of a key, given its full name and line.
  template <class At>
  void flatten(GivenTable& table, const std::string& prefix, const std::string& shown, const toml::table& source,
               const At& at) {
    for (const auto& [key, node] : source) {
      const std::string name(key.str());
      const std::string full = prefix + name, full_shown = shown + "." + show_key(name);
      const int line = line_of(key, node);
      const toml::table* inner = node.as_table();
      if (inner && !inner->empty())
        flatten(table, full + ".", full_shown, *inner, at);
      else
        add(table, full, to_given(node), at(full_shown, line), line);
    }
  }

  // Adds a layer. Returns the value of `extends`, if there is one.
  std::optional<Given> read_file(const std::string& text, const std::string& source) {
    if (const size_t bad = first_bad_byte(text); bad != std::string::npos) {
      const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
      throw UserError(source + ":" + std::to_string(line) + ": must be UTF-8 text, got the byte " + "0x" +
                      hexadecimal({&text[bad], 1}) + " at offset " + std::to_string(bad));
    }
    toml::table document;
    try {
      document = parse_widened(text, source);
    } catch (const toml::parse_error& error) {
      const auto at = error.source().begin;
      throw UserError(source + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": must be TOML: " +
                      visible(std::string(error.description())) + advice_on(line_of_text(text, at.line), error));
    }
    result.layers.emplace_back();
    RecipeLayer& layer = result.layers.back();
    layer.file = source;
    const auto at = [&](const std::string& key, int line) { return source + ":" + std::to_string(line) + ": " + key; };
    std::optional<Given> base;
    for (const auto& [key, node] : document) {
      const std::string name(key.str());
      const int line = line_of(key, node);
      if (const toml::table* table = node.as_table(); table && name != "extends") {
        GivenTable& into = layer.tables[name];
        into.line = line;
        flatten(into, "", show_key(name), *table, at);
        continue;
      }
      Given given = to_given(node);
      given.line = line;
      given.at = at(show_key(name), line);
      if (name == "extends")
        base = std::move(given);
      else
        layer.strays[name] = std::move(given);
    }
    return base;
  }

  void read_set(const std::string& argument, int number) {
    const size_t equals = argument.find('=');
    const auto trimmed = [](const std::string& text) {
      const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
      return first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
    };
    const std::string key = trimmed(argument.substr(0, equals));
    const bool valid = std::all_of(key.begin(), key.end(), [](char c) { return bare(c) || c == '.'; }) && !key.empty() &&
                       key.front() != '.' && key.back() != '.' && key.find("..") == std::string::npos;
    if (equals == std::string::npos || !valid) {
      complain(number, "--set must be table.key=value, got " + describe_given(Value(argument)));
      return;
    }
    const std::string text = trimmed(argument.substr(equals + 1));
    if (first_bad_byte(text) != std::string::npos) {
      complain(number, "--set " + key + ": must be UTF-8 text, got something else");
      return;
    }
    toml::table document;
    try {
      document = parse_widened("value = " + text, "");
    } catch (const toml::parse_error&) {
      document.clear();
    }
    if (document.size() != 1) {  // not TOML, or more than one value
      if (!is_word(text)) {
        complain(number, "--set " + key + ": must be a TOML value or a single word, got " +
                             (text.empty() ? "nothing" : describe_given(Value(text))));
        return;
      }
      document.clear();
      document.insert("value", text);
    }
    store_set(key, *document.get("value"), number);
  }

  void store_set(const std::string& key, const toml::node& node, int number) {
    RecipeLayer& layer = result.layers.back();
    const size_t dot = key.find('.');
    if (dot == std::string::npos) {
      Given given = to_given(node);
      given.at = "--set " + key + ":";
      given.line = number;
      layer.strays[key] = std::move(given);
      return;
    }
    GivenTable& table = layer.tables[key.substr(0, dot)];
    const std::string inner_key = key.substr(dot + 1);
    // The last one wins, so that a sweep can add to what the user set.
    std::erase_if(table.keys,
                  [&](const auto& entry) { return entry.first == inner_key || entry.first.starts_with(inner_key + "."); });
    const auto at = [&](const std::string& full, int) { return "--set " + full + ":"; };
    const toml::table* inner = node.as_table();
    if (!inner || inner->empty())
      add(table, inner_key, to_given(node), at(key, number), number);
    else
      flatten(table, inner_key + ".", key, *inner, at);
  }
};

}  // namespace

Given given_list(const std::string& text, const std::string& at) {
  Given given;
  given.at = at;
  for (const std::string& piece : pieces_of(text)) {
    const std::string word(trimmed(piece));
    toml::table document;
    if (first_bad_byte(word) != std::string::npos) throw UserError(at + " must be UTF-8 text, got something else");
    try {
      document = parse_widened("value = " + word, "");
    } catch (const toml::parse_error&) {
      document.clear();
    }
    const std::optional<Value> value = document.size() == 1 ? to_given(*document.get("value")).value : std::nullopt;
    if (!value && !is_word(word))
      throw UserError(at + " must be values with commas between, each in TOML or a single word, or a range, got " +
                      (text.empty() ? "nothing" : describe_given(Value(text))));
    given.list.push_back(value ? *value : Value(word));
  }
  const auto* word = std::get_if<std::string>(&given.list.front());
  if (given.list.size() == 1 && word && word->find("..") != std::string::npos)
    given.value = *word, given.list.clear();
  else
    given.other = "a list";
  return given;
}

std::string describe_given(const Given& given) { return given.value ? describe_given(*given.value) : given.other; }

std::string show_key(const std::string& key) {
  if (!key.empty() && key.size() <= 64 && std::all_of(key.begin(), key.end(), bare)) return key;
  const std::string quoted = describe_given(Value(key));  // the string "…"
  return quoted.substr(quoted.find('"'));
}

std::string read_recipe_file(const std::string& path, const std::string& place) {
  const auto fail = [&](const std::string& got) -> UserError {
    return UserError(place + " must be a recipe file, got " + got);
  };
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) throw fail("no such file: " + path);
  if (status.type() == fs::file_type::directory) throw fail("a folder: " + path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw fail("a file that can't be opened: " + path + " (" + std::strerror(errno) + ")");
  std::string text(largest_file + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw fail("a file that can't be read: " + path);
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > largest_file) throw fail("a file of more than 1 MiB: " + path);
  return text;
}

RecipeLayers read_layers(const std::string& toml, const std::string& source, const std::vector<std::string>& sets) {
  Reader reader;
  reader.read_sets(sets);
  reader.read_files(toml, source);
  return std::move(reader.result);
}

}  // namespace tacet
