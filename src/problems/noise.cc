// See noise.h.
#include "problems/noise.h"

#include <cmath>

#include "tacet/registry.h"

namespace tacet {
namespace {

double student(int64_t freedom, Stream& s) {
  double squares = 0;
  for (int64_t k = 0; k < freedom; ++k) {
    const double z = s.normal();
    squares += z * z;
  }
  return s.normal() / std::sqrt(squares / static_cast<double>(freedom));
}

// Returns 0.7, −3.3 or 1.7 with probabilities 0.2, 0.3 and 0.5: 2, −2 and 3, less their mean 1.3.
double three_point(double u) { return (u < 0.2 ? 2 : u < 0.5 ? -2 : 3) - 1.3; }

double once(const Noise& n, Stream& s) {
  if (n.kind == "uniform") return n.scale * (2 * s.uniform() - 1);
  if (n.kind == "two-point") return s.uniform() < 0.5 ? -n.scale : n.scale;
  if (n.kind == "three-point") return n.scale * three_point(s.uniform());
  while (true) {  // a bound ≥ 0.1 keeps at least 6 % of the draws: 1000 misses in a row do not happen
    const double z = n.kind == "gaussian" ? s.normal() : student(n.freedom, s);
    if (std::abs(z) <= n.bound) return n.scale * z;
  }
}

}  // namespace

void Noise::options(OptionList& o) {
  const auto only_with = [](std::vector<Value> kinds) { return std::vector<OnlyWith>{{"noise.kind", std::move(kinds)}}; };
  o.text("noise.kind", kind, kind, {"none", "gaussian", "uniform", "two-point", "student", "three-point"},
         "gaussian and student are truncated; three-point is skewed: 0.7, −3.3 and 1.7 with probabilities 0.2, 0.3 and 0.5");
  o.number("noise.scale", scale, scale, at_least(0),
           "standard deviation before truncation; half width of uniform; ± of two-point; factor of student and three-point")
      .only_with = only_with({"gaussian", "uniform", "two-point", "student", "three-point"});
  o.number("noise.bound", bound, bound, {.min = 0.1}, "gaussian, student: a draw beyond this times the scale is drawn again")
      .only_with = only_with({"gaussian", "student"});
  o.integer("noise.freedom", freedom, freedom, within(1, 1000), "student: degrees of freedom").only_with =
      only_with({"student"});
  o.integer("batch_size", batch, batch, within(1, 1e6), "draws that are averaged in one stochastic gradient");
  o.integer("samples", samples, samples, within(1, 1e12), "draws of all clients together that count as an epoch");
}

double draw(const Noise& noise, Stream& stream) {
  if (noise.kind == "none") return 0;
  double sum = 0;
  for (int64_t b = 0; b < noise.batch; ++b) sum += once(noise, stream);
  return sum / static_cast<double>(noise.batch);
}

namespace built_in {

// Functions have no data: a recipe says in its place which noise their gradients have.
std::vector<DatasetInfo> noise() {
  return {{.name = "noise",
           .paper = "nothing to read: the gradients of functions, with noise from the clients' streams",
           .summary = "exact gradients, or with noise of mean 0 in every coordinate, symmetric but for three-point",
           .task = "function",
           .options = options_of<Noise>()}};
}

}  // namespace built_in
}  // namespace tacet
