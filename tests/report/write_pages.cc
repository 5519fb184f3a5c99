// Writes the pages that page_check.sh opens in a browser: one run, four, ten, a hundred long ones, an empty one, and one
// with hostile names. Usage: tacet_report_pages FOLDER. Not a test by itself.
#include <cstdio>

#include "report/compare.h"
#include "report/fixture.h"
#include "report/page.h"
#include "report/page_data.h"

using namespace tacet;
using namespace tacet::report_test;
using nlohmann::json;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: tacet_report_pages FOLDER\n", stderr);
    return 2;
  }
  std::filesystem::path root(argv[1]);
  Shape slow;
  slow.algorithm = "naive-clip", slow.interval = 1, slow.epochs = 40, slow.steps = 160, slow.floor = 3.95, slow.seed = 9;
  write_run(root / "naive-clip", slow);
  std::vector<std::string> four = {(root / "naive-clip").string()}, ten;
  for (int interval : {2, 8, 20}) {
    Shape shape;
    shape.interval = interval, shape.epochs = 40, shape.steps = 160, shape.seed = static_cast<unsigned>(interval);
    shape.floor = 3.95 + 0.015 * interval, shape.pairs = interval == 8;
    write_run(root / ("celgc-interval-" + std::to_string(interval)), shape);
    four.push_back((root / ("celgc-interval-" + std::to_string(interval))).string());
  }
  for (int k = 0; k < 10; ++k) {
    Shape shape;
    shape.algorithm = k % 2 ? "scaffold" : "episode", shape.seed = 100 + static_cast<unsigned>(k),
    shape.floor = 3.8 + 0.06 * k;
    shape.accuracy = true, shape.done = k != 7, shape.epochs = 12 + k;
    write_run(root / ("a-rather-long-name-of-a-run-with-number-" + std::to_string(k)), shape);
    ten.push_back((root / ("a-rather-long-name-of-a-run-with-number-" + std::to_string(k))).string());
  }
  write_report(read_runs({four[2]}), (root / "one.html").string());
  write_report(read_runs(four), (root / "four.html").string());
  write_report(read_runs(ten), (root / "ten.html").string());

  // A hundred runs of 10,000 rounds, of 20 settings with five seeds each. One is written and read; the others have its
  // rounds with another offset.
  Shape shape;
  shape.epochs = 100, shape.steps = 800;
  write_run(root / "long", shape);
  Run whole = read_run((root / "long").string());
  const json of_long = run_data(whole, points_of_page(100));
  shorten(whole);
  std::vector<json> data;
  std::vector<Run> hundred;
  for (int k = 0; k < 100; ++k) {
    Shape own;
    own.epochs = 1, own.seed = static_cast<unsigned>(k), own.layers = 1 + k / 10,
    own.algorithm = k % 2 ? "episode" : "celgc";
    write_run(root / "own", own);
    hundred.push_back(whole);
    hundred.back().recipe = read_run((root / "own").string()).recipe;
    hundred.back().name = "run-" + std::to_string(k);
    data.push_back(of_long);
    for (json& loss : data.back()["rounds"]["train_loss"]) loss = loss.get<double>() + 0.01 * k;
  }
  write((root / "hundred.html").string(), report_page(hundred, std::move(data)));

  write(root / "empty" / "metrics.jsonl", "");
  write_report(read_runs({(root / "empty").string()}), (root / "empty.html").string());

  std::vector<Run> hostile = read_runs({four[1], four[2], (root / "empty").string()});
  hostile[0].name = "</script><img src=x onerror=alert(1)>";
  hostile[1].name = "\"><svg onload=alert(2)> ${alert(3)} &amp; \xFF\x1B[31m '";
  hostile[1].recipe = "</code></pre><script>alert(4)</script>";
  hostile[2].name = "]]>--><!--<script>";
  hostile[0].summary["model"] = "<img src=x onerror=alert(5)>";
  hostile[0].summary["versions"] = {{"<b onclick=alert(6)>", "<script>alert(7)</script>"}};
  // Numbers that no figure can show.
  for (size_t k = 50; k < 60; ++k) hostile[0].rounds[k]["train_loss"] = nullptr;
  hostile[0].rounds[70]["gradient_norm"] = "text";
  hostile[0].rounds[71]["gradient_norm"] = -1;
  write_report(hostile, (root / "hostile.html").string());
  std::fputs(compare_table(read_runs(four), 80).c_str(), stdout);
  return 0;
}
