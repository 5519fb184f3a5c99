// An objective of one's own, and a program that trains it as `tacet` trains models. Ridge regression on samples that the
// clients hold, each client's from a distribution of its own:
//
//   min_x (1/N) Σ_i F_i(x),   F_i(x) = (1/2m) Σ_j (a_ij·x − b_ij)² + (λ/2) ‖x‖²
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ops/zeros.h>

#include <tacet/algorithm.h>
#include <tacet/command.h>
#include <tacet/objective.h>
#include <tacet/recipe.h>
#include <tacet/registry.h>

using namespace tacet;

struct RidgeOptions {
  int64_t features = 50, samples = 400, batch_size = 10;
  double lambda = 0.01, spread = 1, noise = 0.1;
  void options(OptionList& o) {
    o.integer("features", features, features, within(1, 1e6), "length d of x");
    o.integer("samples", samples, samples, within(1, 1e6), "training samples m of each client; a quarter more is held out");
    o.integer("batch_size", batch_size, batch_size, within(1, 1e6), "samples of a mini-batch");
    o.number("lambda", lambda, lambda, at_least(0), "weight λ of ½ ‖x‖²");
    o.number("spread", spread, spread, at_least(0), "how far the clients' own solutions lie apart");
    o.number("noise", noise, noise, at_least(0), "deviation of the targets");
  }
};

struct Samples {
  int64_t d = 0;
  std::vector<float> a, b;  // rows of d numbers, and their targets
  int64_t size() const { return static_cast<int64_t>(b.size()); }
  // Returns a_j·x − b_j.
  double error(int64_t j, const float* x) const {
    double sum = -b[static_cast<size_t>(j)];
    for (int64_t k = 0; k < d; ++k) sum += a[static_cast<size_t>(j * d + k)] * x[k];
    return sum;
  }
};

class Ridge : public Objective {
 public:
  Ridge(const RidgeOptions& o, uint64_t seed, int clients)
      : o_(o),
        seed_(seed),
        clients_(clients),
        layers_{{"x", 0, o.features, {o.features}}},
        y_(at::zeros({o.features})),
        g_(at::zeros({o.features})),
        buffers_(at::zeros({0})) {}

  const std::vector<Layer>& layers() const override { return layers_; }
  Vec initial() override { return at::zeros({o_.features}); }
  Vec workspace() override { return y_; }
  Vec buffers() override { return buffers_; }
  Vec gradient_buffer() override { return g_; }
  int64_t training_samples() const override { return clients_ * o_.samples; }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const Samples& data = samples(train_, draw.client, 0, o_.samples);
    const float* x = y.data_ptr<float>();
    float* g = g_.data_ptr<float>();
    double loss = 0;
    for (int64_t k = 0; k < o_.features; ++k) {
      g[k] = static_cast<float>(o_.lambda * x[k]);
      loss += o_.lambda / 2 * x[k] * x[k];
    }
    for (int64_t n = 0; n < o_.batch_size; ++n) {
      const int64_t j = next(draw.client);
      const double error = data.error(j, x), weight = 1.0 / static_cast<double>(o_.batch_size);
      loss += weight / 2 * error * error;
      for (int64_t k = 0; k < o_.features; ++k)
        g[k] += static_cast<float>(weight * error) * data.a[static_cast<size_t>(j * o_.features + k)];
    }
    return {loss, o_.batch_size};
  }

  // ½ the mean squared error on samples that are held out; a unit is a client.
  std::vector<std::string> splits() const override { return {"valid"}; }
  int units(const std::string&) const override { return clients_; }
  Score evaluate(const std::string&, int client, const Vec& x) override {
    const Samples& data = samples(valid_, client, 1, o_.samples / 4 + 1);
    Score score;
    for (int64_t j = 0; j < data.size(); ++j) {
      const double error = data.error(j, x.data_ptr<float>());
      score.loss += error * error / 2;
      score.count += 1;
    }
    return score;
  }

  // How far each client has come in its samples is all that lives across rounds besides x.
  void state(StateVisitor& v) override { v.clients("position", positions_); }

 private:
  // Draws a client's samples when they are first asked for, so that a worker has those of its own clients only.
  const Samples& samples(std::map<int, Samples>& of, int client, int split, int64_t count) {
    Samples& s = of[client];
    if (s.size() > 0) return s;
    s.d = o_.features;
    Stream common(seed_, Stream::everyone, Purpose::partition, 0, 0), own(seed_, client, Purpose::partition, 0, 0);
    std::vector<double> solution;
    for (int64_t k = 0; k < s.d; ++k) solution.push_back(common.normal() + o_.spread * own.normal());
    Stream draw(seed_, client, Purpose::partition, 1, split);
    for (int64_t j = 0; j < count; ++j) {
      double target = o_.noise * draw.normal();
      for (int64_t k = 0; k < s.d; ++k) {
        s.a.push_back(static_cast<float>(draw.normal()));
        target += solution[static_cast<size_t>(k)] * s.a.back();
      }
      s.b.push_back(static_cast<float>(target));
    }
    return s;
  }

  // Returns the client's next sample. It goes through them in passes, each in another order.
  int64_t next(int client) {
    Vec& position = positions_.all()[client];
    if (!position.defined()) position = at::zeros({1}, at::kLong);
    const int64_t drawn = (*position.data_ptr<int64_t>())++, pass = drawn / o_.samples;
    Order& order = orders_[client];
    if (order.pass != pass) order = {pass, Stream(seed_, client, Purpose::shuffle, pass, 0).permutation(o_.samples)};
    return order.samples[static_cast<size_t>(drawn % o_.samples)];
  }

  struct Order {
    int64_t pass = -1;
    std::vector<int64_t> samples;
  };

  const RidgeOptions o_;
  const uint64_t seed_;
  const int clients_;
  const std::vector<Layer> layers_;
  Vec y_, g_, buffers_;
  std::map<int, Samples> train_, valid_;  // by client
  std::map<int, Order> orders_;           // by client: of the pass under way, made again where it is missing
  PerClient positions_;                   // samples drawn so far
};

int main(int argc, char** argv) {
  add_objective({.name = "ridge",
                 .summary = "Ridge regression on synthetic samples of heterogeneous clients.",
                 .options = options_of<RidgeOptions>(),
                 .make = [](const Recipe& recipe, int clients) -> std::unique_ptr<Objective> {
                   const auto seed = static_cast<uint64_t>(recipe.run.integer("seed"));
                   return std::make_unique<Ridge>(read_options<RidgeOptions>(recipe.objective), seed, clients);
                 }});
  return command(argc, argv);
}
