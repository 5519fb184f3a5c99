// The image classifiers: their sizes, that their arithmetic is that of independent definitions with torch's own modules
// (image_oracle.py) given the same weights, and what dropout and batch normalisation do.
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "data/files/safetensors.h"
#include "kernels/product/product.h"
#include "models/images/image_layers.h"
#include "support/error_of.h"
#include "support/row_values.h"
#include "support/temp_folder.h"
#include "tacet/error.h"
#include "tacet/flat_module.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet::image_models_test {
namespace {

using nlohmann::json;

Values keys(const std::string& name, const test::Given& given = {}) { return test::row_values(find_model(name), given); }

Stream weights(uint64_t seed) { return {seed, Stream::everyone, Purpose::initial_weights, 0, 0}; }

std::shared_ptr<ImageModel> make(const Values& model, const ImageShape& sizes, uint64_t seed = 1) {
  return make_image_model(model, sizes, weights(seed));
}

int64_t parameters(const std::string& name, const ImageShape& sizes) {
  const auto model = make(keys(name), sizes);
  return FlatModule(*model).parameters().numel();
}

const ImageShape mnist{1, 28, 28, 10}, cifar{3, 32, 32, 10};

// 784·10 + 10; 784·200 + 200 + 200·10 + 10; (25 + 1)·10 + (250 + 1)·20 + 321·… as 260 + 5,020 + 16,050 + 510;
// 896 + 18,496 + 36,928 + 65,600 + 650 (the count that TensorFlow's tutorial prints for this network).
TEST(ImageModels, SmallNetsHaveTheKnownSizes) {
  EXPECT_EQ(parameters("logistic", mnist), 7'850);
  EXPECT_EQ(parameters("mlp", mnist), 159'010);
  EXPECT_EQ(parameters("mnist-cnn", mnist), 21'840);
  EXPECT_EQ(parameters("cifar-cnn", cifar), 122'570);
}

// A part of a stream holds 2^24 normals: the 2^24th of the first layer was the first of the second one.
TEST(ImageModels, ALargeLayerDrawsNothingOfTheNext) {
  Weights draw(weights(1), Precision::f32);
  const Conv large({4096, 4097, 1, 1, 0, false}, draw, Init::he), next({16, 4097, 1, 1, 0, false}, draw, Init::he);
  const torch::Tensor end = large.weight().flatten().slice(0, int64_t{1} << 24, (int64_t{1} << 24) + 16);
  EXPECT_FALSE(end.equal(next.weight().flatten().slice(0, 0, 16)));
}

TEST(ImageModels, APerceptronMayHave255Widths) {
  const auto deep = [](size_t widths) { return make(keys("mlp", {{"widths", Numbers(widths, 2.0)}}), {1, 1, 2, 2}); };
  EXPECT_EQ(deep(255)->forward(torch::ones({1, 1, 1, 2}), nullptr).numel(), 2);
  EXPECT_EQ(test::error_of([&] { deep(256); }), "model.widths must have at most 255 widths, got 256");
}

// He et al. 2016, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million. In detail, with 2n blocks of two 3 × 3 convolutions a
// width: 432 + 9·(2n·16² + 16·32 + (2n−1)·32² + 32·64 + (2n−1)·64²) weights, 2·(16(2n+1) + 32·2n + 64·2n) of normalisation,
// 650.
TEST(ImageModels, CifarResNetsHaveThePapersSizes) {
  for (const auto& [depth, published] : {std::pair{20, 0.27e6}, {32, 0.46e6}, {44, 0.66e6}, {56, 0.85e6}, {110, 1.7e6}}) {
    const int64_t n2 = (depth - 2) / 3;
    const int64_t detail =
        432 + 9 * (n2 * 256 + 512 + (n2 - 1) * 1024 + 2048 + (n2 - 1) * 4096) + 2 * (16 * (n2 + 1) + 96 * n2) + 650;
    const int64_t d = parameters("resnet-" + std::to_string(depth), cifar);
    EXPECT_EQ(d, detail);
    EXPECT_NEAR(static_cast<double>(d), published, 0.03 * published);
  }
}

// torchvision's documentation: resnet18 11,689,512 and resnet50 25,557,032 on ImageNet. With the 3 × 3 stem for 32 × 32
// images the first convolution has 3·64·9 instead of 3·64·49 weights, the last layer 512·10 + 10: 11,173,962 (200 classes:
// 11,271,432). resnet-9: 6,563,520 weights of convolutions, 4,480 of normalisation, 5,130.
TEST(ImageModels, LargeResNetsHaveTheKnownSizes) {
  EXPECT_EQ(parameters("resnet-18", {3, 224, 224, 1000}), 11'689'512);
  EXPECT_EQ(parameters("resnet-50", {3, 224, 224, 1000}), 25'557'032);
  EXPECT_EQ(parameters("resnet-18", cifar), 11'173'962);
  EXPECT_EQ(parameters("resnet-18", {3, 64, 64, 200}), 11'271'432);
  EXPECT_EQ(parameters("resnet-9", cifar), 6'573'130);
}

// ---- the independent definitions ----

struct Case {
  std::string name;
  ImageShape sizes;
  int64_t batch, width = 0;
  std::string stem = "";
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"logistic", mnist, 5},
      {"mlp", mnist, 5},
      {"mnist-cnn", mnist, 4},
      {"cifar-cnn", cifar, 4},
      {"resnet-20", cifar, 4, 16},
      {"resnet-56", cifar, 3, 4},
      {"resnet-9", cifar, 4, 4},
      {"resnet-18", {3, 32, 32, 7}, 4, 4, "small"},
      {"resnet-18", {3, 64, 64, 7}, 3, 4, "medium"},
      {"resnet-50", {3, 64, 64, 7}, 4, 4, "large"},
  };
  return all;
}

std::string label(const Case& c) { return c.name + (c.stem.empty() ? "" : "-" + c.stem); }

std::vector<std::pair<std::string, Value>> given(const Case& c) {
  std::vector<std::pair<std::string, Value>> more;
  if (c.width > 0) more.emplace_back("width", c.width);
  if (!c.stem.empty()) more.emplace_back("stem", c.stem);
  if (c.name == "mlp") more.emplace_back("dropout", 0.0);
  return more;
}

// The difference relative to the larger of the two largest values.
double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - b).abs().max() / torch::maximum(a.abs().max(), b.abs().max()).clamp_min(1e-12)).item<double>();
}

