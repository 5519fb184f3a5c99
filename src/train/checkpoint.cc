// See checkpoint.h.
#include "train/checkpoint.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "core/tree_mean.h"
#include "data/safetensors.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int format_version = 1;

// Bytes from every rank to rank 0, in rank order; other ranks get nothing. Collective.
std::vector<std::string> gather(Group& group, std::string mine) {
  const double size = static_cast<double>(mine.size());
  const std::vector<double> sizes = all_gather(group, {size});
  mine.resize((mine.size() + 3) / 4 * 4);
  std::vector<std::string> all(group.size());
  std::vector<std::vector<Piece>> to(group.size()), from(group.size());
  const auto floats = [](std::string& s) {
    return Piece{reinterpret_cast<float*>(s.data()), static_cast<int64_t>(s.size() / 4)};
  };
  if (group.rank() == 0) {
    for (int q = 1; q < group.size(); ++q) {
      all[q].resize((static_cast<size_t>(sizes[q]) + 3) / 4 * 4);
      from[q].push_back(floats(all[q]));
    }
    all[0] = mine;
  } else {
    to[0].push_back(floats(mine));
  }
  if (group.size() > 1) group.exchange(to, from);
  for (int q = 0; q < group.size(); ++q) all[q].resize(group.rank() == 0 ? static_cast<size_t>(sizes[q]) : 0);
  return all;
}

std::string client_name(const std::string& name, int client) { return name + "/" + std::to_string(client); }

struct Collect : StateVisitor {
  Group& group;
  json numbers = json::object();
  std::vector<NamedTensor> tensors;

  explicit Collect(Group& g) : group(g) {}
  void number(const std::string& name, double& value) override {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    // The bits are what counts; the decimal value is for people.
    numbers[name] = {{"value", std::isfinite(value) ? json(value) : json(std::to_string(value))}, {"bits", bits}};
  }
  void global(const std::string& name, Vec& value) override {
    if (value.defined() && group.rank() == 0) tensors.push_back({name, value.contiguous()});
  }
  void clients(const std::string& name, PerClient& value) override {
    std::string mine;
    const auto put = [&](const void* data, size_t size) { mine.append(static_cast<const char*>(data), size); };
    for (auto& [client, vec] : value.all()) {
      const int64_t head[] = {client, static_cast<int64_t>(vec.scalar_type()), vec.numel()};
      put(head, sizeof head);
      const Vec flat = vec.contiguous();
      put(flat.data_ptr(), flat.nbytes());
    }
    for (const std::string& part : gather(group, std::move(mine)))
      for (size_t at = 0; at < part.size();) {
        int64_t head[3];
        std::memcpy(head, part.data() + at, sizeof head);
        at += sizeof head;
        Vec vec = at::empty({head[2]}, static_cast<at::ScalarType>(head[1]));
        std::memcpy(vec.data_ptr(), part.data() + at, vec.nbytes());
        at += vec.nbytes();
        tensors.push_back({client_name(name, static_cast<int>(head[0])), vec});
      }
  }
};

struct Restore : StateVisitor {
  const json& numbers;
  std::map<std::string, Vec> tensors;
  int64_t first, last;  // clients hosted here
  std::string where;

  Restore(const json& n, const std::vector<NamedTensor>& list, int64_t f, int64_t l, std::string w)
      : numbers(n), first(f), last(l), where(std::move(w)) {
    for (const auto& t : list) tensors[t.name] = t.tensor;
  }
  void number(const std::string& name, double& value) override {
    if (!numbers.contains(name))
      throw UserError(where + ": state.json has no number " + name + ": it is another run's checkpoint");
    const auto bits = numbers[name].at("bits").get<uint64_t>();
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
      const auto found = tensors.find(client_name(name, static_cast<int>(c)));
      if (found != tensors.end()) value.put(static_cast<int>(c), found->second);
    }
  }
};

}  // namespace

void save_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit) {
  Collect state(group);
  visit(state);
  if (group.rank() != 0) return;
  const fs::path target = fs::path(folder) / "checkpoint", side = fs::path(folder) / "checkpoint.part",
                 old = fs::path(folder) / "checkpoint.old";
  std::error_code error;
  fs::remove_all(side, error);
  if (!fs::create_directories(side, error)) throw UserError(side.string() + ": can't be created: " + error.message());
  write_safetensors((side / "state.safetensors").string(), state.tensors);
  const json head = {{"format", format_version},
                     {"clients", clients},
                     {"numbers", state.numbers},
                     {"sha256", {{"state.safetensors", sha256_file((side / "state.safetensors").string())}}}};
  write_file((side / "state.json").string(), head.dump(1) + "\n");
  // Two renames, each atomic; a crash between them leaves checkpoint.old, which load_checkpoint falls back to.
  fs::remove_all(old, error);
  if (fs::exists(target)) fs::rename(target, old, error);
  fs::rename(side, target, error);
  if (error) throw UserError(target.string() + ": can't be put in place: " + error.message());
  fs::remove_all(old, error);
}

void load_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit) {
  fs::path place = fs::path(folder) / "checkpoint";
  if (!fs::exists(place / "state.json") && fs::exists(fs::path(folder) / "checkpoint.old"))
    place = fs::path(folder) / "checkpoint.old";
  const std::string json_file = (place / "state.json").string(), tensor_file = (place / "state.safetensors").string();
  std::ifstream in(json_file);
  const json head = json::parse(in, nullptr, false);
  if (!head.is_object() || !head.contains("numbers") || !head.contains("sha256"))
    throw UserError(json_file + ": is missing or damaged");
  if (head.value("format", 0) != format_version)
    throw UserError(json_file + ": format must be " + std::to_string(format_version) + ", got " +
                    std::to_string(head.value("format", 0)));
  if (head.value("clients", 0) != clients)
    throw UserError(json_file + ": the run has " + std::to_string(head.value("clients", 0)) + " clients, the recipe " +
                    std::to_string(clients));
  if (sha256_file(tensor_file) != head["sha256"].value("state.safetensors", ""))
    throw UserError(tensor_file + ": does not match its checksum: the checkpoint is damaged");
  const auto homes = block_bounds(clients, group.size());
  Restore state(head["numbers"], read_safetensors(tensor_file), homes[group.rank()], homes[group.rank() + 1],
                place.string());
  visit(state);
}

}  // namespace tacet
