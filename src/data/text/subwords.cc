// See subwords.h. Programs are run in a temporary folder of their own, fed from files and writing to files.
#include "data/text/subwords.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/digest.h"
#include "base/files.h"
#include "base/places.h"
#include "base/utf8.h"
#include "tacet/error.h"

namespace tacet {
namespace fs = std::filesystem;
namespace {

constexpr const char* space = "\xE2\x96\x81";  // ▁, how SentencePiece writes one

void write_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::ofstream out(path, std::ios::binary);
  for (const std::string& line : lines) out << line << '\n';
  out.close();
  if (!out) throw UserError(path + ": can't be written: " + std::strerror(errno));
}

// Runs a program in `scratch` with the file "in" as its input and "out" and "err" for what it says. Returns what is wrong,
// with the last line it said, or nothing.
std::optional<std::string> run(const ScratchFolder& scratch, std::vector<std::string> words) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addchdir_np(&files, scratch.path("").c_str());
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "in", O_RDONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error == ENOENT)
    throw UserError("data.name: translation needs SentencePiece's programs (Debian package sentencepiece): " + words[0] +
                    " is not in $PATH");
  if (error != 0) throw UserError(words[0] + " can't be run: " + std::strerror(error));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  std::string said = read_file(scratch.path("err"));
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return words[0] + ": " + (said.empty() ? "failed without a word" : said.substr(said.rfind('\n') + 1));
}

std::string hex_digest(const std::string& head, const std::vector<std::string>& texts) {
  Digest digest;
  digest.add(head);
  for (const std::string& text : texts) {
    digest.add("\n");
    digest.add(text);
  }
  return digest.hex();
}

// Copied aside and renamed, so that workers that learn the same model side by side do not read half of it. False when there
// is no place to keep it.
bool keep(const std::string& model, const fs::path& path) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path aside = path.string() + "." + std::to_string(::getpid());
  fs::copy_file(model, aside, fs::copy_options::overwrite_existing, error);
  if (!error) fs::rename(aside, path, error);
  if (error) {
    std::error_code ignored;
    fs::remove(aside, ignored);
  }
  return !error;
}

// Every piece of a model by index, or what is wrong with it.
std::optional<std::string> read_pieces(const std::string& model, std::vector<std::string>& pieces) {
  const ScratchFolder scratch("tacet-subwords");
  if (const auto wrong = run(scratch, {"spm_export_vocab", "--model=" + model, "--output=vocabulary"})) return wrong;
  std::ifstream in(scratch.path("vocabulary"), std::ios::binary);
  for (std::string line; std::getline(in, line);) pieces.push_back(line.substr(0, line.rfind('\t')));
  if (pieces.empty()) return "has no pieces";
  return std::nullopt;
}

}  // namespace

Subwords Subwords::from_file(const std::string& path) {
  Subwords s;
  s.model_ = fs::absolute(path).string();
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) throw UserError(path + ": must be a SentencePiece model, is no plain file");
  if (const auto wrong = read_pieces(s.model_, s.pieces_))
    throw UserError(path + ": must be a SentencePiece model: " + *wrong);
  for (const auto& [index, name] :
       {std::pair{&s.pad, "<pad>"}, {&s.unknown, "<unk>"}, {&s.begin, "<s>"}, {&s.end, "</s>"}}) {
    const auto found = std::find(s.pieces_.begin(), s.pieces_.end(), name);
    if (found == s.pieces_.end())
      throw UserError(path + ": the SentencePiece model must have the piece " + name + ", has none");
    *index = static_cast<int32_t>(found - s.pieces_.begin());
  }
  return s;
}

