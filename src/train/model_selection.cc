// See model_selection.h.
#include "train/model_selection.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include "comm/collectives.h"
#include "tacet/group.h"
#include "train/evaluate.h"

namespace tacet {
namespace {

// Returns the least of these losses, without those that are not a number.
double least_of(const Vec& losses) {
  double least = std::numeric_limits<double>::infinity();
  for (int64_t k = 0; k < losses.numel(); ++k) least = std::fmin(least, losses[k].item<double>());
  return least;
}

}  // namespace

Evaluation ModelSelection::evaluate(Group& group, const std::string& split, const char* event) {
  const Vec& model = run_.state.model();
  const Score score = evaluate_all(*run_.objective, group, split, model);
  const double accuracy = run_.objective->has_accuracy() ? score.correct / score.count : RunState::nan;
  const Evaluation e{score.loss / score.count, accuracy};
  run_.evaluated[split] = {e, run_.objective->figures(model)};
  if (event) log_.record_evaluation(event, split);
  return e;
}

// Returns true if the loss is worse than the best one more than `nonmono` evaluations ago. Averaging then starts and goes on
// to the end (Merity, Keskar, Socher, ICLR 2018, Algorithm 1).
bool ModelSelection::triggers(double loss) const {
  const RunState& s = run_.state;
  const int64_t past = s.selection_losses.numel(), nonmono = run_.ends.nonmono;
  return run_.ends.nt_asgd && !s.average.defined() && past > nonmono &&
         loss > least_of(s.selection_losses.narrow(0, 0, past - nonmono));
}

void ModelSelection::evaluate_selecting(Group& group) {
  if (run_.objective->splits().empty()) return;
  const std::string split = run_.objective->splits().front();
  const Evaluation e = evaluate(group, split, "eval");
  RunState& s = run_.state;
  s.eval_loss = e.loss;
  s.eval_accuracy = e.accuracy;
  s.eval_round = s.round;
  if (std::isnan(s.best_loss) || e.loss < s.best_loss) {
    s.best_loss = e.loss;
    s.best_accuracy = e.accuracy;
    s.best_epoch = run_.epoch();
    s.best_round = s.round;
  }
  const bool first = group.rank() == 0;
  if (triggers(e.loss)) {
    s.average = s.x.clone();
    s.averaged = 1;
    if (first)
      observer_.message("NT-ASGD was triggered: from here on the models of all " + run_.ends.nt_asgd_each +
                        "s are averaged");
  }
  s.selection_losses = at::cat({s.selection_losses, at::full({1}, e.loss, at::kDouble)});
  if (first) observer_.message(describe(split));
  if (!run_.options.eval_train) return;
  evaluate(group, "train", "train");
  if (first) observer_.message(describe("train"));
}

void ModelSelection::make_up_for_figures(Group& group) {
  const std::string split = run_.objective->splits().front();
  const auto lacks = all_gather_value(group, int64_t{run_.evaluated.count(split) == 0});
  if (std::find(lacks.begin(), lacks.end(), 1) == lacks.end()) return;
  evaluate(group, split, nullptr);
  if (run_.options.eval_train) evaluate(group, "train", nullptr);
}

void ModelSelection::evaluate_others(Group& group) {
  const auto splits = run_.objective->splits();
  for (size_t k = 1; k < splits.size(); ++k) {
    evaluate(group, splits[k], "test");
    if (group.rank() == 0) observer_.message(describe(splits[k]));
  }
}

void ModelSelection::average_in() {
  RunState& s = run_.state;
  if (!s.average.defined()) return;
  s.averaged += 1;
  s.average.add_(s.x - s.average, 1 / static_cast<double>(s.averaged));
}

std::string ModelSelection::describe(const std::string& split) const {
  const auto& [e, further] = run_.evaluated.at(split);
  char text[200];
  const auto part = [&](const char* format, auto... values) {
    std::snprintf(text, sizeof text, format, values...);
    return std::string(text);
  };
  std::string line = part("epoch %.2f", run_.epoch());
  if (run_.state.taken + run_.state.skipped > 0) line += part("  train loss %.4f", run_.state.train_loss());
  line += part("  %s loss %.4f", split.c_str(), e.loss);
  if (run_.objective->has_perplexity()) line += part("  ppl %.2f", std::exp(e.loss));
  if (run_.objective->has_accuracy()) line += part("  accuracy %.2f %%", 100 * e.accuracy);
  if (run_.state.average.defined()) line += "  (NT-ASGD)";
  for (const auto& [name, value] : further) line += part("  %s %.6g", name.c_str(), value);
  return line;
}

}  // namespace tacet
