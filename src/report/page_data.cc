// Reduces metrics.jsonl to what the figures draw.
#include "report/page_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "report/compare.h"

namespace tacet {

using nlohmann::json;

namespace {

// Nine significant digits are more than a figure shows, count steps exactly up to 10^9, and keep the page small.
json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.9g}", value).c_str(), nullptr);
}

const std::vector<std::string> kCounters = {"round", "epoch", "seconds", "iteration", "communications"};

std::vector<std::string> with_counters(std::vector<std::string> keys) {
  keys.insert(keys.begin(), kCounters.begin(), kCounters.end());
  return keys;
}

}  // namespace

json columns(const std::vector<json>& lines, const std::vector<std::string>& keys, size_t limit) {
  json out = json::object();
  out["lines"] = lines.size();
  size_t bins = std::min(limit, lines.size());
  for (const std::string& key : keys) {
    json column = json::array();
    bool known = false;
    for (size_t b = 0; b < bins; ++b) {
      double sum = 0;
      int count = 0;
      for (size_t k = b * lines.size() / bins; k < (b + 1) * lines.size() / bins; ++k) {
        double value = number(lines[k], key);
        if (std::isfinite(value)) sum += value, ++count;
      }
      known = known || count > 0;
      column.push_back(rounded(count > 0 ? sum / count : kUnknown));
    }
    if (known) out[key] = std::move(column);
  }
  return out;
}

json page_data(const std::vector<Run>& runs) {
  json list = json::array();
  for (const Run& run : runs) {
    std::vector<json> evals = held_out(run);
    json one;
    one["name"] = run.name;
    one["rounds"] = columns(run.rounds, with_counters({"train_loss", "clipped_fraction", "gradient_norm"}));
    one["epochs"] = columns(run.epochs, with_counters({"train_loss"}));
    one["evals"] = columns(evals, with_counters({"eval_loss", "eval_perplexity", "eval_accuracy", "eval_gradient_norm",
                                                 "eval_bleu", "eval_top5_accuracy"}));
    one["split"] = evals.empty() ? "valid" : text(evals.front(), "split", "valid");
    one["averaged"] = std::any_of(evals.begin(), evals.end(),
                                  [](const json& line) { return line.value("averaged", json(false)) == true; });
    list.push_back(std::move(one));
  }
  return {{"runs", std::move(list)}};
}

}  // namespace tacet
