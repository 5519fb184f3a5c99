// The numbers of every full-size recipe, written here a second time, by hand, from the papers and from what their authors'
// published programs leave no doubt about. A recipe that changes, or that sets a key its row does not state, fails. η and γ
// are compared at stated epochs too, and the figures and grids at the end of recipes must be runs.
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "engine/schedule.h"
#include "recipe/fixture.h"
#include "recipe/sweep_table.h"

namespace tacet::papers_test {
namespace {

const std::string recipes = std::string(TACET_SOURCE_DIR) + "/recipes/";

Recipe shipped(const std::string& name, const std::vector<std::string>& sets = {}) {
  return load_recipe(recipes + name + ".toml", sets);
}

// ---- the table ----

struct Row {
  std::string recipe;    // below recipes/, without .toml
  std::string source;    // paper, section or figure
  std::string settings;  // "table.key=value" with spaces between; "absent" means that the key must not be there
};

const std::string cifar = " data.name=cifar-10 data.crop_padding=4 data.flip=true";
const std::string imagenet =
    " data.name=imagenet data.batch_size=32 data.size=224 data.random_crop=0.08 model.name=resnet-50 clients.count=8";
const std::string awd_lstm =
    " model.name=awd-lstm model.layers=3 model.embedding=400 model.hidden=1150 model.tied=true model.output_dropout=0.4"
    " model.input_dropout=0.4 model.embedding_dropout=0.1 model.weight_drop=0.5 model.alpha=2 model.beta=1"
    " data.bptt=70 data.random_lengths=true schedule.nt_asgd=true schedule.nonmono=5 schedule.nt_asgd_each=epoch"
    " schedule.milestones=[]";
const std::string ptb = " data.name=ptb model.hidden_dropout=0.25 schedule.epochs=250" + awd_lstm;
const std::string wikitext2 = " data.name=wikitext-2 model.hidden_dropout=0.2 schedule.epochs=300" + awd_lstm;
const std::string birnn_2048 =
    " model.cell=rnn model.layers=1 model.hidden=2048 model.bidirectional=true model.pooling=max model.embedding=300"
    " model.frozen=true model.mlp_layers=2 model.mlp_hidden=512 model.activation=tanh model.loss=hinge";
const std::string bilstm_256 =
    " model.cell=lstm model.layers=2 model.hidden=256 model.bidirectional=true model.pooling=max model.embedding=300"
    " model.frozen=true model.mlp_layers=2 model.mlp_hidden=512 model.activation=tanh model.loss=hinge";
const std::string snli =
    " data.name=snli data.vectors=glove/glove.840B.300d.txt data.unknown=drop model.name=sentence-pair-classifier";
const std::string sentiment =
    " data.name=sentiment140 data.vectors=glove/glove.6B.300d.txt data.unknown=drop model.name=text-classifier";
// FED-LAMB's section 5: 50 clients, half of them, batch 128, β₁ = .9, β₂ = .999, φ the identity, no weight decay before
// tuning.
const std::string fed_lamb =
    " data.batch_size=128 data.partition.every_round=true clients.sampling=uniform schedule.rounds=100 "
    "algorithm.name=fed-lamb"
    " algorithm.eta=0.01 algorithm.beta1=0.9 algorithm.beta2=0.999 algorithm.weight_decay=0 algorithm.phi_min=0"
    " algorithm.phi_max=inf algorithm.layerwise=true";
const std::string half_of_50 = " clients.count=50 clients.participating=25";
const std::string one_class = " data.partition.kind=one-class";
const std::string mnist_cnn = " model.name=mnist-cnn model.first=10 model.second=20 model.hidden=50 model.dropout=0.5";

std::vector<Row> table() {
  std::vector<Row> rows = {
      // Liu, Zhuang, Lei, Liao, NeurIPS 2022 (C) and its first version, ICLR 2022 submission (C1).
      {"celgc/cifar10-resnet56", "C section 5.1, Figure 1; weight decay: program",
       "model.name=resnet-56 data.batch_size=64 data.partition.kind=iid algorithm.name=celgc algorithm.eta=0.3 "
       "algorithm.gamma=1"
       " algorithm.interval=4 algorithm.momentum=0 algorithm.weight_decay=5e-4 clients.count=8 clients.participating=absent"
       " schedule.epochs=200 schedule.milestones=[80,120] schedule.factor=0.1 schedule.scale_gamma=true schedule.warmup=0" +
           cifar},
      {"celgc/cifar10-resnet56-one-client", "C section 5.2, Figure 4",
       "model.name=resnet-56 data.batch_size=64 algorithm.name=sgd-clip algorithm.eta=0.3 algorithm.gamma=1 "
       "algorithm.momentum=0"
       " algorithm.weight_decay=5e-4 clients.count=1 schedule.epochs=200 schedule.milestones=[80,120] schedule.factor=0.1" +
           cifar},
      {"celgc/cifar10-resnet32", "C1 appendix C.1, Figure 6: batch 16, both to a tenth at 80 and 120",
       "model.name=resnet-32 data.batch_size=16 data.partition.kind=iid algorithm.name=celgc algorithm.eta=0.1 "
       "algorithm.gamma=1"
       " algorithm.interval=4 algorithm.momentum=0 algorithm.weight_decay=5e-4 clients.count=8 schedule.epochs=200"
       " schedule.milestones=[80,120] schedule.factor=0.1 schedule.scale_gamma=true" +
           cifar},
      {"celgc/cifar10-resnet56-large-batch", "C1 appendix E.6, Figure 12: batch 256, 300 epochs, tenths at 150 and 250",
       "model.name=resnet-56 data.batch_size=256 data.partition.kind=iid algorithm.name=celgc algorithm.eta=0.3 "
       "algorithm.gamma=1"
       " algorithm.interval=4 algorithm.weight_decay=5e-4 clients.count=8 schedule.epochs=300 schedule.milestones=[150,250]"
       " schedule.factor=0.1" +
           cifar},
      {"celgc/imagenet-resnet50",
       "C section 5.1, Figure 6: 0.0125 to 0.1 in 5 epochs, tenths at 30, 60, 80 of 90, parameter 1",
       "algorithm.name=celgc algorithm.eta=0.1 algorithm.gamma=1 algorithm.interval=4 algorithm.momentum=0.9"
       " algorithm.weight_decay=5e-4 data.partition.kind=iid schedule.epochs=90 schedule.milestones=[30,60,80] "
       "schedule.factor=0.1"
       " schedule.warmup=5 schedule.warmup_from=0.125 schedule.scale_gamma=false" +
           imagenet},
      {"celgc/imagenet-resnet50-naive", "C section 5.1, Figure 6, Naive Parallel SGDClip",
       "algorithm.name=naive-clip algorithm.eta=0.1 algorithm.gamma=1 algorithm.interval=4 algorithm.momentum=0.9"
       " algorithm.weight_decay=5e-4 data.partition.kind=iid schedule.epochs=90 schedule.milestones=[30,60,80] "
       "schedule.factor=0.1"
       " schedule.warmup=5 schedule.warmup_from=0.125 schedule.scale_gamma=false" +
           imagenet},
      {"celgc/imagenet-resnet50-parallel", "C section 5.1, Figure 6, after Goyal et al. 2017",
       "algorithm.name=parallel-sgd algorithm.eta=0.1 algorithm.interval=4 algorithm.momentum=0.9 "
       "algorithm.weight_decay=5e-4"
       " data.partition.kind=iid schedule.epochs=90 schedule.milestones=[30,60,80] schedule.factor=0.1 schedule.warmup=5"
       " schedule.warmup_from=0.125 schedule.scale_gamma=false" +
           imagenet},
      {"celgc/ptb-awd-lstm", "C section 5.1, Figure 2; η: C1 section 5.1; sizes, dropouts, decay, epochs: program",
       "data.batch_size=3 data.partition.kind=rotate data.partition.whole_streams=true algorithm.name=celgc "
       "algorithm.eta=30 algorithm.gamma=7.5 "
       "algorithm.interval=4"
       " algorithm.momentum=0 algorithm.weight_decay=1.2e-6 clients.count=8 clients.participating=absent" +
           ptb},
      {"celgc/ptb-awd-lstm-one-client", "C1 appendix E.1, Figure 7 (a)",
       "data.batch_size=3 data.partition.kind=rotate data.partition.whole_streams=true algorithm.name=sgd-clip "
       "algorithm.eta=30 algorithm.gamma=7.5"
       " algorithm.weight_decay=1.2e-6 clients.count=1" +
           ptb},
      {"celgc/ptb-awd-lstm-unequal", "C1 appendix E.3, Figure 9",
       "data.batch_size=3 data.partition.kind=fixed data.partition.percent=[10.64,11.17,11.70,12.23,12.77,13.30,13.83,14.36]"
       " algorithm.name=celgc algorithm.eta=30 algorithm.gamma=7.5 algorithm.interval=4 algorithm.weight_decay=1.2e-6"
       " clients.count=8" +
           ptb},
      {"celgc/ptb-awd-lstm-partial", "C1 appendix E.5, Figure 11: 6 of 8",
       "data.batch_size=3 data.partition.kind=rotate data.partition.whole_streams=true algorithm.name=celgc-partial "
       "algorithm.eta=30 algorithm.gamma=7.5"
       " algorithm.interval=4 algorithm.weight_decay=1.2e-6 clients.count=8 clients.participating=6 "
       "clients.sampling=uniform" +
           ptb},
      {"celgc/ptb-awd-lstm-mixed", "Zhang, Jin, Fang, Wang, NeurIPS 2020, Penn Treebank: program",
       "data.batch_size=20 data.partition.kind=rotate data.partition.whole_streams=true algorithm.name=mixed-clip "
       "algorithm.eta=30 algorithm.gamma=5"
       " algorithm.interval=1 algorithm.beta=0.999 algorithm.nu=0.7 clients.count=1" +
           ptb},
      {"celgc/wikitext2-awd-lstm", "C section 5.1, Figure 3; η: C1 section 5.1",
       "data.batch_size=10 data.partition.kind=rotate data.partition.whole_streams=true algorithm.name=celgc "
       "algorithm.eta=30 algorithm.gamma=7.5 "
       "algorithm.interval=4"
       " algorithm.momentum=0 algorithm.weight_decay=1.2e-6 clients.count=8" +
           wikitext2},
      {"celgc/wikitext2-awd-lstm-one-client", "C1 appendix E.1, Figure 7 (b)",
       "data.batch_size=10 data.partition.kind=rotate data.partition.whole_streams=true algorithm.name=sgd-clip "
       "algorithm.eta=30 algorithm.gamma=7.5"
       " algorithm.weight_decay=1.2e-6 clients.count=1" +
           wikitext2},

      // Crawshaw, Bao, Liu, ICLR 2023 (E) and NeurIPS 2023 (E+).
      {"episode/cifar10-resnet32", "E, CIFAR-10; epochs, milestones, decay: program",
       "model.name=resnet-32 data.batch_size=128 data.partition.kind=similarity data.partition.similarity=30 "
       "algorithm.name=episode"
       " algorithm.eta=0.1 algorithm.gamma=0.1 algorithm.interval=8 algorithm.weight_decay=5e-4 "
       "algorithm.decay_in_norm=true algorithm.resampling=1"
       " clients.count=8 clients.participating=absent schedule.epochs=150 schedule.milestones=[80,120] schedule.factor=0.1"
       " schedule.scale_gamma=true" +
           cifar},
      {"episode/imagenet-resnet50", "E, ImageNet; rates, decay, milestones: program",
       "data.partition.kind=similarity data.partition.similarity=60 algorithm.name=episode algorithm.eta=0.1 "
       "algorithm.gamma=1"
       " algorithm.interval=128 algorithm.weight_decay=5e-5 algorithm.momentum=0.9 algorithm.resampling=1 "
       "clients.participating=absent "
       "schedule.epochs=90"
       " schedule.milestones=[30,60,80] schedule.factor=0.1 schedule.warmup=0 schedule.scale_gamma=false" +
           imagenet},
      {"episode/snli-rnn", "E, SNLI, panel (c); decay, milestones: program; epochs: chosen",
       "data.batch_size=64 data.partition.kind=similarity data.partition.similarity=30 algorithm.name=episode "
       "algorithm.eta=0.3"
       " algorithm.gamma=0.03 algorithm.interval=4 algorithm.weight_decay=5e-4 algorithm.decay_in_norm=true "
       "algorithm.resampling=1 clients.count=8"
       " clients.participating=absent schedule.epochs=25 schedule.milestones=[15,20] schedule.factor=0.5 "
       "schedule.unit=epochs" +
           snli + birnn_2048},
      {"episode/snli-rnn-partial", "E+ Figure 1 (a): η = γ = 0.03, s 30 %, R 5375, halves at R/2 and 3R/4",
       "data.batch_size=64 data.partition.kind=similarity data.partition.similarity=30 algorithm.name=episode++ "
       "algorithm.eta=0.03"
       " algorithm.gamma=0.03 algorithm.interval=4 algorithm.weight_decay=5e-4 algorithm.decay_in_norm=true clients.count=8 "
       "clients.participating=4"
       " clients.sampling=uniform schedule.rounds=5375 schedule.epochs=25 schedule.milestones=[2688,4031] "
       "schedule.factor=0.5"
       " schedule.unit=rounds" +
           snli + birnn_2048},
      {"episode/sentiment140-rnn", "E, Sentiment140: program",
       "data.batch_size=128 data.partition.kind=similarity data.partition.similarity=10 algorithm.name=episode "
       "algorithm.eta=0.3"
       " algorithm.gamma=0.03 algorithm.interval=4 algorithm.weight_decay=5e-4 algorithm.decay_in_norm=true "
       "algorithm.resampling=1 clients.count=8"
       " clients.participating=absent schedule.rounds=1000 schedule.epochs=absent schedule.milestones=[500,750] "
       "schedule.factor=0.5"
       " schedule.unit=rounds" +
           sentiment + bilstm_256},
      {"episode/sentiment140-rnn-partial", "E+ Figure 1 (b): η 0.03, γ 0.01, R 2000; network, batch, decay: program",
       "data.batch_size=64 data.partition.kind=similarity data.partition.similarity=10 algorithm.name=episode++ "
       "algorithm.eta=0.03"
       " algorithm.gamma=0.01 algorithm.interval=4 algorithm.weight_decay=5e-4 algorithm.decay_in_norm=true clients.count=8 "
       "clients.participating=4"
       " clients.sampling=uniform schedule.rounds=2000 schedule.epochs=absent schedule.milestones=[1000,1500] "
       "schedule.factor=0.5"
       " schedule.unit=rounds" +
           sentiment + birnn_2048},

      // Crawshaw, Liu, Orabona, Zhang, Zhuang, NeurIPS 2022, and the talk that reports it.
      {"sign-sgd/wikitext103-gpt2", "talk: 16 layers, batch 256 in all, warm-up and cosine; the rest chosen",
       "data.name=wikitext-103 data.batch_size=32 data.bptt=256 data.random_lengths=false data.eval_batch=8"
       " data.partition.kind=rotate model.name=gpt2 model.layers=16 model.width=768 model.heads=12 model.context=256"
       " algorithm.name=adam algorithm.eta=2.5e-4 algorithm.max_norm=0.25 algorithm.interval=1 algorithm.beta1=0.9"
       " algorithm.beta2=0.999 clients.count=8 schedule.epochs=10 schedule.warmup=0.5 schedule.cosine=true "
       "schedule.cosine_to=0"},
      {"sign-sgd/wmt16-transformer",
       "talk: 6 layers, batch 256 in all, warm-up and decay; base sizes of Vaswani et al. 2017",
       "data.name=wmt16 data.batch_size=32 data.pieces=32000 model.name=transformer model.layers=6 model.width=512 "
       "model.heads=8"
       " model.inner=2048 model.dropout=0.1 model.label_smoothing=0.1 model.decoding=beam algorithm.name=sign-sgd-gen"
       " algorithm.eta=1e-4 algorithm.interval=1 algorithm.beta1=0.9 algorithm.beta2=0.999 clients.count=8 "
       "schedule.epochs=10"
       " schedule.warmup=0.5 schedule.milestones=[6,8] schedule.factor=0.1"},
      {"sign-sgd/wikitext2-transformer", "talk: a Transformer on WikiText-2; the rest chosen",
       "data.name=wikitext-2 data.batch_size=20 data.bptt=35 data.random_lengths=false data.partition.kind=rotate "
       "model.name=gpt2"
       " model.layers=2 model.width=200 model.heads=2 model.inner=200 model.context=35 model.dropout=0.2"
       " model.attention_dropout=0.2 algorithm.name=sgd-clip algorithm.eta=5 algorithm.gamma=1.25 clients.count=1"
       " schedule.epochs=40 schedule.milestones=[10,20,30] schedule.factor=0.25"},

      // Functions.
      {"synthetic/quartic", "E, synthetic study: program",
       "data.name=noise data.noise.kind=uniform data.noise.scale=1 data.batch_size=1 data.samples=160 "
       "model.name=quartic-pair"
       " model.heterogeneity=4 model.start=1 algorithm.name=episode algorithm.eta=0.01 algorithm.gamma=0.05 "
       "algorithm.interval=8"
       " clients.count=2 schedule.rounds=300 run.checkpoint_every=0"},
      {"synthetic/stuck", "talk: two parabolas, γ = 2, η = 1, one step a round",
       "data.name=noise data.noise.kind=none data.samples=2 model.name=stuck-pair model.threshold=2 model.start=0"
       " algorithm.name=celgc algorithm.eta=1 algorithm.gamma=2 algorithm.interval=1 clients.count=2 schedule.rounds=30"
       " run.checkpoint_every=0"},
      {"synthetic/rare-slope", "after E+, lower bounds",
       "data.name=noise data.noise.kind=gaussian data.noise.scale=0.1 data.samples=160 model.name=rare-slope "
       "model.heterogeneity=1"
       " model.slope=0.1 model.start=3 algorithm.name=episode++ algorithm.eta=0.05 algorithm.gamma=0.05 algorithm.interval=4"
       " clients.count=8 clients.participating=2 schedule.rounds=2000 run.checkpoint_every=0 run.log_every=10"},
      {"synthetic/exponential", "after Zhang, He, Sra, Jadbabaie, ICLR 2020",
       "data.name=noise data.noise.kind=gaussian data.noise.scale=0.5 data.samples=320 model.name=exponential model.rate=1"
       " model.start=4 model.dimension=10 algorithm.name=celgc algorithm.eta=0.2 algorithm.gamma=0.4 algorithm.interval=4"
       " clients.count=8 schedule.rounds=200 run.checkpoint_every=0"},
      {"synthetic/skewed-noise", "talk: values 2, −2, 3 with probabilities 0.2, 0.3, 0.5; the rest chosen",
       "data.name=noise data.noise.kind=three-point data.noise.scale=1 data.samples=160 model.name=quadratic "
       "model.dimension=1"
       " model.condition=1 model.start=1 algorithm.name=celgc algorithm.eta=0.05 algorithm.gamma=0.02 algorithm.interval=4"
       " clients.count=4 schedule.rounds=500 run.checkpoint_every=0"},
  };

  // Karimi, Li, Li, 2021, section 5: one or three local epochs over the samples that a client received.
  struct Lamb {
    std::string recipe, figure, settings;
    int epochs;
  };
  const std::string iid_10 =
      " data.name=cifar-10 data.partition.kind=iid model.name=resnet-9 clients.count=10 clients.participating=10";
  const std::string iid_50 = " data.name=cifar-10 data.partition.kind=iid model.name=resnet-9" + half_of_50;
  const std::string mlp = " data.name=mnist model.name=mlp model.hidden=200 model.dropout=0.5" + half_of_50 + one_class;
  const std::string cnn = half_of_50 + one_class + mnist_cnn;
  const std::string resnet = " data.name=cifar-10" + half_of_50 + one_class;
  for (const Lamb& l : std::vector<Lamb>{
           {"cifar10-resnet9-iid-10-clients", "Figure 2, first row, left", iid_10, 1},
           {"cifar10-resnet9-iid-10-clients-3-epochs", "Figure 2, first row, right", iid_10, 3},
           {"cifar10-resnet9-iid", "Figure 2, second row, left", iid_50, 1},
           {"cifar10-resnet9-iid-3-epochs", "Figure 2, second row, right", iid_50, 3},
           {"mnist-mlp", "Figure 3, first row, left", mlp, 1},
           {"mnist-mlp-3-epochs", "Figure 3, first row, right", mlp, 3},
           {"mnist-cnn", "Figure 3, second row, left", " data.name=mnist" + cnn, 1},
           {"mnist-cnn-3-epochs", "Figure 3, second row, right", " data.name=mnist" + cnn, 3},
           {"fashion-mnist-cnn", "Figure 3, third row, left", " data.name=fashion-mnist" + cnn, 1},
           {"fashion-mnist-cnn-3-epochs", "Figure 3, third row, right", " data.name=fashion-mnist" + cnn, 3},
           {"cifar10-resnet9", "Figure 3, fourth row, left", resnet + " model.name=resnet-9", 1},
           {"cifar10-resnet9-3-epochs", "Figure 3, fourth row, right", resnet + " model.name=resnet-9", 3},
           {"cifar10-cnn", "section 5, no figure", resnet + " model.name=cifar-cnn", 1},
           {"cifar10-resnet18", "Figure 4 and Table 1", resnet + " model.name=resnet-18", 1},
           {"tiny-imagenet-resnet18", "Figure 4 and Table 1; classes of a client: chosen",
            half_of_50 +
                " data.name=tiny-imagenet data.partition.kind=classes data.partition.classes=8 model.name=resnet-18",
            1},
       }) {
    rows.push_back({"fed-lamb/" + l.recipe, "Karimi, Li, Li, section 5, " + l.figure,
                    "algorithm.local_epochs=" + std::to_string(l.epochs) + fed_lamb + l.settings});
  }
  return rows;
}

// ---- comparing ----

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

bool equals(const Value& value, const std::string& text) {
  if (const auto* flag = std::get_if<bool>(&value)) return text == (*flag ? "true" : "false");
  if (const auto* word = std::get_if<std::string>(&value)) return text == *word;
  if (const auto* whole = std::get_if<int64_t>(&value)) return text == std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&value)) return std::stod(text) == *number;
  Numbers list;
  std::istringstream in(text.substr(1, text.size() - 2));
  for (std::string item; std::getline(in, item, ',');) list.push_back(std::stod(item));
  return list == std::get<Numbers>(value);
}

