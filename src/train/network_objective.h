// What the objectives of all networks share: the flat buffers behind a module, its start, and the copy of a vector into it.
// What a mini-batch is and which loss it has is each task's (language_objective.cc, text_objective.cc, …); functions have no
// module.
#pragma once

#include <optional>

#include "tacet/flat_module.h"
#include "tacet/objective.h"
#include "tacet/options.h"
#include "train/data_wait.h"

namespace tacet {

class NetworkObjective : public Objective, public DataWait {
 public:
  const std::vector<Layer>& layers() const override { return flat_->layers(); }
  Vec initial() override { return initial_.clone(); }
  Vec workspace() override { return flat_->parameters(); }
  Vec buffers() override { return flat_->buffers(); }
  std::vector<Layer> buffer_layers() const override { return flat_->buffer_layers(); }
  Vec gradient_buffer() override { return flat_->gradients(); }

 protected:
  // Once, in the constructor of the task: takes the module's tensors into flat buffers and its start from model.init, where
  // that is given. The module must outlive this. Throws UserError for a file that does not fit.
  void adopt(torch::nn::Module& module, const Values& model);
  // The module computes at y from here on; no copy when y is its own vector.
  void load(const Vec& y);

 private:
  std::optional<FlatModule> flat_;
  Vec initial_;
};

}  // namespace tacet
