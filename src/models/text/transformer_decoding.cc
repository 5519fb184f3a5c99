// Translations by the Transformer: greedy and beam search over cached keys and values; see transformer.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <torch/types.h>

#include "models/text/attention.h"
#include "models/text/transformer.h"
#include "models/text/transformer_parts.h"

namespace tacet {

using namespace transformer_parts;

namespace {

// The search for one sentence's translation.
struct Search {
  std::vector<std::vector<int32_t>> live;  // unfinished hypotheses, best first
  std::vector<double> scores;              // their log-probabilities
  std::vector<int32_t> best;               // best finished hypothesis
  double best_score = -std::numeric_limits<double>::infinity();
  int64_t finished = 0, limit = 0;  // limit: pieces
};

double penalised(double score, size_t length, double alpha) {
  return score / std::pow((5 + static_cast<double>(length)) / 6, alpha);
}

void finish(Search& s, const std::vector<int32_t>& pieces, double score, double alpha) {
  ++s.finished;
  const double value = penalised(score, pieces.size() + 1, alpha);  // </s> counts
  if (value > s.best_score) {
    s.best_score = value;
    s.best = pieces;
  }
}

}  // namespace

std::vector<Transformer::Cache> Transformer::empty_caches(const Memory& memory) const {
  std::vector<Cache> caches;
  for (const Block& b : decoder_) {
    const auto kv = linear(memory.states, rows(b.cross.qkv, o_.width, 3 * o_.width), o_.precision).chunk(2, 2);
    const at::Tensor none = torch::empty({memory.states.size(0), 0, o_.width});
    caches.push_back({none, none, kv[0].contiguous(), kv[1].contiguous()});
  }
  return caches;
}

// Log-probabilities [rows, V] of the next piece, after `pieces` [rows] at `position`.
at::Tensor Transformer::step(const at::Tensor& pieces, int64_t position, const at::Tensor& mask,
                             std::vector<Cache>& caches) const {
  Dropout none(nullptr);
  at::Tensor x = embedded(pieces.unsqueeze(1), position, none);
  for (size_t l = 0; l < decoder_.size(); ++l) {
    const Block& b = decoder_[l];
    Cache& c = caches[l];
    const auto qkv = linear(x, b.self.qkv, o_.precision).chunk(3, 2);
    c.k = torch::cat({c.k, qkv[1]}, 1);
    c.v = torch::cat({c.v, qkv[2]}, 1);
    x = added(x, linear(attention(qkv[0].contiguous(), c.k, c.v, o_.heads, {}, none, 0), b.self.out, o_.precision), b.norm_1,
              none);
    const at::Tensor q = linear(x, rows(b.cross.qkv, 0, o_.width), o_.precision);
    x = added(x, linear(attention(q, c.source_k, c.source_v, o_.heads, mask, none, 0), b.cross.out, o_.precision), b.norm_2,
              none);
    x = added(x, feed_forward(x, b), b.norm_3, none);
  }
  return torch::log_softmax(linear(x.squeeze(1), {embedding_, {}}, o_.precision), 1);
}

std::vector<std::vector<int32_t>> Transformer::translate(const std::vector<View>& source, const Decoding& how) {
  Dropout none(nullptr);
  Memory memory = encode(source, none);
  std::vector<Cache> caches = empty_caches(memory);
  std::vector<Search> searches(source.size());
  // Row r of the caches is a live hypothesis of sentence of[r]; a sentence's rows lie together, best first.
  std::vector<size_t> of(source.size());
  std::iota(of.begin(), of.end(), 0);
  for (size_t k = 0; k < source.size(); ++k) {
    searches[k].live = {{}};
    searches[k].scores = {0};
    searches[k].limit = static_cast<int64_t>(source[k].size()) + how.extra;
  }
  at::Tensor pieces = torch::full({static_cast<int64_t>(source.size())}, int64_t{o_.begin}, torch::kLong);
  for (int64_t position = 0; !of.empty(); ++position) {
    at::Tensor log_p = step(pieces, position, memory.mask, caches);
    log_p.select(1, o_.pad).fill_(-std::numeric_limits<float>::infinity());
    log_p.select(1, o_.begin).fill_(-std::numeric_limits<float>::infinity());
    // At most `beam` live hypotheses can end, so among the best 2·beam of each row there are enough to go on with.
    const auto [values, indices] = log_p.topk(std::min(2 * how.beam, o_.vocabulary), 1);
    const int64_t choices = values.size(1);
    const float* value = values.data_ptr<float>();
    const int64_t* index = indices.data_ptr<int64_t>();

    std::vector<int64_t> kept_rows, next_pieces;
    std::vector<size_t> kept_of;
    for (size_t row = 0; row < of.size();) {
      const size_t sentence = of[row], first = row;
      Search& s = searches[sentence];
      struct Candidate {
        double score;
        size_t place;
        int64_t piece;
      };
      std::vector<Candidate> candidates;
      for (size_t place = 0; place < s.live.size(); ++place, ++row)
        for (int64_t c = 0; c < choices; ++c) {
          const auto at = static_cast<int64_t>(row) * choices + c;
          candidates.push_back({s.scores[place] + static_cast<double>(value[at]), place, index[at]});
        }
      std::stable_sort(candidates.begin(), candidates.end(),
                       [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
      candidates.resize(std::min(candidates.size(), static_cast<size_t>(2 * how.beam)));
      std::vector<std::vector<int32_t>> live;
      std::vector<double> scores;
      std::vector<size_t> places;
      for (const Candidate& c : candidates) {
        if (static_cast<int64_t>(live.size()) == how.beam || std::isinf(c.score)) break;
        if (c.piece == o_.end) {
          finish(s, s.live[c.place], c.score, how.length_penalty);
          continue;
        }
        live.push_back(s.live[c.place]);
        live.back().push_back(static_cast<int32_t>(c.piece));
        scores.push_back(c.score);
        places.push_back(c.place);
      }
      s.live = std::move(live);
      s.scores = std::move(scores);
      if (position + 1 >= s.limit && s.finished < how.beam)  // hypotheses that never end are taken as they are
        for (size_t k = 0; k < s.live.size(); ++k) finish(s, s.live[k], s.scores[k], how.length_penalty);
      if (s.finished >= how.beam || position + 1 >= s.limit || s.live.empty()) continue;
      for (size_t k = 0; k < s.live.size(); ++k) {
        kept_rows.push_back(static_cast<int64_t>(first + places[k]));
        kept_of.push_back(sentence);
        next_pieces.push_back(s.live[k].back());
      }
    }
    of = std::move(kept_of);
    if (of.empty()) break;
    const at::Tensor chosen = torch::tensor(kept_rows, torch::kLong);
    pieces = torch::tensor(next_pieces, torch::kLong);
    memory.mask = memory.mask.index_select(0, chosen);
    for (Cache& c : caches)
      for (at::Tensor* t : {&c.k, &c.v, &c.source_k, &c.source_v}) *t = t->index_select(0, chosen);
  }
  std::vector<std::vector<int32_t>> translations;
  for (Search& s : searches) translations.push_back(std::move(s.best));
  return translations;
}

}  // namespace tacet
