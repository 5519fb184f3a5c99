// Recipes that are right: what they turn into, in which order values win, and that all shipped ones are.
#include <limits>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "recipe/fixture.h"

namespace tacet::recipe_test {
namespace {

Recipe parse(const std::string& toml, const std::vector<std::string>& sets = {}) {
  return parse_recipe(toml, "r.toml", sets);
}

TEST(RecipeTest, holds_given_values_and_defaults) {
  const Recipe r = parse(good_recipe);
  EXPECT_EQ(r.source, "r.toml");
  EXPECT_EQ(r.data.text("name"), "sotu");
  EXPECT_EQ(r.data.integer("batch_size"), 3);
  EXPECT_EQ(r.data.text("partition.kind"), "rotate");
  EXPECT_EQ(r.model.integer("layers"), 2);
  EXPECT_EQ(r.model.integer("hidden"), 1150);
  EXPECT_EQ(r.algorithm.number("eta"), 30);  // an integer where a number is wanted
  EXPECT_EQ(r.algorithm.integer("interval"), 1);
  EXPECT_EQ(r.clients.integer("count"), 8);
  EXPECT_FALSE(r.clients.has("participating"));
  EXPECT_EQ(r.schedule.number("epochs"), 2);
  EXPECT_FALSE(r.schedule.has("rounds"));
  EXPECT_EQ(r.schedule.numbers("milestones"), Numbers{});
  EXPECT_EQ(r.run.integer("seed"), 1);
  EXPECT_EQ(r.run.text("device"), "cpu");
}

TEST(RecipeTest, clients_and_run_may_be_left_out) {
  const Recipe r = parse(with("[clients]\ncount = 8\n", ""));
  EXPECT_FALSE(r.clients.has("count"));
  EXPECT_EQ(r.clients.text("sampling"), "uniform");
}

TEST(RecipeTest, gamma_may_be_infinite) {
  EXPECT_EQ(parse(with("gamma = 7.5", "gamma = inf")).algorithm.number("gamma"), std::numeric_limits<double>::infinity());
}

TEST(RecipeTest, nested_tables_can_be_written_in_three_ways) {
  for (const char* text :
       {"partition.kind = \"fixed\"", "partition = { kind = \"fixed\" }", "[data.partition]\nkind = \"fixed\""})
    EXPECT_EQ(parse(with("batch_size = 3", text)).data.text("partition.kind"), "fixed") << text;
}

TEST(RecipeTest, an_empty_nested_table_gives_nothing) {
  EXPECT_EQ(parse(with("batch_size = 3", "[data.partition]")).data.text("partition.kind"), "rotate");
}

TEST(RecipeTest, a_mark_at_the_start_and_windows_lines_are_fine) {
  std::string text = "\xef\xbb\xbf";
  for (const char c : good_recipe) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_TRUE(same(parse(text), parse(good_recipe)));
}

TEST(Sets, override_the_file) {
  const Recipe r = parse(good_recipe, {"algorithm.eta=0.5", "schedule.milestones = [80, 120]", "data.name=ptb",
                                       "data.root=/data/ptb-1.0", "data.partition.kind=fixed", "run.seed=7"});
  EXPECT_EQ(r.algorithm.number("eta"), 0.5);
  EXPECT_EQ(r.schedule.numbers("milestones"), (Numbers{80, 120}));
  EXPECT_EQ(r.data.text("name"), "ptb");
  EXPECT_EQ(r.data.text("root"), "/data/ptb-1.0");
  EXPECT_EQ(r.data.text("partition.kind"), "fixed");
  EXPECT_EQ(r.run.integer("seed"), 7);
}

TEST(Sets, the_last_of_several_wins) {
  EXPECT_EQ(parse(good_recipe, {"algorithm.eta=1", "algorithm.eta=2"}).algorithm.number("eta"), 2);
  const Recipe r = parse(good_recipe, {"data.partition.kind=fixed", "data.partition={kind=\"rotate\"}"});
  EXPECT_EQ(r.data.text("partition.kind"), "rotate");
}

TEST(Sets, mend_a_value_that_the_file_has_wrong) {
  EXPECT_EQ(parse(with("eta = 30", "eta = -1"), {"algorithm.eta=1"}).algorithm.number("eta"), 1);
}

TEST(Sets, another_method_leaves_the_keys_behind_that_it_does_not_have) {
  const Recipe r = parse(good_recipe, {"algorithm.name=fedavg"});
  EXPECT_EQ(r.algorithm.text("name"), "fedavg");
  EXPECT_EQ(r.algorithm.number("eta"), 30);
  EXPECT_FALSE(r.algorithm.has("gamma"));
}

TEST(ToTomlRecipe, is_canonical) {
  const Recipe r = parse(good_recipe, {"schedule.milestones=[80]"});
  const std::string toml = to_toml(r);
  EXPECT_TRUE(same(parse(toml), r));
  EXPECT_EQ(to_toml(parse(toml)), toml);
  // The name first, then the keys in the order of the documentation, numbers as floats.
  EXPECT_NE(toml.find("[algorithm]\nname = \"celgc\"\neta = 30.0\ngamma = 7.5\ninterval = 1\n"), std::string::npos) << toml;
  EXPECT_NE(toml.find("milestones = [80.0]\n"), std::string::npos) << toml;
}

TEST(Shipped, every_recipe_is_right) {
  int count = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(std::string(TACET_SOURCE_DIR) + "/recipes")) {
    if (file.path().extension() != ".toml" || file.path().parent_path().filename() == "figures") continue;
    ++count;
    EXPECT_NO_THROW((void)load_recipe(file.path().string())) << file.path();
    std::ifstream in(file.path());
    std::string first;
    std::getline(in, first);
    EXPECT_TRUE(first.starts_with("# ")) << file.path() << " must say where its setting comes from";
  }
  EXPECT_GE(count, 6);
}

// Every file below recipes/, figures apart, is a recipe, cites what it repeats, and its resolved form is the same recipe.
TEST(Shipped, every_recipe_is_one) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(TACET_SOURCE_DIR) + "/recipes")) {
    if (entry.path().extension() != ".toml" || entry.path().parent_path().filename() == "figures") continue;
    SCOPED_TRACE(entry.path().string());
    ++count;
    const Recipe recipe = load_recipe(entry.path().string());
    EXPECT_EQ(to_toml(parse_recipe(to_toml(recipe), "again.toml")), to_toml(recipe));
    std::ifstream file(entry.path());
    std::string header;
    for (std::string line; std::getline(file, line) && line.starts_with("#");) header += line;
    EXPECT_TRUE(header.find("Paper: ") != std::string::npos || header.find("Method: ") != std::string::npos ||
                header.find("Source: ") != std::string::npos)
        << header;
  }
  EXPECT_GT(count, 15);
}

