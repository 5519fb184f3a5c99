// Recipes on top of others: files, chains, and what happens to inherited keys when the derived recipe names another entry.
#include <gtest/gtest.h>

#include "recipe/fixture.h"
#include "support/environment.h"

namespace tacet {
namespace {

TEST(Extends, the_derived_file_wins_key_by_key) {
  RecipeFolder folder;
  folder.write("base.toml", good_recipe);
  folder.write("sub/derived.toml", "extends = \"../base.toml\"\n[algorithm]\neta = 5\n");
  const Recipe r = load_recipe(folder / "sub/derived.toml");
  EXPECT_EQ(r.source, folder / "sub/derived.toml");
  EXPECT_EQ(r.algorithm.number("eta"), 5);
  EXPECT_EQ(r.algorithm.number("gamma"), 7.5);
  EXPECT_EQ(load_recipe(folder / "sub/derived.toml", {"algorithm.eta=1"}).algorithm.number("eta"), 1);
}

TEST(Extends, works_over_several_files) {
  RecipeFolder folder;
  folder.write("a.toml", good_recipe);
  folder.write("b.toml", "extends = \"a.toml\"\n[algorithm]\neta = 2\ninterval = 4");
  folder.write("c.toml", "extends = \"b.toml\"\n[algorithm]\ninterval = 8");
  const Recipe r = load_recipe(folder / "c.toml");
  EXPECT_EQ(r.algorithm.number("eta"), 2);
  EXPECT_EQ(r.algorithm.integer("interval"), 8);
}

TEST(Extends, the_resolved_recipe_stands_alone) {
  RecipeFolder folder;
  folder.write("base.toml", good_recipe);
  folder.write("derived.toml", "extends = \"base.toml\"\n[algorithm]\neta = 5\n");
  const Recipe r = load_recipe(folder / "derived.toml");
  EXPECT_TRUE(same(parse_recipe(to_toml(r), "elsewhere.toml"), r));
}

TEST(Extends, another_method_drops_what_it_does_not_have) {
  RecipeFolder folder;
  folder.write("base.toml", good_recipe);
  folder.write("derived.toml", "extends = \"base.toml\"\n[algorithm]\nname = \"fedavg\"\n");
  const Recipe r = load_recipe(folder / "derived.toml");
  EXPECT_FALSE(r.algorithm.has("gamma"));
  EXPECT_EQ(r.algorithm.number("eta"), 30);
}

TEST(Extends, another_data_set_drops_what_it_does_not_have) {
  RecipeFolder folder;
  folder.write("base.toml", with("name = \"sotu\"", "name = \"ptb\"\nroot = \"/data\""));
  folder.write("derived.toml", "extends = \"base.toml\"\n[data]\nname = \"sotu\"\n");
  EXPECT_FALSE(load_recipe(folder / "derived.toml").data.has("root"));
}

TEST(Extends, a_change_and_a_change_back_inherit_again) {
  RecipeFolder folder;
  folder.write("a.toml", good_recipe);
  folder.write("b.toml", "extends = \"a.toml\"\n[algorithm]\nname = \"fedavg\"\nweighted = true");
  folder.write("c.toml", "extends = \"b.toml\"\n[algorithm]\nname = \"celgc\"");
  const Recipe r = load_recipe(folder / "c.toml");
  EXPECT_EQ(r.algorithm.number("gamma"), 7.5);
  EXPECT_FALSE(r.algorithm.has("weighted"));
}

TEST(Extends, own_keys_of_the_derived_file_are_not_dropped) {
  RecipeFolder folder;
  folder.write("base.toml", good_recipe);
  folder.write("derived.toml", "extends = \"base.toml\"\n[algorithm]\nname = \"fedavg\"\ngamma = 1\n");
  EXPECT_EQ(folder.load_error("derived.toml"),
            "derived.toml:4: algorithm.gamma is not a key of fedavg; its keys are " + keys_of(algorithms(), "fedavg"));
}

TEST(Extends, a_misspelling_in_the_base_is_not_dropped) {
  RecipeFolder folder;
  folder.write("base.toml", with("gamma = 7.5", "gama = 7.5"));
  folder.write("derived.toml", "extends = \"base.toml\"\n[algorithm]\nname = \"fedavg\"\n");
  EXPECT_EQ(folder.load_error("derived.toml"), "base.toml:12: algorithm.gama is not a key of celgc; did you mean gamma?");
}

TEST(Extends, complaints_name_the_file_that_gives_the_value) {
  RecipeFolder folder;
  folder.write("base.toml", with("eta = 30", "eta = -1"));
  folder.write("derived.toml", "extends = \"base.toml\"\n[algorithm]\ngamma = -2\n");
  EXPECT_EQ(folder.load_error("derived.toml"),
            "derived.toml:3: algorithm.gamma must be > 0, got -2\nbase.toml:11: algorithm.eta must be > 0, got -1");
}

TEST(Extends, cycles_are_named) {
  RecipeFolder folder;
  folder.write("self.toml", "# its own base\nextends = \"self.toml\"\n");
  EXPECT_EQ(folder.load_error("self.toml"),
            "self.toml:2: extends must not lead back to the same file, got self.toml -> self.toml");
  folder.write("a.toml", "extends = \"sub/b.toml\"\n");
  folder.write("sub/b.toml", "extends = \"./c.toml\"\n");
  folder.write("sub/c.toml", "extends = \"../a.toml\"\n");
  EXPECT_EQ(folder.load_error("a.toml"),
            "sub/c.toml:1: extends must not lead back to the same file, got a.toml -> sub/b.toml -> sub/c.toml -> a.toml");
  std::filesystem::create_symlink("link.toml", folder / "way.toml");
  folder.write("link.toml", "extends = \"way.toml\"\n");
  EXPECT_EQ(folder.load_error("link.toml"),
            "link.toml:1: extends must not lead back to the same file, got link.toml -> way.toml");
}

TEST(Extends, the_base_must_be_a_file) {
  RecipeFolder folder;
  folder.write("missing.toml", "extends = \"base.toml\"\n");
  EXPECT_EQ(folder.load_error("missing.toml"), "missing.toml:1: extends must be a recipe file, got no such file: base.toml");
  folder.write("folder.toml", "extends = \"sub\"\n");
  folder.write("sub/x", "");
  EXPECT_EQ(folder.load_error("folder.toml"), "folder.toml:1: extends must be a recipe file, got a folder: sub");
  folder.write("number.toml", "extends = 3\n");
  EXPECT_EQ(folder.load_error("number.toml"), "number.toml:1: extends must be the path of a recipe file, got 3");
  folder.write("empty.toml", "extends = \"\"\n");
  EXPECT_EQ(folder.load_error("empty.toml"), "empty.toml:1: extends must be the path of a recipe file, got the string \"\"");
  folder.write("table.toml", "[extends]\nx = 1\n");
  EXPECT_EQ(folder.load_error("table.toml"), "table.toml:1: extends must be the path of a recipe file, got a table");
}

TEST(Files, that_can_not_be_recipes) {
  RecipeFolder folder;
  EXPECT_EQ(folder.load_error("none.toml"), "none.toml: must be a recipe file, got no such file: none.toml");
  folder.write("sub/x", "");
  EXPECT_EQ(folder.load_error("sub"), "sub: must be a recipe file, got a folder: sub");
  folder.write("big.toml", std::string((1 << 20) + 1, '\n'));
  EXPECT_EQ(folder.load_error("big.toml"), "big.toml: must be a recipe file, got a file of more than 1 MiB: big.toml");
  folder.write("latin.toml", "# x\nname = \"caf\xe9\"\n");
  EXPECT_EQ(folder.load_error("latin.toml"), "latin.toml:2: must be UTF-8 text, got the byte 0xe9 at offset 15");
}

// ---- paths ----

struct Paths : RecipeFolder, ::testing::Test {
  Paths() {
    write("base/base.toml", good_recipe);
    write("w/derived.toml", "extends = \"../base/base.toml\"\n[data]\nname = \"ptb\"\nroot = \"d/../texts\"\n");
  }
  std::string root(const std::string& name, const std::vector<std::string>& sets = {}) const {
    return load_recipe(*this / name, sets).data.text("root");
  }
};

// A relative path begins at the file that gives it, wherever tacet is started and whatever extends the file.
TEST_F(Paths, BeginAtTheRecipeThatGivesThem) {
  EXPECT_EQ(root("w/derived.toml"), *this / "w/texts");
  write("more.toml", "extends = \"w/derived.toml\"\n");
  EXPECT_EQ(root("more.toml"), *this / "w/texts");
  write("base/own.toml", "extends = \"../w/derived.toml\"\n[data]\nroot = \"texts\"\n[model]\ninit = \"m.safetensors\"\n");
  EXPECT_EQ(root("base/own.toml"), *this / "base/texts");
  EXPECT_EQ(load_recipe(*this / "base/own.toml").model.text("init"), *this / "base/m.safetensors");
}

TEST_F(Paths, OfSetBeginAtTheWorkingFolder) {
  EXPECT_EQ(root("w/derived.toml", {"data.root=texts"}), (std::filesystem::current_path() / "texts").string());
  EXPECT_EQ(root("w/derived.toml", {"data.root=/texts"}), "/texts");
  const test::Environment home{"HOME", "/home/ann"};
  EXPECT_EQ(root("w/derived.toml", {"data.root=~/texts"}), "/home/ann/texts");
}

// A resolved recipe means the same from every folder.
TEST_F(Paths, AreAbsoluteInTheResolvedRecipe) {
  write("elsewhere/run.toml", to_toml(load_recipe(*this / "w/derived.toml")));
  EXPECT_EQ(root("elsewhere/run.toml"), *this / "w/texts");
}

// Word vectors that do not lie beside the recipe are looked for by their reader.
TEST_F(Paths, OfVectorsStayAsTheyAreWhereThereIsNoSuchFile) {
  write("v.toml",
        "extends = \"base/base.toml\"\n[data]\nname = \"labelled-text\"\nvectors = \"glove/v.txt\"\n"
        "[model]\nname = \"text-classifier\"\n");
  EXPECT_EQ(load_recipe(*this / "v.toml").data.text("vectors"), "glove/v.txt");
  write("glove/v.txt", "a 1\n");
  EXPECT_EQ(load_recipe(*this / "v.toml").data.text("vectors"), *this / "glove/v.txt");
}

}  // namespace
}  // namespace tacet
