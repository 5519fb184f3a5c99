// See collectives.h.
#include "comm/collectives.h"

#include <cassert>
#include <cstdint>
#include <utility>

namespace tacet {
namespace {

size_t whole_floats(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

Piece floats_of(std::string& bytes) {
  return {reinterpret_cast<float*>(bytes.data()), static_cast<int64_t>(bytes.size() / sizeof(float))};
}

}  // namespace

std::vector<std::vector<float>> swap_floats(Group& group, const std::vector<float>& mine) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  std::vector<float> out = mine;
  std::vector<std::vector<float>> all(ranks, std::vector<float>(mine.size()));
  std::vector<std::vector<Piece>> to(ranks), from(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    to[q].push_back({out.data(), static_cast<int64_t>(out.size())});
    from[q].push_back({all[q].data(), static_cast<int64_t>(out.size())});
  }
  if (ranks > 1) group.exchange(to, from);
  all[me] = mine;
  return all;
}

std::vector<std::string> swap_bytes(Group& group, std::vector<std::string> to) {
  const auto ranks = static_cast<size_t>(group.size()), me = static_cast<size_t>(group.rank());
  assert(to.size() == ranks);
  std::vector<std::string> from(ranks);
  from[me] = std::move(to[me]);
  if (ranks == 1) return from;
  std::vector<int64_t> out(ranks), in(ranks);
  std::vector<std::vector<Piece>> send(ranks), fill(ranks);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    out[q] = static_cast<int64_t>(to[q].size());
    send[q].push_back({reinterpret_cast<float*>(&out[q]), sizeof(int64_t) / sizeof(float)});
    fill[q].push_back({reinterpret_cast<float*>(&in[q]), sizeof(int64_t) / sizeof(float)});
  }
  group.exchange(send, fill);
  for (size_t q = 0; q < ranks; ++q) {
    if (q == me) continue;
    to[q].resize(whole_floats(to[q].size()) * sizeof(float));
    from[q].resize(whole_floats(static_cast<size_t>(in[q])) * sizeof(float));
    send[q] = {floats_of(to[q])};
    fill[q] = {floats_of(from[q])};
  }
  group.exchange(send, fill);
  for (size_t q = 0; q < ranks; ++q)
    if (q != me) from[q].resize(static_cast<size_t>(in[q]));
  return from;
}

}  // namespace tacet