Subwords Subwords::learned(int64_t size, const std::vector<std::string>& texts) {
  // Everything but the texts that the model depends on.
  std::vector<std::string> settings = {"--model_type=bpe",
                                       "--vocab_size=" + std::to_string(size),
                                       "--hard_vocab_limit=false",
                                       "--pad_id=0",
                                       "--unk_id=1",
                                       "--bos_id=2",
                                       "--eos_id=3",
                                       "--num_threads=1"};
  // Its program passes over longer lines, of 4192 bytes if nothing is said, without a word.
  size_t longest = 0;
  for (const std::string& text : texts) longest = std::max(longest, text.size());
  if (longest > 4192) settings.push_back("--max_sentence_length=" + std::to_string(longest));
  std::string head;
  for (const std::string& setting : settings) head += setting + " ";
  const std::string cache = cache_folder();
  const fs::path kept = fs::path(cache) / "subwords" / (hex_digest(head, texts) + ".model");
  std::error_code ignored;
  if (!cache.empty() && fs::exists(kept, ignored)) {
    try {
      return from_file(kept.string());
    } catch (const UserError&) {
      // A damaged file is replaced.
    }
  }
  const auto scratch = std::make_shared<const ScratchFolder>("tacet-subwords");
  write_lines(scratch->path("texts"), texts);
  std::vector<std::string> words = {"spm_train", "--input=texts", "--model_prefix=learned", "--minloglevel=2"};
  words.insert(words.end(), settings.begin(), settings.end());
  if (const auto wrong = run(*scratch, words))
    throw UserError("data.pieces: no vocabulary of " + std::to_string(size) +
                    " pieces can be learned from the training texts: " + *wrong);
  if (!cache.empty() && keep(scratch->path("learned.model"), kept)) return from_file(kept.string());
  Subwords s = from_file(scratch->path("learned.model"));
  s.folder_ = scratch;
  return s;
}

Subwords Subwords::from_bytes(const std::string& bytes, const std::string& place) {
  const auto scratch = std::make_shared<const ScratchFolder>("tacet-subwords");
  const std::string path = scratch->path("saved.model");
  write_atomically(path, bytes);
  try {
    Subwords s = from_file(path);
    s.folder_ = scratch;
    return s;
  } catch (const UserError&) {
    throw UserError(place + ": subwords must be a SentencePiece model");
  }
}

std::string Subwords::model() const { return read_file(model_); }

std::vector<std::vector<int32_t>> Subwords::encode(const std::vector<std::string>& texts) const {
  const ScratchFolder scratch("tacet-subwords");
  write_lines(scratch.path("in"), texts);
  if (const auto wrong = run(scratch, {"spm_encode", "--model=" + model_, "--output_format=id"})) throw UserError(*wrong);
  std::ifstream out(scratch.path("out"), std::ios::binary);
  std::vector<std::vector<int32_t>> all;
  all.reserve(texts.size());
  for (std::string line; std::getline(out, line);) {
    std::vector<int32_t>& pieces = all.emplace_back();
    for (const char *at = line.data(), *const last = at + line.size(); at < last; ++at) {
      int32_t piece = -1;
      const auto [next, error] = std::from_chars(at, last, piece);
      if (error != std::errc() || piece < 0 || piece >= size())
        throw UserError("spm_encode: must write piece indices, got " + in_quotes(line));
      pieces.push_back(piece);
      at = next;
    }
  }
  if (all.size() != texts.size())
    throw UserError("spm_encode: must write a line for each of " + std::to_string(texts.size()) + " texts, got " +
                    std::to_string(all.size()));
  return all;
}

std::string Subwords::decode(const std::vector<int32_t>& pieces) const {
  std::string text;
  for (const int32_t piece : pieces) {
    if (piece == pad || piece == begin || piece == end) continue;
    if (piece == unknown) {
      text += " \xE2\x81\x87 ";
      continue;
    }
    std::string s = pieces_.at(static_cast<size_t>(piece));
    unsigned byte = 0;
    if (s.size() == 6 && s.starts_with("<0x") && s.back() == '>' &&
        std::from_chars(s.data() + 3, s.data() + 5, byte, 16).ec == std::errc()) {
      text += static_cast<char>(byte);  // a model with byte fallback
      continue;
    }
    for (size_t at = s.find(space); at != std::string::npos; at = s.find(space, at + 1)) s.replace(at, 3, 1, ' ');
    if (text.empty() && s.starts_with(' ')) s.erase(0, 1);  // every text is encoded with a space in front
    text += s;
  }
  return text;
}

}  // namespace tacet
