// See key_lines.h.
#include "report/key_lines.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "report/facts.h"

namespace tacet {
namespace {

using Lines = std::vector<nlohmann::json>;

// The begins of keys of evaluations of the training set, as users name them and as their lines do.
const std::string kOfTrainSet = "train_set_", kOfEvaluation = "eval_";

}  // namespace

bool has_number(const Lines& lines, const std::string& key) {
  return std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return std::isfinite(number(line, key)); });
}

KeyLines lines_with(const Run& run, const std::string& key, bool by_epoch) {
  if (key.starts_with(kOfTrainSet)) return {run.train_set, kOfEvaluation + key.substr(kOfTrainSet.size())};
  if (has_number(run.gradients, key) && !has_number(run.rounds, key)) return {run.gradients, key};
  if (Lines evals = held_out(run); has_number(evals, key)) return {std::move(evals), key};
  if (by_epoch && has_number(run.epochs, key)) return {run.epochs, key};
  return {run.rounds, key};
}

std::string numeric_keys(const Run& run) {
  std::set<std::string> keys;
  for (const Lines* lines : {&run.rounds, &run.epochs, &run.evals, &run.gradients, &run.train_set})
    for (const auto& line : *lines)
      for (const auto& [key, value] : line.items())
        if (value.is_number())
          keys.insert(lines == &run.train_set && key.starts_with(kOfEvaluation)
                          ? kOfTrainSet + key.substr(kOfEvaluation.size())
                          : key);
  std::string out;
  for (const std::string& key : keys) out += (out.empty() ? "" : ", ") + key;
  return out.empty() ? "no lines" : out;
}

}  // namespace tacet
