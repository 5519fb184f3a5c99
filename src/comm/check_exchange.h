// The check of Group::exchange's arguments that every backend makes first. Nothing here talks to anybody.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "tacet/group.h"

namespace tacet {

// Throws std::logic_error (a defect of the caller) unless `to` and `from` have `size` entries, those of `rank` are empty and
// no piece has a negative size.
inline void check_exchange(int rank, int size, const std::vector<std::vector<Piece>>& to,
                           const std::vector<std::vector<Piece>>& from) {
  for (const auto* side : {&to, &from}) {
    const std::string name = side == &to ? "to" : "from";
    if (static_cast<int>(side->size()) != size) {
      throw std::logic_error("exchange: " + name + " must have an entry for each of the " + std::to_string(size) +
                             " workers, got " + std::to_string(side->size()));
    }
    if (!(*side)[rank].empty()) {
      throw std::logic_error("exchange: worker " + std::to_string(rank) + " can't talk to itself, but " + name + "[" +
                             std::to_string(rank) + "] is not empty");
    }
    for (const auto& pieces : *side) {
      for (const Piece& piece : pieces) {
        if (piece.bytes < 0 || (piece.bytes > 0 && piece.data == nullptr)) {
          throw std::logic_error("exchange: a piece of " + name + " has no memory or a size below 0");
        }
      }
    }
  }
}

}  // namespace tacet
