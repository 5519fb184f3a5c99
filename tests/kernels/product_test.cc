// Matrix products, affine maps and a vocabulary's cross-entropy beside libtorch's in double precision, for every order of
// the factors; factors with dropped weights beside those that hold the zeros.
#include "kernels/product/product.h"

#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "kernels/product/linear.h"
#include "kernels/product/panels.h"
#include "kernels/recurrent/weight_drop.h"
#include "reference.h"

namespace tacet {
namespace {

using test::expect_close;
using test::tolerance;

// A matrix with contiguous rows or columns, at times a part of a wider one.
at::Tensor any_matrix(int64_t rows, int64_t columns) {
  const int64_t beyond = *rc::gen::inRange<int64_t>(0, 3);
  if (*rc::gen::arbitrary<bool>()) return torch::randn({rows, columns + beyond}).narrow(1, 0, columns);
  return torch::randn({columns, rows + beyond}).narrow(1, 0, rows).t();
}

// Returns the shapes and strides of a product, for messages.
std::string shapes_of(const at::Tensor& a, const at::Tensor& b, bool add) {
  std::ostringstream text;
  text << a.sizes() << " strides " << a.strides() << " by " << b.sizes() << " strides " << b.strides()
       << (add ? " added" : "");
  return text.str();
}

RC_GTEST_PROP(Product, IsLibtorchsForAllShapesAndOrders, ()) {
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  const auto size = [] { return *rc::gen::inRange<int64_t>(1, 150); };
  const int64_t m = size(), k = size(), n = size();
  const at::Tensor a = any_matrix(m, k), b = any_matrix(k, n), y = torch::randn({m, n});
  const bool add = *rc::gen::arbitrary<bool>(), round = bf16_products() && *rc::gen::arbitrary<bool>();
  const auto factor = [&](const at::Tensor& t) { return (round ? t.to(at::kBFloat16) : t).to(at::kDouble); };
  const at::Tensor wanted = factor(a).mm(factor(b)) + (add ? y.to(at::kDouble) : torch::zeros({m, n}, at::kDouble));
  const Precision precision = round ? Precision::bf16 : Precision::f32;
  const std::string shapes = shapes_of(a, b, add) + (round ? " in bf16" : "");
  const at::Tensor out = y.clone();
  product(a, b, out, add, precision);
  expect_close(out, wanted, tolerance(k + 1), "product " + shapes);
  const at::Tensor shared = y.clone();
  SharedFactor(b, m + *rc::gen::inRange<int64_t>(0, 5), precision)
      .multiply(a.contiguous().data_ptr<float>(), m, shared.data_ptr<float>(), add);
  expect_close(shared, wanted, tolerance(k + 1), "shared factor " + shapes);
  RC_ASSERT(!testing::Test::HasFailure());
}

// Vectors whose numbers lie apart: with a single row or column a library may read an order's two distances either way.
// oneDNN 3.7 takes the numbers of a single row for neighbours.
TEST(Product, OfVectorsSpreadInMemoryIsLibtorchs) {
  torch::manual_seed(1);
  const auto spread = [](int64_t rows, int64_t columns, int64_t beyond, bool by_rows) {
    return by_rows ? torch::randn({rows, columns + beyond}).narrow(1, 0, columns)
                   : torch::randn({columns, rows + beyond}).narrow(1, 0, rows).t();
  };
  for (const int64_t m : {1, 2, 65})
    for (const int64_t k : {1, 2, 77})
      for (const int64_t n : {1, 2, 132}) {
        if (m > 1 && k > 1 && n > 1) continue;
        for (int orders = 0; orders < 72; ++orders) {
          const bool add = orders % 2, a_rows = orders / 2 % 2, b_rows = orders / 4 % 2;
          const at::Tensor a = spread(m, k, orders / 8 % 3, a_rows), b = spread(k, n, orders / 24, b_rows),
                           y = torch::randn({m, n});
          for (const Precision precision : {Precision::f32, Precision::bf16}) {
            if (precision == Precision::bf16 && !bf16_products()) continue;
            const auto factor = [&](const at::Tensor& t) {
              return (precision == Precision::bf16 ? t.to(at::kBFloat16) : t).to(at::kDouble);
            };
            const at::Tensor wanted = factor(a).mm(factor(b)) + y.to(at::kDouble) * (add ? 1 : 0);
            const at::Tensor out = y.clone();
            product(a, b, out, add, precision);
            expect_close(out, wanted, tolerance(k + 1), shapes_of(a, b, add));
          }
        }
      }
}

// Dropped weights leave a factor whose panels hold no zeros: the same bits as with them, in either direction. A fifth kept
// is compact, nine tenths are not; single columns and lines that are all zero are met on the way.
RC_GTEST_PROP(Panels, WithoutZerosGiveTheSameBits, ()) {
  if (!has_panels(false)) RC_SUCCEED("needs AVX-512");
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  const int64_t rows = *rc::gen::inRange<int64_t>(1, rows_at_once + 1), k = *rc::gen::inRange<int64_t>(1, 90),
                n = *rc::gen::inRange<int64_t>(1, 200);
  const double dropped = *rc::gen::element(0.1, 0.5, 0.8);
  const at::Tensor a = torch::randn({rows, k}), b = any_matrix(k, n) * (torch::rand({k, n}) > dropped);
  const Strided from{b.data_ptr<float>(), b.stride(0), b.stride(1)};
  const bool add = *rc::gen::arbitrary<bool>(), last_first = *rc::gen::arbitrary<bool>();
  const auto run = [&](uint64_t* kept) {
    std::vector<float> panels(static_cast<size_t>(panel_floats(k, n)), std::numeric_limits<float>::quiet_NaN());
    const bool compact = pack_panels(from, k, n, panels.data(), kept);
    if (k * n > 2000) RC_ASSERT(compact == (kept && dropped > 0.3));
    const at::Tensor y = torch::ones({rows, n});
    multiply_panels(a.data_ptr<float>(), rows, {panels.data(), k, n, false, compact ? kept : nullptr}, y.data_ptr<float>(),
                    add, last_first);
    return y;
  };
  std::vector<uint64_t> kept(static_cast<size_t>(panel_lines(k, n)));
  const at::Tensor whole = run(nullptr);
  RC_ASSERT(torch::equal(run(kept.data()), whole));
  expect_close(whole, a.to(at::kDouble).mm(b.to(at::kDouble)) + (add ? 1 : 0), tolerance(k + 1), "panels");
  RC_ASSERT(!testing::Test::HasFailure());
}

RC_GTEST_PROP(WeightDrop, IsItsTwinBitForBitWithItsGradient, ()) {
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  const double p = *rc::gen::element(0.1, 0.5, 0.9);
  const at::Tensor w =
      torch::randn({*rc::gen::inRange<int64_t>(1, 90), *rc::gen::inRange<int64_t>(1, 120)}).requires_grad_(true);
  const Stream draw = Stream(*rc::gen::inRange<uint64_t>(0, 1000), 1, Purpose::weight_drop, 2, 3).part(4);
  const at::Tensor own = weight_drop(w, p, draw), twin = weight_drop_naive(w, p, draw), d = torch::randn_like(w);
  RC_ASSERT(torch::equal(own, twin));
  RC_ASSERT(torch::equal(torch::autograd::grad({own}, {w}, {d})[0], torch::autograd::grad({twin}, {w}, {d})[0]));
}

// Values and all gradients of f(leaves…) in single precision beside those of `witness` in double.
template <class Own, class Witness>
void expect_same(const std::vector<at::Tensor>& values, double relative, Own own, Witness witness) {
  const auto run = [&](at::ScalarType type, auto f) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& t : values) leaves.push_back(t.to(type).clone().requires_grad_(true));
    const at::Tensor out = f(leaves);
    torch::manual_seed(3);
    std::vector<at::Tensor> all = torch::autograd::grad({(out * torch::randn(out.sizes()).to(type)).sum()}, leaves);
    all.push_back(out.detach());
    return all;
  };
  const auto a = run(at::kFloat, own), b = run(at::kDouble, witness);
  for (size_t k = 0; k < a.size(); ++k) expect_close(a[k], b[k], relative, std::to_string(k));
}

