// The join token: a secret that all workers of a run share. Each side of a connection proves that it knows the token without
// sending it (HMAC-SHA-256 of random challenges of both sides). Nothing is encrypted here; docs/guide/clusters.md says what
// is protected.
#pragma once

#include <string>

namespace tacet {

inline constexpr size_t kShortestToken = 16;   // bytes
inline constexpr size_t kChallengeBytes = 32;  // of each side
inline constexpr size_t kProofBytes = 32;      // of HMAC-SHA-256

// The token in a file, without white space around it; without a file, $TACET_JOIN_TOKEN; empty when there is neither.
// Throws UserError when the file can't be read or the token is shorter than kShortestToken.
std::string read_token(const std::string& file);

// Unforeseeable bytes.
std::string random_challenge();

// What only somebody with the token can answer. `who` keeps one side from sending the other's answer back.
std::string proof(const std::string& token, const std::string& who, const std::string& challenges);

// Takes the same time wherever they differ.
bool same_proof(const std::string& a, const std::string& b);

}  // namespace tacet
