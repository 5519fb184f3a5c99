// See digest.h. OpenSSL computes.
#include "base/digest.h"

#include <openssl/evp.h>

#include <fstream>
#include <vector>

#include "tacet/error.h"

namespace tacet {

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context, kind == DigestKind::md5 ? EVP_md5() : EVP_sha256(), nullptr);
}

Digest::~Digest() = default;

void Digest::add(std::string_view bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

std::string Digest::hex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, bytes, &size);
  return hexadecimal({reinterpret_cast<const char*>(bytes), size});
}

std::optional<std::string> file_digest(const std::string& path, DigestKind kind) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  Digest digest(kind);
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    digest.add({buffer.data(), static_cast<size_t>(in.gcount())});
  }
  if (in.bad()) return std::nullopt;
  return digest.hex();
}

std::string sha256_file(const std::string& path) {
  const auto digest = file_digest(path);
  if (!digest) throw UserError(path + ": can't be read");
  return *digest;
}

std::string hexadecimal(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace tacet
