// Cuts a corpus into client shards, streams and batches. The rules' promises are in corpus_batches.h.
#include "data/text/corpus_batches.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <stdexcept>

#include "tacet/error.h"

namespace tacet {
namespace {

constexpr int64_t spread = 20;         // a drawn length is at most so much longer than bptt
constexpr int64_t piece_batches = 16;  // batches, about, in a piece of the training text

// Streams of `length` consecutive tokens, stream b from base + b·length.
struct Streams {
  const int32_t* base;
  int64_t length;
};

// Positions [offset, offset + T) of the streams first … first + B − 1, and what follows each.
TextBatch gather(const Streams& streams, int64_t first, int64_t B, int64_t offset, int64_t T) {
  TextBatch batch;
  batch.input = at::empty({T, B}, at::kLong);
  batch.target = at::empty({T * B}, at::kLong);
  batch.fresh = offset == 0;
  batch.length = T;
  int64_t* input = batch.input.data_ptr<int64_t>();
  int64_t* target = batch.target.data_ptr<int64_t>();
  for (int64_t b = 0; b < B; ++b) {
    const int32_t* token = streams.base + (first + b) * streams.length + offset;
    for (int64_t t = 0; t < T; ++t) {
      input[t * B + b] = token[t];
      target[t * B + b] = token[t + 1];
    }
  }
  return batch;
}

// Targets in a pass over streams of `length` tokens, one stream: a single last position is not worth a batch.
int64_t served(int64_t length, const TextOptions& options) {
  const int64_t positions = length - 1;
  return positions - (!options.random_lengths && positions % options.bptt == 1 ? 1 : 0);
}

// Cuts the streams first … first + B − 1 whole, into batches of at most bptt positions.
std::vector<TextBatch> cut_whole(const Streams& streams, int64_t first, int64_t B, int64_t bptt) {
  std::vector<TextBatch> batches;
  for (int64_t offset = 0; offset < streams.length - 1; offset += bptt)
    batches.push_back(gather(streams, first, B, offset, std::min(bptt, streams.length - 1 - offset)));
  return batches;
}

// Returns true if a pass over streams of `length` tokens ends here: fewer than two positions are left.
bool ends_pass(int64_t length, int64_t offset) { return offset >= length - 2; }

const std::vector<int32_t>& tokens_of(const Corpus& corpus, const std::string& split) {
  if (split == "train") return corpus.train;
  if (split == "valid") return corpus.valid;
  if (split == "test") return corpus.test;
  throw std::logic_error("no split " + split);
}

}  // namespace

void TextOptions::options(OptionList& o) {
  o.integer("batch_size", batch_size, batch_size, within(1, 1e6), "parallel streams of text of each client");
  o.integer("bptt", bptt, bptt, within(2, 1e6),
            "positions that gradients go back in time (the mean, when lengths are random)");
  o.flag("random_lengths", random_lengths, random_lengths,
         "draw each batch's length around bptt (95 %) or bptt / 2 and scale the step with it, as AWD-LSTM does");
  o.integer("eval_batch", eval_batch, eval_batch, within(1, 1e6), "parallel streams of text in an evaluation");
  o.text("partition.kind", partition, partition, {"rotate", "fixed"},
         "rotate: equal consecutive shards, clients move on to the next shard after each pass; fixed: each keeps its own");
  std::optional<Numbers> shares;
  o.maybe_numbers("partition.percent", shares, {.min = 0, .min_open = true},
                  "with fixed: each client's share of the text in %, of sum 100; equal shares when left out")
      .only_with = {{"partition.kind", {std::string("fixed")}}};
  if (shares) percent = *shares;
  o.flag("partition.whole_streams", whole_streams, whole_streams,
         "with equal shards: cut the text first into the streams of all clients, so that client w begins at "
         "batch_size · ⌊tokens/(batch_size · clients)⌋ · w, as AWD-LSTM's batches dealt to workers do; false: at "
         "⌊tokens/clients⌋ · w")
      .not_with = {{"partition.percent"}};
  o.integer("max_tokens", max_tokens, max_tokens, at_least(0), "use only the first so many training tokens; 0: all");
  o.integer("max_eval_tokens", max_eval_tokens, max_eval_tokens, at_least(0),
            "evaluate only the first so many tokens of the validation and the test text; 0: all");
}

TextOptions text_options(const Values& data) {
  if (data.has("partition.percent") && data.numbers("partition.percent").empty())
    throw UserError("data.partition.percent must have one number for each client, got an empty list");
  return read_options<TextOptions>(data);
}

std::vector<Option> corpus_options(std::vector<Option> own) {
  for (Option& option : options_of<TextOptions>()) own.push_back(std::move(option));
  return own;
}

int64_t longest_batch(const TextOptions& options) { return options.bptt + (options.random_lengths ? spread : 0); }

TextBatches::TextBatches(std::shared_ptr<const Corpus> corpus, TextOptions options, int clients)
    : corpus_(std::move(corpus)), options_(std::move(options)), positions_(static_cast<size_t>(clients)) {
  assert(clients >= 1 && options_.batch_size >= 1 && options_.bptt >= 2 && options_.eval_batch >= 1);
  shards_ = cut(used_tokens(), clients);

  const int64_t B = options_.batch_size;
  for (const Shard& shard : shards_) {
    if (shard.size / B < 3)
      throw UserError(
          fmt::format("data.batch_size × clients.count must leave 3 tokens for each stream, but with "
                      "data.batch_size {} and clients.count {} the smallest shard has {} tokens; the corpus has only "
                      "{} training tokens{}",
                      B, clients, shard.size, corpus_->train.size(),
                      options_.max_tokens > 0 ? fmt::format(", data.max_tokens is {}", options_.max_tokens) : ""));
    training_tokens_ += B * served(shard.size / B, options_);
  }
  for (const char* split : {"valid", "test"})
    if (const int64_t have = evaluated_tokens(split); have > 0 && have / options_.eval_batch < 2)
      throw UserError(fmt::format(
          "data.eval_batch must leave 2 tokens for each stream, got {}; the corpus has only {} tokens in its {} split{}",
          options_.eval_batch, tokens_of(*corpus_, split).size(), split,
          options_.max_eval_tokens > 0 ? fmt::format(", data.max_eval_tokens is {}", options_.max_eval_tokens) : ""));
}

std::vector<TextBatches::Shard> TextBatches::cut(int64_t tokens, int clients) const {
  const auto& percent = options_.percent;
  std::vector<Shard> shards;
  if (percent.empty()) {
    const int64_t B = options_.batch_size;
    const int64_t size = options_.whole_streams ? B * (tokens / (B * clients)) : tokens / clients;
    for (int i = 0; i < clients; ++i) shards.push_back({i * size, size});
    return shards;
  }
  if (static_cast<int>(percent.size()) != clients)
    throw UserError(fmt::format("data.partition.percent must have one number for each client (clients.count is {}), got {}",
                                clients, percent.size()));
  double sum = 0;
  for (const double p : percent) {
    if (!(p > 0)) throw UserError(fmt::format("data.partition.percent must be numbers > 0, got {}", p));
    sum += p;
  }
  if (!(std::abs(sum - 100) <= 0.5))
    throw UserError(fmt::format("data.partition.percent must have the sum 100 ± 0.5, got {}", sum));
  double upto = 0;
  int64_t first = 0;
  for (const double p : percent) {
    upto += p;  // added as the sum was, so the last shard ends exactly at the last token
    const auto end = static_cast<int64_t>(static_cast<double>(tokens) * (upto / sum));
    shards.push_back({first, end - first});
    first = end;
  }
  return shards;
}

int64_t TextBatches::untrained_tokens() const {
  int64_t left = used_tokens();
  for (const Shard& shard : shards_) left -= shard.size - shard.size % options_.batch_size;
  return left;
}

int64_t TextBatches::drawn_length(uint64_t seed, int64_t iteration) const {
  if (!options_.random_lengths) return options_.bptt;
  // A stream's step has 32 bits; the rest of the iteration goes into its round.
  Stream s(seed, Stream::everyone, Purpose::sequence_length, iteration >> 32, iteration & 0xffffffff);
  const double bptt = static_cast<double>(options_.bptt);
  const double base = s.uniform() < 0.95 ? bptt : bptt / 2;
  const double length = std::trunc(base + 5 * s.normal());
  return std::min<int64_t>(std::max<int64_t>(5, static_cast<int64_t>(length)), longest_batch(options_));
}

TextBatch TextBatches::next(const BatchKey& draw) {
  Position& p = position(draw.client);
  const auto count = static_cast<int64_t>(shards_.size());
  const Shard& shard =
      shards_[static_cast<size_t>(options_.partition == "rotate" ? (draw.client + p.pass) % count : draw.client)];
  const int64_t B = options_.batch_size, length = shard.size / B;
  assert(p.offset >= 0 && p.offset < length - 2);
  const int64_t T = batch_length(draw.seed, draw.iteration, length, p.offset);
  TextBatch batch = gather({corpus_->train.data() + shard.first, length}, 0, B, p.offset, T);
  p.offset += T;
  if (ends_pass(length, p.offset)) p = {p.pass + 1, 0};
  return batch;
}

int64_t TextBatches::batch_length(uint64_t seed, int64_t iteration, int64_t length, int64_t offset) const {
  return std::min(drawn_length(seed, iteration), length - 1 - offset);
}

int64_t TextBatches::steps_to_pass_end(uint64_t seed, int64_t iteration) {
  const int64_t length = shards_.front().size / options_.batch_size;
  const auto other = [&](const Shard& shard) { return shard.size / options_.batch_size != length; };
  if (std::any_of(shards_.begin(), shards_.end(), other)) return 0;
  if (seed != pass_.seed || iteration < pass_.first) pass_ = {seed, 0, 0};
  while (pass_.end <= iteration) {
    pass_.first = pass_.end;
    for (int64_t offset = 0; !ends_pass(length, offset); ++pass_.end)
      offset += batch_length(seed, pass_.end, length, offset);
  }
  return pass_.end - iteration;
}

double TextBatches::rate_scale(uint64_t seed, int64_t iteration) const {
  return static_cast<double>(drawn_length(seed, iteration)) / static_cast<double>(options_.bptt);
}

double TextBatches::client_weight(int client) const {
  double all = 0;
  for (const Shard& shard : shards_) all += static_cast<double>(shard.size);
  return static_cast<double>(shards_.at(static_cast<size_t>(client)).size) * static_cast<double>(shards_.size()) / all;
}

std::vector<TextBatch> TextBatches::eval_batches(const std::string& split, int unit) const {
  assert(unit >= 0 && unit < eval_units());
  const std::vector<int32_t>& tokens = tokens_of(*corpus_, split);
  const int64_t E = options_.eval_batch, U = eval_units();
  const Streams streams{tokens.data(), evaluated_tokens(split) / E};
  const int64_t first = unit * E / U, end = (unit + 1) * E / U;
  return cut_whole(streams, first, end - first, options_.bptt);
}

int64_t TextBatches::used_tokens() const {
  const auto all = static_cast<int64_t>(corpus_->train.size());
  return options_.max_tokens > 0 ? std::min(all, options_.max_tokens) : all;
}

int64_t TextBatches::evaluated_tokens(const std::string& split) const {
  const auto all = static_cast<int64_t>(tokens_of(*corpus_, split).size());
  return split != "train" && options_.max_eval_tokens > 0 ? std::min(all, options_.max_eval_tokens) : all;
}

int TextBatches::pieces() const {
  return static_cast<int>(std::max<int64_t>(1, used_tokens() / (options_.eval_batch * options_.bptt * piece_batches)));
}

std::vector<TextBatch> TextBatches::batches_of_piece(int piece) const {
  assert(piece >= 0 && piece < pieces());
  const int64_t n = used_tokens(), first = piece * n / pieces(), size = (piece + 1) * n / pieces() - first;
  const int64_t E = std::min(options_.eval_batch, size / 2);  // a stream needs a token and one behind it
  return cut_whole({corpus_->train.data() + first, size / E}, 0, E, options_.bptt);
}

}  // namespace tacet
