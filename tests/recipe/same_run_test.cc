// Resuming with a changed recipe: each option says whether it may change, and that is what happens.
#include "recipe/same_run.h"

#include <gtest/gtest.h>

#include "recipe/conditions.h"
#include "support/test_name.h"

namespace tacet {
namespace {

// Returns what a resume says, or "" when it goes on.
std::string complaint_about(const Recipe& before, const Recipe& now) {
  try {
    require_same_run(before, now, "run/recipe.toml");
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

struct EveryOption : testing::TestWithParam<Place> {
  // Returns what a resume with another value of the option says, when the option is used.
  static std::string after_a_change(const OnlyWith* also = nullptr) {
    const auto& [table, entry, option] = GetParam();
    Recipe before = recipe_with(GetParam());
    make_used(*option, table, before);
    if (also) make(true, *also, table, before);
    Recipe now = before;
    Values &old = values_of(before, table), &values = values_of(now, table);
    if (!old.has(option->name)) old.set(option->name, option->fallback ? *option->fallback : other_value(*option, {}));
    values.set(option->name, other_value(*option, old.all().at(option->name)));
    return complaint_about(before, now);
  }
  static std::string key() { return GetParam().table + "." + GetParam().option->name; }
};

bool has_one_value(const Option& o) { return o.kind == Kind::text && o.one_of.size() == 1; }

TEST_P(EveryOption, ChangesOnlyWhereItIsFree) {
  if (has_one_value(*GetParam().option)) GTEST_SKIP() << key() << " has no other value";
  const std::string error = after_a_change();
  if (GetParam().option->free_on_resume)
    EXPECT_EQ(error, "");
  else
    EXPECT_EQ(error.find("--resume: " + key() + " must be as in run/recipe.toml ("), 0u) << error;
}

TEST_P(EveryOption, IsBoundWhereItSaysSo) {
  for (const OnlyWith& rule : GetParam().option->bound_with)
    EXPECT_EQ(after_a_change(&rule).find("--resume: " + key() + " must be as in"), 0u);
}

TEST_P(EveryOption, MayChangeWhereNobodyUsesIt) {
  const auto& [table, entry, option] = GetParam();
  if (option->only_with.empty()) return;
  Recipe before = recipe_with(GetParam());
  for (const OnlyWith& rule : option->only_with) make(false, rule, table, before);
  Recipe now = before;
  values_of(now, table).set(option->name, other_value(*option, option->fallback));
  EXPECT_EQ(complaint_about(before, now), "");
}

// Every option of the tables with fixed keys, and of one entry of the others.
std::vector<Place> options() {
  std::vector<Place> out;
  for (const Place& place : all_options())
    if (place.entry.empty() || place.entry == "fed-lamb" || place.entry == "celgc-overlap" || place.entry == "ptb" ||
        place.entry == "mnist" || place.entry == "awd-lstm")
      out.push_back(place);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Options, EveryOption, testing::ValuesIn(options()), [](const auto& param_info) {
  return test::test_name(param_info.param.table + "_" + param_info.param.entry + "_" + param_info.param.option->name);
});

Recipe parse(const std::string& toml, const std::vector<std::string>& sets = {}) {
  return parse_recipe(toml, "r.toml", sets);
}

TEST(SameRun, names_the_key_and_both_values) {
  EXPECT_EQ(complaint_about(parse(good_recipe), parse(good_recipe, {"run.seed=2"})),
            "--resume: run.seed must be as in run/recipe.toml (1), got 2");
  EXPECT_EQ(complaint_about(parse(good_recipe), parse(good_recipe, {"clients.participating=2"})),
            "--resume: clients.participating must be as in run/recipe.toml (absent), got 2");
  EXPECT_EQ(complaint_about(parse(good_recipe, {"algorithm.name=fedavg"}), parse(good_recipe)),
            "--resume: algorithm.name must be as in run/recipe.toml (\"fedavg\"), got \"celgc\"");
}

TEST(SameRun, may_be_made_longer_and_evaluated_more_often) {
  EXPECT_EQ(complaint_about(parse(good_recipe), parse(good_recipe, {"schedule.epochs=9", "run.eval_every=0.5"})), "");
}

// The end of a cosine is part of the schedule.
TEST(SameRun, keeps_its_length_with_a_cosine) {
  EXPECT_EQ(complaint_about(parse(good_recipe, {"schedule.cosine=true"}),
                            parse(good_recipe, {"schedule.cosine=true", "schedule.epochs=9"})),
            "--resume: schedule.epochs must be as in run/recipe.toml (2.0), got 9.0");
}

}  // namespace
}  // namespace tacet
