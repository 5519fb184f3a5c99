// Client, PerClient and Round: what happens around an algorithm's callbacks. See algorithm.h for the contracts.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

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

// Rounds and steps are counted from 1, as in metrics.jsonl.
std::string at_step(int64_t round, int client, int64_t step) {
  return "round " + std::to_string(round + 1) + ", client " + std::to_string(client) + ", local step " +
         std::to_string(step + 1);
}

}  // namespace

Vec& PerClient::at(const Client& i, const Vec& like) {
  const std::lock_guard lock(mutex_);
  Vec& v = vectors_[i.id()];
  if (!v.defined()) v = at::zeros_like(like);
  return v;
}

double Client::weight() const { return round_->setting_.objective->client_weight(id_); }

Vec Client::start(const Vec& x) {
  Vec y = round_->setting_.objective->workspace();
  if (y.data_ptr() != x.data_ptr()) y.copy_(x);
  return y;
}

Vec Client::gradient(const Vec& y) {
  const Round::Setting& s = round_->setting_;
  const Draw draw{s.seed, id_, s.number, step_, s.first_iteration + step_};
  const Sample sample = s.objective->gradient(draw, y);
  if (!std::isfinite(sample.loss))
    throw UserError("the loss is not finite at " + at_step(s.number, id_, step_) +
                    ": lower algorithm.eta or algorithm.gamma");
  ++step_;
  counters_.loss += sample.loss;
  counters_.losses += 1;
  counters_.samples += static_cast<double>(sample.samples);
  return s.objective->gradient_buffer();
}

double Client::clip(Rates rates, double norm) {
  return round_->clip(rates, norm, counters_, at_step(round_->number, id_, step_ - 1));
}

Round::Round(Setting setting)
    : number(setting.number),
      I(setting.interval),
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

double Round::clip(Rates rates, double norm, Counters& counters, const std::string& who) {
  if (!std::isfinite(norm))
    throw UserError("the gradient is not finite at " + who + ": lower algorithm.eta or algorithm.gamma");
  const double longest = rates.gamma / (1e-10 + norm);
  counters.norm += norm;
  counters.norms += 1;
  counters.steps += 1;
  if (longest < rates.eta) counters.clipped += 1;
  return std::min(rates.eta, longest);
}

double Round::clip(Rates rates, double norm) {
  return clip(rates, norm, counters_, "round " + std::to_string(number + 1) + ", on the averaged gradient");
}

std::vector<Vec> Round::reduce(int count, bool weighted, const ClientsFn& f) {
  Objective& objective = *setting_.objective;
  const Vec buffers = objective.buffers();
  const Vec buffers_before = buffers.clone();  // every client starts from the buffers of the last mean
  const int64_t d = objective.workspace().numel(), b = buffers.numel();
  const int64_t size = count * d + b + counter_floats + 1;  // vectors, buffers, counters, weight

  // Clients live on ranks in contiguous blocks; so do the sampled ones' positions.
  const auto homes = block_bounds(setting_.clients, setting_.group->size());
  std::vector<int64_t> bounds;
  for (int64_t home : homes)
    bounds.push_back(std::lower_bound(setting_.sampled.begin(), setting_.sampled.end(), home) - setting_.sampled.begin());

  const auto leaf = [&](int64_t position, float* out) {
    Client client;
    client.round_ = this;
    client.id_ = setting_.sampled[position];
    client.step_ = draws_[client.id_];
    if (b > 0) buffers.copy_(buffers_before);
    const std::vector<Vec> vectors = f(client);
    assert(static_cast<int>(vectors.size()) == count);
    draws_[client.id_] = client.step_;
    for (int k = 0; k < count; ++k) {
      assert(vectors[k].numel() == d && vectors[k].is_contiguous());
      std::memcpy(out + k * d, vectors[k].data_ptr<float>(), static_cast<size_t>(d) * sizeof(float));
    }
    if (b > 0) std::memcpy(out + count * d, buffers.data_ptr<float>(), static_cast<size_t>(b) * sizeof(float));
    const float w = weighted ? static_cast<float>(client.weight()) : 1.0f;
    if (w != 1.0f)
      for (int64_t k = 0; k < count * d + b; ++k) out[k] *= w;
    if (setting_.stop && *setting_.stop) client.counters_.stop = 1;
    pack(client.counters_, out + count * d + b);
    out[size - 1] = w;
  };
  const at::Tensor sum = tree_sum(*setting_.group, bounds, size, leaf);
  float* p = sum.data_ptr<float>();
  const float total = p[size - 1];
  std::vector<Vec> means;
  for (int k = 0; k < count; ++k) means.push_back(sum.narrow(0, k * d, d).div_(total));
  if (b > 0) buffers.copy_(sum.narrow(0, count * d, b).div_(total));
  add(counters_, p + count * d + b);
  if (setting_.clients > 1) {  // one client has nobody to talk to
    ++collectives_;
    client_bytes_ += (count * d + b) * static_cast<int64_t>(sizeof(float));
  }
  return means;
}

Vec Round::mean(const ClientFn& f) {
  return reduce(1, false, [&](Client& i) { return std::vector<Vec>{f(i)}; }).front();
}

Vec Round::weighted_mean(const ClientFn& f) {
  return reduce(1, true, [&](Client& i) { return std::vector<Vec>{f(i)}; }).front();
}

std::vector<Vec> Round::means(int count, const ClientsFn& f) { return reduce(count, false, f); }

}  // namespace tacet
