// The page as text: escaping, thinning and writing. What needs a browser is in page_check.sh.
#include "report/page.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "report/assets.h"
#include "report/fixture.h"
#include "report/live_page.h"
#include "report/page_data.h"
#include "report/run_groups.h"
#include "tacet/error.h"

namespace tacet::report_test {
namespace {

using nlohmann::json;

std::string content(const std::filesystem::path& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// The JSON that the page carries, read back.
json embedded_data(const std::string& page) {
  std::string open = "<script type=\"application/json\" id=\"data\">";
  size_t from = page.find(open) + open.size();
  return json::parse(page.substr(from, page.find("</script>", from) - from));
}

Run named(const std::string& name) {
  Run run;
  run.name = name;
  run.summary = json::object();
  return run;
}

std::vector<json> losses(const std::vector<double>& values) {
  std::vector<json> lines;
  for (double v : values) lines.push_back({{"train_loss", v}, {"round", lines.size()}});
  return lines;
}

TEST(Columns, LongSeriesBecomeMeansOfEqualBins) {
  // Ten lines in four bins: 0–1, 2–4, 5–6, 7–9.
  json out = columns(losses({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), {"train_loss"}, 4);
  EXPECT_EQ(out["train_loss"], json({0.5, 3, 5.5, 8}));
  EXPECT_EQ(out["lines"], 10);
}

TEST(Columns, ShortSeriesStayAsTheyAre) {
  EXPECT_EQ(columns(losses({3, 1, 2}), {"train_loss"}, 4)["train_loss"], json({3, 1, 2}));
}

TEST(Columns, WhatIsNotANumberIsAGap) {
  std::vector<json> lines = losses({1, 2, 3, 4});
  lines[1]["train_loss"] = nullptr;
  lines[2]["train_loss"] = INFINITY;
  lines[3].erase("train_loss");
  EXPECT_EQ(columns(lines, {"train_loss"})["train_loss"], json({1, nullptr, nullptr, nullptr}));
  EXPECT_FALSE(columns(lines, {"gradient_norm"}).contains("gradient_norm"));
}

// The mean of a bin left out what is not finite, so that a run that ended in it ended well. A line that lacks a number, as
// one of a round without an estimate does, is no such value.
TEST(Columns, ABinIsAGapWhereOneOfItsValuesIsNotFinite) {
  std::vector<json> lines = losses({1, 2, 3, 4, 5, 6});
  lines[1].erase("train_loss");
  lines[3]["train_loss"] = nullptr;
  lines[5]["train_loss"] = INFINITY;
  const json binned = columns(lines, {"train_loss"}, 3);
  EXPECT_EQ(binned["train_loss"], json({1, nullptr, nullptr}));
  EXPECT_TRUE(binned["last"]["train_loss"].is_null());
  // The last value is that of the last line with the key, not the mean of its bin.
  EXPECT_EQ(columns(losses({1, 2, 3, 4}), {"train_loss"}, 2)["last"]["train_loss"], 4);
  EXPECT_FALSE(columns(lines, {"gradient_norm"})["last"].contains("gradient_norm"));
}

RC_GTEST_PROP(Columns, ThinningKeepsTheMeanOfEqualBins, ()) {
  int bins = *rc::gen::inRange(1, 20), each = *rc::gen::inRange(1, 20);
  auto values = *rc::gen::container<std::vector<int>>(static_cast<size_t>(bins * each), rc::gen::inRange(-1000, 1000));
  double sum = 0, thinned = 0;
  for (int v : values) sum += v;
  json column = columns(losses({values.begin(), values.end()}), {"train_loss"}, static_cast<size_t>(bins))["train_loss"];
  for (const json& v : column) {
    thinned += v.get<double>() * each;
  }
  RC_ASSERT(std::fabs(sum - thinned) <= 1e-6 * bins * each * 1000);  // nine digits are kept of numbers below 1000
}

TEST(Page, CarriesTheRunsNumbers) {
  TempFolder temp;
  write_run(temp / "a", {});
  json data = embedded_data(report_page(read_runs({temp / "a"})));
  EXPECT_EQ(data["runs"][0]["name"], "a");
  EXPECT_EQ(data["runs"][0]["rounds"]["train_loss"].size(), 120u);  // 12 epochs of 80 steps, 8 a round
  EXPECT_EQ(data["runs"][0]["evals"]["eval_perplexity"].size(), 12u);
  EXPECT_EQ(data["runs"][0]["split"], "valid");
}

// A run that is read for a page alone gives the same page as one that is held whole.
TEST(Page, OfRunsThatAreReadOneAtATimeIsTheSame) {
  TempFolder temp;
  Shape other;
  other.seed = 2, other.epochs = 30;
  write_run(temp / "a", {});
  write_run(temp / "b", other);
  EXPECT_EQ(report_page_of({temp / "a", temp / "b"}), report_page(read_runs({temp / "a", temp / "b"})));
}

TEST(LivePageOfRuns, FollowsTheirFiles) {
  TempFolder temp;
  Shape shape;
  shape.done = false, shape.epochs = 2;
  write_run(temp / "a", shape);
  LivePage live({temp / "a"});
  const std::string before = live.mark(), page = live.page();
  EXPECT_NE(page.find("<meta name=\"tacet-live\" content=\"2\">"), std::string::npos);
  EXPECT_NE(page.find("connect-src 'self'"), std::string::npos);
  EXPECT_EQ(live.mark(), before);
  // The page took the first mark that it asked for as its own, and missed what had been written in between.
  const auto mark_tag = [](const std::string& mark) { return "<meta name=\"tacet-mark\" content=\"" + mark + "\">"; };
  EXPECT_NE(page.find(mark_tag(before)), std::string::npos);
  shape.epochs = 3, shape.done = true;
  write_run(temp / "a", shape);
  EXPECT_NE(live.mark(), before);
  EXPECT_EQ(embedded_data(live.page())["runs"][0]["epochs"]["lines"], 3);
  EXPECT_NE(live.page().find(mark_tag(live.mark())), std::string::npos);
  // A page that is written to a file asks nobody.
  EXPECT_EQ(report_page_of({temp / "a"}).find("connect-src"), std::string::npos);
  EXPECT_EQ(report_page_of({temp / "a"}).find("<meta name=\"tacet-mark\""), std::string::npos);
}

TEST(LivePageOfRuns, KeepsTheLastPageWhereFilesAreInTheMiddleOfAChange) {
  TempFolder temp;
  write_run(temp / "a", {});
  LivePage live({temp / "a"});
  const std::string page = live.page();
  write(temp / "a/summary.json", "{");
  EXPECT_EQ(live.page(), page);
  EXPECT_NE(live.new_trouble().find("summary.json: must be a JSON object"), std::string::npos);
  EXPECT_EQ(live.page(), page);
  EXPECT_EQ(live.new_trouble(), "");  // it was told
  write(temp / "a/summary.json", "{}");
  EXPECT_NE(live.page(), page);
}

TEST(Admitted, NeedsTheTokenOrANameOfThisMachine) {
  EXPECT_TRUE(admitted("secret", "secret", "example.org", "127.0.0.1"));
  EXPECT_FALSE(admitted("secret", "secre", "localhost", "127.0.0.1"));
  EXPECT_FALSE(admitted("secret", "", "localhost", "127.0.0.1"));
  EXPECT_TRUE(admitted("", "", "localhost:8060", "127.0.0.1"));
  EXPECT_TRUE(admitted("", "", "127.0.0.1:8060", "127.0.0.1"));
  EXPECT_TRUE(admitted("", "", "[::1]:8060", "127.0.0.1"));
  EXPECT_TRUE(admitted("", "", "127.0.0.2:8060", "127.0.0.2")) << "the address that was given";
  EXPECT_FALSE(admitted("", "", "127.0.0.2:8060", "127.0.0.1"));
  EXPECT_FALSE(admitted("", "", "example.org:8060", "127.0.0.1"));
  EXPECT_FALSE(admitted("", "", "localhost.example.org", "127.0.0.1"));
  EXPECT_FALSE(admitted("", "", "", "127.0.0.1"));
  EXPECT_EQ(random_token().size(), 32u);
  EXPECT_NE(random_token(), random_token());
}

TEST(Page, OfManyRunsHasFewerPointsOfEach) {
  EXPECT_EQ(points_of_page(1), 2000u);
  EXPECT_EQ(points_of_page(20), 2000u);
  EXPECT_EQ(points_of_page(100), 400u);
  EXPECT_EQ(points_of_page(10000), 300u);
}

TEST(Page, SaysWhereRunsAreOfSeveralVersions) {
  tacet::Run a = named("a"), b = named("b");
  a.summary["versions"] = {{"tacet", "0.1.0"}}, b.summary["versions"] = {{"tacet", "0.1.0"}};
  EXPECT_EQ(report_page({a, b}).find("several versions"), std::string::npos);
  b.summary["versions"]["tacet"] = "0.2.0";
  EXPECT_NE(report_page({a, b}).find("The runs were made by several versions of tacet: 0.1.0, 0.2.0."), std::string::npos);
}

Run with_recipe(const std::string& name, const std::string& method, int interval, int seed) {
  Run run = named(name);
  run.recipe = "[data]\nroot = \"/" + name + "\"\n[algorithm]\nname = \"" + method +
               "\"\ninterval = " + std::to_string(interval) + "\n[run]\nseed = " + std::to_string(seed) + "\n";
  return run;
}

TEST(Groups, HoldRunsThatDifferInTheirSeedOnly) {
  const std::vector<tacet::Run> runs = {with_recipe("a", "celgc", 2, 1),
                                        with_recipe("b", "celgc", 8, 1),
                                        with_recipe("c", "celgc", 2, 2),
                                        with_recipe("d", "episode", 2, 1),
                                        named("e"),
                                        named("f")};
  const std::vector<RunGroup> groups = groups_of(runs);
  ASSERT_EQ(groups.size(), 5u);
  EXPECT_EQ(groups[0].runs, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(groups[0].label, "celgc, interval = 2");
  EXPECT_EQ(groups[1].label, "celgc, interval = 8");
  EXPECT_EQ(groups[2].label, "episode, interval = 2");
  EXPECT_EQ(groups[3].label, "e");
  const json data = page_data(runs);
  EXPECT_EQ(data["groups"][1]["settings"]["algorithm.interval"], 8);
  EXPECT_EQ(data["groups"][1]["settings"]["algorithm.name"], "celgc");
  EXPECT_EQ(groups_of({runs[0], runs[2]})[0].label, "all runs");
}

// Of a file its name counts, of data the files that were read.
TEST(Groups, KeepOtherWeightsAndOtherDataApart) {
  const auto run = [](const std::string& name, int seed, const std::string& init, const std::string& data) {
    tacet::Run r = with_recipe(name, "celgc", 2, seed);
    r.recipe += "[model]\ninit = \"" + init + "\"\n";
    r.data = data;
    return r;
  };
  const std::vector<RunGroup> groups =
      groups_of({run("a", 1, "/x/a.safetensors", "11"), run("b", 2, "/y/a.safetensors", "11"),
                 run("c", 1, "/x/b.safetensors", "11"), run("d", 1, "/x/a.safetensors", "12")});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].runs, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(groups[1].label, "files = 11, init = b.safetensors");
  EXPECT_EQ(groups[2].label, "files = 12, init = a.safetensors");
}

// Runs of one seed on 1 and on 4 workers were one group, with a mean of their seconds. The first two are seed 1 on either.
TEST(Groups, HaveNoSeedTwice) {
  const auto run = [](const std::string& name, int seed, int workers) {
    tacet::Run r = with_recipe(name, "celgc", 2, seed);
    r.summary["workers"] = workers;
    return r;
  };
  const std::vector<RunGroup> groups =
      groups_of({run("a", 1, 1), run("b", 1, 4), run("c", 2, 4), run("d", 2, 1), run("a (2)", 1, 1)});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].runs, (std::vector<size_t>{0, 3}));
  EXPECT_EQ(groups[1].runs, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(groups[2].runs, std::vector<size_t>{4}) << "a run that is given twice is in no mean with itself";
  EXPECT_EQ(groups[0].label, "workers = 1");
  EXPECT_EQ(groups[1].label, "workers = 4");
  EXPECT_EQ(groups[2].label, "workers = 1 (2)");
  // Seeds that come once stay together, on whatever number of workers they were.
  EXPECT_EQ(groups_of({run("a", 1, 1), run("b", 2, 4)}).size(), 1u);
}

TEST(Page, NoTextOfARunBecomesMarkup) {
  std::string plain = report_page({named("plain")});
  std::string evil = "</script><img src=x onerror=alert(1)>\"'<!--";
  auto run = named(evil);
  run.recipe = evil;
  run.summary = {{"status", evil}, {"algorithm", evil}, {"model", evil}, {"data", evil}, {"versions", {{evil, evil}}}};
  run.epochs = {{{"epoch", 1}, {"train_loss", 1.0}}};
  std::string page = report_page({run, run});
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(count(page, "</script>"), count(plain, "</script>"));
  EXPECT_EQ(count(page, "<!--"), count(plain, "<!--"));
  EXPECT_EQ(embedded_data(page)["runs"][1]["name"], evil);
}

TEST(Page, NamesThatAreNotUtf8AreWritten) { EXPECT_NO_THROW(report_page({named("\xFF\xC3(")})); }

TEST(Page, WorksForRunsWithoutAnything) {
  std::string page = report_page({named("a"), named("b")});
  EXPECT_NE(page.find("Two runs compared"), std::string::npos);
  EXPECT_EQ(embedded_data(page)["runs"][0]["rounds"]["lines"], 0);
}

TEST(Page, AsksNothingOfANetwork) {
  std::string page = report_page({named("a")});
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(count(page, "url("), count(page, "url(#"));  // parts of the page itself
  EXPECT_EQ(page.find("@import"), std::string::npos);
  EXPECT_EQ(count(page, "<link"), 1u);  // the empty icon, which keeps browsers from asking for one
  EXPECT_NE(page.find("<link rel=\"icon\" href=\"data:,\">"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST(Page, AssetsAreTheFilesByteForByte) {
  std::filesystem::path root(TACET_SOURCE_DIR);
  EXPECT_EQ(kUplotJs, content(root / "third_party/uplot/uPlot.iife.min.js"));
  EXPECT_EQ(kUplotCss, content(root / "third_party/uplot/uPlot.min.css"));
  EXPECT_EQ(kUplotLicense, content(root / "third_party/uplot/LICENSE"));
  EXPECT_EQ(kSeriesJs, content(root / "src/report/page_series.js"));
  EXPECT_EQ(kPageJs, content(root / "src/report/page.js"));
  EXPECT_EQ(kPageCss, content(root / "src/report/page.css"));
}

struct Written : ::testing::Test {
  TempFolder temp;
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(temp.path()), std::filesystem::directory_iterator()));
  }
};

TEST_F(Written, ReplacesAnOlderPageAndLeavesNothingBeside) {
  write(temp / "page.html", "old");
  write_report({named("a")}, temp / "page.html");
  EXPECT_EQ(content(temp / "page.html"), report_page({named("a")}));
  EXPECT_EQ(files(), 1u);
}

TEST_F(Written, APlaceThatCannotBeWrittenIsAUserError) {
  EXPECT_THROW(write_report({named("a")}, temp / "nowhere/page.html"), UserError);
  std::filesystem::create_directory(temp / "folder");
  EXPECT_THROW(write_report({named("a")}, temp / "folder"), UserError);
  EXPECT_EQ(files(), 1u);
}

TEST_F(Written, OneRunsPageGoesIntoItsFolder) {
  write_run(temp / "a", {});
  EXPECT_EQ(cmd_report({temp / "a"}, ""), 0);
  EXPECT_TRUE(std::filesystem::exists(temp / "a/report.html"));
  EXPECT_EQ(cmd_report({temp / "a"}, temp / "other.html"), 0);
  EXPECT_TRUE(std::filesystem::exists(temp / "other.html"));
}

}  // namespace
}  // namespace tacet::report_test