Recipe shipped(const std::string& name) { return load_recipe(std::string(TACET_SOURCE_DIR) + "/recipes/" + name); }

TEST(Shipped, families_differ_where_the_papers_do) {
  const Recipe ptb = shipped("celgc/ptb-awd-lstm.toml"), wikitext = shipped("celgc/wikitext2-awd-lstm.toml");
  EXPECT_EQ(ptb.data.integer("batch_size"), 3);
  EXPECT_EQ(ptb.clients.integer("count"), 8);
  EXPECT_EQ(ptb.algorithm.number("eta"), 30);
  EXPECT_EQ(ptb.algorithm.number("gamma"), 7.5);
  EXPECT_EQ(ptb.algorithm.number("weight_decay"), 1.2e-6);
  EXPECT_EQ(ptb.schedule.number("epochs"), 250);
  EXPECT_EQ(wikitext.data.integer("batch_size"), 10);
  EXPECT_EQ(wikitext.model.number("hidden_dropout"), 0.2);
  EXPECT_EQ(wikitext.model.number("input_dropout"), 0.4);
  EXPECT_EQ(wikitext.schedule.number("epochs"), 300);

  const Recipe unequal = shipped("celgc/ptb-awd-lstm-unequal.toml");
  double sum = 0;
  for (const double percent : unequal.data.numbers("partition.percent")) sum += percent;
  EXPECT_EQ(unequal.data.numbers("partition.percent").size(), 8u);
  EXPECT_NEAR(sum, 100, 1e-9);
  EXPECT_EQ(unequal.data.text("partition.kind"), "fixed");
}

TEST(Shipped, the_demo_compares_two_methods_on_the_same_task) {
  Recipe a = shipped("demo/celgc.toml"), b = shipped("demo/naive-clip.toml");
  EXPECT_EQ(b.algorithm.text("name"), "naive-clip");
  a.algorithm = b.algorithm;
  EXPECT_TRUE(same(a, b));
}

}  // namespace
}  // namespace tacet::recipe_test
