// See recovery.h.
#include "train/recovery.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <utility>

#include <ATen/ops/empty.h>

#include "engine/tree_sum.h"

namespace tacet {
namespace {

// Walks over one kind of state.
struct Walk : StateVisitor {
  std::function<void(const std::string&, Vec&)> on_global;
  std::function<void(const std::string&, Vec&)> on_value;  // absent: as on_global
  std::function<void(const std::string&, PerClient&)> on_clients;
  std::function<void(const std::string&, double&)> on_number;
  void global(const std::string& name, Vec& value) override {
    if (on_global) on_global(name, value);
  }
  void value(const std::string& name, Vec& x) override { on_value ? on_value(name, x) : global(name, x); }
  void clients(const std::string& name, PerClient& value) override {
    if (on_clients) on_clients(name, value);
  }
  void number(const std::string& name, double& value) override {
    if (on_number) on_number(name, value);
  }
};

std::vector<PerClient*> states_of(const Visit& visit) {
  std::vector<PerClient*> states;
  Walk walk;
  walk.on_clients = [&](const std::string&, PerClient& value) { states.push_back(&value); };
  visit(walk);
  return states;
}

// The vectors themselves, not copies.
std::vector<Vec> vectors_of(const std::vector<PerClient*>& states, int client) {
  std::vector<Vec> vectors;
  for (PerClient* state : states) {
    const auto found = state->all().find(client);
    vectors.push_back(found == state->all().end() ? Vec() : found->second);
  }
  return vectors;
}

// Makes `kept` a copy, in the memory that it has where that fits.
void copy_into(Vec& kept, const Vec& value) {
  if (!value.defined()) {
    kept = Vec();
  } else if (kept.defined() && kept.sizes() == value.sizes() && kept.scalar_type() == value.scalar_type()) {
    kept.copy_(value);
  } else {
    kept = value.clone();
  }
}

void put_one(PerClient& state, int client, const Vec& value) {
  if (value.defined()) {
    state.put(client, value);
  } else {
    state.all().erase(client);
  }
}

template <typename T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
T take(const std::string& bytes, size_t& at) {
  T value;
  assert(at + sizeof value <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

// Type, sizes, elements; the type −1 stands for an undefined one.
void put_tensor(std::string& out, const Vec& v) {
  put(out, v.defined() ? static_cast<int32_t>(v.scalar_type()) : int32_t{-1});
  if (!v.defined()) return;
  put(out, static_cast<int32_t>(v.dim()));
  for (const int64_t n : v.sizes()) put(out, n);
  const Vec flat = v.contiguous();
  out.append(static_cast<const char*>(flat.data_ptr()), flat.nbytes());
}

// Into the memory that `v` has, where that fits.
void take_tensor(const std::string& bytes, size_t& at, Vec& v) {
  const auto type = take<int32_t>(bytes, at);
  if (type < 0) {
    v = Vec();
    return;
  }
  std::vector<int64_t> sizes(static_cast<size_t>(take<int32_t>(bytes, at)));
  for (int64_t& n : sizes) n = take<int64_t>(bytes, at);
  if (!v.defined() || v.sizes() != at::IntArrayRef(sizes) || v.scalar_type() != static_cast<at::ScalarType>(type))
    v = at::empty(sizes, static_cast<at::ScalarType>(type));
  assert(at + v.nbytes() <= bytes.size());
  std::memcpy(v.data_ptr(), bytes.data() + at, v.nbytes());
  at += v.nbytes();
}

// Nothing, where it has no vector.
void put_client(std::string& out, int client, const std::vector<Vec>& vectors) {
  if (std::none_of(vectors.begin(), vectors.end(), [](const Vec& v) { return v.defined(); })) return;
  put(out, static_cast<int32_t>(client));
  put(out, static_cast<int32_t>(vectors.size()));
  for (const Vec& v : vectors) put_tensor(out, v);
}

void take_clients(const std::string& bytes, ClientVectors& into) {
  for (size_t at = 0; at < bytes.size();) {
    auto& of_client = into[take<int32_t>(bytes, at)];
    of_client.resize(static_cast<size_t>(take<int32_t>(bytes, at)));
    for (Vec& v : of_client) take_tensor(bytes, at, v);
  }
}

size_t whole_floats(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

Piece floats_of(std::string& bytes) {
  return {reinterpret_cast<float*>(bytes.data()), static_cast<int64_t>(bytes.size() / sizeof(float))};
}

}  // namespace

ClientVectors copy_clients(const Visit& visit, const std::set<int>& clients) {
  const auto states = states_of(visit);
  ClientVectors vectors;
  for (const int client : clients)
    for (const Vec& v : vectors_of(states, client)) copy_into(vectors[client].emplace_back(), v);
  return vectors;
}

void put_clients(const Visit& visit, const ClientVectors& vectors, bool only) {
  size_t k = 0;
  Walk walk;
  walk.on_clients = [&](const std::string&, PerClient& value) {
    if (only) value.all().clear();
    for (const auto& [client, of_client] : vectors) put_one(value, client, of_client[k]);
    ++k;
  };
  visit(walk);
}

std::string pack(const ClientVectors& vectors) {
  std::string bytes;
  for (const auto& [client, of_client] : vectors) put_client(bytes, client, of_client);
  return bytes;
}

void pack_clients(const Visit& visit, const std::set<int>& clients, std::string& bytes) {
  const auto states = states_of(visit);
  bytes.clear();
  for (const int client : clients) put_client(bytes, client, vectors_of(states, client));
}

ClientVectors unpack(const std::string& bytes) {
  ClientVectors vectors;
  take_clients(bytes, vectors);
  return vectors;
}

std::string pack_numbers(const Visit& visit) {
  std::string bytes;
  Walk walk;
  walk.on_number = [&](const std::string&, double& value) { put(bytes, value); };
  visit(walk);
  return bytes;
}

void unpack_numbers(const Visit& visit, const std::string& bytes) {
  size_t at = 0;
  Walk walk;
  walk.on_number = [&](const std::string&, double& value) { value = take<double>(bytes, at); };
  visit(walk);
}

std::string pack_globals(const Visit& visit) {
  std::string bytes;
  Walk walk;
  walk.on_global = [&](const std::string&, Vec& value) { put_tensor(bytes, value); };
  visit(walk);
  return bytes;
}

void unpack_globals(const Visit& visit, const std::string& bytes) {
  size_t at = 0;
  Walk walk;
  walk.on_global = [&](const std::string&, Vec& value) {
    value = Vec();
    take_tensor(bytes, at, value);
  };
  visit(walk);
}

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

std::vector<std::vector<float>> swap_floats(Group& group, const std::vector<float>& mine) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  std::vector<float> out = mine;
  std::vector<std::vector<float>> all(ranks, std::vector<float>(mine.size()));
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    to[q].push_back({out.data(), static_cast<int64_t>(out.size())});
    from[q].push_back({all[q].data(), static_cast<int64_t>(out.size())});
  }
  if (ranks > 1) group.exchange(to, from);
  all[me] = mine;
  return all;
}

std::vector<std::string> swap_bytes(Group& group, std::vector<std::string> to) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  assert(to.size() == ranks);
  std::vector<std::string> from(ranks);
  from[me] = std::move(to[me]);
  if (ranks == 1) return from;
  std::vector<int64_t> out(ranks), in(ranks);
  std::vector<std::vector<Piece>> send(ranks), fill(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    out[q] = static_cast<int64_t>(to[q].size());
    send[q].push_back({reinterpret_cast<float*>(&out[q]), sizeof(int64_t) / sizeof(float)});
    fill[q].push_back({reinterpret_cast<float*>(&in[q]), sizeof(int64_t) / sizeof(float)});
  }
  group.exchange(send, fill);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    to[q].resize(whole_floats(to[q].size()) * sizeof(float));
    from[q].resize(whole_floats(static_cast<size_t>(in[q])) * sizeof(float));
    send[q] = {floats_of(to[q])};
    fill[q] = {floats_of(from[q])};
  }
  group.exchange(send, fill);
  for (size_t q = 0; q < ranks; ++q)
    if (q != me) from[q].resize(static_cast<size_t>(in[q]));
  return from;
}

