// Reduces metrics.jsonl to what the figures draw.
#include "report/page_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "report/compare.h"
#include "report/key_lines.h"
#include "report/run_groups.h"

namespace tacet {

using nlohmann::json;

namespace {

// Nine significant digits are more than a figure shows, count steps exactly up to 10^9, and keep the page small.
json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  const std::string text = fmt::format("{:.9g}", value);
  std::from_chars(text.data(), text.data() + text.size(), value);  // strtod would read it by the program's locale
  return value;
}

const std::vector<std::string> kCounters = {"round", "epoch", "seconds", "iteration", "communications"};

std::vector<std::string> with_counters(std::vector<std::string> keys) {
  keys.insert(keys.begin(), kCounters.begin(), kCounters.end());
  return keys;
}

// Returns the mean of the numbers that some lines have under the key; NaN where one of them is not finite or none has it.
double mean_in(const std::vector<json>& lines, size_t begin, size_t end, const std::string& key) {
  double sum = 0;
  int count = 0;
  for (size_t k = begin; k < end; ++k)
    if (lines[k].contains(key)) sum += number(lines[k], key), ++count;
  return count > 0 ? sum / count : kUnknown;
}

json last_of(const std::vector<json>& lines, const std::string& key) {
  const auto last = std::find_if(lines.rbegin(), lines.rend(), [&](const json& line) { return line.contains(key); });
  return rounded(last == lines.rend() ? kUnknown : number(*last, key));
}

}  // namespace

json columns(const std::vector<json>& lines, const std::vector<std::string>& keys, size_t limit) {
  json out = json::object();
  out["lines"] = lines.size();
  out["last"] = json::object();
  size_t bins = std::min(limit, lines.size());
  for (const std::string& key : keys) {
    if (!has_number(lines, key)) continue;
    json column = json::array();
    for (size_t b = 0; b < bins; ++b)
      column.push_back(rounded(mean_in(lines, b * lines.size() / bins, (b + 1) * lines.size() / bins, key)));
    out[key] = std::move(column);
    out["last"][key] = last_of(lines, key);
  }
  return out;
}

size_t points_of_page(size_t runs) {
  constexpr size_t kAll = 40000, kLeast = 300;
  return std::clamp(kAll / std::max<size_t>(runs, 1), kLeast, kMaxPoints);
}

json run_data(const Run& run, size_t limit) {
  std::vector<json> evals = held_out(run);
  json one;
  one["name"] = run.name;
  one["rounds"] = columns(
      run.rounds, with_counters({"train_loss", "clipped_fraction", "gradient_norm", "noise_trace", "noise_gradient_square"}),
      limit);
  one["epochs"] = columns(run.epochs, with_counters({"train_loss"}), limit);
  one["evals"] = columns(evals,
                         with_counters({"eval_loss", "eval_perplexity", "eval_accuracy", "eval_gradient_norm", "eval_bleu",
                                        "eval_top5_accuracy"}),
                         limit);
  std::vector<json> pairs = run.pairs;
  std::erase_if(pairs, [](const json& line) { return number(line, "counts") == 0; });
  one["pairs"] = columns(pairs, with_counters({"smoothness", "pair_gradient_norm"}), limit);
  one["pairs_left_out"] = run.pairs.size() - pairs.size();
  one["split"] = evals.empty() ? "valid" : text(evals.front(), "split", "valid");
  one["averaged"] =
      std::any_of(evals.begin(), evals.end(), [](const json& line) { return line.value("averaged", json(false)) == true; });
  return one;
}

void shorten(Run& run) {
  constexpr size_t kLast = 16;  // the last lines have the counters that tables show
  if (run.epochs.empty() || run.rounds.size() <= kLast) return;
  run.rounds.erase(run.rounds.begin(), run.rounds.end() - kLast);
  run.rounds.shrink_to_fit();
}

json page_data(const std::vector<Run>& runs, std::vector<json> each) {
  json groups = json::array();
  for (const RunGroup& group : groups_of(runs)) {
    json settings = json::object();
    for (const auto& [key, value] : group.settings) {
      json parsed = json::parse(value, nullptr, false);
      settings[key] = parsed.is_discarded() ? json(value) : std::move(parsed);
    }
    groups.push_back({{"label", group.label}, {"runs", group.runs}, {"settings", std::move(settings)}});
  }
  for (size_t k = 0; k < runs.size(); ++k) each[k]["name"] = runs[k].name;
  return {{"runs", std::move(each)}, {"groups", std::move(groups)}};
}

json page_data(const std::vector<Run>& runs) {
  std::vector<json> each;
  for (const Run& run : runs) each.push_back(run_data(run, points_of_page(runs.size())));
  return page_data(runs, std::move(each));
}

}  // namespace tacet
