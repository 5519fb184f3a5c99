// See vocabulary.h.
#include "data/text/vocabulary.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "data/files/locate.h"
#include "data/text/word_vectors.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// Returns the texts with index[word] for each word, cut to `longest` words where that is not 0. A text left without words is
// one <unk>, which `drop` leaves out elsewhere.
Texts replaced(const Texts& texts, const std::vector<int32_t>& index, bool drop, int64_t longest) {
  Texts out;
  out.ends.reserve(texts.ends.size());
  for (int64_t k = 0; k < texts.size(); ++k) {
    int64_t length = 0;
    for (const int32_t w : texts[k]) {
      const int32_t word = index[static_cast<size_t>(w)];
      if ((word == 0 && drop) || (longest > 0 && length >= longest)) continue;
      out.words.push_back(word);
      ++length;
    }
    if (length == 0) out.words.push_back(0);
    out.close();
  }
  return out;
}

using Wanted = std::unordered_map<std::string, int64_t>;

WordVectors vectors_of(const Wanted& words, const std::string& path) {
  if (!std::filesystem::exists(path)) throw DataMissing("data.vectors: " + path + " does not exist");
  return read_word_vectors(path, words);
}

// Puts the vectors of texts.words in their order; word 0, <unk>, has zeros.
void lay_out(LabelledText& texts, const WordVectors& vectors) {
  texts.vectors = at::zeros({static_cast<int64_t>(texts.words.size()), vectors.width});
  for (size_t k = 1; k < texts.words.size(); ++k)
    std::memcpy(texts.vectors.data_ptr<float>() + static_cast<int64_t>(k) * vectors.width,
                vectors.found.at(texts.words[k]).data(), static_cast<size_t>(vectors.width) * sizeof(float));
}

// Takes the record's words, which all must have a vector where there are some. Returns each word's number.
std::vector<int32_t> saved_numbers(LabelledText& texts, const std::vector<std::string>& all, const std::string& path,
                                   const DataRecord& record) {
  texts.words = record.vocabulary;
  const WordIndex known(texts.words);
  std::vector<int32_t> index;
  for (const std::string& word : all) index.push_back(std::max(known.find(word), 0));
  if (path.empty()) return index;
  Wanted wanted;
  for (size_t k = 1; k < texts.words.size(); ++k) wanted.emplace(texts.words[k], static_cast<int64_t>(k));
  const WordVectors vectors = vectors_of(wanted, path);
  for (size_t k = 1; k < texts.words.size(); ++k)
    if (!vectors.found.count(texts.words[k]))
      throw UserError("data.vectors: " + path + " must have a vector for every word of " + record.place + ", has none for " +
                      in_quotes(texts.words[k]));
  lay_out(texts, vectors);
  return index;
}

// Returns the counts in the training texts of all words.
std::vector<int64_t> counts_of(const LabelledText& texts, size_t words) {
  std::vector<int64_t> counts(words);
  for (const Texts* part : {&texts.train.first, &texts.train.second})
    for (const int32_t w : part->words) ++counts[static_cast<size_t>(w)];
  return counts;
}

// Returns the words that stand in a text, with their indices. Those of texts that were cut away do not.
Wanted words_in_use(const LabelledText& texts, const std::vector<std::string>& all) {
  Wanted used;
  for (const TextSplit* split : {&texts.train, &texts.valid, &texts.test})
    for (const Texts* part : {&split->first, &split->second})
      for (const int32_t w : part->words) used.emplace(all[static_cast<size_t>(w)], w);
  return used;
}

// Chooses the vocabulary. Returns each word's number, 0 for words outside.
std::vector<int32_t> chosen_numbers(LabelledText& texts, const std::vector<std::string>& all, const LabelledOptions& o,
                                    const std::string& path) {
  const std::vector<int64_t> counts = counts_of(texts, all.size());
  std::vector<int32_t> order(all.size());
  for (size_t k = 0; k < order.size(); ++k) order[k] = static_cast<int32_t>(k);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const auto ca = counts[static_cast<size_t>(a)], cb = counts[static_cast<size_t>(b)];
    return ca != cb ? ca > cb : all[static_cast<size_t>(a)] < all[static_cast<size_t>(b)];
  });
  WordVectors vectors;
  if (!path.empty()) {
    vectors = vectors_of(words_in_use(texts, all), path);
    if (vectors.found.empty()) throw UserError("data.vectors: " + path + " has none of the data set's words");
  }
  texts.words = {"<unk>"};
  std::vector<int32_t> index(all.size(), 0);
  for (const int32_t w : order) {
    const auto k = static_cast<size_t>(w);
    if (o.max_words > 0 && static_cast<int64_t>(texts.words.size()) > o.max_words) break;
    if (all[k] == texts.words.front()) continue;  // the texts' own <unk> is a word outside, too
    if (!path.empty() ? !vectors.found.count(all[k]) : counts[k] < o.min_count) continue;
    index[k] = static_cast<int32_t>(texts.words.size());
    texts.words.push_back(all[k]);
  }
  if (texts.words.size() == 1)
    throw UserError("data.min_count must leave words, got " + std::to_string(o.min_count) +
                    ": none stands so often in the training texts");
  if (!path.empty()) lay_out(texts, vectors);
  return index;
}

// Returns a line for people about the words of a split that a saved vocabulary lacks; empty where it has them all.
std::string unknown_words(const Texts& first, const Texts& second, const std::vector<int32_t>& index,
                          const std::string& name, const std::string& place) {
  int64_t unknown = 0, all = 0;
  for (const Texts* part : {&first, &second})
    for (const int32_t w : part->words) {
      ++all;
      unknown += index[static_cast<size_t>(w)] == 0;
    }
  if (unknown == 0) return "";
  return std::to_string(unknown) + " of " + std::to_string(all) + " words of the " + name +
         " texts are not in the vocabulary of " + place;
}

}  // namespace

void number_words(LabelledText& texts, const std::vector<std::string>& all, const LabelledOptions& o,
                  const std::string& vectors, const DataRecord* record) {
  const bool saved = record && !record->vocabulary.empty();
  const std::vector<int32_t> index =
      saved ? saved_numbers(texts, all, vectors, *record) : chosen_numbers(texts, all, o, vectors);
  if (saved)
    for (const auto& [name, split] : {std::pair{"validation", &texts.valid}, {"test", &texts.test}})
      if (const std::string line = unknown_words(split->first, split->second, index, name, record->place); !line.empty())
        texts.notes.push_back(line);
  for (TextSplit* split : {&texts.train, &texts.valid, &texts.test})
    for (Texts* part : {&split->first, &split->second}) *part = replaced(*part, index, o.unknown == "drop", o.max_length);
  texts.vectors_file = vectors;
}

}  // namespace tacet
