// Start reading here. An algorithm is one file in src/algorithms that reads like its paper's pseudo-code, one round from
// top to bottom; this header is all it sees. Only Round::mean talks, so counting its calls gives a method's cost. Networks,
// files, models and schedules are not here (src/comm, src/data, src/models, src/engine), nor are the parts of a round
// (src/engine/round_setup.h).
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tacet/objective.h"
#include "tacet/options.h"

namespace tacet {

struct RoundReport;
struct RoundSetup;

struct Rates {
  double eta;    // η, step size
  double gamma;  // γ, bound on the length of a step; +∞ for methods that do not clip
};

// A gradient and its length at the moment it was drawn. It converts to its vector. The length comes from the pass that
// checks that the gradient is finite.
struct Gradient {
  Vec g;
  double norm = 0;                           // ‖g‖
  operator const Vec&() const { return g; }  // NOLINT(google-explicit-constructor)
};

// One client's turn inside Round::mean. Valid only during the callback it was handed to.
class Client {
 public:
  int id() const { return id_; }  // 0 … N−1
  double weight() const;          // client's share of the training data × N
  int steps() const;              // its local steps in this round: I, or those of its own epochs (algorithm.local_epochs)

  // Copies x into the client's working vector and returns it. The vector is shared with the client's model (so gradients
  // at it cost no copy) and with later clients. A callback returns or clones what must outlive it.
  Vec start(const Vec& x);

  // Returns ∇F_i(y; ξ) at the client's next mini-batch ξ: one of its local steps. The next call overwrites the result. A
  // loss or gradient that is not finite throws UserError with round, client and step. Where the recipe says to skip
  // (run.non_finite), it is counted, the gradient is zero and the factor asked for next is 0.
  Gradient gradient(const Vec& y);
  // Returns the gradient at a mini-batch ξ̃ that belongs to no local step. The schedule does not move and the loss is not
  // shown. Its samples count as extra samples, not as part of an epoch.
  Gradient resample(const Vec& y);
  // Returns true if the last gradient was not finite and the recipe skips it. A local step is then not taken, and leaves the
  // client's state as it is: momentum, moments, corrections. A mean of gradients has it as zero.
  bool skips() const;

  // Return the factor of the step along g, given norm = ‖g‖. Each is counted as a step, and gradient() comes before it.
  // min(η, γ/(1e-10 + ‖g‖)), and no less than `least`·η
  double clip(Rates rates, double norm, double least = 0);
  double plain(Rates rates, double norm);       // η: a step that is not clipped
  double normalized(Rates rates, double norm);  // γ/(1e-10 + ‖g‖): a step of length γ

 private:
  friend class Round;
  struct Turn;
  Gradient draw(const Vec& y, bool local_step);
  double step(double factor, double norm, bool clipped);

  int id_ = 0;
  Turn* turn_ = nullptr;  // gone when the callback has returned
};

using ClientFn = std::function<Vec(Client&)>;
using ClientsFn = std::function<std::vector<Vec>(Client&)>;
// Fills in `numbers` as well, which are zeros before.
using NumbersFn = std::function<Vec(Client&, std::vector<double>& numbers)>;

// A part of the model that is averaged by itself: some of its layers, one behind the other in a vector of their own.
struct ModelPart {
  int number = 0;  // among the parts that a method sends in turn
  std::vector<Layer> layers = {};

  int64_t size() const;
  Vec of(const Vec& x) const;                       // Returns a copy of the part of x.
  void put(const Vec& values, const Vec& x) const;  // Writes the values over the part of x.
};

// Deals the model's blocks to `count` parts in turn. A block is the neighbouring layers whose names agree up to the first
// number ("h.3.attn.weight"), or without one up to the last dot ("conv1.bias"). Throws UserError for more parts than blocks,
// as a mistake of the key `option`.
std::vector<ModelPart> parts_in_turn(std::span<const Layer> layers, int count, const std::string& option);

// A vector per client that lives with its client across rounds: momentum, control variates, … Created lazily, so that of
// thousands of clients only those that took part have one.
class PerClient {
 public:
  // Makes the client's vector of n floats, with any contents. Lets the driver keep them elsewhere than in memory.
  using Allocate = std::function<Vec(int client, int64_t n)>;

  // Returns the client's vector. Makes zeros in the shape of `like` when it has none yet.
  Vec& at(const Client& i, const Vec& like);
  bool has(const Client& i) const { return vectors_.count(i.id()) != 0; }
  std::map<int, Vec>& all() { return vectors_; }
  // Takes a copy of `value`. A checkpoint puts back what it saved this way.
  void put(int client, const Vec& value);
  // Sets what makes the flat float vectors from now on.
  void allocate_with(Allocate allocate) { allocate_ = std::move(allocate); }

 private:
  Vec make(int client, const Vec& like) const;

