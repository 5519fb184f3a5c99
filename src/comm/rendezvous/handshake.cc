// See handshake.h.
#include "comm/rendezvous/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tacet/error.h"

namespace tacet {

namespace {

std::string checked(const std::string& place, const std::string& text) {
  const char* space = " \t\r\n";
  const size_t first = text.find_first_not_of(space), last = text.find_last_not_of(space);
  const size_t size = first == std::string::npos ? 0 : last - first + 1;
  if (size < kShortestToken)
    throw UserError(place + ": the token must have at least " + std::to_string(kShortestToken) + " characters, got " +
                    std::to_string(size) + "; make one with: (umask 077; openssl rand -hex 32 > token)");
  return text.substr(first, size);
}

}  // namespace

std::string read_token(const std::string& file) {
  if (!file.empty()) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf())) throw UserError("--join-token: " + file + " can't be read, or is empty");
    return checked("--join-token: " + file, text.str());
  }
  const char* text = std::getenv("TACET_JOIN_TOKEN");
  return text == nullptr ? "" : checked("$TACET_JOIN_TOKEN", text);
}

std::string random_challenge() {
  std::string bytes(kChallengeBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1)
    throw std::runtime_error("no random numbers for the join token");
  return bytes;
}

std::string proof(const std::string& token, const std::string& who, const std::string& challenges) {
  const std::string text = "tacet join " + who + '\0' + challenges;
  std::string digest(kProofBytes, '\0');
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), token.data(), static_cast<int>(token.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), reinterpret_cast<unsigned char*>(digest.data()), &size) == nullptr ||
      size != kProofBytes)
    throw std::runtime_error("no HMAC for the join token");
  return digest;
}

bool same_proof(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tacet
