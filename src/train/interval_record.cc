// See interval_record.h. The file's format is in docs/reference/run-files.md.
#include "train/interval_record.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "base/files.h"
#include "base/utf8.h"
#include "tacet/error.h"

namespace tacet {
namespace {

using nlohmann::json;

constexpr int64_t numbers_saved = 4;  // of a decision
constexpr double most_steps = 1e9;    // the largest interval of a recipe

// Returns a whole number of `object` in least … most, or throws UserError.
int64_t whole_in(const json& object, const char* key, double least, double most, const std::string& place) {
  const json value = object.is_object() && object.contains(key) ? object[key] : json();
  const bool whole = value.is_number_integer() && value.get<double>() >= least && value.get<double>() <= most;
  if (!whole)
    throw UserError(place + ": " + key + " must be a whole number >= " + std::to_string(static_cast<int64_t>(least)) +
                    " and <= " + std::to_string(static_cast<int64_t>(most)) + ", got " +
                    (value.is_null() ? "nothing" : value.dump()));
  return value.get<int64_t>();
}

double seconds_in(const json& object, const char* key) {
  const json value = object.value(key, json());
  return value.is_number() ? value.get<double>() : 0;
}

IntervalDecision decision_from(const json& object, double least_round, const std::string& place) {
  return {whole_in(object, "round", least_round, 9e15, place), whole_in(object, "interval", 1, most_steps, place),
          seconds_in(object, "step_seconds"), seconds_in(object, "exchange_seconds")};
}

}  // namespace

const IntervalDecision* decision_after(const IntervalRecord& record, int64_t round) {
  for (const IntervalDecision& d : record.decisions)
    if (d.round == round) return &d;
  return nullptr;
}

std::vector<IntervalDecision> decisions_in(const Vec& saved) {
  std::vector<IntervalDecision> decisions;
  if (!saved.defined()) return decisions;
  const auto* p = saved.data_ptr<double>();
  for (int64_t k = 0; k + numbers_saved <= saved.numel(); k += numbers_saved)
    decisions.push_back({static_cast<int64_t>(p[k]), static_cast<int64_t>(p[k + 1]), p[k + 2], p[k + 3]});
  return decisions;
}

Vec with_decision(const Vec& saved, const IntervalDecision& d) {
  Vec one = at::empty({numbers_saved}, at::kDouble);
  auto* p = one.data_ptr<double>();
  p[0] = static_cast<double>(d.round);
  p[1] = static_cast<double>(d.interval);
  p[2] = d.step_seconds;
  p[3] = d.exchange_seconds;
  return saved.defined() ? at::cat({saved, one}) : one;
}

std::string interval_json(const IntervalRecord& record) {
  json decisions = json::array();
  for (const IntervalDecision& d : record.decisions)
    decisions.push_back({{"round", d.round},
                         {"interval", d.interval},
                         {"step_seconds", d.step_seconds},
                         {"exchange_seconds", d.exchange_seconds}});
  return json({{"format", 1}, {"first", record.first}, {"decisions", decisions}}).dump(1) + "\n";
}

IntervalRecord read_interval_record(const std::string& path) {
  const std::string place = visible(path);
  const json all = json::parse(read_file(path), nullptr, false);
  if (!all.is_object() || !all.contains("decisions") || !all["decisions"].is_array())
    throw UserError(place + ": must be the interval.json of a run with algorithm.interval = \"auto\", got something else");
  whole_in(all, "format", 1, 1, place);
  IntervalRecord record{whole_in(all, "first", 1, most_steps, place), {}};
  for (const json& object : all["decisions"]) {
    const int64_t before = record.decisions.empty() ? 0 : record.decisions.back().round;
    record.decisions.push_back(decision_from(object, static_cast<double>(before + 1), place));
  }
  return record;
}

void write_interval_record(const std::string& path, IntervalRecord so_far, int64_t round) {
  if (std::filesystem::exists(path))
    for (const IntervalDecision& d : read_interval_record(path).decisions)
      if (d.round > round) so_far.decisions.push_back(d);
  write_atomically(path, interval_json(so_far));
}

std::optional<IntervalDecision> decision_in_file(const std::string& path, int64_t round) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const IntervalRecord record = read_interval_record(path);
  const IntervalDecision* made = decision_after(record, round);
  return made ? std::optional(*made) : std::nullopt;
}

}  // namespace tacet
