// Digests of bytes and files as lower-case hexadecimal text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tacet {

enum class DigestKind { sha256, md5 };  // MD5 only where a publisher gives nothing better

// A digest of bytes that come piece by piece.
class Digest {
 public:
  explicit Digest(DigestKind kind = DigestKind::sha256);
  ~Digest();
  void add(std::string_view bytes);
  std::string hex();  // returns the digest of all added bytes; called once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Returns the digest of a file; nothing when it can't be read.
std::optional<std::string> file_digest(const std::string& path, DigestKind kind = DigestKind::sha256);
// Returns the SHA-256 of a file. Throws UserError when it can't be read.
std::string sha256_file(const std::string& path);

// Returns two hexadecimal digits a byte.
std::string hexadecimal(std::string_view bytes);

}  // namespace tacet