TEST(ImageModels, AgreeWithIndependentDefinitions) {
  if (std::system(TACET_ORACLE_PYTHON " -c 'import torch' 2>/dev/null") != 0) GTEST_SKIP() << "python3-torch is missing";
  const test::TempFolder folder;
  json config = json::array();
  struct Ours {
    std::map<std::string, torch::Tensor> values;
  };
  std::map<std::string, Ours> ours;
  for (const Case& c : cases()) {
    // In double precision: rounding alone moves gradients behind many normalisations of few values by percents.
    const auto model = make(keys(c.name, given(c)), c.sizes);
    model->to(torch::kDouble);
    Stream noise(3, 0, Purpose::initial_weights, 0, 0);
    const auto random = [](std::vector<int64_t> shape, Stream& s) {
      const torch::Tensor t = torch::empty(shape, torch::kDouble);
      for (int64_t k = 0; k < t.numel(); ++k) t.data_ptr<double>()[k] = s.uniform() - 0.5;
      return t;
    };
    {  // everything away from its start: normalisation's weights and biases too, which would hide mistakes at 1 and 0
      const torch::NoGradGuard no_grad;
      for (auto& p : model->parameters()) p.add_(random(p.sizes().vec(), noise), 0.1);
    }
    Stream pixels(4, 0, Purpose::shuffle, 0, 0);
    const torch::Tensor x = random({c.batch, c.sizes.channels, c.sizes.height, c.sizes.width}, pixels) * 2;
    const torch::Tensor target = torch::arange(c.batch).remainder(c.sizes.classes);

    std::vector<NamedTensor> in = {{"x", x}, {"target", target}};
    for (const auto& p : model->named_parameters()) in.push_back({"parameter/" + p.key(), p.value().detach().clone()});
    write_safetensors(folder / (label(c) + ".in.safetensors"), in);
    config.push_back({{"case", label(c)},
                      {"name", c.name},
                      {"channels", c.sizes.channels},
                      {"side", c.sizes.height},
                      {"classes", c.sizes.classes},
                      {"width", c.width},
                      {"stem", c.stem},
                      {"hidden", 200}});

    Ours& o = ours[label(c)];
    model->train();
    const torch::Tensor loss = torch::cross_entropy_loss(model->forward(x, nullptr), target);
    loss.backward();
    o.values["loss"] = loss.detach().reshape({1});
    for (const auto& p : model->named_parameters()) o.values["gradient/" + p.key()] = p.value().grad();
    for (const auto& b : model->named_buffers())
      if (b.key().find("num_batches_tracked") == std::string::npos) o.values["buffer/" + b.key()] = b.value().clone();
    model->eval();
    const torch::NoGradGuard no_grad;
    o.values["logits"] = model->forward(x, nullptr);
  }
  std::ofstream(folder / "cases.json") << config;
  const std::string command = std::string(TACET_ORACLE_PYTHON) + " " + TACET_IMAGE_ORACLE + " " + folder.path();
  ASSERT_EQ(0, std::system(command.c_str())) << command;
  for (const auto& [name, o] : ours) {
    SCOPED_TRACE(name);
    const auto theirs = read_safetensors(folder / (name + ".out.safetensors"));
    EXPECT_EQ(theirs.size(), o.values.size());
    double worst = 0;
    for (const auto& t : theirs) {
      ASSERT_TRUE(o.values.count(t.name)) << t.name;
      const double d = difference(o.values.at(t.name), t.tensor);
      EXPECT_LT(d, 1e-9) << t.name;
      worst = std::max(worst, d);
    }
    std::printf("%-20s %3zu tensors, largest relative difference %.1e\n", name.c_str(), theirs.size(), worst);
  }
}