struct Table {
  std::string name;
  const Values& values;
  const std::vector<Option>& options;
};
std::vector<Table> tables(const Recipe& r) {
  return {{"data", r.data, find_dataset(r.data.text("name")).options},
          {"model", r.model, find_model(r.model.text("name")).options},
          {"algorithm", r.algorithm, find_algorithm(r.algorithm.text("name")).options},
          {"clients", r.clients, client_options()},
          {"schedule", r.schedule, schedule_options()},
          {"run", r.run, run_options()}};
}

// Returns what differs between the recipe and the settings of its row, a line each.
std::string differences(const Recipe& recipe, const std::string& settings) {
  std::string out;
  std::set<std::string> stated;
  for (const std::string& setting : words(settings)) {
    const size_t dot = setting.find('.'), equal = setting.find('=');
    const std::string name = setting.substr(0, dot), key = setting.substr(dot + 1, equal - dot - 1);
    const std::string wanted = setting.substr(equal + 1);
    if (!stated.insert(name + "." + key).second) out += setting + " is stated twice\n";
    for (const Table& t : tables(recipe)) {
      if (t.name != name) continue;
      const bool right =
          t.values.has(key) ? wanted != "absent" && equals(t.values.all().at(key), wanted) : wanted == "absent";
      if (!right) out += setting + ", got " + (t.values.has(key) ? to_toml(t.values.all().at(key)) : "nothing") + "\n";
    }
  }
  for (const Table& t : tables(recipe))
    for (const auto& [key, value] : t.values.all()) {
      const Option* option = find_option(t.options, key);
      const bool is_default = option && option->fallback == value;
      if (!is_default && !stated.count(t.name + "." + key))
        out += "the table does not state " + t.name + "." + key + " = " + to_toml(value) + "\n";
    }
  return out;
}

