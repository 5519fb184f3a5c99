// Every method's options, outside their ranges: each is refused with its place, what is allowed and what was given.
#include <cmath>

#include <gtest/gtest.h>

#include "recipe/fixture.h"
#include "support/test_name.h"

namespace tacet::methods_test {
namespace {

std::string plain_number(double v) { return std::isinf(v) ? (v > 0 ? "inf" : "-inf") : std::to_string(v); }

// A recipe for the method with every required option, but for `key` = `value`.
std::string recipe_for(const AlgorithmInfo& m, const std::string& key, const std::string& value) {
  std::string text =
      "[data]\nname = \"noise\"\n[model]\nname = \"quadratic\"\n[schedule]\nrounds = 3\n[algorithm]\nname = \"" + m.name +
      "\"\n";
  for (const Option& o : m.options)
    if (!o.fallback && o.required && o.name != key) text += o.name + " = 0.5\n";
  return text + key + " = " + value + "\n";
}

// The lines that choose what the option is used with.
std::string choices_of(const Option& o) {
  std::string lines;
  for (const OnlyWith& choice : o.only_with)
    if (!choice.values.empty()) lines += choice.key + " = " + to_toml(choice.values.front()) + "\n";
  return lines;
}

struct EveryMethod : testing::TestWithParam<std::string> {
  const AlgorithmInfo& method() const { return find_algorithm(GetParam()); }
  void refuse(const Option& o, const std::string& value) const {
    const std::string error = parse_error(recipe_for(method(), o.name, value) + choices_of(o));
    EXPECT_NE(error.find("algorithm." + o.name + " must be "), std::string::npos)
        << o.name << " = " << value << ": " << error;
    EXPECT_NE(error.find("r.toml:"), std::string::npos) << error;
    EXPECT_NE(error.find(", got "), std::string::npos) << error;
  }
};

TEST_P(EveryMethod, RefusesValuesOutsideItsRanges) {
  int refused = 0;
  for (const Option& o : method().options) {
    if (o.kind != Kind::number && o.kind != Kind::integer) continue;
    const bool whole = o.kind == Kind::integer;
    if (std::isfinite(o.min))
      refuse(o, whole ? std::to_string(static_cast<int64_t>(o.min) - 1) : plain_number(o.min - 0.5)), ++refused;
    if (o.min_open && std::isfinite(o.min)) refuse(o, plain_number(o.min));  // γ = 0, η = 0
    if (std::isfinite(o.max)) refuse(o, whole ? std::to_string(static_cast<int64_t>(o.max) + 1) : plain_number(o.max + 0.5));
    if (o.max_open && std::isfinite(o.max)) refuse(o, plain_number(o.max));  // β = 1
    if (!whole) refuse(o, "nan");
    refuse(o, "\"a word\"");
  }
  EXPECT_GT(refused, 0);
}

TEST_P(EveryMethod, HasTheRangesThatItsPaperNeeds) {
  for (const Option& o : method().options) {
    if (o.name == "eta" || o.name == "gamma") {
      EXPECT_TRUE(o.min == 0 && o.min_open) << o.name;
    }
    if (o.name == "interval") {
      EXPECT_EQ(o.min, 1);
    }
    if (o.name.starts_with("beta") || o.name == "momentum") {
      EXPECT_TRUE(o.min == 0 && o.max == 1 && o.max_open && !o.min_open) << o.name;
    }
  }
}

TEST_P(EveryMethod, RefusesAnOptionItDoesNotHave) {
  const std::string error = parse_error(recipe_for(method(), "gamma_rays", "3"));
  EXPECT_NE(error.find("algorithm.gamma_rays is not a key of " + GetParam()), std::string::npos) << error;
}

TEST_P(EveryMethod, RefusesFewClientsOnlyWhereItNeedsAll) {
  const std::string error = parse_error(recipe_for(method(), "eta", "0.5") + "[clients]\ncount = 4\nparticipating = 2\n");
  if (method().single_client)
    EXPECT_NE(error.find("clients.count must be 1 for " + GetParam() + ", got 4"), std::string::npos) << error;
  else if (method().every_client)
    EXPECT_NE(error.find("clients.participating must be clients.count = 4 for " + GetParam()), std::string::npos) << error;
  else
    EXPECT_EQ(error, "");
}

// A round can do without a client that came too late where clients may be absent anyway and only talk at its end.
TEST_P(EveryMethod, TakesADeadlineOnlyWhereARoundCanDoWithoutAClient) {
  const AlgorithmInfo& m = method();
  const bool can = !m.single_client && !m.every_client && !m.keeps_models && m.collectives(2) == 1 && m.collectives(7) == 1;
  const std::string error = parse_error(recipe_for(method(), "eta", "0.5") + "[run]\nround_deadline = 2\n");
  if (can)
    EXPECT_EQ(error, "");
  else
    EXPECT_NE(error.find("run.round_deadline must be 0 for " + GetParam()), std::string::npos) << error;
}

// An option with a method that can't have it, or beside one that contradicts it: place, rule, value.
TEST(Methods, RefuseOptionsThatContradictEachOther) {
  const struct {
    const char *method, *key, *value, *more;
    std::vector<std::string> parts;
  } rows[] = {
      {"fedavg", "decay_in_norm", "true", "weight_decay = 0.1\n", {"algorithm.decay_in_norm is not a key of fedavg"}},
      {"celgc", "decay_in_norm", "true", "", {"algorithm.decay_in_norm is used with algorithm.weight_decay"}},
      {"celgc", "decay_in_norm", "1", "weight_decay = 0.1\n", {"algorithm.decay_in_norm must be true or false, got 1"}},
      {"episode",
       "decay_in_norm",
       "true",
       "weight_decay = 0.1\nmomentum = 0.9\n",
       {"decay_in_norm is not used with", "momentum"}},
      {"scaffold",
       "momentum",
       "0.9",
       "variate = \"drift\"\n",
       {"momentum is used with", "variate = \"average\"", "\"drift\""}},
      {"episode", "init_corrections", "true", "", {"algorithm.init_corrections is not a key of episode"}},
      {"episode", "delta", "0.1", "", {"algorithm.delta is not a key of episode"}},
      {"celgc",
       "interval_min",
       "4",
       "interval = \"auto\"\ninterval_max = 2\n",
       {"algorithm.interval_min must be <= algorithm.interval_max = 2, got 4"}},
      {"celgc", "interval_min", "2", "", {"interval_min is used with algorithm.interval = \"auto\" only, which is 1"}},
      {"celgc",
       "interval_max",
       "8",
       "interval = \"auto\"\ninterval_file = \"i.json\"\n",
       {"interval_max is not used with algorithm.interval_file"}},
      {"celgc", "interval", "\"fast\"", "", {"algorithm.interval must be an integer, or \"auto\", got the string \"fast\""}},
      {"celgc", "interval", "0", "", {"algorithm.interval must be >= 1 and <= 1000000000, or \"auto\", got 0"}},
      {"celgc", "interval", "\"auto\"", "local_epochs = 1\n", {"algorithm.interval is not used with", "local_epochs"}},
      {"naive-clip", "interval", "\"auto\"", "", {"algorithm.interval must be an integer, got the string \"auto\""}},
      {"celgc-overlap",
       "delay",
       "2",
       "interval = \"auto\"\n",
       {"algorithm.delay must be <= algorithm.interval_min = 1, got 2"}},
      {"celgc", "delta", "1.0", "", {"algorithm.delta must be >= 0 and < 1, got 1"}},
      {"episode", "average_at_pass_end", "true", "", {"algorithm.average_at_pass_end is not a key of episode"}},
      {"celgc", "average_at_pass_end", "2", "", {"algorithm.average_at_pass_end must be true or false, got 2"}},
      {"celgc",
       "average_at_pass_end",
       "true",
       "local_epochs = 2\n",
       {"average_at_pass_end is not used with", "local_epochs"}},
      {"scaffold", "per_layer", "true", "", {"algorithm.per_layer is not a key of scaffold"}},
      {"naive-clip-partial", "momentum", "0.9", "", {"algorithm.momentum is not a key of naive-clip-partial"}},
      {"sign-sgd-gen", "amsgrad", "true", "", {"algorithm.amsgrad is not a key of sign-sgd-gen"}},
      {"lamb", "phi_min", "2.0", "phi_max = 1.0\n", {"algorithm.phi_min must be <= algorithm.phi_max = 1.0, got 2.0"}},
      {"norm-ec", "message_length", "2.0", "", {"algorithm.message_length must be < 2 algorithm.alpha = 2.0, got 2.0"}},
      {"diloco", "beta1", "0.8", "inner = \"sgd\"\n", {"algorithm.beta1 is used with algorithm.inner"}},
      {"diloco", "momentum", "0.8", "", {"algorithm.momentum is used with algorithm.inner = \"sgd\""}},
      {"diloco", "max_norm", "0.8", "gamma = 0.5\n", {"algorithm.max_norm is not used with algorithm.gamma"}},
      {"diloco", "inner", "\"lion\"", "", {"algorithm.inner must be \"sgd\", \"adamw\" or \"muon\", got \"lion\""}},
      {"diloco", "outer_tau", "0.1", "", {"algorithm.outer_tau is used with algorithm.outer = \"adam\""}},
      {"feddyn", "muon_momentum", "0.9", "", {"algorithm.muon_momentum is used with algorithm.inner = \"muon\""}},
      {"fed-nova", "mu", "0.1", "momentum = 0.9\n", {"algorithm.mu is not used with algorithm.momentum"}},
      {"celgc", "per_coordinate", "true", "per_layer = true\n", {"per_coordinate is not used with", "per_layer"}},
      {"scaffnew", "local_epochs", "1", "", {"algorithm.local_epochs is not a key of scaffnew"}},
      {"fed-lamb", "phi_min", "2.0", "phi_max = 1.0\n", {"algorithm.phi_min must be <= algorithm.phi_max = 1.0, got 2.0"}},
  };
  for (const auto& row : rows) {
    const std::string error = parse_error(recipe_for(find_algorithm(row.method), row.key, row.value) + row.more);
    EXPECT_NE(error.find("r.toml:"), std::string::npos) << error;
    for (const std::string& part : row.parts) EXPECT_NE(error.find(part), std::string::npos) << row.method << ": " << error;
  }
}

TEST(Methods, that_talk_once_a_round_can_do_without_a_client) {
  for (const char* name : {"celgc", "fedavg", "scaffold", "fed-adam"}) EXPECT_TRUE(find_algorithm(name).droppable()) << name;
  for (const char* name : {"episode", "naive-clip", "celgc-partial", "celgc-overlap", "sgd-clip"})
    EXPECT_FALSE(find_algorithm(name).droppable()) << name;
}

TEST_P(EveryMethod, RefusesMoreClientsThanThereAre) {
  if (method().single_client) return;  // it has one
  const std::string error = parse_error(recipe_for(method(), "eta", "0.5") + "[clients]\ncount = 4\nparticipating = 5\n");
  EXPECT_NE(error.find("clients.participating must be <= clients.count = 4, got 5"), std::string::npos) << error;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const AlgorithmInfo& m : algorithms()) all.push_back(m.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, testing::ValuesIn(names()),
                         [](const auto& param_info) { return test::test_name(param_info.param); });

}  // namespace
}  // namespace tacet::methods_test
