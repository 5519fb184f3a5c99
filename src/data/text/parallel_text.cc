// See parallel_text.h.
#include "data/text/parallel_text.h"

#include <algorithm>
#include <array>

#include "base/places.h"
#include "base/utf8.h"
#include "data/files/lines.h"
#include "data/files/locate.h"
#include "tacet/error.h"
#include "tacet/registry.h"

namespace tacet {
namespace {

// The text before a split's name, and between it and the language; the last two are the folders of Multi30k's repository.
struct FileStyle {
  const char *before, *between;
};
constexpr std::array<FileStyle, 4> styles = {
    {{"", "."}, {"", ".lc.norm.tok."}, {"task1/raw/", "."}, {"task1/tok/", ".lc.norm.tok."}}};

// A line of both languages.
struct Pair {
  std::string source, target;
};

std::vector<std::string> lines_of(const std::string& path, LineEnds ends) {
  std::vector<std::string> lines;
  for_each_line(
      path, [&](std::string_view line, int64_t) { lines.emplace_back(line); }, Charset::utf8, ends);
  return lines;
}

class ParallelReader {
 public:
  ParallelReader(const Values& data, const ParallelOptions& options)
      : o_(options), own_(data.text("name") == "parallel-text") {
    std::vector<std::string> wanted;
    for (const FileStyle& style : styles)
      for (const char* end : {"", ".gz"}) wanted.push_back(style.before + o_.train + style.between + o_.source + end);
    folder_ = find_folder(data, data.text("name"), data.text("name"), wanted);
    for (size_t k = 0; k < wanted.size(); ++k)
      if (!style_ && !first_existing(folder_, {wanted[k]}).empty()) style_ = &styles[k / 2];
  }

  const std::string& folder() const { return folder_; }
  const std::vector<std::string>& files() const { return files_; }  // that were read

  // Returns the pairs without those that have a blank side, which are counted.
  std::vector<Pair> pairs(const std::string& split, int64_t& blank) {
    const std::string source = file(split, "source", o_.source), target = file(split, "target", o_.target);
    files_.insert(files_.end(), {source, target});
    // Texts from the web have a \r here and there within a line, which ends a line only where \n does not give pairs.
    std::vector<std::string> a = lines_of(source, LineEnds::newline), b = lines_of(target, LineEnds::newline);
    if (a.size() != b.size() || a.size() == 1) {
      std::vector<std::string> c = lines_of(source, LineEnds::any), d = lines_of(target, LineEnds::any);
      if (c.size() == d.size() || a.size() != b.size()) a.swap(c), b.swap(d);
    }
    if (a.size() != b.size())
      throw UserError(target + ": must have as many lines as " + source + " (" + std::to_string(a.size()) + "), got " +
                      std::to_string(b.size()));
    std::vector<Pair> pairs;
    for (size_t k = 0; k < a.size(); ++k)
      if (trimmed(a[k]).empty() || trimmed(b[k]).empty())
        ++blank;
      else
        pairs.push_back({std::move(a[k]), std::move(b[k])});
    if (pairs.empty()) throw UserError(source + ": must hold sentences that have a translation, has none (" + split + ")");
    return pairs;
  }

 private:
  std::string file(const std::string& split, const std::string& side, const std::string& language) const {
    const std::string& stem = split == "train" ? o_.train : split == "valid" ? o_.valid : o_.test;
    const std::string name = style_->before + stem + style_->between + language;
    const std::vector<std::string> names = {name, name + ".gz"};
    const std::string path = own_ ? only_existing(folder_, names) : first_existing(folder_, names);
    if (path.empty())
      throw DataMissing(folder_ + "/" + name + ": does not exist (data." + split + " is \"" + stem + "\", data." + side +
                        " is \"" + language + "\")");
    return path;
  }

