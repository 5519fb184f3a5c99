// Keeps per-client vectors (momentum, corrections, …) in memory-mapped files instead of memory, for simulations of thousands
// of clients with large models. The kernel writes pages out when memory is short. The files have no name while they are in
// use, so that nothing is left behind. Checkpoints save the vectors like any other state.
#pragma once

#include <string>

#include "tacet/algorithm.h"

namespace tacet {

// Gives every per-client state of an algorithm an allocator in a file. Each state has one sparse file in `folder`, with a
// slot for each of the clients first … last − 1, which takes room from its first use on. Throws UserError when the file
// can't be made or has no room.
class SpillClientState : public StateVisitor {
 public:
  SpillClientState(std::string folder, int first, int last) : folder_(std::move(folder)), first_(first), last_(last) {}
  void global(const std::string&, Vec&) override {}
  void number(const std::string&, double&) override {}
  void clients(const std::string& name, PerClient& value) override;
  void scratch(const std::string& name, PerClient& value) override { clients(name, value); }

 private:
  std::string folder_;
  int first_, last_;
};

}  // namespace tacet
