// The parts that the objectives of all networks share: the flat buffers behind a module, its start, and the copy of a vector
// into it. Each task has its own mini-batches and loss (language_modelling.cc, text_classification.cc, …). Functions have no
// module.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "tacet/flat_module.h"
#include "tacet/objective.h"
#include "tacet/options.h"
#include "tasks/data_wait.h"

namespace tacet {

class NetworkObjective : public Objective, public DataWait {
 public:
  const std::vector<Layer>& layers() const override { return flat_->layers(); }
  // Returns the start. No copy of it is kept for a run. The module holds it until its vector was given out, and is made once
  // more after that.
  Vec initial() override;
  Vec workspace() override {
    at_start_ = false;
    return flat_->parameters();
  }
  Vec buffers() override { return flat_->buffers(); }
  std::vector<Layer> buffer_layers() const override { return flat_->buffer_layers(); }
  Vec gradient_buffer() override { return flat_->gradients(); }

 protected:
  // Makes the task's module anew, with equal initial weights.
  using MakeModule = std::function<std::shared_ptr<torch::nn::Module>()>;
  // Once, in the constructor of the task: takes the module's tensors into flat buffers and its start from model.init, where
  // that is given. The module must outlive this. Throws UserError for a file that does not fit.
  void adopt(torch::nn::Module& module, const Values& model, MakeModule again);
  // Makes the module compute at y from here on. Copies nothing when y is its own vector.
  void load(const Vec& y);

 private:
  std::optional<FlatModule> flat_;
  MakeModule again_;
  Vec from_file_;  // defined with model.init: the file may be gone when the start is asked for again
  bool at_start_ = true;
};

}  // namespace tacet