  const ParallelOptions& o_;
  const bool own_;  // the files are the user's, not a published set's
  std::string folder_;
  std::vector<std::string> files_;
  const FileStyle* style_ = nullptr;
};

Subwords subwords_of(const ParallelOptions& o, const std::vector<Pair>& train, const std::optional<DataRecord>& record) {
  if (record && !record->subwords.empty()) return Subwords::from_bytes(record->subwords, record->place);
  if (o.subwords) return Subwords::from_file(expand_home(*o.subwords));
  const auto n = static_cast<int64_t>(train.size()), used = std::min(n, o.pieces_from);
  std::vector<std::string> texts;
  for (int64_t k = 0; k < used; ++k) texts.push_back(train[static_cast<size_t>(k * n / used)].source);
  for (int64_t k = 0; k < used; ++k) texts.push_back(train[static_cast<size_t>(k * n / used)].target);
  return Subwords::learned(o.pieces, texts);
}

// Returns data.max_samples of the pairs, in their order. The first ones of a file need not be a fair sample of it.
std::vector<Pair> drawn(std::vector<Pair>& pairs, const ParallelOptions& o) {
  std::vector<Pair> kept;
  for (const int64_t k : drawn_samples(static_cast<int64_t>(pairs.size()), o.max_samples, o.partition.seed))
    kept.push_back(std::move(pairs[static_cast<size_t>(k)]));
  return kept;
}

struct Encoded {
  std::vector<std::vector<int32_t>> source, target;
};

Encoded encoded(const Subwords& subwords, const std::vector<Pair>& pairs) {
  std::vector<std::string> source, target;
  for (const Pair& p : pairs) {
    source.push_back(p.source);
    target.push_back(p.target);
  }
  return {subwords.encode(source), subwords.encode(target)};
}

DatasetInfo parallel_row(std::string name, std::string origin, std::string summary, const ParallelOptions& defaults) {
  DatasetInfo info{.name = std::move(name),
                   .paper = std::move(origin),
                   .summary = std::move(summary),
                   .task = "translation",
                   .options = options_of(defaults)};
  info.options.insert(info.options.begin(), root_option());
  for (const std::string& stem : {defaults.train, defaults.valid, defaults.test})
    for (const std::string& language : {defaults.source, defaults.target}) info.files.push_back(stem + "." + language);
  return info;
}

}  // namespace

void ParallelOptions::options(OptionList& o) {
  o.integer("batch_size", batch_size, batch_size, within(1, 1e6), "examples in a mini-batch of each client");
  o.integer("eval_batch", eval_batch, eval_batch, within(1, 1e6), "examples in a batch of an evaluation");
  o.integer("max_samples", max_samples, max_samples, at_least(0),
            "use only so many training pairs, drawn at random; 0: all");
  partition.options(o, false, false);
  o.text("source", source, source, {}, "language to translate from: the end of its files' names");
  o.text("target", target, target, {}, "language to translate into");
  o.text("train", train, train, {}, "training files' names without the end");
  o.text("valid", valid, valid, {}, "validation files' names without the end");
  o.text("test", test, test, {}, "test files' names without the end");
  o.integer("max_length", max_length, max_length, at_least(1),
            "training pairs with more pieces on a side are left out; longer sources of an evaluation are cut");
  o.integer("pieces", pieces, pieces, at_least(10),
            "size of the joint subword vocabulary, when it is learned; small texts give fewer")
      .not_with = {{"subwords"}};
  o.integer("pieces_from", pieces_from, pieces_from, at_least(1),
            "learn the vocabulary from at most so many training pairs, evenly spaced")
      .not_with = {{"subwords"}};
  Option& file = o.maybe_text("subwords", subwords, {}, "SentencePiece model to use instead of learning one");
  file.path = Path::yes;
  file.free_on_resume = file.per_machine = true;  // its contents are compared instead
}

ParallelText load_parallel_text(const Values& data, const std::optional<DataRecord>& record) {
  const auto o = read_options<ParallelOptions>(data);
  ParallelReader reader(data, o);
  int64_t blank = 0;
  std::vector<Pair> train = reader.pairs("train", blank);
  if (o.max_samples > 0 && static_cast<int64_t>(train.size()) > o.max_samples) train = drawn(train, o);
  ParallelText text{.subwords = subwords_of(o, train, record), .train = {}, .valid = {}, .test = {}};
  text.train.blank = blank;
  const auto longest = static_cast<size_t>(o.max_length);
  const Encoded pieces = encoded(text.subwords, train);
  for (size_t k = 0; k < train.size(); ++k) {
    const auto &source = pieces.source[k], &target = pieces.target[k];
    const bool none = source.empty() || target.empty(), longer = source.size() > longest || target.size() > longest;
    text.train.blank += none;
    text.train.longer += longer && !none;
    if (none || longer) continue;
    text.train.source.add(source);
    text.train.target.add(target);
  }
  if (text.train.size() == 0)
    throw UserError("data.max_length must leave training pairs, got " + std::to_string(longest) + ": all " +
                    std::to_string(train.size()) + " pairs are longer or empty");
  for (const auto& [name, split] : {std::pair{"valid", &text.valid}, {"test", &text.test}}) {
    std::vector<Pair> pairs = reader.pairs(name, split->blank);
    Encoded both = encoded(text.subwords, pairs);
    for (size_t k = 0; k < pairs.size(); ++k) {
      if (both.source[k].empty() || both.target[k].empty()) {
        ++split->blank;
        continue;
      }
      both.source[k].resize(std::min(both.source[k].size(), longest));
      split->source.add(both.source[k]);
      split->target.add(both.target[k]);
      split->references.push_back(std::move(pairs[k].target));
    }
    if (split->size() == 0) throw UserError(std::string("data.") + name + ": must have pairs with words, has none");
  }
  for (const auto& [name, split] : {std::pair{"training", &text.train}, {"validation", &text.valid}, {"test", &text.test}}) {
    const auto note = [&](int64_t n, const std::string& why) {
      if (n > 0) text.notes.push_back(std::to_string(n) + " " + name + " pairs left out: " + why);
    };
    note(split->blank, "a side is blank");
    note(split->longer, "longer than data.max_length = " + std::to_string(o.max_length));
  }
  text.place = reader.folder();
  text.files = reader.files();
  if (o.subwords && !(record && !record->subwords.empty())) text.subwords_file = expand_home(*o.subwords);
  return text;
}

DataRecord data_record(const ParallelText& pairs, const std::string& dataset) {
  DataRecord record{.data_set = dataset, .files = marks_of(pairs.place, pairs.files), .subwords = pairs.subwords.model()};
  if (!pairs.subwords_file.empty()) record.files.push_back(mark_of("data.subwords", pairs.subwords_file));
  return record;
}

namespace built_in {

std::vector<DatasetInfo> parallel_text() {
  return {parallel_row("multi30k", "Elliott, Frank, Sima'an, Specia 2016; for non-commercial research and education",
                       "29,000 image descriptions in German and English",
                       {.source = "de", .target = "en", .valid = "val", .test = "test_2016_flickr"}),
          parallel_row("wmt16", "Conference on Machine Translation 2016, German-English; each part has its own terms",
                       "4.5 million sentence pairs of debates, news and web pages",
                       {.source = "de", .target = "en", .valid = "newstest2015", .test = "newstest2016", .pieces = 32000}),
          parallel_row("parallel-text", "your own", "sentences and their translations, line by line in two files", {})};
}

}  // namespace built_in
}  // namespace tacet
