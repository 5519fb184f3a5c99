// The functions themselves and the table that names them. Each has a builder, which binds its keys and then uses them; a
// list of the keys is made by building once with the defaults. Constants are derived in the comments.
#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>

#include "problems/problem.h"
#include "tacet/error.h"
#include "tacet/random.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

using In = std::span<const double>;
using Out = std::span<double>;

// Client i's place among N, spread evenly over [−1, 1] with mean 0; 0 for a single client.
double side(int i, int N) { return N == 1 ? 0 : 2.0 * i / (N - 1) - 1; }

// Bind the keys that several functions have. The dimension comes before the start.
void dimension(OptionList& o, Problem& p) { o.integer("dimension", p.dimension, 10, within(1, 1e6), "d"); }
void start(OptionList& o, Problem& p, double fallback) {
  double coordinate = 0;
  o.number("start", coordinate, fallback, {.min_open = true, .max_open = true}, "every coordinate of x_0");
  p.start.assign(static_cast<size_t>(p.dimension), coordinate);
}

// f(x) = Σ_j p_j(x_j): the Hessian is diagonal.
struct Scalar {
  std::function<double(double x, int64_t j)> value, first, second;
};
Function separable(Scalar p) {
  return {.value =
              [p](In x) {
                double sum = 0;
                for (size_t j = 0; j < x.size(); ++j) sum += p.value(x[j], static_cast<int64_t>(j));
                return sum;
              },
          .gradient =
              [p](In x, Out g) {
                for (size_t j = 0; j < x.size(); ++j) g[j] = p.first(x[j], static_cast<int64_t>(j));
              },
          .hessian =
              [p](In x, Out h) {
                std::fill(h.begin(), h.end(), 0.0);
                for (size_t j = 0; j < x.size(); ++j) h[j * x.size() + j] = p.second(x[j], static_cast<int64_t>(j));
              }};
}

// f_i(x) = ½ Σ_j λ_j (x_j − b_i)², λ from 1 to `condition` in equal ratios, b_i = heterogeneity · side(i).
// ∇² = diag λ: L0 = condition, L1 = 0. ∇f_i − ∇f = −λ b_i: κ = heterogeneity ‖λ‖. The minimum is at the mean of the b_i, 0.
Problem quadratic(OptionList& o, uint64_t, int N) {
  Problem p;
  double condition = 0, spread = 0;
  dimension(o, p);
  o.number("condition", condition, 10, at_least(1), "the largest curvature; the smallest is 1");
  o.number("heterogeneity", spread, 0, at_least(0), "how far the clients' minima lie from their mean");
  start(o, p, 1);
  std::vector<double> lambda;
  double squares = 0;
  for (int64_t j = 0; j < p.dimension; ++j) {
    const double share = p.dimension == 1 ? 1 : static_cast<double>(j) / static_cast<double>(p.dimension - 1);
    lambda.push_back(std::pow(condition, share));
    squares += lambda.back() * lambda.back();
  }
  for (int i = 0; i < N; ++i) {
    const double b = spread * side(i, N);
    p.f.push_back(
        separable({[=](double x, int64_t j) { return 0.5 * lambda[j] * (x - b) * (x - b); },
                   [=](double x, int64_t j) { return lambda[j] * (x - b); }, [=](double, int64_t j) { return lambda[j]; }}));
  }
  p.L0 = condition;
  p.kappa = N == 1 ? 0 : spread * std::sqrt(squares);
  p.minimiser.assign(static_cast<size_t>(p.dimension), 0.0);
  return p;
}

// f_i(x) = Σ_j x_j⁴ + h_i x_j with h_i = heterogeneity · side(i). 12x² ≤ 12 + 12|x|³ ≤ 12 + 3|4x³ + h| + 3|h|, and the
// Hessian's norm is its largest diagonal entry: L0 = 12 + 3 max|h|, L1 = 3. κ = heterogeneity √d.
Problem power4(OptionList& o, uint64_t, int N) {
  Problem p;
  double spread = 0;
  dimension(o, p);
  o.number("heterogeneity", spread, 0, at_least(0), "largest |h_i|");
  start(o, p, 2);
  for (int i = 0; i < N; ++i) {
    const double h = spread * side(i, N);
    p.f.push_back(
        separable({[=](double x, int64_t) { return x * x * x * x + h * x; },
                   [=](double x, int64_t) { return 4 * x * x * x + h; }, [=](double x, int64_t) { return 12 * x * x; }}));
  }
  const double most = N == 1 ? 0 : spread;
  p.L0 = 12 + 3 * most;
  p.L1 = 3;
  p.kappa = most * std::sqrt(static_cast<double>(p.dimension));
  p.minimiser.assign(static_cast<size_t>(p.dimension), 0.0);
  return p;
}

