// Client, PerClient and Round: what happens around an algorithm's callbacks. See algorithm.h for the contracts.
#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

#include <ATen/ops/zeros_like.h>

#include "core/tree_mean.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {
namespace {

constexpr int64_t counter_floats = sizeof(Counters) / sizeof(double);

// Counters ride behind the vectors as floats: they are sums of few, small numbers or shown to a few digits.
void pack(const Counters& c, float* out) {
  const auto* p = reinterpret_cast<const double*>(&c);
  for (int64_t k = 0; k < counter_floats; ++k) out[k] = static_cast<float>(p[k]);
}

void add(Counters& sum, const float* more) {
  auto* p = reinterpret_cast<double*>(&sum);
  for (int64_t k = 0; k < counter_floats; ++k) p[k] += static_cast<double>(more[k]);
}

// Moves the parts to `out`, times w.
void scale(std::vector<const float*>& parts, const std::vector<int64_t>& sizes, float w, float* out) {
  for (size_t k = 0; k < parts.size(); out += sizes[k++]) {
    for (int64_t i = 0; i < sizes[k]; ++i) out[i] = w * parts[k][i];
    parts[k] = out;
  }
}

double longest_step(Rates rates, double norm) { return rates.gamma / (1e-10 + norm); }

// Rounds and steps are counted from 1, as in metrics.jsonl.
std::string at_step(int64_t round, int client, int64_t step) {
  return "round " + std::to_string(round + 1) + ", client " + std::to_string(client) + ", local step " +
         std::to_string(step + 1);
}

}  // namespace

Vec PerClient::make(int client, const Vec& like) const {
  if (allocate_ && like.dim() == 1 && like.scalar_type() == at::kFloat) return allocate_(client, like.numel());
  return at::zeros_like(like);
}

Vec& PerClient::at(const Client& i, const Vec& like) {
  const std::lock_guard lock(mutex_);
  Vec& v = vectors_[i.id()];
  if (!v.defined()) v = make(i.id(), like);
  return v;
}

void PerClient::put(int client, const Vec& value) {
  const std::lock_guard lock(mutex_);
  Vec& v = vectors_[client];
  v = make(client, value);
  v.copy_(value);
}

double Client::weight() const { return round_->setting_.objective->client_weight(id_); }

Vec Client::start(const Vec& x) {
  Vec y = round_->setting_.objective->workspace();
  if (y.data_ptr() != x.data_ptr()) y.copy_(x);
  return y;
}

Gradient Client::gradient(const Vec& y) { return draw(y, true); }
Gradient Client::resample(const Vec& y) { return draw(y, false); }

Gradient Client::draw(const Vec& y, bool local_step) {
  const Round::Setting& s = round_->setting_;
  if (s.broken && *s.broken) throw PeerLost(-1, "a worker was lost during round " + std::to_string(s.number + 1));
  const Sample sample = s.objective->gradient({s.seed, id_, s.number, s.first_draw + draws_, s.first_iteration + steps_}, y);
  Vec g = s.objective->gradient_buffer();
  const double norm = l2_norm(g);
  const bool loss_ok = std::isfinite(sample.loss);
  skip_ = !loss_ok || !std::isfinite(norm);
  if (skip_ && !s.skip_non_finite)
    throw UserError(std::string("the ") + (loss_ok ? "gradient" : "loss") + " is not finite at " +
                    at_step(s.number, id_, steps_) +
                    ": lower algorithm.eta or algorithm.gamma, or say run.non_finite = " + "\"skip\"");
  ++draws_;
  counters_.samples += static_cast<double>(sample.samples);
  if (local_step) ++steps_;
  if (skip_) {
    g.zero_();
    counters_.skipped += 1;
  } else if (local_step) {
    counters_.loss += sample.loss;
    counters_.losses += 1;
  }
  return {g, skip_ ? 0 : norm};
}

double Client::step(double factor, double norm, bool clipped) {
  if (skip_) return 0;
  if (!std::isfinite(norm))  // the gradient was finite, what an algorithm made of it is not
    throw UserError("the step is not finite at " + at_step(round_->number, id_, steps_ - 1) +
                    ": lower algorithm.eta or algorithm.gamma");
  counters_.norm += norm;
  counters_.norms += 1;
  counters_.steps += 1;
  if (clipped) counters_.clipped += 1;
  return factor;
}

double Client::clip(Rates rates, double norm) {
  const double longest = longest_step(rates, norm);
  return step(std::min(rates.eta, longest), norm, longest < rates.eta);
}
double Client::plain(Rates rates, double norm) { return step(rates.eta, norm, false); }
double Client::normalized(Rates rates, double norm) { return step(longest_step(rates, norm), norm, true); }

Round::Round(Setting setting)
    : number(setting.number),
      I(setting.interval),
      N(setting.clients),
      participation(static_cast<double>(setting.sampled.size()) / setting.clients),
      layers(setting.objective->layers()),
      setting_(std::move(setting)) {
  assert(I >= 1 && !setting_.sampled.empty() && std::is_sorted(setting_.sampled.begin(), setting_.sampled.end()));
}