// ---- weights, masks, statistics ----

TEST(ImageModels, InitialWeightsDependOnTheSeedAloneAndEveryLayerDiffers) {
  const auto a = make(keys("resnet-20"), cifar, 3), b = make(keys("resnet-20"), cifar, 3),
             c = make(keys("resnet-20"), cifar, 4);
  const Vec wa = FlatModule(*a).parameters(), wb = FlatModule(*b).parameters(), wc = FlatModule(*c).parameters();
  EXPECT_TRUE(torch::equal(wa, wb));
  EXPECT_FALSE(torch::equal(wa, wc));
  const auto p = a->named_parameters();
  EXPECT_FALSE(torch::equal(p["layer1.0.conv1.weight"], p["layer1.0.conv2.weight"]));
  EXPECT_FALSE(torch::equal(p["layer1.0.conv1.weight"], p["layer1.1.conv1.weight"]));
}

// Normal with variance 2 / (64·9) = 0.0589²: 36,864 draws have a standard error of 0.0589/√73,728 = 0.0002.
TEST(ImageModels, ConvolutionsOfResNetsStartAsHeEtAl) {
  const auto model = make(keys("resnet-20"), cifar);
  const auto w = model->named_parameters()["layer3.2.conv2.weight"];
  EXPECT_NEAR(w.std().item<double>(), 0.0589, 0.001);
  EXPECT_NEAR(w.mean().item<double>(), 0, 0.001);
}

// Uniform ± 1/√784.
TEST(ImageModels, LinearLayersStartWithinTheirFanIn) {
  const auto model = make(keys("mlp"), mnist);
  const auto w = model->named_parameters()["fc1.weight"];
  EXPECT_LE(w.abs().max().item<double>(), 1.0 / 28);
  EXPECT_GT(w.abs().max().item<double>(), 0.99 / 28);
  EXPECT_NEAR(w.std().item<double>(), 1 / std::sqrt(3.0) / 28, 1e-3);
}

// The way without autograd beside the one with it, for batches and images of sizes that no vector length divides. Sums of
// 784 products of numbers about 1 differ by rounding, 784 · 2^-24 at most, times weights below 1/28.
TEST(ImageModels, GradientsWithoutAutogradAreAutograds) {
  for (const auto& [sizes, batch] :
       {std::pair{mnist, int64_t{10}}, {ImageShape{1, 28, 28, 3}, 1}, {ImageShape{3, 7, 5, 2}, 9}}) {
    const auto model = make(keys("logistic"), sizes, 3);
    const FlatModule flat(*model);
    const torch::Tensor x = torch::randn({batch, sizes.channels, sizes.height, sizes.width});
    const torch::Tensor labels = torch::randint(sizes.classes, {batch});
    flat.gradients().fill_(7);  // what was there before must not matter
    const auto loss = model->direct_gradient(x, labels);
    ASSERT_TRUE(loss);
    const Vec direct = flat.gradients().clone();
    flat.gradients().zero_();
    const torch::Tensor expected = torch::cross_entropy_loss(model->forward(x, nullptr), labels);
    expected.backward();
    EXPECT_NEAR(*loss, expected.item<double>(), 1e-5);
    EXPECT_LT((direct - flat.gradients()).abs().max().item<double>(), 1e-5);
    EXPECT_GT(flat.gradients().norm().item<double>(), 0.1);
  }
  EXPECT_FALSE(make(keys("mlp"), mnist)->direct_gradient(torch::zeros({1, 1, 28, 28}), torch::zeros({1}, torch::kLong)));
}

