// Client streams for language models with truncated backpropagation through time: which tokens each client sees, in which
// order, and the chunks an evaluation runs over. Follows the batches of the AWD-LSTM training loop. Hidden states, models
// and losses are not here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/text/corpus.h"
#include "tacet/objective.h"
#include "tacet/options.h"

namespace tacet {

struct TextBatch {
  at::Tensor input;    // [T, B] int64: input[t][b] is stream b's token at position offset + t
  at::Tensor target;   // [T·B] int64, t major: the tokens that follow the inputs
  bool fresh = false;  // hidden states must start from zero: the first batch of a pass
  int64_t length = 0;  // T
};

struct TextOptions {
  int64_t batch_size = 20;           // B, parallel streams of a client, ≥ 1
  int64_t bptt = 70;                 // positions a batch goes back in time, ≥ 2
  bool random_lengths = true;        // draw each batch's length around bptt
  int64_t eval_batch = 10;           // E, parallel streams of an evaluation, ≥ 1
  std::string partition = "rotate";  // "rotate": equal shards, another one each pass; "fixed": always the same shard
  std::vector<double> percent = {};  // with "fixed": the clients' shares of the text, in %; empty: equal
  bool whole_streams = false;        // equal shards are B streams of ⌊n/(BW)⌋ tokens, without a remainder
  int64_t max_tokens = 0;            // use only the first so many training tokens; 0: all
  int64_t max_eval_tokens = 0;       // evaluate only the first so many tokens of "valid" and of "test"; 0: all

  // Binds the keys of [data] that all word-level corpora share; the defaults are the members' values.
  void options(OptionList& o);
};

// Returns what the checked keys of [data] say. Throws UserError for an empty list of percentages.
TextOptions text_options(const Values& data);
// Returns the most positions that a batch of training or evaluation can have.
int64_t longest_batch(const TextOptions& options);

// The batches of all clients of a run. The training tokens are cut into one consecutive shard for each client ("rotate" and
// equal "fixed" shards drop the remainder of tokens / clients; with whole_streams the shards of n tokens on W clients are
// B⌊n/(BW)⌋ long, so that client w's begins at B⌊n/(BW)⌋·w). A shard of n tokens makes B streams of n / B consecutive
// tokens, the remainder dropped. Different clients may be used from different threads at once; one client may not.
class TextBatches {
 public:
  // Throws UserError naming the keys when the text is too short for the shards and streams (each needs 3 tokens, in
  // evaluation 2), or when the percentages are not one for each client, all > 0, of sum 100 ± 0.5.
  TextBatches(std::shared_ptr<const Corpus> corpus, TextOptions options, int clients);

  // The next batch of draw.client at draw.iteration; moves its position on. A pass ends where fewer than two positions are
  // left. The batch is as long as drawn, or as what the pass has left.
  TextBatch next(const BatchKey& draw);

  // The drawn length at this iteration (before it is cut at the end of a pass) / bptt; 1 when lengths are fixed. Step sizes
  // are multiplied by it.
  double rate_scale(uint64_t seed, int64_t iteration) const;

  // Returns the local steps from `iteration` on to the end of its pass, for clients that have drawn one batch at every local
  // step since the run began; 0 where the clients' streams are not equally long, so that their passes end apart.
  int64_t steps_to_pass_end(uint64_t seed, int64_t iteration);

  double client_weight(int client) const;  // its shard's tokens / the mean of all shards
  // Targets in one pass of every client; with random lengths, where a pass may leave one position of each stream unused,
  // the most it can be.
  int64_t training_tokens() const { return training_tokens_; }

  // All that lives across batches. An offset counts positions from the start of the client's streams.
  struct Position {
    int64_t pass = 0, offset = 0;
  };
  Position& position(int client) { return positions_.at(static_cast<size_t>(client)); }

  // An evaluation comes in fixed units, so that any worker can take any of them: 2, or 1 when eval_batch is 1.
  int eval_units() const { return options_.eval_batch >= 2 ? 2 : 1; }
  // The unit's streams, those from unit·E/U up to (unit + 1)·E/U, as consecutive chunks of at most bptt positions, every
  // position once; the first chunk is fresh. split: "valid" or "test", the first max_eval_tokens of it ("train": all of it).
  std::vector<TextBatch> eval_batches(const std::string& split, int unit) const;
  // Returns how many tokens of the training text, and of a split, are used: all, or max_tokens and max_eval_tokens.
  int64_t used_tokens() const;
  int64_t evaluated_tokens(const std::string& split) const;
  // Returns the tokens that no client's streams have: shards and streams are equally long.
  int64_t untrained_tokens() const;
  // Returns the tokens at a split's end that no evaluation sees: its streams are equally long.
  int64_t unevaluated_tokens(const std::string& split) const { return evaluated_tokens(split) % options_.eval_batch; }

  // The training text (its first max_tokens) comes in consecutive pieces of about equal size too, 1 or more. Each is cut as
  // an evaluation cuts a whole text, so that its streams start fresh.
  int pieces() const;
  std::vector<TextBatch> batches_of_piece(int piece) const;

  const Corpus& corpus() const { return *corpus_; }
  int64_t shard_tokens(int client) const { return shards_.at(static_cast<size_t>(client)).size; }

 private:
  struct Shard {
    int64_t first = 0, size = 0;  // train[first, first + size)
  };
  std::vector<Shard> cut(int64_t tokens, int clients) const;
  int64_t drawn_length(uint64_t seed, int64_t iteration) const;
  // Returns the length of a batch at this offset of streams of `length` tokens.
  int64_t batch_length(uint64_t seed, int64_t iteration, int64_t length, int64_t offset) const;

  std::shared_ptr<const Corpus> corpus_;
  TextOptions options_;
  std::vector<Shard> shards_;
  std::vector<Position> positions_;
  int64_t training_tokens_ = 0;
  // The pass that steps_to_pass_end() found last: its first iteration and the one behind it. Passes are found one after the
  // other, as drawn lengths decide where they end.
  struct Pass {
    uint64_t seed = 0;
    int64_t first = 0, end = 0;
  };
  Pass pass_;
};

}  // namespace tacet
