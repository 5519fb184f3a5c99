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
  std::vector<NamedTensor> tensors;  // a client's have names NAME/CLIENT
  std::string data_record = {};      // the text of data.json; empty where there is none, and in what was read
};

// Returns the state that `visit` shows on all ranks, as copies except for copy-on-write values. Only rank 0 gets the
// tensors. The run may go on while they are written. Collective.
Saved collect(Group& group, const Visit& visit);

// Restores the state that `visit` shows: everything global, and the clients first … last − 1. Throws UserError, which names
// `where`, when `saved` is another run's.
void restore(const Saved& saved, int64_t first, int64_t last, const std::string& where, const Visit& visit);

// Returns as bytes the state that the rank of the clients first … last − 1 needs, with `where` for its messages.
std::string pack(const Saved& saved, const std::string& where, int64_t first, int64_t last);
// Returns bytes for unpack() to throw UserError with this message.
std::string pack_mistake(const std::string& message);
Saved unpack(const std::string& bytes, std::string& where);

// Sends each rank its part from rank 0 and returns this rank's. Collective.
std::string scatter(Group& group, std::vector<std::string> parts);

}  // namespace tacet