TEST(Papers, EveryRecipeHasTheNumbersOfItsSource) {
  for (const Row& row : table())
    EXPECT_EQ(differences(shipped(row.recipe), row.settings), "") << row.recipe << ": " << row.source;
}

// The comparison notices a number that changed, one that came and one that went.
TEST(Papers, AChangedRecipeDoesNotPass) {
  const std::string settings = table()[0].settings;
  const auto after = [&](const std::vector<std::string>& sets) {
    return differences(shipped(table()[0].recipe, sets), settings);
  };
  EXPECT_EQ(after({}), "");
  EXPECT_EQ(after({"algorithm.eta=0.1"}), "algorithm.eta=0.3, got 0.1\n");
  EXPECT_EQ(after({"schedule.milestones=[80]"}), "schedule.milestones=[80,120], got [80.0]\n");
  EXPECT_EQ(after({"clients.participating=4"}), "clients.participating=absent, got 4\n");
  EXPECT_EQ(after({"run.dtype=bf16"}), "the table does not state run.dtype = \"bf16\"\n");
  EXPECT_EQ(after({"schedule.rounds=9"}), "the table does not state schedule.rounds = 9\n");
}

TEST(Papers, EveryFullSizeRecipeHasARow) {
  std::set<std::string> rows, files;
  for (const Row& row : table()) EXPECT_TRUE(rows.insert(row.recipe).second) << row.recipe << " stands twice";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(recipes)) {
    const std::string name = std::filesystem::relative(entry.path(), recipes).replace_extension().string();
    const bool of_paper = !name.starts_with("demo/") && !name.starts_with("figures/") && !name.ends_with("-small");
    if (entry.path().extension() == ".toml" && of_paper) files.insert(name);
  }
  EXPECT_EQ(rows, files);
}

