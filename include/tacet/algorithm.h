// Start reading here. An algorithm is one file in src/algorithms that reads like its paper's pseudo-code, one round from
// top to bottom; this header is all it sees. Only Round::mean talks, so counting its calls gives a method's cost.
// Not here: networks, files, models, schedules' definitions (src/comm, src/data, src/models, src/train).
#pragma once

#include <atomic>
#include <chrono>
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

class Group;
class MessageCoder;
class SumBuffers;

struct Rates {
  double eta;    // η, step size
  double gamma;  // γ, bound on the length of a step; +∞ for methods that do not clip
};

// Sums over the local steps of a round, gathered from all clients by the same message as the means.
struct Counters {
  double loss = 0, losses = 0;    // Σ mini-batch loss, how many
  double norm = 0, norms = 0;     // Σ ‖g‖ of the vectors that were (or could be) clipped, how many
  double clipped = 0, steps = 0;  // steps with γ/‖g‖ < η, steps in all
  double samples = 0;             // training samples seen
  double skipped = 0;             // gradients that were not finite, where the recipe says to go on without them
  double stop = 0;                // > 0: some rank was asked to stop; all ranks learn it from the same mean
};

// A gradient and its length, which is found by the pass that looks whether it is finite. Where a vector is wanted it stands
// for the vector; the length is that of the moment it was drawn.
struct Gradient {
  Vec g;
  double norm = 0;                           // ‖g‖
  operator const Vec&() const { return g; }  // NOLINT(google-explicit-constructor)
};

// One client's turn inside Round::mean. Valid only during the callback it was handed to.
class Client {
 public:
  int id() const { return id_; }  // 0 … N−1
  double weight() const;          // its share of the training data × N

  // Copies x into the client's working vector and returns it. The vector is shared with the client's model (so gradients
  // at it cost no copy) and with later clients: what must outlive the callback is returned from it or cloned.
  Vec start(const Vec& x);

  // ∇F_i(y; ξ) at the client's next mini-batch ξ: one of its local steps. The result is overwritten by the next call. A loss
  // or gradient that is not finite throws UserError with round, client and step; where the recipe says to skip
  // (run.non_finite), it is counted, the gradient is zero and the factor asked for next is 0, so the step is not taken.
  Gradient gradient(const Vec& y);
  // The same at a mini-batch ξ̃ that is none of the local steps: the schedule does not move and the loss is not shown.
  Gradient resample(const Vec& y);

  // The factor of the step along g, given norm = ‖g‖; each is counted as a step, and gradient() comes before it.
  double clip(Rates rates, double norm);        // min(η, γ/(1e-10 + ‖g‖))
  double plain(Rates rates, double norm);       // η: a step that is not clipped
  double normalized(Rates rates, double norm);  // γ/(1e-10 + ‖g‖): a step of length γ

 private:
  friend class Round;
  Gradient draw(const Vec& y, bool local_step);
  double step(double factor, double norm, bool clipped);

  class Round* round_ = nullptr;
  int id_ = 0;
  int64_t draws_ = 0, steps_ = 0;  // gradients drawn in this round; local steps among them
  bool skip_ = false;              // the last gradient was not finite
  Counters counters_;
};

using ClientFn = std::function<Vec(Client&)>;
using ClientsFn = std::function<std::vector<Vec>(Client&)>;

// A vector per client that lives with its client across rounds: momentum, control variates, … Created lazily, so that of
// thousands of clients only those that took part have one.
class PerClient {
 public:
  // Makes the client's vector of n floats, zeroed. Lets the driver keep them elsewhere than in memory.
  using Allocate = std::function<Vec(int client, int64_t n)>;

  // The client's vector; zeros in the shape of `like` when it has none yet.
  Vec& at(const Client& i, const Vec& like);
  bool has(const Client& i) const { return vectors_.count(i.id()) != 0; }
  std::map<int, Vec>& all() { return vectors_; }
  // Takes a copy of `value`; how a checkpoint puts back what it saved.
  void put(int client, const Vec& value);
  // For flat float vectors made from now on.
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
  virtual void global(const std::string& name, Vec& value) = 0;         // the same on every rank
  virtual void clients(const std::string& name, PerClient& value) = 0;  // each on its client's rank
  virtual void number(const std::string& name, double& value) = 0;      // the same on every rank, exact in a double
  // The same on every rank, and a value: who changes it puts another vector in its place and never writes into the one that
  // is there, so that whoever keeps a reference has a copy. So is x of a method whose models are fresh.
  virtual void value(const std::string& name, Vec& x) { global(name, x); }
  // Vectors that every round writes anew: nothing to save, but thousands of them may be kept in a file.
  virtual void scratch(const std::string& /*name*/, PerClient& /*value*/) {}
};

