// Implements run_options.h: a key of [run] is one line here.
#include "recipe/run_options.h"

namespace tacet {
namespace {

// Marks an option that a resumed run may change.
void free(Option& o) { o.free_on_resume = true; }

// Marks an option of what a machine keeps, which each may decide for itself.
void own(Option& o) { o.free_on_resume = o.per_machine = true; }

}  // namespace

void RunOptions::options(OptionList& list) {
  list.integer("seed", seed, 1, at_least(0), "all randomness follows from it");
  list.integer("threads", threads, 1, within(1, 1024), "threads a worker computes with; part of the run's identity");
  list.text("dtype", dtype, "f32", {"f32", "bf16"},
            "numbers that matrix products and convolutions multiply: f32, or bf16 with sums in f32. Weights, gradients, "
            "states and what lies between products stay f32. bf16 needs a processor that multiplies it (AVX512-BF16 or "
            "AMX)");
  Option& every = list.number("eval_every", eval_every, 1, at_least(0), "epochs between evaluations; 0: only at the end");
  every.not_with = {{"eval_rounds"}};
  free(every);
  free(list.integer("eval_rounds", eval_rounds, 0, within(0, 1e9),
                    "rounds between evaluations, in place of eval_every; 0: eval_every counts"));
  free(list.flag("eval_train", eval_train, false,
                 "at every evaluation also evaluate the whole training set: its loss and accuracy without dropout and "
                 "augmentation"));
  free(list.number("gradient_every", gradient_every, 0, at_least(0),
                   "epochs between measurements of ‖∇f(x̄)‖, the norm of the gradient over the training set; 0: none"));
  Option& part = list.number("gradient_part", gradient_part, 1, left_open(0, 1),
                             "the part of the training set that gradient_every measures: whole units, drawn once from seed");
  part.only_with = {{"gradient_every"}};
  free(part);
  free(list.flag("update_size", update_size, false,
                 "write how far a round moved the model: the largest coordinate, and the root of the mean square"));
  list.flag("noise_scale", noise_scale, false,
            "write each round's estimates for the gradient noise scale, from the clients' first gradients, and into "
            "summary.json the batch at which noise and gradient are equal");
  list.integer(
      "smoothness_every", smoothness_every, 0, within(0, 1e9),
      "rounds between measurements of smoothness, of which each takes gradients over training samples at the round's "
      "first model, at the next one's and halfway; 0: none");
  Option& batches = list.integer("smoothness_units", smoothness_units, 1, within(1, 1e6),
                                 "evaluation batches of the training set that smoothness_every measures on, drawn once from "
                                 "seed");
  batches.only_with = {{"smoothness_every"}};
  Option& share =
      list.number("smoothness_share", smoothness_share, 0.1, left_open(0, 1e6),
                  "time that smoothness_every may take, as a part of the training's: a pair that would go beyond "
                  "it is left out and counted");
  share.only_with = {{"smoothness_every"}};
  free(share);
  free(list.flag(
      "check", check, false,
      "after every round compare what must hold: all workers have the same model, and with clipped steps no client "
      "is farther than 2γI from the mean of all. The run stops where it does not"));
  free(list.number("checkpoint_every", checkpoint_every, 1, at_least(0), "epochs between checkpoints; 0: only at the end"));
  own(list.integer("checkpoint_keep", checkpoint_keep, 2, within(1, 1e6),
                   "complete checkpoints that are kept, the latest ones"));
  free(list.integer("log_every", log_every, 1, within(1, 1e9), "rounds between \"round\" lines of metrics.jsonl"));
  free(list.text(
      "non_finite", non_finite, "stop", {"stop", "skip"},
      "at a loss or gradient that is not finite: stop with round, client and step, or skip the step and count it"));
  own(list.text("client_state", client_state, "memory", {"memory", "file"},
                "where clients' own vectors are kept: file maps them from files in the run's folder, for thousands of "
                "clients"));
  list.text("device", device, "cpu", {"cpu"}, "where the workers compute");
  free(list.text("exchange", exchange, "auto", {"auto", "shared", "gloo"},
                 "what carries messages between workers of one host: memory that they share (auto: where they can; shared: "
                 "an error where they can't) or Gloo, as between hosts; the model is the same"));
  free(list.number("peer_timeout", peer_timeout, 60, left_open(0, 1e6),
                   "seconds to wait for another worker before it counts as lost; more than worker 0 takes to write "
                   "a checkpoint"));
  free(list.integer("restarts", restarts, 3, within(0, 1e9),
                    "how often workers that were lost are started again, all together"));
  free(list.flag("second_copy", second_copy, true,
                 "after each round a worker sends the next one its clients' own vectors (momentum, models, what int8 "
                 "messages left out), so that a lost worker costs one round; false: it costs the rounds since the last "
                 "checkpoint"));
  free(list.flag("even_work", even_work, true,
                 "a round's clients are dealt to the workers by their local steps, and those with little of their own take "
                 "their turn wherever there is time; false: each where it lives. The model is the same"));
  free(list.integer("min_workers", min_workers, 1, within(1, 1e6),
                    "with fewer workers left the run ends with a checkpoint and exit code 3"));
  list.number(
      "round_deadline", round_deadline, 0, within(0, 1e6),
      "seconds after which a round goes on without the clients that have not finished, so that the clock decides about "
      "results (0: none)");
}

}  // namespace tacet
