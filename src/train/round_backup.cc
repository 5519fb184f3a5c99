// See round_backup.h.
#include "train/round_backup.h"

#include <cassert>
#include <utility>

namespace tacet {

void RoundBackup::begin(const Visit& visit) {
  spare_ = std::exchange(clients_, {});
  states_.clear();
  Walk walk;
  walk.on_number = [&](const std::string& name, double& value) { numbers_[name] = value; };
  walk.on_clients = [&](const std::string&, PerClient& value) { states_.push_back(&value); };
  walk.on_global = [&](const std::string& name, Vec& value) { copy_into(globals_[name], value); };
  walk.on_value = [&](const std::string& name, Vec& x) { values_[name] = x; };
  visit(walk);
}

void RoundBackup::before(int client) {
  const std::lock_guard lock(mutex_);
  if (clients_.count(client) > 0) return;
  auto& kept = clients_[client];
  if (!spare_.empty()) kept = std::move(spare_.extract(spare_.begin()).mapped());
  kept.resize(states_.size());
  size_t k = 0;
  for (const Vec& v : vectors_of(states_, client)) copy_into(kept[k++], v);
}

void RoundBackup::restore(int client) {
  const std::lock_guard lock(mutex_);
  const auto kept = clients_.find(client);
  assert(kept != clients_.end());
  size_t k = 0;
  for (PerClient* state : states_) put_one(*state, client, kept->second[k++]);
}

std::set<int> RoundBackup::touched() const {
  std::set<int> clients;
  for (const auto& [client, unused] : clients_) clients.insert(client);
  return clients;
}

void RoundBackup::roll_back(const Visit& visit) {
  Walk walk;
  walk.on_number = [&](const std::string& name, double& value) { value = numbers_.at(name); };
  walk.on_global = [&](const std::string& name, Vec& value) {
    const Vec& kept = globals_.at(name);
    value = kept.defined() ? kept.clone() : Vec();
  };
  walk.on_value = [&](const std::string& name, Vec& x) { x = values_.at(name); };
  visit(walk);
  put_clients(visit, clients_, false);
  clients_.clear();
}

}  // namespace tacet
