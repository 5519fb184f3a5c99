// Options that a run does not use: an error where they are given, left out where the recipe is written.
#include <gtest/gtest.h>

#include "recipe/conditions.h"
#include "support/test_name.h"

namespace tacet {
namespace {

bool complains(const std::string& error, const Place& place) {
  return error.find(place.table + "." + place.option->name + " is used with ") != std::string::npos;
}

struct EveryCondition : testing::TestWithParam<Place> {
  // Returns what parsing says with the option given, after a change of other keys.
  template <class Change>
  static std::string error_after(const Change& change) {
    const Place& place = GetParam();
    Recipe r = recipe_with(place);
    make_used(*place.option, place.table, r);
    change(r);
    values_of(r, place.table).set(place.option->name, other_value(*place.option, place.option->fallback));
    return parse_error(every_value(r));
  }
};

TEST_P(EveryCondition, IsAnErrorWhereItFails) {
  const auto& [table, entry, option] = GetParam();
  for (const OnlyWith& condition : option->only_with) {
    const std::string error = error_after([&, &where = table](Recipe& r) { make(false, condition, where, r); });
    EXPECT_TRUE(complains(error, GetParam())) << error;
    EXPECT_NE(error.find(condition.key), std::string::npos) << error;
  }
  if (option->only_with_one_of.empty()) return;
  const std::string error = error_after([&, &where = table, &rule = option->only_with_one_of](Recipe& r) {
    for (const OnlyWith& condition : rule) make(false, condition, where, r);
  });
  EXPECT_TRUE(complains(error, GetParam())) << error;
}

TEST_P(EveryCondition, LetsTheOptionBeGivenWhereItHolds) {
  const std::string error = error_after([](Recipe&) {});
  EXPECT_FALSE(complains(error, GetParam())) << error;
}

TEST_P(EveryCondition, KeepsUnusedOptionsOutOfTheResolvedRecipe) {
  const auto& [table, entry, option] = GetParam();
  Recipe r = recipe_with(GetParam());
  for (const OnlyWith& condition : option->only_with) make(false, condition, table, r);
  for (const OnlyWith& condition : option->only_with_one_of) make(false, condition, table, r);
  values_of(r, table).set(option->name, other_value(*option, option->fallback));
  for (const Used& used : used_values(r)) EXPECT_FALSE(used.table == table && used.key == option->name);
}

std::vector<Place> conditional() {
  std::vector<Place> out;
  for (const Place& place : all_options())
    if (has_condition(*place.option)) out.push_back(place);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Options, EveryCondition, testing::ValuesIn(conditional()), [](const auto& param_info) {
  return test::test_name(param_info.param.table + "_" + param_info.param.entry + "_" + param_info.param.option->name);
});

// Returns what is wrong with a rule: a key that is not there, or a value that the key can't have.
std::string flaw(const OnlyWith& condition, const Place& place) {
  const View view = view_of(recipe_with(place));
  std::string table = place.table, key = condition.key;
  if (!view.option(table, key) && key.find('.') != std::string::npos)
    table = key.substr(0, key.find('.')), key = key.substr(key.find('.') + 1);
  const Option* other = view.option(table, key);
  if (!other) return condition.key + " is no key";
  for (const Value& value : condition.values)
    if (const auto wrong = complaint(*other, value)) return condition.key + " " + *wrong;
  return "";
}

TEST(Conditions, are_about_keys_and_values_that_there_are) {
  for (const Place& place : all_options())
    for (const auto* rules : {&place.option->only_with, &place.option->only_with_one_of, &place.option->bound_with})
      for (const OnlyWith& condition : *rules)
        EXPECT_EQ(flaw(condition, place), "") << place.table << "." << place.option->name;
}

TEST(Conditions, that_are_wrong_are_noticed) {
  const Place place{"clients", "", &client_options().front()};
  EXPECT_EQ(flaw({"smapling", {"periodic"}}, place), "smapling is no key");
  EXPECT_NE(flaw({"sampling", {"sometimes"}}, place), "");
  EXPECT_EQ(flaw({"sampling", {"periodic"}}, place), "");
  EXPECT_EQ(flaw({"schedule.warmup"}, place), "");
}

// The rules themselves, on one option.
TEST(WhyUnused, wants_all_of_the_first_and_one_of_the_second) {
  Recipe r;
  r.schedule.set("warmup", 2.0);
  r.clients.set("sampling", std::string("fixed"));
  Option o;
  o.name = "o";
  const auto why = [&] { return why_unused(o, "schedule", view_of(r)).value_or(""); };
  EXPECT_EQ(why(), "");
  o.only_with = {{"warmup"}};
  EXPECT_EQ(why(), "");
  o.only_with.push_back({"clients.sampling", {"periodic", "dirichlet"}});
  EXPECT_EQ(why(), "is used with clients.sampling = \"periodic\" or \"dirichlet\" only, which is \"fixed\"");
  o.only_with = {};
  o.only_with_one_of = {{"cosine"}, {"milestones"}};
  EXPECT_EQ(why(), "is used with schedule.cosine = true or schedule.milestones only, and the recipe has none of them");
  o.only_with_one_of.push_back({"warmup"});
  EXPECT_EQ(why(), "");
  o.only_with = {{"clients.count"}};
  EXPECT_EQ(why(), "is used with clients.count only, which is not given");
}

struct Case {
  const char* name;
  std::string toml;
  std::vector<std::string> sets;
  std::string error;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

struct Unused : testing::TestWithParam<Case> {};
TEST_P(Unused, is_explained) { EXPECT_EQ(parse_error(GetParam().toml, GetParam().sets), GetParam().error); }

const std::vector<Case> cases = {
    {"in_the_file",
     with("count = 8", "count = 8\nalpha = 1"),
     {},
     "r.toml:16: clients.alpha is used with clients.sampling = \"dirichlet\" only, which is \"uniform\""},
    {"in_a_set",
     good_recipe,
     {"clients.period=3"},
     "--set clients.period: is used with clients.sampling = \"periodic\" only, which is \"uniform\""},
    {"with_a_list",
     with("epochs = 2", "epochs = 2\nfactor = 0.1"),
     {},
     "r.toml:19: schedule.factor is used with schedule.milestones only, which is []"},
    {"with_a_number",
     with("epochs = 2", "epochs = 2\nwarmup_from = 0.1"),
     {},
     "r.toml:19: schedule.warmup_from is used with schedule.warmup only, which is 0.0"},
    {"with_a_flag",
     with("epochs = 2", "epochs = 2\nnonmono = 5"),
     {},
     "r.toml:19: schedule.nonmono is used with schedule.nt_asgd = true only, which is false"},
    {"with_one_of_several",
     with("epochs = 2", "epochs = 2\nunit = \"rounds\""),
     {},
     "r.toml:19: schedule.unit is used with schedule.milestones, schedule.warmup or schedule.cosine = true only, and the "
     "recipe has none of them"},
    {"of_a_method",
     with("celgc\"\neta = 30\ngamma = 7.5", "fed-lamb\"\neta = 30\nlayerwise = false\nphi_min = 1"),
     {},
     "r.toml:13: algorithm.phi_min is used with algorithm.layerwise = true only, which is false"},
    {"both_from_sets",
     good_recipe,
     {"clients.alpha=3", "clients.sampling=fixed", "clients.participating=4"},
     "--set clients.alpha: is used with clients.sampling = \"dirichlet\" only, which is \"fixed\""},
    {"made_used_by_a_set",
     with("count = 8", "count = 8\nalpha = 1"),
     {"clients.sampling=dirichlet", "clients.participating=4"},
     ""},
    {"made_unused_by_a_set",
     with("count = 8", "count = 8\nsampling = \"dirichlet\"\nalpha = 3"),
     {"clients.sampling=uniform"},
     ""},
    {"not_told_when_the_other_key_is_wrong",
     with("count = 8", "count = 8\nsampling = \"random\"\nalpha = 3"),
     {},
     "r.toml:16: clients.sampling must be \"uniform\", \"fixed\", \"periodic\", \"dirichlet\" or \"poisson\", got "
     "\"random\""},
    {"wrong_before_the_set",
     with("count = 8", "count = 8\nalpha = 3"),
     {"clients.sampling=fixed", "clients.participating=4"},
     "r.toml:16: clients.alpha is used with clients.sampling = \"dirichlet\" only, which is \"uniform\""},
};
INSTANTIATE_TEST_SUITE_P(Cases, Unused, testing::ValuesIn(cases),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(UnusedOptions, of_the_base_go_with_the_kind_that_used_them) {
  RecipeFolder folder;
  folder.write("base.toml", with("count = 8", "count = 8\nparticipating = 4\nsampling = \"dirichlet\"\nalpha = 3"));
  folder.write("derived.toml", "extends = \"base.toml\"\n[clients]\nsampling = \"fixed\"\n");
  const Recipe r = load_recipe(folder / "derived.toml");
  EXPECT_EQ(to_toml(r).find("alpha = 3"), std::string::npos);
  EXPECT_TRUE(same(parse_recipe(to_toml(r), "again.toml"), r));
  folder.write("own.toml", "extends = \"base.toml\"\n[clients]\nsampling = \"fixed\"\nalpha = 2\n");
  EXPECT_EQ(folder.load_error("own.toml"),
            "own.toml:4: clients.alpha is used with clients.sampling = \"dirichlet\" only, which is \"fixed\"");
}

// percent goes with kind = "fixed" alone and turns whole_streams off. Where --set takes the kind back, percent is not in
// force, and what its base says of whole_streams is.
TEST(UnusedOptions, put_no_further_options_out_of_use) {
  const std::string path = std::string(TACET_SOURCE_DIR) + "/recipes/celgc/ptb-awd-lstm-unequal.toml";
  EXPECT_FALSE(load_recipe(path).data.flag("partition.whole_streams"));
  EXPECT_TRUE(load_recipe(path, {"data.partition.kind=rotate"}).data.flag("partition.whole_streams"));
  EXPECT_FALSE(load_recipe(path, {"data.partition.kind=rotate", "data.partition.whole_streams=false"})
                   .data.flag("partition.whole_streams"));
}

// As the first versions wrote it into a run's folder: every key that has a default, used or not.
const std::string resolved_before = good_recipe + R"(milestones = []
factor = 0.1
unit = "epochs"
warmup = 0.0
cosine = false
cosine_to = 0.0
scale_gamma = true
nt_asgd = false
nonmono = 5
[run]
seed = 3
threads = 1
device = "cpu"
)";
const std::string old_recipe = [] {
  std::string text = resolved_before;
  return text.replace(text.find("count = 8"), 9, "count = 8\nsampling = \"uniform\"\nperiod = 2\nalpha = 1.0");
}();

TEST(ResolvedRecipes, of_earlier_versions_may_hold_unused_options) {
  EXPECT_EQ(parse_error(old_recipe), "");
  EXPECT_TRUE(same(parse_recipe(old_recipe, "r.toml"), parse_recipe(good_recipe, "r.toml", {"run.seed=3"})));
  RecipeFolder folder;
  folder.write("recipe.toml", old_recipe);
  folder.write("derived.toml", "extends = \"recipe.toml\"\n[run]\nseed = 4\n");
  EXPECT_EQ(folder.load_error("derived.toml"), "");
}

// Rules on idle keys grow in number. A run of before stays readable.
TEST(ResolvedRecipes, may_hold_what_a_later_version_calls_idle) {
  const std::string resolved = to_toml(parse_recipe(good_recipe, "r.toml", {"run.eval_every=0"}));
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"layers = 2", "layers = 1"},
                                 {"sampling = \"uniform\"", "sampling = \"fixed\""},
                                 {"nt_asgd = false", "nt_asgd = true"}}) {
    std::string text = resolved;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    EXPECT_EQ(parse_error(text), "") << to;
    EXPECT_EQ(test::error_of([&] { with_clients(parse_recipe(text, "r.toml"), 1); }), "") << to;
  }
}

TEST(ResolvedRecipes, excuse_only_themselves) {
  EXPECT_EQ(parse_error(old_recipe, {"clients.alpha=0.5"}),
            "--set clients.alpha: is used with clients.sampling = \"dirichlet\" only, which is \"uniform\"");
  EXPECT_NE(parse_error(resolved_before), "");  // without clients.sampling it is none
}

}  // namespace
}  // namespace tacet
