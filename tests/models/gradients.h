// Comparing a model with an independent definition of it in torch's own modules: weights are copied over by name, gradients
// are compared by name.
#pragma once

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <map>

namespace tacet::test {

using Names = std::map<std::string, std::string>;  // the witness' parameter → the model's

// A copy, not the temporary dictionary that named_parameters() returns.
inline std::map<std::string, torch::Tensor> parameters_of(const torch::nn::Module& m) {
  std::map<std::string, torch::Tensor> all;
  const auto dictionary = m.named_parameters();
  for (const auto& item : dictionary) all[item.key()] = item.value();
  return all;
}

inline void copy_weights(const torch::nn::Module& model, torch::nn::Module& witness, const Names& names) {
  const torch::NoGradGuard no_grad;
  const auto from = parameters_of(model), to = parameters_of(witness);
  for (const auto& [theirs, ours] : names) {
    ASSERT_TRUE(from.count(ours) && to.count(theirs)) << theirs << " ← " << ours;
    ASSERT_EQ(from.at(ours).sizes(), to.at(theirs).sizes()) << theirs << " ← " << ours;
    to.at(theirs).copy_(from.at(ours));
  }
}

inline void expect_near(const torch::Tensor& a, const torch::Tensor& b, const std::string& what, double tolerance = 2e-5) {
  ASSERT_TRUE(a.defined() && b.defined()) << what;
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  EXPECT_LT((a - b).abs().max().item<double>(), tolerance * (1 + b.abs().max().item<double>())) << what;
}

inline void expect_same_gradients(const torch::nn::Module& model, const torch::nn::Module& witness, const Names& names) {
  const auto ours = parameters_of(model), theirs = parameters_of(witness);
  for (const auto& [their_name, our_name] : names) {
    EXPECT_GT(theirs.at(their_name).grad().abs().max().item<double>(), 0) << their_name << " has no gradient";
    expect_near(ours.at(our_name).grad(), theirs.at(their_name).grad(), our_name);
  }
}

}  // namespace tacet::test
