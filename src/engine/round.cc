// Client and Round, the engine around an algorithm's callbacks. The contracts are in algorithm.h.
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "base/clock.h"
#include "engine/counter_floats.h"
#include "engine/drift.h"
#include "engine/message_coding.h"
#include "engine/non_finite.h"
#include "engine/round_setup.h"
#include "engine/server_noise.h"
#include "engine/tree_sum.h"
#include "engine/turn_sum.h"
#include "tacet/algorithm.h"
#include "tacet/error.h"
#include "tacet/group.h"

namespace tacet {
namespace {

// The exception that ends the turn of a late client. It never leaves turn().
struct Late {};

bool is_late(const RoundSetup& s) { return s.deadline && Clock::now() >= *s.deadline; }

void count_step(Counters& c, double norm, bool clipped) {
  c.norm += norm;
  c.norms += 1;
  c.steps += 1;
  if (clipped) c.clipped += 1;
}

double longest_step(Rates rates, double norm) { return rates.gamma / (1e-10 + norm); }

// Returns the rates in force at the round's first step, for advice. A method without them gets the shorter one.
Rates rates_of(const RoundSetup& s) { return s.rates ? s.rates(0) : Rates{0, std::numeric_limits<double>::infinity()}; }

}  // namespace

struct Client::Turn {
  const RoundSetup& setup;
  int64_t draws = 0, steps = 0;  // gradients drawn in this round; local steps among them
  bool skip = false;             // true if the last gradient was not finite
  Counters counters;
  double gradient_seconds = 0;  // in the gradients of its local steps
};

struct Round::Inside {
  // Returns the factor of a client's vectors in the sum, which is divided by the sum of the factors.
  using Weight = std::function<double(const Client&)>;
  struct Drawn {
    int64_t draws = 0, steps = 0;
  };

  // Averages `count` vectors of each client, of the size of the model or of a part of it, and the numbers that f leaves in
  // `numbers`, if any, which then has their means. `which` has the numbers of the vectors behind the first (MeanVectors).
  std::vector<Vec> reduce(const Vec& reference, int count, const std::vector<int>& clients, const Weight& weight,
                          const ClientsFn& f, std::vector<double>* numbers = nullptr, const ModelPart* part = nullptr,
                          const std::vector<int>& which = {});
  Vec reduce(const Vec& reference, const Weight& weight, std::vector<double>& numbers, const NumbersFn& f);
  // Runs one client's turn and packs its counters into `tail`. Returns false if it was too late.
  bool turn(int id, const std::function<void(Client&)>& f, float* tail);
  void note_who_came(const std::vector<int>& clients, const float* came);
  // Starts a mean of vectors of these layers beside this thread.
  Pending start(const Vec& reference, std::span<const Layer> layers, int part, const ClientFn& f);
  void count_message(int vectors, std::span<const Layer> layers, int64_t buffers);
  double step(double factor, double norm, bool clipped);
  std::vector<int64_t> bounds_of(const std::vector<int>& clients) const;

