// See checkpoint_files.h.
#include "train/checkpoint_files.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>

#include "base/digest.h"
#include "base/files.h"
#include "data/files/safetensors.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int format_version = 2;
constexpr const char* json_name = "state.json";
constexpr const char* tensor_name = "state.safetensors";
constexpr const char* record_name = "data.json";
constexpr const char* sums_name = "SHA256SUMS";
// Bytes that are left free beside a checkpoint, for the lines of metrics.jsonl.
constexpr uintmax_t spare_bytes = 1 << 20;

constexpr const char* side_name = "checkpoint.part";

fs::path newest(const std::string& folder) { return fs::path(folder) / "checkpoint"; }
// Returns the place of a whole checkpoint on its way to `newest`.
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

// Renames a checkpoint to its side name, then removes it, so that nothing half removed looks like a checkpoint.
void discard(const std::string& folder, const fs::path& checkpoint) {
  std::error_code error;
  if (checkpoint != checkpoint_side(folder)) {
    fs::remove_all(checkpoint_side(folder), error);
    fs::rename(checkpoint, checkpoint_side(folder), error);
  }
  if (!error) fs::remove_all(checkpoint_side(folder), error);
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

// Returns the round of a checkpoint, or nothing when it can't be told.
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
  write_atomically((place / json_name).string(), head.dump(1) + "\n");
  std::vector<const char*> names = {json_name, tensor_name};
  if (!saved.data_record.empty()) {
    write_atomically((place / record_name).string(), saved.data_record);
    names.push_back(record_name);
  }
  std::string sums;
  for (const char* name : names) sums += sha256_file((place / name).string()) + "  " + name + "\n";
  write_atomically((place / sums_name).string(), sums);
}

// Returns the reason why a checkpoint can't be read as it was written; empty when it can.
std::string damage(const fs::path& place) {
  std::ifstream sums(place / sums_name);
  std::map<std::string, std::string> by_name;
  for (std::string sum, name; sums >> sum >> name;) by_name[name] = sum;
  std::vector<const char*> names = {json_name, tensor_name};
  if (by_name.count(record_name)) names.push_back(record_name);
  for (const char* name : names) {
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

// Moves `fresh`, which is whole, to its place in steps that are atomic each. After a crash between any two the newest whole
// checkpoint is the first of checkpoints_in().
void put_in_place(const std::string& folder, int64_t round, int keep) {
  // Checkpoints of this round or later ones were written before a resume went back.
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

}  // namespace

fs::path checkpoint_side(const std::string& folder) { return fs::path(folder) / side_name; }

std::vector<fs::path> checkpoints_in(const std::string& folder) {
  // A crash may have left a whole checkpoint at `fresh`.
  std::vector<fs::path> all = {fresh(folder), newest(folder)};
  for (const int64_t round : older_rounds(folder)) all.push_back(older(folder, round));
  std::error_code error;
  std::erase_if(all, [&](const fs::path& place) { return !fs::exists(place, error); });
  return all;
}

void remove_parts(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().rfind(side_name, 0) == 0) left.push_back(entry.path());
  for (const fs::path& part : left) fs::remove_all(part, error);
}

void tidy_checkpoints(const std::string& folder, int keep) {
  for (const fs::path& place : checkpoints_in(folder))
    if (!damage(place).empty()) discard(folder, place);
  if (const auto round = round_of(fresh(folder))) put_in_place(folder, *round, keep);
}

void write_checkpoint(const std::string& folder, const fs::path& part, int64_t round, int clients, int keep,
                      const Saved& saved, const std::function<bool()>& holds_lease) {
  check_space(folder, saved);
  write_files(part, round, clients, saved);
  // The state's offset into metrics.jsonl must not point behind what a loss of power leaves of it.
  sync((fs::path(folder) / "metrics.jsonl").string());
  sync(folder);
  if (holds_lease && !holds_lease()) throw UserError("the other workers went on without this one");
  rename_or_throw(part, fresh(folder));
  put_in_place(folder, round, keep);
}

Saved read_checkpoint(const std::string& folder, int clients, fs::path& place, std::vector<std::string>& passed_over) {
  place.clear();
  for (const fs::path& candidate : checkpoints_in(folder)) {
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
  return {head["numbers"], read_safetensors((place / tensor_name).string())};
}

}  // namespace tacet
