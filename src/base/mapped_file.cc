// See mapped_file.h.
#include "base/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/files.h"

namespace tacet {

MappedFile::MappedFile(const std::string& path) {
  size_t size = 0;
  const Fd file = open_plain_file(path, size);
  size_ = static_cast<int64_t>(size);
  if (size == 0) return;
  void* p = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (p == MAP_FAILED) throw UserError(path + ": can't be mapped into memory: " + std::strerror(errno));
  data_ = static_cast<const uint8_t*>(p);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<uint8_t*>(data_), static_cast<size_t>(size_));
}

}  // namespace tacet
