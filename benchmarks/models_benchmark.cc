// A training step of image networks in f32 and in bf16, as the table of docs/reference/performance.md: forward and backward
// pass of one batch of random images, without an optimiser. Both take steps in turn; medians over SECONDS of each pair. No
// peer: benchmarks/compare.sh has one. Usage: models_benchmark [THREADS [SECONDS]], by default 1 and 3.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include "kernels/product/product.h"
#include "peak.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"
#include "train/process.h"

namespace tacet {
namespace {

using Clock = std::chrono::steady_clock;

struct Case {
  const char* name;
  ImageShape sizes;
  int64_t batch;
};

constexpr ImageShape mnist{1, 28, 28, 10}, cifar{3, 32, 32, 10}, larger{3, 64, 64, 200};
constexpr Case cases[] = {{"mlp", mnist, 10},       {"mnist-cnn", mnist, 10}, {"mnist-cnn", mnist, 64},
                          {"cifar-cnn", cifar, 10}, {"cifar-cnn", cifar, 64}, {"resnet-20", cifar, 64},
                          {"resnet-9", cifar, 16},  {"resnet-18", cifar, 16}, {"resnet-50", larger, 16}};

std::shared_ptr<ImageModel> network(const Case& c, Precision precision) {
  Values keys;
  keys.set("name", std::string(c.name));
  for (const Option& o : find_model(c.name).options)
    if (o.fallback) keys.set(o.name, *o.fallback);
  auto model = make_image_model(keys, c.sizes, Stream(1, Stream::everyone, Purpose::initial_weights, 0, 0), precision);
  model->train();
  return model;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

// Milliseconds of a step, by precision.
std::vector<double> steps(const Case& c, const std::vector<Precision>& precisions, double seconds) {
  const auto x = torch::randn({c.batch, c.sizes.channels, c.sizes.height, c.sizes.width});
  const auto labels = torch::arange(c.batch).remainder(c.sizes.classes);
  const Stream masks(1, 0, Purpose::output_dropout, 0, 0);
  std::vector<std::shared_ptr<ImageModel>> models;
  for (const Precision p : precisions) models.push_back(network(c, p));
  std::vector<std::vector<double>> taken(precisions.size());
  const auto begin = Clock::now();
  for (int step = 0; step < 5 || std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++step)
    for (size_t k = 0; k < models.size(); ++k) {
      const auto start = Clock::now();
      for (auto& parameter : models[k]->parameters())
        if (parameter.grad().defined()) parameter.mutable_grad().zero_();
      torch::cross_entropy_loss(models[k]->forward(x, &masks), labels).backward();
      if (step >= 2) taken[k].push_back(1e3 * std::chrono::duration<double>(Clock::now() - start).count());
    }
  std::vector<double> medians;
  for (auto& of_one : taken) medians.push_back(median(std::move(of_one)));
  return medians;
}

int run(int threads, double seconds) {
  share_one_heap();
  keep_large_blocks();
  set_threads(threads);
  std::vector<Precision> precisions = {Precision::f32};
  if (bf16_products()) precisions.push_back(Precision::bf16);
  fmt::print(
      "{} thread{}: peak {:.0f} GF/s f32, {:.0f} bf16\n\n"
      "| network | batch | f32 | bf16 | f32 / bf16 |\n|---|---|---|---|---|\n",
      threads, threads == 1 ? "" : "s", peak::f32_gflops(threads), peak::bf16_gflops(threads));
  for (const Case& c : cases) {
    const std::vector<double> ms = steps(c, precisions, seconds);
    const std::string name = fmt::format("| {}, {} × {} | {} ", c.name, c.sizes.height, c.sizes.width, c.batch);
    if (ms.size() == 1)
      fmt::print("{}| {:.3g} ms | – | – |\n", name, ms[0]);
    else
      fmt::print("{}| {:.3g} ms | {:.3g} ms | {:.2f} |\n", name, ms[0], ms[1], ms[0] / ms[1]);
    std::cout.flush();
  }
  return 0;
}

}  // namespace
}  // namespace tacet

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  if (argc > 3 || threads < 1 || seconds <= 0) {
    std::cerr << "usage: models_benchmark [THREADS [SECONDS]]: numbers above 0\n";
    return 2;
  }
  return tacet::run(threads, seconds);
}
