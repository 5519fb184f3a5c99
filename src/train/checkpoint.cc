// See checkpoint.h.
#include "train/checkpoint.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <ATen/ops/empty.h>

#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "comm/collectives.h"
#include "data/files/safetensors.h"
#include "engine/tree_sum.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int format_version = 2;
constexpr const char* json_name = "state.json";
constexpr const char* tensor_name = "state.safetensors";
constexpr const char* sums_name = "SHA256SUMS";
// Left free beside a checkpoint, so that it does not take the last bytes from the lines of metrics.jsonl.
constexpr uintmax_t spare_bytes = 1 << 20;

// ---- between ranks ----

// Returns what every rank gave, in rank order, on rank 0; the others get nothing. Collective.
std::vector<std::string> gather(Group& group, std::string mine) {
  std::vector<std::string> send(static_cast<size_t>(group.size()));
  send[0] = std::move(mine);
  return swap_bytes(group, std::move(send));
}

// Returns to each rank what rank 0 has for it. Collective.
std::string scatter(Group& group, std::vector<std::string> send) {
  send.resize(static_cast<size_t>(group.size()));
  return swap_bytes(group, std::move(send))[0];
}

// ---- state ----

struct Saved {
  json numbers = json::object();
  std::vector<NamedTensor> tensors;
};

std::string client_name(const std::string& name, int64_t client) { return name + "/" + std::to_string(client); }

// Returns the client in a tensor's name; nothing for a global one.
std::optional<int64_t> client_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  int64_t client = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + slash + 1, end, client);
  return error == std::errc() && stop == end ? std::optional(client) : std::nullopt;
}

// Collects copies, but of values, which do not change: the run goes on while its state of now is written.
struct Collect : StateVisitor {
  Group& group;
  Saved saved;

  explicit Collect(Group& g) : group(g) {}
  void number(const std::string& name, double& value) override {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    // The bits are what counts; the decimal value is for people.
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
      put_value(mine, static_cast<int64_t>(client));
      put_tensor(mine, vec.reshape({-1}));
    }
    for (const std::string& part : gather(group, std::move(mine)))
      for (size_t at = 0; at < part.size();) {
        saved.tensors.push_back({client_name(name, take_value<int64_t>(part, at)), Vec()});
        take_tensor(part, at, saved.tensors.back().tensor);
      }
  }
};

// Returns true for numbers that older versions of tacet did not write. Where they are absent they stay as they are.
bool came_later(const std::string& name) { return name.rfind("faults.", 0) == 0; }

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

// Returns what the host of the clients first … last − 1 needs, as bytes; `where` is for its messages.
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

// ---- folders ----

fs::path newest(const std::string& folder) { return fs::path(folder) / "checkpoint"; }
constexpr const char* side_name = "checkpoint.part";
// Returns the folder that is moved to before it is removed.
fs::path side(const std::string& folder) { return fs::path(folder) / side_name; }
// Returns the folder of a whole one on its way to `newest`.
fs::path fresh(const std::string& folder) { return fs::path(folder) / "checkpoint.new"; }
fs::path older(const std::string& folder, int64_t round) {
  return fs::path(folder) / ("checkpoint-" + std::to_string(round));
}

// Returns the rounds of the checkpoint-ROUND folders, the last one first.
std::vector<int64_t> older_rounds(const std::string& folder) {
  std::vector<int64_t> rounds;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string(), prefix = "checkpoint-";
    int64_t round = 0;
    const char* end = name.data() + name.size();
    if (name.rfind(prefix, 0) != 0) continue;
    const auto [stop, failed] = std::from_chars(name.data() + prefix.size(), end, round);
    if (failed == std::errc() && stop == end && round >= 0) rounds.push_back(round);
  }
  std::sort(rounds.rbegin(), rounds.rend());
  return rounds;
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw UserError(to.string() + ": can't be put in place: " + error.message());
}

// Removes a checkpoint, under its side name, so that nothing half removed ever looks like one.
void discard(const std::string& folder, const fs::path& checkpoint) {
  std::error_code error;
  if (checkpoint != side(folder)) {
    fs::remove_all(side(folder), error);
    fs::rename(checkpoint, side(folder), error);
  }
  if (!error) fs::remove_all(side(folder), error);
}

void sync(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0) ::fsync(file.get());
}

std::string in_megabytes(uintmax_t bytes) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

