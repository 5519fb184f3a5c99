// See saved_state.h.
#include "analysis/saved_state.h"

#include <ATen/core/Tensor.h>

namespace tacet {
namespace {

Vec copy_of(const Vec& v) { return v.defined() ? v.clone() : Vec(); }

}  // namespace

struct SavedState::Keeper : StateVisitor {
  explicit Keeper(SavedState& saved) : to(saved) {}
  void global(const std::string& name, Vec& value) override { to.globals_[name] = copy_of(value); }
  void clients(const std::string& name, PerClient& value) override {
    std::map<int, Vec>& kept = to.clients_[name];
    for (const auto& [client, v] : value.all())
      if (v.defined()) kept[client] = v.clone();
  }
  void number(const std::string& name, double& value) override { to.numbers_[name] = value; }
  SavedState& to;
};

struct SavedState::Restorer : StateVisitor {
  explicit Restorer(const SavedState& saved) : from(saved) {}
  void global(const std::string& name, Vec& value) override { value = copy_of(from.globals_.at(name)); }
  void clients(const std::string& name, PerClient& value) override {
    value.all().clear();
    for (const auto& [client, v] : from.clients_.at(name)) value.put(client, v);
  }
  void number(const std::string& name, double& value) override { value = from.numbers_.at(name); }
  const SavedState& from;
};

SavedState::SavedState(Objective& objective) : objective_(objective), buffers_(objective.buffers().clone()) {
  Keeper keeper(*this);
  objective.state(keeper);
}

void SavedState::restore() {
  Restorer restorer(*this);
  objective_.state(restorer);
  if (buffers_.numel() > 0) objective_.buffers().copy_(buffers_);
}

}  // namespace tacet
