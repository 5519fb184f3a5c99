// See checkpoint_state.h.
#include "train/checkpoint_state.h"

#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "comm/collectives.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "train/state_codec.h"

namespace tacet {
namespace {

using nlohmann::json;

// Sends `mine` to rank 0. Returns all in rank order there, and nothing elsewhere. Collective.
std::vector<std::string> gather(Group& group, std::string mine) {
  std::vector<std::string> send(static_cast<size_t>(group.size()));
  send[0] = std::move(mine);
  return all_to_all(group, std::move(send));
}

std::string client_name(const std::string& name, int64_t client) { return name + "/" + std::to_string(client); }

// Returns the client in a tensor's name, or nothing for a global one.
std::optional<int64_t> client_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  int64_t client = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + slash + 1, end, client);
  return error == std::errc() && stop == end ? std::optional(client) : std::nullopt;
}

struct Collect : StateVisitor {
  Group& group;
  Saved saved;

  explicit Collect(Group& g) : group(g) {}
  void number(const std::string& name, double& value) override {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    // Only the bits are read back. The decimal value is for people.
    saved.numbers[name] = {{"value", std::isfinite(value) ? json(value) : json(std::to_string(value))}, {"bits", bits}};
  }
  void global(const std::string& name, Vec& value) override {
    assert(!client_of(name));
    if (value.defined() && group.rank() == 0) saved.tensors.push_back({name, value.contiguous().clone()});
  }
  void value(const std::string& name, Vec& x) override {
    if (x.defined() && group.rank() == 0) saved.tensors.push_back({name, x.contiguous()});
  }
  void clients(const std::string& name, PerClient& value) override {
    std::string mine;
    for (auto& [client, vec] : value.all()) {
      put(mine, static_cast<int64_t>(client));
      put_tensor(mine, vec.reshape({-1}));
    }
    for (const std::string& part : gather(group, std::move(mine)))
      for (size_t at = 0; at < part.size();) {
        saved.tensors.push_back({client_name(name, take<int64_t>(part, at)), Vec()});
        take_tensor(part, at, saved.tensors.back().tensor);
      }
  }
};

// Returns true for numbers that older versions of tacet did not write. Absent ones keep their value.
bool came_later(const std::string& name) {
  static const std::set<std::string> later = {"extra_samples", "taken",         "epoch_steps",   "epoch_clipped",
                                              "epoch_judged",  "epoch_correct", "next_gradient", "gradient_round"};
  return later.count(name) != 0 || name.rfind("faults.", 0) == 0;
}

struct Restore : StateVisitor {
  const json& numbers;
  std::map<std::string, Vec> tensors;
  int64_t first, last;  // clients hosted here
  const std::string& where;

  Restore(const Saved& saved, int64_t f, int64_t l, const std::string& w)
      : numbers(saved.numbers), first(f), last(l), where(w) {
    for (const auto& t : saved.tensors) tensors[t.name] = t.tensor;
  }
  void number(const std::string& name, double& value) override {
    if (came_later(name) && !numbers.contains(name)) return;
    if (!numbers.contains(name) || !numbers[name].is_object() || !numbers[name].value("bits", json()).is_number_unsigned())
      throw UserError(where + ": state.json has no number " + name + ": it is another run's checkpoint");
    const auto bits = numbers[name]["bits"].get<uint64_t>();
    std::memcpy(&value, &bits, sizeof value);
  }
  void global(const std::string& name, Vec& value) override {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      value = Vec();
      return;
    }
    if (value.defined() && value.sizes() != found->second.sizes())
      throw UserError(where + ": " + name + " has another size than this recipe's model");
    value = found->second.clone();
  }
  void clients(const std::string& name, PerClient& value) override {
    value.all().clear();
    for (int64_t c = first; c < last; ++c) {
      const auto found = tensors.find(client_name(name, c));
      if (found != tensors.end()) value.put(static_cast<int>(c), found->second);
    }
  }
};

}  // namespace

Saved collect(Group& group, const Visit& visit) {
  Collect state(group);
  visit(state);
  return std::move(state.saved);
}

void restore(const Saved& saved, int64_t first, int64_t last, const std::string& where, const Visit& visit) {
  Restore state(saved, first, last, where);
  visit(state);
}

std::string pack(const Saved& saved, const std::string& where, int64_t first, int64_t last) {
  json head = {{"where", where}, {"numbers", saved.numbers}, {"tensors", json::array()}};
  std::string data;
  for (const auto& [name, tensor] : saved.tensors) {
    const auto client = client_of(name);
    if (client && (*client < first || *client >= last)) continue;
    head["tensors"].push_back(name);
    put_tensor(data, tensor);
  }
  return head.dump() + '\0' + data;
}

std::string pack_mistake(const std::string& message) { return json{{"mistake", message}}.dump() + '\0'; }

Saved unpack(const std::string& bytes, std::string& where) {
  size_t at = bytes.find('\0') + 1;
  const json head = json::parse(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at - 1));
  if (head.contains("mistake")) throw UserError(head["mistake"].get<std::string>());
  where = head["where"].get<std::string>();
  Saved saved{head["numbers"], {}};
  for (const json& name : head["tensors"]) {
    saved.tensors.push_back({name.get<std::string>(), Vec()});
    take_tensor(bytes, at, saved.tensors.back().tensor);
  }
  return saved;
}

std::string scatter(Group& group, std::vector<std::string> parts) {
  parts.resize(static_cast<size_t>(group.size()));
  return all_to_all(group, std::move(parts))[0];
}

}  // namespace tacet
