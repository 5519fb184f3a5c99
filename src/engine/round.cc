// Client, PerClient and Round: what happens around an algorithm's callbacks. See algorithm.h for the contracts.
#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>

#include <ATen/ops/zeros_like.h>

#include "engine/message_coding.h"
#include "engine/tree_sum.h"
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

// What ends the turn of a client that is late; never leaves turn().
struct Late {};

double longest_step(Rates rates, double norm) { return rates.gamma / (1e-10 + norm); }

void count_step(Counters& counters, double norm, bool clipped) {
  counters.norm += norm;
  counters.norms += 1;
  counters.steps += 1;
  if (clipped) counters.clipped += 1;
}

// Rounds and steps are counted from 1, as in metrics.jsonl.
std::string at_step(int64_t round, int client, int64_t step) {
  return "round " + std::to_string(round + 1) + ", client " + std::to_string(client) + ", local step " +
         std::to_string(step + 1);
}

// What is added up: `count` vectors, buffers, and the tail: counters, with a deadline a 1 for each of the `places` clients
// that came, and the weight. `divisor`: of the mean; 0: the sum is divided later.
SumShape shape_of(int count, int64_t d, int64_t b, int64_t places, int64_t divisor) {
  SumShape shape;
  shape.parts.assign(static_cast<size_t>(count), d);
  shape.parts.insert(shape.parts.end(), {b, counter_floats + places + 1});
  if (divisor > 0) {
    shape.divided = count * d + b;
    shape.divisor = static_cast<float>(divisor);
  }
  return shape;
}

// One client has nobody to send to, and what goes as it is needs no code.
MessageCoder* coded_messages(const Round::Setting& s) {
  return s.clients > 1 && s.messages && s.messages->kind != MessageKind::f32 ? s.messages : nullptr;
}

// How the vectors travel. Without messages they go as they are.
struct Coding {
  MessageCoder* messages;
  int count;
  Vec reference;
};

// What a client's turn has left to be added up. The tail ends with the weight of vectors and buffers.
struct Sent {
  Client client;
  const std::vector<Vec>* vectors = nullptr;
  const float* buffers = nullptr;
  const float* tail = nullptr;
};

// tree_sum() of what `sent` tells for one's own positions, coded and decoded on the way where that is asked for.
at::Tensor sum_of(Group& group, const std::vector<int64_t>& bounds, const SumShape& shape, const Coding& coding,
                  const std::function<Sent(int64_t position)>& sent, SumBuffers& memory) {
  const int64_t b = shape.parts[shape.parts.size() - 2], tail = shape.parts.back();
  if (coding.messages && travels_coded(group, bounds)) {
    std::vector<float> rest(static_cast<size_t>(b + tail));
    const auto leaf = [&](int64_t position) {
      const Sent s = sent(position);
      const float w = s.tail[tail - 1];
      for (int64_t i = 0; i < b; ++i) rest[i] = w == 1 ? s.buffers[i] : w * s.buffers[i];
      std::copy_n(s.tail, tail, rest.begin() + b);
      return CodedLeaf{coding.messages->code(s.client, *s.vectors, coding.reference, w != 0), rest.data()};
    };
    return message_sum(group, bounds, shape, coding.messages->kind, coding.count, leaf, memory);
  }
  const auto leaf = [&](int64_t position) {
    const Sent s = sent(position);
    const float w = s.tail[tail - 1];
    std::vector<const float*> parts;
    for (const Vec& v : *s.vectors) parts.push_back(v.data_ptr<float>());
    if (coding.messages) {
      coding.messages->code(s.client, *s.vectors, coding.reference, w != 0);
      const float* arrived = coding.messages->decoded(coding.count, shape.parts.front());
      for (int k = 0; k < coding.count; ++k) parts[k] = arrived + k * shape.parts.front();
    }
    parts.push_back(s.buffers);
    const int64_t weighted = coding.count * shape.parts.front() + b;
    if (w != 1.0f) scale(parts, shape.parts, w, memory.weighted(weighted));
    parts.push_back(s.tail);
    return parts;
  };
  return tree_sum(group, bounds, shape, leaf, memory);
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
  if (round_->is_late()) throw Late{};
  const BatchLoss sample =
      s.objective->gradient({s.seed, id_, s.number, s.first_draw + draws_, s.first_iteration + steps_}, y);
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
  count_step(counters_, norm, clipped);
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
  count_step(counters_, norm, clipped);
  return factor;
}