Rates Round::rates(int t) const {
  const Rates base = setting_.rates(t);
  const double scale = setting_.objective->rate_scale(setting_.seed, setting_.first_iteration + t);
  return {base.eta * scale, base.gamma * scale};
}

bool Round::sampled(int client) const {
  return std::binary_search(setting_.sampled.begin(), setting_.sampled.end(), client);
}

double Round::step(double factor, double norm, bool clipped) {
  // Every client's gradient was finite, so it is their sum that is too large.
  if (!std::isfinite(norm))
    throw UserError("the averaged gradient is not finite at round " + std::to_string(number + 1) +
                    ": lower algorithm.eta or algorithm.gamma");
  counters_.norm += norm;
  counters_.norms += 1;
  counters_.steps += 1;
  if (clipped) counters_.clipped += 1;
  return factor;
}

double Round::clip(Rates rates, double norm) {
  const double longest = longest_step(rates, norm);
  return step(std::min(rates.eta, longest), norm, longest < rates.eta);
}
double Round::plain(Rates rates, double norm) { return step(rates.eta, norm, false); }

std::vector<Vec> Round::reduce(int count, const std::vector<int>& clients, const Weight& weight, const ClientsFn& f) {
  Objective& objective = *setting_.objective;
  const Vec buffers = objective.buffers();
  const Vec buffers_before = buffers.clone();  // every client starts from the buffers of the last mean
  const int64_t d = objective.workspace().numel(), b = buffers.numel();
  SumBuffers own;
  SumBuffers& memory = setting_.buffers ? *setting_.buffers : own;
  SumShape shape;
  shape.parts.assign(static_cast<size_t>(count), d);
  shape.parts.insert(shape.parts.end(), {b, counter_floats + 1});  // buffers; counters and weight
  const int64_t weighted = count * d + b;
  if (!weight) {
    shape.divided = weighted;
    shape.divisor = static_cast<float>(clients.size());
  }

  // Clients live on ranks in contiguous blocks; so do the positions of those that run.
  const auto homes = block_bounds(setting_.clients, setting_.group->size());
  std::vector<int64_t> bounds;
  for (int64_t home : homes) bounds.push_back(std::lower_bound(clients.begin(), clients.end(), home) - clients.begin());

  std::vector<Vec> vectors;                    // of the last client
  std::array<float, counter_floats + 1> tail;  // its counters and weight
  const auto leaf = [&](int64_t position) {
    Client client;
    client.round_ = this;
    client.id_ = clients[position];
    const auto [turns, is_first] = drawn_.try_emplace(client.id_);
    if (is_first && setting_.before) setting_.before(client.id_);
    Drawn& drawn = turns->second;
    client.draws_ = drawn.draws;
    client.steps_ = drawn.steps;
    if (b > 0) buffers.copy_(buffers_before);
    const auto start = std::chrono::steady_clock::now();
    vectors = f(client);
    busy_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    assert(static_cast<int>(vectors.size()) == count);
    drawn = {client.draws_, client.steps_};
    if (setting_.stop && *setting_.stop) client.counters_.stop = 1;
    pack(client.counters_, tail.data());
    tail.back() = weight ? static_cast<float>(weight(client)) : 1.0f;
    std::vector<const float*> parts;
    for (const Vec& v : vectors) {
      assert(v.numel() == d && v.is_contiguous());
      parts.push_back(v.data_ptr<float>());
    }
    parts.push_back(b > 0 ? buffers.data_ptr<float>() : nullptr);
    if (tail.back() != 1.0f) scale(parts, shape.parts, tail.back(), memory.weighted(weighted));
    parts.push_back(tail.data());
    return parts;
  };
  const at::Tensor sum = tree_sum(*setting_.group, bounds, shape, leaf, memory);
  float* p = sum.data_ptr<float>();
  if (weight) sum.narrow(0, 0, weighted).div_(p[weighted + counter_floats]);
  std::vector<Vec> means;
  for (int k = 0; k < count; ++k) means.push_back(sum.narrow(0, k * d, d));
  if (b > 0) buffers.copy_(sum.narrow(0, count * d, b));
  add(counters_, p + weighted);
  if (setting_.clients > 1) {  // one client has nobody to talk to
    ++collectives_;
    client_bytes_ += weighted * static_cast<int64_t>(sizeof(float));
  }
  return means;
}

Vec Round::mean(const ClientFn& f) {
  return reduce(1, setting_.sampled, nullptr, [&](Client& i) { return std::vector<Vec>{f(i)}; }).front();
}

Vec Round::weighted_mean(const ClientFn& f) {
  return reduce(
             1, setting_.sampled, [](const Client& i) { return i.weight(); },
             [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

std::vector<Vec> Round::means(int count, const ClientsFn& f) { return reduce(count, setting_.sampled, nullptr, f); }

Vec Round::partial_mean(const ClientFn& f) {
  std::vector<int> everyone(static_cast<size_t>(N));
  std::iota(everyone.begin(), everyone.end(), 0);
  return reduce(
             1, everyone, [&](const Client& i) { return sampled(i.id()) ? 1.0 : 0.0; },
             [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

}  // namespace tacet
