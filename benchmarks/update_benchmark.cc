// The passes over whole vectors that a step is made of, d = 24 million (an AWD-LSTM), each as a share of the bandwidth that
// the same run measures: time / (bytes it has to move / bandwidth) is the counter `of_bandwidth`, 1 at best. Bandwidth is
// that of y ← y + a x, which reads two vectors and writes one. Threads: the argument.
#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "tacet/algorithm.h"

namespace tacet {
namespace {

constexpr int64_t d = 24'000'000;
constexpr double vector_bytes = 4.0 * d;
using Clock = std::chrono::steady_clock;

void axpy(const Vec& y, const Vec& x) {
  float* py = y.data_ptr<float>();
  const float* px = x.data_ptr<float>();
  at::parallel_for(0, d, 1 << 18, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) py[i] += 1e-6f * px[i];
  });
}

struct Vectors {
  Vec y = at::ones({d}), g = at::full({d}, 0.01), m = at::zeros({d}), mine = at::zeros({d}), all = at::zeros({d});
};
Vectors& vectors() {
  static Vectors v;
  return v;
}

// `moved`: how many vectors the pass has to read and write. Before the pass is timed as usual, it and the measure of
// bandwidth take turns, and the ratio is that of their medians.
void run(benchmark::State& state, double moved, const std::function<void(Vectors&)>& pass) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  Vectors& v = vectors();
  const auto seconds = [](const auto& work) {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  std::vector<double> ours, floor;
  for (int k = 0; k < 21; ++k) {
    floor.push_back(seconds([&] { axpy(v.y, v.g); }) / 3 * moved);
    ours.push_back(seconds([&] { pass(v); }));
  }
  const auto median = [](std::vector<double>& t) {
    std::nth_element(t.begin(), t.begin() + 10, t.end());
    return t[10];
  };
  for (auto _ : state) pass(v);
  const double bytes = moved * vector_bytes;
  state.SetBytesProcessed(static_cast<int64_t>(static_cast<double>(state.iterations()) * bytes));
  state.counters["axpy_GB/s"] = bytes / median(floor) / 1e9;
  state.counters["of_bandwidth"] = median(ours) / median(floor);
}

void norm(benchmark::State& state) {
  run(state, 1, [](Vectors& v) { benchmark::DoNotOptimize(l2_norm(v.g)); });
}
void step(benchmark::State& state) {
  run(state, 3, [](Vectors& v) { descend(v.y, v.g, 1e-6, {0, 1e-6}, nullptr); });
}
void momentum_step(benchmark::State& state) {
  run(state, 5, [](Vectors& v) { descend(v.y, v.g, 1e-6, {0.9, 1e-6}, &v.m); });
}
void clipped_step(benchmark::State& state) {
  run(state, 4, [](Vectors& v) {
    const double length = l2_norm(v.g);
    descend(v.y, v.g, std::min(1e-6, 1e-6 / length), {0, 1e-6}, nullptr);
  });
}
void corrected_step(benchmark::State& state) {
  run(state, 7, [](Vectors& v) {
    const double length = correct(v.g, v.mine, v.all);
    descend(v.y, v.g, std::min(1e-6, 1e-6 / length), {}, nullptr);
  });
}

BENCHMARK(norm)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(step)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(momentum_step)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(clipped_step)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(corrected_step)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tacet
