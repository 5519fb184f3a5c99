// Files of the operating system: a descriptor that closes itself, reading and writing whole files, and folders that go with
// their owner. Formats are not known here.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tacet/error.h"

namespace tacet {

// A file descriptor that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}  // −1: none
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }  // the caller closes it from now on

 private:
  int fd_ = -1;
};

// Opens a plain file for reading and fills in its size. Throws UserError for anything else: a folder, a device, a pipe.
Fd open_plain_file(const std::string& path, size_t& size);

// Returns all bytes of a plain file. Throws UserError naming the file and, where it matters, the byte.
std::string read_file(const std::string& path);

// Returns the whole lines of a text file without their ends, none where there is no such file. A last line that lacks its
// end is left out: its writer is still at it. Throws UserError for a file that is there and can't be read.
std::vector<std::string> read_lines(const std::string& path);

// Writes all of `bytes`, waiting where the descriptor does not block. Returns false, with errno, when that fails.
bool write_all(int fd, std::string_view bytes);

// Makes a file or folder outlast a loss of power. Does nothing where it can't be opened.
void sync(const std::string& path);

// The error of a file that can't be created, written or put in place.
struct WriteError : UserError {
  using UserError::UserError;
};

// A file that appears whole or not at all: written aside, synced, renamed. An older file of that name stays as it is until
// then. Without commit() the file aside is removed. A symbolic link stays, and the file at its end is the one written. A
// folder, device, pipe or socket of that name is refused.
class AtomicFile {
 public:
  // Creates `side`, the place aside, in the folder of the file. Behind a link it lies in the folder of the link's end.
  // Throws WriteError.
  explicit AtomicFile(const std::string& path) : AtomicFile(path, path + ".part") {}
  AtomicFile(const std::string& path, const std::string& side);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();
  void write(std::string_view bytes);                // throws WriteError
  void commit();                                     // throws WriteError
  const std::string& path() const { return path_; }  // the end of the links

 private:
  [[noreturn]] void fail(const std::string& what);
  std::string path_, side_;
  Fd file_;
};

// Writes a file aside, syncs it, renames it, and syncs the folder. Throws WriteError, and then leaves an older file of that
// name untouched.
void write_atomically(const std::string& path, const std::vector<std::string_view>& pieces);
void write_atomically(const std::string& path, std::string_view bytes);

// A temporary folder that is removed with its owner.
class ScratchFolder {
 public:
  // Makes a folder whose name begins with `name`. Throws UserError.
  explicit ScratchFolder(const std::string& name);
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();
  const std::string& path() const { return path_; }
  std::string path(const std::string& file) const { return path_ + "/" + file; }

 private:
  std::string path_;
};

}  // namespace tacet
