// See partition.h. Every draw comes from one stream keyed by the partition's seed and the round, read in a fixed order.
#include "data/clients/partition.h"

#include "engine/dirichlet.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

using Samples = std::vector<int32_t>;

Samples shuffled(Samples samples, Stream& s) {
  for (size_t i = samples.size(); i > 1; --i) std::swap(samples[i - 1], samples[s.below(i)]);
  return samples;
}

Samples all(size_t n) {
  Samples samples(n);
  std::iota(samples.begin(), samples.end(), 0);
  return samples;
}

// Appends `samples` to the clients in consecutive blocks whose sizes differ by at most one.
void deal(const Samples& samples, Shares& shares, const std::vector<int64_t>& to) {
  const size_t n = samples.size(), parts = to.size();
  for (size_t k = 0; k < parts; ++k) {
    auto& share = shares[static_cast<size_t>(to[k])];
    share.insert(share.end(), samples.begin() + static_cast<std::ptrdiff_t>(k * n / parts),
                 samples.begin() + static_cast<std::ptrdiff_t>((k + 1) * n / parts));
  }
}

std::vector<int64_t> every_client(int clients) {
  std::vector<int64_t> to(static_cast<size_t>(clients));
  std::iota(to.begin(), to.end(), 0);
  return to;
}

std::map<int32_t, Samples> by(std::span<const int32_t> key) {
  std::map<int32_t, Samples> groups;
  for (size_t i = 0; i < key.size(); ++i) groups[key[i]].push_back(static_cast<int32_t>(i));
  return groups;
}

// Samples of `pool` sorted by label; with users by the users' mean label over all samples, users together.
void sort_unlike(Samples& pool, std::span<const int32_t> labels, std::span<const int32_t> users) {
  if (users.empty()) {
    std::stable_sort(pool.begin(), pool.end(), [&](int32_t a, int32_t b) { return labels[a] < labels[b]; });
    return;
  }
  std::map<int32_t, double> rate;
  for (const auto& [user, samples] : by(users)) {
    for (const int32_t i : samples) rate[user] += labels[i];
    rate[user] /= static_cast<double>(samples.size());
  }
  std::stable_sort(pool.begin(), pool.end(), [&](int32_t a, int32_t b) {
    return std::pair(rate[users[a]], users[a]) < std::pair(rate[users[b]], users[b]);
  });
}

void deal_similarity(const PartitionOptions& o, std::span<const int32_t> labels, std::span<const int32_t> users, int clients,
                     Stream& s, Shares& shares) {
  const Samples order = shuffled(all(labels.size()), s);
  const auto alike = std::llround(o.similarity / 100 * static_cast<double>(order.size()));
  deal({order.begin(), order.begin() + alike}, shares, every_client(clients));
  Samples rest(order.begin() + alike, order.end());
  sort_unlike(rest, labels, users);
  deal(rest, shares, every_client(clients));
}

void deal_one_class(std::span<const int32_t> labels, int clients, Stream& s, Shares& shares) {
  const auto classes = by(labels);
  const auto C = static_cast<int64_t>(classes.size());
  if (clients < C)
    throw UserError(
        fmt::format("clients.count must be >= the number of classes, {}, for data.partition.kind = "
                    "\"one-class\", got {} clients",
                    C, clients));
  const auto order = s.permutation(clients);
  int64_t c = 0;
  for (const auto& [label, samples] : classes) {
    std::vector<int64_t> to;
    for (int64_t k = c; k < clients; k += C) to.push_back(order[static_cast<size_t>(k)]);
    deal(shuffled(samples, s), shares, to);
    ++c;
  }
}