RC_GTEST_PROP(Linear, IsLibtorchsWithAllGradients, ()) {
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  const auto size = [] { return *rc::gen::inRange<int64_t>(1, 40); };
  const int64_t a = size(), b = size(), in = size(), out = size();
  const bool biased = *rc::gen::arbitrary<bool>();
  std::vector<at::Tensor> values = {torch::randn({a, b, in}), torch::randn({out, in})};
  if (biased) values.push_back(torch::randn({out}));
  expect_same(
      values, tolerance(a * b + in + out), [&](const auto& v) { return linear(v[0], v[1], biased ? v[2] : at::Tensor()); },
      [&](const auto& v) { return torch::linear(v[0], v[1], biased ? v[2] : at::Tensor()); });
  RC_ASSERT(!testing::Test::HasFailure());
}

// One row's distance to the next is nobody's, and yet once was taken for the bias' (a row of zero strides).
TEST(Linear, AddsTheBiasToASingleRow) {
  torch::manual_seed(1);
  expect_same(
      {torch::randn({1, 200}), torch::randn({300, 200}), torch::randn({300})}, tolerance(500),
      [](const auto& v) { return linear(v[0], v[1], v[2]); }, [](const auto& v) { return torch::linear(v[0], v[1], v[2]); });
}

// 800 rows are more than are held at once.
RC_GTEST_PROP(LinearCrossEntropy, IsLibtorchsWithAllGradients, ()) {
  torch::manual_seed(*rc::gen::inRange<uint64_t>(0, 1000));
  const int64_t rows = *rc::gen::inRange<int64_t>(1, 800), width = *rc::gen::inRange<int64_t>(1, 20),
                words = *rc::gen::inRange<int64_t>(1, 150);
  const bool biased = *rc::gen::arbitrary<bool>();
  std::vector<at::Tensor> values = {3 * torch::randn({rows, width}), torch::randn({words, width})};
  if (biased) values.push_back(torch::randn({words}));
  const at::Tensor target = torch::randint(words, {rows}, torch::kLong);
  expect_same(
      values, tolerance(width + words),
      [&](const auto& v) { return linear_cross_entropy(v[0], v[1], biased ? v[2] : at::Tensor(), target); },
      [&](const auto& v) { return linear_cross_entropy_libtorch(v[0], v[1], biased ? v[2] : at::Tensor(), target); });
  RC_ASSERT(!testing::Test::HasFailure());
}

// A loss without gradients, and one whose gradient is not 1.
TEST(LinearCrossEntropy, IsScaledByWhatFollows) {
  const auto x = torch::randn({5, 3}).requires_grad_(true), w = torch::randn({7, 3}), target = torch::arange(5);
  const at::Tensor loss = linear_cross_entropy(x, w, {}, target);
  const at::Tensor once = torch::autograd::grad({loss}, {x}, {}, /*retain_graph=*/true)[0];
  expect_close(torch::autograd::grad({3 * loss}, {x})[0], 3 * once, 1e-6, "three times");
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(linear_cross_entropy(x, w, {}, target).item<float>(), loss.item<float>());
}

}  // namespace
}  // namespace tacet
