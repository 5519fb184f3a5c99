// What the objectives of all networks share: the flat buffers behind a module, its start, and the copy of a vector into it.
// What a mini-batch is and which loss it has is each task's (language_objective.cc, text_objective.cc, …); functions have no
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
  // No copy of it is kept for a run: it is what the module holds as long as nobody was given its vector, and the module is
  // made once more after that.
  Vec initial() override;
  Vec workspace() override {
    at_start_ = false;
    return flat_->parameters();
  }
  Vec buffers() override { return flat_->buffers(); }
  std::vector<Layer> buffer_layers() const override { return flat_->buffer_layers(); }
  Vec gradient_buffer() override { return flat_->gradients(); }

 protected:
  // The module of the task with the same initial weights, anew.
  using MakeModule = std::function<std::shared_ptr<torch::nn::Module>()>;
  // Once, in the constructor of the task: takes the module's tensors into flat buffers and its start from model.init, where
  // that is given. The module must outlive this. Throws UserError for a file that does not fit.
  void adopt(torch::nn::Module& module, const Values& model, MakeModule again);
  // The module computes at y from here on; no copy when y is its own vector.
  void load(const Vec& y);

 private:
  std::optional<FlatModule> flat_;
  MakeModule again_;
  Vec from_file_;  // defined with model.init: the file may be gone when the start is asked for again
  bool at_start_ = true;
};

}  // namespace tacet
