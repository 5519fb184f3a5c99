// The rows of the image classifiers in the table of models. What a network computes is in its own file.
#include <stdexcept>

#include "models/image_model.h"

namespace tacet {
namespace {

Option size(const char* name, int64_t fallback, const char* doc) {
  return {.name = name, .kind = Kind::integer, .fallback = fallback, .doc = doc, .min = 1, .max = 1e5};
}
Option probability(const char* name, double fallback, const char* doc) {
  return {.name = name, .kind = Kind::number, .fallback = fallback, .doc = doc, .min = 0, .max = 1, .max_open = true};
}
Option init() {
  return {.name = "init", .kind = Kind::text, .doc = "safetensors file with the initial weights", .required = false};
}

Entry row(std::string name, std::string paper, std::string summary, std::vector<Option> options) {
  options.push_back(init());
  return {std::move(name), std::move(paper), std::move(summary), "classification", std::move(options), {}};
}

}  // namespace

std::vector<Entry> image_models() {
  const std::string fed_lamb = "Karimi, Li, Li, Fed-LAMB, experiments";
  return {
      row("logistic", "softmax regression", "one linear layer with bias; convex", {}),
      row("mlp", fed_lamb, "one hidden layer with dropout and ReLU; 159,010 parameters on MNIST",
          {size("hidden", 200, "width of the hidden layer"), probability("dropout", 0.5, "on the hidden layer")}),
      row("mnist-cnn", fed_lamb,
          "two 5 × 5 convolutions, each with max-pooling, dropout, two fully connected layers; 21,840 parameters on MNIST",
          {size("first", 10, "feature maps of the first convolution"),
           size("second", 20, "feature maps of the second convolution"), size("hidden", 50, "width of the hidden layer"),
           probability("dropout", 0.5, "whole feature maps of the second convolution"),
           probability("hidden_dropout", 0, "on the hidden layer")}),
      row("cifar-cnn", fed_lamb,
          "three 3 × 3 convolutions, two of them with max-pooling, two fully connected layers; 122,570 parameters on "
          "CIFAR-10",
          {size("first", 32, "feature maps of the first convolution"),
           size("second", 64, "feature maps of the second convolution"),
           size("third", 64, "feature maps of the third convolution"), size("hidden", 64, "width of the hidden layer")}),
  };
}

std::shared_ptr<ImageModel> make_image_model(const Values& model, const ImageSizes& sizes, const Stream& weights) {
  if (auto net = make_small_net(model, sizes, weights)) return net;
  throw std::logic_error("no image model " + model.text("name"));
}

}  // namespace tacet
