// The list of methods: a row each, in the order in which `tacet algorithms` shows them. What a method does is in its file.
#include "algorithms/methods.h"
#include "tacet/error.h"

namespace tacet {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

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
Option gamma_or_none() {
  Option o = gamma();
  o.fallback = infinity;
  return o;
}
Option beta(std::string name, double fallback, std::string doc) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .fallback = fallback,
          .doc = std::move(doc),
          .min = 0,
          .max = 1,
          .max_open = true};
}
Option momentum(double fallback = 0) { return beta("momentum", fallback, "heavy-ball momentum μ of the step"); }
Option beta1(double fallback) { return beta("beta1", fallback, "β₁ of the first moment"); }
Option beta2(double fallback) { return beta("beta2", fallback, "β₂ of the second moment"); }
Option at_least_zero(std::string name, double fallback, std::string doc) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .fallback = fallback,
          .doc = std::move(doc),
          .min = 0,
          .max_open = true};
}
Option positive(std::string name, double fallback, std::string doc) {
  Option o = at_least_zero(std::move(name), fallback, std::move(doc));
  o.min_open = true;
  return o;
}
Option weight_decay() {
  return at_least_zero("weight_decay", 0, "λ: λx is added to the step's direction, after the norm was taken");
}
Option server_eta() { return positive("server_eta", 0.01, "step size η_s of the server"); }
Option flag(std::string name, bool fallback, std::string doc) {
  return {.name = std::move(name), .kind = Kind::flag, .fallback = fallback, .doc = std::move(doc)};
}

double none(int) { return 0; }
double one(int) { return 1; }
double two(int) { return 2; }
double every(int I) { return I; }

}  // namespace

