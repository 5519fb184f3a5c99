// Probes of language models and of translation on small texts: both ends of a pair see the same windows, the gradient is
// that of a function, and runs do not notice.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "analysis/curvature.h"
#include "analysis/drawn_gradients.h"
#include "analysis/probed_objective.h"
#include "analysis/rounds_probe.h"
#include "analysis/smoothness.h"
#include "support/environment.h"
#include "support/temp_folder.h"
#include "tacet/group.h"
#include "tacet/task.h"
#include "tacet/train.h"
#include "tasks/fresh_batches.h"

namespace tacet {
namespace {

struct TextProbe : testing::Test {
  test::TempFolder folder;
  test::Environment home{"HOME", folder.path()};

  TextProbe() {
    std::string text, source, target;
    for (int k = 0; k < 300; ++k) text += k % 3 == 0 ? "one two three four\n" : "two one four three five\n";
    for (int k = 0; k < 256; ++k) {
      const std::string words[4] = {"a", "b", "c", "d"};
      for (int w = 0, rest = k; w < 4; ++w, rest /= 4) {
        source += words[rest % 4] + " ";
        target += words[rest % 4] + words[rest % 4] + " ";
      }
      source += "\n", target += "\n";
    }
    for (const char* split : {"train", "valid", "test"}) {
      folder.write(std::string(split) + ".txt", text);
      folder.write(std::string(split) + ".source", source);
      folder.write(std::string(split) + ".target", target);
    }
  }