// f_i(x) = Σ_j e^{a x_j} + e^{−a x_j} + h_i x_j. With f' = a(e^{ax} − e^{−ax}) + h, f'' = a²(e^{ax} + e^{−ax}) =
// a √((f' − h)² + 4a²) ≤ a|f'| + a|h| + 2a²: L0 = 2a² + a max|h|, L1 = a. κ = heterogeneity √d.
Problem exponential(OptionList& o, uint64_t, int N) {
  Problem p;
  double a = 0, spread = 0;
  dimension(o, p);
  o.number("rate", a, 1, at_least(0), "a");
  o.number("heterogeneity", spread, 0, at_least(0), "largest |h_i|");
  start(o, p, 4);
  for (int i = 0; i < N; ++i) {
    const double h = spread * side(i, N);
    p.f.push_back(separable({[=](double x, int64_t) { return std::exp(a * x) + std::exp(-a * x) + h * x; },
                             [=](double x, int64_t) { return a * (std::exp(a * x) - std::exp(-a * x)) + h; },
                             [=](double x, int64_t) { return a * a * (std::exp(a * x) + std::exp(-a * x)); }}));
  }
  const double most = N == 1 ? 0 : spread;
  p.L0 = 2 * a * a + a * most;
  p.L1 = a;
  p.kappa = most * std::sqrt(static_cast<double>(p.dimension));
  p.minimiser.assign(static_cast<size_t>(p.dimension), 0.0);
  return p;
}

// f_1 = x²/2 + a_1 x, f_2 = x²/2 + a_2 x with a_1 = −γ − 1, a_2 = γ + 2: from 0, with η = 1 and one local step, local
// clipping goes γ to the right on one client and γ to the left on the other and stays at 0 for ever. The minimum is at
// −(a_1+a_2)/2 = −1/2; κ = (a_2 − a_1)/2 = γ + 3/2.
Problem stuck_pair(OptionList& o, uint64_t, int) {
  Problem p;
  double gamma = 0;
  o.number("threshold", gamma, 2, at_least(1), "γ of the run that gets stuck, > 1");
  start(o, p, 0);
  for (double a : {-gamma - 1, gamma + 2})
    p.f.push_back(separable({[=](double x, int64_t) { return x * x / 2 + a * x; }, [=](double x, int64_t) { return x + a; },
                             [](double, int64_t) { return 1.0; }}));
  p.L0 = 1;
  p.kappa = gamma + 1.5;
  p.minimiser = {-0.5};
  return p;
}

// f_i(x) = x⁴ − 3x³ − H h_i x² + x with h = (−1, 2): two clients of the published synthetic study of EPISODE; larger H, more
// heterogeneity. f' = 4x³ − 9x² − 2Hhx + 1, f'' = 12x² − 18x − 2Hh. With L1 = 6 and |x| = r:
// |f''| − 6|f'| ≤ 12r² + 18r + 2H|h| − 24r³ + 54r² + 12H|h|r + 6, a cubic that falls for r ≥ R; L0 is its largest value,
// which lies where its derivative −72r² + 132r + 18 + 12H|h| is 0.
Problem quartic_pair(OptionList& o, uint64_t, int) {
  Problem p;
  double H = 0;
  o.number("heterogeneity", H, 1, at_least(0), "H");
  start(o, p, 1);
  for (double h : {-1.0, 2.0})
    p.f.push_back(separable({[=](double x, int64_t) { return x * x * x * x - 3 * x * x * x - H * h * x * x + x; },
                             [=](double x, int64_t) { return 4 * x * x * x - 9 * x * x - 2 * H * h * x + 1; },
                             [=](double x, int64_t) { return 12 * x * x - 18 * x - 2 * H * h; }}));
  const double c = 2 * H;  // H max|h|
  const double r = (132 + std::sqrt(132.0 * 132 + 4 * 72 * (18 + 12 * c))) / 144;
  p.L0 = -24 * r * r * r + 66 * r * r + (18 + 12 * c) * r + 2 * c + 6;
  p.L1 = 6;
  return p;
}

