// See labelled_text.h. Reading gives every split as indices into one dictionary of all words; then the vocabulary is chosen
// and the indices are replaced.
#include "data/text/labelled_text.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "base/places.h"
#include "base/utf8.h"
#include "data/files/lines.h"
#include "data/files/locate.h"
#include "data/files/table.h"
#include "data/text/corpus.h"
#include "data/text/vocabulary.h"
#include "tacet/error.h"

namespace tacet {
namespace {

const std::vector<std::string> snli_classes = {"entailment", "neutral", "contradiction"};
const std::vector<std::string> split_names = {"train", "valid", "test"};
constexpr std::string_view no_gold = "-";  // SNLI: the annotators did not agree

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void lower(std::string& s) {
  for (char& c : s)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
}

// Returns the field without the blanks around it.
std::string_view present(std::string_view field, const char* what, const std::string& path, int64_t number) {
  const std::string_view name = trimmed(field);
  if (name.empty())
    throw UserError(path + ":" + std::to_string(number) + ": the " + what + " must be given, is " +
                    (field.empty() ? "empty" : "blank"));
  return name;
}

// Fills the three splits of one data set from its files.
class Reader {
 public:
  Reader(const Values& data, const DataRecord* record)
      : data_(data), record_(record), o_(labelled_options(data)), name_(data.text("name")) {}

  LabelledText read() {
    switch (o_.set) {
      case LabelledSet::snli:
        snli();
        break;
      case LabelledSet::sentiment140:
        sentiment140();
        break;
      case LabelledSet::pairs:
      case LabelledSet::texts:
        own_files(o_.set == LabelledSet::pairs);
        break;
    }
    check_splits();
    note_left_out();
    cut();
    if (!numbers_classes()) check_classes();
    number_words(result_, dictionary_.take(), o_, o_.vectors ? vectors_path() : "", record_);
    result_.place = folder_;
    return std::move(result_);
  }

 private:
  TextSplit& of(const std::string& split) {
    return split == "train" ? result_.train : split == "valid" ? result_.valid : result_.test;
  }

  // ---- files ----

  // Returns the name that the recipe gives for a split's file, or else the usual ones.
  std::vector<std::string> names(const std::string& split, std::vector<std::string> usual) const {
    const auto& given = split == "train" ? o_.train_file : split == "valid" ? o_.valid_file : o_.test_file;
    if (given) return {*given};
    const size_t plain = usual.size();
    for (size_t k = 0; k < plain; ++k) usual.push_back(usual[k] + ".gz");
    return usual;
  }
  void find_folder_by(const std::vector<std::string>& files) { folder_ = find_folder(data_, name_, name_, files); }
  std::string file(const std::string& split, const std::vector<std::string>& candidates) {
    const bool own = o_.set == LabelledSet::pairs || o_.set == LabelledSet::texts;
    std::string path = own ? only_existing(folder_, candidates, "; data." + split + "_file names the one to read")
                           : first_existing(folder_, candidates);
    if (path.empty())
      throw DataMissing(folder_ + "/" + candidates.front() + ": does not exist; data set \"" + name_ + "\" needs its " +
                        split + " split");
    result_.files.push_back(path);
    return files_[split] = path;
  }

  // ---- one data set each ----

  void snli() {
    result_.classes = snli_classes;
    const auto usual = [&](const std::string& split) {
      const std::string name = "snli_1.0_" + std::string(split == "valid" ? "dev" : split) + ".jsonl";
      return names(split, {name, "snli_1.0/" + name});  // the archive holds a folder of that name
    };
    std::vector<std::string> first = usual("train");
    first.push_back("s1.train");
    find_folder_by(first);
    const bool json = first_existing(folder_, {"s1.train"}).empty() || o_.train_file;
    for (const std::string& split : split_names) {
      if (json)
        snli_json(split, file(split, usual(split)));
      else
        snli_lines(split, split == "valid" ? "dev" : split);
    }
  }

