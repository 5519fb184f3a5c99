// Rules that hold for every recipe and every input, tried on random ones.
#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "recipe/fixture.h"
#include "recipe/tables.h"

namespace tacet {
namespace {

// A text with the characters that TOML must escape, as far as a value may have them, and some of two to four bytes.
std::string random_text() {
  static const std::vector<std::string> pieces = {"a", "Z", "7", " ", "\"", "\\", "'",
                                                  "#", "=", "[", "é", "中", "😀",  "\u2028"};
  std::string text;
  for (const auto& piece : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces))) text += piece;
  return text;
}

// Any double in the option's range: simple ones, extreme ones and random bits.
double random_number(const Option& option) {
  static const std::vector<double> simple = {0, 0.1, 0.5, 1, 2.5, 30, 1e-300, 1e300, 5e-324, 1.2e-6, INFINITY};
  Option one = option;
  one.kind = Kind::number;
  return *rc::gen::suchThat(rc::gen::oneOf(rc::gen::elementOf(simple), rc::gen::arbitrary<double>(),
                                           rc::gen::map(rc::gen::inRange(1, 1000), [](int k) { return k / 1001.0; })),
                            [&](double v) { return !complaint(one, v); });
}

Value random_value(const Option& option) {
  if (option.path != Path::no) return "/" + *rc::gen::elementOf(std::vector<std::string>{"a", "b c/d", "ä/\"e\"", "~"});
  switch (option.kind) {
    case Kind::flag:
      return *rc::gen::arbitrary<bool>();
    case Kind::integer: {
      if (!option.one_of.empty() && *rc::gen::arbitrary<bool>()) return *rc::gen::elementOf(option.one_of);
      const auto low = static_cast<int64_t>(option.min);
      const int64_t high = option.max < 1e15 ? static_cast<int64_t>(option.max) : std::numeric_limits<int64_t>::max();
      return *rc::gen::oneOf(rc::gen::just(low), rc::gen::just(high),
                             rc::gen::inRange<int64_t>(low, std::min(high, low + 1000)));
    }
    case Kind::number:
      return random_number(option);
    case Kind::text:
      return option.one_of.empty() ? random_text() : *rc::gen::elementOf(option.one_of);
    case Kind::numbers: {
      Numbers list;
      for (int k = *rc::gen::inRange(0, 5); k > 0; --k) list.push_back(random_number(option));
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
      return list;
    }
  }
  return {};
}

// Required keys always, others now and then.
Values random_values(const std::vector<Option>& options) {
  Values values;
  for (const Option& option : options)
    if ((option.required && !option.fallback) || *rc::gen::arbitrary<bool>()) values.set(option.name, random_value(option));
  return values;
}

// Leaves out what the run does not use, which a recipe must not give.
Recipe only_used(const Recipe& given) {
  Recipe out;
  std::map<std::string, Values Recipe::*> places;
  for (const RecipeTable& table : tables()) places[table.name] = table.values;
  for (const Used& used : used_values(given)) (out.*places.at(used.table)).set(used.key, used.value);
  return out;
}

Recipe random_recipe() {
  Recipe r;
  const ModelInfo model = *rc::gen::elementOf(models());
  const DatasetInfo data =
      *rc::gen::suchThat(rc::gen::elementOf(datasets()), [&](const DatasetInfo& e) { return e.task == model.task; });
  const size_t m = *rc::gen::inRange<size_t>(0, algorithms().size());
  const AlgorithmInfo& method = algorithms()[m];
  r.data = random_values(data.options);
  r.data.set("name", data.name);
  r.model = random_values(model.options);
  r.model.set("name", model.name);
  r.algorithm = random_values(method.options);
  r.algorithm.set("name", method.name);
  if (r.algorithm.has("delay")) {
    const int64_t* I = r.algorithm.has("interval") ? std::get_if<int64_t>(&r.algorithm.all().at("interval")) : nullptr;
    r.algorithm.set("interval", std::max(I ? *I : 1, r.algorithm.integer("delay")));
  }
  if (r.algorithm.has("interval_min"))
    r.algorithm.set("interval_max",
                    std::max(r.algorithm.has("interval_max") ? r.algorithm.integer("interval_max") : int64_t{64},
                             r.algorithm.integer("interval_min")));
  if (r.algorithm.has("phi_min"))
    r.algorithm.set(
        "phi_max", std::max(r.algorithm.has("phi_max") ? r.algorithm.number("phi_max") : 10, r.algorithm.number("phi_min")));
  else if (r.algorithm.has("phi_max"))
    r.algorithm.set("phi_min", 0.0);
  if (r.algorithm.has("message_length") || (method.name == "norm-ec" && r.algorithm.has("alpha")))
    r.algorithm.set("alpha", std::max(r.algorithm.has("alpha") ? r.algorithm.number("alpha") : 1,
                                      r.algorithm.has("message_length") ? r.algorithm.number("message_length") : 1));
  r.clients = random_values(client_options());
  if (method.single_client)
    r.clients = {};
  else if (r.clients.has("count") && r.clients.has("participating"))
    r.clients.set("count", method.every_client ? r.clients.integer("participating")
                                               : std::max(r.clients.integer("count"), r.clients.integer("participating")));
  if (r.clients.has("sampling") && r.clients.text("sampling") == "periodic") r.clients.set("period", int64_t{1});
  r.schedule = random_values(schedule_options());
  const bool cosine = r.schedule.has("cosine") && r.schedule.flag("cosine");
  if (cosine || (!r.schedule.has("epochs") && !r.schedule.has("iterations"))) r.schedule.set("rounds", int64_t{3});
  if (cosine && !r.schedule.has("epochs")) r.schedule.set("unit", std::string("rounds"));
  if (cosine) r.schedule.set("warmup", 0.0);  // it must end before the cosine does
  r.run = random_values(run_options());
  // A client that is not there, or is too late, would fall behind in its text.
  const bool pass_ends = r.algorithm.has("average_at_pass_end") && r.algorithm.flag("average_at_pass_end");
  if (pass_ends && r.clients.has("count") && r.clients.has("participating"))
    r.clients.set("participating", r.clients.integer("count"));
  const bool system = r.algorithm.has("noise_source") && r.algorithm.text("noise_source") == "system";
  const auto sampling = [&] { return r.clients.has("sampling") ? r.clients.text("sampling") : std::string("uniform"); };
  if (system || (sampling() == "poisson" && !method.droppable()))
    r.clients.set("sampling", std::string(system ? "poisson" : "uniform"));
  const bool poisson = sampling() == "poisson";
  if (sampling() != "uniform" && !poisson && !r.clients.has("participating"))
    r.clients.set("participating", r.clients.has("count") ? r.clients.integer("count") : 1);
  const auto on = [](const Values& of, const char* key) { return of.has(key) && of.flag(key); };
  if (on(r.data, "partition.every_round") && find_option(method.options, "weighted")) r.algorithm.set("weighted", false);
  if (on(r.schedule, "nt_asgd")) r.run.set("eval_every", 1.0);
  if (model.task == "function") r.run.set("dtype", std::string("f32"));
  if (system) r.algorithm.set("message", std::string("f32"));
  if (system || r.algorithm.has("bit_noise")) r.algorithm.set("noise_multiplier", 0.7);
  if (r.algorithm.has("bit_noise")) r.algorithm.set("bit_noise", 1e300);
  if (method.keeps_models) r.run.set("noise_scale", false);
  if (system) r.algorithm.set("privacy_delta", 1e-5);  // one client needs it
  if ((poisson || method.keeps_models) && r.data.has("partition.every_round")) r.data.set("partition.every_round", false);
  if (pass_ends || poisson || !method.droppable()) r.run.set("round_deadline", 0.0);
  return only_used(only_used(r));  // twice: what is left out may have been what another key goes with
}

