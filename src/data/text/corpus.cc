// Reading word-level corpora from folders: finding the files, checking their bytes, turning words into indices. See
// corpus.h.
#include "data/text/corpus.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "data/files/locate.h"
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

std::string names_of(const std::vector<Style>& styles, const std::string& split) {
  std::string names;
  for (const Style& s : styles) names += (names.empty() ? "" : ", ") + s.file(split);
  return names;
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

struct File {
  int descriptor;
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

std::string read_whole(const std::string& path) {
  // O_NONBLOCK: opening a pipe without a writer would wait for ever.
  const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (file.descriptor < 0 || ::fstat(file.descriptor, &info) != 0)
    throw UserError(path + ": can't be read: " + std::strerror(errno));
  if (S_ISDIR(info.st_mode)) throw UserError(path + ": must be a text file, is a folder");
  if (!S_ISREG(info.st_mode)) throw UserError(path + ": must be a plain text file, is a device, pipe or socket");
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::read(file.descriptor, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw UserError(path + ": can't be read at byte " + std::to_string(done) + ": " + std::strerror(errno));
    if (n == 0)
      throw UserError(path + ": ends at byte " + std::to_string(done) + " though its size is " +
                      std::to_string(info.st_size) + "; another program is changing it");
    done += static_cast<size_t>(n);
  }
  return text;
}

// The length of the UTF-8 character at s[i]; 0: wrong bytes; −1: the text ends inside it.
int character_length(std::string_view s, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char lead = byte(i);
  if (lead < 0x80) return 1;
  const int length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (length == 0) return 0;
  // The second byte's range excludes longer forms than needed, surrogates and what lies beyond U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (int k = 1; k < length; ++k) {
    if (i + k >= s.size()) return -1;
    const unsigned char b = byte(i + k);
    if (k == 1 ? b < low || b > high : (b & 0xC0) != 0x80) return 0;
  }
  return length;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void read_split(const std::string& path, Dictionary& dictionary, std::vector<int32_t>& out) {
  const std::string text = read_whole(path);
  if (text.empty()) throw UserError(path + ": must hold text, is empty");
  check_text(text, path);
  std::string_view content = text;
  if (content.substr(0, 3) == "\xEF\xBB\xBF") content.remove_prefix(3);  // a mark that some editors write
  if (std::all_of(content.begin(), content.end(), is_space))
    throw UserError(path + ": must hold words, has only blank lines (" + std::to_string(text.size()) + " bytes)");
  dictionary.add_lines(content, out);
}

std::string home() {
  const char* folder = std::getenv("HOME");
  return folder ? folder : "";
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
    while (i < text.size() && text[i] != '\n') {
      if (is_space(text[i])) {
        ++i;
        continue;
      }
      const size_t first = i;
      while (i < text.size() && !is_space(text[i])) ++i;
      out.push_back(add(text.substr(first, i - first)));
    }
    ++i;
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

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const int length = character_length(text, i);
    if (length <= 0) return false;
    i += static_cast<size_t>(length);
  }
  return true;
}

void check_text(std::string_view text, const std::string& place, int64_t line, int64_t byte) {
  const auto where = [&](size_t i) {
    return place + ":" + std::to_string(line) + ": byte " + std::to_string(byte + static_cast<int64_t>(i));
  };
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\0') throw UserError(where(i) + ": must be text, got a NUL byte");
    line += c == '\n';
    const int length = character_length(text, i);
    if (length < 0) throw UserError(where(i) + ": the file is cut off: it ends in the middle of a UTF-8 character");
    if (length == 0) {
      constexpr char digits[] = "0123456789abcdef";
      const auto b = static_cast<unsigned char>(c);
      throw UserError(where(i) + ": must be UTF-8, got a malformed character that starts with byte 0x" + digits[b >> 4] +
                      digits[b & 15]);
    }
    i += static_cast<size_t>(length);
  }
}

Corpus read_ptb_layout(const std::string& folder, const std::string& dataset) {
  const std::vector<Style> styles = styles_of(dataset);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw UserError(folder + ": must be a folder with the files of data set \"" + dataset + "\", " +
                    (is_there(folder) ? "is a file" : "does not exist") + "; " + how_chosen);
  const Style* style = style_in(folder, styles);
  if (!style)
    throw DataMissing(folder + ": has no training text, looked for " + names_of(styles, "train") + "; " + how_chosen);

  Corpus corpus;
  Dictionary dictionary;
  const auto read = [&](const std::string& split, std::vector<int32_t>& out) {
    const fs::path path = fs::path(folder) / style->file(split);
    if (!is_there(path))
      throw DataMissing(path.string() + ": does not exist, though " + style->file("train") +
                        " is there; all three splits (" + style->file("train") + ", " + style->file("valid") + ", " +
                        style->file("test") + ") are needed; " + how_chosen);
    read_split(path.string(), dictionary, out);
  };
  read("train", corpus.train);
  read("valid", corpus.valid);
  read("test", corpus.test);
  corpus.vocabulary = dictionary.take();
  return corpus;
}

std::string find_root(const Values& data, const std::string& dataset) {
  const std::vector<Style> styles = styles_of(dataset);
  std::vector<fs::path> places;
  std::string chosen_by;
  if (data.has("root")) {
    std::string root = data.text("root");
    if (root.empty()) throw UserError("data.root must be the folder of data set \"" + dataset + "\", got \"\"");
    if (root.rfind("~/", 0) == 0 && !home().empty()) root = home() + root.substr(1);
    places = {root, fs::path(root) / dataset};
    chosen_by = "data.root is \"" + data.text("root") + "\"";
  } else {
    const char* variable = std::getenv("TACET_DATA");
    const std::string base = variable ? variable : "";
    if (!base.empty()) places = {fs::path(base) / dataset, base};
    if (!home().empty()) places.push_back(fs::path(home()) / ".cache" / "tacet" / dataset);
    chosen_by = std::string("data.root is not given and $TACET_DATA is ") + (base.empty() ? "not set" : "\"" + base + "\"");
  }
  for (const fs::path& place : places)
    if (style_in(place, styles)) return place.string();

  std::string looked;
  for (const fs::path& place : places) looked += (looked.empty() ? "" : ", ") + place.string();
  throw DataMissing("data set \"" + dataset + "\" was not found: no file " + names_of(styles, "train") + " in " +
                    (looked.empty() ? "any folder" : looked) + " (" + chosen_by + "); " + how_chosen);
}

}  // namespace tacet
