// See facts.h. A figure that a run doesn't tell is NaN.
#include "report/facts.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tacet {
namespace {

using nlohmann::json;

// The latest finite value of `key` in a run's lines, whatever their event.
double latest(const Run& run, std::string_view key) {
  double value = kUnknown, at = -1;
  for (const auto* lines : {&run.rounds, &run.epochs, &run.evals}) {
    for (auto line = lines->rbegin(); line != lines->rend(); ++line) {
      double found = number(*line, key), iteration = or_else(number(*line, "iteration"), 0);
      if (std::isnan(found)) continue;
      if (iteration >= at) value = found, at = iteration;
      break;
    }
  }
  return value;
}

// "exact" is a function's own value: what selects where there is no data to validate on.
bool is_split(const json& line, const std::string& split) {
  const std::string own = text(line, "split", "valid");
  return own == split || (own == "exact" && split == "valid");
}

// The evaluations on one set, in order, one an iteration.
std::vector<json> of_split(const Run& run, const char* split) {
  std::vector<json> kept;
  for (const json& line : run.evals) {
    if (!is_split(line, split)) continue;
    if (!kept.empty() && number(kept.back(), "iteration") == number(line, "iteration")) {
      bool was = kept.back().value("averaged", json(false)) == true, is = line.value("averaged", json(false)) == true;
      if (is || !was) kept.back() = line;
    } else {
      kept.push_back(line);
    }
  }
  return kept;
}

Scores scores(const Run& run, const char* key, bool higher_is_better) {
  Scores s;
  auto collect = [&](const char* split, double& last, double& best) {
    for (const json& line : of_split(run, split)) {
      double value = number(line, key);
      if (!std::isfinite(value)) continue;
      last = value;
      if (std::isnan(best) || (higher_is_better ? value > best : value < best)) best = value;
    }
  };
  collect("valid", s.valid, s.valid_best);
  collect("test", s.test, s.test_best);
  if (run.evals.empty()) {  // metrics.jsonl may have been left behind when a run was copied
    s.valid = number(run.summary.value("final", json::object()), key);
    s.valid_best = number(run.summary.value("best", json::object()), key);
    s.test = number(run.summary.value("final", json::object()), "test_" + std::string(key).substr(std::strlen("eval_")));
  }
  return s;
}

// Returns the mean over the last finished epoch, or since the start where none has finished.
double last_train_loss(const Run& run) {
  if (!run.epochs.empty()) return number(run.epochs.back(), "train_loss");
  double sum = 0;
  int count = 0;
  for (const json& line : run.rounds) {
    double value = number(line, "train_loss");
    if (std::isfinite(value)) sum += value, ++count;
  }
  if (count > 0) return sum / count;
  return number(run.summary.value("final", json::object()), "train_loss");
}

}  // namespace

double or_else(double value, double otherwise) { return std::isnan(value) ? otherwise : value; }

Facts facts(const Run& run) {
  const json& s = run.summary;
  Facts f;
  f.status = text(s, "status", "unfinished");
  f.algorithm = text(s, "algorithm", recipe_value(run.recipe, "algorithm", "name"));
  f.interval = recipe_value(run.recipe, "algorithm", "interval");
  f.local_epochs = recipe_value(run.recipe, "algorithm", "local_epochs");
  f.clients = number(s, "clients");
  f.workers = number(s, "workers");
  json last = s.value("final", json::object());
  f.epochs = or_else(latest(run, "epoch"), number(last, "epoch"));
  f.train_loss = last_train_loss(run);
  f.perplexity = scores(run, "eval_perplexity", false);
  f.accuracy = scores(run, "eval_accuracy", true);
  f.loss = scores(run, "eval_loss", false);
  f.extra_samples = or_else(latest(run, "extra_samples"), number(s, "extra_samples"));
  f.rounds = or_else(latest(run, "round"), number(s, "rounds"));
  f.iterations = or_else(latest(run, "iteration"), number(s, "iterations"));
  f.communications = or_else(latest(run, "communications"), number(s, "communications"));
  f.bytes_sent = or_else(latest(run, "bytes_sent"), number(s, "bytes_sent"));
  f.client_bytes = or_else(latest(run, "client_bytes"), number(last, "client_bytes"));
  f.seconds = or_else(latest(run, "seconds"), number(s, "seconds"));
  if (f.status == "done") {  // the summary of a finished run has the last word: it also counts what follows the last line
    f.rounds = or_else(number(s, "rounds"), f.rounds);
    f.iterations = or_else(number(s, "iterations"), f.iterations);
    f.communications = or_else(number(s, "communications"), f.communications);
    f.bytes_sent = or_else(number(s, "bytes_sent"), f.bytes_sent);
    f.seconds = or_else(number(s, "seconds"), f.seconds);
  }
  return f;
}

std::vector<json> held_out(const Run& run) {
  bool valid = std::any_of(run.evals.begin(), run.evals.end(), [](const json& line) { return is_split(line, "valid"); });
  return of_split(run, valid ? "valid" : "test");
}

}  // namespace tacet