// Thrown by a mean when the deadline passed before any client had finished its turn; on every rank alike.
struct NobodyCame {};

// What an algorithm may see of round r: the rates in force, the layers, and the one way to talk.
class Round {
 public:
  // Everything a round is made of; filled in by the driver (src/train) or by a test.
  struct Setting {
    Objective* objective = nullptr;
    Group* group = nullptr;
    uint64_t seed = 0;
    int64_t number = 0;                         // r
    int64_t first_iteration = 0;                // local steps a client took before this round
    int interval = 1;                           // I
    int clients = 1;                            // N
    std::vector<int> sampled;                   // S_r, ascending client ids
    int64_t first_draw = 0;                     // begin() draws far from round 0, so that no mini-batch is drawn twice
    bool skip_non_finite = false;               // instead of stopping at a loss or gradient that is not finite
    const std::atomic<bool>* stop = nullptr;    // set by a signal: carried to all ranks by the next mean; may be null
    const std::atomic<bool>* broken = nullptr;  // set when a worker is lost: the next gradient throws PeerLost; may be null
    MessageCoder* messages = nullptr;        // how clients' vectors travel (src/engine/message_coding.h); null: as they are
    SumBuffers* buffers = nullptr;           // memory that is kept from round to round (src/engine/tree_sum.h); may be null
    std::function<void(int client)> before;  // told before a client's first turn on this rank; may be empty
    // From this moment on a client that asks for a gradient is dropped: `dropped` puts back what its turn has changed, and
    // its vectors stay out of the mean, which is over those that came. For methods of one mean a round (Method::droppable).
    std::optional<std::chrono::steady_clock::time_point> deadline;
    std::function<void(int client)> dropped;  // given with a deadline
    std::function<Rates(int t)> rates;        // schedule at local step t of this round, before the objective's rate scale
  };
  explicit Round(Setting setting);

  const int64_t number;  // r
  const int I;           // local steps between two communications
  const int N;           // clients
  double participation;  // |S_r| / N; after a mean with a deadline, of those that came
  const std::span<const Layer> layers;

  // η and γ in force at local step t of this round: schedule, warm-up and, for batches of random length, their scale.
  Rates rates(int t) const;

  // (1/|S_r|) Σ_{i∈S_r} f(i), the same bits on every rank: exactly one collective. The sum runs over a binary tree of
  // the sampled clients' positions, so it does not depend on which rank hosts whom. Buffers of the model travel in the
  // same message and are averaged. The result is a vector that nobody else holds.
  Vec mean(const ClientFn& f) { return mean(Vec(), f); }
  // The same of vectors that are near one that all ranks have, the common model. Where messages are coded
  // (algorithm.message), what is coded is the difference to it, and the mean is reference + (1/|S_r|) Σ what arrived.
  Vec mean(const Vec& reference, const ClientFn& f);
  // Several vectors of each client in one message: out[k] = mean_i f(i)[k]. Every client returns `count` vectors of size d;
  // the first is near `reference`.
  std::vector<Vec> means(const Vec& reference, int count, const ClientsFn& f);
  std::vector<Vec> means(int count, const ClientsFn& f) { return means(Vec(), count, f); }
  // Σ w_i f(i) / Σ w_i with w_i = client i's share of the data.
  Vec weighted_mean(const Vec& reference, const ClientFn& f);
  Vec weighted_mean(const ClientFn& f) { return weighted_mean(Vec(), f); }

  // Every client runs f, but only the sampled ones' vectors are averaged and only they send.
  Vec partial_mean(const Vec& reference, const ClientFn& f);

  // A mean that is on its way while clients work: f is asked at once for vectors that exist already, of which none may
  // change before get() has returned the mean, and the exchange goes on beside this thread. Throws from get() what mean()
  // throws. One collective, without buffers. Until it is there, nothing may talk but work(), whose f has called get() when
  // it returns. Once a round.
  using Pending = std::shared_future<Vec>;
  Pending start_mean(const Vec& reference, const ClientFn& f);
  // Every sampled client runs f. One collective, of buffers and counters alone.
  void work(const std::function<void(Client&)>& f);
  bool sampled(int client) const;

  // As Client::clip and Client::plain, for a step that all ranks take together (on an averaged gradient).
  double clip(Rates rates, double norm);
  double plain(Rates rates, double norm);

  // A figure of this round for metrics.jsonl, the same on every rank: ‖G‖, an indicator, …
  void note(const std::string& name, double value) { notes_[name] = value; }

