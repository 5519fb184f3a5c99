// See image_cache.h. Layout of the file: one line of text "tacet pictures 4 FINGERPRINT COUNT BYTES\n", filled with spaces
// to 128 bytes before the line's end, then the pictures one after the other.
#include "data/images/image_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/places.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;
constexpr int64_t header_size = 128;

std::string header(const std::string& fingerprint, int64_t count, int64_t bytes) {
  std::string line = fmt::format("tacet pictures 4 {} {} {}", fingerprint, count, bytes);
  line.resize(header_size - 1, ' ');
  return line + "\n";
}

PictureCache existing(const std::string& path, const std::string& head, int64_t size) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return {};
  auto file = std::make_shared<const MappedFile>(path);
  if (file->size() != header_size + size || std::memcmp(file->data(), head.data(), head.size()) != 0) return {};
  return {file, header_size};
}

// A lock among processes, whose file goes with its owner.
class Lock {
 public:
  // Waits for the lock. A file that its owner removed meanwhile locks nobody out, so the wait then begins again.
  explicit Lock(std::string path) : path_(std::move(path)) {
    for (;;) {
      file_ = Fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
      if (file_.get() < 0 || ::flock(file_.get(), LOCK_EX) != 0) return;
      struct stat mine {
      }, there{};
      held_ = ::fstat(file_.get(), &mine) == 0 && ::stat(path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
              mine.st_dev == there.st_dev;
      if (held_) return;
    }
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (held_) ::unlink(path_.c_str());
  }
  bool held() const { return held_; }

 private:
  std::string path_;
  Fd file_;
  bool held_ = false;
};

// Writes the file. Returns false when there is no room or no permission.
bool make(const std::string& path, const std::string& head, int64_t count, int64_t bytes,
          const std::function<void(int64_t, uint8_t*)>& decode) {
  // A block at a time: enough for all threads, little memory.
  const int64_t block = std::clamp<int64_t>((int64_t{32} << 20) / bytes, 1, 4096);
  std::vector<uint8_t> pixels(static_cast<size_t>(block * bytes));
  auto said = Clock::now();
  try {
    AtomicFile file(path);
    file.write(head);
    for (int64_t first = 0; first < count; first += block) {
      const int64_t n = std::min(block, count - first);
      at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) decode(first + k, pixels.data() + k * bytes);
      });
      file.write({reinterpret_cast<const char*>(pixels.data()), static_cast<size_t>(n * bytes)});
      if (since(said) > 3) {
        said = Clock::now();
        std::fputs(fmt::format("decoding pictures into {}: {} of {}\n", path, first + n, count).c_str(), stderr);
      }
    }
    file.commit();
  } catch (const WriteError&) {
    return false;
  }
  return true;
}

}  // namespace

PictureCache open_cache(const std::string& folder, const std::string& name, const std::string& fingerprint, int64_t count,
                        int64_t bytes, const std::function<void(int64_t, uint8_t*)>& decode) {
  const std::string head = header(fingerprint, count, bytes);
  // In the common folder, data sets of the same name from several places must not push each other out.
  const std::vector<std::pair<std::string, std::string>> places = {{folder, name},
                                                                   {cache_folder(), name + "-" + fingerprint.substr(0, 12)}};
  for (const auto& [place, stem] : places) {
    if (place.empty()) continue;
    const std::string path = (fs::path(place) / (stem + ".pictures")).string();
    if (PictureCache found = existing(path, head, count * bytes); found.file) return found;
  }
  for (const auto& [place, stem] : places) {
    if (place.empty()) continue;
    std::error_code ignored;
    if (place == cache_folder()) fs::create_directories(place, ignored);
    const std::string path = (fs::path(place) / (stem + ".pictures")).string();
    const Lock lock(path + ".lock");
    if (!lock.held()) continue;
    PictureCache found = existing(path, head, count * bytes);  // another worker may have made it meanwhile
    if (!found.file && make(path, head, count, bytes, decode)) found = existing(path, head, count * bytes);
    if (found.file) return found;
  }
  return {};
}

std::string fingerprint_of(const std::string& folder, const std::vector<std::string>& files, const std::string& settings) {
  Digest digest;
  const auto add = [&](const std::string& text) { digest.add({text.c_str(), text.size() + 1}); };
  add(settings);
  for (const std::string& name : files) {
    struct stat info {};
    if (::stat((fs::path(folder) / name).c_str(), &info) != 0)
      throw UserError((fs::path(folder) / name).string() + ": can't be read: " + std::strerror(errno));
    // Programs that copy set the time of the contents back. Nothing sets that of the last change.
    add(fmt::format("{} {} {}.{} {}.{}", name, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec,
                    info.st_ctim.tv_nsec));
  }
  return digest.hex();
}

}  // namespace tacet
