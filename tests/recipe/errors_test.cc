// What is said about recipes that are wrong: place, what is allowed, what was given. One row a mistake.
#include <gtest/gtest.h>

#include "recipe/fixture.h"

namespace tacet {
namespace {

struct Mistake {
  const char* name;
  std::string toml;
  std::vector<std::string> sets;
  std::string error;
};

// Lets GoogleTest show the row by its name.
void PrintTo(const Mistake& m, std::ostream* out) { *out << m.name; }

class Mistakes : public testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, are_explained) { EXPECT_EQ(parse_error(GetParam().toml, GetParam().sets), GetParam().error); }

const std::vector<Mistake> value_mistakes = {
    {"out_of_range", with("gamma = 7.5", "gamma = -1"), {}, "r.toml:12: algorithm.gamma must be > 0, got -1"},
    {"open_bound", with("gamma = 7.5", "gamma = 0.0"), {}, "r.toml:12: algorithm.gamma must be > 0, got 0"},
    {"infinite", with("eta = 30", "eta = inf"), {}, "r.toml:11: algorithm.eta must be finite and > 0, got inf"},
    {"minus_infinite",
     with("gamma = 7.5", "gamma = -inf"),
     {},
     "r.toml:12: algorithm.gamma must be finite and > 0, got -inf"},
    {"nan_value", with("gamma = 7.5", "gamma = nan"), {}, "r.toml:12: algorithm.gamma must be a number, got nan"},
    {"string_for_number",
     with("eta = 30", "eta = \"30\""),
     {},
     "r.toml:11: algorithm.eta must be a number, got the string \"30\""},
    {"flag_for_number", with("eta = 30", "eta = true"), {}, "r.toml:11: algorithm.eta must be a number, got true"},
    {"date_for_number",
     with("eta = 30", "eta = 2022-01-31"),
     {},
     "r.toml:11: algorithm.eta must be a number, got a date or time"},
    {"list_for_number",
     with("eta = 30", "eta = [1, 2]"),
     {},
     "r.toml:11: algorithm.eta must be a number, got the list [1.0, 2.0]"},
    {"table_for_number", with("eta = 30", "eta = {}"), {}, "r.toml:11: algorithm.eta must be a number, got a table"},
    {"keys_below_a_number",
     with("eta = 30", "eta.x = 30"),
     {},
     "r.toml:9: algorithm.eta must be given (number > 0), got nothing\n"
     "r.toml:11: algorithm.eta.x must not be given: algorithm.eta is no table but a value (number > 0)"},
    {"value_for_table",
     with("batch_size = 3", "partition = \"fixed\""),
     {},
     "r.toml:3: data.partition must be a table with kind, percent, whole_streams, got the string \"fixed\""},
    {"float_for_integer",
     with("count = 8", "count = 8.0"),
     {},
     "r.toml:15: clients.count must be an integer, got 8.0 (write 8)"},
    {"fraction_for_integer", with("count = 8", "count = 0.5"), {}, "r.toml:15: clients.count must be an integer, got 0.5"},
    {"string_for_integer",
     with("count = 8", "count = \"3\""),
     {},
     "r.toml:15: clients.count must be an integer, got the string \"3\""},
    {"zero_clients", with("count = 8", "count = 0"), {}, "r.toml:15: clients.count must be >= 1 and <= 16777215, got 0"},
    {"flag_as_integer", with("layers = 2", "tied = 1"), {}, "r.toml:7: model.tied must be true or false, got 1"},
    {"integer_as_text", with("name = \"sotu\"", "name = 3"), {}, "r.toml:2: data.name must be a string, got 3"},
    {"word_not_allowed",
     with("count = 8", "sampling = \"random\""),
     {},
     "r.toml:15: clients.sampling must be \"uniform\", \"fixed\", \"periodic\", \"dirichlet\" or \"poisson\", got "
     "\"random\""},
    {"only_one_word_allowed",
     good_recipe + "[run]\ndevice = \"cuda\"",
     {},
     "r.toml:20: run.device must be \"cpu\", got \"cuda\""},
    {"number_as_list",
     with("epochs = 2", "epochs = 2\nmilestones = 80"),
     {},
     "r.toml:19: schedule.milestones must be a list of numbers, got 80"},
    {"descending",
     with("epochs = 2", "epochs = 2\nmilestones = [120, 80]"),
     {},
     "r.toml:19: schedule.milestones must be in ascending order, got 80 after 120"},
    {"text_in_list",
     with("epochs = 2", "epochs = 2\nmilestones = [80, \"120\"]"),
     {},
     "r.toml:19: schedule.milestones must be a list of numbers, got a list with the string \"120\""},
    {"list_in_list",
     with("epochs = 2", "epochs = 2\nmilestones = [[80]]"),
     {},
     "r.toml:19: schedule.milestones must be a list of numbers, got a list with a list"},
    {"zero_in_list",
     with("epochs = 2", "epochs = 2\nmilestones = [0]"),
     {},
     "r.toml:19: schedule.milestones must hold numbers > 0, got 0"},
    {"factor_above_one",
     with("epochs = 2", "epochs = 2\nmilestones = [1]\nfactor = 10"),
     {},
     "r.toml:20: schedule.factor must be > 0 and <= 1, got 10"},
    {"negative_seed", good_recipe + "[run]\nseed = -1", {}, "r.toml:20: run.seed must be >= 0, got -1"},
    {"unfinished_infinite_run",
     with("epochs = 2", "epochs = inf"),
     {},
     "r.toml:18: schedule.epochs must be finite and > 0, got inf"},
};

const std::vector<Mistake> name_mistakes = {
    {"misspelt_key",
     with("gamma = 7.5", "gamma = 7.5\ngamaa = 1"),
     {},
     "r.toml:13: algorithm.gamaa is not a key of celgc; did you mean gamma?"},
    {"last_part_of_a_key",
     with("batch_size = 3", "kind = \"fixed\""),
     {},
     "r.toml:3: data.kind is not a key of sotu; did you mean partition.kind?"},
    {"misspelt_nested_key",
     with("batch_size = 3", "[data.partition]\nknd = \"fixed\""),
     {},
     "r.toml:4: data.partition.knd is not a key of sotu; did you mean partition.kind?"},
    {"misspelt_key_of_a_fixed_table",
     with("count = 8", "cuont = 8"),
     {},
     "r.toml:15: clients.cuont is not a key of [clients]; did you mean count?"},
    {"unknown_key",
     good_recipe + "[run]\ncolour = 3",
     {},
     "r.toml:20: run.colour is not a key of [run]; its keys are seed, threads, dtype, eval_every, eval_rounds, eval_train, "
     "gradient_every, gradient_part, update_size, noise_scale, smoothness_every, smoothness_units, "
     "smoothness_share, check, checkpoint_every, checkpoint_keep, log_every, "
     "non_finite, "
     "client_state, "
     "device, exchange, peer_timeout, restarts, second_copy, even_work, min_workers, round_deadline"},
    {"unknown_key_of_a_method",
     with("gamma = 7.5", "gamma = 7.5\n\"a b\\n\" = 1"),
     {},
     "r.toml:13: algorithm.\"a b\\n\" is not a key of celgc; its keys are " + keys_of(algorithms(), "celgc")},
    {"mean_that_arrives_after_the_round",
     with("celgc\"", "celgc-overlap\"\ndelay = 5\ninterval = 4"),
     {},
     "r.toml:11: algorithm.delay must be <= algorithm.interval = 4, got 5"},
    {"unknown_message",
     with("gamma = 7.5", "gamma = 7.5\nmessage = \"int4\""),
     {},
     "r.toml:13: algorithm.message must be \"f32\", \"bf16\", \"int8\" or \"topk\", got \"int4\""},
    {"key_in_the_wrong_table",
     with("layers = 2", "eta = 3"),
     {},
     "r.toml:7: model.eta is not a key of awd-lstm; eta belongs in [algorithm]"},
    {"key_of_a_fixed_table_elsewhere",
     with("gamma = 7.5", "gamma = 7.5\nepochs = 3"),
     {},
     "r.toml:13: algorithm.epochs is not a key of celgc; epochs belongs in [schedule]"},
    {"key_of_another_entry",
     with("batch_size = 3", "root = \"/data\""),
     {},
     "r.toml:3: data.root is not a key of sotu; its keys are " + keys_of(datasets(), "sotu")},
    {"cosine_without_its_end",
     good_recipe,
     {"schedule.cosine=true", "schedule.unit=rounds"},
     "--set schedule.cosine: needs schedule.rounds, where it ends (schedule.unit = \"rounds\"), got nothing"},
    {"key_before_the_tables", "eta = 3\n" + good_recipe, {}, "r.toml:1: eta must be in a table: eta belongs in [algorithm]"},
    {"nonsense_before_the_tables",
     "colour = 3\n" + good_recipe,
     {},
     "r.toml:1: colour is not a table of a recipe; the tables are [data], [model], [objective], [algorithm], [clients], "
     "[schedule], [run], [sweep]"},
    {"misspelt_table",
     with("[clients]", "[client]"),
     {},
     "r.toml:14: client is not a table of a recipe; did you mean [clients]?"},
    {"unknown_table",
     good_recipe + "[optimizer]\neta = 1",
     {},
     "r.toml:19: optimizer is not a table of a recipe; the tables are [data], [model], [objective], [algorithm], [clients], "
     "[schedule], [run], [sweep]"},
    {"table_as_value", "run = 3\n" + good_recipe, {}, "r.toml:1: run must be a table, got 3"},
    {"table_as_list", good_recipe + "[[run]]\nseed = 3", {}, "r.toml:19: run must be a table, got a list with a table"},
    {"misspelt_method",
     with("celgc", "clegc"),
     {},
     "r.toml:10: algorithm.name must be one of " + names_of(algorithms()) +
         ", got the string \"clegc\"; did you mean celgc?"},
    {"unknown_model",
     with("awd-lstm", "perceptron"),
     {},
     "r.toml:6: model.name must be one of " + names_of(models()) + ", got the string \"perceptron\""},
    {"no_method",
     with("name = \"celgc\"\n", ""),
     {},
     "r.toml:9: algorithm.name must be given (" + names_of(algorithms()) + "), got nothing"},
    {"no_table",
     with("[data]\nname = \"sotu\"\nbatch_size = 3\n", ""),
     {},
     "r.toml:1: data.name must be given (" + names_of(datasets()) + "), got nothing"},
    {"objective_of_another_program",
     "[objective]\nname = \"ridge\"\n" + good_recipe.substr(good_recipe.find("[algorithm]")),
     {},
     "r.toml:2: objective.name must be an objective of the program, and this one has none, got the string \"ridge\"; the "
     "program that adds it runs this recipe"},
    {"required_key", with("eta = 30\n", ""), {}, "r.toml:9: algorithm.eta must be given (number > 0), got nothing"},
    {"deadline_of_a_method_that_talks_at_every_step",
     with("celgc", "naive-clip") + "[run]\nround_deadline = 3",
     {},
     "r.toml:20: run.round_deadline must be 0 for naive-clip, whose rounds can't go on without a client, got 3.0"},
    {"no_end", with("epochs = 2\n", ""), {}, "r.toml:17: schedule must give epochs, rounds or iterations, got none of them"},
    {"no_schedule",
     with("[schedule]\nepochs = 2\n", ""),
     {},
     "r.toml:1: schedule must give epochs, rounds or iterations, got none of them"},
    {"quoted_dots_give_a_key_twice",
     with("batch_size = 3", "partition.kind = \"fixed\"\n\"partition.kind\" = \"fixed\""),
     {},
     "r.toml:4: data.\"partition.kind\" must be given once, got it twice"},
    {"more_participants_than_clients",
     with("count = 8", "count = 8\nparticipating = 9"),
     {},
     "r.toml:16: clients.participating must be <= clients.count = 8, got 9"},
    {"sampling_of_some_without_their_number",
     with("count = 8", "count = 8\nsampling = \"dirichlet\""),
     {},
     "r.toml:16: clients.sampling needs clients.participating, how many take part in a round: without it all do, got "
     "\"dirichlet\""},
    {"average_that_never_begins",
     good_recipe,
     {"schedule.nt_asgd=true", "run.eval_every=0"},
     "--set schedule.nt_asgd: needs evaluations, which tell when the average begins, but run.eval_every is 0, got true"},
    {"shares_that_are_dealt_anew",
     good_recipe,
     {"data.name=fashion-mnist", "data.partition.kind=one-class", "data.partition.every_round=true", "model.name=logistic",
      "algorithm.name=fedavg", "algorithm.weighted=true"},
     "--set algorithm.weighted: must be false with data.partition.every_round, which deals other shares in every round, got "
     "true"},
    {"unsampled_clients_without_a_share",
     good_recipe,
     {"data.name=fashion-mnist", "data.partition.kind=one-class", "data.partition.every_round=true", "model.name=logistic",
      "algorithm.name=celgc-partial"},
     "--set data.partition.every_round: must be false for celgc-partial, whose unsampled clients train as well, got true"},
    {"width_of_layers_that_are_not_there",
     with("layers = 2", "layers = 1\nhidden = 9"),
     {},
     "r.toml:8: model.hidden is not used with model.layers = 1, which is given"},
    {"several_clients_on_one_machine",
     with("celgc", "sgd-clip"),
     {},
     "r.toml:15: clients.count must be 1 for sgd-clip, got 8"},
};

const std::vector<Mistake> set_mistakes = {
    {"set_out_of_range", good_recipe, {"algorithm.eta=-1"}, "--set algorithm.eta: must be > 0, got -1"},
    {"set_wrong_kind", good_recipe, {"algorithm.eta=\"3\""}, "--set algorithm.eta: must be a number, got the string \"3\""},
    {"set_word", good_recipe, {"algorithm.eta=1.2.3"}, "--set algorithm.eta: must be a number, got the string \"1.2.3\""},
    {"set_nothing",
     good_recipe,
     {"algorithm.eta="},
     "--set algorithm.eta: must be a TOML value or a single word, got nothing"},
    {"set_words",
     good_recipe,
     {"data.root=a b"},
     "--set data.root: must be a TOML value or a single word, got the string \"a b\""},
    {"set_bare_list",
     good_recipe,
     {"schedule.milestones=80,120"},
     "--set schedule.milestones: must be a TOML value or a single word, got the string \"80,120\""},
    {"set_two_lines",
     good_recipe,
     {"run.seed=1\nrun.threads=2"},
     "--set run.seed: must be a TOML value or a single word, got the string \"1\\nrun.threads=2\""},
    {"set_without_value", good_recipe, {"algorithm.eta"}, "--set must be table.key=value, got the string \"algorithm.eta\""},
    {"set_without_key", good_recipe, {"=3"}, "--set must be table.key=value, got the string \"=3\""},
    {"set_strange_key", good_recipe, {"run..seed=3"}, "--set must be table.key=value, got the string \"run..seed=3\""},
    {"set_without_table", good_recipe, {"eta=3"}, "--set eta: must be in a table: eta belongs in [algorithm]"},
    {"set_whole_table", good_recipe, {"run=3"}, "--set run: must be a table, got 3"},
    {"set_extends", good_recipe, {"extends=x.toml"}, "--set extends: can only be given in a recipe file"},
    {"set_unknown_table",
     good_recipe,
     {"algoritm.eta=3"},
     "--set algoritm: is not a table of a recipe; did you mean [algorithm]?"},
    {"set_misspelt_key",
     good_recipe,
     {"algorithm.etta=3"},
     "--set algorithm.etta: is not a key of celgc; did you mean eta?"},
    {"set_not_utf8", good_recipe, {"data.root=\xff"}, "--set data.root: must be UTF-8 text, got something else"},
    {"set_unknown_method",
     good_recipe,
     {"algorithm.name=celgcc"},
     "--set algorithm.name: must be one of " + names_of(algorithms()) + ", got the string \"celgcc\"; did you mean celgc?"},
    {"set_new_method_and_old_key",
     good_recipe,
     {"algorithm.name=fedavg", "algorithm.gamma=1"},
     "--set algorithm.gamma: is not a key of fedavg; its keys are " + keys_of(algorithms(), "fedavg")},
};

const auto name_of = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Values, Mistakes, testing::ValuesIn(value_mistakes), name_of);
INSTANTIATE_TEST_SUITE_P(Names, Mistakes, testing::ValuesIn(name_mistakes), name_of);
INSTANTIATE_TEST_SUITE_P(Sets, Mistakes, testing::ValuesIn(set_mistakes), name_of);

