// State as bytes, for checkpoints and for other workers: packing, unpacking, and copies of clients' vectors. Files and
// workers are not known here.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tacet/algorithm.h"

namespace tacet {

// Shows all state that lives across rounds.
using Visit = std::function<void(StateVisitor&)>;

// A visitor made of functions, one for each kind of state. An absent one skips its kind.
struct Walk : StateVisitor {
  std::function<void(const std::string&, Vec&)> on_global;
  std::function<void(const std::string&, Vec&)> on_value;  // absent: on_global is called
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

// Appends type, sizes and elements. The type −1 stands for an undefined tensor.
void put_tensor(std::string& out, const Vec& v);
// Reads a tensor, into v's memory where that fits.
void take_tensor(const std::string& bytes, size_t& at, Vec& v);

// ---- clients' vectors ----

// By client, its vector of every per-client state, in the order in which they are shown; undefined where it has none.
using ClientVectors = std::map<int, std::vector<Vec>>;

// Returns the per-client states in the order in which they are shown.
std::vector<PerClient*> states_of(const Visit& visit);
// Returns a client's vectors themselves, not copies.
std::vector<Vec> vectors_of(const std::vector<PerClient*>& states, int client);
// Makes `kept` a copy of `value`, in its memory where that fits.
void copy_into(Vec& kept, const Vec& value);
// Makes the client's vector a copy of `value`, or absent where that is undefined.
void put_one(PerClient& state, int client, const Vec& value);

// Returns copies of the vectors of the given clients.
ClientVectors copy_clients(const Visit& visit, const std::set<int>& clients);
// Sets the vectors of the clients in `vectors`. With `only`, no other client has any from now on.
void put_clients(const Visit& visit, const ClientVectors& vectors, bool only);

// Returns the vectors as bytes. Clients without vectors take no room.
std::string pack(const ClientVectors& vectors);
// Packs the clients' vectors into `bytes`, memory that is kept from round to round.
void pack_clients(const Visit& visit, const std::set<int>& clients, std::string& bytes);
ClientVectors unpack(const std::string& bytes);
// Unpacks into vectors that are there already.
void unpack_into(const std::string& bytes, ClientVectors& vectors);

// ---- state that is equal on all ranks ----

std::string pack_numbers(const Visit& visit);
void unpack_numbers(const Visit& visit, const std::string& bytes);
std::string pack_globals(const Visit& visit);
void unpack_globals(const Visit& visit, const std::string& bytes);

}  // namespace tacet