void SecondCopy::renew(Group& group, const ClientVectors& mine) {
  kept_.clear();
  any_.assign(static_cast<size_t>(group.size()), false);
  std::string bytes = pack(mine);
  std::vector<int64_t> sizes;
  int64_t size = static_cast<int64_t>(bytes.size());
  std::vector<float> as_floats(sizeof size / sizeof(float));
  std::memcpy(as_floats.data(), &size, sizeof size);
  for (const auto& theirs : swap_floats(group, as_floats)) {
    std::memcpy(&size, theirs.data(), sizeof size);
    sizes.push_back(size);
  }
  receive(group, bytes, sizes);
  commit();
  staged_ = {};  // as large as all of a rank's clients, which a round seldom is
}

void SecondCopy::receive(Group& group, std::string& mine, const std::vector<int64_t>& sizes) {
  staged_.clear();
  const int ranks = group.size(), me = group.rank();
  const int next = (me + 1) % ranks, before = (me + ranks - 1) % ranks;
  for (int q = 0; q < ranks; ++q)
    if (sizes[static_cast<size_t>(q)] > 0) any_[static_cast<size_t>(q)] = true;
  if (ranks == 1) return;
  mine.resize(whole_floats(mine.size()) * sizeof(float));
  const auto size = static_cast<size_t>(sizes[static_cast<size_t>(before)]);
  coming_.resize(whole_floats(size) * sizeof(float));
  std::vector<std::vector<Piece>> to(static_cast<size_t>(ranks)), from(static_cast<size_t>(ranks));
  if (!mine.empty()) to[static_cast<size_t>(next)].push_back(floats_of(mine));
  if (!coming_.empty()) from[static_cast<size_t>(before)].push_back(floats_of(coming_));
  group.exchange(to, from);
  coming_.resize(size);
  std::swap(staged_, coming_);
}

