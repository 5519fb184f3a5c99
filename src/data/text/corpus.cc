// Reading word-level corpora from folders: finding the files, checking their bytes, turning words into indices. See
// corpus.h.
#include "data/text/corpus.h"

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/utf8.h"
#include "data/files/locate.h"
#include "data/record/data_record.h"
#include "tacet/error.h"

namespace tacet {
namespace fs = std::filesystem;
namespace {

constexpr const char* how_chosen =
    "the folder is data.root when the recipe gives it, else $TACET_DATA/<data set>, $TACET_DATA or ~/.cache/tacet/<data "
    "set>";

// A naming style: what stands before and after the split's name.
struct Style {
  const char *before, *after;
  std::string file(const std::string& split) const { return before + split + after; }
};

constexpr Style ptb{"ptb.", ".txt"}, plain{"", ".txt"}, wiki_tokens{"wiki.", ".tokens"}, wiki_text{"wiki.", ".txt"};

std::vector<Style> styles_of(const std::string& dataset) {
  if (dataset == "ptb") return {ptb, plain};
  if (dataset == "wikitext-2" || dataset == "wikitext-103") return {wiki_tokens, wiki_text, plain};
  return {ptb, plain, wiki_tokens, wiki_text};
}

// Returns the names of the training file in each style.
std::vector<std::string> train_files(const std::vector<Style>& styles) {
  std::vector<std::string> names;
  for (const Style& s : styles) names.push_back(s.file("train"));
  return names;
}

std::string with_commas(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Something of that name is there, whatever it is: a folder in a file's place is reported when it is read.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

const Style* style_in(const fs::path& folder, const std::vector<Style>& styles) {
  for (const Style& s : styles)
    if (is_there(folder / s.file("train"))) return &s;
  return nullptr;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void read_split(const std::string& path, Dictionary& dictionary, std::vector<int32_t>& out) {
  const std::string text = read_file(path);
  if (text.empty()) throw UserError(path + ": must hold text, is empty");
  check_text(text, path);
  const std::string_view content = without_mark(text);
  if (std::all_of(content.begin(), content.end(), is_space))
    throw UserError(path + ": must hold words, has only blank lines (" + std::to_string(text.size()) + " bytes)");
  dictionary.add_lines(content, out);
}

}  // namespace

int32_t Dictionary::add(std::string_view word) {
  const auto found = index_.find(word);
  if (found != index_.end()) return found->second;
  const auto next = static_cast<int32_t>(index_.size());
  index_.emplace(word, next);
  return next;
}

void Dictionary::add_lines(std::string_view text, std::vector<int32_t>& out) {
  // Kept across lines: <eos> gets its index where the first line ends, as every other word where it first stands.
  int32_t eos = -1;
  size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && text[i] != '\n' && text[i] != '\r') {
      if (is_space(text[i])) {
        ++i;
        continue;
      }
      const size_t first = i;
      while (i < text.size() && !is_space(text[i])) ++i;
      out.push_back(add(text.substr(first, i - first)));
    }
    i += text.substr(i, 2) == "\r\n" ? 2 : 1;
    if (eos < 0) eos = add("<eos>");
    out.push_back(eos);
  }
}

std::vector<std::string> Dictionary::take() {
  std::vector<std::string> words(index_.size());
  for (const auto& [word, i] : index_) words[static_cast<size_t>(i)] = word;
  index_.clear();
  return words;
}

Corpus read_ptb_layout(const std::string& folder, const std::string& dataset) {
  const std::vector<Style> styles = styles_of(dataset);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw UserError(folder + ": must be a folder with the files of data set \"" + dataset + "\", " +
                    (is_there(folder) ? "is a file" : "does not exist") + "; " + how_chosen);
  // A published corpus is known by its names, so that another text may lie beside it. One's own may have any of the names.
  if (dataset == "text") only_existing(folder, train_files(styles));
  const Style* style = style_in(folder, styles);
  if (!style)
    throw DataMissing(folder + ": has no training text, looked for " + with_commas(train_files(styles)) + "; " + how_chosen);

  Corpus corpus;
  Dictionary dictionary;
  const auto read = [&](const std::string& split, std::vector<int32_t>& out) {
    const fs::path path = fs::path(folder) / style->file(split);
    if (!is_there(path))
      throw DataMissing(path.string() + ": does not exist, though " + style->file("train") +
                        " is there; all three splits (" + style->file("train") + ", " + style->file("valid") + ", " +
                        style->file("test") + ") are needed; " + how_chosen);
    read_split(path.string(), dictionary, out);
    corpus.files.push_back(path.string());
  };
  read("train", corpus.train);
  read("valid", corpus.valid);
  read("test", corpus.test);
  corpus.vocabulary = dictionary.take();
  return corpus;
}

namespace {

// A split's tokens on their way to other indices.
struct Renumbered {
  std::vector<int32_t> tokens;
  int64_t unknown = 0;
  int32_t first_unknown = -1;  // by its old index
};

Renumbered renumbered(const std::vector<int32_t>& tokens, const std::vector<int32_t>& index, int32_t instead) {
  Renumbered out;
  out.tokens.reserve(tokens.size());
  for (const int32_t t : tokens) {
    const int32_t known = index[static_cast<size_t>(t)];
    if (known < 0 && out.unknown++ == 0) out.first_unknown = t;
    out.tokens.push_back(known < 0 ? instead : known);
  }
  return out;
}

}  // namespace

std::vector<std::string> renumber(Corpus& corpus, const DataRecord& record, bool evaluation) {
  const WordIndex words(record.vocabulary);
  const int32_t unk = words.find("<unk>");
  std::vector<int32_t> index;
  for (const std::string& word : corpus.vocabulary) index.push_back(words.find(word));
  std::vector<std::string> notes;
  for (const auto& [split, tokens] :
       {std::pair{"training", &corpus.train}, {"validation", &corpus.valid}, {"test", &corpus.test}}) {
    Renumbered now = renumbered(*tokens, index, std::max(unk, 0));
    const bool unused = evaluation && tokens == &corpus.train;
    if (now.unknown > 0 && !unused) {
      const std::string found = std::to_string(now.unknown) + " of " + std::to_string(tokens->size()) + " words of the " +
                                split + " text are not in the vocabulary of " + record.place + " (the first one is " +
                                in_quotes(corpus.vocabulary[static_cast<size_t>(now.first_unknown)]) + ")";
      if (unk < 0 && !evaluation) throw UserError(found + ", which has no <unk>");
      notes.push_back(found + (unk < 0 ? ", which has no <unk>: this text can't be evaluated" : " and count as <unk>"));
      if (unk < 0) now.tokens.clear();
    }
    *tokens = std::move(now.tokens);
  }
  corpus.vocabulary = record.vocabulary;
  return notes;
}

DataRecord data_record(const Corpus& corpus, const std::string& dataset) {
  DataRecord record{.data_set = dataset, .vocabulary = corpus.vocabulary};
  if (!corpus.files.empty())
    record.files = marks_of(fs::path(corpus.files.front()).parent_path().string(), corpus.files);
  else
    record.files = {mark_of_numbers("training tokens", corpus.train), mark_of_numbers("validation tokens", corpus.valid),
                    mark_of_numbers("test tokens", corpus.test)};
  for (const Owner& owner : corpus.owners) record.users.push_back(owner.name);
  return record;
}

std::string find_root(const Values& data, const std::string& dataset) {
  return find_folder(data, dataset, dataset, train_files(styles_of(dataset)));
}

}  // namespace tacet
