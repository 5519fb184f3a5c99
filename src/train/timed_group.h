// A group that counts the seconds in exchanges: sending, receiving, and waiting for workers that are not there yet. All else
// is done by the group that it wraps.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {

class TimedGroup : public Group {
 public:
  explicit TimedGroup(Group& group) : group_(&group) {}  // borrows the group
  void use(Group& group) { group_ = &group; }            // borrows another group from now on

  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }
  void exchange(const std::vector<std::vector<Piece>>& to, const std::vector<std::vector<Piece>>& from) override {
    const auto start = Clock::now();
    group_->exchange(to, from);
    seconds_ += since(start);
  }
  int64_t bytes_sent() const override { return group_->bytes_sent(); }
  std::string backend() const override { return group_->backend(); }
  std::vector<int> hosts() const override { return group_->hosts(); }
  PeerLost lost(int peer, const std::string& how, bool silent) override { return group_->lost(peer, how, silent); }

  // Returns the seconds in exchanges since take_seconds() was called last.
  double seconds() const { return seconds_; }
  // Returns the seconds in exchanges since the last call.
  double take_seconds() { return std::exchange(seconds_, 0); }

 private:
  Group* group_;
  double seconds_ = 0;
};

}  // namespace tacet
