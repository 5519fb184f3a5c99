// A small noisy run and the lines of its metrics, for tests of what a run measures of itself. The expected numbers are in
// the tests.
#pragma once

#include <atomic>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tacet/group.h"
#include "tacet/recipe.h"
#include "tacet/train.h"

namespace tacet::test {

// Returns a recipe of eight clients with noise on an exponential, a round an epoch.
inline Recipe noisy_exponential(const std::vector<std::string>& sets) {
  return parse_recipe(R"(
data = { name = "noise", samples = 32, noise.kind = "gaussian", noise.scale = 0.5 }
model = { name = "exponential", dimension = 6, start = 2 }
algorithm = { name = "celgc", eta = 0.1, gamma = 0.2, interval = 4 }
clients = { count = 8 }
schedule = { rounds = 6 }
)",
                      "r.toml", sets);
}

// Trains into the folder and asks for a stop behind that round.
inline void train_and_stop(const Recipe& recipe, const std::string& folder, int64_t round) {
  struct Stopper : Observer {
    explicit Stopper(int64_t at) : round(at) {}
    int64_t round;
    std::atomic<bool> stop{false};
    void progress(const Progress& p) override { stop = p.round >= round; }
  } stopper(round);
  train(recipe, *single_group(), {.out = folder, .stop = &stopper.stop}, stopper);
}

// Returns a run's lines of one event, in order.
inline std::vector<nlohmann::json> lines_of(const std::string& folder, const std::string& event) {
  std::ifstream in(folder + "/metrics.jsonl");
  std::vector<nlohmann::json> found;
  for (std::string line; std::getline(in, line);)
    if (nlohmann::json j = nlohmann::json::parse(line); j["event"] == event) found.push_back(j);
  return found;
}

}  // namespace tacet::test
