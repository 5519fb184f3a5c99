// The folders and files of checkpoints on rank 0. They are written aside, put in place in steps that are atomic each,
// checked, and read again. State is bytes here. The format is in docs/reference/checkpoint-format.md.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "train/checkpoint_state.h"

namespace tacet {

// Returns the folder that a checkpoint is written to first, and that one is moved to before it is removed.
std::filesystem::path checkpoint_side(const std::string& folder);

// Returns the folders that look like checkpoints, the newest first.
std::vector<std::filesystem::path> checkpoints_in(const std::string& folder);

// Removes half-written checkpoints of all workers.
void remove_parts(const std::string& folder);

// Removes damaged checkpoints, which must not push out whole ones, and finishes one that was about to be put in place.
void tidy_checkpoints(const std::string& folder, int keep);

// Writes a checkpoint to `part`, then puts it in place and keeps the last `keep`. Throws UserError and leaves the older ones
// unchanged where `holds_lease` returns false in between, as another worker then holds the lease.
void write_checkpoint(const std::string& folder, const std::filesystem::path& part, int64_t round, int clients, int keep,
                      const Saved& saved, const std::function<bool()>& holds_lease);

// Returns the newest whole checkpoint and puts its folder into `place`. Adds the damage of newer ones to `passed_over`.
// Throws UserError when none is whole, or it has another number of clients.
Saved read_checkpoint(const std::string& folder, int clients, std::filesystem::path& place,
                      std::vector<std::string>& passed_over);

}  // namespace tacet