  std::map<int, Vec> vectors_;  // nodes are stable: a reference stays valid while others are added
  Allocate allocate_;
  std::mutex mutex_;
};

// Walks over all state that lives across rounds: checkpoint, resume and migration are visitors.
class StateVisitor {
 public:
  virtual ~StateVisitor() = default;
  // Visits a vector that is equal on all ranks.
  virtual void global(const std::string& name, Vec& value) = 0;
  // Visits the clients' vectors, each on its client's rank.
  virtual void clients(const std::string& name, PerClient& value) = 0;
  // Visits a number that is equal on all ranks, exact in a double.
  virtual void number(const std::string& name, double& value) = 0;
  // Visits a whole number that is equal on all ranks, exact up to 2^53: it is shown as a number.
  virtual void count(const std::string& name, int64_t& value) {
    auto shown = static_cast<double>(value);
    number(name, shown);
    value = static_cast<int64_t>(shown);
  }
  // Visits a copy-on-write vector, equal on all ranks. Replace it, never modify it in place; a kept reference then stays
  // valid. The x of a method with fresh_models is one.
  virtual void value(const std::string& name, Vec& x) { global(name, x); }
  // Visits vectors that every round writes anew: nothing to save, but thousands of them may be kept in a file.
  virtual void scratch(const std::string& /*name*/, PerClient& /*value*/) {}
};

// All that an algorithm may see of round r: the rates in force, the layers, and the one way to talk.
class Round {
 public:
  explicit Round(RoundSetup setup);
  ~Round();
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  const int64_t number;  // r
  const int I;           // local steps between two communications; where clients differ (Client::steps), the most
  const int mean_I;      // algorithm.interval: I, or where the method draws it, I on average
  const int N;           // clients
  const double mean_S;   // clients that take part in a round, on average: |S_r| but for clients.sampling = "poisson"
  double participation;  // |S_r| / N, 0 where nobody was drawn; after a mean with a deadline, the share of those that came
  const std::span<const Layer> layers;

  // Returns η and γ in force at local step t of this round: schedule, warm-up and, for batches of random length, their
  // scale.
  Rates rates(int t) const;

  // Returns (1/|S_r|) Σ_{i∈S_r} f(i), with equal bits on all ranks: exactly one collective. The sum runs over a binary tree
  // of the sampled clients' positions, so it does not depend on which rank hosts whom. Buffers of the model travel in the
  // same message and are averaged. Nobody else holds the result.
  Vec mean(const ClientFn& f) { return mean(Vec(), f); }
  // Returns the mean of vectors that are close to `reference`, a vector that is equal on all ranks, such as the common
  // model. Where messages are coded (algorithm.message), the difference to it is coded, and the mean is reference +
  // (1/|S_r|) Σ of the decoded differences.
  Vec mean(const Vec& reference, const ClientFn& f);
  // Averages a part of the model. The reference and the clients' vectors have its size.
  Vec mean(const ModelPart& part, const Vec& reference, const ClientFn& f);
  // Averages several vectors of each client in one message: out[k] = mean_i f(i)[k]. Every client returns `count` vectors of
  // size d; the first is close to `reference`.
  std::vector<Vec> means(const Vec& reference, int count, const ClientsFn& f);
  std::vector<Vec> means(int count, const ClientsFn& f) { return means(Vec(), count, f); }
  // Averages the vector that is close to `reference` and, of the two more that a method may have, 1 and 2, those that
  // `which` names, in its order. What a coded message leaves out of a vector goes into the next message of the same one.
  std::vector<Vec> means_of(const Vec& reference, const std::vector<int>& which, const ClientsFn& f);
  // Returns Σ w_i f(i) / Σ w_i with w_i = client i's share of the data.
  Vec weighted_mean(const Vec& reference, const ClientFn& f);
  Vec weighted_mean(const ClientFn& f) { return weighted_mean(Vec(), f); }
  // Average a vector and as many numbers of each client as `numbers` holds, in one message. f fills in the client's, and
  // their means are left in `numbers`. They are sent as floats.
  Vec mean(const Vec& reference, std::vector<double>& numbers, const NumbersFn& f);
  Vec weighted_mean(const Vec& reference, std::vector<double>& numbers, const NumbersFn& f);

  // Runs f for every client, but averages the sampled ones' vectors only, and only they send.
  Vec partial_mean(const Vec& reference, const ClientFn& f);

  // A mean that is on its way while clients work.
  using Pending = std::shared_future<Vec>;
  // Starts such a mean. Asks f at once for vectors that exist already and do not change before get() has returned, and goes
  // on with the exchange beside this thread. Takes one collective, without buffers. get() throws what mean() throws.
  // REQUIRES: it is called once a round, and until get() has returned nothing talks but work(), whose f may call get().
  Pending start_mean(const Vec& reference, const ClientFn& f);
  Pending start_mean(const ModelPart& part, const Vec& reference, const ClientFn& f);
  // Runs f for every sampled client. Takes one collective, of buffers and counters alone.
  void work(const std::function<void(Client&)>& f);
  bool sampled(int client) const;

  // Return the factor of a step that all ranks take together, along an averaged gradient, as Client::clip and Client::plain
  // do for one client.
  double clip(Rates rates, double norm);
  double plain(Rates rates, double norm);

