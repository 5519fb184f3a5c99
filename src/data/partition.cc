// See partition.h.
#include "data/partition.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

// Deals `pool` in consecutive blocks that differ by at most one in size.
void deal(std::span<const int64_t> pool, Partition& p) {
  const size_t n = p.clients.size();
  size_t next = 0;
  for (size_t i = 0; i < n; ++i) {
    const size_t size = pool.size() / n + (i < pool.size() % n);
    p.clients[i].insert(p.clients[i].end(), pool.begin() + static_cast<ptrdiff_t>(next),
                        pool.begin() + static_cast<ptrdiff_t>(next + size));
    next += size;
  }
}

// What the pool that is not dealt at random is sorted by: the share of the largest label among the user's examples.
std::vector<double> positive_rates(std::span<const int64_t> labels, std::span<const int64_t> users) {
  const int64_t positive = *std::max_element(labels.begin(), labels.end());
  std::vector<double> count(static_cast<size_t>(*std::max_element(users.begin(), users.end())) + 1), hits(count);
  for (size_t k = 0; k < users.size(); ++k) {
    count[static_cast<size_t>(users[k])] += 1;
    hits[static_cast<size_t>(users[k])] += labels[k] == positive;
  }
  for (size_t u = 0; u < count.size(); ++u) hits[u] = count[u] > 0 ? hits[u] / count[u] : 0;
  return hits;
}

}  // namespace

Partition make_partition(const Values& data, std::span<const int64_t> labels, std::span<const int64_t> users, int clients) {
  const auto n = static_cast<int64_t>(labels.size());
  if (n < clients)
    throw UserError("clients.count must leave every client an example, got " + std::to_string(clients) + " clients for " +
                    std::to_string(n) + " training examples");
  const double similarity = data.text("partition.kind") == "iid" ? 100 : data.number("partition.similarity");
  Stream stream(static_cast<uint64_t>(data.integer("partition.seed")), Stream::everyone, Purpose::partition, 0, 0);
  const std::vector<int64_t> order = stream.permutation(n);
  const auto random = static_cast<size_t>(std::llround(similarity / 100 * static_cast<double>(n)));
  Partition p;
  p.clients.resize(static_cast<size_t>(clients));
  deal(std::span(order).first(random), p);
  std::vector<int64_t> rest(order.begin() + static_cast<ptrdiff_t>(random), order.end());
  if (!rest.empty()) {
    const std::vector<double> rate = users.empty() ? std::vector<double>{} : positive_rates(labels, users);
    std::sort(rest.begin(), rest.end(), [&](int64_t a, int64_t b) {
      const auto key = [&](int64_t k) {
        const auto i = static_cast<size_t>(k);
        return users.empty() ? std::tuple(static_cast<double>(labels[i]), int64_t{0}, k)
                             : std::tuple(rate[static_cast<size_t>(users[i])], users[i], k);
      };
      return key(a) < key(b);
    });
    deal(rest, p);
  }
  for (auto& mine : p.clients) std::sort(mine.begin(), mine.end());
  return p;
}

std::vector<Option> partition_options() {
  return {
      {.name = "partition.kind",
       .kind = Kind::text,
       .fallback = std::string("iid"),
       .doc = "how examples are given to clients: iid: at random; similarity: partition.similarity % at random, the others "
              "sorted by label (or users by positive rate) in blocks",
       .one_of = {"iid", "similarity"}},
      {.name = "partition.similarity",
       .kind = Kind::number,
       .fallback = 100.0,
       .doc = "with similarity: the share dealt at random, in %",
       .min = 0,
       .max = 100},
      {.name = "partition.seed", .kind = Kind::integer, .fallback = int64_t{1}, .doc = "of the partition alone", .min = 0}};
}

}  // namespace tacet