// Every network's gradient in bf16: another one than in f32, and not further from it than the gradient after a change of
// weights and images as large as rounding's, 2⁻⁸ of each. That is the measure because deep networks that have learnt nothing
// turn a thousandth of their weights into another gradient altogether.
TEST(ImageModels, EveryNetworkMultipliesInBf16WhenAskedTo) {
  if (!fast_convolutions() || !bf16_products()) GTEST_SKIP() << "no bf16 in this build or on this processor";
  const double rounding = std::ldexp(1.0, -8);
  const auto changed = [](const torch::Tensor& t, double by) { return t * (1 + by * torch::randn_like(t)); };
  for (const Case& c : cases()) {
    torch::manual_seed(4);
    const torch::Tensor x = torch::randn({16, c.sizes.channels, c.sizes.height, c.sizes.width});
    const torch::Tensor labels = torch::randint(c.sizes.classes, {16});
    const auto gradient = [&](Precision precision, double change) {
      const auto model = make_image_model(keys(c.name, given(c)), c.sizes, weights(3), precision);
      const FlatModule flat(*model);
      flat.parameters().copy_(changed(flat.parameters(), change));
      EXPECT_FALSE(precision == Precision::bf16 && model->direct_gradient(x, labels)) << label(c);
      flat.gradients().zero_();
      torch::cross_entropy_loss(model->forward(changed(x, change), nullptr), labels).backward();
      return flat.gradients().clone();
    };
    const Vec f32 = gradient(Precision::f32, 0);
    const double rounded = (gradient(Precision::bf16, 0) - f32).norm().item<double>();
    EXPECT_GT(rounded, 1e-4 * f32.norm().item<double>()) << label(c);
    EXPECT_LT(rounded, 2 * (gradient(Precision::f32, rounding) - f32).norm().item<double>()) << label(c);
  }
}

TEST(Dropout, KeepsTheMeanAndIsAFunctionOfItsStream) {
  const torch::Tensor ones = torch::ones({40, 50, 5, 5});
  const Stream a(1, 0, Purpose::hidden_dropout, 0, 0), b(1, 0, Purpose::hidden_dropout, 0, 1);
  EXPECT_TRUE(torch::equal(dropout(ones, 0.3, nullptr, 0), ones));
  EXPECT_TRUE(torch::equal(dropout(ones, 0, &a, 0), ones));
  const torch::Tensor y = dropout(ones, 0.25, &a, 0);
  EXPECT_NEAR(y.mean().item<double>(), 1, 0.01);  // 50,000 draws: standard error √(0.25/0.75/50000) = 0.0026
  EXPECT_FLOAT_EQ(y.max().item<float>(), 1 / 0.75f);
  EXPECT_TRUE(torch::equal(y, dropout(ones, 0.25, &a, 0)));
  EXPECT_FALSE(torch::equal(y, dropout(ones, 0.25, &b, 0)));
  EXPECT_FALSE(torch::equal(y, dropout(ones, 0.25, &a, 1)));
}

TEST(Dropout, WholeMapsGoTogether) {
  const Stream a(1, 0, Purpose::hidden_dropout, 0, 0);
  const torch::Tensor y = dropout_maps(torch::ones({8, 9, 4, 4}), 0.5, &a, 0);
  EXPECT_TRUE(torch::equal(y.amax({2, 3}), y.amin({2, 3})));
  EXPECT_GT((y.amax({2, 3}) == 0).sum().item<int64_t>(), 20);
  EXPECT_GT((y.amax({2, 3}) == 2).sum().item<int64_t>(), 20);
}

TEST(ImageModels, MasksChangeTheLogitsOfNetsWithDropout) {
  const Stream a(1, 0, Purpose::hidden_dropout, 0, 0);
  const torch::Tensor x = torch::linspace(-1, 1, 2 * 784).view({2, 1, 28, 28});
  for (const char* name : {"mlp", "mnist-cnn", "logistic"}) {
    const auto model = make(keys(name), mnist);
    EXPECT_EQ(torch::equal(model->forward(x, &a), model->forward(x, nullptr)), name == std::string("logistic")) << name;
  }
}

// 19 normalisations of resnet-20 have 2·(16·7 + 32·6 + 64·6) = 1,376 running figures.
TEST(ImageModels, RunningStatisticsAreBuffersUnlessThereAreNone) {
  const auto kept = make(keys("resnet-20"), cifar),
             none = make(keys("resnet-20", {{"batch_norm", std::string("none")}}), cifar);
  EXPECT_EQ(FlatModule(*kept).buffers().numel(), 1376);
  EXPECT_EQ(FlatModule(*none).buffers().numel(), 0);
  const torch::Tensor x = torch::linspace(-1, 1, 4 * 3072).view({4, 3, 32, 32});
  const auto train = [&](ImageModel& m) { return m.train(), m.forward(x, nullptr); };
  const auto eval = [&](ImageModel& m) { return m.eval(), m.forward(x, nullptr); };
  EXPECT_TRUE(torch::equal(train(*none), eval(*none)));
  EXPECT_FALSE(torch::equal(train(*kept), eval(*kept)));
}

TEST(ImageModels, SaysWhenImagesAreTooSmall) {
  for (const char* name : {"mnist-cnn", "cifar-cnn", "resnet-18", "resnet-56"})
    EXPECT_THROW(make(keys(name), {3, 7, 40, 10}), UserError) << name;
}

}  // namespace
}  // namespace tacet::image_models_test