  void snli_json(const std::string& split, const std::string& path) {
    for_each_line(path, [&](std::string_view line, int64_t number) {
      if (std::all_of(line.begin(), line.end(), is_space)) return;
      const auto bad = [&](const std::string& why) { return UserError(path + ":" + std::to_string(number) + ": " + why); };
      nlohmann::json row;
      try {
        row = nlohmann::json::parse(line);
      } catch (const nlohmann::json::parse_error& error) {
        throw bad("must be one JSON object a line: " + std::string(error.what()));
      }
      const auto text = [&](const char* key) -> std::string {
        if (!row.is_object() || !row.contains(key) || !row[key].is_string())
          throw bad("must have the text \"" + std::string(key) + "\"");
        return row[key].get<std::string>();
      };
      const std::string gold = text("gold_label");
      if (trimmed(gold) == no_gold) {
        ++of(split).left_out;
        return;
      }
      add_label(split, gold, path, number);
      for (const auto& [key, texts] : {std::pair{"sentence1", &TextSplit::first}, {"sentence2", &TextSplit::second}}) {
        const std::string parse = std::string(key) + "_binary_parse";
        add_text(of(split).*texts, row.contains(parse) ? parse_leaves(text(parse.c_str()), o_.lowercase)
                                                       : split_words(text(key), false, o_.lowercase));
      }
    });
  }

  // s1.*, s2.* and labels.*: line k of each belongs together.
  void snli_lines(const std::string& split, const std::string& suffix) {
    const std::string labels = file(split, {"labels." + suffix, "labels." + suffix + ".gz"});
    std::vector<bool> kept;
    for_each_line(labels, [&](std::string_view line, int64_t number) {
      const bool keep = trimmed(line) != no_gold;
      if (keep) add_label(split, line, labels, number);
      of(split).left_out += !keep;
      kept.push_back(keep);
    });
    for (const auto& [name, texts] : {std::pair{"s1.", &TextSplit::first}, {"s2.", &TextSplit::second}}) {
      const std::string path = file(split, {name + suffix, name + suffix + ".gz"});
      size_t lines = 0;
      for_each_line(path, [&](std::string_view line, int64_t) {
        if (lines < kept.size() && kept[lines]) add_text(of(split).*texts, split_words(line, true, o_.lowercase));
        ++lines;
      });
      if (lines != kept.size())
        throw UserError(path + ": must have as many lines as " + labels + " (" + std::to_string(kept.size()) + "), got " +
                        std::to_string(lines));
    }
    files_[split] = labels;
  }

  void sentiment140() {
    result_.classes = {"negative", "positive"};
    find_folder_by(names("train", {"training.1600000.processed.noemoticon.csv"}));
    const std::string train = file("train", names("train", {"training.1600000.processed.noemoticon.csv"}));
    const std::string test = file("test", names("test", {"testdata.manual.2009.06.14.csv"}));
    files_["valid"] = train;
    const int64_t every = o_.valid_every;
    int64_t rows = 0;
    const auto read = [&](const std::string& path, auto&& choose) {
      for_each_record(
          path, ',',
          [&](const std::vector<std::string>& f, int64_t number) {
            const auto bad = [&](const std::string& why) {
              return UserError(path + ":" + std::to_string(number) + ": " + why);
            };
            if (f.size() != 6)
              throw bad("must have the six fields polarity, id, date, query, user, text, got " + std::to_string(f.size()));
            const std::string_view polarity = trimmed(f[0]);
            if (polarity != "0" && polarity != "2" && polarity != "4")
              throw bad("polarity must be 0, 2 or 4, got " + in_quotes(f[0]));
            const bool neutral = polarity == "2";
            const std::string split = choose(neutral);
            TextSplit& s = of(split);
            s.left_out += neutral;
            if (neutral) return;
            add_class(split, polarity == "4", path, number);
            s.users.push_back(user(std::string(present(f[4], "user", path, number))));
            add_text(s.first, split_words(f[5], o_.tokens == "spaces", o_.lowercase));
          },
          Charset::utf8_or_latin1);
    };
    read(train, [&](bool neutral) { return !neutral && ++rows % every == 0 ? "valid" : "train"; });
    if (rows > 0 && rows < every)
      throw UserError("data.valid_every must be at most the " + std::to_string(rows) + " rows of " + train + ", got " +
                      std::to_string(every) + ": there would be no validation texts");
    read(test, [](bool) { return "test"; });
  }

