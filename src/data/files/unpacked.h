// Reads a file in pieces, unpacked where it is compressed by gzip. Lines and numbers are not its business. It needs no
// torch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <zlib.h>

#include "base/files.h"

namespace tacet {

class UnpackedFile {
 public:
  // Throws UserError where the file can't be opened.
  explicit UnpackedFile(const std::string& path);
  ~UnpackedFile();
  UnpackedFile(const UnpackedFile&) = delete;
  UnpackedFile& operator=(const UnpackedFile&) = delete;

  // Returns up to n bytes of the content; fewer only at its end. Members behind each other are one content, as gzip has it.
  // Throws UserError naming the file and the byte of its content where it is damaged or cut off, and where other bytes
  // follow a member: they would be left out.
  size_t read(char* out, size_t n);
  bool compressed();         // by its first two bytes, whatever its name says
  double part_read() const;  // of the file's bytes, in [0, 1]

 private:
  bool fill();
  bool at_member();
  size_t read_some(char* out, size_t n);
  [[noreturn]] void fail(const std::string& why) const;

  std::string path_;
  size_t size_ = 0;  // of the file
  Fd file_;
  std::vector<unsigned char> buffer_;
  size_t begin_ = 0, end_ = 0;  // what is left of the buffer
  size_t taken_ = 0;            // bytes of the file so far
  uint64_t given_ = 0;          // bytes of the content so far
  bool known_ = false, packed_ = false, done_ = false;
  z_stream stream_{};
};

}  // namespace tacet
