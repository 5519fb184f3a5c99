// Kernels of src/kernels with the numbers of floating-point operations they do in a second, as GF/s and as a share of the
// peak that this same program measures first by multiply-adds on registers alone, on as many threads. Arguments are Google
// Benchmark's; `--threads N` before them (default 1).
#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <omp.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "kernels/convolution/convolution.h"
#include "kernels/product/linear.h"
#include "kernels/product/product.h"
#include "kernels/recurrent/lstm.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/recurrent/weight_drop.h"
#include "peak.h"

namespace tacet {
namespace {

struct Peak {
  double f32 = 0, bf16 = 0;  // GF/s of all threads; 0 where peak.h has no loop for the processor
};
Peak reached;

void report(benchmark::State& state, Precision precision, double flops) {
  state.counters["GF/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  const double limit = precision == Precision::bf16 ? reached.bf16 : reached.f32;
  if (limit > 0)
    state.counters["% of peak"] =
        benchmark::Counter(100 * flops / (1e9 * limit), benchmark::Counter::kIsIterationInvariantRate);
}

// Forward and backward of one LSTM layer over 70 steps, with the gradient of its input. Six operations a weight, row and
// step: a multiplication and an addition in each of three products.
void lstm(benchmark::State& state, int64_t in, int64_t width, Precision precision) {
  const int64_t steps = 70, batch = state.range(0);
  const auto parameter = [](at::IntArrayRef shape) { return (torch::randn(shape) * 0.03).requires_grad_(true); };
  const auto x = parameter({steps, batch, in}), w_ih = parameter({4 * width, in}), w_hh = parameter({4 * width, width}),
             b_ih = parameter({4 * width}), b_hh = parameter({4 * width});
  const auto zero = torch::zeros({batch, width}), ones = torch::ones({steps, batch, width});
  for (auto _ : state) {
    const LstmOutput out = lstm_layer(x, zero, zero, w_ih, w_hh, b_ih, b_hh, precision);
    benchmark::DoNotOptimize(torch::autograd::grad({out.output}, {x, w_ih, w_hh, b_ih, b_hh}, {ones}));
  }
  report(state, precision, 6. * static_cast<double>(steps * batch * 4 * width * (in + width)));
}

// The decoder and cross-entropy of a language model, 400 wide, 10,000 words, with all gradients.
void decoder(benchmark::State& state, Precision precision) {
  const int64_t rows = 70 * state.range(0), width = 400, words = 10000;
  const auto x = torch::randn({rows, width}).requires_grad_(true),
             w = (torch::randn({words, width}) * 0.03).requires_grad_(true), b = torch::zeros({words}).requires_grad_(true);
  const auto target = torch::arange(rows).remainder(words);
  for (auto _ : state)
    benchmark::DoNotOptimize(torch::autograd::grad({linear_cross_entropy(x, w, b, target, precision)}, {x, w, b}));
  report(state, precision, 6. * static_cast<double>(rows * width * words));
}

// [rows, 1150] · [1150, 4600] with the right factor packed before.
void shared_product(benchmark::State& state, Precision precision) {
  const int64_t rows = state.range(0), k = 1150, n = 4600;
  const auto a = torch::randn({rows, k}), w = torch::randn({n, k}), y = torch::zeros({rows, n});
  const SharedFactor b(w.t(), rows, precision);
  for (auto _ : state) b.multiply(a.data_ptr<float>(), rows, y.data_ptr<float>(), /*add=*/false);
  report(state, precision, 2. * static_cast<double>(rows * k * n));
}

// The encoder of a text classifier: vanilla cells, 300 → 2048, 64 texts of 25 words.
void text_encoder(benchmark::State& state, Precision precision) {
  const int64_t steps = 25, batch = 64, in = 300, width = 2048;
  const auto parameter = [](at::IntArrayRef shape) { return (torch::randn(shape) * 0.02).requires_grad_(true); };
  const Packed x{torch::randn({steps * batch, in}), torch::full({steps}, batch, torch::kLong)};
  const RecurrentWeights w{parameter({width, in}), parameter({width, width}), parameter({width}), parameter({width})};
  const auto ones = torch::ones({steps * batch, width});
  for (auto _ : state) {
    const RecurrentOutput out = recurrent_layer(Cell::rnn, x, w, nullptr, precision);
    benchmark::DoNotOptimize(torch::autograd::grad({out.data}, {w.w_ih, w.w_hh, w.b_ih, w.b_hh}, {ones}));
  }
  report(state, precision, static_cast<double>(steps * batch * width) * (6. * width + 4. * in));
}

// [rows, 1150] · [1150, 4600], half of whose weights are dropped: the recurrent step of AWD-LSTM. Operations with zeros
// count.
void dropped_product(benchmark::State& state) {
  const int64_t rows = state.range(0), k = 1150, n = 4600;
  const auto a = torch::randn({rows, k}), y = torch::zeros({rows, n});
  const auto w = weight_drop(torch::randn({n, k}), 0.5, Stream(1, 0, Purpose::weight_drop, 0, 0));
  const SharedFactor b(w.t(), rows, Precision::f32);
  for (auto _ : state) b.multiply(a.data_ptr<float>(), rows, y.data_ptr<float>(), /*add=*/false);
  report(state, Precision::f32, 2. * static_cast<double>(rows * k * n));
}

// The 3 × 3 convolutions of a residual network for 32 × 32 images, 64 of them, and libtorch's beside them. Argument: the
// maps; 16 go with a side of 32, 32 with 16, 64 with 8.
enum class Pass { forward, backward_input, backward_weights };

void convolution(benchmark::State& state, Pass pass, bool own) {
  const int64_t maps = state.range(0), side = 512 / maps, images = 64;
  const auto last = torch::MemoryFormat::ChannelsLast;
  const auto x = torch::randn({images, maps, side, side}).contiguous(last), y = torch::randn_like(x);
  const auto w = torch::randn({maps, maps, 3, 3}), result = torch::empty_like(x), dw = torch::empty_like(w);
  const std::vector<int64_t> one = {1, 1};
  const Convolution shape{1, 1};
  for (auto _ : state) {
    if (own && pass == Pass::forward)
      shape.forward(x, w, result);
    else if (own && pass == Pass::backward_input)
      shape.backward_input(y, w, result);
    else if (own)
      shape.backward_weights(x, y, dw);
    else if (pass == Pass::forward)
      benchmark::DoNotOptimize(torch::conv2d(x, w, {}, 1, 1));
    else
      benchmark::DoNotOptimize(
          at::convolution_backward(y, x, w, at::OptionalIntArrayRef(), one, one, one, false, {0, 0}, 1,
                                   {pass == Pass::backward_input, pass == Pass::backward_weights, false}));
  }
  report(state, Precision::f32, 2. * 9 * static_cast<double>(images * side * side * maps * maps));
}

void add_f32(const std::string& name, std::vector<int64_t> arguments, const std::function<void(benchmark::State&)>& run) {
  auto* b = benchmark::RegisterBenchmark(name.c_str(), run);
  b->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int64_t argument : arguments) b->Arg(argument);
}

void add(const std::string& name, std::vector<int64_t> arguments, void (*run)(benchmark::State&, Precision)) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (precision == Precision::bf16 && !bf16_products()) continue;
    auto* b = benchmark::RegisterBenchmark((name + (precision == Precision::bf16 ? "/bf16" : "/f32")).c_str(),
                                           [run, precision](benchmark::State& state) { run(state, precision); });
    b->Unit(benchmark::kMillisecond)->UseRealTime();
    for (const int64_t argument : arguments) b->Arg(argument);
  }
}