// f_i(x) = c_i √(1 + x²), almost linear away from 0, with c_0 = slope + M(N − 1) on one rare client and c_i = slope − M on
// the others: f = slope · √(1 + x²). A round that does not sample client 0 sees the slope's sign turned round; a threshold
// below M(N − 1) also cuts what client 0 has to say. |∇²| ≤ |c_i|: L0 = max|c_i|. |∇(f_i − f)| < |c_i − slope| ≤ M(N − 1).
// With M = 0: the homogeneous instance.
Problem rare_slope(OptionList& o, uint64_t, int N) {
  Problem p;
  double M = 0, slope = 0;
  o.number("heterogeneity", M, 1, at_least(0), "M: the rare client's slope is M(N − 1) above the mean, the others' M below");
  o.number("slope", slope, 0.1, at_least(0), "of the mean of all clients");
  start(o, p, 3);
  for (int i = 0; i < N; ++i) {
    const double c = i == 0 ? slope + M * (N - 1) : slope - M;
    p.f.push_back(separable({[=](double x, int64_t) { return c * std::sqrt(1 + x * x); },
                             [=](double x, int64_t) { return c * x / std::sqrt(1 + x * x); },
                             [=](double x, int64_t) { return c / std::pow(1 + x * x, 1.5); }}));
    p.L0 = std::max(p.L0, std::abs(c));
  }
  p.kappa = M * (N == 1 ? 0 : std::max(N - 1, 1));
  p.minimiser = {0};
  return p;
}

// f_i(x) = (1/n) Σ_k log(1 + e^{−b_k a_k·x}) + (λ/2)‖x‖² over n points of the client's own: a_k normal around
// heterogeneity · side(i), b_k = ±1 by a planted separator, one in ten turned round.
// ∇² = (1/n) Σ s(1−s) a aᵀ + λ ≼ (1/4n) Σ‖a‖² + λ: L0. ‖∇f_i − λx‖ ≤ (1/n) Σ‖a‖, so κ ≤ 2 max_i of that.
Problem logistic(OptionList& o, uint64_t seed, int N) {
  Problem p;
  int64_t n = 0;
  double spread = 0, lambda = 0;
  dimension(o, p);
  o.integer("points", n, 100, within(1, 1e6), "points of each client");
  o.number("heterogeneity", spread, 0, at_least(0), "how far the clients' points lie from their mean");
  o.number("ridge", lambda, 0.01, at_least(0), "λ");
  start(o, p, 0);
  const int64_t d = p.dimension;
  double longest = 0;
  for (int i = 0; i < N; ++i) {
    Stream s(seed, i, Purpose::partition, 0, 0);
    auto a = std::make_shared<std::vector<double>>();  // [n, d], each row b_k a_k
    double squares = 0, lengths = 0;
    for (int64_t k = 0; k < n; ++k) {
      std::vector<double> row;
      double planted = 0, square = 0;
      for (int64_t j = 0; j < d; ++j) {
        row.push_back(s.normal() + spread * side(i, N));
        planted += (j % 2 == 0 ? 1 : -1) * row.back();
        square += row.back() * row.back();
      }
      const double label = (planted >= 0) == (s.uniform() >= 0.1) ? 1 : -1;
      for (double v : row) a->push_back(label * v);
      squares += square;
      lengths += std::sqrt(square);
    }
    const auto margin = [a, d](In x, int64_t k) {
      double dot = 0;
      for (int64_t j = 0; j < d; ++j) dot += (*a)[k * d + j] * x[j];
      return dot;
    };
    p.f.push_back({.value =
                       [=](In x) {
                         double sum = 0, square = 0;
                         for (int64_t k = 0; k < n; ++k) {
                           const double m = margin(x, k);
                           sum += std::log1p(std::exp(-std::abs(m))) + std::max(-m, 0.0);
                         }
                         for (double v : x) square += v * v;
                         return sum / static_cast<double>(n) + lambda / 2 * square;
                       },
                   .gradient =
                       [=](In x, Out g) {
                         for (int64_t j = 0; j < d; ++j) g[j] = lambda * x[j];
                         for (int64_t k = 0; k < n; ++k) {
                           const double s1 = -1 / (1 + std::exp(margin(x, k))) / static_cast<double>(n);
                           for (int64_t j = 0; j < d; ++j) g[j] += s1 * (*a)[k * d + j];
                         }
                       },
                   .hessian =
                       [=](In x, Out h) {
                         std::fill(h.begin(), h.end(), 0.0);
                         for (int64_t j = 0; j < d; ++j) h[j * d + j] = lambda;
                         for (int64_t k = 0; k < n; ++k) {
                           const double e = 1 / (1 + std::exp(margin(x, k)));
                           const double w = e * (1 - e) / static_cast<double>(n);
                           for (int64_t j = 0; j < d; ++j)
                             for (int64_t l = 0; l < d; ++l) h[j * d + l] += w * (*a)[k * d + j] * (*a)[k * d + l];
                         }
                       }});
    p.L0 = std::max(p.L0, squares / static_cast<double>(4 * n) + lambda);
    longest = std::max(longest, lengths / static_cast<double>(n));
  }
  p.kappa = N == 1 ? 0 : 2 * longest;
  return p;
}

