// The texts of `tacet algorithms` and its like, and that the documentation shows the same tables.
#include <gtest/gtest.h>

#include "recipe/docs.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/recipe.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

size_t longest_line(const std::string& text) {
  size_t longest = 0, column = 0;
  for (const char c : text) {
    if (c == '\n')
      column = 0;
    else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80)
      longest = std::max(longest, ++column);
  }
  return longest;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool has_line(const std::string& text, const std::string& line) {
  const std::string whole = line + "\n";
  return text.starts_with(whole) || has(text, "\n" + whole);
}

TEST(Describe, lists_every_method_with_every_key) {
  const std::string text = describe_methods();
  for (const AlgorithmInfo& m : algorithms()) {
    EXPECT_TRUE(has_line(text, m.name)) << m.name;
    for (const Option& o : m.options) EXPECT_TRUE(has(text, "    " + o.name + ": ")) << m.name << " " << o.name;
  }
  EXPECT_TRUE(has(text, "eta: number > 0, required"));
  EXPECT_TRUE(has(text, "gamma: number > 0, or inf, required"));
  EXPECT_TRUE(has(text, "Talks once a round; a client sends 1 vector a round."));
  EXPECT_TRUE(has(text, "Talks every step; a client sends I vectors a round."));
  EXPECT_TRUE(has(text, "It never talks. ") || has(text, "It never talks.\n"));
}

TEST(Describe, shows_one_method_by_its_name_and_all_in_a_short_table) {
  for (const AlgorithmInfo& m : algorithms()) {
    const std::string one = describe_methods(80, m.name);
    EXPECT_TRUE(one.starts_with(m.name + "\n")) << m.name;
    EXPECT_TRUE(has(describe_methods(80), one)) << m.name;
    EXPECT_TRUE(list_methods().starts_with(m.name + " ") || has(list_methods(), "\n" + m.name + " ")) << m.name;
  }
  EXPECT_TRUE(has(describe_methods(80, "fed-nova"), "a client sends 1 vector and 1 number a round."));
  EXPECT_THROW(describe_methods(80, "celg"), UserError);
  EXPECT_THROW(describe_models(80, "awd"), UserError);
  EXPECT_LE(longest_line(list_methods(60)), 60u);
  EXPECT_LE(longest_line(list_models(60)), 60u);
}

TEST(Describe, lists_models_and_data_sets) {
  for (const ModelInfo& e : models()) EXPECT_TRUE(has_line(describe_models(), e.name)) << e.name;
  for (const DatasetInfo& e : datasets()) EXPECT_TRUE(has_line(describe_datasets(), e.name)) << e.name;
  EXPECT_TRUE(has(describe_datasets(), "Part of tacet, nothing to fetch."));
}

TEST(Describe, keeps_to_the_width) {
  for (const int width : {60, 80, 120}) {
    for (const std::string& text : {describe_methods(width), describe_models(width), describe_datasets(width)}) {
      EXPECT_LE(longest_line(text), static_cast<size_t>(width));
      EXPECT_EQ(text.back(), '\n');
    }
  }
}

TEST(Describe, there_is_no_other_section) { EXPECT_THROW(markdown_section("engine"), std::logic_error); }

TEST(Docs, generated_parts_are_up_to_date) {
  const std::string page = recipe_docs();
  ASSERT_FALSE(page.empty()) << recipe_docs_path;
  EXPECT_TRUE(regenerated(page) == page) << "docs/reference/recipes.md is not what the tables say: run test_recipe --update";
}

// The page's own example is the first block of TOML and must be a recipe.
TEST(Docs, the_example_is_a_recipe) {
  const std::string page = recipe_docs(), fence = "```toml\n";
  const size_t begin = page.find(fence) + fence.size();
  EXPECT_NO_THROW(parse_recipe(page.substr(begin, page.find("```", begin) - begin), "docs/reference/recipes.md"));
}

}  // namespace
}  // namespace tacet
