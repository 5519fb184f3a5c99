// Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016. Four kinds:
//   resnet-20 … resnet-110  for 32 × 32 images: three stages of n basic blocks, width 16, 32, 64 (section 4.2), with
//                           option A shortcuts, which have no parameters
//   resnet-9                the shallow one of fast CIFAR-10 training: plain convolutions and two residual blocks
//   resnet-18               four stages of two basic blocks, with a stem for each size of image
//   resnet-50               four stages of 3, 4, 6, 3 bottleneck blocks, the stride in the 3 × 3 convolution
// Parameters have torchvision's names: conv1.weight, layer1.0.bn2.bias, layer2.0.downsample.0.weight, fc.bias. Convolutions
// start normal with variance 2 / (outputs), have no bias, and are followed by batch normalisation.
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include "kernels/convolution/basic_block.h"
#include "kernels/convolution/image_ops.h"
#include "models/images/image_layers.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

using torch::Tensor;

// The maker of a network's layers: it holds the stream of weights and knows whether running statistics are kept.
struct Maker {
  Weights weights;
  bool running;

  std::shared_ptr<Conv> conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
    return std::make_shared<Conv>(Conv::Shape{in, out, kernel, stride, kernel / 2, false}, weights, Init::he);
  }
  torch::nn::BatchNorm2d norm(int64_t maps) const {
    return torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(maps).track_running_stats(running));
  }
};

class Block : public torch::nn::Module {
 public:
  virtual Tensor forward(const Tensor& x) = 0;
};

// A convolution and its normalisation as the fused layer that computes both.
ConvNorm layer(const Conv& conv, const torch::nn::BatchNorm2d& norm, bool relu) {
  const auto& n = *norm;
  return {.shape = conv.shape(),
          .weight = conv.weight(),
          .norm = {n.weight, n.bias, n.running_mean, n.running_var, n.options.momentum().value(), n.options.eps()},
          .training = n.is_training(),
          .relu = relu};
}
Tensor run(const Tensor& x, const Conv& conv, const torch::nn::BatchNorm2d& norm, bool relu, const Tensor& added = {}) {
  return conv_norm(x, layer(conv, norm, relu), added);
}

// A convolution, batch normalisation and, unless it is a shortcut, ReLU. Its children are called 0 and 1.
class NormedConv : public torch::nn::Module {
 public:
  NormedConv(int64_t in, int64_t out, int64_t kernel, int64_t stride, Maker& make)
      : conv_(register_module("0", make.conv(in, out, kernel, stride))), norm_(register_module("1", make.norm(out))) {}
  Tensor forward(const Tensor& x, bool relu) { return run(x, *conv_, norm_, relu); }

 private:
  std::shared_ptr<Conv> conv_;
  torch::nn::BatchNorm2d norm_;
};

enum class Shortcut { padding, projection };

// Two 3 × 3 convolutions around a shortcut. Where the shape changes, the shortcut subsamples and pads with zero maps, half
// of them in front (option A), or projects with a 1 × 1 convolution (option B).
class BasicBlock : public Block {
 public:
  BasicBlock(int64_t in, int64_t out, int64_t stride, Shortcut shortcut, Maker& make) : stride_(stride), padding_(out - in) {
    conv1_ = register_module("conv1", make.conv(in, out, 3, stride));
    bn1_ = register_module("bn1", make.norm(out));
    conv2_ = register_module("conv2", make.conv(out, out, 3));
    bn2_ = register_module("bn2", make.norm(out));
    if (shortcut == Shortcut::projection && (stride != 1 || in != out))
      downsample_ = register_module("downsample", std::make_shared<NormedConv>(in, out, 1, stride, make));
  }
  Tensor forward(const Tensor& x) override {
    if (!downsample_ && stride_ == 1 && padding_ == 0)
      return basic_block(x, layer(*conv1_, bn1_, true), layer(*conv2_, bn2_, true));
    return run(run(x, *conv1_, bn1_, true), *conv2_, bn2_, true, shortcut(x));
  }

 private:
  Tensor shortcut(const Tensor& x) {
    if (downsample_) return downsample_->forward(x, false);
    return subsample_and_pad(x, stride_, padding_);
  }

  int64_t stride_, padding_;
  std::shared_ptr<Conv> conv1_, conv2_;
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr};
  std::shared_ptr<NormedConv> downsample_;
};