void deal_shards(const PartitionOptions& o, std::span<const int32_t> labels, int clients, Stream& s, Shares& shares) {
  Samples order = shuffled(all(labels.size()), s);
  sort_unlike(order, labels, {});
  const int64_t shards = clients * o.classes;
  if (shards > static_cast<int64_t>(order.size()))
    throw UserError(fmt::format("data.partition.classes × clients.count must be <= the {} training samples, got {} × {}",
                                order.size(), o.classes, clients));
  std::vector<int64_t> to = s.permutation(shards);
  for (int64_t& k : to) k %= clients;
  deal(order, shares, to);
}

std::vector<double> dirichlet(double alpha, int n, Stream& s) {
  std::vector<double> p(static_cast<size_t>(n));
  for (double& x : p) x = log_gamma_variate(alpha, s);
  return proportions(std::move(p));
}

// Consecutive blocks of `samples` in the given proportions, of sum `sum`.
void deal_unequally(const Samples& samples, const std::vector<double>& parts, double sum, Shares& shares) {
  double upto = 0;
  size_t first = 0;
  for (size_t k = 0; k < parts.size(); ++k) {
    upto += parts[k];
    const double end = k + 1 == parts.size() ? 1 : std::min(upto / sum, 1.0);
    const auto last = static_cast<size_t>(std::llround(end * static_cast<double>(samples.size())));
    shares[k].insert(shares[k].end(), samples.begin() + static_cast<std::ptrdiff_t>(first),
                     samples.begin() + static_cast<std::ptrdiff_t>(last));
    first = last;
  }
}

void deal_percent(const PartitionOptions& o, size_t samples, int clients, Shares& shares) {
  if (o.percent.size() != static_cast<size_t>(clients))
    throw UserError(fmt::format("data.partition.percent must have one number for each client, clients.count is {}, got {}",
                                clients, o.percent.size()));
  double sum = 0;
  for (const double p : o.percent) {
    if (!(p > 0)) throw UserError(fmt::format("data.partition.percent must be numbers > 0, got {}", p));
    sum += p;
  }
  if (!(std::abs(sum - 100) <= 0.5))
    throw UserError(fmt::format("data.partition.percent must have the sum 100, got {}", sum));
  deal_unequally(all(samples), o.percent, sum, shares);
}

void deal_users(std::span<const int32_t> users, int clients, Stream& s, Shares& shares) {
  if (users.empty()) throw UserError("data.partition.kind = \"users\" needs data whose samples have users; these have none");
  const auto groups = by(users);
  const auto n = static_cast<int64_t>(groups.size());
  if (n < clients)
    throw UserError(
        fmt::format("clients.count must be <= the number of users, {}, for data.partition.kind = \"users\", "
                    "got {}",
                    n, clients));
  std::vector<const Samples*> samples;
  for (const auto& [user, list] : groups) samples.push_back(&list);
  const auto order = s.permutation(n);
  for (int64_t i = 0; i < clients; ++i)
    for (int64_t k = i * n / clients; k < (i + 1) * n / clients; ++k) {
      const Samples& list = *samples[static_cast<size_t>(order[static_cast<size_t>(k)])];
      shares[static_cast<size_t>(i)].insert(shares[static_cast<size_t>(i)].end(), list.begin(), list.end());
    }
}

// Nobody goes empty-handed: a client without samples gets the last one of the client that has most.
void fill_empty(Shares& shares) {
  for (auto& share : shares)
    if (share.empty()) {
      auto& most =
          *std::max_element(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
      share.push_back(most.back());
      most.pop_back();
    }
}

}  // namespace

