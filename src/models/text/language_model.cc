// From a recipe's [model] to a LanguageModel.
#include "models/text/language_model.h"

#include "models/text/awd_lstm.h"
#include "models/text/gpt2.h"

namespace tacet {
namespace {

// AWD-LSTM's state is flattened to h and c of every layer, AWD-GRU's to h.
class Awd : public LanguageModel {
 public:
  Awd(const AwdLstmOptions& options, uint64_t seed)
      : cell_(options.cell), model_(options, Stream(seed, Stream::everyone, Purpose::initial_weights, 0, 0)) {}
  torch::nn::Module& module() override { return model_; }
  State zero_state(int64_t batch) const override { return flat(model_.zero_state(batch)); }
  Loss loss(const at::Tensor& input, const at::Tensor& target, State& state, const BatchKey* draw) override {
    const size_t parts = cell_ == Cell::lstm ? 2 : 1;
    std::vector<LstmState> layers;
    for (size_t k = 0; k < state.size(); k += parts) layers.push_back({state[k], parts == 2 ? state[k + 1] : at::Tensor()});
    AwdLstm::Loss loss;
    if (draw) {
      const AwdLstm::Draws draws{draw->stream(Purpose::embedding_dropout), draw->stream(Purpose::input_dropout),
                                 draw->stream(Purpose::hidden_dropout), draw->stream(Purpose::output_dropout),
                                 draw->stream(Purpose::weight_drop)};
      loss = model_.loss(input, target, layers, &draws);
    } else {
      loss = model_.loss(input, target, layers, nullptr);
    }
    state = flat(layers);
    return {loss.cross_entropy, loss.objective};
  }

 private:
  State flat(const std::vector<LstmState>& layers) const {
    State state;
    for (const LstmState& s : layers) {
      state.push_back(s.h);
      if (cell_ == Cell::lstm) state.push_back(s.c);
    }
    return state;
  }
  Cell cell_;
  AwdLstm model_;
};

class Gpt2Model : public LanguageModel {
 public:
  Gpt2Model(const Gpt2Options& options, uint64_t seed) : model_(options, seed) {}
  torch::nn::Module& module() override { return model_; }
  State zero_state(int64_t) const override { return {}; }
  Loss loss(const at::Tensor& input, const at::Tensor& target, State&, const BatchKey* draw) override {
    const at::Tensor loss = model_.loss(input, target, draw);
    return {loss, loss};
  }
  int64_t context() const override { return model_.context(); }

 private:
  Gpt2 model_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_language_model(const Values& model, int64_t vocabulary, uint64_t seed,
                                                   Precision precision) {
  if (model.text("name") == "gpt2") {
    Gpt2Options o = gpt2_options(model, vocabulary);
    o.precision = precision;
    return std::make_unique<Gpt2Model>(o, seed);
  }
  AwdLstmOptions o = awd_lstm_options(model, vocabulary);
  o.precision = precision;
  return std::make_unique<Awd>(o, seed);
}

}  // namespace tacet
