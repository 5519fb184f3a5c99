// The join token: a secret that all workers of a run share. Each side of a connection proves that it knows the token without
// sending it (HMAC-SHA-256 of random challenges of both sides). Nothing is encrypted here; the limits of the protection are
// in docs/guide/clusters.md.
#pragma once

#include <string>

namespace tacet {

inline constexpr size_t kShortestToken = 16;   // bytes
inline constexpr size_t kChallengeBytes = 32;  // each side's
inline constexpr size_t kProofBytes = 32;      // an HMAC-SHA-256

// Returns the token in a file, without white space around it. Without a file returns $TACET_JOIN_TOKEN, or nothing when that
// is not set. Throws UserError when the file can't be read or the token is shorter than kShortestToken.
std::string read_token(const std::string& file);

// Returns kChallengeBytes unpredictable bytes.
std::string random_challenge();

// Returns the answer to both sides' challenges, which takes the token. `who` keeps one side from sending the other's answer
// back.
std::string proof(const std::string& token, const std::string& who, const std::string& challenges);

// Returns true if two proofs are equal. The time does not depend on where they differ.
bool same_proof(const std::string& a, const std::string& b);

}  // namespace tacet
