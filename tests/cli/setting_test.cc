// The setting that a dry run shows, against what papers print: nothing is trained or measured.
#include "cli/setting.h"

#include <limits>

#include <gtest/gtest.h>

namespace tacet {
namespace {

std::string shipped_setting(const std::string& name, const std::vector<std::string>& sets = {}) {
  return setting_text(with_clients(load_recipe(std::string(TACET_SOURCE_DIR) + "/recipes/" + name + ".toml", sets), 1));
}

void expect_lines(const std::string& text, const std::vector<std::string>& lines) {
  for (const std::string& line : lines)
    EXPECT_NE(("\n" + text).find("\n" + line + "\n"), std::string::npos) << line << "\n" << text;
}

// Liu, Zhuang, Lei, Liao, NeurIPS 2022, section 5.1: 8 machines, batch 32 of each, rate 0.0125 to 0.1 in 5 epochs, momentum
// 0.9, decay 5e-4, a tenth at 30, 60 and 80 of 90 epochs, I = 4, clipping parameter 1 throughout.
TEST(Setting, OfImageNetReadsAsThePapersText) {
  expect_lines(
      shipped_setting("celgc/imagenet-resnet50"),
      {"partition   kind iid, seed 1, every_round false",
       "setting     η 0.1, γ 1, I 4, momentum 0.9, λ 0.0005, decay_in_norm false, delta 0,",
       "            per_layer false, average_at_pass_end false, per_coordinate false, max_update inf,",
       "            message f32", "clients     8, all in every round", "batch       32 of each client, 256 in a step of all",
       "ends        after 90 epochs", "schedule    epochs          η                       γ",
       "            0 to 5          0.0125 → 0.1            1", "            5 to 30         0.1                     1",
       "            30 to 60        0.01                    1", "            60 to 80        0.001                   1",
       "            80 to 90        0.0001                  1"});
}

// Crawshaw, Bao, Liu, ICLR 2023, ImageNet: rate 0.1 from the start.
TEST(Setting, OfEpisodeOnImageNetHasNoWarmUp) {
  expect_lines(shipped_setting("episode/imagenet-resnet50"), {"            0 to 30         0.1                     1"});
}

TEST(Setting, TellsSampledClientsRoundsAndMilestonesThatAreNotReached) {
  const std::string text =
      shipped_setting("episode/snli-rnn-partial", {"schedule.rounds=3000", "schedule.milestones=[2688,4031]"});
  expect_lines(
      text,
      {"clients     8, of which 4 take part in a round, uniform", "batch       64 of each client, 256 in a step of all",
       "ends        after 25 epochs or 3000 rounds, whichever comes first",
       "            0 to 2688       0.03                    0.03",
       "            2688 to 3000    0.015                   0.015", "            milestone 4031: not reached"});
}

// A screen has 24 lines at least; the rest of the dry run has 8.
TEST(Setting, IsOneScreen) {
  for (const char* name :
       {"celgc/imagenet-resnet50", "celgc/ptb-awd-lstm", "episode/snli-rnn", "sign-sgd/wikitext103-gpt2"}) {
    const std::string text = shipped_setting(name);
    EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 16) << name << "\n" << text;
  }
}

TEST(Setting, AsJsonHasEveryKeyAndNullForInfinity) {
  const Recipe recipe = with_clients(
      load_recipe(std::string(TACET_SOURCE_DIR) + "/recipes/celgc/imagenet-resnet50.toml", {"algorithm.gamma=inf"}), 1);
  const nlohmann::json found = setting_json(recipe);
  EXPECT_EQ(found["participating"], 8);
  EXPECT_EQ(found["schedule"]["unit"], "epochs");
  ASSERT_EQ(found["schedule"]["stages"].size(), 5u);
  EXPECT_EQ(found["schedule"]["stages"][0]["eta"], 0.0125);
  EXPECT_EQ(found["schedule"]["stages"][0]["eta_to"], 0.1);
  EXPECT_EQ(found["schedule"]["stages"][0]["gamma"], nullptr);
  bool seen = false;
  for (const auto& pair : found["setting"])
    if (pair["key"] == "algorithm.momentum") seen = pair["value"] == 0.9;
  EXPECT_TRUE(seen) << found.dump();
}

}  // namespace
}  // namespace tacet
