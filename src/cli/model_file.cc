// See model_file.h.
#include "cli/model_file.h"

#include <cstdio>
#include <filesystem>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/output.h"
#include "data/files/safetensors.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Loads the running statistics of normalisation from the model's file, or from the checkpoint of its run.
void load_buffers(Objective& objective, const std::string& file, const std::string& run) {
  const auto layers = objective.buffer_layers();
  std::set<std::string> names;
  for (const NamedTensor& t : read_safetensors(file)) names.insert(t.name);
  if (!layers.empty() && names.count(layers.front().name)) {
    load_parameters(file, layers, objective.buffers());
    return;
  }
  const std::string state = run.empty() ? "" : (std::filesystem::path(run) / "checkpoint" / "state.safetensors").string();
  if (run.empty() || !std::filesystem::exists(state))
    throw UserError(file + ": has no running statistics of batch normalisation, which this model evaluates with");
  load_parameters(state, {{"buffers", 0, objective.buffers().numel(), {objective.buffers().numel()}}}, objective.buffers());
}

// Warns of tensors of the file that are neither parameters nor running statistics of the model.
void tell_unused(const std::string& file, std::vector<std::string> names, const std::vector<Layer>& statistics) {
  for (const Layer& l : statistics) std::erase(names, l.name);
  for (const std::string& name : names)
    to_stderr("tacet: warning: {}: tensor {} is not this model's and not used\n", file, visible(name));
}

}  // namespace

Vec load_model(Objective& objective, const std::string& file, const std::string& run) {
  Vec x = objective.initial();
  tell_unused(file, load_parameters(file, objective.layers(), x), objective.buffer_layers());
  if (objective.buffers().numel() > 0) load_buffers(objective, file, run);
  return x;
}

}  // namespace tacet
