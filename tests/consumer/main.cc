// Trains an objective of its own with a method of tacet's, through public headers only: two clients that disagree about one
// number.
#include <cmath>
#include <cstdio>

#include <ATen/ATen.h>
#include <tacet/group.h>
#include <tacet/registry.h>
#include <tacet/train.h>

// f_i(x) = ½ (x − b_i)², b = (1, 3): the mean has its minimum at 2.
struct Disagreement : tacet::Objective {
  std::vector<tacet::Layer> all = {{"x", 0, 1, {1}}};
  tacet::Vec x = at::zeros({1}), g = at::zeros({1}), none = at::zeros({0});
  const std::vector<tacet::Layer>& layers() const override { return all; }
  tacet::Vec initial() override { return at::zeros({1}); }
  tacet::Vec workspace() override { return x; }
  tacet::Vec buffers() override { return none; }
  tacet::Vec gradient_buffer() override { return g; }
  int64_t training_samples() const override { return 2; }
  tacet::BatchLoss gradient(const tacet::BatchKey& draw, const tacet::Vec& y) override {
    const double off = y.item<double>() - (draw.client == 0 ? 1 : 3);
    g.fill_(off);
    return {off * off / 2, 1};
  }
};

int main() {
  tacet::add_objective({.name = "disagreement", .summary = "two clients and one number"});
  const tacet::Recipe recipe = tacet::parse_recipe(R"(
    [objective]
    name = "disagreement"
    [algorithm]
    name = "celgc"
    eta = 0.2
    gamma = 5
    interval = 2
    [clients]
    count = 2
    [schedule]
    rounds = 50
  )",
                                                   "main.cc");
  Disagreement objective;
  tacet::Observer quiet;
  const auto group = tacet::single_group();
  const tacet::Result result = tacet::train(recipe, objective, *group, {}, quiet);
  std::printf("tacet %s: x = %.6f after %lld communications\n", tacet::version().c_str(), result.x.item<double>(),
              static_cast<long long>(result.communications));
  return std::abs(result.x.item<double>() - 2) < 1e-5 && result.communications == 50 ? 0 : 1;
}