// ---- schedules ----

struct Moment {
  double epoch;
  int64_t round;
  double eta, gamma;  // γ < 0: the method has none
};

// Most schedules look at the epoch, those of the EPISODE studies at the round.
TEST(Papers, SchedulesHaveTheRatesOfTheirSource) {
  const std::vector<Moment> goyal = {{0, 0, .0125, 1},  {2.5, 0, .05625, 1}, {5, 0, .1, 1},
                                     {29.99, 0, .1, 1}, {30, 0, .01, 1},     {59.99, 0, .01, 1},
                                     {60, 0, .001, 1},  {80, 0, .0001, 1},   {89.9, 0, .0001, 1}};
  std::vector<Moment> unclipped = goyal;
  for (Moment& m : unclipped) m.gamma = -1;
  const std::map<std::string, std::vector<Moment>> expected = {
      {"celgc/imagenet-resnet50", goyal},
      {"celgc/imagenet-resnet50-naive", goyal},
      {"celgc/imagenet-resnet50-parallel", unclipped},
      {"celgc/cifar10-resnet56",
       {{0, 0, .3, 1}, {79.9, 0, .3, 1}, {80, 0, .03, .1}, {120, 0, .003, .01}, {199, 0, .003, .01}}},
      {"celgc/cifar10-resnet32", {{0, 0, .1, 1}, {80, 0, .01, .1}, {120, 0, .001, .01}}},
      {"celgc/cifar10-resnet56-large-batch", {{149.9, 0, .3, 1}, {150, 0, .03, .1}, {250, 0, .003, .01}}},
      {"celgc/ptb-awd-lstm", {{0, 0, 30, 7.5}, {249, 0, 30, 7.5}}},
      {"celgc/wikitext2-awd-lstm", {{0, 0, 30, 7.5}, {299, 0, 30, 7.5}}},
      {"episode/imagenet-resnet50", {{0, 0, .1, 1}, {2.5, 0, .1, 1}, {30, 0, .01, 1}, {60, 0, .001, 1}, {80, 0, .0001, 1}}},
      {"episode/cifar10-resnet32", {{0, 0, .1, .1}, {80, 0, .01, .01}, {149, 0, .001, .001}}},
      {"episode/snli-rnn", {{14.9, 0, .3, .03}, {15, 0, .15, .015}, {20, 0, .075, .0075}}},
      {"episode/snli-rnn-partial", {{0, 2687, .03, .03}, {0, 2688, .015, .015}, {0, 4031, .0075, .0075}}},
      {"episode/sentiment140-rnn", {{0, 499, .3, .03}, {0, 500, .15, .015}, {0, 750, .075, .0075}}},
      {"episode/sentiment140-rnn-partial", {{0, 999, .03, .01}, {0, 1000, .015, .005}, {0, 1500, .0075, .0025}}},
      {"sign-sgd/wmt16-transformer",
       {{0, 0, .125e-4, -1}, {.25, 0, .5625e-4, -1}, {.5, 0, 1e-4, -1}, {6, 0, 1e-5, -1}, {8, 0, 1e-6, -1}}},
      {"sign-sgd/wikitext103-gpt2", {{0, 0, .3125e-4, -1}, {.5, 0, 2.5e-4, -1}, {5.25, 0, 1.25e-4, -1}, {10, 0, 0, -1}}},
      {"fed-lamb/fashion-mnist-cnn", {{0, 0, .01, -1}, {40, 99, .01, -1}}},
  };
  for (const auto& [name, moments] : expected) {
    const Recipe r = shipped(name);
    const Schedule schedule = make_schedule(r.schedule, r.algorithm, static_cast<int>(r.clients.integer("count")));
    for (const Moment& m : moments) {
      const Rates now = schedule.at(m.epoch, m.round);
      EXPECT_NEAR(now.eta, m.eta, 1e-12) << name << " at epoch " << m.epoch << ", round " << m.round;
      if (m.gamma < 0) continue;
      EXPECT_NEAR(now.gamma, m.gamma, 1e-12) << name << " at epoch " << m.epoch << ", round " << m.round;
    }
  }
}

// ---- the grids at the end of recipes ----

// Every value of a grid resolves to a run. (The figures, with grids of their own, are Shipped.EveryFigureIsOne's.)
TEST(Papers, GridsOfRecipesAreRuns) {
  int runs = 0;
  for (const Row& row : table())
    for (const SweepAxis& axis : load_swept_recipe(recipes + row.recipe + ".toml").sweep.axes)
      for (const Value& value : axis.values) {
        std::vector<std::string> sets = {axis.key + "=" + to_toml(value)};
        SCOPED_TRACE(row.recipe + ": " + sets[0]);
        if (!axis.method.empty()) sets.push_back("algorithm.name=" + axis.method);
        EXPECT_NO_THROW((void)with_clients(shipped(row.recipe, sets), 1));
        ++runs;
      }
  EXPECT_GT(runs, 30);
}

}  // namespace
}  // namespace tacet::papers_test
