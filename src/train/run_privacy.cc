// See run_privacy.h.
#include "train/run_privacy.h"

#include <cmath>
#include <sstream>

#include "analysis/privacy.h"
#include "train/training.h"

namespace tacet {
namespace {

using nlohmann::json;

struct PrivacyClaim {
  double noise, rate, delta;
  ClientDraw drawn;
  PrivacyLoss loss;
};

double delta_of(const PrivateRounds& terms, int clients) {
  return terms.delta.value_or(std::pow(static_cast<double>(clients), -1.1));
}

PrivacyClaim claim_of(const PrivateRounds& terms, const Training& run) {
  const bool poisson = run.sampling.kind == "poisson";
  const double rate = static_cast<double>(run.sampling.participating) / run.clients;
  const NoisyRound round{terms.noise, rate, poisson ? ClientDraw::by_themselves : ClientDraw::fixed_number};
  const double delta = delta_of(terms, run.clients);
  return {terms.noise, rate, delta, round.drawn, privacy_loss(round, run.state.round, delta)};
}

}  // namespace

bool has_system_noise(const Training& run) {
  const auto terms = run.algorithm->privacy();
  return terms && terms->system_noise;
}

std::optional<json> privacy_summary(const Training& run, bool goes_on) {
  const auto terms = run.algorithm->privacy();
  if (!terms) return {};
  if (!terms->system_noise)
    return json{{"claim", "simulation: no privacy"}, {"noise_source", "keyed"}, {"noise_multiplier", terms->noise}};
  const PrivacyClaim c = claim_of(*terms, run);
  const bool poisson = c.drawn == ClientDraw::by_themselves;
  json j = {{"claim", "differential privacy of clients"},
            {"noise_source", "system"},
            {"noise_multiplier", c.noise},
            {"repeatable", false},
            {"rounds", run.state.round},
            {"rate", c.rate},
            {"sampling", run.sampling.kind},
            {"neighbours", poisson ? "with and without one client" : "one client with other data"},
            {"accounting", poisson ? "Mironov, Talwar, Zhang, 2019" : "Wang, Balle, Kasiviswanathan, 2019"},
            {"epsilon", c.loss.epsilon},
            {"delta", c.delta},
            {"order", c.loss.order}};
  if (goes_on)
    for (const char* so_far : {"rounds", "epsilon", "order"}) j[so_far] = nullptr;
  return j;
}

std::string privacy_line(const Training& run) {
  const auto terms = run.algorithm->privacy();
  if (!terms) return "";
  if (!terms->system_noise)
    return "simulation: no privacy, as the noise comes from run.seed (algorithm.noise_source = \"keyed\")";
  const PrivacyClaim c = claim_of(*terms, run);
  std::ostringstream text;
  text.precision(4);
  text << "privacy: ε = " << c.loss.epsilon << " at δ = " << c.delta << " after " << run.state.round
       << " rounds, for what the models show of a client; the run can't be repeated";
  return text.str();
}

}  // namespace tacet
