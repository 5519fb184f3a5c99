// A model of one's own, and a program that trains it as `tacet` trains the built-in ones: a language model that sees the
// last word only. Its scores of the next word are D E[word] + b, with tables E [V, rank] and D [V, rank].
#include <cmath>
#include <memory>

#include <ATen/ops/addmm.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <tacet/command.h>
#include <tacet/language_model.h>
#include <tacet/registry.h>

using namespace tacet;

struct BigramOptions {
  int64_t rank = 32;
  void options(OptionList& o) { o.integer("rank", rank, rank, within(1, 1e6), "width of the tables"); }
};

class Bigrams : public LanguageModel, public torch::nn::Module {
 public:
  Bigrams(int64_t vocabulary, int64_t rank, uint64_t seed)
      : words_(register_parameter("words", random({vocabulary, rank}, Stream(seed, 0, Purpose::initial_weights, 0, 0)))),
        next_(register_parameter("next", random({vocabulary, rank}, Stream(seed, 0, Purpose::initial_weights, 0, 1)))),
        bias_(register_parameter("bias", at::zeros({vocabulary}))) {}

  torch::nn::Module& module() override { return *this; }
  State zero_state(int64_t) const override { return {}; }
  Loss loss(const at::Tensor& input, const at::Tensor& target, State&, const BatchKey*) override {
    const at::Tensor scores = at::addmm(bias_, at::embedding(words_, input.reshape({-1})), next_.t());
    const at::Tensor loss = at::cross_entropy_loss(scores, target);
    return {loss, loss};
  }

 private:
  // Returns numbers from −1/√rank to 1/√rank, a function of the stream alone.
  static at::Tensor random(at::IntArrayRef shape, Stream stream) {
    at::Tensor t = at::empty(shape);
    stream.fill_uniform(t.data_ptr<float>(), t.numel());
    return t.sub_(0.5).mul_(2 / std::sqrt(static_cast<double>(shape[1])));
  }

  at::Tensor words_, next_, bias_;
};

int main(int argc, char** argv) {
  add_model({.name = "bigrams",
             .paper = "this example",
             .summary = "the next word's scores are a product of low rank of the last word",
             .task = "language-model",
             .options = options_of<BigramOptions>(),
             .language = [](const Values& model, int64_t vocabulary, uint64_t seed, Precision) {
               return std::make_unique<Bigrams>(vocabulary, read_options<BigramOptions>(model).rank, seed);
             }});
  return command(argc, argv);
}