double Round::clip(Rates rates, double norm) {
  const double longest = longest_step(rates, norm);
  return step(std::min(rates.eta, longest), norm, longest < rates.eta);
}
double Round::plain(Rates rates, double norm) { return step(rates.eta, norm, false); }

std::vector<int64_t> Round::bounds_of(const std::vector<int>& clients) const {
  // Clients live on ranks in contiguous blocks; so do the positions of those that run.
  std::vector<int64_t> bounds;
  for (const int64_t home : block_bounds(setting_.clients, setting_.group->size()))
    bounds.push_back(std::lower_bound(clients.begin(), clients.end(), home) - clients.begin());
  return bounds;
}

bool Round::is_late() const { return setting_.deadline && std::chrono::steady_clock::now() >= *setting_.deadline; }

void Round::take_stock(const std::vector<int>& clients, const float* came) {
  for (size_t k = 0; k < clients.size(); ++k)
    if (came[k] == 0) late_.push_back(clients[k]);
  participation = static_cast<double>(clients.size() - late_.size()) / N;
}

bool Round::turn(int id, const std::function<void(Client&)>& f, float* tail) {
  Client client;
  client.round_ = this;
  client.id_ = id;
  const auto [turns, is_first] = drawn_.try_emplace(id);
  if (is_first && setting_.before) setting_.before(id);
  Drawn& drawn = turns->second;
  client.draws_ = drawn.draws;
  client.steps_ = drawn.steps;
  const auto start = std::chrono::steady_clock::now();
  bool came = true;
  try {
    f(client);
  } catch (const Late&) {
    came = false;
    setting_.dropped(id);
    client.counters_ = {};
  }
  busy_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  drawn = {client.draws_, client.steps_};
  if (setting_.stop && *setting_.stop) client.counters_.stop = 1;
  pack(client.counters_, tail);
  return came;
}

void Round::count_message(int vectors, int64_t buffers) {
  if (setting_.clients == 1) return;  // one client has nobody to talk to
  ++collectives_;
  const MessageKind kind = setting_.messages ? setting_.messages->kind : MessageKind::f32;
  client_bytes_ += (vectors * message_words(kind, setting_.objective->workspace().numel()) + buffers) *
                   static_cast<int64_t>(sizeof(float));
}

std::vector<Vec> Round::reduce(const Vec& reference, int count, const std::vector<int>& clients, const Weight& weight,
                               const ClientsFn& f) {
  Objective& objective = *setting_.objective;
  const Vec buffers = objective.buffers();
  const Vec buffers_before = buffers.clone();  // every client starts from the buffers of the last mean
  const int64_t d = objective.workspace().numel(), b = buffers.numel();
  SumBuffers own;
  SumBuffers& memory = setting_.buffers ? *setting_.buffers : own;
  const Coding coding{count > 0 ? coded_messages(setting_) : nullptr, count, reference};
  const auto places = setting_.deadline ? static_cast<int64_t>(clients.size()) : 0;
  const bool by_weight = weight || setting_.deadline;
  const SumShape shape = shape_of(count, d, b, places, by_weight ? 0 : static_cast<int64_t>(clients.size()));
  const std::vector<int64_t> bounds = bounds_of(clients);
  const auto wait = [&] {  // two exchanges at once would be mixed up
    if (started_.valid()) started_.wait();
  };
  if (bounds[setting_.group->rank()] == bounds[setting_.group->rank() + 1]) wait();

  std::vector<Vec> vectors;  // of the last client
  std::vector<float> tail(static_cast<size_t>(shape.parts.back()));
  const auto sent = [&](int64_t position) {
    if (b > 0) buffers.copy_(buffers_before);
    std::fill(tail.begin(), tail.end(), 0.0f);
    Sent s;
    const bool came = turn(
        clients[position],
        [&](Client& client) {
          s.client = client;
          vectors = f(client);
          tail.back() = weight ? static_cast<float>(weight(client)) : 1.0f;
        },
        tail.data());
    if (came && places > 0) tail[static_cast<size_t>(counter_floats + position)] = 1;
    if (!came) vectors.assign(static_cast<size_t>(count), at::zeros({d}));
    if (!came && b > 0) buffers.copy_(buffers_before);
    wait();
    assert(static_cast<int>(vectors.size()) == count);
    for ([[maybe_unused]] const Vec& v : vectors) assert(v.numel() == d && v.is_contiguous());
    s.vectors = &vectors;
    s.buffers = b > 0 ? buffers.data_ptr<float>() : nullptr;
    s.tail = tail.data();
    return s;
  };
  const at::Tensor sum = sum_of(*setting_.group, bounds, shape, coding, sent, memory);
  const int64_t weighted = count * d + b;
  float* p = sum.data_ptr<float>();
  add(counters_, p + weighted);
  count_message(count, b);
  if (places > 0) take_stock(clients, p + weighted + counter_floats);
  if (late_.size() == clients.size()) {
    if (b > 0) buffers.copy_(buffers_before);
    throw NobodyCame{};
  }
  if (by_weight) sum.narrow(0, 0, weighted).div_(p[weighted + counter_floats + places]);
  std::vector<Vec> means;
  for (int k = 0; k < count; ++k) means.push_back(sum.narrow(0, k * d, d));
  if (coding.messages && reference.defined()) means.front().add_(reference);
  if (b > 0) buffers.copy_(sum.narrow(0, count * d, b));
  return means;
}

