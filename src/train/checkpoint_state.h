// The state of a run as a checkpoint holds it: named numbers and tensors of all ranks, collected at rank 0 and handed out
// again. Files are not known here.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/files/safetensors.h"
#include "tacet/algorithm.h"
#include "train/checkpoint.h"

namespace tacet {

struct Saved {
  nlohmann::json numbers = nlohmann::json::object();
  std::vector<NamedTensor> tensors;  // a client's are called NAME/CLIENT
};

// Returns copies, but of values, which do not change, of the state that `visit` shows on all ranks; on rank 0 only the
// tensors are there. The run may go on while it is written. Collective.
Saved collect(Group& group, const Visit& visit);

// Restores what `visit` shows: everything global, and the clients first … last − 1. Throws UserError, which names `where`,
// when it is the state of another run.
void restore(const Saved& saved, int64_t first, int64_t last, const std::string& where, const Visit& visit);

// Returns the part of the state that the host of the clients first … last − 1 needs, as bytes, with `where` for its
// messages.
std::string pack(const Saved& saved, const std::string& where, int64_t first, int64_t last);
// Returns bytes for unpack() to throw UserError with this message.
std::string pack_mistake(const std::string& message);
Saved unpack(const std::string& bytes, std::string& where);

// Sends each rank its part from rank 0 and returns the own one. Collective.
std::string scatter(Group& group, std::vector<std::string> parts);

}  // namespace tacet