void PartitionOptions::options(OptionList& o, bool labels, bool users) {
  std::vector<std::string> kinds = {"iid"};
  std::string doc = "iid: shuffled, equal shares; ";
  if (labels) {
    kinds.insert(kinds.end(), {"similarity", "one-class", "classes", "dirichlet"});
    doc +=
        "similarity: a part is dealt iid, the rest sorted by label in consecutive blocks; one-class: each client has one "
        "class; classes: a few classes a client, by shards; dirichlet: each class in shares drawn from Dirichlet(alpha); ";
  }
  kinds.insert(kinds.end(), {"percent", "shared"});
  doc +=
      "percent: consecutive blocks of given sizes; shared: every client has the whole set and draws from it in an order of "
      "its "
      "own";
  if (users) {
    kinds.push_back("users");
    doc += "; users: whole users";
  }
  const auto only_with = [](const char* used) { return std::vector<OnlyWith>{{"partition.kind", {std::string(used)}}}; };
  o.text("partition.kind", kind, kind, kinds, doc);
  if (labels) {
    o.number("partition.similarity", similarity, similarity, within(0, 100),
             "with similarity: how much of the data is dealt iid, in %")
        .only_with = only_with("similarity");
    o.integer("partition.classes", classes, classes, within(1, 1e6),
              "with classes: shards of each client; a shard lies within one class or at the border of two")
        .only_with = only_with("classes");
    o.number("partition.alpha", alpha, alpha, {.min = 0, .max = 1e6, .min_open = true},
             "with dirichlet: the smaller, the more the clients differ")
        .only_with = only_with("dirichlet");
  }
  std::optional<Numbers> shares;
  o.maybe_numbers("partition.percent", shares, {.min = 0, .min_open = true},
                  "with percent: each client's share of the samples in %, of sum 100")
      .only_with = only_with("percent");
  if (shares) percent = *shares;
  auto own_seed = static_cast<int64_t>(seed);
  o.integer("partition.seed", own_seed, own_seed, at_least(0),
            "the partition's own seed, so that runs with other seeds share it")
      .not_with = {{"partition.kind", {std::string("shared")}}};
  seed = static_cast<uint64_t>(own_seed);
  if (labels)
    o.flag("partition.every_round", every_round, every_round,
           "deal the data anew in every round, to the clients that take part in it")
        .not_with = {{"partition.kind", {std::string("shared")}}};
}

PartitionOptions partition_options(const Values& data) {
  PartitionOptions o;
  OptionList list(data);
  o.options(list, true, true);
  return o;
}

Shares partition(const PartitionOptions& o, std::span<const int32_t> labels, std::span<const int32_t> users, int clients,
                 int64_t round) {
  assert(clients >= 1 && (users.empty() || users.size() == labels.size()));
  if (o.kind == "shared") return Shares(static_cast<size_t>(clients), all(labels.size()));
  if (labels.size() < static_cast<size_t>(clients))
    throw UserError(fmt::format("clients.count must be <= the {} training samples, got {}", labels.size(), clients));
  Stream s(o.seed, Stream::everyone, Purpose::partition, round, 0);
  Shares shares(static_cast<size_t>(clients));
  if (o.kind == "iid") {
    deal(shuffled(all(labels.size()), s), shares, every_client(clients));
  } else if (o.kind == "similarity") {
    deal_similarity(o, labels, users, clients, s, shares);
  } else if (o.kind == "one-class") {
    deal_one_class(labels, clients, s, shares);
  } else if (o.kind == "classes") {
    deal_shards(o, labels, clients, s, shares);
  } else if (o.kind == "dirichlet") {
    for (const auto& [label, samples] : by(labels)) {
      const std::vector<double> p = dirichlet(o.alpha, clients, s);
      deal_unequally(shuffled(samples, s), p, 1, shares);
    }
  } else if (o.kind == "percent") {
    deal_percent(o, labels.size(), clients, shares);
  } else if (o.kind == "users") {
    deal_users(users, clients, s, shares);
  } else {
    throw std::logic_error("no partition " + o.kind);
  }
  fill_empty(shares);
  return shares;
}

std::vector<int64_t> drawn_samples(int64_t all, int64_t count, uint64_t seed) {
  Stream s(seed, Stream::everyone, Purpose::partition, 0, 1);
  std::vector<int64_t> drawn = s.permutation(all);
  drawn.resize(static_cast<size_t>(count));
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace tacet
