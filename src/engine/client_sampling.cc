// Implements client_sampling.h.
#include "engine/client_sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/dirichlet.h"
#include "tacet/error.h"
#include "tacet/random.h"

namespace tacet {
namespace {

constexpr double most_clients = (1 << 24) - 1;  // a random stream has 24 bits for the client

std::vector<int> first_of(const std::vector<int64_t>& order, int count, int offset) {
  std::vector<int> ids;
  for (int k = 0; k < count; ++k) ids.push_back(offset + static_cast<int>(order[static_cast<size_t>(k)]));
  return ids;
}

}  // namespace

void ClientOptions::options(OptionList& list) {
  const Range clients = within(1, most_clients);
  list.maybe_integer("count", count, clients, "clients N; without it, one a worker");
  list.maybe_integer("participating", participating, clients, "clients that take part in a round; without it, all");
  list.text("sampling", sampling, "uniform", {"uniform", "fixed", "periodic", "dirichlet", "poisson"},
            "how a round's clients are chosen: uniform, drawn anew without replacement; fixed, always the first ones; "
            "periodic, drawn from one of `period` blocks after the other; dirichlet, drawn with weights from "
            "Dirichlet(alpha); poisson, each by itself with probability participating / count, so that their number varies");
  list.integer("period", period, 2, within(1, 1e9), "periodic: blocks of clients that are available in turn").only_with = {
      {"sampling", {"periodic"}}};
  list.integer("switch_every", switch_every, 1, within(1, 1e9),
               "periodic: rounds for which a block stays available before the next one is")
      .only_with = {{"sampling", {"periodic"}}};
  list.number("alpha", alpha, 1, above(0), "dirichlet: smaller values let fewer clients take part more often").only_with = {
      {"sampling", {"dirichlet"}}};
}

std::optional<std::string> sampling_complaint(const ClientOptions& clients, int count) {
  const int64_t participating = clients.participating.value_or(count);
  const std::string got = ", got " + std::to_string(participating);
  if (participating > count) return "must be <= clients.count = " + std::to_string(count) + got;
  const int64_t block = count / clients.period;  // the smallest block
  if (clients.sampling == "periodic" && participating > block)
    return "must be <= " + std::to_string(block) +
           ", the clients in one of clients.period = " + std::to_string(clients.period) + " blocks" + got;
  return {};
}

ClientSampling client_sampling(const Values& clients, int count) {
  const auto given = read_options<ClientOptions>(clients);
  if (const auto wrong = sampling_complaint(given, count)) throw UserError("clients.participating " + *wrong);
  ClientSampling s;
  s.clients = count;
  s.participating = static_cast<int>(given.participating.value_or(count));
  s.kind = given.sampling;
  s.period = given.period;
  s.switch_every = given.switch_every;
  s.alpha = given.alpha;
  return s;
}

std::vector<double> client_weights(const ClientSampling& sampling, uint64_t seed) {
  std::vector<double> w;
  for (int i = 0; i < sampling.clients; ++i) {
    Stream s(seed, i, Purpose::client_sampling, 0, 0);
    w.push_back(log_gamma_variate(sampling.alpha, s));
  }
  return proportions(std::move(w));
}

std::vector<int> sample_clients(const ClientSampling& sampling, uint64_t seed, int64_t round) {
  const int N = sampling.clients, S = sampling.participating;
  Stream stream(seed, Stream::everyone, Purpose::client_sampling, round, 0);
  std::vector<int> ids;
  if (sampling.kind == "periodic") {
    const int64_t b = round / sampling.switch_every % sampling.period;
    const auto first = static_cast<int>(b * N / sampling.period), last = static_cast<int>((b + 1) * N / sampling.period);
    ids = first_of(stream.permutation(last - first), S, first);
  } else if (S == N || sampling.kind == "fixed") {
    ids.resize(static_cast<size_t>(S));
    std::iota(ids.begin(), ids.end(), 0);
  } else if (sampling.kind == "poisson") {
    const double share = static_cast<double>(S) / N;
    for (int i = 0; i < N; ++i)
      if (stream.uniform() < share) ids.push_back(i);
  } else if (sampling.kind == "dirichlet") {
    // The S smallest of independent exponential waiting times with rates w: successive sampling without replacement.
    const auto w = client_weights(sampling, seed);
    std::vector<std::pair<double, int>> wait;
    for (int i = 0; i < N; ++i)
      wait.emplace_back(-std::log(1 - stream.uniform()) / std::max(w[static_cast<size_t>(i)], 1e-300), i);
    std::nth_element(wait.begin(), wait.begin() + (S - 1), wait.end());
    for (int k = 0; k < S; ++k) ids.push_back(wait[static_cast<size_t>(k)].second);
  } else {
    ids = first_of(stream.permutation(N), S, 0);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace tacet
