// See state_codec.h.
#include "train/state_codec.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <ATen/ops/empty.h>

#include "base/bytes.h"

namespace tacet {
namespace {

// Appends nothing for a client that has no vector.
void put_client(std::string& out, int client, const std::vector<Vec>& vectors) {
  if (std::none_of(vectors.begin(), vectors.end(), [](const Vec& v) { return v.defined(); })) return;
  put(out, static_cast<int32_t>(client));
  put(out, static_cast<int32_t>(vectors.size()));
  for (const Vec& v : vectors) put_tensor(out, v);
}

}  // namespace

void put_tensor(std::string& out, const Vec& v) {
  put(out, v.defined() ? static_cast<int32_t>(v.scalar_type()) : int32_t{-1});
  if (!v.defined()) return;
  put(out, static_cast<int32_t>(v.dim()));
  for (const int64_t n : v.sizes()) put(out, n);
  const Vec flat = v.contiguous();
  out.append(static_cast<const char*>(flat.data_ptr()), flat.nbytes());
}

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
  if (v.nbytes() > 0) std::memcpy(v.data_ptr(), bytes.data() + at, v.nbytes());
  at += v.nbytes();
}

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
    vectors.push_back(found == state->all().end() ? Vec() : found->second);
  }
  return vectors;
}

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

void unpack_into(const std::string& bytes, ClientVectors& vectors) {
  for (size_t at = 0; at < bytes.size();) {
    auto& of_client = vectors[take<int32_t>(bytes, at)];
    of_client.resize(static_cast<size_t>(take<int32_t>(bytes, at)));
    for (Vec& v : of_client) take_tensor(bytes, at, v);
  }
}

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
  unpack_into(bytes, vectors);
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

}  // namespace tacet
