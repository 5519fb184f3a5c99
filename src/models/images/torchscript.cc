// A network of one's own in a TorchScript file, as torch.jit.save writes one: trained as it is, with the file's parameters
// and buffers under their own names. It knows nothing of layers. libtorch has deprecated TorchScript in its 2.x series, so a
// program of one's own (adding-a-model.md, or tacet.train in Python) is the way that lasts.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "tacet/error.h"
#include "tacet/image_model.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

struct ScriptOptions {
  std::string file, loss;
  void options(OptionList& o) {
    Option& path =
        o.text("file", file, {}, {}, "TorchScript file, as torch.jit.save writes one; its weights are the initial ones");
    path.path = Path::yes;
    path.free_on_resume = path.per_machine = true;
    o.text("loss", loss, "cross-entropy", {"cross-entropy", "nll", "mse"},
           "of the scores that the network's forward returns; nll: they are logarithms of probabilities; mse: the mean over "
           "classes of squared distances to 1 at the label and 0 elsewhere");
  }
};

std::string sizes_text(at::IntArrayRef sizes) {
  std::string text;
  for (const int64_t n : sizes) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

// Returns the last line that says something: a script's errors begin with the stack of its calls.
std::string last_line(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

torch::jit::Module read_script(const std::string& file) {
  try {
    return torch::jit::load(file, at::kCPU);
  } catch (const std::exception& error) {
    throw UserError("model.file: " + file +
                    " must be a TorchScript file, as torch.jit.save writes one: " + last_line(error));
  }
}

class ScriptedNetwork : public ImageModel {
 public:
  ScriptedNetwork(ScriptOptions options, const ImageShape& shape)
      : options_(std::move(options)), script_(read_script(options_.file)), classes_(shape.classes) {
    for (const auto& item : script_.named_parameters()) {
      if (!item.value.requires_grad()) continue;
      if (item.value.scalar_type() != at::kFloat)
        throw UserError(place() + "its parameter " + item.name + " must be float32, got " +
                        toString(item.value.scalar_type()));
      auto [parent, name] = home(item.name);
      parent->register_parameter(std::move(name), item.value);
      trained_ = true;
    }
    for (const auto& item : script_.named_buffers()) {
      auto [parent, name] = home(item.name);
      parent->register_buffer(std::move(name), item.value);
      if (!item.value.is_floating_point()) whole_.push_back({item.value, item.value.clone()});
    }
    if (!trained_)
      throw UserError(place() + "it must have a parameter that requires a gradient, got none (a frozen module?)");
    try_out(shape);
  }

  void train(bool on) override {
    Module::train(on);
    if (training_ != on) script_.train(on);
    training_ = on;
  }
  // Dropout in the file draws from libtorch's generator, so that is seeded by the stream. Whole numbers that the script
  // counts on, as batch normalisation does, are no part of the model that clients exchange: they stay as the file has them,
  // or they would count the batches of this process.
  at::Tensor forward(const at::Tensor& x, const Stream* masks) override {
    if (masks) {
      Stream stream = *masks;
      at::manual_seed(stream.bits());
    }
    torch::jit::IValue scores;
    try {
      scores = run(x);
    } catch (const std::exception& error) {
      throw UserError(place() + "its forward fails on images " + sizes_text(x.sizes()) +
                      (training_ ? " while training" : "") + ": " + last_line(error));
    }
    const at::NoGradGuard no_grad;
    for (const auto& [buffer, start] : whole_) buffer.copy_(start);
    return scores_in(scores, x.size(0));
  }
  at::Tensor loss(const at::Tensor& scores, const at::Tensor& labels) const override {
    if (options_.loss == "nll") return at::nll_loss(scores, labels);
    if (options_.loss == "mse") return at::mse_loss(scores, at::one_hot(labels, scores.size(1)).to(scores.scalar_type()));
    return at::cross_entropy_loss(scores, labels);
  }

 private:
  std::string place() const { return "model.file: " + options_.file + ": "; }

  // Returns the module for a tensor of a dotted name, and the last part of the name. Modules on the way are made.
  std::pair<Module*, std::string> home(const std::string& dotted) {
    Module* at = this;
    size_t begin = 0;
    for (size_t dot = dotted.find('.'); dot != std::string::npos; dot = dotted.find('.', begin)) {
      const std::string part = dotted.substr(begin, dot - begin);
      const auto children = at->named_children();
      const auto* child = children.find(part);
      at = child ? child->get() : at->register_module(part, std::make_shared<Module>("names")).get();
      begin = dot + 1;
    }
    return {at, dotted.substr(begin)};
  }

  // Runs the script as it is written. An optimized graph computes other bits from its third call on.
  torch::jit::IValue run(const at::Tensor& x) {
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    return script_.forward({x});
  }

  void try_out(const ImageShape& s) {
    const std::string wanted = "its forward must take float32 images " + sizes_text({2, s.channels, s.height, s.width});
    const at::NoGradGuard no_grad;
    train(false);
    torch::jit::IValue scores;
    try {
      scores = run(at::zeros({2, s.channels, s.height, s.width}));
    } catch (const std::exception& error) {
      throw UserError(place() + wanted + ", got the error: " + last_line(error));
    }
    (void)scores_in(scores, 2);
    train(true);
  }

  // Returns the scores of a batch. Throws UserError where the script has returned something else.
  at::Tensor scores_in(const torch::jit::IValue& value, int64_t count) const {
    const std::string wanted = place() + "its forward must return float32 scores " + sizes_text({count, classes_}) +
                               (training_ ? " while training" : "") + ", got ";
    if (!value.isTensor()) throw UserError(wanted + "a " + value.tagKind());
    const at::Tensor found = value.toTensor();
    if (found.sizes() != at::IntArrayRef({count, classes_}) || found.scalar_type() != at::kFloat)
      throw UserError(wanted + sizes_text(found.sizes()) + " of " + toString(found.scalar_type()));
    return found;
  }

  const ScriptOptions options_;
  torch::jit::Module script_;
  const int64_t classes_;
  std::vector<std::pair<at::Tensor, at::Tensor>> whole_;  // buffers of whole numbers, and what the file has for them
  bool trained_ = false, training_ = true;
};

}  // namespace

namespace built_in {

std::vector<ModelInfo> torchscript() {
  return {
      {.name = "torchscript",
       .paper = "your own",
       .summary = "a network in a TorchScript file, with its own initial weights; libtorch 2.x has deprecated such files",
       .task = "classification",
       .options = options_of<ScriptOptions>(),
       .image = [](const Values& model, const ImageShape& shape, const Stream&, Precision precision) {
         if (precision != Precision::f32)
           throw UserError("run.dtype must be \"f32\" with model.name = \"torchscript\", got \"bf16\"");
         return std::make_shared<ScriptedNetwork>(read_options<ScriptOptions>(model), shape);
       }}};
}

}  // namespace built_in
}  // namespace tacet
