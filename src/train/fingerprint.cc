// See fingerprint.h.
#include "train/fingerprint.h"

#include <algorithm>
#include <sstream>

#include <torch/version.h>

#include <ATen/core/Tensor.h>

#include "base/digest.h"
#include "data/record/data_record.h"
#include "recipe/tables.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "tacet/train.h"

namespace tacet {
namespace {

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
  for (const Used& used : used_values(recipe))
    if (!used.option || !used.option->per_machine)
      f.emplace_back("recipe's " + used.table + "." + used.key, to_toml(used.value));
  if (recipe.algorithm.has("interval_file"))
    f.emplace_back("file algorithm.interval_file", sha256_file(recipe.algorithm.text("interval_file")));
  for (const Layer& l : objective.layers()) f.emplace_back("model's " + l.name, shape_text(l.shape));
  if (const std::string record = objective.data_record(); !record.empty())
    for (const auto& [name, value] : facts_of(parse_data_record(record, "data"))) f.emplace_back("data's " + name, value);
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

void require_same(Group& group, const Fingerprint& mine, bool begun) {
  if (group.size() == 1) return;
  std::string text;
  for (const auto& [what, value] : mine) text += what + '\t' + value + '\n';
  std::vector<std::string> all = all_gather_bytes(group, text + (begun ? '1' : '0'));
  const bool under_way = all[0].back() == '1';
  for (std::string& one : all) one.pop_back();
  for (size_t q = 1; q < all.size(); ++q) {
    if (all[q] == all[0]) continue;
    const auto first = lines_of(all[0]), theirs = lines_of(all[q]);
    const auto [a, b] = std::mismatch(first.begin(), first.end(), theirs.begin(), theirs.end());
    const std::string here = a == first.end() ? "\tnothing" : *a, there = b == theirs.end() ? "\tnothing" : *b;
    const std::string what = (a == first.end() ? there : here).substr(0, (a == first.end() ? there : here).find('\t'));
    const auto value = [&](const std::string& line) {
      return line.substr(0, line.find('\t')) == what ? line.substr(line.find('\t') + 1) : std::string("absent");
    };
    const std::string why = "the " + what + " must be the same for all workers, but it is " + value(here) +
                            " for worker 0 and " + value(there) + " for worker " + std::to_string(q);
    if (under_way && text == all[0]) throw Differs(static_cast<int>(q), "a worker that asks to join is sent away: " + why);
    throw UserError(why);
  }
}

}  // namespace tacet
