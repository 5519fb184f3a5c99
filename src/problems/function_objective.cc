// See objective.h. Functions are evaluated in double; x and the gradient that algorithms see are float32, as everywhere.
#include "problems/function_objective.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

namespace tacet {
namespace {

class FunctionObjective : public Objective {
 public:
  FunctionObjective(Problem problem, Noise noise, int64_t samples)
      : problem_(std::move(problem)),
        noise_(std::move(noise)),
        samples_(samples),
        layers_{{"x", 0, problem_.dimension, {problem_.dimension}}},
        y_(at::zeros({problem_.dimension})),
        g_(at::zeros({problem_.dimension})),
        buffers_(at::zeros({0})),
        point_(static_cast<size_t>(problem_.dimension)),
        slope_(static_cast<size_t>(problem_.dimension)) {}

  const std::vector<Layer>& layers() const override { return layers_; }
  Vec initial() override { return at::tensor(at::ArrayRef<double>(problem_.start), at::kDouble).to(at::kFloat); }
  Vec workspace() override { return y_; }
  Vec buffers() override { return buffers_; }
  Vec gradient_buffer() override { return g_; }
  int64_t training_samples() const override { return samples_; }
  std::vector<std::string> notes() const override { return problem_.notes; }

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    load(y);
    const Function& f = problem_.f.at(static_cast<size_t>(draw.client));
    f.gradient(point_, slope_);
    Stream stream = draw.stream(Purpose::gradient_noise);
    float* g = g_.data_ptr<float>();
    for (size_t j = 0; j < slope_.size(); ++j) g[j] = static_cast<float>(slope_[j] + tacet::draw(noise_, stream));
    return {f.value(point_), noise_.batch};
  }

  std::vector<std::string> splits() const override { return {"exact"}; }
  int units(const std::string&) const override { return 1; }
  Score evaluate(const std::string&, int, const Vec& x) override {
    load(x);
    return {value(problem_, point_), 0, 1};
  }
  std::vector<std::pair<std::string, double>> figures(const Vec& x) override {
    load(x);
    double square = 0, distance = 0;
    const std::vector<double> mean = tacet::gradient(problem_, point_);
    for (double v : mean) square += v * v;
    for (size_t j = 0; j < problem_.minimiser.size(); ++j) distance += std::pow(point_[j] - problem_.minimiser[j], 2);
    std::vector<std::pair<std::string, double>> list = {{"gradient_norm", std::sqrt(square)}};
    if (!problem_.minimiser.empty()) list.emplace_back("distance", std::sqrt(distance));
    if (problem_.dimension == 1) list.emplace_back("x", point_[0]);
    if (problem_.f.size() > 1) add_heterogeneity(mean, list);
    return list;
  }

  int gradient_units() const override { return 1; }
  Score unit_gradient(int, const Vec& x) override {
    load(x);
    const std::vector<double> mean = tacet::gradient(problem_, point_);
    for (size_t j = 0; j < mean.size(); ++j) g_.data_ptr<float>()[j] = static_cast<float>(mean[j]);
    return {value(problem_, point_), 0, 1};
  }

 private:
  // Adds κ at the point: the mean over the clients of ‖∇f_i − ∇f‖, and the largest.
  void add_heterogeneity(const std::vector<double>& mean, std::vector<std::pair<std::string, double>>& list) {
    double sum = 0, most = 0;
    for (const Function& f : problem_.f) {
      f.gradient(point_, slope_);
      double square = 0;
      for (size_t j = 0; j < slope_.size(); ++j) square += std::pow(slope_[j] - mean[j], 2);
      sum += std::sqrt(square);
      most = std::max(most, std::sqrt(square));
    }
    list.emplace_back("kappa_mean", sum / static_cast<double>(problem_.f.size()));
    list.emplace_back("kappa_max", most);
  }
  void load(const Vec& x) {
    const float* p = x.data_ptr<float>();
    point_.assign(p, p + x.numel());
  }

  Problem problem_;
  Noise noise_;
  int64_t samples_;
  std::vector<Layer> layers_;
  Vec y_, g_, buffers_;
  std::vector<double> point_, slope_;
};

}  // namespace

std::unique_ptr<Objective> make_function_objective(Problem problem, Noise noise, int64_t samples) {
  return std::make_unique<FunctionObjective>(std::move(problem), std::move(noise), samples);
}

}  // namespace tacet
