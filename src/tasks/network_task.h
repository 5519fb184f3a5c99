// The parts that the objectives of all networks share: the flat buffers behind a module, its start, and the copy of a vector
// into it. Each task has its own mini-batches and loss (language_modelling.cc, text_classification.cc, …). Functions have no
// module.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "tacet/flat_module.h"
#include "tacet/objective.h"
#include "tasks/data_wait.h"

namespace tacet {

struct DataRecord;
struct Recipe;

// Returns the record by which a task's data are to be numbered: in an evaluation that of the run whose model it is, else the
// words and subwords of the run whose model model.init is; nothing where neither has a data.json.
std::optional<DataRecord> numbering_of(const Recipe& recipe);

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
  std::string data_record() const override { return record_; }
  std::vector<std::string> notes() const override { return notes_; }
  Vec gradient_buffer() override { return flat_->gradients(); }

 protected:
  // Makes the task's module anew, with equal initial weights.
  using MakeModule = std::function<std::shared_ptr<torch::nn::Module>()>;
  // Once, in the constructor of the task: takes the module's tensors into flat buffers and its start from model.init, where
  // that is given. The module must outlive this. Throws UserError for a file that does not fit.
  void adopt(torch::nn::Module& module, const Recipe& recipe, MakeModule again);
  // Once, in the constructor of the task: keeps the record of the data as they were read, and lines about them.
  void keep(const Recipe& recipe, DataRecord record, const std::vector<std::string>& notes);
  // Makes the module compute at y from here on. Copies nothing when y is its own vector.
  void load(const Vec& y);

 private:
  std::optional<FlatModule> flat_;
  std::string record_;  // the text of data.json
  std::vector<std::string> notes_;
  MakeModule again_;
  Vec from_file_;  // defined with model.init: the file may be gone when the start is asked for again
  bool at_start_ = true;
};

}  // namespace tacet
