// Files of figures: what they mean, and what is said about mistakes.
#include <filesystem>

#include <gtest/gtest.h>

#include "figure/figure_file.h"
#include "figure/figure_runs.h"
#include "figure/figure_tuning.h"
#include "recipe/sweep_table.h"
#include "support/error_of.h"
#include "support/temp_folder.h"
#include "sweep/sweep_fixture.h"

namespace tacet {
namespace {

const std::string good = R"([figure]
title = "A title"
kind = "final"
y = "eval_loss"
seeds = "1..2"
log = "xy"
recipe = "r.toml"
parameter = "algorithm.interval"
values = [2, 4]

[curves."celgc, I"]
set = ["algorithm.eta=0.02"]
[curves.fedavg]
set = ["algorithm.name=fedavg"]
)";

struct FigureFile : testing::Test {
  test::TempFolder folder;
  FigureFile() { folder.write("r.toml", small_recipe); }

  Figure read(const std::string& text) const { return read_figure(folder.write("f.toml", text)); }
  std::string error(const std::string& text) const {
    std::string out = test::error_of([&] { (void)read(text); });
    const std::string prefix = folder.path() + "/";
    for (size_t at = out.find(prefix); at != std::string::npos; at = out.find(prefix)) out.erase(at, prefix.size());
    return out;
  }
  static std::string with(const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  }
};

TEST_F(FigureFile, HasCurvesInTheOrderOfItsLines) {
  const Figure figure = read(good);
  EXPECT_EQ(figure.kind, "final");
  EXPECT_TRUE(figure.log_x && figure.log_y);
  ASSERT_EQ(figure.curves.size(), 2u);
  EXPECT_EQ(figure.curves[0].label, "celgc, I");
  EXPECT_EQ(figure.curves[0].recipe, folder / "r.toml");
  EXPECT_EQ(figure.curves[1].sets, std::vector<std::string>{"algorithm.name=fedavg"});
}

TEST_F(FigureFile, BecomesRunsOfEachCurveValueAndSeed) {
  const FigurePlan plan = plan_figure(read(good), 1);
  EXPECT_EQ(plan.points.size(), 8u);
  ASSERT_EQ(plan.groups.size(), 4u);
  EXPECT_EQ(plan.groups[1].points, (std::vector<size_t>{2, 3}));
  EXPECT_TRUE(plan.points[0].name.starts_with("r_seed_1-")) << plan.points[0].name;
}

TEST_F(FigureFile, HasARunOnceThoughTwoCurvesShowIt) {
  const FigurePlan plan = plan_figure(read(with("algorithm.name=fedavg", "algorithm.eta=0.02")), 1);
  EXPECT_EQ(plan.points.size(), 4u);
  EXPECT_EQ(plan.groups[2].points, plan.groups[0].points);
}

TEST_F(FigureFile, MistakesAreExplained) {
  EXPECT_EQ(error(with("kind = \"final\"", "kind = \"pie\"")),
            "f.toml:3: figure.kind must be one of curves, final, bars, speed-up, histogram, got the string \"pie\"");
  EXPECT_EQ(error(with("seeds =", "sedes =")), "f.toml:5: figure.sedes is no key of a figure; did you mean seeds?");
  EXPECT_EQ(error(with("[curves.fedavg]\nset", "[curves.fedavg]\nsett")),
            "f.toml:14: curves.fedavg.sett is no key of a figure; did you mean set?");
  EXPECT_EQ(error(with("values = [2, 4]\n", "")),
            "f.toml: figure.parameter and figure.values must be given with kind = \"final\"");
  EXPECT_EQ(error(with("kind = \"final\"", "kind = \"bars\"")),
            "f.toml: figure.parameter and figure.values are used with kind = \"final\" or \"speed-up\" only");
  EXPECT_EQ(error(with("seeds =", "over = [\"bytes\", \"hours\"]\nseeds =")),
            "f.toml:5: figure.over must have only epoch, iterations, rounds, seconds, bytes, tokens, got "
            "the string \"hours\"");
  EXPECT_EQ(error(with("seeds =", "over = [\"bytes\"]\nseeds =")),
            "f.toml: figure.over is used with kind = \"curves\" only");
  EXPECT_EQ(error("[figure]\ntitle = \"x\"\n"), "f.toml: a figure must have curves, [curves.LABEL], got none");
  EXPECT_EQ(error("[curves.a]\nset = [\"algorithm.eta=1\"]\n"),
            "f.toml:2: curves.a.set: the curve must have a recipe, figure.recipe or its own, or runs, got nothing");
  EXPECT_EQ(error("[curve.a]\n"), "f.toml:1: curve is not a table of a figure; the tables are [figure] and [curves.LABEL]");
  EXPECT_EQ(
      error("[curves.a]\nruns = [\"x\"]\nset = [\"algorithm.eta=1\"]\n"),
      "f.toml:2: curves.a.runs: runs must stand alone: they are there already, and have no recipe, set, grid or parameter");
  EXPECT_EQ(error(with("values = [2, 4]", "values = [2, 2]")),
            "f.toml:9: figure.values must have each value once, got 2 twice");
  EXPECT_EQ(error(with("values = [2, 4]", "values = [2, \"many\"]")),
            "f.toml: figure.values must be numbers, got the string \"many\"");
  EXPECT_EQ(error(with("values = [2, 4]", "values = [0, 4]")), "f.toml: figure.values must be > 0 on a log axis, got 0");
  EXPECT_EQ(error(with("seeds = \"1..2\"", "seeds = \"2..1\"")),
            "f.toml:5: figure.seeds must be a list of seeds, or a range such as 1..3, got the string \"2..1\"");
  EXPECT_EQ(error(with("seeds =", "tune = \"each\"\nseeds =")), "f.toml: figure.tune = \"each\" is used with a grid only");
  EXPECT_EQ(error("[figure]\nrecipe = \"r.toml\"\ntune = \"each\"\ngrid = [\"algorithm.eta=1,2\"]\n[curves.a]\nset = "
                  "[\"run.seed=1\"]\n"),
            "f.toml: figure.tune = \"each\" is used with kind = \"final\" or \"speed-up\" only");
  EXPECT_NE(error(with("seeds =", "best = \"loss\"\nseeds =")).find("f.toml:5: figure.best must be one of train_loss"),
            std::string::npos);
}

// These were taken and changed nothing.
TEST_F(FigureFile, RefusesKeysThatWouldDoNothing) {
  EXPECT_EQ(error("[figure]\nrecipe = \"r.toml\"\nkind = \"bars\"\ntarget = 1\nlog = \"y\"\n[curves.a]\nset = "
                  "[\"run.seed=1\"]\n"),
            "f.toml: figure.log is not used with kind = \"bars\", whose bars begin at 0");
  const std::string target = "f.toml: figure.target is used with kind = \"curves\", \"bars\" or \"speed-up\" only";
  EXPECT_EQ(error(with("seeds =", "target = 1\nseeds =")), target);
  EXPECT_EQ(error("[figure]\nrecipe = \"r.toml\"\nkind = \"histogram\"\ntarget = 1\n[curves.a]\nset = [\"run.seed=1\"]\n"),
            target);
  EXPECT_EQ(error(with("seeds =", "best = \"eval_loss\"\nseeds =")), "f.toml: figure.best is used with a grid only");
  for (const std::string& line : std::vector<std::string>{"recipe = \"r.toml\"", "set = [\"algorithm.eta=1\"]",
                                                          "grid = [\"algorithm.eta=1,2\"]", "seeds = \"1..2\""})
    EXPECT_EQ(error("[figure]\n" + line + "\n[curves.a]\nruns = [\"x\"]\n"),
              "f.toml: figure." + line.substr(0, line.find(' ')) +
                  " is used with curves that are run only, and all of them have runs");
  EXPECT_EQ(error("[figure]\nseeds = \"1..2\"\n[curves.a]\nruns = [\"x\"]\n[curves.b]\nrecipe = \"r.toml\"\n"), "");
}

// A recipe and a grid of the figure were taken where every curve had its own. One curve that has none uses them.
TEST_F(FigureFile, RefusesDefaultsThatNoCurveTakes) {
  const std::string own = "[curves.a]\nrecipe = \"r.toml\"\ngrid = [\"algorithm.eta=1,2\"]\n";
  for (const std::string& line : std::vector<std::string>{"recipe = \"r.toml\"", "grid = [\"algorithm.eta=3,4\"]"}) {
    const std::string key = line.substr(0, line.find(' ')), head = "[figure]\n" + line + "\n";
    EXPECT_EQ(error(head + own + "[curves.b]\nruns = [\"x\"]\n"), "f.toml: figure." + key +
                                                                      " is used with curves that have no " + key +
                                                                      " of their own only, and all that are run have one");
    EXPECT_EQ(error(head + own + "[curves.b]\n" + (key == "recipe" ? "set = [\"run.seed=2\"]" : "recipe = \"r.toml\"")), "");
  }
}

// A table without keys was "not a table"; its label may have a dot.
TEST_F(FigureFile, TakesAnEmptyTableAsTheFiguresRecipe) {
  const std::string head = "[figure]\nrecipe = \"r.toml\"\nset = [\"algorithm.interval=2\"]\n";
  const Figure figure = read(head + "[curves.base]\n[curves.\"eta = 0.1\"]\n[curves.c]\nset = [\"algorithm.eta=1\"]\n");
  ASSERT_EQ(figure.curves.size(), 3u);
  EXPECT_EQ(figure.curves[0].label, "base");
  EXPECT_EQ(figure.curves[0].sets, std::vector<std::string>{"algorithm.interval=2"});
  EXPECT_EQ(figure.curves[1].label, "eta = 0.1");
  EXPECT_EQ(figure.curves[2].label, "c");
  EXPECT_EQ(error("[curves.base]\n"),
            "f.toml:1: curves.base: the curve must have a recipe, figure.recipe or its own, or runs, got nothing");
  EXPECT_EQ(error(head + "[curves]\nbase = 1\n"),
            "f.toml:5: curves.base must be a table of a curve with set, grid, recipe, runs");
  EXPECT_EQ(error(head + "[curves.base]\nset = {}\n"), "f.toml:5: curves.base.set must be a list of strings, got a table");
}

TEST_F(FigureFile, GivesItsCurvesTheKeysThatTheyLack) {
  const Figure figure = read(
      "[figure]\nrecipe = \"r.toml\"\nset = [\"algorithm.interval=2\"]\ngrid = [\"algorithm.eta=1,2\"]\n"
      "[curves.a]\nset = [\"algorithm.name=fedavg\"]\n[curves.b]\ngrid = [\"algorithm.eta=3,4\"]\n");
  EXPECT_EQ(figure.curves[0].sets, (std::vector<std::string>{"algorithm.interval=2", "algorithm.name=fedavg"}));
  EXPECT_EQ(figure.curves[0].grids, std::vector<std::string>{"algorithm.eta=1,2"});
  EXPECT_EQ(figure.curves[1].sets, std::vector<std::string>{"algorithm.interval=2"});
  EXPECT_EQ(figure.curves[1].grids, std::vector<std::string>{"algorithm.eta=3,4"});
}

// A curve whose η is found among three values.
struct FigureTuning : FigureFile {
  Figure figure;
  std::vector<CurveTuning> tunings;
  FigureTuning() {
    figure = read(with("set = [\"algorithm.eta=0.02\"]", "grid = [\"algorithm.eta=0.01,0.02,0.04\"]"));
    tunings = plan_tuning(figure, 1);
  }
  SweepFolder out() const { return {folder / "out"}; }
  void ends(size_t point, double loss) {
    folder.write("out/" + tuning_points(tunings)[point].name + "/summary.json",
                 R"({"status": "done", "final": {"train_loss": )" + std::to_string(loss) + "}}");
  }
};

TEST_F(FigureTuning, RunsEachGridWithTheFirstSeed) {
  ASSERT_EQ(tunings.size(), 1u);
  EXPECT_EQ(tunings[0].curve, 0u);
  ASSERT_EQ(tuning_points(tunings).size(), 3u);
  for (const Point& point : tuning_points(tunings)) EXPECT_EQ(point.seed, 1);
}

TEST_F(FigureTuning, TakesTheBestValuesForAllSeeds) {
  ends(0, 3), ends(1, 1), ends(2, 2);
  const std::vector<std::string> notes = tune(figure, tunings, out());
  EXPECT_EQ(notes, std::vector<std::string>{"celgc, I: algorithm.eta=0.02 is the best of 3 by train_loss"});
  EXPECT_EQ(figure.curves[0].sets, std::vector<std::string>{"algorithm.eta=0.02"});
  EXPECT_TRUE(figure.curves[0].grids.empty());
  EXPECT_TRUE(figure.curves[1].sets == std::vector<std::string>{"algorithm.name=fedavg"});
  EXPECT_EQ(plan_figure(figure, 1).points.size(), 8u);
}

// With tune = "each", each value of the parameter has a grid of its own, and its best is for that value alone.
TEST_F(FigureTuning, CanTuneEachValueOfTheParameter) {
  figure.tunes_each = true;
  tunings = plan_tuning(figure, 1);
  ASSERT_EQ(tunings.size(), 2u);  // one curve has a grid, at I = 2 and 4
  ends(0, 1), ends(1, 2), ends(2, 3), ends(3, 3), ends(4, 2), ends(5, 1);
  EXPECT_EQ(
      tune(figure, tunings, out()),
      (std::vector<std::string>{"celgc, I at algorithm.interval = 2: algorithm.eta=0.01 is the best of 3 by train_loss; "
                                "algorithm.eta is at the lower end of its grid",
                                "celgc, I at algorithm.interval = 4: algorithm.eta=0.04 is the best of 3 by train_loss; "
                                "algorithm.eta is at the upper end of its grid"}));
  const FigurePlan plan = plan_figure(figure, 1);
  EXPECT_EQ(plan.points[plan.groups[0].points[0]].digest, tuning_points(tunings)[0].digest);
  EXPECT_EQ(plan.points[plan.groups[1].points[0]].digest, tuning_points(tunings)[5].digest);
  EXPECT_EQ(plan.groups[2].points.size(), 2u);  // the other curve's are as before
}

// The grid has the recipe's own value of the parameter, so its runs are the figure's where the figure shows that value too.
TEST_F(FigureTuning, SharesItsRunsWithTheFigure) {
  figure = read(with("values = [2, 4]", "values = [2, 8]"));
  figure.curves[0].sets = {}, figure.curves[0].grids = {"algorithm.eta=0.01,0.02"};
  tunings = plan_tuning(figure, 1);
  ends(0, 1), ends(1, 2);
  (void)tune(figure, tunings, out());
  const FigurePlan plan = plan_figure(figure, 1);
  EXPECT_EQ(plan.points[plan.groups[1].points[0]].digest, tuning_points(tunings)[0].digest);
}

TEST_F(FigureTuning, LeavesOutWhatHasDivergedAndNeedsAnEndOfAllOthers) {
  ends(0, 3), ends(1, 5);
  EXPECT_NE(test::error_of([&] { (void)tune(figure, tunings, out()); }).find("the curve celgc, I can't be tuned: eta=0.04"),
            std::string::npos);
  folder.write("out/failures/" + tuning_points(tunings)[2].digest + ".json", R"({"state": "diverged", "reason": "nan"})");
  EXPECT_EQ(tune(figure, tunings, out())[0],
            "celgc, I: algorithm.eta=0.01 is the best of 3 by train_loss, of which 1 diverged; "
            "algorithm.eta is at the lower end of its grid");
}

// A best value at an end of its grid was told like any other. Of η the largest is the best, of γ the middle one; a grid of
// one value and a grid of words have no ends.
TEST_F(FigureTuning, TellsWhichValuesAreAtAnEndOfTheirGrid) {
  const auto note = [&](const std::vector<std::string>& grids, size_t best) {
    figure = read(with("set = [\"algorithm.eta=0.02\"]", "grid = [\"algorithm.eta=0.01\"]"));
    figure.curves[0].grids = grids;
    tunings = plan_tuning(figure, 1);
    for (size_t k = 0; k < tuning_points(tunings).size(); ++k) ends(k, k == best ? 1 : 2);
    const std::string text = tune(figure, tunings, out()).front();
    const size_t end = text.find(';');
    return end == std::string::npos ? "" : text.substr(end);
  };
  const std::string eta = "algorithm.eta=0.01,0.02", gamma = "algorithm.gamma=0.5,1,2", one = "algorithm.gamma=1";
  EXPECT_EQ(note({eta, gamma}, 4), "; algorithm.eta is at the upper end of its grid");
  EXPECT_EQ(note({eta, gamma}, 2),
            "; algorithm.eta is at the lower end of its grid, algorithm.gamma is at the upper end of its grid");
  EXPECT_EQ(note({eta, one}, 0), "; algorithm.eta is at the lower end of its grid");
  EXPECT_EQ(note({"algorithm.name=celgc,fedavg"}, 1), "");
}

// The runs of the figure then tell whether other seeds diverge as well.
TEST_F(FigureTuning, TakesTheFirstValuesWhereAllHaveDiverged) {
  for (const Point& point : tuning_points(tunings))
    folder.write("out/failures/" + point.digest + ".json", R"({"state": "diverged", "reason": "nan"})");
  EXPECT_EQ(tune(figure, tunings, out())[0], "celgc, I: algorithm.eta=0.01 is the first of 3, all of which diverged");
  EXPECT_EQ(figure.curves[0].sets, std::vector<std::string>{"algorithm.eta=0.01"});
}

// A run that has diverged is counted, one that has not ended is an error.
TEST_F(FigureTuning, RunsAreFoundOrCountedAsDiverged) {
  figure.curves[0].grids.clear();
  FigurePlan plan = plan_figure(figure, 1);
  const auto ends_as = [&](size_t group, size_t run, const std::string& state) {
    const Point& point = plan.points[plan.groups[group].points[run]];
    if (state == "done") folder.write("out/" + point.name + "/summary.json", R"({"status": "done"})");
    if (state == "diverged") folder.write("out/failures/" + point.digest + ".json", R"({"state": "diverged"})");
  };
  for (const size_t group : {0u, 1u, 2u}) ends_as(group, 0, "done");
  ends_as(0, 1, "done"), ends_as(1, 1, "diverged"), ends_as(2, 1, "done");
  ends_as(3, 0, "diverged");
  FigurePlan unended = plan;
  EXPECT_NE(test::error_of([&] { (void)find_runs(figure, unended, out()); }).find(" is open"), std::string::npos);
  ends_as(3, 1, "diverged");
  EXPECT_EQ(find_runs(figure, plan, out()),
            (std::vector<std::string>{"celgc, I at algorithm.interval = 4: 1 of 2 runs diverged",
                                      "fedavg at algorithm.interval = 4: 2 of 2 runs diverged"}));
  EXPECT_EQ(plan.groups[0].runs.size(), 2u);
  EXPECT_EQ(plan.groups[1].runs.size(), 1u);
  EXPECT_EQ(plan.groups[1].diverged, 1u);
  EXPECT_TRUE(plan.groups[3].runs.empty());
}

// A grid's value would take the place of the parameter's, and all points of the figure would be the same runs.
TEST_F(FigureTuning, RefusesAGridOfTheParameter) {
  figure.curves[0].grids = {"algorithm.interval=2,4"};
  for (const bool each : {false, true}) {
    figure.tunes_each = each;
    const std::string text = test::error_of([&] { (void)plan_tuning(figure, 1); });
    EXPECT_TRUE(
        text.ends_with("the grid of the curve celgc, I is wrong: it must have other keys than figure.parameter, "
                       "algorithm.interval, which takes figure.values"))
        << text;
  }
}

TEST_F(FigureTuning, TellsWhichAxesNoRunHas) {
  folder.write("r.toml", small_recipe + "[sweep]\nalgorithm.gamma = [0.1, 0.2]\n");  // which the figure's grid replaces
  figure.curves[0].grids = {"algorithm.eta=0.01,0.02", "fedprox.algorithm.mu=0.1,1"};
  EXPECT_EQ(tuning_notes(figure, plan_tuning(figure, 1)),
            std::vector<std::string>{"celgc, I: the axis algorithm.mu is for fedprox only, which no run of this sweep is"});
}

TEST_F(FigureTuning, NamesTheCurveWhoseGridIsWrong) {
  figure.curves[0].grids = {"algorithm.eta=1,1"};
  const std::string text = test::error_of([&] { (void)plan_tuning(figure, 1); });
  EXPECT_TRUE(text.ends_with(
      "the grid of the curve celgc, I is wrong: --grid algorithm.eta: must have each value once, got 1.0 twice"))
      << text;
}

// The value was dropped without a word. A set of the figure is for other curves too, so that a grid may take its place.
TEST_F(FigureTuning, RefusesASetOfAKeyThatTheGridHas) {
  const auto said = [&](const std::string& keys, const std::string& curve) {
    const std::string text = "[figure]\nrecipe = \"r.toml\"\n" + keys + "[curves.a]\n" + curve;
    return test::error_of([&] { (void)plan_tuning(read(text), 1); });
  };
  const std::string grid = "grid = [\"algorithm.eta=0.01,0.02\"]\n", set = "set = [\"algorithm.eta=0.04\"]\n";
  const std::string refused =
      "the grid of the curve a is wrong: --set algorithm.eta: must be given once, got it in --grid too";
  EXPECT_TRUE(said("", set + grid).ends_with(refused));
  EXPECT_TRUE(said(grid, set).ends_with(refused));
  EXPECT_EQ(said(set, grid), "");
  EXPECT_EQ(said("", "set = [\"algorithm.interval=2\", \"run.seed=2\"]\n" + grid), "");
}

TEST_F(FigureFile, TellsWhichCurveIsNoRun) {
  const std::string text =
      test::error_of([&] { (void)plan_figure(read(with("algorithm.eta=0.02", "algorithm.eta=-1")), 1); });
  EXPECT_NE(text.find("the curve celgc, I is no run: --set algorithm.eta: must be > 0, got -1"), std::string::npos) << text;
}

// A band is of runs that differ in their seed only.
TEST_F(FigureFile, RefusesABandOfRunsThatDifferInMoreThanTheSeed) {
  folder.write("a/recipe.toml", small_recipe + "[run]\nseed = 1\n");
  folder.write("b/recipe.toml", small_recipe + "[run]\nseed = 2\n");
  const Figure same = read("[curves.a]\nruns = [\"a\", \"b\"]\n");
  EXPECT_NO_THROW(require_alike(same, plan_figure(same, 1)));
  std::string other = small_recipe;
  folder.write("b/recipe.toml", other.replace(other.find("0.01"), 4, "0.02") + "[run]\nseed = 2\n");
  const std::string text = test::error_of([&] { require_alike(same, plan_figure(same, 1)); });
  EXPECT_NE(text.find("runs of one curve must differ in run.seed only, but algorithm.eta is 0.01 in "), std::string::npos)
      << text;
}

// Every figure of recipes/figures is one, and its curves are runs.
TEST(Shipped, EveryFigureIsOne) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TACET_SOURCE_DIR) + "/recipes/figures")) {
    SCOPED_TRACE(entry.path().string());
    const Figure figure = read_figure(entry.path().string());
    EXPECT_FALSE(plan_figure(figure, 1).points.empty());
    for (const CurveTuning& tuning : plan_tuning(figure, 1)) EXPECT_GT(tuning.plan.points.size(), 1u);
    const bool twin = entry.path().stem().string().ends_with("-small");
    EXPECT_TRUE(!twin || seeds_of(figure.seeds).size() >= 3);
    ++count;
  }
  EXPECT_GT(count, 0);
}

TEST(FindFigure, ListsTheNamesThereAre) {
  EXPECT_TRUE(test::error_of([] { (void)find_figure("no-such-figure"); }).starts_with("a figure must be a file, or "));
}

}  // namespace
}  // namespace tacet
