// See files.h.
#include "base/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <system_error>

namespace tacet {

namespace fs = std::filesystem;

Fd open_plain_file(const std::string& path, size_t& size) {
  // O_NONBLOCK: opening a pipe without a writer would wait for ever.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) throw UserError(path + ": can't be read: " + std::strerror(errno));
  if (S_ISDIR(info.st_mode)) throw UserError(path + ": must be a plain file, is a folder");
  if (!S_ISREG(info.st_mode)) throw UserError(path + ": must be a plain file, is a device, pipe or socket");
  size = static_cast<size_t>(info.st_size);
  return file;
}

std::string read_file(const std::string& path) {
  size_t size = 0;
  const Fd file = open_plain_file(path, size);
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.get(), text.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw UserError(path + ": can't be read at byte " + std::to_string(done) + ": " + std::strerror(errno));
    if (n == 0)
      throw UserError(path + ": ends at byte " + std::to_string(done) + " though its size is " + std::to_string(size) +
                      "; another program is changing it");
    done += static_cast<size_t>(n);
  }
  return text;
}

std::vector<std::string> read_lines(const std::string& path) {
  std::error_code error;
  if (fs::status(path, error).type() == fs::file_type::not_found) return {};
  std::istringstream in(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line) && !in.eof();) lines.push_back(line);
  return lines;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd polled{fd, POLLOUT, 0};
      ::poll(&polled, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void sync(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0) ::fsync(file.get());
}

namespace {

// Returns where the links at `path` end, so that a rename to there keeps them. Throws WriteError for what no file replaces.
std::string end_of_links(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) throw WriteError(path + ": must be a file to write, got a folder");
    if (!S_ISREG(info.st_mode))
      throw WriteError(path +
                       ": must be a file to write, got a device, pipe or socket, which is never replaced: give a plain file "
                       "or a new name");
  } else if (errno != ENOENT) {  // such as a stranger's link in /tmp, which the system does not let root follow
    throw WriteError(path + ": can't create the file: " + std::strerror(errno));
  }
  fs::path end = path;
  for (int links = 0; links < 40; ++links) {  // the system follows no more
    std::error_code no_link;
    const fs::path next = fs::read_symlink(end, no_link);
    if (no_link) break;
    end = end.parent_path() / next;
  }
  return end.string();
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, const std::string& side) : path_(end_of_links(path)), side_(side) {
  // A link may lead to another file system, to which no rename reaches.
  if (path_ != path) side_ = (fs::path(path_).parent_path() / fs::path(side).filename()).string();
  file_ = Fd(::open(side_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file_.get() < 0) fail("create the file");
}

AtomicFile::~AtomicFile() {
  if (file_.get() >= 0) ::unlink(side_.c_str());
}

void AtomicFile::fail(const std::string& what) {
  const std::string reason = std::strerror(errno);
  throw WriteError(path_ + ": can't " + what + ": " + reason);
}

void AtomicFile::write(std::string_view bytes) {
  if (!write_all(file_.get(), bytes)) fail("write");
}

void AtomicFile::commit() {
  if (::fsync(file_.get()) != 0) fail("sync");
  if (::rename(side_.c_str(), path_.c_str()) != 0) fail("rename the finished file");
  file_.reset();
}

void write_atomically(const std::string& path, const std::vector<std::string_view>& pieces) {
  AtomicFile file(path);
  for (const std::string_view piece : pieces) file.write(piece);
  file.commit();
  const std::string folder = fs::path(file.path()).parent_path().string();
  sync(folder.empty() ? "." : folder);
}

void write_atomically(const std::string& path, std::string_view bytes) {
  write_atomically(path, std::vector<std::string_view>{bytes});
}

ScratchFolder::ScratchFolder(const std::string& name) : path_((fs::temp_directory_path() / (name + "-XXXXXX")).string()) {
  if (!::mkdtemp(path_.data())) throw UserError(path_ + ": can't be made: " + std::strerror(errno));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace tacet