  // Returns min(η, γ/(1e-10 + norm)) as clip() does, for a step along a vector other than the gradient. Counts nothing.
  double clip_uncounted(Rates rates, double norm) const;

  // Returns n numbers of N(0, 1) for noise of the server, with equal bits on all ranks. They are functions of seed and
  // round, or, where PrivateRounds says so, rank 0's draws from the system's random numbers, which takes an exchange.
  // REQUIRES: it is called at most once a round.
  Vec normals(int64_t n);

  // Adds a figure of this round to metrics.jsonl, equal on all ranks: ‖G‖, an indicator, …
  void note(const std::string& name, double value);

  // Returns what the driver reads after the round.
  const RoundReport& report() const;

 private:
  friend class Client;
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

// The terms of a method whose rounds show nothing of the clients but sums with Gaussian noise, for the accountant.
struct PrivateRounds {
  double noise = 0;             // z: deviation of the noise in units of the most that one client adds to the sums; 0: none
  bool system_noise = false;    // noise and sampled clients come from the system's random numbers, not from the seed
  std::optional<double> delta;  // δ of the claim; none: N^−1.1
};

class Algorithm {
 public:
  virtual ~Algorithm() = default;
  // Binds the method's own options to its members. It is called once, before everything else. eta, gamma and interval are
  // not among them; a round has them.
  virtual void options(OptionList& /*list*/) {}
  // Runs once, before round 0, with every client sampled. Most methods need nothing.
  virtual void begin(Round& /*everyone*/, const Vec& /*x*/) {}
  // Returns I of a round, where the method draws it (AlgorithmInfo::draws_steps). `coins` are the round's, equal on all
  // ranks.
  virtual int draw_steps(Stream /*coins*/, int mean_I) const { return mean_I; }
  // Returns the terms of a method that hides each client's part in noise, and nothing for others.
  virtual std::optional<PrivateRounds> privacy() const { return {}; }
  // Runs one round; x is equal on all ranks before and after.
  virtual void round(Round& r, Vec& x) = 0;
  // Shows ALL that lives across rounds.
  virtual void state(StateVisitor& /*visitor*/) {}
};

// Tells which methods have the option gamma: those that need it, those that clip where the recipe gives it, or none.
enum class Clips { never, when_asked, always };

// One row of the table of methods. It stands in the method's file; add_algorithm (tacet/registry.h) takes it.
struct AlgorithmInfo {
  std::string name;
  std::string paper;                                                    // number of the formula or algorithm, authors, year
  std::string summary;                                                  // one sentence
  std::string use;                                                      // when to take it, one sentence
  std::function<double(int I)> vectors_sent = [](int) { return 1.0; };  // d-vectors, per client and round
  // d-vectors by the row's options and I, in place of vectors_sent; empty: the options change nothing.
  std::function<double(const Values& options, int I)> vectors_by_options = {};
  std::function<double(int I)> collectives = [](int) { return 1.0; };  // collectives in a round
  // Gradients of a client's round that belong to no local step, by the row's options and I.
  std::function<double(const Values& options, int I)> resamples = [](const Values&, int) { return 0.0; };
  std::function<std::unique_ptr<Algorithm>()> create;  // maker of one whose options have no values yet
  Clips clips = Clips::never;
  bool single_client = false;        // runs on one client only
  bool every_client = false;         // all clients take part in every round: no client sampling
  bool keeps_models = false;         // unsampled clients train as well, each a model of its own
  bool own_models = false;           // between rounds clients are at models of their own, not at x
  bool fresh_models = false;         // a round replaces x and never writes into the old vector
  bool short_steps = false;          // without momentum and weight decay, no local step is longer than γ
  bool own_steps = false;            // its local loop goes to Client::steps, so the method has the option local_epochs
  bool draws_steps = false;          // rounds have random lengths: draw_steps() says I
  std::string parts = {};            // option that says how many parts of the model take turns; empty: x is sent whole
  std::string message = "f32";       // default of the option message
  int numbers_sent = 0;              // numbers that a client sends in a round, beside its vectors
  std::vector<Option> options = {};  // keys that a recipe may give; filled in by add_algorithm

  // Makes one with these values of its options.
  std::unique_ptr<Algorithm> make(const Values& values) const {
    auto algorithm = create();
    OptionList list(values);
    algorithm->options(list);
    return algorithm;
  }

  // Returns the d-vectors that a client sends in a round with these values of its options.
  double vectors_of(const Values& values, int I) const {
    return vectors_by_options ? vectors_by_options(values, I) : vectors_sent(I);
  }

  // Returns the parts of the model that take turns, of which a round sends one.
  int parts_of(const Values& values) const {
    return parts.empty() || !values.has(parts) ? 1 : static_cast<int>(values.integer(parts));
  }

  // Returns true if a round can go on without a late client (run.round_deadline). Its rounds then have one mean, before
  // which nothing of a client is needed.
  bool droppable() const { return !single_client && !every_client && !keeps_models && collectives(2) == 1; }
};

}  // namespace tacet
