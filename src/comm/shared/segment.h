// The memory that a rank shares with the others of its host: a bell for whoever waits, a ring of slots for each of them (a
// reader), which this rank fills and the reader empties, and slots for what all readers are sent alike. Memory and its
// layout only. Who waits for what, and how long, is in shared.cc.
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
  int64_t exchange;  // the one that the bytes belong to
  int64_t bytes;
  int64_t common;  // which of the common slots holds them; −1: the ring's own
};

class Segment {
 public:
  static constexpr int kSlots = 4;  // of a ring

  // Every rank maps every other's memory, and a ring has a smallest size, so there is a number beyond which it is too much.
  static constexpr int kMostReaders = 255;

  // Returns new memory with rings for so many readers; nothing when they are too many, or the system has no memfd.
  static std::optional<Segment> create(int readers, uint64_t nonce);
  // Returns the memory that process `pid` holds as its descriptor `file`; nothing when it can't be opened, or is not the one
  // with this nonce: another container's process of the same number, say.
  static std::optional<Segment> open(pid_t pid, int file, int readers, uint64_t nonce);
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) = delete;
  ~Segment();

  int file() const { return file_.get(); }
  // The mapping stays. Once all have mapped it, nothing but them keeps the memory.
  void close_file() { file_.reset(); }

  // The owner's state, for those that wait for it.
  static constexpr int32_t kHere = 0, kLeft = 1, kLost = 2;  // kLost + q: it left because it lost worker q
  std::atomic<int32_t>& state() const;

  // Tells the owner that something has changed: a slot for it was filled, or one of its own was emptied.
  void ring_bell() const;
  // Returns what the bell shows.
  uint32_t bell() const;
  // Sleeps while the bell still shows that, at most so long.
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
