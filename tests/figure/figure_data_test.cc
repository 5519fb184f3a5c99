// The numbers of figures, and their drawing.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "figure/figure_data.h"
#include "figure/figure_record.h"
#include "figure/svg.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

namespace tacet {
namespace {

using nlohmann::json;
using Numbers = std::vector<double>;
using Counts = std::vector<size_t>;

// A run whose loss at round k is losses[k − 1].
Run run_of(const Numbers& losses, double seconds = 1) {
  Run run;
  run.folder = "runs/a";
  for (size_t k = 0; k < losses.size(); ++k) {
    const auto round = static_cast<double>(k + 1);
    run.rounds.push_back({{"event", "round"}, {"round", round}, {"seconds", seconds * round}, {"train_loss", losses[k]}});
  }
  return run;
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

struct FigureNumbers : testing::Test {
  Figure figure;
  FigurePlan plan;
  std::vector<std::vector<tacet::Run>> runs;

  FigureNumbers() { figure.source = "f.toml", figure.title = "A < B", figure.x = "rounds"; }
  void add(const std::string& label, const std::vector<tacet::Run>& of, std::optional<Value> value = {}) {
    if (figure.curves.empty() || figure.curves.back().label != label) figure.curves.push_back({label, "", {}, {}, {}, ""});
    plan.groups.push_back({figure.curves.size() - 1, value, {}, {}});
    runs.push_back(of);
  }
  FigureData data() const { return figure_data(figure, plan, runs); }
};

TEST_F(FigureNumbers, AreMeansWithDeviations) {
  add("a", {run_of({4, 2}), run_of({6, 2})});
  const FigureSeries series = data().series[0];
  EXPECT_EQ(series.n, (Counts{2, 2}));
  EXPECT_EQ(series.x, (Numbers{1, 2}));
  EXPECT_EQ(series.mean, (Numbers{5, 2}));
  EXPECT_DOUBLE_EQ(series.high[0], 5 + std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(series.low[0], 5 - std::sqrt(2.0));
  EXPECT_EQ(figure_csv(data()).substr(0, 36), "curve,n,x,mean,low,high\na,2,1,5,3.58");
}

// Runs take different times: they are compared where all of them are.
TEST_F(FigureNumbers, AreInterpolatedWhereXDiffers) {
  figure.x = "seconds";
  add("a", {run_of({4, 3, 2}, 1), run_of({4, 3, 2}, 2)});
  const FigureSeries series = data().series[0];
  EXPECT_EQ(series.x.front(), 2);
  EXPECT_EQ(series.x.back(), 3);
  EXPECT_DOUBLE_EQ(series.mean.front(), 3.5);  // 3 and 4
  EXPECT_DOUBLE_EQ(series.mean.back(), 2.75);  // 2 and 3.5
}

TEST_F(FigureNumbers, OfLongRunsAreThinned) {
  add("a", {run_of(Numbers(6000, 1.0))});
  EXPECT_EQ(data().series[0].x.size(), 600u);
  EXPECT_DOUBLE_EQ(data().series[0].x[0], 5.5);
}

TEST_F(FigureNumbers, AreLastValuesAgainstAParameter) {
  figure.kind = "final", figure.parameter = "algorithm.interval";
  add("a", {run_of({4, 2}), run_of({4, 4})}, int64_t{2});
  add("a", {run_of({4, 1})}, int64_t{8});
  const FigureData numbers = data();
  ASSERT_EQ(numbers.series.size(), 1u);
  EXPECT_EQ(numbers.series[0].x, (Numbers{2, 8}));
  EXPECT_EQ(numbers.series[0].mean, (Numbers{3, 1}));
  EXPECT_EQ(numbers.series[0].n, (Counts{2, 1}));
  EXPECT_NE(figure_svg(figure, numbers).find(">a (n = 1 to 2)<"), std::string::npos);
  EXPECT_TRUE(figure_csv(numbers).ends_with("a,1,8,1,1,1\n"));
}

TEST_F(FigureNumbers, AreRoundsToATarget) {
  figure.kind = "bars", figure.target = 2;
  add("a", {run_of({4, 3, 2, 1}), run_of({4, 3, 3, 3, 1})});
  add("b", {run_of({4, 3, 3})});
  const FigureData numbers = data();
  ASSERT_EQ(numbers.series.size(), 1u);
  EXPECT_EQ(numbers.series[0].mean, Numbers{4});
  EXPECT_EQ(numbers.notes, std::vector<std::string>{"b: 1 of 1 runs did not reach train_loss = 2"});
}

TEST_F(FigureNumbers, AreSpeedUps) {
  figure.kind = "speed-up", figure.target = 2, figure.parameter = "clients.count";
  add("a", {run_of({4, 4, 4, 4, 4, 4, 4, 2})}, int64_t{1});
  add("a", {run_of({4, 4, 4, 2})}, int64_t{2});
  EXPECT_EQ(data().series[0].mean, (Numbers{1, 2}));
  EXPECT_NE(figure_svg(figure, data()).find("class=\"ideal\""), std::string::npos);
}

// The ratio is that of the means, 200 to 150, and its spread that of the second group, 50 √2 of 150.
TEST_F(FigureNumbers, AreRatiosOfMeans) {
  figure.kind = "speed-up", figure.target = 2, figure.parameter = "clients.count";
  const auto reaches_at = [](size_t round) {
    Numbers losses(round, 4.0);
    losses.back() = 2;
    return run_of(losses);
  };
  add("a", {reaches_at(100), reaches_at(300)}, int64_t{1});
  add("a", {reaches_at(100), reaches_at(200)}, int64_t{2});
  const FigureSeries series = data().series[0];
  EXPECT_DOUBLE_EQ(series.mean[0], 1);
  EXPECT_DOUBLE_EQ(series.mean[1], 200.0 / 150);
  EXPECT_DOUBLE_EQ(series.high[1] - series.mean[1], 200.0 / 150 * (50 * std::sqrt(2) / 150));
  EXPECT_EQ(series.n, (Counts{2, 2}));
}

// A curve has no speed-up where its first value has none: the next one must not take its place.
TEST_F(FigureNumbers, HaveNoSpeedUpWithoutTheFirstValue) {
  figure.kind = "speed-up", figure.target = 2, figure.parameter = "clients.count";
  add("a", {run_of({4, 4, 2})}, int64_t{1});
  add("a", {run_of({4, 2})}, int64_t{2});
  add("b", {run_of({4, 4, 4})}, int64_t{1});
  add("b", {run_of({4, 2})}, int64_t{2});
  const FigureData numbers = data();
  ASSERT_EQ(numbers.series.size(), 1u);
  EXPECT_EQ(numbers.series[0].mean, (Numbers{1, 1.5}));
  EXPECT_EQ(numbers.notes, (std::vector<std::string>{
                               "b at clients.count = 1: 1 of 1 runs did not reach train_loss = 2",
                               "b at clients.count = 2: no speed-up, as no run at the first value has reached the target"}));
  runs[2].clear();
  EXPECT_EQ(data().series.size(), 1u);
}

// A value that is not finite is written as null.
TEST_F(FigureNumbers, CountValuesThatAreNotFinite) {
  tacet::Run run = run_of({4, 3, 2});
  run.rounds[1]["train_loss"] = nullptr;
  add("a", {run});
  EXPECT_EQ(data().series[0].mean, (Numbers{4, 2}));
  EXPECT_EQ(data().notes, std::vector<std::string>{"a: 1 values of train_loss in runs/a are not finite and are left out"});
  // A run that ends with such a value has no last one.
  figure.kind = "final", figure.parameter = "algorithm.eta";
  runs.clear(), plan.groups.clear(), figure.curves.clear();
  tacet::Run wild = run_of({4, 3});
  wild.rounds[1]["train_loss"] = nullptr;
  add("a", {wild, run_of({4, 2})}, 0.1);
  EXPECT_EQ(data().series[0].mean, Numbers{2});
  EXPECT_EQ(data().notes[1], "a at algorithm.eta = 0.1: 1 of 2 runs do not end with a finite train_loss and are in no mean");
}

TEST_F(FigureNumbers, CountPointsThatALogAxisHasNoPlaceFor) {
  figure.log_y = true;
  add("a", {run_of({4, 0, 2})});
  EXPECT_EQ(data().notes, std::vector<std::string>{"a: 1 of 3 points are not above 0 and have no place on a log axis"});
  EXPECT_EQ(count(figure_svg(figure, data()), "<circle"), 2u);
  figure.kind = "histogram", figure.log_y = false, figure.log_x = true;
  EXPECT_EQ(data().notes,
            std::vector<std::string>{"a: 1 of 3 values of train_loss are not above 0 and have no place on a log axis"});
  double shares = 0;
  const FigureData numbers = data();
  for (const double share : numbers.series[0].mean) shares += share;
  EXPECT_DOUBLE_EQ(shares, 2.0 / 3);
}

TEST_F(FigureNumbers, SayThatRunsHaveNothingInCommon) {
  figure.x = "seconds";
  add("a", {run_of({4}, 1), run_of({4}, 2)});
  EXPECT_EQ(data().notes, std::vector<std::string>{"a: its runs have no training time (s) in common, so there is no mean"});
  EXPECT_EQ(test::error_of([&] { (void)figure_svg(figure, data()); }),
            "the figure has nothing to draw: no curve has a point");
}

// Three times the same number has a mean that differs from it in the last digit.
TEST_F(FigureNumbers, OfEqualValuesHaveFewMarks) {
  figure.kind = "final", figure.parameter = "algorithm.eta";
  for (const double eta : {0.1, 0.2}) add("a", {run_of({0.1}), run_of({0.1}), run_of({0.1})}, eta);
  EXPECT_LT(count(figure_svg(figure, data()), "<text"), 40u);
}

TEST_F(FigureNumbers, AreSharesOfRounds) {
  figure.kind = "histogram";
  add("a", {run_of({1, 1, 1, 41})});
  const FigureSeries series = data().series[0];
  EXPECT_DOUBLE_EQ(series.mean.front(), 0.75);
  EXPECT_DOUBLE_EQ(series.mean.back(), 0.25);
  EXPECT_DOUBLE_EQ(series.x.front(), 1.5);
}

// A run that has diverged is in no mean and is counted. A curve of such runs alone is in the legend.
TEST_F(FigureNumbers, CountRunsThatDiverged) {
  add("a", {run_of({4, 2})});
  add("b", {});
  plan.groups[0].diverged = 2, plan.groups[1].diverged = 3;
  const FigureData numbers = data();
  ASSERT_EQ(numbers.series.size(), 2u);
  EXPECT_EQ(numbers.series[0].n, (Counts{1, 1}));
  EXPECT_EQ(numbers.series[0].diverged, 2u);
  EXPECT_TRUE(numbers.series[1].x.empty());
  const std::string svg = figure_svg(figure, numbers);
  EXPECT_NE(svg.find(">a (n = 1, 2 diverged)<"), std::string::npos);
  EXPECT_NE(svg.find(">b (n = 0, 3 diverged)<"), std::string::npos);
  EXPECT_EQ(count(svg, "class=\"line\""), 1u);
  const json facts = json::parse(figure_facts(figure, plan, {}, runs, {}));
  EXPECT_EQ(facts["diverged"],
            json::parse(R"([{"curve": "a", "value": "", "runs": 2}, {"curve": "b", "value": "", "runs": 3}])"));
  EXPECT_EQ(facts["runs"], 1);
  runs[0].clear();
  EXPECT_EQ(test::error_of([&] { (void)figure_svg(figure, data()); }), "the figure has nothing to draw: all runs diverged");
}

// Where all runs at one value have diverged, the others stay.
TEST_F(FigureNumbers, LeaveOutAValueAtWhichAllRunsDiverged) {
  figure.kind = "final", figure.parameter = "algorithm.eta";
  add("a", {}, 1.0);
  add("a", {run_of({4, 2}), run_of({4, 4})}, 0.1);
  plan.groups[0].diverged = 3, plan.groups[1].diverged = 1;
  const FigureData numbers = data();
  ASSERT_EQ(numbers.series.size(), 1u);
  EXPECT_EQ(numbers.series[0].x, Numbers{0.1});
  EXPECT_EQ(numbers.series[0].mean, Numbers{3});
  EXPECT_EQ(numbers.series[0].n, Counts{2});
  EXPECT_EQ(numbers.series[0].diverged, 4u);
  figure.kind = "bars", figure.target = 3;
  EXPECT_EQ(data().series[0].mean, Numbers{2});
}

TEST_F(FigureNumbers, SayWhichKeysARunHas) {
  figure.y = "bleu";
  add("a", {run_of({1})});
  EXPECT_EQ(
      test::error_of([&] { (void)data(); }),
      "runs/a/metrics.jsonl: must have lines with round and bleu for the figure f.toml, got round, seconds, train_loss");
}

// A text's tokens are an axis.
TEST_F(FigureNumbers, AreOverTokens) {
  figure.x = "tokens";
  tacet::Run run = run_of({4, 2});
  for (auto& line : run.rounds) line["tokens"] = 350 * line["round"].get<double>();
  add("a", {run});
  EXPECT_EQ(data().series[0].x, (Numbers{350, 700}));
  EXPECT_EQ(data().x_label, "training tokens of all clients");
}

// A run's points are drawn over another axis as well, and kept with their places on it.
TEST_F(FigureNumbers, AreOverFurtherAxes) {
  figure.over = {"seconds", "bytes"};
  tacet::Run run = run_of({4, 2}, 0.5);
  run.recipe = "[run]\nseed = 1\n";
  run.rounds[1]["client_bytes"] = 80;
  add("a", {run});
  EXPECT_EQ(figure_points_csv(figure, plan, runs),
            "curve,value,seed,key,x,y,seconds,bytes\na,,1,train_loss,1,4,0.5,\na,,1,train_loss,2,2,1,80\n");
  EXPECT_EQ(json::parse(figure_facts(figure, plan, {}, runs, {}))["over"], json::array({"seconds", "bytes"}));
  figure.log_x = true, figure.x_label = "rounds so far";
  const Figure other = with_axis(figure, "seconds");
  EXPECT_FALSE(other.log_x);
  const FigureData numbers = figure_data(other, plan, runs);
  EXPECT_EQ(numbers.series[0].x, (Numbers{0.5, 1}));
  EXPECT_EQ(numbers.series[0].mean, (Numbers{4, 2}));
  EXPECT_EQ(numbers.x_label, "training time (s)");
}

// One client sends nothing, so that all lines are at 0 bytes, and the last one counts. Its y stood beside the first one's
// seconds.
TEST_F(FigureNumbers, HaveThePlacesOfTheLineThatCounts) {
  figure.x = "bytes", figure.over = {"seconds"};
  tacet::Run run = run_of({4, 2});
  for (auto& line : run.rounds) line["client_bytes"] = 0;
  add("a", {run});
  EXPECT_EQ(figure_points_csv(figure, plan, runs), "curve,value,seed,key,x,y,seconds\na,,,train_loss,0,2,2\n");
}

TEST_F(FigureNumbers, AreOfMeasuredGradientsAndOfTheTrainingSet) {
  tacet::Run run = run_of({4, 2});
  run.gradients = {{{"round", 0}, {"full_gradient_norm", 3}}, {{"round", 2}, {"full_gradient_norm", 0.5}}};
  run.train_set = {{{"round", 2}, {"eval_loss", 1.5}}};
  figure.y = "full_gradient_norm";
  add("a", {run});
  EXPECT_EQ(data().series[0].x, (Numbers{0, 2}));
  EXPECT_EQ(data().series[0].mean, (Numbers{3, 0.5}));
  figure.y = "train_set_loss";
  EXPECT_EQ(data().series[0].mean, Numbers{1.5});
  figure.y = "train_set_bleu";
  EXPECT_TRUE(
      test::error_of([&] { (void)data(); }).ends_with("got full_gradient_norm, round, seconds, train_loss, train_set_loss"));
}

TEST_F(FigureNumbers, AreKeptRunByRun) {
  figure.kind = "final", figure.parameter = "algorithm.interval";
  tacet::Run first = run_of({4, 2}), second = run_of({4, 1});
  first.recipe = "[run]\nseed = 1\n", second.recipe = "[run]\nseed = 2\n";
  second.folder = "runs/b";
  first.summary = {{"seconds", 1.5}, {"versions", {{"tacet", "0.1.0"}}}};
  second.summary = {{"seconds", 2}, {"versions", {{"tacet", "0.1.0"}}}};
  add("a, b", {first, second}, int64_t{2});
  EXPECT_EQ(figure_points_csv(figure, plan, runs),
            "curve,value,seed,key,x,y\n\"a, b\",2,1,train_loss,1,4\n\"a, b\",2,1,train_loss,2,2\n"
            "\"a, b\",2,2,train_loss,1,4\n\"a, b\",2,2,train_loss,2,1\n");
  figure.also = {"seconds"}, figure.target = 1;
  EXPECT_TRUE(figure_points_csv(figure, plan, runs).ends_with("\"a, b\",2,2,seconds,1,1\n\"a, b\",2,2,seconds,2,2\n"));
  EXPECT_FALSE(with_key(figure, "seconds").target.has_value());
  figure.target.reset();
  tacet::Run grid = run_of({4, 3});
  grid.folder = "runs/c";
  grid.summary = {{"seconds", 10}};
  const json facts = json::parse(figure_facts(figure, plan, {"a note"}, runs, {second, grid}));
  EXPECT_EQ(facts["runs"], 2);
  EXPECT_EQ(facts["training_seconds"], 4.0);  // 3.5, rounded
  EXPECT_EQ(facts["grid_runs"], 1);           // the other one is drawn
  EXPECT_EQ(facts["grid_seconds"], 10.0);
  EXPECT_EQ(facts["versions"], json::array({"0.1.0"}));
  EXPECT_EQ(facts["notes"], json::array({"a note"}));
  EXPECT_TRUE(facts["target"].is_null());
  EXPECT_EQ(facts["diverged"], json::array());
}

// Two figures of one file name in two folders have one default folder, and the second was drawn over the first.
TEST_F(FigureNumbers, AreNotDrawnOverThoseOfAnotherFigure) {
  add("a", {run_of({4, 2})});
  const test::TempFolder folder;
  const std::string path = folder / "figure.json";
  const auto said = [&](const std::string& title, const std::string& y) {
    Figure other = figure;
    other.title = title, other.y = y;
    return test::error_of([&] { require_same_figure(other, path); });
  };
  EXPECT_EQ(said("B", "eval_loss"), "");  // nothing is drawn yet
  folder.write("figure.json", figure_facts(figure, plan, {}, runs, {}));
  EXPECT_EQ(said("A < B", "train_loss"), "");
  EXPECT_EQ(said("B", "train_loss"), "--out: " + path +
                                         " is of another figure: figure.title is \"A < B\" there, and this one has \"B\"; "
                                         "give another --out, or remove that file to draw this one over it");
  EXPECT_NE(said("A < B", "eval_loss").find("figure.y is \"train_loss\" there, and this one has \"eval_loss\""),
            std::string::npos);
  folder.write("figure.json", "{}");  // it is none of ours
  EXPECT_EQ(said("B", "train_loss"), "");
}

TEST(Reaches, KnowsThatMoreAccuracyIsBetter) {
  const FigurePoints points{{1, 2, 3}, {0.1, 0.5, 0.9}, {}};
  EXPECT_EQ(reaches(points, 0.5, true), 2);
  EXPECT_EQ(reaches(points, 0.5, false), 1);
  EXPECT_TRUE(std::isnan(reaches(points, 0.95, true)));
}

TEST_F(FigureNumbers, AreDrawnWithBandsAndLegend) {
  add("a & b", {run_of({4, 2}), run_of({6, 2})});
  add("c", {run_of({4, 2})});
  const std::string svg = figure_svg(figure, data());
  EXPECT_EQ(count(svg, "class=\"line\""), 2u);
  EXPECT_EQ(count(svg, "class=\"band\""), 1u);
  EXPECT_NE(svg.find(">a &amp; b (n = 2)<"), std::string::npos);
  EXPECT_NE(svg.find("<title>A &lt; B</title>"), std::string::npos);
  EXPECT_EQ(count(svg, "nan"), 0u);
  EXPECT_EQ(count(svg, "inf"), 0u);
}

TEST_F(FigureNumbers, LeaveOutWhatALogAxisHasNoPlaceFor) {
  figure.log_y = true;
  add("a", {run_of({4, 0, 2})});
  const std::string svg = figure_svg(figure, data());
  EXPECT_EQ(count(svg, "nan") + count(svg, "inf"), 0u);
  runs = {{run_of({0, -1})}};
  EXPECT_EQ(test::error_of([&] { (void)figure_svg(figure, data()); }),
            "the figure has nothing to draw: train_loss has no finite value above 0");
}

TEST(Marks, AreRoundNumbers) {
  EXPECT_EQ(axis_marks(0, 10, false, 5), (Numbers{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(axis_marks(0.9, 2.1, false, 3), (Numbers{1, 1.5, 2}));
  EXPECT_EQ(axis_marks(0.5, 150, true, 6), (Numbers{0.5, 1, 2, 5, 10, 20, 50, 100}));
  EXPECT_EQ(axis_marks(1, 1e6, true, 6).size(), 7u);
}

}  // namespace
}  // namespace tacet