  Round& round;
  RoundSetup setup;
  RoundReport report = {};
  std::map<int, Drawn> drawn = {};  // in this round, by client
  Pending started = {};             // stays last, since its destructor waits for a thread that reads the others
};

double Client::weight() const { return turn_->setup.objective->client_weight(id_); }

int Client::steps() const { return turn_->setup.steps ? turn_->setup.steps(id_) : turn_->setup.interval; }

Vec Client::start(const Vec& x) {
  Vec y = turn_->setup.objective->workspace();
  if (y.data_ptr() != x.data_ptr()) y.copy_(x);
  return y;
}

Gradient Client::gradient(const Vec& y) { return draw(y, true); }
Gradient Client::resample(const Vec& y) { return draw(y, false); }
bool Client::skips() const { return turn_->skip; }

Gradient Client::draw(const Vec& y, bool local_step) {
  Turn& turn = *turn_;
  const RoundSetup& s = turn.setup;
  if (s.broken && *s.broken) throw PeerLost(-1, "a worker was lost during round " + std::to_string(s.number + 1));
  if (is_late(s)) throw Late{};
  const auto start = Clock::now();
  const Vec buffers = s.skip_non_finite ? s.objective->buffers() : Vec();
  const Vec before = buffers.defined() && buffers.numel() > 0 ? buffers.clone() : Vec();
  const BatchLoss sample =
      s.objective->gradient({s.seed, id_, s.number, s.first_draw + turn.draws, s.first_iteration + turn.steps}, y);
  if (local_step) turn.gradient_seconds += since(start);
  Vec g = s.objective->gradient_buffer();
  const double norm = l2_norm(g);
  const bool loss_ok = std::isfinite(sample.loss);
  turn.skip = !loss_ok || !std::isfinite(norm);
  if (turn.skip && !s.skip_non_finite)
    throw not_finite(loss_ok ? "gradient" : "loss", at_step(s.number, id_, turn.steps), rates_of(s),
                     s.objective->batch_fault(), s.number == 0 && turn.steps == 0);
  ++turn.draws;
  (local_step ? turn.counters.samples : turn.counters.extra_samples) += static_cast<double>(sample.samples);
  if (local_step) ++turn.steps;
  if (turn.skip) {
    g.zero_();
    if (before.defined()) buffers.copy_(before);  // running statistics have seen what is skipped
    turn.counters.skipped += 1;
  } else if (local_step) {
    turn.counters.loss += sample.loss;
    turn.counters.losses += 1;
    turn.counters.correct += sample.correct;
    turn.counters.judged += sample.judged;
  }
  return {g, turn.skip ? 0 : norm};
}

double Client::step(double factor, double norm, bool clipped) {
  if (turn_->skip) return 0;
  if (!std::isfinite(norm))  // the gradient was finite, but the algorithm's direction is not
    throw UserError("the step is not finite at " + at_step(turn_->setup.number, id_, turn_->steps - 1) + ": " +
                    lower_rates(rates_of(turn_->setup)));
  count_step(turn_->counters, norm, clipped);
  return factor;
}

double Client::clip(Rates rates, double norm, double least) {
  const double longest = longest_step(rates, norm);
  return step(std::min(rates.eta, std::max(longest, least * rates.eta)), norm, longest < rates.eta);
}
double Client::plain(Rates rates, double norm) { return step(rates.eta, norm, false); }
double Client::normalized(Rates rates, double norm) { return step(longest_step(rates, norm), norm, true); }

Round::Round(RoundSetup setup)
    : number(setup.number),
      I(setup.interval),
      mean_I(setup.mean_interval > 0 ? setup.mean_interval : setup.interval),
      N(setup.clients),
      mean_S(setup.mean_sampled > 0 ? setup.mean_sampled : static_cast<double>(setup.sampled.size())),
      participation(static_cast<double>(setup.sampled.size()) / setup.clients),
      layers(setup.objective->layers()),
      inside_(new Inside{*this, std::move(setup)}) {
  [[maybe_unused]] const std::vector<int>& those = inside_->setup.sampled;
  assert(I >= 1 && (!those.empty() || inside_->setup.mean_sampled > 0) && std::is_sorted(those.begin(), those.end()));
}

Round::~Round() = default;

Vec Round::normals(int64_t n) {
  const RoundSetup& s = inside_->setup;
  return s.system_noise ? system_normals(*s.group, n) : keyed_normals(s.seed, number, n);
}

void Round::note(const std::string& name, double value) { inside_->report.notes[name] = value; }
const RoundReport& Round::report() const { return inside_->report; }

Rates Round::rates(int t) const {
  const RoundSetup& s = inside_->setup;
  const Rates base = s.rates(t);
  const double scale = s.objective->rate_scale(s.seed, s.first_iteration + t);
  return {base.eta * scale, base.gamma * scale};
}

bool Round::sampled(int client) const {
  const std::vector<int>& those = inside_->setup.sampled;
  return std::binary_search(those.begin(), those.end(), client);
}

double Round::Inside::step(double factor, double norm, bool clipped) {
  // Every client's gradient was finite, so it is their sum that is too large.
  if (!std::isfinite(norm))
    throw UserError("the averaged gradient is not finite at round " + std::to_string(setup.number + 1) + ": " +
                    lower_rates(rates_of(setup)));
  count_step(report.counters, norm, clipped);
  return factor;
}

double Round::clip(Rates rates, double norm) {
  const double longest = longest_step(rates, norm);
  return inside_->step(std::min(rates.eta, longest), norm, longest < rates.eta);
}
double Round::clip_uncounted(Rates rates, double norm) const { return std::min(rates.eta, longest_step(rates, norm)); }
double Round::plain(Rates rates, double norm) { return inside_->step(rates.eta, norm, false); }

std::vector<int64_t> Round::Inside::bounds_of(const std::vector<int>& clients) const {
  if (!setup.bounds.empty() && clients == setup.sampled) return setup.bounds;
  // Clients live on ranks in contiguous blocks, and so do the positions of those that run.
  std::vector<int64_t> bounds;
  for (const int64_t home : block_bounds(setup.clients, setup.group->size()))
    bounds.push_back(std::lower_bound(clients.begin(), clients.end(), home) - clients.begin());
  return bounds;
}

void Round::Inside::note_who_came(const std::vector<int>& clients, const float* came) {
  for (size_t k = 0; k < clients.size(); ++k)
    if (came[k] == 0) report.late.push_back(clients[k]);
  round.participation = static_cast<double>(clients.size() - report.late.size()) / setup.clients;
}

bool Round::Inside::turn(int id, const std::function<void(Client&)>& f, float* tail) {
  const auto [turns, is_first] = drawn.try_emplace(id);
  if (is_first && setup.before) setup.before(id);
  Drawn& so_far = turns->second;
  Client::Turn turn{setup, so_far.draws, so_far.steps, false, {}, 0};
  Client client;
  client.id_ = id;
  client.turn_ = &turn;
  const auto start = Clock::now();
  bool came = true;
  try {
    f(client);
  } catch (const Late&) {
    came = false;
    setup.dropped(id);
    turn.counters = {};
  }
  report.busy_seconds += since(start);
  report.gradient_seconds += turn.gradient_seconds;
  so_far = {turn.draws, turn.steps};
  if (setup.stop && *setup.stop) turn.counters.stop = 1;
  pack(turn.counters, tail);
  return came;
}

void Round::Inside::count_message(int vectors, std::span<const Layer> layers, int64_t buffers) {
  if (setup.clients == 1) return;  // one client has nobody to talk to
  ++report.collectives;
  const int64_t words = vectors > 0 ? vectors * words_of(setup, layers) : 0;
  report.client_bytes += (words + buffers) * static_cast<int64_t>(sizeof(float));
}

std::vector<Vec> Round::Inside::reduce(const Vec& reference, int count, const std::vector<int>& clients,
                                       const Weight& weight, const ClientsFn& f, std::vector<double>* numbers,
                                       const ModelPart* part, const std::vector<int>& which) {
  if (clients.empty()) throw NobodyCame{};
  Objective& objective = *setup.objective;
  const Vec buffers = objective.buffers();
  const Vec buffers_before = buffers.clone();  // every client starts from the buffers of the last mean
  const std::span<const Layer> layers = part ? std::span<const Layer>(part->layers) : round.layers;
  const int64_t d = part ? part->size() : objective.workspace().numel(), b = buffers.numel();
  const auto also = numbers ? static_cast<int64_t>(numbers->size()) : 0;
  std::vector<float> with_numbers(static_cast<size_t>(also > 0 ? b + also : 0));  // a client's buffers and numbers
  SumBuffers own;
  SumBuffers& memory = setup.buffers ? *setup.buffers : own;
  Coding coding = coding_of(setup, count, reference, layers, part ? part->number : 0);
  coding.of.which = which;
  const auto places = setup.deadline ? static_cast<int64_t>(clients.size()) : 0;
  const bool by_weight = weight || setup.deadline;
  const SumShape shape = shape_of(count, d, b + also, places, by_weight ? 0 : static_cast<int64_t>(clients.size()));
  const std::vector<int64_t> bounds = bounds_of(clients);
  const auto wait = [&] {  // two exchanges at once would be mixed up
    if (started.valid()) started.wait();
  };
  if (bounds[setup.group->rank()] == bounds[setup.group->rank() + 1]) wait();

  const auto kept = static_cast<size_t>(count > 0 && reference.defined() && !part ? setup.drift_models : 0);
  std::vector<std::pair<int, Vec>> models;  // this rank's clients', where the drift is measured
  std::vector<Vec> vectors;                 // the last client's
  std::vector<float> tail(static_cast<size_t>(shape.parts.back()));
  const auto sent = [&](int64_t position) {
    if (b > 0) buffers.copy_(buffers_before);
    std::fill(tail.begin(), tail.end(), 0.0f);
    if (also > 0) std::fill(numbers->begin(), numbers->end(), 0.0);
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
    if (!came && also > 0) std::fill(numbers->begin(), numbers->end(), 0.0);
    if (came && models.size() < kept) models.emplace_back(clients[position], vectors.front().clone());
    wait();
    assert(static_cast<int>(vectors.size()) == count);
    for ([[maybe_unused]] const Vec& v : vectors) assert(v.numel() == d && v.is_contiguous());
    s.vectors = &vectors;
    s.buffers = b > 0 ? buffers.data_ptr<float>() : nullptr;
    if (also > 0) {
      if (b > 0) std::copy_n(s.buffers, b, with_numbers.begin());
      std::copy(numbers->begin(), numbers->end(), with_numbers.begin() + b);
      s.buffers = with_numbers.data();
    }
    s.tail = tail.data();
    return s;
  };
  const at::Tensor sum = sum_of(*setup.group, bounds, shape, coding, sent, memory);
  const int64_t weighted = count * d + b + also;
  float* p = sum.data_ptr<float>();
  add(report.counters, p + weighted);
  count_message(count, layers, b + also);
  if (places > 0) note_who_came(clients, p + weighted + counter_floats);
  if (report.late.size() == clients.size()) {
    if (b > 0) buffers.copy_(buffers_before);
    throw NobodyCame{};
  }
  if (by_weight) sum.narrow(0, 0, weighted).div_(p[weighted + counter_floats + places]);
  std::vector<Vec> means;
  for (int k = 0; k < count; ++k) means.push_back(sum.narrow(0, k * d, d));
  if (coding.messages && reference.defined()) means.front().add_(reference);
  for (const auto& [client, model] : models) note_drift(round, setup, {client, model, means.front()}, report.drift);
  if (b > 0) buffers.copy_(sum.narrow(0, count * d, b));
  for (int64_t k = 0; k < also; ++k) (*numbers)[static_cast<size_t>(k)] = static_cast<double>(p[count * d + b + k]);
  return means;
}

Vec Round::Inside::reduce(const Vec& reference, const Weight& weight, std::vector<double>& numbers, const NumbersFn& f) {
  return reduce(
             reference, 1, setup.sampled, weight, [&](Client& i) { return std::vector<Vec>{f(i, numbers)}; }, &numbers)
      .front();
}

Vec Round::mean(const Vec& reference, const ClientFn& f) {
  return inside_->reduce(reference, 1, inside_->setup.sampled, nullptr, [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

Vec Round::mean(const ModelPart& part, const Vec& reference, const ClientFn& f) {
  const ClientsFn one = [&](Client& i) { return std::vector<Vec>{f(i)}; };
  return inside_->reduce(reference, 1, inside_->setup.sampled, nullptr, one, nullptr, &part).front();
}

Vec Round::weighted_mean(const Vec& reference, const ClientFn& f) {
  return inside_
      ->reduce(
          reference, 1, inside_->setup.sampled, [](const Client& i) { return i.weight(); },
          [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

Vec Round::mean(const Vec& reference, std::vector<double>& numbers, const NumbersFn& f) {
  return inside_->reduce(reference, nullptr, numbers, f);
}

Vec Round::weighted_mean(const Vec& reference, std::vector<double>& numbers, const NumbersFn& f) {
  return inside_->reduce(
      reference, [](const Client& i) { return i.weight(); }, numbers, f);
}

std::vector<Vec> Round::means(const Vec& reference, int count, const ClientsFn& f) {
  return inside_->reduce(reference, count, inside_->setup.sampled, nullptr, f);
}

std::vector<Vec> Round::means_of(const Vec& reference, const std::vector<int>& which, const ClientsFn& f) {
  const int count = 1 + static_cast<int>(which.size());
  return inside_->reduce(reference, count, inside_->setup.sampled, nullptr, f, nullptr, nullptr, which);
}

Vec Round::partial_mean(const Vec& reference, const ClientFn& f) {
  std::vector<int> everyone(static_cast<size_t>(N));
  std::iota(everyone.begin(), everyone.end(), 0);
  return inside_
      ->reduce(
          reference, 1, everyone, [&](const Client& i) { return sampled(i.id()) ? 1.0 : 0.0; },
          [&](Client& i) { return std::vector<Vec>{f(i)}; })
      .front();
}

Round::Pending Round::start_mean(const Vec& reference, const ClientFn& f) { return inside_->start(reference, layers, 0, f); }

Round::Pending Round::start_mean(const ModelPart& part, const Vec& reference, const ClientFn& f) {
  return inside_->start(reference, part.layers, part.number, f);
}

Round::Pending Round::Inside::start(const Vec& reference, std::span<const Layer> layers, int part, const ClientFn& f) {
  assert(!started.valid());  // one at a time, and one a round
  int64_t d = 0;
  for (const Layer& layer : layers) d += layer.size;
  const std::vector<int64_t> bounds = bounds_of(setup.sampled);
  const int64_t first = bounds[setup.group->rank()], last = bounds[setup.group->rank() + 1];
  // Senders and their vectors by position, and counters that nothing has been added to. They live as long as the exchange.
  struct Senders {
    std::vector<Client> clients;
    std::vector<std::vector<Vec>> vectors;
    std::array<float, counter_floats + 1> tail{};
    std::unique_ptr<SumBuffers> memory;
  };
  const auto senders = std::make_shared<Senders>();
  for (int64_t p = first; p < last; ++p)
    turn(
        setup.sampled[p],
        [&](Client& client) {
          senders->vectors.push_back({f(client)});
          senders->clients.push_back(client);
        },
        senders->tail.data());
  senders->tail = {};
  senders->tail.back() = 1;
  if (!setup.buffers) senders->memory = std::make_unique<SumBuffers>();
  SumBuffers& memory = setup.buffers ? setup.buffers->aside() : *senders->memory;
  const Coding coding = coding_of(setup, 1, reference, layers, part);
  const SumShape shape = shape_of(1, d, 0, 0, static_cast<int64_t>(setup.sampled.size()));
  count_message(1, layers, 0);
  report.overlaps = true;
  started = std::async(std::launch::async, [bounds, shape, coding, senders, first, d, &group = *setup.group, &memory] {
    const auto sent = [&](int64_t p) {
      return Sent{senders->clients[p - first], &senders->vectors[p - first], nullptr, senders->tail.data()};
    };
    Vec mean = sum_of(group, bounds, shape, coding, sent, memory).narrow(0, 0, d);
    if (coding.messages && coding.of.reference.defined()) mean.add_(coding.of.reference);
    return mean;
  });
  return started;
}

void Round::work(const std::function<void(Client&)>& f) {
  inside_->reduce(Vec(), 0, inside_->setup.sampled, nullptr, [&](Client& i) {
    f(i);
    return std::vector<Vec>();
  });
}

}  // namespace tacet