  Recipe recipe(const std::string& tables, const std::string& method = "name = \"celgc\"\ninterval = 2\n") const {
    return parse_recipe("[data]\nroot = \"" + folder.path() + "\"\n" + tables + "[algorithm]\neta = 0.5\ngamma = 0.5\n" +
                            method + "[clients]\ncount = 3\n[schedule]\nrounds = 5\n",
                        folder / "recipe.toml");
  }
  const std::string text = "name = \"text\"\nbatch_size = 4\nbptt = 8\neval_batch = 2\n[model]\n";
  const std::string lstm = text +
                           "name = \"awd-lstm\"\nlayers = 2\nembedding = 12\nhidden = 12\noutput_dropout = 0.1\n"
                           "hidden_dropout = 0.1\ninput_dropout = 0.1\nweight_drop = 0.2\n";
  const std::string gpt2 = text + "name = \"gpt2\"\nlayers = 1\nwidth = 8\nheads = 2\ncontext = 28\n";
  const std::string translation =
      "name = \"parallel-text\"\nbatch_size = 16\npieces = 24\n[model]\nname = \"transformer\"\nlayers = 1\nwidth = 16\n"
      "heads = 2\ninner = 16\ndropout = 0.2\nextra_length = 4\n";
  const std::vector<std::string> all = {lstm, gpt2, translation};
};

// Fixes the state of text. Returns true if that changes anything.
bool starts_afresh(Objective& objective) {
  auto* text = dynamic_cast<FreshBatches*>(&objective);
  return text && text->start_batches_afresh();
}

// Returns the mean gradient over the units at x.
Vec mean_gradient(Objective& objective, const std::vector<int>& units, const Vec& x) {
  at::Tensor sum = at::zeros({x.numel()}, at::kDouble);
  double count = 0;
  for (const int unit : units) {
    count += objective.unit_gradient(unit, x).count;
    sum.add_(objective.gradient_buffer());
  }
  return sum.div_(count).to(at::kFloat);
}

TEST_F(TextProbe, APairSeesTheSameWindowsFromTheZeroState) {
  for (const std::string& tables : all) {
    const auto objective = make_objective(recipe(tables), 3);
    EXPECT_EQ(starts_afresh(*objective), tables == lstm);
    const std::vector<int> units = {0, 1};
    const Vec x = objective->initial();
    at::manual_seed(1);
    const Vec step = 0.02 * at::randn_like(x);
    SmoothnessProbe probe(*objective, units, 1);
    probe.visit(0, x);
    probe.visit(1, x + step);
    probe.visit(2, x + step);  // no step: other windows or masks would show as a change
    const SmoothnessPoint& p = probe.points().at(0);
    const Vec g = mean_gradient(*objective, units, x);
    double longest = 0;
    for (const double part : {1.0, 0.5})
      longest = std::max(longest, l2_norm(mean_gradient(*objective, units, x + part * step) - g) / (part * l2_norm(step)));
    EXPECT_NEAR(p.gradient, l2_norm(g), 1e-4 * l2_norm(g)) << tables;
    EXPECT_NEAR(p.smoothness, longest, 0.01 * longest) << tables;
    EXPECT_TRUE(p.counts()) << tables;
    EXPECT_EQ(probe.points().at(1).smoothness, 0) << tables;
  }
}

// A window is as long as a normal number of mean 8 and deviation 5, and at least 5. One length alone would make two sizes at
// most: its own, and what is left at the end of a pass.
TEST_F(TextProbe, WindowsOfDrawnGradientsHaveTheLengthsOfTraining) {
  for (const std::string& tables : {lstm, gpt2}) {
    const auto objective = make_objective(recipe(tables), 3);
    DrawnGradients gradients(*objective, objective->initial(), 1, 0);
    std::set<int64_t> sizes;
    for (int k = 0; k < 40; ++k) {
      gradients.next(0);
      sizes.insert(gradients.last().samples);
    }
    EXPECT_GT(sizes.size(), 4u) << tables;
  }
}

// A Hessian is symmetric, and only a function of x has one: ⟨u, H v⟩ = ⟨v, H u⟩ with the state fixed at every window's
// start.
TEST_F(TextProbe, TheHessianIsSymmetric) {
  for (const std::string& tables : all) {
    const auto objective = make_objective(recipe(tables), 3);
    starts_afresh(*objective);
    const Vec x = objective->initial();
    HessianProduct hessian(*objective, x, {0});
    std::vector<double> of_u(static_cast<size_t>(x.numel())), of_v = of_u;
    Vec u = mean_gradient(*objective, {0}, x), v = mean_gradient(*objective, {1}, x + 0.05 * x);
    u.div_(l2_norm(u)), v.div_(l2_norm(v));
    hessian(u, hessian.step(), of_u);
    hessian(v, hessian.step(), of_v);
    double left = 0, right = 0, size = 0;
    for (size_t j = 0; j < of_u.size(); ++j) {
      const auto k = static_cast<int64_t>(j);
      left += v.data_ptr<float>()[k] * of_u[j];
      right += u.data_ptr<float>()[k] * of_v[j];
      size += of_u[j] * of_u[j];
    }
    EXPECT_GT(std::sqrt(size), 0) << tables;
    // The translator has rectifiers, whose kinks lie within a step of a difference.
    EXPECT_NEAR(left, right, (tables == translation ? 0.03 : 0.01) * std::sqrt(size)) << tables;
  }
}

TEST_F(TextProbe, RunsHaveTheBitsOfThoseWithoutAProbe) {
  for (const std::string& tables : all)
    for (const std::string method : {"name = \"celgc\"\ninterval = 2\n", "name = \"scaffold\"\ninterval = 2\n"}) {
      const Recipe given = recipe(tables, method);
      const auto objective = make_objective(given, 3);
      starts_afresh(*objective);
      SmoothnessProbe smoothness(*objective, {0, 1}, 1, {0, 7});
      RoundsOptions o;
      o.clients = 3;
      o.has_corrections = true;
      o.seed = static_cast<uint64_t>(given.run.integer("seed"));
      o.batches_now = [](double) { return int64_t{1}; };
      o.make_room = [&] { smoothness.release(); };
      o.go_on = [&](int64_t round, const Vec& x) { smoothness.begin(round, x); };
      RoundsProbe rounds(*objective, o);
      ProbedObjective probed(*objective, {}, [&](int64_t round, const Vec& x) {
        rounds.begin(round);
        smoothness.visit(round, x);
      });
      probed.watch([&](const BatchKey& draw, const Vec& y) { rounds.before(draw, y); },
                   [&](const BatchKey& draw, const Vec& y, const BatchLoss& loss) { rounds.after(draw, y, loss); });
      Observer quiet;
      const Vec with = train(given, probed, *single_group(), {}, quiet).x;
      EXPECT_TRUE(at::equal(with, train(given, *single_group(), {}, quiet).x)) << tables << method;
      EXPECT_EQ(smoothness.points().size(), 4u);
      EXPECT_EQ(rounds.measured(), 4) << "all but the first round";
    }
}

// A client's 4 streams have 141 tokens, so that a pass has some 18 steps of 8 positions, and I = 7 does not divide it.
TEST_F(TextProbe, RoundsEndWithPassesAsWithoutAProbe) {
  const Recipe given = recipe(lstm, "name = \"celgc\"\ninterval = 7\naverage_at_pass_end = true\n");
  const auto objective = make_objective(given, 3);
  ProbedObjective probed(*objective, {}, [](int64_t, const Vec&) {});
  Observer quiet;
  const Result with = train(given, probed, *single_group(), {}, quiet);
  const Result without = train(given, *single_group(), {}, quiet);
  EXPECT_EQ(with.iterations, without.iterations);
  EXPECT_LT(with.iterations, 5 * 7) << "no round ended with a pass";
  EXPECT_TRUE(at::equal(with.x, without.x));
}

}  // namespace
}  // namespace tacet
