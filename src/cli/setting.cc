// See setting.h.
#include "cli/setting.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "engine/client_sampling.h"
#include "engine/schedule.h"
#include "recipe/used_values.h"

namespace tacet {
namespace {

constexpr size_t setting_width = 100;  // columns of a line
constexpr size_t label_width = 12;

// Returns the items behind a label, with commas, in as many lines as they need.
std::string setting_line(const std::string& label, const std::vector<std::string>& items) {
  std::string out = fmt::format("{:<{}}", label, label_width);
  size_t column = label_width;
  for (size_t k = 0; k < items.size(); ++k) {
    const std::string item = items[k] + (k + 1 < items.size() ? "," : "");
    if (column > label_width && column + 1 + item.size() > setting_width) {
      out += "\n" + std::string(label_width, ' ');
      column = label_width;
    }
    out += (column > label_width ? " " : "") + item;
    column += item.size() + 1;
  }
  return out + "\n";
}

// Returns "key value" of every key of a table that the run uses, under the papers' symbols where there are some. `left_out`
// are keys that another line shows.
std::vector<std::string> keys_shown(const Recipe& recipe, const std::string& table,
                                    const std::vector<std::string>& left_out) {
  static const std::map<std::string, std::string> symbols = {
      {"eta", "η"}, {"gamma", "γ"}, {"interval", "I"}, {"weight_decay", "λ"}, {"local_epochs", "E"}};
  std::vector<std::string> out;
  for (const Used& used : used_values(recipe)) {
    if (used.table != table || std::count(left_out.begin(), left_out.end(), used.key)) continue;
    const auto symbol = symbols.find(used.key);
    const auto* number = std::get_if<double>(&used.value);
    const auto* word = std::get_if<std::string>(&used.value);
    const std::string value = number ? fmt::format("{:g}", *number) : word && !word->empty() ? *word : to_toml(used.value);
    out.push_back((symbol == symbols.end() ? used.key : symbol->second) + " " + value);
  }
  return out;
}

std::vector<std::string> partition_shown(const Recipe& recipe) {
  std::vector<std::string> out;
  const std::string prefix = "partition.";
  for (const std::string& pair : keys_shown(recipe, "data", {}))
    if (pair.starts_with(prefix)) out.push_back(pair.substr(prefix.size()));
  return out;
}

std::string clients_line(const ClientSampling& sampling) {
  if (sampling.participating == sampling.clients)
    return fmt::format("{}{}", sampling.clients, sampling.clients > 1 ? ", all in every round" : "");
  return fmt::format("{}, of which {} take part in a round, {}", sampling.clients, sampling.participating, sampling.kind);
}

// Returns the mini-batch of a client and that of a step of all clients of a round.
std::string batch_line(const Recipe& recipe, int participating) {
  const int64_t batch = recipe.data.integer("batch_size");
  return fmt::format("{} of each client, {} in a step of all", batch, batch * participating);
}

std::string ends_line(const ScheduleOptions& schedule) {
  std::vector<std::string> ends;
  if (schedule.epochs) ends.push_back(fmt::format("{:g} epochs", *schedule.epochs));
  if (schedule.rounds) ends.push_back(fmt::format("{} rounds", *schedule.rounds));
  if (schedule.iterations) ends.push_back(fmt::format("{} local steps of a client", *schedule.iterations));
  std::string out;
  for (const std::string& end : ends) out += (out.empty() ? "after " : " or ") + end;
  return out + (ends.size() > 1 ? ", whichever comes first" : "");
}

std::string rate_text(double first, double last) {
  const std::string one = fmt::format("{:g}", first), two = fmt::format("{:g}", last);
  return one == two ? one : one + " → " + two;
}

Schedule schedule_of(const Recipe& recipe) {
  return make_schedule(recipe.schedule, recipe.algorithm, clients_of(recipe, 1));
}

std::string schedule_table(const Recipe& recipe, const ScheduleOptions& options) {
  const Schedule schedule = schedule_of(recipe);
  const auto row = [](const std::string& label, const std::string& when, const std::string& eta, const std::string& gamma) {
    return fmt::format("{:<{}}{:<16}{:<24}{}\n", label, label_width, when, eta, gamma);
  };
  std::string out = row("schedule", options.unit, "η", "γ");
  for (const Stage& s : stages(schedule, options.end())) {
    const std::string place =
        std::isinf(s.to) ? fmt::format("from {:g}", s.from) : fmt::format("{:g} to {:g}", s.from, s.to);
    out += row("", place, rate_text(s.first.eta, s.last.eta), rate_text(s.first.gamma, s.last.gamma));
  }
  for (const double m : schedule.milestones)
    if (options.end() && m >= *options.end()) out += setting_line("", {fmt::format("milestone {:g}: not reached", m)});
  return out;
}

// Returns null for what JSON has no number for.
nlohmann::json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

nlohmann::json json_value(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return number_or_null(*number);
  return std::visit([](const auto& v) { return nlohmann::json(v); }, value);
}

}  // namespace

std::string setting_text(const Recipe& recipe) {
  const bool own = recipe.objective.has("name");
  const auto schedule = read_options<ScheduleOptions>(recipe.schedule);
  const ClientSampling sampling = client_sampling(recipe.clients, clients_of(recipe, 1));
  std::string out;
  if (const auto keys = keys_shown(recipe, own ? "objective" : "model", {"name", "init"}); !keys.empty())
    out += setting_line("network", keys);
  if (const auto keys = partition_shown(recipe); !keys.empty()) out += setting_line("partition", keys);
  out += setting_line("setting", keys_shown(recipe, "algorithm", {"name"}));
  out += setting_line("clients", {clients_line(sampling)});
  if (recipe.data.has("batch_size")) out += setting_line("batch", {batch_line(recipe, sampling.participating)});
  out += setting_line("ends", {ends_line(schedule)});
  return out + schedule_table(recipe, schedule);
}

nlohmann::json setting_json(const Recipe& recipe) {
  const auto schedule = read_options<ScheduleOptions>(recipe.schedule);
  nlohmann::json keys = nlohmann::json::array(), rows = nlohmann::json::array();
  for (const Used& used : used_values(recipe))
    keys.push_back({{"key", used.table + "." + used.key}, {"value", json_value(used.value)}});
  for (const Stage& s : stages(schedule_of(recipe), schedule.end()))
    rows.push_back({{"from", s.from},
                    {"to", number_or_null(s.to)},
                    {"eta", s.first.eta},
                    {"eta_to", s.last.eta},
                    {"gamma", number_or_null(s.first.gamma)},
                    {"gamma_to", number_or_null(s.last.gamma)}});
  return {{"participating", client_sampling(recipe.clients, clients_of(recipe, 1)).participating},
          {"setting", keys},
          {"schedule", {{"unit", schedule.unit}, {"stages", rows}}}};
}

}  // namespace tacet
