// See checkpoint.h.
#include "train/checkpoint.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <utility>

#include "engine/tree_sum.h"
#include "tacet/error.h"
#include "tacet/group.h"
#include "train/checkpoint_files.h"
#include "train/checkpoint_state.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

// Returns the newest whole checkpoint, cut for each rank.
std::vector<std::string> read_for_all(const std::string& folder, const Group& group, int clients,
                                      std::vector<std::string>& passed_over) {
  fs::path place;
  const Saved saved = read_checkpoint(folder, clients, place, passed_over);
  const auto homes = block_bounds(clients, group.size());
  std::vector<std::string> parts;
  for (size_t q = 0; q + 1 < homes.size(); ++q) parts.push_back(pack(saved, place.string(), homes[q], homes[q + 1]));
  return parts;
}

}  // namespace

struct CheckpointWriter::Outcome {
  std::atomic<bool> done{false};
  std::string trouble;  // errors; read when the write is done
};

CheckpointWriter::CheckpointWriter(std::string folder, int keep, std::string data_record)
    : folder_(std::move(folder)),
      keep_(keep),
      data_record_(std::move(data_record)),
      side_(checkpoint_side(folder_).string()) {}

void CheckpointWriter::acquire(const std::string& name, std::function<bool()> holds_lease) {
  wait();
  side_ = checkpoint_side(folder_).string() + "-" + name;
  holds_lease_ = std::move(holds_lease);
  first_ = true;
  remove_parts(folder_);
}

void CheckpointWriter::save(int64_t round, Group& group, int clients, const Visit& visit) {
  Saved state = collect(group, visit);
  if (group.rank() != 0) return;
  state.data_record = data_record_;
  wait();
  const std::string before = trouble();
  outcome_ = std::make_shared<Outcome>();
  thread_ = std::thread([this, round, clients, before, saved = std::move(state), outcome = outcome_, first = first_,
                         holds_lease = holds_lease_] {
    outcome->trouble = before;
    try {
      if (first && !holds_lease) remove_parts(folder_);  // with a lease acquire() did it
      if (first) tidy_checkpoints(folder_, keep_);
      write_checkpoint(folder_, side_, round, clients, keep_, saved, holds_lease);
    } catch (const std::exception& error) {
      std::error_code ignored;
      fs::remove_all(side_, ignored);
      outcome->trouble += (before.empty() ? "" : "; ") + std::string("the checkpoint of round ") + std::to_string(round) +
                          " could not be written" +
                          (has_checkpoint(folder_) ? ", the one before is kept: " : ", and there is none before it: ") +
                          error.what();
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
    } catch (const UserError& error) {  // every rank throws it
      parts.assign(static_cast<size_t>(group.size()), pack_mistake(error.what()));
    }
  }
  std::string where;
  const Saved saved = unpack(scatter(group, std::move(parts)), where);
  const auto homes = block_bounds(clients, group.size());
  restore(saved, homes[static_cast<size_t>(group.rank())], homes[static_cast<size_t>(group.rank()) + 1], where, visit);
  return passed_over;
}

bool has_checkpoint(const std::string& folder) {
  std::error_code error;
  const auto all = checkpoints_in(folder);
  return std::any_of(all.begin(), all.end(), [&](const fs::path& place) { return !fs::is_empty(place, error) && !error; });
}

}  // namespace tacet