// The rest of such a message is the TOML library's.
TEST(Syntax, is_reported_with_line_and_column) {
  EXPECT_EQ(parse_error("[data]\nname = \n").find("r.toml:2:8: must be TOML: "), 0u) << parse_error("[data]\nname = \n");
  EXPECT_EQ(parse_error("[data]\nname = \"a\"\nname = \"b\"").find("r.toml:3:"), 0u);
  EXPECT_EQ(parse_error("[data").find("r.toml:1:6: must be TOML: "), 0u) << parse_error("[data");
  EXPECT_EQ(parse_error(std::string("a\0b", 3)).find("r.toml:1:"), 0u);
  EXPECT_EQ(parse_error("[data]\nname = \"a\xff\"\n"), "r.toml:2: must be UTF-8 text, got the byte 0xff at offset 16");
}

// In a comment, where any character is fine.
TEST(Encoding, ill_formed_sequences_are_refused) {
  const std::string bad[] = {"\x80",         "\xc3",         "\xc0\x80",         "\xc1\xbf",         "\xe2\x82",
                             "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                             "\xf0\x9f\x98", "\xff"};
  for (const std::string& text : bad)
    EXPECT_EQ(parse_error("\n# " + text).find("r.toml:2: must be UTF-8 text, got the byte 0x"), 0u)
        << parse_error("\n# " + text);
  for (const char* text : {"é", "\xed\x9f\xbf", "中", "😀", "\xf4\x8f\xbf\xbd"})
    EXPECT_EQ(parse_error(good_recipe + "# " + text + "\n"), "") << text;
}

TEST(Several, are_reported_together_in_the_order_of_the_file) {
  EXPECT_EQ(parse_error("[run]\nseed = -1\nthreads = 0\n[data]\nname = \"sotu\"\n[model]\nname = \"awd-lstm\"\nlayers = 0\n"
                        "[algorithm]\nname = \"celgc\"\neta = 1\ngamma = 1\n[schedule]\nrounds = 1\n",
                        {"run.threads=-5"}),
            "--set run.threads: must be >= 1 and <= 1024, got -5\n"
            "r.toml:2: run.seed must be >= 0, got -1\n"
            "r.toml:8: model.layers must be >= 1 and <= 256, got 0");
}

TEST(Several, are_ten_at_most) {
  std::string text = good_recipe + "[run]\n";  // its first key stands on line 20
  for (int k = 0; k < 13; ++k) text += "zzzzzzz" + std::to_string(k) + " = 1\n";
  const std::string error = parse_error(text);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 10);
  EXPECT_NE(error.find("r.toml:29: run.zzzzzzz9 is"), std::string::npos) << error;
  EXPECT_EQ(error.find("r.toml:30"), std::string::npos) << error;
  EXPECT_TRUE(error.ends_with("\n(and 3 more)")) << error;
}

}  // namespace
}  // namespace tacet