// Every given value must come out as it went in.
bool holds(const Values& all, const Values& given) {
  return std::all_of(given.all().begin(), given.all().end(),
                     [&](const auto& entry) { return all.has(entry.first) && all.all().at(entry.first) == entry.second; });
}

RC_GTEST_PROP(Property, what_is_written_is_read_back, ()) {
  const Recipe given = random_recipe();
  const Recipe read = parse_recipe(to_toml(given), "given.toml");
  RC_ASSERT(holds(read.data, given.data) && holds(read.model, given.model) && holds(read.algorithm, given.algorithm));
  RC_ASSERT(holds(read.clients, given.clients) && holds(read.schedule, given.schedule) && holds(read.run, given.run));
  // With all defaults filled in it is complete: reading it once more changes nothing.
  RC_ASSERT(same(parse_recipe(to_toml(read), "read.toml"), read));
  RC_ASSERT(to_toml(parse_recipe(to_toml(read), "read.toml")) == to_toml(read));
}

// Success or a message, and nothing else: anything but UserError escapes and fails the test.
void must_not_crash(const std::string& toml, const std::vector<std::string>& sets = {}) {
  const std::string error = parse_error(toml, sets);
  for (const char c : error) RC_ASSERT(static_cast<unsigned char>(c) >= ' ' || c == '\n');
}

RC_GTEST_PROP(Property, random_bytes_are_refused_politely, (const std::vector<uint8_t>& bytes)) {
  must_not_crash(std::string(bytes.begin(), bytes.end()));
}

RC_GTEST_PROP(Property, broken_recipes_are_refused_politely, ()) {
  static const std::vector<std::string> pieces = {"[",
                                                  "]",
                                                  "{",
                                                  "}",
                                                  "=",
                                                  ".",
                                                  ",",
                                                  "\"",
                                                  "'",
                                                  "\n",
                                                  "#",
                                                  "\\",
                                                  "[[",
                                                  "]]",
                                                  "\"\"\"",
                                                  "inf",
                                                  "-nan",
                                                  "1e999",
                                                  "0x",
                                                  "true",
                                                  "1979-05-27",
                                                  "extends",
                                                  "[data]",
                                                  "name",
                                                  "é",
                                                  "\xff",
                                                  std::string(1, '\0'),
                                                  "\"\\uD800\"",
                                                  "\"\\U0010FFFF\"",
                                                  "99999999999999999999",
                                                  "[data.partition]",
                                                  "\r"};
  std::string text = good_recipe;
  for (int k = *rc::gen::inRange(1, 6); k > 0; --k) {
    const size_t at = *rc::gen::inRange<size_t>(0, text.size());
    const size_t cut = *rc::gen::inRange<size_t>(0, 8);
    text.replace(at, cut, *rc::gen::elementOf(pieces));
  }
  must_not_crash(text);
}

RC_GTEST_PROP(Property, random_overrides_are_refused_politely, (const std::string& key, const std::string& value)) {
  must_not_crash(good_recipe, {key + "=" + value});
  must_not_crash(good_recipe, {"algorithm.eta=" + value});
  must_not_crash(good_recipe, {"data." + key + "=1"});
}

}  // namespace
}  // namespace tacet
