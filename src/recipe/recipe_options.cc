// The keys of [clients], [schedule] and [run]. Those of the other tables stand beside the methods, models and data sets.
#include "tacet/recipe.h"

namespace tacet {
namespace {

constexpr double most_clients = (1 << 24) - 1;  // a random stream has 24 bits for the client
constexpr double most_rounds = 4294967295;      // and 32 for the round

Option integer(const char* name, const char* doc, double min, double max = std::numeric_limits<double>::infinity()) {
  return {.name = name, .kind = Kind::integer, .doc = doc, .min = min, .max = max, .required = false};
}

Option integer(const char* name, int64_t fallback, const char* doc, double min,
               double max = std::numeric_limits<double>::infinity()) {
  return {.name = name, .kind = Kind::integer, .fallback = fallback, .doc = doc, .min = min, .max = max};
}

}  // namespace

const std::vector<Option>& client_options() {
  static const std::vector<Option> options = {
      integer("count", "clients N; without it, one a worker", 1, most_clients),
      integer("participating", "clients that take part in a round; without it, all", 1, most_clients),
      {.name = "sampling",
       .kind = Kind::text,
       .fallback = std::string("uniform"),
       .doc = "how a round's clients are chosen: uniform, drawn anew without replacement; fixed, always the first ones; "
              "periodic, drawn "
              "from one of `period` blocks after the other; dirichlet, drawn with weights from Dirichlet(alpha)",
       .one_of = {"uniform", "fixed", "periodic", "dirichlet"}},
      integer("period", int64_t{2}, "periodic: blocks of clients that are available in turn", 1, 1e9),
      {.name = "alpha",
       .kind = Kind::number,
       .fallback = 1.0,
       .doc = "dirichlet: smaller values let fewer clients take part more often",
       .min = 0,
       .min_open = true,
       .max_open = true},
  };
  return options;
}

const std::vector<Option>& schedule_options() {
  static const std::vector<Option> options = {
      {.name = "epochs",
       .kind = Kind::number,
       .doc = "passes over the training set by all clients jointly",
       .min = 0,
       .min_open = true,
       .max_open = true,
       .required = false},
      integer("rounds", "communication rounds of the method", 1, most_rounds),
      integer("iterations", "local steps a client takes", 1),
      {.name = "milestones",
       .kind = Kind::numbers,
       .fallback = Numbers{},
       .doc = "when η and γ are multiplied by factor, in the unit below",
       .min = 0,
       .min_open = true,
       .max_open = true,
       .ascending = true},
      {.name = "factor",
       .kind = Kind::number,
       .fallback = 0.1,
       .doc = "what η and γ are multiplied by at a milestone",
       .min = 0,
       .max = 1,
       .min_open = true},
      {.name = "unit",
       .kind = Kind::text,
       .fallback = std::string("epochs"),
       .doc = "what milestones, warmup and cosine count",
       .one_of = {"epochs", "rounds"}},
      {.name = "warmup",
       .kind = Kind::number,
       .fallback = 0.0,
       .doc = "how long η rises linearly to its full value",
       .min = 0,
       .max_open = true},
      {.name = "warmup_from",
       .kind = Kind::number,
       .doc = "where the warm-up starts, as a fraction of η; without it, 1/N",
       .min = 0,
       .max = 1,
       .min_open = true,
       .required = false},
      {.name = "cosine",
       .kind = Kind::flag,
       .fallback = false,
       .doc = "after the warm-up, η falls along half a cosine until the run's last epoch (or round, as unit says)"},
      {.name = "cosine_to",
       .kind = Kind::number,
       .fallback = 0.0,
       .doc = "where the cosine ends, as a fraction of η",
       .min = 0,
       .max = 1},
      {.name = "scale_gamma",
       .kind = Kind::flag,
       .fallback = true,
       .doc = "milestones, warm-up and cosine scale γ as well as η, so that the threshold γ/η stays; false: η only"},
      {.name = "nt_asgd",
       .kind = Kind::flag,
       .fallback = false,
       .doc = "average the iterates once the evaluation stops improving (NT-ASGD), and evaluate the average from then on"},
      integer("nonmono", int64_t{5}, "evaluations without improvement before NT-ASGD starts to average", 1, 1e9),
  };
  return options;
}

const std::vector<Option>& run_options() {
  static const std::vector<Option> options = {
      integer("seed", int64_t{1}, "all randomness follows from it", 0),
      integer("threads", int64_t{1}, "threads a worker computes with; part of the run's identity", 1, 1024),
      {.name = "dtype",
       .kind = Kind::text,
       .fallback = std::string("f32"),
       .doc = "numbers that matrix products and convolutions multiply: f32, or bf16 with sums in f32. Weights, gradients, "
              "states and "
              "what lies between products stay f32. bf16 needs a processor that multiplies it (AVX512-BF16 or AMX)",
       .one_of = {"f32", "bf16"}},
      {.name = "eval_every",
       .kind = Kind::number,
       .fallback = 1.0,
       .doc = "epochs between evaluations; 0: only at the end",
       .min = 0,
       .max_open = true},
      {.name = "checkpoint_every",
       .kind = Kind::number,
       .fallback = 1.0,
       .doc = "epochs between checkpoints; 0: only at the end",
       .min = 0,
       .max_open = true},
      integer("checkpoint_keep", int64_t{2}, "complete checkpoints that are kept, the latest ones", 1, 1e6),
      integer("log_every", int64_t{1}, "rounds between \"round\" lines of metrics.jsonl", 1, 1e9),
      {.name = "non_finite",
       .kind = Kind::text,
       .fallback = std::string("stop"),
       .doc = "at a loss or gradient that is not finite: stop with round, client and step, or skip the step and count it",
       .one_of = {"stop", "skip"}},
      {.name = "client_state",
       .kind = Kind::text,
       .fallback = std::string("memory"),
       .doc = "where clients' own vectors are kept: file maps them from files in the run's folder, for thousands of clients",
       .one_of = {"memory", "file"}},
      {.name = "device",
       .kind = Kind::text,
       .fallback = std::string("cpu"),
       .doc = "where the workers compute",
       .one_of = {"cpu"}},
      {.name = "exchange",
       .kind = Kind::text,
       .fallback = std::string("auto"),
       .doc = "what carries messages between workers of one host: memory that they share (auto: where they can; shared: an "
              "error where they can't) or Gloo, as between hosts; the model is the same",
       .one_of = {"auto", "shared", "gloo"}},
      {.name = "peer_timeout",
       .kind = Kind::number,
       .fallback = 60.0,
       .doc = "seconds to wait for another worker before it counts as lost",
       .min = 0,
       .max = 1e6,
       .min_open = true},
      integer("restarts", int64_t{3}, "how often workers that were lost are started again, all together", 0, 1e9),
      {.name = "second_copy",
       .kind = Kind::flag,
       .fallback = true,
       .doc = "after each round a worker sends the next one its clients' own vectors (momentum, models, what int8 messages "
              "left "
              "out), so that a lost worker costs one round; false: it costs the rounds since the last checkpoint"},
      integer("min_workers", int64_t{1}, "with fewer workers left the run ends with a checkpoint and exit code 3", 1, 1e6),
      {.name = "round_deadline",
       .kind = Kind::number,
       .fallback = 0.0,
       .doc =
           "seconds after which a round goes on without the clients that have not finished; the one option under which the "
           "clock decides about results (0: none)",
       .min = 0,
       .max = 1e6},
  };
  return options;
}

}  // namespace tacet
