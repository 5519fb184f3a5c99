// The [sweep] table and --grid: what they mean, and what is said about mistakes.
#include <gtest/gtest.h>

#include "recipe/fixture.h"
#include "recipe/sweep_table.h"

namespace tacet {
namespace {

const std::string head = good_recipe + "\n[sweep]\n";  // its keys begin on line 21

SweepTable sweep_of(const std::string& lines, const std::vector<std::string>& sets = {}) {
  RecipeFolder folder;
  return load_swept_recipe(folder.write("r.toml", head + lines), sets).sweep;
}

std::string error_in(const std::string& lines) { return parse_error(head + lines); }

std::vector<Value> grid(const std::string& text, int64_t seed = 0) {
  return axes_of_grids(parse_recipe(good_recipe, "r.toml"), {text}, seed).front().values;
}

std::string grid_error(const std::vector<std::string>& grids) {
  return test::error_of([&] { (void)axes_of_grids(parse_recipe(good_recipe, "r.toml"), grids, 0); });
}

using List = std::vector<Value>;

TEST(SweepTable, HasAxesInTheOrderOfTheirLines) {
  const SweepTable sweep =
      sweep_of("best = \"eval_loss\"\nseeds = \"2..4\"\nmodel.layers = [1, 2]\nalgorithm.eta = [1, 0.5]\n");
  EXPECT_EQ(sweep.best, "eval_loss");
  EXPECT_EQ(sweep.seeds, (std::vector<int64_t>{2, 3, 4}));
  ASSERT_EQ(sweep.axes.size(), 2u);
  EXPECT_EQ(sweep.axes[0].key, "model.layers");
  EXPECT_EQ(sweep.axes[0].values, (List{int64_t{1}, int64_t{2}}));
  EXPECT_EQ(sweep.axes[1].values, (List{1.0, 0.5}));
}

TEST(SweepTable, HasAxesOfOneMethod) {
  const SweepTable sweep = sweep_of("[sweep.scaffold]\nalgorithm.gamma = [1, 2]\n");
  ASSERT_EQ(sweep.axes.size(), 1u);
  EXPECT_EQ(sweep.axes[0].method, "scaffold");
  EXPECT_EQ(sweep.axes[0].key, "algorithm.gamma");
}

TEST(SweepTable, IsInheritedKeyByKey) {
  RecipeFolder folder;
  folder.write("base.toml", head + "best = \"eval_loss\"\nalgorithm.eta = [1, 2]\n");
  const std::string path = folder.write("r.toml", "extends = \"base.toml\"\n[sweep]\nalgorithm.eta = [3]\n");
  const SweepTable sweep = load_swept_recipe(path).sweep;
  EXPECT_EQ(sweep.best, "eval_loss");
  EXPECT_EQ(sweep.axes[0].values, List{3.0});
}

TEST(SweepTable, IsNoPartOfTheResolvedRecipe) {
  EXPECT_EQ(to_toml(parse_recipe(head + "algorithm.eta = [1, 2]\n", "r.toml")),
            to_toml(parse_recipe(good_recipe, "r.toml")));
}

TEST(Grid, SplitsItsValues) {
  EXPECT_EQ(grid("algorithm.eta=0.1, 1"), (List{0.1, 1.0}));
  EXPECT_EQ(grid("algorithm.name=celgc,naive-clip"), (List{std::string("celgc"), std::string("naive-clip")}));
  EXPECT_EQ(grid("schedule.milestones=[1],[1,2]"), (List{Numbers{1}, Numbers{1, 2}}));
}

TEST(Grid, HasRanges) {
  EXPECT_EQ(grid("algorithm.eta=0.25..1:4"), (List{0.25, 0.5, 0.75, 1.0}));
  EXPECT_EQ(grid("algorithm.eta=1e-3..1:log:4"), (List{0.001, 0.01, 0.1, 1.0}));
  EXPECT_EQ(grid("algorithm.interval=2..32:log:5"), (List{int64_t{2}, int64_t{4}, int64_t{8}, int64_t{16}, int64_t{32}}));
}

TEST(Grid, DrawsByKeyAndSeedAlone) {
  const List first = grid("algorithm.eta=1e-3..1:log-random:5", 7);
  EXPECT_EQ(grid("algorithm.eta=1e-3..1:log-random:5", 7), first);
  EXPECT_NE(grid("algorithm.eta=1e-3..1:log-random:5", 8), first);
  const auto both = axes_of_grids(parse_recipe(good_recipe, "r.toml"),
                                  {"algorithm.gamma=1..2:random:5", "algorithm.eta=1e-3..1:log-random:5"}, 7);
  EXPECT_EQ(both[1].values, first);
  for (const Value& value : first) {
    EXPECT_GE(std::get<double>(value), 1e-3);
    EXPECT_LE(std::get<double>(value), 1.0);
  }
}

struct SweepMistakeRow {
  const char* name;
  std::string lines, error;
};
void PrintTo(const SweepMistakeRow& row, std::ostream* out) { *out << row.name; }

class SweepMistakes : public testing::TestWithParam<SweepMistakeRow> {};

TEST_P(SweepMistakes, are_explained) { EXPECT_EQ(error_in(GetParam().lines), GetParam().error); }

const std::string at = "r.toml:21: sweep.";

INSTANTIATE_TEST_SUITE_P(
    Rows, SweepMistakes,
    testing::Values(
        SweepMistakeRow{"empty", "algorithm.eta = []\n", at + "algorithm.eta must be a list of values, got an empty list"},
        SweepMistakeRow{"doubled", "algorithm.eta = [1, 1.0]\n",
                        at + "algorithm.eta must have each value once, got 1.0 twice"},
        SweepMistakeRow{"out_of_range", "algorithm.eta = [1, -1]\n", at + "algorithm.eta must be > 0, got -1"},
        SweepMistakeRow{"no_list", "algorithm.eta = 3\n", at + "algorithm.eta must be a list of values, got 3"},
        SweepMistakeRow{"unknown_key", "algorithm.etta = [1]\n",
                        at + "algorithm.etta is no key of celgc; did you mean algorithm.eta?"},
        SweepMistakeRow{"seed_as_axis", "run.seed = [1, 2]\n",
                        at + "run.seed can't be an axis: give the seeds with seeds = \"1..3\" or --seeds 1..3"},
        SweepMistakeRow{"path", "model.init = [\"a\", \"b\"]\n", at + "model.init can't be an axis: it is a path"},
        SweepMistakeRow{"doubled_seed", "seeds = [1, 2, 1]\n", at + "seeds must have each seed once, got 1 twice"},
        SweepMistakeRow{"seeds_backwards", "seeds = \"3..1\"\n",
                        at + "seeds must be a list of seeds, or a range such as 1..3, got the string \"3..1\""},
        SweepMistakeRow{"backwards", "algorithm.eta = \"2..1:3\"\n",
                        at + "algorithm.eta must be a range that begins below its end, got the string \"2..1:3\""},
        SweepMistakeRow{"log_of_nothing", "algorithm.eta = \"0..1:log:3\"\n",
                        at + "algorithm.eta must begin above 0 where it is a log range, got the string \"0..1:log:3\""},
        SweepMistakeRow{"random_lengths", "algorithm.eta = \"1..2:random:3\"\nalgorithm.gamma = \"1..2:random:4\"\n",
                        "r.toml:22: sweep.algorithm.gamma must have as many random values as algorithm.eta, with which it "
                        "varies (3), got 4"},
        SweepMistakeRow{"unknown_figure", "best = \"eval_los\"\n",
                        at + "best must be one of train_loss, eval_loss, eval_perplexity, eval_accuracy, "
                             "eval_top5_accuracy, eval_bleu, eval_gradient_norm, eval_distance, test_loss, test_perplexity, "
                             "test_accuracy, test_top5_accuracy, test_bleu, train_set_loss, train_set_accuracy, or one of "
                             "them behind \"best.\", got the string \"eval_los\"; did you mean eval_loss?"},
        SweepMistakeRow{"no_key_of_a_run", "speed = [1]\n",
                        at + "speed must be best, seeds, random_seed, or a key of a run such as algorithm.eta, with a "
                             "method before it or not"}),
    [](const auto& row) { return row.param.name; });

TEST(GridMistakes, AreExplained) {
  EXPECT_EQ(
      grid_error({"algorithm.eta="}),
      "--grid algorithm.eta: must be values with commas between, each in TOML or a single word, or a range, got nothing");
  EXPECT_EQ(grid_error({"algorithm.eta=1,1"}), "--grid algorithm.eta: must have each value once, got 1.0 twice");
  EXPECT_EQ(grid_error({"algorithm.eta=1", "algorithm.eta=2"}), "--grid algorithm.eta: must be given once, got it twice");
  EXPECT_EQ(grid_error({"algorithm.eta"}),
            "--grid must be table.key=a,b,c or table.key=FROM..TO:N, got the string \"algorithm.eta\"");
  EXPECT_EQ(grid_error({"algorithm.interval=1..4:log:9"}),
            "--grid algorithm.interval: must have each value once, got 1 twice");
  EXPECT_EQ(test::error_of([] { (void)seeds_of("1..x"); }),
            "--seeds must be a list of seeds, or a range such as 1..3, got the string \"1..x\"");
}

}  // namespace
}  // namespace tacet
