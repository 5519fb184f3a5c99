// See compare_json.h.
#include "report/compare_json.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "report/facts.h"

namespace tacet {
namespace {

using nlohmann::json;

json figure(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

// Returns a count without a point where it is whole.
json count_of(double value) {
  const bool whole = std::fabs(value) < 1e15 && std::floor(value) == value;
  return whole ? json(static_cast<int64_t>(value)) : figure(value);
}

// Returns a recipe's number; null where the recipe doesn't give it, or gives something else.
json number_in(const std::string& text) {
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error != std::errc() || end != last ? json(nullptr) : count_of(value);
}

// Adds the figures of merit that the run has, under the keys of summary.json.
void add_scores(json& final, json& best, const std::string& name, const Scores& s) {
  const auto add = [](json& to, const std::string& key, double value) {
    if (std::isfinite(value)) to[key] = value;
  };
  add(final, "eval_" + name, s.valid);
  add(final, "test_" + name, s.test);
  add(best, "eval_" + name, s.valid_best);
  add(best, "test_" + name, s.test_best);
}

json of_run(const Run& run) {
  const Facts f = facts(run);
  json final = json::object(), best = json::object(), epochs = json::array();
  add_scores(final, best, "loss", f.loss);
  add_scores(final, best, "perplexity", f.perplexity);
  add_scores(final, best, "accuracy", f.accuracy);
  for (const json& line : run.epochs)
    epochs.push_back({{"epoch", figure(number(line, "epoch"))}, {"train_loss", figure(number(line, "train_loss"))}});
  return {{"run", run.name},
          {"folder", run.folder},
          {"status", f.status},
          {"algorithm", f.algorithm},
          {"interval", number_in(f.interval)},
          {"local_epochs", number_in(f.local_epochs)},
          {"clients", count_of(f.clients)},
          {"workers", count_of(f.workers)},
          {"epoch", figure(f.epochs)},
          {"train_loss", figure(f.train_loss)},
          {"final", final},
          {"best", best},
          {"rounds", count_of(f.rounds)},
          {"iterations", count_of(f.iterations)},
          {"communications", count_of(f.communications)},
          {"bytes_sent", count_of(f.bytes_sent)},
          {"client_bytes", count_of(f.client_bytes)},
          {"extra_samples", count_of(f.extra_samples)},
          {"seconds", figure(f.seconds)},
          {"epochs", epochs}};
}

}  // namespace

json compare_json(const std::vector<Run>& runs) {
  json all = json::array();
  for (const Run& run : runs) all.push_back(of_run(run));
  return {{"runs", all}};
}

}  // namespace tacet