  // Read by the driver after the round.
  const std::map<std::string, double>& notes() const { return notes_; }
  const Counters& counters() const { return counters_; }
  int collectives() const { return collectives_; }
  const std::vector<int>& late() const { return late_; }  // clients that did not come in time, ascending
  double busy_seconds() const { return busy_seconds_; }   // this rank's own time in its clients' turns
  int64_t client_bytes() const { return client_bytes_; }  // what one client's messages hold, coded, parameters and buffers

 private:
  friend class Client;
  // What a client's vectors are multiplied by before they are added up; they are divided by the sum of these.
  using Weight = std::function<double(const Client&)>;
  std::vector<Vec> reduce(const Vec& reference, int count, const std::vector<int>& clients, const Weight& weight,
                          const ClientsFn& f);
  bool is_late() const;
  void take_stock(const std::vector<int>& clients, const float* came);
  // One client's turn; its counters, as they travel, go to `tail`. False: it was too late.
  bool turn(int id, const std::function<void(Client&)>& f, float* tail);
  std::vector<int64_t> bounds_of(const std::vector<int>& clients) const;
  void count_message(int vectors, int64_t buffers);
  double step(double factor, double norm, bool clipped);

  struct Drawn {
    int64_t draws = 0, steps = 0;
  };
  Setting setting_;
  Counters counters_;
  std::map<int, Drawn> drawn_;  // this round, by client
  std::map<std::string, double> notes_;
  std::vector<int> late_;
  int collectives_ = 0;
  int64_t client_bytes_ = 0;
  double busy_seconds_ = 0;
  Pending started_;  // the last member: its end waits for what reads the others
};

class Algorithm {
 public:
  virtual ~Algorithm() = default;
  // Binds the method's own options to its members: called once, before everything else. eta, gamma and interval are not
  // among them; a round has them.
  virtual void options(OptionList& /*list*/) {}
  // Once, before round 0, with every client sampled. Most methods need nothing.
  virtual void begin(Round& /*everyone*/, const Vec& /*x*/) {}
  // x is the same on every rank before and after.
  virtual void round(Round& r, Vec& x) = 0;
  // ALL that lives across rounds.
  virtual void state(StateVisitor& /*visitor*/) {}
};

// Tells which methods have the option gamma: those that need it, those that clip where the recipe gives it, or none.
enum class Clips { never, when_asked, always };

// One row of the table of methods. It stands in the method's file; add_algorithm (tacet/registry.h) takes it.
struct AlgorithmInfo {
  std::string name;
  std::string paper;                                                    // formula's or algorithm's number, authors, year
  std::string summary;                                                  // one sentence
  std::string use;                                                      // when to take it, one sentence
  std::function<double(int I)> vectors_sent = [](int) { return 1.0; };  // per client and round
  std::function<double(int I)> collectives = [](int) { return 1.0; };   // messages of all clients together in a round
  std::function<std::unique_ptr<Algorithm>()> create;                   // makes one whose options have no values yet
  Clips clips = Clips::never;
  bool single_client = false;  // runs on one client only
  bool every_client = false;   // no client sampling: all take part in every round
  bool keeps_models = false;   // clients that are not sampled train as well, each a model of its own
  bool fresh_models = false;  // a round puts another vector in x's place and writes nothing into the old one: no copy needed
  std::vector<Option> options = {};  // all that a recipe may give; filled in by add_algorithm

  // Makes one with these values of its options.
  std::unique_ptr<Algorithm> make(const Values& values) const {
    auto algorithm = create();
    OptionList list(values);
    algorithm->options(list);
    return algorithm;
  }

  // Returns true if a client that is late can be left out of a round (run.round_deadline): nothing of it is needed before
  // its only message, and nobody goes on without the others' mean.
  bool droppable() const { return !single_client && !every_client && !keeps_models && collectives(2) == 1; }
};

// ---- arithmetic on whole vectors, in one pass each (src/engine/vector.cc) ----

// ‖v‖, accumulated in double over fixed blocks: the same bits for any number of threads.
double l2_norm(const Vec& v);

// What an algorithm adds to the plain step: d = g + λ y, or with momentum m ← μ m + (g + λ y), d = m.
struct StepRule {
  double momentum = 0;      // μ ∈ [0, 1)
  double weight_decay = 0;  // λ ≥ 0
};

// y ← y − a·d in one pass. `m` is read and written only when rule.momentum ≠ 0.
void descend(Vec& y, const Vec& g, double a, const StepRule& rule, Vec* m);

// g ← g − mine + everyones and its length afterwards, in one pass: the corrected gradient of SCAFFOLD and EPISODE.
double correct(Vec& g, const Vec& mine, const Vec& everyones);

// m ← β m + (1 − β) g, in one pass.
void average_in(Vec& m, const Vec& g, double beta);

}  // namespace tacet
