// The losses F_i that the clients minimise, with their stochastic gradients. A training task (model + data) implements it in
// src/tasks, functions with known gradients in src/problems. The engine and the algorithms see nothing else of either.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tacet/random.h"
#include "tacet/vector.h"

namespace tacet {

// A parameter tensor's part in its model: a tensor of two or more dimensions is a matrix, unless it is an embedding or the
// head that makes the outputs.
enum class Role { vector, matrix, embedding, head };

// A slice of the parameter vector: one parameter tensor of the model.
struct Layer {
  std::string name;
  int64_t offset = 0, size = 0;  // x[offset, offset + size)
  std::vector<int64_t> shape;
  Role role = Role::vector;
};

// The key of a client's mini-batch. Everything random about it comes from stream().
struct BatchKey {
  uint64_t seed = 0;
  int client = 0;
  int64_t round = 0;
  int64_t step = 0;       // gradients that the client drew in this round before
  int64_t iteration = 0;  // local steps before this one since the run began, equal for all clients of a round
  Stream stream(Purpose purpose) const { return Stream(seed, client, purpose, round, step); }
};

// A client's pass over its data, where these are separate samples.
struct ClientPass {
  int64_t samples = 0;  // n_i; 0 where a pass has no fixed length (functions, streams of text)
  int64_t batch = 1;    // b

  // Returns the local steps of so many local epochs: ⌈E n_i / b⌉.
  int64_t steps(int64_t epochs) const { return (epochs * samples + batch - 1) / batch; }
};

struct BatchLoss {
  double loss = 0;      // mean loss of the mini-batch
  int64_t samples = 0;  // data in it, in the unit of Objective::training_samples (tokens, images, …)
  double correct = 0;   // samples of them that the model classified as labelled, and the number that it classified
  double judged = 0;    // (0: the task has no accuracy, or the mini-batch did not measure it)
};

// Loss and accuracy sums of an evaluation, so that shards add up exactly.
struct Score {
  double loss = 0;     // summed over count
  double correct = 0;  // summed over count; only where the task has accuracy
  double count = 0;
  std::vector<double> more = {};  // further sums of the task (BLEU's counts); as many in every unit of a split
};

class StateVisitor;

class Objective {
 public:
  virtual ~Objective() = default;

  virtual const std::vector<Layer>& layers() const = 0;  // the parameters', in order, without gaps
  virtual Vec initial() = 0;                             // a copy of x_0 [d], drawn from the seed, equal on every rank
  // Returns the vector [d] that clients work in. gradient() needs no copy when it is asked at this very vector.
  virtual Vec workspace() = 0;
  // Returns a live view of the buffers [b] that follow the model but are not parameters (BatchNorm statistics); b may be 0.
  virtual Vec buffers() = 0;
  virtual std::vector<Layer> buffer_layers() const { return {}; }  // names, offsets in buffers() and shapes

  // Draws the client's next mini-batch ξ and writes ∇F_i(y; ξ) into gradient_buffer().
  virtual BatchLoss gradient(const BatchKey& draw, const Vec& y) = 0;
  virtual Vec gradient_buffer() = 0;
  // Returns what is wrong with the last mini-batch's inputs, such as an image with nan; empty where nothing is. It is asked
  // when a loss or gradient was not finite.
  virtual std::string batch_fault() const { return ""; }

  // Returns the factor of η and γ at this local step. It depends on seed and iteration alone, so that all clients agree.
  virtual double rate_scale(uint64_t /*seed*/, int64_t /*iteration*/) const { return 1; }

  // Returns lines for people about the data, such as files that were left out. They are told when a run begins.
  virtual std::vector<std::string> notes() const { return {}; }

  // Returns what gives the model's numbers their meaning, and marks of the files that were read, as the text of data.json
  // (docs/reference/run-files.md); empty where there is neither. The run and its checkpoints keep it, workers compare it,
  // and a resumed run must have an equal one.
  virtual std::string data_record() const { return ""; }

  virtual int64_t training_samples() const = 0;                     // samples of one epoch, over all clients jointly
  virtual double client_weight(int /*client*/) const { return 1; }  // client's share of the data × N

  // Returns the pass of a client that takes part in the round, equal on every rank.
  virtual ClientPass client_pass(int /*client*/, int64_t /*round*/) { return {}; }

  // An evaluation is cut into fixed units, 0 … units(split) − 1. Any rank may take any unit, and the sum stays the same.
  virtual std::vector<std::string> splits() const { return {}; }  // e.g. "valid", "test"; the first one selects
  virtual int units(const std::string& /*split*/) const { return 0; }
  virtual Score evaluate(const std::string& /*split*/, int /*unit*/, const Vec& /*x*/) { return {}; }
  // Returns further figures of an evaluation at x, cheap enough for one rank, such as ‖∇f(x)‖ of a function. They are
  // written as eval_<name>.
  virtual std::vector<std::pair<std::string, double>> figures(const Vec& /*x*/) { return {}; }
  virtual bool has_accuracy() const { return false; }
  // Returns true if units() and evaluate() also know the split "train": the training samples, seen as in an evaluation.
  virtual bool evaluates_training() const { return false; }

  // The whole training set is cut into fixed units, 0 … gradient_units() − 1, for the gradient of f itself; 0 where the task
  // can't give one. As in an evaluation nothing is dropped or augmented, and batch normalisation uses the running
  // statistics.
  virtual int gradient_units() const { return 0; }
  // Writes the gradient of the unit's summed loss at x into gradient_buffer(), and returns the sums. Moves nothing on.
  virtual Score unit_gradient(int /*unit*/, const Vec& /*x*/) { return {}; }

  virtual bool has_perplexity() const { return false; }
  // Takes the sums over all units, on every rank after an evaluation. figures() may be made from them.
  virtual void evaluated(const std::string& /*split*/, const Score& /*total*/) {}

  // Shows everything that lives across rounds besides x: each client's data position, carried hidden state, …
  virtual void state(StateVisitor& /*visitor*/) {}
};

}  // namespace tacet
