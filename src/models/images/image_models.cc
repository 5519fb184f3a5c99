// The rows of the image classifiers in the table of models. What a network computes is in its own file.
#include <stdexcept>

#include "models/images/image_model.h"

namespace tacet {
namespace {

Option size(const char* name, int64_t fallback, const char* doc) {
  return {.name = name, .kind = Kind::integer, .fallback = fallback, .doc = doc, .min = 1, .max = 1e5};
}
Option probability(const char* name, double fallback, const char* doc) {
  return {.name = name, .kind = Kind::number, .fallback = fallback, .doc = doc, .min = 0, .max = 1, .max_open = true};
}
Option init() {
  return {.name = "init",
          .kind = Kind::text,
          .doc = "safetensors file with the initial weights",
          .required = false,
          .free_on_resume = true,
          .per_machine = true};
}

Entry row(std::string name, std::string paper, std::string summary, std::vector<Option> options) {
  options.push_back(init());
  return {std::move(name), std::move(paper), std::move(summary), "classification", std::move(options), {}};
}

Entry resnet(int depth, std::string summary, int64_t width, bool stem) {
  std::vector<Option> options = {
      size("width", width, "feature maps of the first stage; each further stage doubles them"),
      {.name = "batch_norm",
       .kind = Kind::text,
       .fallback = std::string("average"),
       .doc = "running statistics. average: averaged with the model at every communication, clients go on from the average; "
              "local: each client keeps its own, an evaluation uses the average of those that took part last; none: there "
              "are none, an evaluation normalises by the statistics of its own batch (data.eval_batch images)",
       .one_of = {"average", "local", "none"}}};
  if (stem)
    options.push_back({.name = "stem",
                       .kind = Kind::text,
                       .fallback = std::string("auto"),
                       .doc = "small: 3 × 3 convolution (32 × 32 images); medium: that and max-pooling (64 × 64); large: "
                              "7 × 7 convolution with stride 2 and max-pooling (224 × 224); auto: by the images' size",
                       .one_of = {"auto", "small", "medium", "large"}});
  return row("resnet-" + std::to_string(depth), "He, Zhang, Ren, Sun, CVPR 2016", std::move(summary), std::move(options));
}

std::string cifar_summary(int depth, const char* parameters) {
  return "residual network for 32 × 32 images, " + std::to_string(depth) + " layers, option A shortcuts; " + parameters +
         " parameters with 10 classes";
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
      resnet(20, cifar_summary(20, "269,722"), 16, false),
      resnet(32, cifar_summary(32, "464,154"), 16, false),
      resnet(44, cifar_summary(44, "658,586"), 16, false),
      resnet(56, cifar_summary(56, "853,018"), 16, false),
      resnet(110, cifar_summary(110, "1,727,962"), 16, false),
      resnet(9, "shallow residual network for fast training on 32 × 32 images; 6,573,130 parameters with 10 classes", 64,
             false),
      resnet(18, "residual network with basic blocks; 11,689,512 parameters on ImageNet, 11,173,962 on CIFAR-10", 64, true),
      resnet(50, "residual network with bottleneck blocks; 25,557,032 parameters on ImageNet", 64, true),
  };
}

std::shared_ptr<ImageModel> make_image_model(const Values& model, const ImageSizes& sizes, const Stream& stream,
                                             Precision precision) {
  const Weights weights(stream, precision);
  if (auto net = make_small_net(model, sizes, weights)) return net;
  if (auto net = make_resnet(model, sizes, weights)) return net;
  throw std::logic_error("no image model " + model.text("name"));
}

}  // namespace tacet
