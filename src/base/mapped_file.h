// A file's bytes as memory, read in by the system when they are touched. Shared by all workers of a machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace tacet {

class MappedFile {
 public:
  // Throws UserError naming the file when it is no plain file or can't be mapped.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const uint8_t* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  const uint8_t* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace tacet