void check_space(const std::string& folder, const Saved& saved) {
  uintmax_t needed = spare_bytes;
  for (const auto& t : saved.tensors) needed += t.tensor.nbytes();
  std::error_code error;
  const auto space = fs::space(folder, error);
  if (!error && space.available < needed)
    throw UserError(folder + ": no space left: " + in_megabytes(needed) + " are needed, " + in_megabytes(space.available) +
                    " are free");
}

json read_json(const fs::path& path) {
  std::ifstream in(path);
  return json::parse(in, nullptr, false);
}

// Returns the round of a checkpoint that was written by this file; nothing when it can't be told.
std::optional<int64_t> round_of(const fs::path& checkpoint) {
  const json head = read_json(checkpoint / json_name);
  if (!head.is_object() || !head.value("round", json()).is_number_integer()) return std::nullopt;
  return head["round"].get<int64_t>();
}

void write_files(const fs::path& place, int64_t round, int clients, const Saved& saved) {
  std::error_code error;
  fs::remove_all(place, error);
  if (!fs::create_directories(place, error)) throw UserError(place.string() + ": can't be created: " + error.message());
  write_safetensors((place / tensor_name).string(), saved.tensors);
  const json head = {{"format", format_version}, {"round", round}, {"clients", clients}, {"numbers", saved.numbers}};
  write_file((place / json_name).string(), head.dump(1) + "\n");
  std::string sums;
  for (const char* name : {json_name, tensor_name}) sums += sha256_file((place / name).string()) + "  " + name + "\n";
  write_file((place / sums_name).string(), sums);
}

// Returns why a checkpoint can't be read as it was written; empty when it can.
std::string damage(const fs::path& place) {
  std::ifstream sums(place / sums_name);
  std::map<std::string, std::string> by_name;
  for (std::string sum, name; sums >> sum >> name;) by_name[name] = sum;
  for (const char* name : {json_name, tensor_name}) {
    std::error_code error;
    if (!fs::is_regular_file(place / name, error))
      return (place / name).string() + ": is missing: the checkpoint is damaged";
    if (!by_name.count(name))
      return (place / sums_name).string() + ": has no checksum of " + name + ": the checkpoint is damaged";
    if (sha256_file((place / name).string()) != by_name[name])
      return (place / name).string() + ": does not match its checksum: the checkpoint is damaged";
  }
  return "";
}

// Returns the checkpoints of a folder, the newest first. `fresh` is one whose putting in place was interrupted.
std::vector<fs::path> candidates(const std::string& folder) {
  std::vector<fs::path> all = {fresh(folder), newest(folder)};
  for (const int64_t round : older_rounds(folder)) all.push_back(older(folder, round));
  std::error_code error;
  std::erase_if(all, [&](const fs::path& place) { return !fs::exists(place, error); });
  return all;
}

// Moves `fresh`, which is whole, to its place, in steps that are atomic each: after a crash between any two the newest whole
// checkpoint is the first of candidates().
void put_in_place(const std::string& folder, int64_t round, int keep) {
  // Checkpoints of this round or later ones are of a future that a resume went back from.
  for (const int64_t r : older_rounds(folder))
    if (r >= round) discard(folder, older(folder, r));
  const auto before = round_of(newest(folder));
  std::error_code error;
  if (before && *before < round && keep > 1)
    rename_or_throw(newest(folder), older(folder, *before));
  else if (fs::exists(newest(folder), error))
    discard(folder, newest(folder));
  rename_or_throw(fresh(folder), newest(folder));
  sync(folder);
  const auto rounds = older_rounds(folder);
  for (size_t k = static_cast<size_t>(keep) - 1; k < rounds.size(); ++k) discard(folder, older(folder, rounds[k]));
}

// Removes half-written ones, of whatever worker.
void remove_parts(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().rfind(side_name, 0) == 0) left.push_back(entry.path());
  for (const fs::path& part : left) fs::remove_all(part, error);
}

// Clears what a crash or a broken disk has left: damaged ones are not to push out whole ones.
void tidy(const std::string& folder, int keep) {
  for (const fs::path& place : candidates(folder))
    if (!damage(place).empty()) discard(folder, place);
  if (const auto round = round_of(fresh(folder))) put_in_place(folder, *round, keep);
}

void write(const std::string& folder, const fs::path& part, int64_t round, int clients, int keep, const Saved& saved,
           const std::function<bool()>& holds_lease) {
  check_space(folder, saved);
  write_files(part, round, clients, saved);
  // The state's offset into metrics.jsonl must not point behind what a loss of power leaves of it.
  sync(fs::path(folder) / "metrics.jsonl");
  sync(folder);
  if (holds_lease && !holds_lease()) throw UserError("the other workers went on without this one");
  rename_or_throw(part, fresh(folder));
  put_in_place(folder, round, keep);
}