  // Comma- or tab-separated files with a header.
  void own_files(bool pairs) {
    find_folder_by(names("train", {"train.tsv", "train.csv"}));
    std::map<std::string, std::string> paths;
    for (const std::string& split : split_names) paths[split] = file(split, names(split, {split + ".tsv", split + ".csv"}));
    result_.classes = numbers_classes() ? record_->classes : classes_in(paths["train"]);
    std::vector<TableColumn> columns = {column("label"), column(pairs ? "first" : "text")};
    if (pairs) columns.push_back(column("second"));
    const bool users = !pairs && o_.user;
    if (users) columns.push_back(column("user"));
    const bool spaces = o_.tokens == "spaces";
    for (const std::string& split : split_names)
      for_each_row(paths[split], columns, [&](const std::vector<std::string>& f, int64_t number) {
        add_label(split, f[0], paths[split], number);
        add_text(of(split).first, split_words(f[1], spaces, o_.lowercase));
        if (pairs) add_text(of(split).second, split_words(f[2], spaces, o_.lowercase));
        if (users) of(split).users.push_back(user(std::string(present(f[2], "user", paths[split], number))));
      });
  }

  // Returns the classes of the training file in byte order, whatever order they come in.
  std::vector<std::string> classes_in(const std::string& path) const {
    std::set<std::string> classes;
    for_each_row(path, {column("label")}, [&](const std::vector<std::string>& f, int64_t number) {
      classes.emplace(present(f[0], "label", path, number));
    });
    if (classes.size() < 2)
      throw UserError(path + ": must have at least two different labels, got " + std::to_string(classes.size()));
    return {classes.begin(), classes.end()};
  }

  TableColumn column(const std::string& name) const {
    const auto& title = name == "first"    ? o_.first
                        : name == "second" ? o_.second
                        : name == "text"   ? o_.text
                        : name == "user"   ? *o_.user
                                           : o_.label;
    return {title, "data.column." + name};
  }

  // ---- what a row adds ----

  void add_label(const std::string& split, std::string_view label, const std::string& path, int64_t number) {
    const std::string_view name = present(label, "label", path, number);
    const auto found = std::find(result_.classes.begin(), result_.classes.end(), name);
    if (found == result_.classes.end())
      throw UserError(path + ":" + std::to_string(number) + ": the label must be one of " + in_quotes(result_.classes) +
                      (numbers_classes() ? " (" + record_->place + ")" : "") + ", got " + in_quotes(name));
    add_class(split, found - result_.classes.begin(), path, number);
  }

  void add_class(const std::string& split, int64_t index, const std::string& path, int64_t number) {
    of(split).labels.push_back(index);
    if (split != "train") first_outside_.emplace(index, path + ":" + std::to_string(number));
  }

  void add_text(Texts& texts, const std::vector<std::string>& words) {
    for (const std::string& word : words) texts.words.push_back(dictionary_.add(word));
    texts.close();
  }

  int64_t user(const std::string& name) {
    const auto [found, fresh] = users_.emplace(name, static_cast<int64_t>(users_.size()));
    if (fresh) result_.users.push_back(name);
    return found->second;
  }

  // ---- the splits ----

  void check_splits() {
    for (const std::string& split : split_names)
      if (of(split).size() == 0) throw UserError(files_.at(split) + ": must hold labelled texts, has none (" + split + ")");
  }

  void note_left_out() {
    for (const std::string& split : split_names)
      if (const int64_t n = of(split).left_out)
        result_.notes.push_back(std::to_string(n) + " rows left out of " + files_.at(split) +
                                (o_.set == LabelledSet::snli ? ": no gold label" : ": neutral polarity"));
  }

