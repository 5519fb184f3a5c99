// See segment.h.
#include "comm/shared/segment.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <utility>

namespace tacet {
namespace {

// The bytes of all slots of a rank, few enough that data in flight stay in the processors' cache.
constexpr int64_t kBytes = int64_t{4} << 20;
constexpr int64_t kLeastSlot = 4 << 10, kLargestSlot = 256 << 10;

struct Head {
  uint64_t nonce;
  std::atomic<int32_t> state;
  alignas(64) std::atomic<uint32_t> bell;
  std::atomic<uint32_t> asleep;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

constexpr size_t kHeadBytes = 4096;  // a page; head, rings and slot heads take whole ones, so that data are aligned
size_t rings_bytes(int readers) {
  const size_t bytes = static_cast<size_t>(readers) * (sizeof(Ring) + Segment::kSlots * sizeof(SlotHead));
  return (bytes + kHeadBytes - 1) / kHeadBytes * kHeadBytes;
}

}  // namespace

Segment::Segment(Fd file, int readers)
    : file_(std::move(file)),
      readers_(readers),
      slot_bytes_(
          std::clamp(kBytes / ((int64_t{readers} + 1) * kSlots) / kLeastSlot * kLeastSlot, kLeastSlot, kLargestSlot)),
      bytes_(kHeadBytes + rings_bytes(readers) + static_cast<size_t>((readers + 1) * kSlots * slot_bytes_)) {}

Segment::Segment(Segment&& other) noexcept
    : file_(std::move(other.file_)),
      readers_(other.readers_),
      slot_bytes_(other.slot_bytes_),
      at_(std::exchange(other.at_, nullptr)),
      bytes_(other.bytes_) {}

Segment::~Segment() {
  if (at_) ::munmap(at_, bytes_);
}

bool Segment::map() {
  void* at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(), 0);
  if (at == MAP_FAILED) return false;
  at_ = static_cast<char*>(at);
  return true;
}

std::optional<Segment> Segment::create(int readers, uint64_t nonce) {
  if (readers > kMostReaders) return {};
  Segment s(Fd(::memfd_create("tacet", MFD_CLOEXEC)), readers);
  // The memory is reserved at once. A page that is missing later would end the process at a write.
  if (s.file() < 0 || ::posix_fallocate(s.file(), 0, static_cast<off_t>(s.bytes_)) != 0 || !s.map()) return {};
  reinterpret_cast<Head*>(s.at_)->nonce = nonce;  // the rest begins as 0
  return s;
}

std::optional<Segment> Segment::open(pid_t pid, int file, int readers, uint64_t nonce) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(file);
  Segment s(Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC)), readers);
  struct stat status {};
  if (s.file() < 0 || ::fstat(s.file(), &status) != 0 || status.st_size != static_cast<off_t>(s.bytes_)) return {};
  if (!s.map() || reinterpret_cast<Head*>(s.at_)->nonce != nonce) return {};
  s.close_file();
  return s;
}

std::atomic<int32_t>& Segment::state() const { return reinterpret_cast<Head*>(at_)->state; }

uint32_t Segment::bell() const { return reinterpret_cast<Head*>(at_)->bell.load(); }

// Either the sleeper sees the new count before it sleeps, or the ringer sees that it sleeps, since all these operations have
// one total order.
void Segment::ring_bell() const {
  auto* head = reinterpret_cast<Head*>(at_);
  head->bell.fetch_add(1);
  if (head->asleep.load() != 0) ::syscall(SYS_futex, &head->bell, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void Segment::sleep(uint32_t shown, int64_t nanoseconds) const {
  auto* head = reinterpret_cast<Head*>(at_);
  head->asleep.store(1);
  const timespec limit{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  if (head->bell.load() == shown) ::syscall(SYS_futex, &head->bell, FUTEX_WAIT, shown, &limit, nullptr, 0);
  head->asleep.store(0);
}

Ring& Segment::ring(int reader) const { return reinterpret_cast<Ring*>(at_ + kHeadBytes)[reader]; }

SlotHead& Segment::head(int reader, uint64_t slot) const {
  auto* heads = reinterpret_cast<SlotHead*>(at_ + kHeadBytes + static_cast<size_t>(readers_) * sizeof(Ring));
  return heads[static_cast<uint64_t>(reader) * kSlots + slot % kSlots];
}

std::byte* Segment::data(int reader, uint64_t slot) const {
  auto* slots = reinterpret_cast<std::byte*>(at_ + kHeadBytes + rings_bytes(readers_));
  return slots + (static_cast<int64_t>(reader) * kSlots + static_cast<int64_t>(slot % kSlots)) * slot_bytes_;
}

}  // namespace tacet