// 1 × 1, 3 × 3 and 1 × 1 convolution around a shortcut; the last one has four times as many maps.
class Bottleneck : public Block {
 public:
  static constexpr int64_t expansion = 4;
  Bottleneck(int64_t in, int64_t width, int64_t stride, Maker& make) {
    const int64_t out = expansion * width;
    conv1_ = register_module("conv1", make.conv(in, width, 1));
    bn1_ = register_module("bn1", make.norm(width));
    conv2_ = register_module("conv2", make.conv(width, width, 3, stride));
    bn2_ = register_module("bn2", make.norm(width));
    conv3_ = register_module("conv3", make.conv(width, out, 1));
    bn3_ = register_module("bn3", make.norm(out));
    if (stride != 1 || in != out)
      downsample_ = register_module("downsample", std::make_shared<NormedConv>(in, out, 1, stride, make));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = run(run(x, *conv1_, bn1_, true), *conv2_, bn2_, true);
    return run(y, *conv3_, bn3_, true, downsample_ ? downsample_->forward(x, false) : x);
  }

 private:
  std::shared_ptr<Conv> conv1_, conv2_, conv3_;
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  std::shared_ptr<NormedConv> downsample_;
};

// The layers before the first stage. small: a 3 × 3 convolution; medium: that and 3 × 3 max-pooling with stride 2; large: a
// 7 × 7 convolution with stride 2 and the pooling.
enum class Stem { small, medium, large };

Stem stem_of(const std::string& name, const ImageShape& s) {
  if (name == "small") return Stem::small;
  if (name == "medium") return Stem::medium;
  if (name == "large") return Stem::large;
  const int64_t side = std::min(s.height, s.width);
  return side < 48 ? Stem::small : side < 112 ? Stem::medium : Stem::large;
}

struct Stages {
  std::vector<int64_t> blocks;  // a stage; each but the first halves the image and doubles the width
  int64_t width = 16;
  bool bottleneck = false;
  Shortcut shortcut = Shortcut::projection;
  Stem stem = Stem::small;
};

class ResNet : public ImageModel {
 public:
  ResNet(const Stages& o, const ImageShape& s, Maker make) : pool_(o.stem != Stem::small) {
    const bool large = o.stem == Stem::large;
    conv1_ = register_module("conv1", make.conv(s.channels, o.width, large ? 7 : 3, large ? 2 : 1));
    bn1_ = register_module("bn1", make.norm(o.width));
    int64_t in = o.width, width = o.width;
    for (size_t k = 0; k < o.blocks.size(); ++k) {
      const auto stage = register_module("layer" + std::to_string(k + 1), std::make_shared<torch::nn::Module>("stage"));
      for (int64_t b = 0; b < o.blocks[k]; ++b) {
        const int64_t stride = k > 0 && b == 0 ? 2 : 1;
        std::shared_ptr<Block> block;
        if (o.bottleneck)
          block = std::make_shared<Bottleneck>(in, width, stride, make);
        else
          block = std::make_shared<BasicBlock>(in, width, stride, o.shortcut, make);
        blocks_.push_back(stage->register_module(std::to_string(b), block));
        in = o.bottleneck ? Bottleneck::expansion * width : width;
      }
      width *= 2;
    }
    fc_ = register_module("fc", std::make_shared<Linear>(in, s.classes, make.weights));
  }
  Tensor forward(const Tensor& x, const Stream*) override {
    Tensor y = run(channels_last(x), *conv1_, bn1_, true);
    if (pool_) y = torch::max_pool2d(y, 3, 2, 1);
    for (const auto& block : blocks_) y = block->forward(y);
    return fc_->forward(mean_of_positions(y));
  }

 private:
  bool pool_;
  std::shared_ptr<Conv> conv1_;
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<Linear> fc_;
};