Vec Round::mean(const Vec& reference, const ClientFn& f) {
  return reduce(reference, 1, setting_.sampled, nullptr, [&](Client& i) { return std::vector<Vec>{f(i)}; }).front();
}

Vec Round::weighted_mean(const Vec& reference, const ClientFn& f) {
  return reduce(
             reference, 1, setting_.sampled, [](const Client& i) { return i.weight(); },
             [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

std::vector<Vec> Round::means(const Vec& reference, int count, const ClientsFn& f) {
  return reduce(reference, count, setting_.sampled, nullptr, f);
}

Vec Round::partial_mean(const Vec& reference, const ClientFn& f) {
  std::vector<int> everyone(static_cast<size_t>(N));
  std::iota(everyone.begin(), everyone.end(), 0);
  return reduce(
             reference, 1, everyone, [&](const Client& i) { return sampled(i.id()) ? 1.0 : 0.0; },
             [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

Round::Pending Round::start_mean(const Vec& reference, const ClientFn& f) {
  assert(!started_.valid());  // one at a time, and one a round
  const int64_t d = setting_.objective->workspace().numel();
  const std::vector<int64_t> bounds = bounds_of(setting_.sampled);
  const int64_t first = bounds[setting_.group->rank()], last = bounds[setting_.group->rank() + 1];
  // By position: who sends what, and counters that nothing has been added to. They live as long as the exchange.
  struct Started {
    std::vector<Client> clients;
    std::vector<std::vector<Vec>> vectors;
    std::array<float, counter_floats + 1> tail{};
    std::unique_ptr<SumBuffers> memory;
  };
  const auto started = std::make_shared<Started>();
  for (int64_t p = first; p < last; ++p)
    turn(
        setting_.sampled[p],
        [&](Client& client) {
          started->vectors.push_back({f(client)});
          started->clients.push_back(client);
        },
        started->tail.data());
  started->tail = {};
  started->tail.back() = 1;
  if (!setting_.buffers) started->memory = std::make_unique<SumBuffers>();
  SumBuffers& memory = setting_.buffers ? setting_.buffers->aside() : *started->memory;
  const Coding coding{coded_messages(setting_), 1, reference};
  const SumShape shape = shape_of(1, d, 0, 0, static_cast<int64_t>(setting_.sampled.size()));
  count_message(1, 0);
  started_ = std::async(std::launch::async, [=, &group = *setting_.group, &memory] {
    const auto sent = [&](int64_t p) {
      return Sent{started->clients[p - first], &started->vectors[p - first], nullptr, started->tail.data()};
    };
    Vec mean = sum_of(group, bounds, shape, coding, sent, memory).narrow(0, 0, d);
    if (coding.messages && reference.defined()) mean.add_(reference);
    return mean;
  });
  return started_;
}

void Round::work(const std::function<void(Client&)>& f) {
  reduce(Vec(), 0, setting_.sampled, nullptr, [&](Client& i) {
    f(i);
    return std::vector<Vec>();
  });
}

}  // namespace tacet
