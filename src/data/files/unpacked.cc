// See unpacked.h.
#include "data/files/unpacked.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tacet/error.h"

namespace tacet {
namespace {

constexpr size_t kChunk = 1 << 20;
constexpr int kGzip = 15 + 16;  // zlib's window, and that the format is gzip's

}  // namespace

UnpackedFile::UnpackedFile(const std::string& path) : path_(path), file_(open_plain_file(path, size_)), buffer_(kChunk) {}

UnpackedFile::~UnpackedFile() {
  if (packed_) inflateEnd(&stream_);
}

void UnpackedFile::fail(const std::string& why) const {
  throw UserError(path_ + ": byte " + std::to_string(given_) + " of its content can't be read: " + why);
}

// Reads more of the file behind what is left. Returns false at its end.
bool UnpackedFile::fill() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
            buffer_.begin());
  end_ -= begin_, begin_ = 0;
  ssize_t got = 0;
  do got = ::read(file_.get(), buffer_.data() + end_, buffer_.size() - end_);
  while (got < 0 && errno == EINTR);
  if (got < 0) fail(std::strerror(errno));
  end_ += static_cast<size_t>(got), taken_ += static_cast<size_t>(got);
  return got > 0;
}

// Returns true where a gzip member begins here.
bool UnpackedFile::at_member() {
  while (end_ - begin_ < 2 && fill()) {
  }
  return end_ - begin_ >= 2 && buffer_[begin_] == 0x1f && buffer_[begin_ + 1] == 0x8b;
}

bool UnpackedFile::compressed() {
  if (known_) return packed_;
  known_ = true;
  if (!at_member()) return false;
  if (inflateInit2(&stream_, kGzip) != Z_OK) fail("zlib can't begin");
  return packed_ = true;
}

size_t UnpackedFile::read_some(char* out, size_t n) {
  if (begin_ == end_ && !fill()) {
    if (packed_) fail("the compressed file is cut off");
    done_ = true;
    return 0;
  }
  if (!packed_) {
    const size_t count = std::min(n, end_ - begin_);
    std::memcpy(out, buffer_.data() + begin_, count);
    begin_ += count;
    return count;
  }
  stream_.next_in = buffer_.data() + begin_;
  stream_.avail_in = static_cast<uInt>(end_ - begin_);
  stream_.next_out = reinterpret_cast<unsigned char*>(out);
  stream_.avail_out = static_cast<uInt>(std::min(n, kChunk));
  const size_t room = stream_.avail_out;
  const int code = inflate(&stream_, Z_NO_FLUSH);
  begin_ = end_ - stream_.avail_in;
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) fail(stream_.msg ? stream_.msg : "it is damaged");
  const size_t count = room - stream_.avail_out;
  if (code != Z_STREAM_END) return count;
  // Another member, or the zeros with which tapes are filled up. Anything else is data that gzip's own programs would warn
  // of.
  if (at_member()) {
    inflateReset(&stream_);
    return count;
  }
  do
    for (; begin_ < end_; ++begin_)
      if (buffer_[begin_] != 0) given_ += count, fail("bytes that are not compressed follow the compressed ones");
  while (fill());
  done_ = true;
  return count;
}

size_t UnpackedFile::read(char* out, size_t n) {
  (void)compressed();
  size_t count = 0;
  while (count < n && !done_) {
    const size_t some = read_some(out + count, n - count);
    count += some, given_ += some;
  }
  return count;
}

double UnpackedFile::part_read() const {
  return size_ > 0 ? static_cast<double>(taken_ - (end_ - begin_)) / static_cast<double>(size_) : 1;
}

}  // namespace tacet