// prep (width), layer1 (2×, halved), residual of two; layer2 (4×, halved); layer3 (8×, halved), residual of two; global
// maximum; fc. Every convolution is followed by batch normalisation and ReLU; children are called prep, layer1, res1a, …,
// each with 0 and 1.
class ResNet9 : public ImageModel {
 public:
  ResNet9(int64_t width, const ImageShape& s, Maker make) {
    int64_t in = s.channels;
    const auto add = [&](const std::string& name, int64_t out) {
      const auto layer = register_module(name, std::make_shared<NormedConv>(in, out, 3, 1, make));
      in = out;
      return layer;
    };
    prep_ = add("prep", width);
    layer1_ = add("layer1", 2 * width);
    res1a_ = add("res1a", 2 * width);
    res1b_ = add("res1b", 2 * width);
    layer2_ = add("layer2", 4 * width);
    layer3_ = add("layer3", 8 * width);
    res3a_ = add("res3a", 8 * width);
    res3b_ = add("res3b", 8 * width);
    fc_ = register_module("fc", std::make_shared<Linear>(in, s.classes, make.weights));
  }
  Tensor forward(const Tensor& x, const Stream*) override {
    const auto run = [](const std::shared_ptr<NormedConv>& layer, const Tensor& in) { return layer->forward(in, true); };
    Tensor y = torch::max_pool2d(run(layer1_, run(prep_, channels_last(x))), 2);
    y = y + run(res1b_, run(res1a_, y));
    y = torch::max_pool2d(run(layer2_, y), 2);
    y = torch::max_pool2d(run(layer3_, y), 2);
    y = y + run(res3b_, run(res3a_, y));
    return fc_->forward(y.amax({2, 3}));
  }

 private:
  std::shared_ptr<NormedConv> prep_, layer1_, res1a_, res1b_, layer2_, layer3_, res3a_, res3b_;
  std::shared_ptr<Linear> fc_;
};

struct ResNetOptions {
  int64_t depth = 20;
  int64_t width = 16;
  std::string batch_norm, stem = "small";
  bool large_images() const { return depth == 18 || depth == 50; }

  void options(OptionList& o) {
    o.integer("width", width, width, within(1, 1e5), "feature maps of the first stage; each further stage doubles them");
    o.text("batch_norm", batch_norm, "average", {"average", "local", "none"},
           "running statistics. average: averaged with the model at every communication, clients go on from the average; "
           "local: each client keeps its own, an evaluation uses the average of those that took part last; none: there "
           "are none, an evaluation normalises by the statistics of its own batch (data.eval_batch images)");
    if (large_images())
      o.text("stem", stem, "auto", {"auto", "small", "medium", "large"},
             "small: 3 × 3 convolution (32 × 32 images); medium: that and max-pooling (64 × 64); large: "
             "7 × 7 convolution with stride 2 and max-pooling (224 × 224); auto: by the images' size");
  }
};

std::shared_ptr<ImageModel> make(const ResNetOptions& o, const ImageShape& shape, const Weights& weights) {
  need_side("resnet-" + std::to_string(o.depth), shape, o.large_images() ? 16 : 8);
  const Maker maker{weights, o.batch_norm != "none"};
  if (o.depth == 9) return std::make_shared<ResNet9>(o.width, shape, maker);
  Stages stages{.width = o.width};
  if (o.large_images()) {
    stages.bottleneck = o.depth == 50;
    stages.blocks = o.depth == 50 ? std::vector<int64_t>{3, 4, 6, 3} : std::vector<int64_t>{2, 2, 2, 2};
    stages.stem = stem_of(o.stem, shape);
  } else {
    stages.blocks.assign(3, (o.depth - 2) / 6);
    stages.shortcut = Shortcut::padding;
  }
  return std::make_shared<ResNet>(stages, shape, maker);
}

ModelInfo row(int64_t depth, int64_t width, std::string summary) {
  const ResNetOptions defaults{.depth = depth, .width = width};
  return {.name = "resnet-" + std::to_string(depth),
          .paper = "He, Zhang, Ren, Sun, CVPR 2016",
          .summary = std::move(summary),
          .task = "classification",
          .options = options_of(defaults),
          .image = [defaults](const Values& model, const ImageShape& shape, const Stream& weights, Precision precision) {
            return make(read_options(model, defaults), shape, Weights(weights, precision));
          }};
}

ModelInfo cifar_row(int64_t depth, const std::string& parameters) {
  return row(depth, 16,
             "residual network for 32 × 32 images, " + std::to_string(depth) + " layers, option A shortcuts; " + parameters +
                 " parameters with 10 classes");
}

}  // namespace

namespace built_in {

std::vector<ModelInfo> resnet() {
  return {
      cifar_row(20, "269,722"),
      cifar_row(32, "464,154"),
      cifar_row(44, "658,586"),
      cifar_row(56, "853,018"),
      cifar_row(110, "1,727,962"),
      row(9, 64, "shallow residual network for fast training on 32 × 32 images; 6,573,130 parameters with 10 classes"),
      row(18, 64, "residual network with basic blocks; 11,689,512 parameters on ImageNet, 11,173,962 on CIFAR-10"),
      row(50, 64, "residual network with bottleneck blocks; 25,557,032 parameters on ImageNet"),
  };
}

}  // namespace built_in
}  // namespace tacet
