// See mapped_file.h.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tacet/error.h"

namespace tacet {

MappedFile::MappedFile(const std::string& path) {
  // O_NONBLOCK: opening a pipe without a writer would wait for ever.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info {};
  const bool known = file >= 0 && ::fstat(file, &info) == 0;
  const std::string reason = std::strerror(errno);
  if (!known || !S_ISREG(info.st_mode)) {
    if (file >= 0) ::close(file);
    throw UserError(path + (known ? ": must be a plain file, is a folder, device or pipe" : ": can't be read: " + reason));
  }
  size_ = info.st_size;
  if (size_ > 0) {
    void* p = ::mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_SHARED, file, 0);
    if (p == MAP_FAILED) {
      const std::string why = std::strerror(errno);
      ::close(file);
      throw UserError(path + ": can't be mapped into memory: " + why);
    }
    data_ = static_cast<const uint8_t*>(p);
  }
  ::close(file);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), static_cast<size_t>(size_));
}

}  // namespace tacet
