// See noise.h.
#include "problems/noise.h"

#include <cmath>

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

double once(const Noise& n, Stream& s) {
  if (n.kind == "uniform") return n.scale * (2 * s.uniform() - 1);
  if (n.kind == "two-point") return s.uniform() < 0.5 ? -n.scale : n.scale;
  while (true) {  // a bound ≥ 0.1 keeps at least 6 % of the draws: 1000 misses in a row do not happen
    const double z = n.kind == "gaussian" ? s.normal() : student(n.freedom, s);
    if (std::abs(z) <= n.bound) return n.scale * z;
  }
}

}  // namespace

Noise noise_of(const Values& data) {
  return {data.text("noise.kind"), data.number("noise.scale"), data.number("noise.bound"), data.integer("noise.freedom"),
          data.integer("batch_size")};
}

double draw(const Noise& noise, Stream& stream) {
  if (noise.kind == "none") return 0;
  double sum = 0;
  for (int64_t b = 0; b < noise.batch; ++b) sum += once(noise, stream);
  return sum / static_cast<double>(noise.batch);
}

}  // namespace tacet
