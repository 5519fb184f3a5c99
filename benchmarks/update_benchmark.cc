// The passes over whole vectors that a step is made of, d = 24 million (an AWD-LSTM), each as a share of the bandwidth that
// the same run measures: time / (bytes it has to move / bandwidth) is the counter `of_bandwidth`, 1 at best. Bandwidth is
// that of y ← y + a x, which reads two vectors and writes one. Threads: the argument.
#include <algorithm>
#include <chrono>
#include <map>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "tacet/algorithm.h"

namespace tacet {
namespace {

constexpr int64_t d = 24'000'000;
constexpr double vector_bytes = 4.0 * d;
using Clock = std::chrono::steady_clock;

// Bytes a second, the best of ten passes.
double bandwidth(int threads) {
  static std::map<int, double> known;
  double& best = known[threads];
  if (best > 0) return best;
  Vec y = at::zeros({d}), x = at::ones({d});
  for (int k = 0; k < 10; ++k) {
    float* py = y.data_ptr<float>();
    const float* px = x.data_ptr<float>();
    const auto start = Clock::now();
    at::parallel_for(0, d, 1 << 18, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) py[i] += 0.5f * px[i];
    });
    best = std::max(best, 3 * vector_bytes / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

struct Vectors {
  Vec y = at::ones({d}), g = at::full({d}, 0.01), m = at::zeros({d}), mine = at::zeros({d}), all = at::zeros({d});
};
Vectors& vectors() {
  static Vectors v;
  return v;
}

// `moved`: how many vectors the pass has to read and write.
void run(benchmark::State& state, double moved, const std::function<void(Vectors&)>& pass) {
  const int threads = static_cast<int>(state.range(0));
  at::set_num_threads(threads);
  const double rate = bandwidth(threads);
  pass(vectors());
  for (auto _ : state) pass(vectors());
  state.SetBytesProcessed(static_cast<int64_t>(static_cast<double>(state.iterations()) * moved * vector_bytes));
  state.counters["axpy_GB/s"] = rate / 1e9;
  state.counters["of_bandwidth"] = benchmark::Counter(static_cast<double>(state.iterations()) * moved * vector_bytes / rate,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
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
