// A tiny objective with known gradients for tests of rounds and algorithms: f_i(x) = ½ a_i ‖x − b_i‖² with Gaussian gradient
// noise from the client's own stream, and one buffer that counts gradients, so that averaging of buffers can be seen.
#pragma once

#include <vector>

#include <ATen/ATen.h>

#include "engine/message_coding.h"
#include "engine/round_setup.h"
#include "tacet/algorithm.h"
#include "tacet/group.h"
#include "tacet/registry.h"

namespace tacet::test {

struct Quadratic : Objective {
  std::vector<double> a;  // curvature of each client
  std::vector<double> b;  // minimum of each client, the same in every coordinate
  double noise = 0;
  int64_t samples_per_batch = 1;
  double scale = 1;  // rate_scale of odd iterations

  Quadratic(int64_t d, std::vector<double> curvature, std::vector<double> minimum, double sigma = 0)
      : a(std::move(curvature)),
        b(std::move(minimum)),
        noise(sigma),
        y_(at::zeros({d})),
        g_(at::zeros({d})),
        buffer_(at::zeros({1})) {
    const int64_t rest = d - d / 2, rows = rest % 2 == 0 ? 2 : rest;  // the second one is a matrix
    layers_ = {{"first", 0, d / 2, {d / 2}}, {"rest", d / 2, rest, {rows, rest / rows}, Role::matrix}};
  }
  const std::vector<Layer>& layers() const override { return layers_; }
  Vec initial() override { return at::zeros_like(y_); }
  Vec workspace() override { return y_; }
  Vec buffers() override { return buffer_; }
  Vec gradient_buffer() override { return g_; }
  int64_t training_samples() const override { return 100; }
  double client_weight(int client) const override { return weights.empty() ? 1 : weights.at(static_cast<size_t>(client)); }
  double rate_scale(uint64_t, int64_t iteration) const override { return iteration % 2 == 1 ? scale : 1; }
  std::vector<double> weights;

  BatchLoss gradient(const BatchKey& draw, const Vec& y) override {
    const auto i = static_cast<size_t>(draw.client);
    Stream stream = draw.stream(Purpose::gradient_noise);
    double loss = 0;
    const float* py = y.data_ptr<float>();
    float* pg = g_.data_ptr<float>();
    for (int64_t k = 0; k < y.numel(); ++k) {
      const double off = static_cast<double>(py[k]) - b[i];
      pg[k] = static_cast<float>(a[i] * off + (noise > 0 ? noise * stream.normal() : 0));
      loss += 0.5 * a[i] * off * off;
    }
    buffer_.add_(1);
    return {loss, samples_per_batch};
  }

 private:
  Vec y_, g_, buffer_;
  std::vector<Layer> layers_;
};

// A method, its options, and the objective to run it on.
struct Trial {
  const AlgorithmInfo* method;
  Values options;
  int clients = 1, interval = 1;
  uint64_t seed = 1;
  std::vector<std::vector<int>> sampled;  // by round; empty: everyone
  bool skip_non_finite = false;
  std::function<Rates(int64_t round, int t)> rates;  // empty: those of the options, always
  std::function<int(int client)> steps;              // empty: interval of each client
  double mean_sampled = 0;                           // clients of a round on average; 0: those sampled
};

// Required options get plain values; `more` overrides.
inline Trial trial(const AlgorithmInfo& method, int clients, int interval, const std::map<std::string, Value>& more = {}) {
  Trial t{&method, {}, clients, interval, 1, {}, false, nullptr, nullptr};
  for (const Option& o : t.method->options) {
    if (o.fallback) t.options.set(o.name, *o.fallback);
    if (o.name == "eta") t.options.set("eta", 0.1);
    if (o.name == "gamma") t.options.set("gamma", 0.2);
  }
  for (const auto& [key, value] : more) t.options.set(key, value);
  return t;
}

inline Trial trial(const std::string& name, int clients, int interval, const std::map<std::string, Value>& more = {}) {
  return trial(find_algorithm(name), clients, interval, more);
}

struct Trace {
  std::vector<Vec> x;  // after every round
  std::vector<Counters> counters;
  std::vector<std::map<std::string, double>> notes;
  int collectives = 0;
  int64_t client_bytes = 0;
  double buffer = 0;
};

// Runs rounds [first, last) on this rank's endpoint; x is changed. Without `messages` vectors travel as they are.
inline Trace run_on(Group& group, const Trial& t, Objective& objective, Algorithm& algorithm, Vec& x, int64_t first,
                    int64_t last, MessageCoder* messages = nullptr) {
  Trace trace;
  const double gamma = t.options.has("gamma") ? t.options.number("gamma") : std::numeric_limits<double>::infinity();
  const auto setup = [&](int64_t r) {
    RoundSetup s;
    s.objective = &objective;
    s.group = &group;
    s.messages = messages;
    s.seed = t.seed;
    s.number = r;
    s.first_iteration = r * t.interval;
    s.interval = s.mean_interval = t.interval;
    if (t.method->draws_steps)
      s.interval = algorithm.draw_steps({t.seed, Stream::everyone, Purpose::round_length, r, 0}, t.interval);
    s.clients = t.clients;
    s.skip_non_finite = t.skip_non_finite;
    s.steps = t.steps;
    if (const auto privacy = algorithm.privacy()) s.system_noise = privacy->system_noise;
    for (int i = 0; i < t.clients; ++i) s.sampled.push_back(i);
    const Rates rates{t.options.number("eta"), gamma};
    s.rates = [&t, rates, r](int step) { return t.rates ? t.rates(r, step) : rates; };
    return s;
  };
  if (first == 0) {
    RoundSetup s = setup(0);
    s.first_draw = int64_t{1} << 31;
    Round everyone(std::move(s));
    algorithm.begin(everyone, x);
  }
  for (int64_t r = first; r < last; ++r) {
    RoundSetup s = setup(r);
    s.mean_sampled = t.mean_sampled;
    if (!t.sampled.empty()) s.sampled = t.sampled[static_cast<size_t>(r) % t.sampled.size()];
    Round round(std::move(s));
    algorithm.round(round, x);
    trace.x.push_back(x.clone());
    trace.counters.push_back(round.report().counters);
    trace.collectives += round.report().collectives;
    trace.client_bytes += round.report().client_bytes;
    trace.notes.push_back(round.report().notes);
  }
  trace.buffer = objective.buffers().numel() > 0 ? objective.buffers()[0].item<double>() : 0;
  return trace;
}

// Keeps everything a visitor shows, by name, so that a test can stop and continue.
struct Snapshot : StateVisitor {
  bool restoring = false;
  std::map<std::string, Vec> globals;
  std::map<std::string, std::map<int, Vec>> per_client;
  std::map<std::string, double> numbers;
  void global(const std::string& name, Vec& value) override {
    if (restoring)
      value = globals.at(name).defined() ? globals.at(name).clone() : Vec();
    else
      globals[name] = value.defined() ? value.clone() : Vec();
  }
  void clients(const std::string& name, PerClient& value) override {
    auto& saved = per_client[name];
    if (restoring) {
      value.all().clear();
      for (auto& [id, v] : saved) value.all()[id] = v.clone();
    } else {
      saved.clear();
      for (auto& [id, v] : value.all()) saved[id] = v.clone();
    }
  }
  void number(const std::string& name, double& value) override {
    if (restoring)
      value = numbers.at(name);
    else
      numbers[name] = value;
  }
};

}  // namespace tacet::test