int run(int argc, char** argv) {
  int threads = 1;
  if (argc > 2 && std::strcmp(argv[1], "--threads") == 0) {
    threads = std::atoi(argv[2]);
    argv[2] = argv[0];
    argv += 2;
    argc -= 2;
  }
  at::set_num_threads(threads);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  reached = {peak::f32_gflops(threads), peak::bf16_gflops(threads)};
  std::cout << threads << " threads; peak " << reached.f32 << " GF/s f32, " << reached.bf16 << " GF/s bf16; path "
            << recurrent_path() << "\n";
  const std::vector<int64_t> batches = {3, 20, 80};
  add("lstm 400 1150", batches, [](benchmark::State& s, Precision p) { lstm(s, 400, 1150, p); });
  add("lstm 1150 1150", batches, [](benchmark::State& s, Precision p) { lstm(s, 1150, 1150, p); });
  add("decoder 400 10000", batches, decoder);
  add("shared product", {1, 3, 6, 12, 20, 24, 32, 80}, shared_product);
  add("text encoder", {}, text_encoder);
  add_f32("shared product, half dropped", {1, 3, 6, 12, 20}, dropped_product);
  const std::pair<Pass, std::string> passes[] = {{Pass::forward, "convolution"},
                                                 {Pass::backward_input, "convolution, gradient of the images"},
                                                 {Pass::backward_weights, "convolution, gradient of the weights"}};
  for (const auto& [pass, name] : passes)
    for (const bool own : {true, false})
      add_f32(name + (own ? "" : ", libtorch"), {16, 32, 64},
              [pass = pass, own](benchmark::State& s) { convolution(s, pass, own); });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace tacet

int main(int argc, char** argv) { return tacet::run(argc, argv); }
