// See run_state.h.
#include "train/run_state.h"

#include <cmath>

namespace tacet {

// Names and order are those of the checkpoint format (docs/reference/checkpoint-format.md).
void RunState::visit(StateVisitor& v, bool fresh_models) {
  fresh_models ? v.value("x", x) : v.global("x", x);
  v.global("average", average);
  v.global("selection_losses", selection_losses);
  v.global("interval_decisions", intervals);
  v.count("round", round);
  v.count("iteration", iteration);
  v.count("samples", samples);
  v.number("seconds", seconds);
  v.count("communications", communications);
  v.count("client_bytes", client_bytes);
  v.count("bytes_sent", bytes_sent);
  v.number("epoch_loss", epoch_loss);
  v.count("epoch_losses", epoch_losses);
  v.count("epoch_steps", epoch_steps);
  v.count("epoch_clipped", epoch_clipped);
  v.count("epoch_judged", epoch_judged);
  v.count("epoch_correct", epoch_correct);
  v.number("last_epoch_loss", last_epoch_loss);
  v.number("next_eval", next_eval);
  v.number("next_checkpoint", next_checkpoint);
  v.number("next_gradient", next_gradient);
  v.count("averaged", averaged);
  v.number("best_loss", best_loss);
  v.number("best_accuracy", best_accuracy);
  v.number("best_epoch", best_epoch);
  double best = best_round < 0 ? nan : static_cast<double>(best_round);  // NaN in the file while there is none
  v.number("best_round", best);
  best_round = std::isnan(best) ? -1 : static_cast<int64_t>(best);
  v.number("eval_loss", eval_loss);
  v.number("eval_accuracy", eval_accuracy);
  v.count("eval_round", eval_round);
  v.count("gradient_round", gradient_round);
  v.count("metrics_bytes", metrics_bytes);
  v.count("skipped", skipped);
  v.count("late", late);
  v.count("extra_samples", extra_samples);
  v.count("taken", taken);
  v.count("faults.groups", faults.groups);
  v.count("faults.lost", faults.lost);
  v.count("faults.rounds_repeated", faults.rounds_repeated);
  v.number("faults.seconds", faults.seconds);
}

void NoiseTotals::visit(StateVisitor& v) {
  v.count("noise.rounds", rounds);
  v.count("noise.left_out", left_out);
  v.number("noise.gradient_square", gradient_square);
  v.number("noise.trace", noise_trace);
}

void SmoothnessTotals::visit(StateVisitor& v) {
  v.count("smoothness.pairs", pairs);
  v.count("smoothness.left_out", left_out);
  v.number("smoothness.seconds", seconds);
}

double RunState::train_loss() const {
  return std::isnan(last_epoch_loss) ? epoch_loss / static_cast<double>(epoch_losses) : last_epoch_loss;
}

}  // namespace tacet