void SecondCopy::commit() {
  take_clients(staged_, kept_);
  staged_.clear();
}

Agreement agree(const std::vector<Claim>& claims, int rank) {
  const auto latest = [](const Claim& c) { return c.has_state ? std::max(c.placement, c.staged) : c.staged; };
  int64_t newest = 0, settled = 0;
  for (const Claim& c : claims) {
    newest = std::max(newest, latest(c));
    if (c.has_state) settled = std::max(settled, c.placement);
  }
  bool in_force = newest > 0;
  for (const Claim& c : claims) in_force = in_force && (!c.has_state || latest(c) == newest);
  assert(in_force || settled < newest || newest == 0);  // who has moved on has seen all others stage
  Agreement agreed;
  for (size_t q = 0; q < claims.size(); ++q) {
    const Claim& c = claims[q];
    const bool staged = in_force && c.staged == newest;
    agreed.holds.push_back(c.has_state || staged);
    if (!agreed.holds.back()) continue;
    if (agreed.root < 0) agreed.root = static_cast<int>(q);
    agreed.rounds = std::max(agreed.rounds, c.rounds);
    if (static_cast<int>(q) == rank) agreed.adopt = staged;
  }
  return agreed;
}

Agreement agree(Group& group, const Claim& mine) {
  const auto told = all_gather(group, {mine.has_state ? 1.0 : 0.0, mine.rounds, static_cast<double>(mine.placement),
                                       static_cast<double>(mine.staged)});
  std::vector<Claim> claims;
  for (size_t k = 0; k < told.size(); k += 4)
    claims.push_back({told[k] != 0, told[k + 1], static_cast<int64_t>(told[k + 2]), static_cast<int64_t>(told[k + 3])});
  return agree(claims, group.rank());
}

// Who has a worker's clients: it itself or the one behind it, which keeps their second copy; −1: nobody.
int64_t ClientCopies::keeper(size_t home, const std::set<int64_t>& holders) const {
  const auto& workers = now_.workers;
  if (holders.count(workers[home]) > 0) return workers[home];
  if (!copies_) return -1;
  const int64_t next = workers[(home + 1) % workers.size()];
  return holders.count(next) > 0 ? next : -1;
}

bool ClientCopies::complete(const std::set<int64_t>& holders) const {
  for (size_t home = 0; home < now_.workers.size(); ++home)
    if (keeper(home, holders) < 0 && (!copies_ || now_.second.had_any(static_cast<int>(home)))) return false;
  return true;
}

ClientVectors ClientCopies::fetch(Group& group, const Visit& visit, const std::set<int64_t>& holders, int64_t me) const {
  const auto after = block_bounds(clients_, group.size());
  std::vector<ClientVectors> out(static_cast<size_t>(group.size()));
  for (size_t home = 0; me >= 0 && home < now_.workers.size(); ++home) {
    if (keeper(home, holders) != me) continue;
    const auto before = block_bounds(clients_, static_cast<int>(now_.workers.size()));
    std::set<int> theirs;
    for (int64_t c = before[home]; c < before[home + 1]; ++c) theirs.insert(static_cast<int>(c));
    for (const auto& [client, vectors] : now_.workers[home] == me ? copy_clients(visit, theirs) : now_.second.clients()) {
      const auto there = std::upper_bound(after.begin(), after.end(), client) - after.begin() - 1;
      if (theirs.count(client) > 0) out[static_cast<size_t>(there)][client] = vectors;
    }
  }
  std::vector<std::string> to;
  for (ClientVectors& vectors : out) {
    to.push_back(pack(vectors));
    vectors.clear();
  }
  ClientVectors mine;
  for (const std::string& part : swap_bytes(group, std::move(to))) mine.merge(unpack(part));
  return mine;
}

void ClientCopies::stage(Group& group, int64_t number, std::vector<int64_t> workers, ClientVectors mine, double rounds) {
  Placement next{number, std::move(workers), {}, std::move(mine), rounds};
  next.second.renew(group, copies_ ? next.mine : ClientVectors());
  next_ = std::move(next);
  swap_floats(group, {1});
}

void ClientCopies::adopt(const Visit& visit) {
  assert(next_.number > 0);
  put_clients(visit, next_.mine, true);
  now_ = std::exchange(next_, {});
  now_.mine.clear();
}

}  // namespace tacet