struct Row {
  std::string name, paper, summary;
  Problem (*build)(OptionList& options, uint64_t seed, int clients);
  int clients = 0;  // the N it asks for; 0: any
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"quadratic", "textbook", "Parabolas ½ Σ λ_j (x_j − b_i)², clients with different minima.", quadratic},
      {"power4", "Zhang et al., ICLR 2020: (L0, L1)-smooth, not L-smooth", "Fourth powers: Σ x_j⁴ + h_i x_j.", power4},
      {"exponential", "Zhang et al., ICLR 2020: (L0, L1)-smooth, not L-smooth",
       "Exponentials: Σ e^{a x_j} + e^{−a x_j} + h_i x_j.", exponential},
      {"stuck-pair", "Liu, talk on EPISODE: two parabolas", "Two parabolas between which local clipping gets stuck at 0.",
       stuck_pair, 2},
      {"quartic-pair", "synthetic study of EPISODE (Crawshaw, Bao, Liu, ICLR 2023)",
       "Two clients x⁴ − 3x³ − H h_i x² + x for h = −1 and 2.", quartic_pair, 2},
      {"rare-slope", "lower bounds for clipped minibatch SGD (Crawshaw, Bao, Liu, NeurIPS 2023)",
       "Slopes c_i √(1 + x²): one rare client holds what turns the slope round.", rare_slope},
      {"synthetic-logistic", "textbook", "Ridge logistic regression on points drawn from the seed.", logistic},
  };
  return table;
}

}  // namespace

const std::vector<ModelInfo>& functions() {
  static const std::vector<ModelInfo> entries = [] {
    std::vector<ModelInfo> list;
    for (const Row& row : rows()) {
      OptionList options;
      row.build(options, 1, 1);
      list.push_back({row.name, row.paper, row.summary, "function", options.all()});
    }
    return list;
  }();
  return entries;
}

Problem make_problem(const Values& model, uint64_t seed, int clients) {
  for (const Row& row : rows())
    if (row.name == model.text("name")) {
      if (row.clients != 0 && clients != row.clients)
        throw UserError("clients.count must be " + std::to_string(row.clients) + " for " + row.name + ", got " +
                        std::to_string(clients));
      OptionList options(model);
      return row.build(options, seed, clients);
    }
  throw std::logic_error("no function " + model.text("name"));
}

double value(const Problem& problem, std::span<const double> x) {
  double sum = 0;
  for (const Function& f : problem.f) sum += f.value(x);
  return sum / static_cast<double>(problem.f.size());
}

std::vector<double> gradient(const Problem& problem, std::span<const double> x) {
  std::vector<double> sum(x.size()), g(x.size());
  for (const Function& f : problem.f) {
    f.gradient(x, g);
    for (size_t j = 0; j < g.size(); ++j) sum[j] += g[j];
  }
  for (double& v : sum) v /= static_cast<double>(problem.f.size());
  return sum;
}

}  // namespace tacet
