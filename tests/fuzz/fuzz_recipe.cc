// Reads whatever the fuzzer makes as a recipe with overrides: lines in front that begin with "--set " are the arguments of
// --set, the rest is TOML. Which keys there are is not known here.
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "recipe/recipe_file.h"

int fuzz_recipe(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> sets;
  const std::string mark = "--set ";
  while (text.starts_with(mark)) {
    const size_t end = std::min(text.find('\n'), text.size());
    sets.push_back(text.substr(mark.size(), end - mark.size()));
    text.erase(0, end + 1);
  }
  return tacet::test::expect_answer([&] {
    for (const tacet::Complaint& complaint : tacet::read_layers(text, "r.toml", sets).complaints)
      if (complaint.text.empty()) __builtin_trap();
  });
}
