// The memory that a rank shares with the others of its host: a bell to wake it, a ring of slots for each of the others (a
// reader), which this rank fills and the reader empties, and slots for data that all readers get alike. Only memory and its
// layout are here. The exchange and its waits are in shared.cc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/files.h"

namespace tacet {

// A count that one side raises and the other waits for.
struct alignas(64) Count {
  std::atomic<uint64_t> value;
};

struct Ring {
  Count written, read;  // slots so far
};

struct SlotHead {
  int64_t exchange;  // number of the exchange
  int64_t bytes;
  int64_t common;  // common slot that holds the bytes; −1: the ring's own
};

class Segment {
 public:
  static constexpr int kSlots = 4;  // slots in a ring

  // The most readers of a segment. Every rank maps every other's memory, and a ring has a smallest size.
  static constexpr int kMostReaders = 255;

  // Returns new memory with rings for so many readers, or nothing when they are too many or the system has no memfd.
  static std::optional<Segment> create(int readers, uint64_t nonce);
  // Returns the memory that process `pid` holds as its descriptor `file`. Returns nothing when it can't be opened or has
  // another nonce, as another container's process of that number would.
  static std::optional<Segment> open(pid_t pid, int file, int readers, uint64_t nonce);
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) = delete;
  ~Segment();

  int file() const { return file_.get(); }
  // Closes the descriptor; the mapping stays. Once all have mapped the memory, nothing else keeps it.
  void close_file() { file_.reset(); }

  // The values of the owner's state, for those that wait for it.
  static constexpr int32_t kHere = 0, kLeft = 1, kLost = 2;  // kLost + q: it left because worker q was lost
  std::atomic<int32_t>& state() const;

  // Wakes the owner because a slot for it was filled or one of its own was emptied.
  void ring_bell() const;
  // Returns the bell's count.
  uint32_t bell() const;
  // Sleeps while the bell's count is `shown`, at most so long.
  void sleep(uint32_t shown, int64_t nanoseconds) const;

  Ring& ring(int reader) const;
  SlotHead& head(int reader, uint64_t slot) const;
  std::byte* data(int reader, uint64_t slot) const;
  std::byte* common(uint64_t slot) const { return data(readers_, slot); }
  int64_t slot_bytes() const { return slot_bytes_; }

 private:
  Segment(Fd file, int readers);
  bool map();

  Fd file_;
  int readers_;
  int64_t slot_bytes_;
  char* at_ = nullptr;
  size_t bytes_;
};

}  // namespace tacet
