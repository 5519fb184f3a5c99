// See recovery.h.
#include "train/recovery.h"

#include <cassert>
#include <cstring>
#include <functional>
#include <utility>

#include <ATen/ATen.h>

namespace tacet {
namespace {

// Walks over one kind of state.
struct Walk : StateVisitor {
  std::function<void(const std::string&, Vec&)> on_global;
  std::function<void(const std::string&, PerClient&)> on_clients;
  std::function<void(const std::string&, double&)> on_number;
  void global(const std::string& name, Vec& value) override {
    if (on_global) on_global(name, value);
  }
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

std::vector<Vec> vectors_of(const std::vector<PerClient*>& states, int client) {
  std::vector<Vec> vectors;
  for (PerClient* state : states) {
    const auto found = state->all().find(client);
    vectors.push_back(found == state->all().end() ? Vec() : found->second.clone());
  }
  return vectors;
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

Vec take_tensor(const std::string& bytes, size_t& at) {
  const auto type = take<int32_t>(bytes, at);
  if (type < 0) return {};
  std::vector<int64_t> sizes(static_cast<size_t>(take<int32_t>(bytes, at)));
  for (int64_t& n : sizes) n = take<int64_t>(bytes, at);
  Vec v = at::empty(sizes, static_cast<at::ScalarType>(type));
  assert(at + v.nbytes() <= bytes.size());
  std::memcpy(v.data_ptr(), bytes.data() + at, v.nbytes());
  at += v.nbytes();
  return v;
}

size_t whole_floats(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

Piece floats_of(std::string& bytes) {
  return {reinterpret_cast<float*>(bytes.data()), static_cast<int64_t>(bytes.size() / sizeof(float))};
}

}  // namespace

ClientVectors copy_clients(const Visit& visit, const std::set<int>& clients) {
  const auto states = states_of(visit);
  ClientVectors vectors;
  for (const int client : clients) vectors[client] = vectors_of(states, client);
  return vectors;
}

void put_clients(const Visit& visit, const ClientVectors& vectors, bool only) {
  size_t k = 0;
  Walk walk;
  walk.on_clients = [&](const std::string&, PerClient& value) {
    if (only) value.all().clear();
    for (const auto& [client, of_client] : vectors) {
      if (of_client[k].defined()) {
        value.put(client, of_client[k]);
      } else {
        value.all().erase(client);
      }
    }
    ++k;
  };
  visit(walk);
}

std::string pack(const ClientVectors& vectors) {
  std::string bytes;
  for (const auto& [client, of_client] : vectors) {
    bool any = false;
    for (const Vec& v : of_client) any = any || v.defined();
    if (!any) continue;
    put(bytes, static_cast<int32_t>(client));
    put(bytes, static_cast<int32_t>(of_client.size()));
    for (const Vec& v : of_client) put_tensor(bytes, v);
  }
  return bytes;
}

ClientVectors unpack(const std::string& bytes) {
  ClientVectors vectors;
  for (size_t at = 0; at < bytes.size();) {
    auto& of_client = vectors[take<int32_t>(bytes, at)];
    of_client.resize(static_cast<size_t>(take<int32_t>(bytes, at)));
    for (Vec& v : of_client) v = take_tensor(bytes, at);
  }
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
  walk.on_global = [&](const std::string&, Vec& value) { value = take_tensor(bytes, at); };
  visit(walk);
}

void Undo::begin(const Visit& visit) {
  clients_.clear();
  states_.clear();
  Walk walk;
  walk.on_number = [&](const std::string& name, double& value) { numbers_[name] = value; };
  walk.on_clients = [&](const std::string&, PerClient& value) { states_.push_back(&value); };
  walk.on_global = [&](const std::string& name, Vec& value) {
    Vec& kept = globals_[name];
    if (!value.defined()) {
      kept = Vec();
    } else if (kept.defined() && kept.sizes() == value.sizes() && kept.scalar_type() == value.scalar_type()) {
      kept.copy_(value);
    } else {
      kept = value.clone();
    }
  };
  visit(walk);
}

void Undo::before(int client) {
  const std::lock_guard lock(mutex_);
  if (clients_.count(client) == 0) clients_[client] = vectors_of(states_, client);
}

std::set<int> Undo::touched() const {
  std::set<int> clients;
  for (const auto& [client, unused] : clients_) clients.insert(client);
  return clients;
}

void Undo::roll_back(const Visit& visit) {
  Walk walk;
  walk.on_number = [&](const std::string& name, double& value) { value = numbers_.at(name); };
  walk.on_global = [&](const std::string& name, Vec& value) {
    const Vec& kept = globals_.at(name);
    value = kept.defined() ? kept.clone() : Vec();
  };
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

void Replica::renew(Group& group, const ClientVectors& mine) {
  kept_.clear();
  staged_.clear();
  any_.assign(static_cast<size_t>(group.size()), false);
  const std::string bytes = pack(mine);
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
}

void Replica::receive(Group& group, const std::string& mine, const std::vector<int64_t>& sizes) {
  staged_.clear();
  const int ranks = group.size(), me = group.rank();
  const int next = (me + 1) % ranks, before = (me + ranks - 1) % ranks;
  for (int q = 0; q < ranks; ++q)
    if (sizes[static_cast<size_t>(q)] > 0) any_[static_cast<size_t>(q)] = true;
  if (ranks == 1) return;
  std::string out = mine, in;
  out.resize(whole_floats(out.size()) * sizeof(float));
  const auto size = static_cast<size_t>(sizes[static_cast<size_t>(before)]);
  in.resize(whole_floats(size) * sizeof(float));
  std::vector<std::vector<Piece>> to(static_cast<size_t>(ranks)), from(static_cast<size_t>(ranks));
  if (!out.empty()) to[static_cast<size_t>(next)].push_back(floats_of(out));
  if (!in.empty()) from[static_cast<size_t>(before)].push_back(floats_of(in));
  group.exchange(to, from);
  in.resize(size);
  staged_ = unpack(in);
}

void Replica::commit() {
  for (auto& [client, vectors] : staged_) kept_[client] = std::move(vectors);
  staged_.clear();
}

}  // namespace tacet
