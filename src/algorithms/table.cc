// The list of methods: a row each, in the order in which `tacet algorithms` shows them. What a method does is in its file.
#include "algorithms/methods.h"
#include "tacet/error.h"

namespace tacet {
namespace {

Option eta() {
  return {.name = "eta", .kind = Kind::number, .doc = "step size η", .min = 0, .min_open = true, .max_open = true};
}
Option gamma() {
  return {.name = "gamma",
          .kind = Kind::number,
          .doc = "clipping parameter γ: the longest step; inf never clips",
          .min = 0,
          .min_open = true};
}
Option interval() {
  return {.name = "interval",
          .kind = Kind::integer,
          .fallback = int64_t{1},
          .doc = "local steps I in a round",
          .min = 1,
          .max = 1e9};
}
Option momentum() {
  return {.name = "momentum",
          .kind = Kind::number,
          .fallback = 0.0,
          .doc = "heavy-ball momentum μ of the step",
          .min = 0,
          .max = 1,
          .max_open = true};
}
Option weight_decay() {
  return {.name = "weight_decay",
          .kind = Kind::number,
          .fallback = 0.0,
          .doc = "λ: λx is added to the step's direction, after the norm was taken",
          .min = 0,
          .max_open = true};
}

double once(int) { return 1; }
double never(int) { return 0; }
double every_step(int I) { return I; }

}  // namespace

const std::vector<Method>& methods() {
  static const std::vector<Method> table = {
      {.name = "celgc",
       .paper = "Liu et al., NeurIPS 2022, Algorithm 1",
       .summary = "Local clipped steps: every client takes I steps clipped by its own gradient's norm, then the models are "
                  "averaged.",
       .talks = "once a round",
       .vectors_sent = once,
       .options = {eta(), gamma(), interval(), momentum(), weight_decay()},
       .make = make_celgc},
      {.name = "naive-clip",
       .paper = "baseline in Liu et al., NeurIPS 2022, section 5",
       .summary = "Synchronous clipped SGD: gradients are averaged at every step and the average is clipped.",
       .talks = "every step",
       .vectors_sent = every_step,
       .options = {eta(), gamma(), interval(), momentum(), weight_decay()},
       .make = make_naive_clip},
      {.name = "fedavg",
       .paper = "McMahan et al., AISTATS 2017, Algorithm 1",
       .summary = "Local SGD: I unclipped steps on every client, then the models are averaged.",
       .talks = "once a round",
       .vectors_sent = once,
       .options = {eta(),
                   interval(),
                   momentum(),
                   weight_decay(),
                   {.name = "weighted",
                    .kind = Kind::flag,
                    .fallback = false,
                    .doc = "average by the clients' shares of the data"}},
       .make = make_fedavg},
      {.name = "sgd-clip",
       .paper = "Zhang et al., ICLR 2020, equation 5",
       .summary = "Clipped SGD on one machine.",
       .talks = "never",
       .vectors_sent = never,
       .options = {eta(), gamma(), momentum(), weight_decay()},
       .make = make_sgd_clip,
       .single_client = true},
  };
  return table;
}

const Method& find_method(const std::string& name) {
  std::vector<std::string> names;
  for (const Method& m : methods()) {
    if (m.name == name) return m;
    names.push_back(m.name);
  }
  const auto near = nearest(name, names);
  throw UserError("algorithm.name: there is no method \"" + name + "\"" +
                  (near ? "; did you mean \"" + *near + "\"?" : "; `tacet algorithms` lists them"));
}

}  // namespace tacet
