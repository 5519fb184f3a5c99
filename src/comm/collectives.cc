// See collectives.h.
#include "comm/collectives.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/bytes.h"

namespace tacet {
namespace {

// Bytes that go from rank to rank at once. Behind each slice all ranks hear from all, so that those who have little to do
// with a long transfer wait for one slice, and not for all of it, before they take the others for lost.
constexpr int64_t kSlice = 4 << 20;

struct Sizes {
  int64_t here = 0;     // bytes for the rank that this goes to
  int64_t longest = 0;  // bytes for the rank that gets the most
};

Piece slice(std::string& text, int64_t at) {
  const int64_t from = std::min(at, std::ssize(text));
  return {text.data() + from, std::min(kSlice, std::ssize(text) - from)};
}

}  // namespace

void barrier(Group& group) { all_gather_value(group, 1.0f); }

std::vector<int64_t> all_gather_values(Group& group, const std::vector<int64_t>& mine) {
  const std::string own(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(int64_t));
  std::vector<int64_t> all;
  for (const std::string& part : all_gather_bytes(group, own))
    for (size_t at = 0; at < part.size();) all.push_back(take<int64_t>(part, at));
  return all;
}

std::vector<std::string> all_to_all(Group& group, std::vector<std::string> send) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  assert(send.size() == ranks);
  if (ranks == 1) return send;
  int64_t longest = 0;
  for (size_t q = 0; q < ranks; ++q)
    if (q != me) longest = std::max(longest, std::ssize(send[q]));
  std::vector<Sizes> out(ranks), in(ranks);
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    out[q] = {std::ssize(send[q]), longest};
    to[q] = {{&out[q], 1}};
    from[q] = {{&in[q], 1}};
  }
  group.exchange(to, from);

  for (const Sizes& sizes : in) longest = std::max(longest, sizes.longest);
  std::vector<std::string> got(ranks);
  for (size_t q = 0; q < ranks; ++q)
    if (q != me) got[q].resize(static_cast<size_t>(in[q].here));
  const bool in_slices = longest > kSlice;
  std::vector<char> signs(ranks);
  char sign = 0;
  for (int64_t at = 0; at == 0 || at < longest; at += kSlice) {
    for (size_t q = 0; q < ranks; ++q) {
      if (q == me) continue;
      to[q] = {slice(send[q], at)};
      from[q] = {slice(got[q], at)};
      if (!in_slices) continue;
      to[q].emplace_back(&sign, 1);
      from[q].emplace_back(&signs[q], 1);
    }
    group.exchange(to, from);
  }
  got[me] = std::move(send[me]);
  return got;
}

}  // namespace tacet