// Returns the newest whole checkpoint, for each rank. The reasons why newer ones were passed over go to `passed_over`.
std::vector<std::string> read_for_all(const std::string& folder, const Group& group, int clients,
                                      std::vector<std::string>& passed_over) {
  fs::path place;
  for (const fs::path& candidate : candidates(folder)) {
    const std::string why = damage(candidate);
    if (why.empty()) {
      place = candidate;
      break;
    }
    passed_over.push_back(why);
  }
  if (place.empty())
    throw UserError(passed_over.empty() ? folder + ": has no checkpoint"
                                        : passed_over.front() + ", and there is no other one that is whole");
  const json head = read_json(place / json_name);
  const std::string json_file = (place / json_name).string();
  if (!head.is_object() || !head.contains("numbers")) throw UserError(json_file + ": is not a checkpoint of tacet");
  if (head.value("format", 0) != format_version)
    throw UserError(json_file + ": format must be " + std::to_string(format_version) + ", got " +
                    std::to_string(head.value("format", 0)));
  if (head.value("clients", 0) != clients)
    throw UserError(json_file + ": the run has " + std::to_string(head.value("clients", 0)) + " clients, the recipe " +
                    std::to_string(clients));
  const Saved saved{head["numbers"], read_safetensors((place / tensor_name).string())};
  const auto homes = block_bounds(clients, group.size());
  std::vector<std::string> parts;
  for (size_t q = 0; q + 1 < homes.size(); ++q) parts.push_back(pack(saved, place.string(), homes[q], homes[q + 1]));
  return parts;
}

}  // namespace

struct CheckpointWriter::Outcome {
  std::atomic<bool> done{false};
  std::string trouble;  // read once done
};

CheckpointWriter::CheckpointWriter(std::string folder, int keep)
    : folder_(std::move(folder)), keep_(keep), side_(side(folder_).string()) {}

void CheckpointWriter::acquire(const std::string& name, std::function<bool()> holds_lease) {
  wait();
  side_ = side(folder_).string() + "-" + name;
  holds_lease_ = std::move(holds_lease);
  first_ = true;
  remove_parts(folder_);
}

void CheckpointWriter::save(int64_t round, Group& group, int clients, const Visit& visit) {
  Collect state(group);
  visit(state);
  if (group.rank() != 0) return;
  wait();
  const std::string before = trouble();
  outcome_ = std::make_shared<Outcome>();
  thread_ = std::thread([this, round, clients, before, saved = std::move(state.saved), outcome = outcome_, first = first_,
                         holds_lease = holds_lease_] {
    outcome->trouble = before;
    try {
      if (first && !holds_lease) remove_parts(folder_);  // else acquire() did it
      if (first) tidy(folder_, keep_);
      write(folder_, side_, round, clients, keep_, saved, holds_lease);
    } catch (const std::exception& error) {
      std::error_code ignored;
      fs::remove_all(side_, ignored);
      outcome->trouble += (before.empty() ? "" : "; ") + std::string("the checkpoint of round ") + std::to_string(round) +
                          " could not be written, the one before is kept: " + error.what();
    }
    outcome->done = true;
  });
  first_ = false;
}

void CheckpointWriter::wait() {
  if (thread_.joinable()) thread_.join();
}

std::string CheckpointWriter::trouble() {
  if (!outcome_ || !outcome_->done) return "";
  return std::exchange(outcome_->trouble, "");
}

std::vector<std::string> load_checkpoint(const std::string& folder, Group& group, int clients, const Visit& visit) {
  std::vector<std::string> parts, passed_over;
  if (group.rank() == 0) {
    try {
      parts = read_for_all(folder, group, clients, passed_over);
    } catch (const UserError& error) {  // for every rank
      parts.assign(static_cast<size_t>(group.size()), json{{"mistake", error.what()}}.dump() + '\0');
    }
  }
  std::string where;
  const Saved saved = unpack(scatter(group, std::move(parts)), where);
  const auto homes = block_bounds(clients, group.size());
  Restore state(saved, homes[static_cast<size_t>(group.rank())], homes[static_cast<size_t>(group.rank()) + 1], where);
  visit(state);
  return passed_over;
}

bool has_checkpoint(const std::string& folder) {
  std::error_code error;
  const auto all = candidates(folder);
  return std::any_of(all.begin(), all.end(), [&](const fs::path& place) { return !fs::is_empty(place, error) && !error; });
}

}  // namespace tacet