const std::vector<Method>& methods() {
  static const std::vector<Method> table = {
      {.name = "celgc",
       .paper = "Liu et al., NeurIPS 2022, Algorithm 1",
       .summary = "Local clipped steps: every client takes I steps clipped by its own gradient's norm, then the models are "
                  "averaged.",
       .use = "Exploding gradients, similar data on all clients, a slow network: the first one to try.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), gamma(), interval(), momentum(), weight_decay()},
       .make = make_celgc},
      {.name = "celgc-partial",
       .paper = "Liu et al., appendix E.5: partial communication",
       .summary = "CELGC in which only the sampled clients average; the others go on training their own models.",
       .use = "Some workers miss a communication now and then but never stop computing.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), gamma(), interval(), momentum(), weight_decay()},
       .make = make_celgc_partial},
      {.name = "episode",
       .paper = "Crawshaw, Bao, Liu, ICLR 2023, Algorithm 1",
       .summary = "Local steps corrected by fresh gradients at the common model; the norm of their mean decides for all "
                  "clients whether the round clips.",
       .use = "Exploding gradients and clients whose data differ; all or most of them take part.",
       .talks = "twice a round",
       .vectors_sent = two,
       .collectives = two,
       .options = {eta(),
                   gamma(),
                   interval(),
                   weight_decay(),
                   {.name = "resampling",
                    .kind = Kind::integer,
                    .fallback = int64_t{1},
                    .doc = "mini-batches whose gradients make Gⁱ",
                    .min = 1,
                    .max = 1e6}},
       .make = make_episode},
      {.name = "episode++",
       .paper = "Crawshaw, Bao, Liu, NeurIPS 2023, Algorithm 1",
       .summary = "EPISODE with corrections kept from each client's last round: clients may be sampled, and one message a "
                  "round is enough.",
       .use = "Exploding gradients, clients whose data differ, few of them in each round.",
       .talks = "once a round",
       .vectors_sent = two,
       .collectives = one,
       .options = {eta(), gamma(), interval(), weight_decay()},
       .make = make_episode_pp},
      {.name = "fedavg",
       .paper = "McMahan et al., AISTATS 2017, Algorithm 1",
       .summary = "Local SGD: I unclipped steps on every client, then the models are averaged.",
       .use = "Smooth losses (convolutional nets), similar data; the baseline of the field.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), interval(), momentum(), weight_decay(),
                   flag("weighted", false, "average by the clients' shares of the data")},
       .make = make_fedavg},
      {.name = "fedprox",
       .paper = "Li et al., MLSys 2020, Algorithm 2",
       .summary = "FedAvg whose local losses hold the clients near the common model.",
       .use = "Smooth losses and clients whose data differ somewhat.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), interval(), momentum(), weight_decay(),
                   at_least_zero("mu", 0.01, "weight μ of the proximal term")},
       .make = make_fedprox},
      {.name = "scaffold",
       .paper = "Karimireddy et al., ICML 2020, Algorithm 1",
       .summary = "Local steps corrected by control variates; with a finite gamma the corrected gradient is clipped "
                  "(SCAFFOLD-clip).",
       .use = "Smooth losses and clients whose data differ a lot.",
       .talks = "once a round",
       .vectors_sent = two,
       .collectives = one,
       .options = {eta(),
                   gamma_or_none(),
                   interval(),
                   weight_decay(),
                   {.name = "variate",
                    .kind = Kind::text,
                    .fallback = std::string("average"),
                    .doc = "how a client renews its control variate: average of the round's gradients, or drift of its "
                           "model (option II)",
                    .one_of = {"average", "drift"}}},
       .make = make_scaffold},
      {.name = "minibatch-clip",
       .paper = "Crawshaw, Bao, Liu, NeurIPS 2023, Algorithm 2",
       .summary = "Clipped minibatch SGD: I gradients at the common model are averaged over all sampled clients for one "
                  "clipped step.",
       .use = "A baseline that never drifts; one step a round.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), gamma(), interval(), momentum(), weight_decay()},
       .make = make_minibatch_clip},
      {.name = "naive-clip",
       .paper = "baseline in Liu et al., NeurIPS 2022, section 5",
       .summary = "Synchronous clipped SGD: gradients are averaged at every step and the average is clipped.",
       .use = "A fast network; the reference for what rare talking costs.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(), gamma(), interval(), momentum(), weight_decay()},
       .make = make_naive_clip},
      {.name = "parallel-sgd",
       .paper = "Goyal et al., 2017",
       .summary = "Synchronous momentum SGD without clipping.",
       .use = "A fast network and a smooth loss, with a warm-up from η/N.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(), interval(), momentum(0.9), weight_decay()},
       .make = make_sgd,
       .every_client = true},
      {.name = "fed-ams",
       .paper = "Chen, Li, Li, FODS 2020 (Local AMSGrad)",
       .summary = "Local AMSGrad steps with a second moment that all clients share.",
       .use = "Sparse or badly scaled gradients, as in language models with large vocabularies.",
       .talks = "once a round",
       .vectors_sent = two,
       .collectives = one,
       .options = {eta(), interval(), beta1(0.9), beta2(0.999), positive("epsilon", 1e-4, "ε: where v̂ starts"),
                   flag("persist", true, "moments live on with their client between its rounds")},
       .make = make_fed_ams},
      {.name = "fed-lamb",
       .paper = "Karimi, Li, Li, Algorithm 1",
       .summary = "FED-AMS whose steps are rescaled layer by layer to the size of the layer's weights.",
       .use = "Deep nets, clients whose data differ, few rounds.",
       .talks = "once a round",
       .vectors_sent = two,
       .collectives = one,
       .options = {eta(),
                   interval(),
                   beta1(0.9),
                   beta2(0.999),
                   positive("epsilon", 1e-4, "ε: where v̂ starts, and added to its root"),
                   weight_decay(),
                   at_least_zero("phi_min", 0, "least value of φ(‖y_ℓ‖)"),
                   {.name = "phi_max",
                    .kind = Kind::number,
                    .fallback = infinity,
                    .doc = "greatest value of φ(‖y_ℓ‖)",
                    .min = 0,
                    .min_open = true},
                   flag("layerwise", true, "rescale layer by layer; false: φ(‖y_ℓ‖)/‖p_ℓ‖ counts as 1"),
                   flag("bias_correction", true, "divide m by 1 − β₁ᵗ"),
                   flag("persist", false, "moments live on with their client between its rounds")},
       .make = make_fed_lamb},
      {.name = "fed-adam",
       .paper = "Reddi et al., ICLR 2021, Algorithm 2",
       .summary = "Local SGD; the server takes an Adam step along the mean change of the models.",
       .use = "Badly scaled gradients, with one vector a message.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), interval(), server_eta(), beta1(0.9), beta2(0.99),
                   positive("tau", 1e-3, "τ: added to the second moment's root"), weight_decay()},
       .make = make_fed_adam},
      {.name = "fed-yogi",
       .paper = "Reddi et al., ICLR 2021, Algorithm 2",
       .summary = "As fed-adam, with Yogi's second moment, which shrinks slowly.",
       .use = "As fed-adam, when its step sizes jump.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), interval(), server_eta(), beta1(0.9), beta2(0.99),
                   positive("tau", 1e-3, "τ: added to the second moment's root"), weight_decay()},
       .make = make_fed_yogi},
      {.name = "fed-adagrad",
       .paper = "Reddi et al., ICLR 2021, Algorithm 2",
       .summary = "As fed-adam, with Adagrad's second moment, which never shrinks.",
       .use = "As fed-adam, for sparse gradients.",
       .talks = "once a round",
       .vectors_sent = one,
       .collectives = one,
       .options = {eta(), interval(), server_eta(), beta1(0.9),
                   positive("tau", 1e-3, "τ: added to the second moment's root"), weight_decay()},
       .make = make_fed_adagrad},
      {.name = "sgd-clip",
       .paper = "Zhang et al., ICLR 2020, equation 5",
       .summary = "Clipped SGD on one machine.",
       .use = "One machine; the reference for speed-up in the number of clients.",
       .talks = "never",
       .vectors_sent = none,
       .collectives = none,
       .options = {eta(), gamma(), momentum(), weight_decay()},
       .make = make_sgd_clip,
       .single_client = true},
      {.name = "mixed-clip",
       .paper = "Zhang, Jin, Fang, Wang, NeurIPS 2020, Algorithm 1",
       .summary = "A mix of clipped SGD and momentum clipping.",
       .use = "One machine or a fast network, noisy exploding gradients.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(),
                   gamma(),
                   interval(),
                   beta("beta", 0.9, "β of the momentum"),
                   {.name = "nu",
                    .kind = Kind::number,
                    .fallback = 0.7,
                    .doc = "ν: share of the momentum's step; 0 is clipped SGD",
                    .min = 0,
                    .max = 1}},
       .make = make_mixed_clip,
       .every_client = true},
      {.name = "sign-sgd-gen",
       .paper = "Crawshaw et al., NeurIPS 2022, Algorithm 1",
       .summary = "Generalized SignSGD: momentum divided by the root of its own second moment.",
       .use = "Transformers, where it stands in for Adam.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(), interval(), beta1(0.9), beta2(0.999), weight_decay()},
       .make = make_sign_sgd,
       .every_client = true},
      {.name = "adam",
       .paper = "Kingma, Ba, ICLR 2015, Algorithm 1",
       .summary = "Adam on averaged gradients; max_norm clips them first.",
       .use = "Transformers; one machine or a fast network.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(),
                   interval(),
                   beta1(0.9),
                   beta2(0.999),
                   positive("epsilon", 1e-8, "ε: added to the second moment's root"),
                   weight_decay(),
                   {.name = "max_norm",
                    .kind = Kind::number,
                    .fallback = infinity,
                    .doc = "averaged gradients longer than this are shortened to it; inf: never",
                    .min = 0,
                    .min_open = true}},
       .make = make_adam,
       .every_client = true},
      {.name = "sgd",
       .paper = "Robbins, Monro, 1951",
       .summary = "Plain SGD on averaged gradients.",
       .use = "One machine or a fast network; the simplest baseline.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(), interval(), weight_decay()},
       .make = make_sgd,
       .every_client = true},
      {.name = "momentum",
       .paper = "Polyak, 1964",
       .summary = "SGD with heavy-ball momentum on averaged gradients.",
       .use = "One machine or a fast network.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(), interval(), momentum(0.9), weight_decay()},
       .make = make_sgd,
       .every_client = true},
      {.name = "normalized",
       .paper = "Cutkosky, Mehta, ICML 2020",
       .summary = "Normalized SGD with momentum: every step has length η.",
       .use = "One machine or a fast network, exploding gradients with little noise.",
       .talks = "every step",
       .vectors_sent = every,
       .collectives = every,
       .options = {eta(), interval(), beta("beta", 0.9, "β of the momentum"), weight_decay()},
       .make = make_normalized,
       .every_client = true},
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
