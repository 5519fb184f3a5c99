// An objective with one layer of d numbers and no data behind it, for tests that give its gradients themselves: they
// override gradient(), and unit_gradient() with gradient_units() where a training set is measured.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

#include "tacet/objective.h"

namespace tacet::test {

struct FlatObjective : Objective {
  explicit FlatObjective(int64_t d)
      : layers_{{"x", 0, d, {d}}}, y_(at::zeros({d})), g_(at::zeros({d})), none_(at::zeros({0})) {}
  const std::vector<Layer>& layers() const override { return layers_; }
  Vec initial() override { return at::zeros_like(y_); }
  Vec workspace() override { return y_; }
  Vec buffers() override { return none_; }
  Vec gradient_buffer() override { return g_; }
  int64_t training_samples() const override { return 100; }
  BatchLoss gradient(const BatchKey&, const Vec&) override { return {}; }

  std::vector<Layer> layers_;
  Vec y_, g_, none_;  // the workspace, the gradient, the buffers
};

}  // namespace tacet::test
