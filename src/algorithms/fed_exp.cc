// FedExP: Jhunjhunwala, Wang, Joshi, "FedExP: Speeding Up Federated Averaging via Extrapolation", ICLR 2023. FedAvg whose
// server goes beyond the mean, by the more the less the clients' changes agree.
#include <algorithm>
#include <cmath>

#include "algorithms/inner_optimiser.h"

namespace tacet {
namespace {

struct FedExp : Algorithm {
  void options(OptionList& o) override {
    inner.options(o, {});
    o.number("server_epsilon", server_epsilon, 1e-3, above(0), "ε: added to ‖D‖²");
  }

  void round(Round& r, Vec& x) override {
    std::vector<double> squares(1);
    const Vec mean = r.mean(x, squares, [&](Client& i, std::vector<double>& square) {
      Vec y = i.start(x);
      for (int t = 0; t < i.steps(); ++t) {
        const Gradient g = i.gradient(y);
        inner.step(i, r.rates(t), g, y, r.layers);
      }
      square[0] = std::pow(l2_norm(x - y), 2);  // ‖Dⁱ‖²
      return y;
    });
    const Vec D = x - mean;
    const double eta = std::max(1.0, squares[0] / (2 * (std::pow(l2_norm(D), 2) + server_epsilon)));
    r.note("server_eta", eta);
    x = x - eta * D;
  }

  void state(StateVisitor& v) override { inner.state(v); }

  InnerOptimiser inner;
  double server_epsilon = 0;
};

}  // namespace

AlgorithmInfo fed_exp() {
  return {.name = "fed-exp",
          .paper = "Jhunjhunwala, Wang, Joshi, ICLR 2023",
          .summary = "FedAvg whose server steps beyond the mean of the models where the clients' changes disagree.",
          .use = "As fedavg, where progress is slow because clients pull in different directions.",
          .create = [] { return std::make_unique<FedExp>(); },
          .clips = Clips::when_asked,
          .fresh_models = true,
          .own_steps = true,
          .numbers_sent = 1};
}

}  // namespace tacet
