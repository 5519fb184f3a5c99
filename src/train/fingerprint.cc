// See fingerprint.h.
#include "train/fingerprint.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

#include <torch/version.h>

#include <ATen/core/Tensor.h>

#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/train.h"

namespace tacet {
namespace {

// Returns the text of every rank, in rank order, on all ranks: eight bytes a double. Collective.
std::vector<std::string> gather_text(Group& group, const std::string& mine) {
  const std::vector<double> sizes = all_gather(group, {static_cast<double>(mine.size())});
  std::vector<double> packed((mine.size() + 7) / 8);
  if (!mine.empty()) std::memcpy(packed.data(), mine.data(), mine.size());
  const std::vector<double> all = all_gather(group, packed);
  std::vector<std::string> texts;
  const double* at = all.data();
  for (const double size : sizes) {
    const auto bytes = static_cast<size_t>(size);
    texts.emplace_back(reinterpret_cast<const char*>(at), bytes);
    at += (bytes + 7) / 8;
  }
  return texts;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t n : shape) text += (text.empty() ? "" : " x ") + std::to_string(n);
  return text.empty() ? "scalar" : text;
}

}  // namespace

Fingerprint fingerprint_of(const Recipe& recipe, Objective& objective, int clients) {
  Fingerprint f = {{"version of tacet", version()}, {"version of libtorch", TORCH_VERSION}};
  const std::set<std::string> own = {"data.root", "model.init", "run.log_every", "run.checkpoint_keep", "run.client_state"};
  std::string table;
  for (const std::string& line : lines_of(to_toml(recipe))) {
    if (line.empty() || line[0] == '#') continue;
    const size_t equals = line.find(" = ");
    if (line[0] == '[') table = line.substr(1, line.find(']') - 1);
    if (equals == std::string::npos) continue;
    const std::string key = table + "." + line.substr(0, equals);
    if (!own.count(key)) f.emplace_back("recipe's " + key, line.substr(equals + 3));
  }
  for (const Layer& l : objective.layers()) f.emplace_back("model's " + l.name, shape_text(l.shape));
  f.emplace_back("training samples", std::to_string(objective.training_samples()));
  for (const std::string& split : objective.splits())
    f.emplace_back("units of the split " + split, std::to_string(objective.units(split)));
  std::ostringstream weights;
  weights.precision(17);
  constexpr int most_listed = 1000;
  for (int c = 0; c < std::min(clients, most_listed); ++c) weights << (c > 0 ? " " : "") << objective.client_weight(c);
  f.emplace_back("clients' shares of the data", weights.str());
  return f;
}

void require_same(Group& group, const Fingerprint& mine) {
  if (group.size() == 1) return;
  std::string text;
  for (const auto& [what, value] : mine) text += what + '\t' + value + '\n';
  const std::vector<std::string> all = gather_text(group, text);
  for (size_t q = 1; q < all.size(); ++q) {
    if (all[q] == all[0]) continue;
    const auto first = lines_of(all[0]), theirs = lines_of(all[q]);
    const auto [a, b] = std::mismatch(first.begin(), first.end(), theirs.begin(), theirs.end());
    const std::string here = a == first.end() ? "\tnothing" : *a, there = b == theirs.end() ? "\tnothing" : *b;
    const std::string what = (a == first.end() ? there : here).substr(0, (a == first.end() ? there : here).find('\t'));
    const auto value = [&](const std::string& line) {
      return line.substr(0, line.find('\t')) == what ? line.substr(line.find('\t') + 1) : std::string("absent");
    };
    throw UserError("the " + what + " must be the same for all workers, but it is " + value(here) + " for worker 0 and " +
                    value(there) + " for worker " + std::to_string(q));
  }
}

void check_same_run(const std::string& file, const Recipe& recipe) {
  const Recipe before = load_recipe(file);
  const auto compare = [&](const char* table, const Values& then, const Values& now, const std::set<std::string>& free) {
    std::set<std::string> keys;
    for (const Values* values : {&then, &now})
      for (const auto& [key, value] : values->all()) keys.insert(key);
    for (const std::string& key : keys) {
      const std::string was = then.has(key) ? to_toml(then.all().at(key)) : "absent";
      const std::string is = now.has(key) ? to_toml(now.all().at(key)) : "absent";
      if (was != is && !free.count(key))
        throw UserError("--resume: " + std::string(table) + "." + key + " must be as in " + file + " (" + was + "), got " +
                        is);
    }
  };
  compare("data", before.data, recipe.data, {"root"});
  compare("model", before.model, recipe.model, {"init"});
  compare("algorithm", before.algorithm, recipe.algorithm, {});
  compare("clients", before.clients, recipe.clients, {});
  if (recipe.schedule.flag("cosine"))  // its end is part of the schedule
    compare("schedule", before.schedule, recipe.schedule, {"iterations"});
  else
    compare("schedule", before.schedule, recipe.schedule, {"epochs", "rounds", "iterations"});
  compare("run", before.run, recipe.run,
          {"eval_every", "checkpoint_every", "checkpoint_keep", "log_every", "peer_timeout", "exchange", "restarts",
           "min_workers", "second_copy", "client_state", "non_finite"});
}

}  // namespace tacet