  // Keeps data.max_samples training texts. The first ones of a file need not be a fair sample of it (Sentiment140 is sorted
  // by label), so they are drawn, as images are.
  void cut() {
    TextSplit& train = result_.train;
    if (o_.max_samples == 0 || o_.max_samples >= train.size()) return;
    TextSplit kept;
    kept.left_out = train.left_out;
    for (const int64_t k : drawn_samples(train.size(), o_.max_samples, o_.partition.seed)) {
      const auto i = static_cast<size_t>(k);
      kept.first.add(train.first[k]);
      if (train.second.size() > 0) kept.second.add(train.second[k]);
      kept.labels.push_back(train.labels[i]);
      if (!train.users.empty()) kept.users.push_back(train.users[i]);
    }
    train = std::move(kept);
    std::unordered_map<int64_t, int64_t> numbers;  // users are numbered anew, by first appearance
    for (TextSplit* split : {&result_.train, &result_.valid, &result_.test})
      for (int64_t& u : split->users) u = numbers.emplace(u, static_cast<int64_t>(numbers.size())).first->second;
    std::vector<std::string> names(numbers.size());
    for (const auto& [before, now] : numbers)
      names[static_cast<size_t>(now)] = std::move(result_.users[static_cast<size_t>(before)]);
    result_.users = std::move(names);
  }

  // A class that was never trained can't be predicted, and with one class there is nothing to tell apart.
  void check_classes() const {
    const std::set<int64_t> trained(result_.train.labels.begin(), result_.train.labels.end());
    const std::string drawn = o_.max_samples > 0 ? " among data.max_samples = " + std::to_string(o_.max_samples) : "";
    for (const auto& [index, where] : first_outside_)
      if (!trained.count(index))
        throw UserError(where + ": the class " + in_quotes(result_.classes[static_cast<size_t>(index)]) +
                        " must have training texts, has none in " + files_.at("train") + drawn);
    if (trained.size() < 2)
      throw UserError(files_.at("train") + ": must have texts of at least two classes, has only " +
                      in_quotes(result_.classes[static_cast<size_t>(*trained.begin())]) + drawn);
  }

  bool numbers_classes() const { return record_ && !record_->classes.empty(); }

  // A path that is relative still has no file beside the recipe. It is looked for in the data set's folder, then beside it,
  // as $TACET_DATA/glove lies beside $TACET_DATA/snli.
  std::string vectors_path() const {
    const std::string given = expand_home(*o_.vectors);
    if (given.starts_with("/")) return given;
    const std::string found = first_existing(folder_, {given, "../" + given, "../../" + given});
    return found.empty() ? folder_ + "/" + given : found;
  }

  const Values& data_;
  const DataRecord* const record_;  // null: words and classes are numbered by the files
  const LabelledOptions o_;
  const std::string name_;
  std::string folder_;
  std::map<std::string, std::string> files_;
  Dictionary dictionary_;
  std::unordered_map<std::string, int64_t> users_;
  std::map<int64_t, std::string> first_outside_;  // file and line of a class's first text in valid and test
  LabelledText result_;
};

}  // namespace

std::vector<std::string> split_words(std::string_view text, bool spaces_only, bool lowercase) {
  std::vector<std::string> words;
  const auto inside = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  for (size_t i = 0; i < text.size();) {
    if (is_space(text[i])) {
      ++i;
      continue;
    }
    const size_t first = i++;
    if (spaces_only)
      while (i < text.size() && !is_space(text[i])) ++i;
    else if (inside(text[first]))
      while (i < text.size() && inside(text[i])) ++i;
    words.emplace_back(text.substr(first, i - first));
    if (lowercase) lower(words.back());
  }
  return words;
}

std::vector<std::string> parse_leaves(std::string_view parse, bool lowercase) {
  std::vector<std::string> words = split_words(parse, true, lowercase);
  std::erase_if(words, [](const std::string& w) { return w == "(" || w == ")"; });
  return words;
}

LabelledText load_labelled_text(const Values& data, const std::optional<DataRecord>& record) {
  return Reader(data, record ? &*record : nullptr).read();
}

DataRecord data_record(const LabelledText& texts, const std::string& dataset) {
  DataRecord record{.data_set = dataset,
                    .files = marks_of(texts.place, texts.files),
                    .class_count = static_cast<int64_t>(texts.classes.size()),
                    .classes = texts.classes,
                    .vocabulary = texts.words,
                    .users = texts.users};
  if (!texts.vectors_file.empty()) record.files.push_back(mark_of("data.vectors", texts.vectors_file));
  return record;
}

}  // namespace tacet
