// Makes up run folders. Curves are smooth decays with noise from a small counter-based hash, the same on every machine.
#include "report/fixture.h"

#include <cmath>
#include <cstdint>
#include <fstream>

namespace tacet::report_test {

namespace fs = std::filesystem;
using nlohmann::json;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

namespace {

// In [-1, 1), from the splitmix64 mixing function.
double noise(unsigned seed, int k, int purpose) {
  uint64_t z = (static_cast<uint64_t>(seed) << 40) + (static_cast<uint64_t>(purpose) << 32) + static_cast<uint64_t>(k) +
               0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<double>((z ^ (z >> 31)) >> 11) / 4503599627370496.0 - 1;
}

}  // namespace

void write_run(const fs::path& folder, const Shape& s) {
  write(folder / "recipe.toml", "[data]\nname = \"" + std::string(s.accuracy ? "cifar10" : "ptb") +
                                    "\"\n\n[model]\nname = \"" + (s.accuracy ? "resnet20" : "lstm") + "\"\nlayers = " +
                                    std::to_string(s.layers) + "\ndropout = 0.4\n\n[algorithm]\nname = \"" + s.algorithm +
                                    "\"\neta = 20.0\ngamma = 5.0\ninterval = " + std::to_string(s.interval) +
                                    "\n\n[run]\nseed = " + std::to_string(s.seed) + "\n");
  constexpr double kModelBytes = 4 * 2.1e6;
  std::string lines;
  json counters, best;
  double epoch_sum = 0, best_score = s.accuracy ? 0 : 1e9;
  int rounds_an_epoch = s.steps / s.interval;
  for (int r = 1; r <= s.epochs * rounds_an_epoch; ++r) {
    double epoch = static_cast<double>(r) / rounds_an_epoch;
    counters = {{"round", r},
                {"iteration", r * s.interval},
                {"epoch", epoch},
                {"seconds", r * (s.interval * s.step_seconds + s.message_seconds)},
                {"communications", r},
                {"bytes_sent", r * kModelBytes * (s.workers - 1) / s.workers * 2},
                {"client_bytes", r * kModelBytes}};
    double clean = s.floor + 2.9 * std::exp(-epoch / 2.2) + 0.25 * std::exp(-epoch / 9);
    double loss = clean + 0.09 * noise(s.seed, r, 0);
    double norm = (0.35 + 3 * std::exp(-epoch)) * std::exp(0.35 * noise(s.seed, r, 1));
    double clipped = 1 / (1 + std::exp(-4 * (norm - 0.4))) + 0.05 * noise(s.seed, r, 2);
    epoch_sum += loss;
    json line = counters;
    line.update({{"event", "round"},
                 {"train_loss", loss},
                 {"gradient_norm", norm},
                 {"clipped_fraction", std::min(1.0, std::max(0.0, clipped))},
                 {"eta", 20.0},
                 {"gamma", nullptr}});
    lines += line.dump() + "\n";
    if (s.pairs && r % 4 == 0) {
      line = counters;
      line.update({{"event", "smoothness"},
                   {"pair_gradient_norm", norm},
                   {"smoothness", 0.5 + norm},
                   {"counts", r % 20 != 0 ? 1 : 0}});
      lines += line.dump() + "\n";
    }
    if (r % rounds_an_epoch != 0) continue;
    line = counters;
    line.update({{"event", "epoch"}, {"epoch", r / rounds_an_epoch}, {"train_loss", epoch_sum / rounds_an_epoch}});
    lines += line.dump() + "\n";
    epoch_sum = 0;
    double held_out = clean + 0.55 + 0.012 * epoch;
    json eval = counters;
    eval.update({{"event", "eval"}, {"split", s.accuracy ? "test" : "valid"}, {"averaged", false}, {"eval_loss", held_out}});
    double score = s.accuracy ? 0.93 - 0.12 * (held_out - 3.7) : std::exp(held_out);
    eval[s.accuracy ? "eval_accuracy" : "eval_perplexity"] = score;
    lines += eval.dump() + "\n";
    if (s.accuracy ? score > best_score : score < best_score) best_score = score, best = eval;
  }
  if (!s.accuracy && s.done) {
    json test = counters;
    test.update({{"event", "eval"},
                 {"split", "test"},
                 {"averaged", false},
                 {"eval_loss", s.floor + 0.5},
                 {"eval_perplexity", std::exp(s.floor + 0.5)}});
    lines += test.dump() + "\n";
  }
  if (!s.done) lines += R"({"event":"round","round":9999,"train_lo)";
  write(folder / "metrics.jsonl", lines);
  if (!s.done) return;
  json summary = {{"status", "done"},
                  {"algorithm", s.algorithm},
                  {"model", s.accuracy ? "resnet20" : "lstm"},
                  {"data", s.accuracy ? "cifar10" : "ptb"},
                  {"final", counters},
                  {"best", best},
                  {"parameters", 2100000},
                  {"workers", s.workers},
                  {"clients", s.clients},
                  {"seconds", counters["seconds"]},
                  {"model_sha256", std::string(64, 'a')},
                  {"versions", {{"tacet", "0.1.0"}, {"torch", "1.13.0"}}},
                  {"rounds", counters["round"]},
                  {"iterations", counters["iteration"]},
                  {"communications", counters["communications"]},
                  {"bytes_sent", counters["bytes_sent"]}};
  write(folder / "summary.json", summary.dump(2));
}

}  // namespace tacet::report_test
