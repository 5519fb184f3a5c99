// See parallel_text.h.
#include "data/text/parallel_text.h"

#include <algorithm>
#include <array>

#include "base/places.h"
#include "data/files/lines.h"
#include "data/files/locate.h"
#include "tacet/error.h"

namespace tacet {
namespace {

// What stands before a split's name, and between it and the language; the last two are the folders of Multi30k's repository.
struct Style {
  const char *before, *between;
};
constexpr std::array<Style, 4> styles = {
    {{"", "."}, {"", ".lc.norm.tok."}, {"task1/raw/", "."}, {"task1/tok/", ".lc.norm.tok."}}};

// A line of both languages.
struct Pair {
  std::string source, target;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  for_each_line(path, [&](std::string_view line, int64_t) { lines.emplace_back(line); });
  return lines;
}

class Reader {
 public:
  explicit Reader(const Values& data) : data_(data) {
    std::vector<std::string> wanted;
    for (const Style& style : styles)
      for (const char* end : {"", ".gz"})
        wanted.push_back(style.before + data.text("train") + style.between + data.text("source") + end);
    folder_ = find_folder(data, data.text("name"), data.text("name"), wanted);
    for (size_t k = 0; k < wanted.size(); ++k)
      if (!style_ && !first_existing(folder_, {wanted[k]}).empty()) style_ = &styles[k / 2];
  }

  std::vector<Pair> pairs(const std::string& split) const {
    const std::string source = file(split, "source"), target = file(split, "target");
    std::vector<std::string> a = lines_of(source), b = lines_of(target);
    if (a.size() != b.size())
      throw UserError(target + ": must have as many lines as " + source + " (" + std::to_string(a.size()) + "), got " +
                      std::to_string(b.size()));
    std::vector<Pair> pairs(a.size());
    for (size_t k = 0; k < a.size(); ++k) pairs[k] = {std::move(a[k]), std::move(b[k])};
    return pairs;
  }

 private:
  std::string file(const std::string& split, const std::string& side) const {
    const std::string name = style_->before + data_.text(split) + style_->between + data_.text(side);
    const std::string path = first_existing(folder_, {name, name + ".gz"});
    if (path.empty())
      throw DataMissing(folder_ + "/" + name + ": does not exist (data." + split + " is \"" + data_.text(split) +
                        "\", data." + side + " is \"" + data_.text(side) + "\")");
    return path;
  }

  const Values& data_;
  std::string folder_;
  const Style* style_ = nullptr;
};

Subwords subwords_of(const Values& data, const std::vector<Pair>& train) {
  if (data.has("subwords")) return Subwords::from_file(expand_home(data.text("subwords")));
  const auto n = static_cast<int64_t>(train.size()), used = std::min(n, data.integer("pieces_from"));
  std::vector<std::string> texts;
  for (int64_t k = 0; k < used; ++k) texts.push_back(train[static_cast<size_t>(k * n / used)].source);
  for (int64_t k = 0; k < used; ++k) texts.push_back(train[static_cast<size_t>(k * n / used)].target);
  return Subwords::learned(data.integer("pieces"), texts);
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

void append(Texts& texts, const std::vector<int32_t>& pieces) {
  texts.words.insert(texts.words.end(), pieces.begin(), pieces.end());
  texts.close();
}

}  // namespace

ParallelText load_parallel_text(const Values& data) {
  const Reader reader(data);
  std::vector<Pair> train = reader.pairs("train");
  std::erase_if(train, [](const Pair& p) { return p.source.empty() || p.target.empty(); });
  if (const int64_t most = data.integer("max_samples"); most > 0 && static_cast<int64_t>(train.size()) > most)
    train.resize(static_cast<size_t>(most));
  ParallelText text{subwords_of(data, train), {}, {}, {}};
  const auto longest = static_cast<size_t>(data.integer("max_length"));
  const Encoded pieces = encoded(text.subwords, train);
  for (size_t k = 0; k < train.size(); ++k) {
    const auto &source = pieces.source[k], &target = pieces.target[k];
    if (source.size() > longest || target.size() > longest || source.empty() || target.empty()) continue;
    append(text.train.source, source);
    append(text.train.target, target);
  }
  if (text.train.size() == 0)
    throw UserError("data.max_length must leave training pairs, got " + std::to_string(longest) + ": all " +
                    std::to_string(train.size()) + " pairs are longer or empty");
  for (const auto& [name, split] : {std::pair{"valid", &text.valid}, {"test", &text.test}}) {
    std::vector<Pair> pairs = reader.pairs(name);
    Encoded both = encoded(text.subwords, pairs);
    for (size_t k = 0; k < pairs.size(); ++k) {
      both.source[k].resize(std::min(both.source[k].size(), longest));
      append(split->source, both.source[k]);
      append(split->target, both.target[k]);
      split->references.push_back(std::move(pairs[k].target));
    }
  }
  return text;
}

}  // namespace tacet
