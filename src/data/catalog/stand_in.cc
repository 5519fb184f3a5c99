// See stand_in.h. Counts are those that the authors of each data set publish; vocabularies of texts include <unk> and <eos>.
#include "data/catalog/stand_in.h"

#include <fmt/format.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <vector>

#include "base/files.h"
#include "data/files/safetensors.h"
#include "tacet/error.h"

namespace tacet {
namespace {

namespace fs = std::filesystem;

struct Known {
  std::string dataset;
  KnownSize size;
  int64_t detail = 0;   // words of a vocabulary, or words of an average (first) sentence
  int64_t samples = 0;  // of the stand-in's training set, where nothing asks for more
};

const std::vector<Known>& table() {
  static const std::vector<Known> rows = {
      {"ptb", {929'589, "tokens"}, 10'000},
      {"wikitext-2", {2'088'628, "tokens"}, 33'278},
      {"wikitext-103", {103'227'021, "tokens"}, 267'735},
      {"mnist", {60'000, "images"}, 0, 20'000},
      {"fashion-mnist", {60'000, "images"}, 0, 20'000},
      {"cifar-10", {50'000, "images"}, 0, 10'000},
      {"cifar-100", {50'000, "images"}, 0, 10'000},
      {"tiny-imagenet", {100'000, "images"}, 0, 5'000},
      {"imagenet", {1'281'167, "images"}, 0, 4'000},
      {"snli", {549'367, "pairs"}, 14, 20'000},
      {"sentiment140", {1'600'000, "tweets"}, 14, 20'000},
      {"multi30k", {29'000, "pairs"}, 14, 4'000},
      {"wmt16", {4'500'000, "pairs"}, 29, 4'000},
  };
  return rows;
}

const Known* find(const std::string& dataset) {
  const auto at = std::find_if(table().begin(), table().end(), [&](const Known& k) { return k.dataset == dataset; });
  return at == table().end() ? nullptr : &*at;
}

constexpr int64_t most_links = 60'000;  // of one file; ext4 allows 65,000

// Returns the images held out where the key is a number and can be met; 0 elsewhere.
int64_t held_out(const Values& data, const Known& known) {
  const int64_t valid = known.size.unit == "images" ? data.integer("valid") : 0;
  return valid < known.size.training ? valid : 0;
}

// Returns the number of training samples: beside those held out each client gets four, or twice as many as the shards that
// the recipe deals it. The real set's number is the bound, and for pictures that of a file's links.
int64_t sample_count(const Values& data, const Known& known, int clients) {
  const int64_t real = known.size.training;
  const bool shards = data.text("partition.kind") == "classes";
  const auto each = static_cast<double>(std::max<int64_t>(4, shards ? 2 * data.integer("partition.classes") : 0));
  const double kept = 1 - static_cast<double>(held_out(data, known)) / static_cast<double>(real);
  const double wanted = std::ceil(each * clients / kept);
  const auto n = static_cast<int64_t>(std::clamp(wanted, static_cast<double>(known.samples), static_cast<double>(real)));
  return data.has("random_crop") ? std::min(n, most_links) : n;
}

// Any byte: a hash of its place, so that no two images or texts are alike.
uint8_t byte_at(int64_t i) { return static_cast<uint8_t>(static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15u >> 56); }

std::string noise(int64_t n, int64_t seed) {
  std::string bytes(static_cast<size_t>(n), '\0');
  for (int64_t i = 0; i < n; ++i) bytes[static_cast<size_t>(i)] = static_cast<char>(byte_at(i + n * seed + 1));
  return bytes;
}

struct Writer {
  fs::path folder;
  void write(const std::string& name, const std::string& bytes) const {
    std::error_code error;
    fs::create_directories((folder / name).parent_path(), error);
    write_atomically((folder / name).string(), bytes);
  }
};

// Lines of `length` words; word k of them all is number k modulo `vocabulary`.
std::string sentences(int64_t lines, int64_t length, int64_t vocabulary, int64_t first = 0) {
  std::string text;
  for (int64_t l = 0; l < lines; ++l)
    for (int64_t k = 0; k < length; ++k)
      fmt::format_to(std::back_inserter(text), "w{}{}", (first + l * length + k) % vocabulary, k + 1 < length ? ' ' : '\n');
  return text;
}

// ---- one kind of data set each ----

void corpus(const Writer& out, const Values& data, int64_t words, int clients) {
  const bool ptb = data.text("name") == "ptb";
  const int64_t streams = data.integer("batch_size") * clients, length = data.integer("bptt");
  // <unk> and <eos> are two of the words; every client needs a few batches.
  const int64_t tokens = std::max(words, 8 * streams * length), line = 20;
  const auto name = [&](const std::string& split) { return ptb ? "ptb." + split + ".txt" : "wiki." + split + ".tokens"; };
  out.write(name("train"), "<unk>\n" + sentences(tokens / line + 1, line, words - 2));
  for (const char* split : {"valid", "test"}) out.write(name(split), sentences(200, line, words - 2));
}

void idx(const Writer& out, int64_t samples) {
  const auto header = [](std::vector<uint32_t> sizes) {
    std::string bytes = {0, 0, 8, static_cast<char>(sizes.size())};
    for (const uint32_t s : sizes)
      for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(s >> shift);
    return bytes;
  };
  for (const auto& [stem, n] : {std::pair<std::string, uint32_t>{"train", static_cast<uint32_t>(samples)}, {"t10k", 100}}) {
    std::string labels;
    for (uint32_t i = 0; i < n; ++i) labels += static_cast<char>(i % 10);
    out.write(stem + "-images-idx3-ubyte", header({n, 28, 28}) + noise(int64_t{n} * 28 * 28, n));
    out.write(stem + "-labels-idx1-ubyte", header({n}) + labels);
  }
}

std::string cifar_records(int64_t n, int64_t classes, int64_t seed) {
  std::string bytes;
  for (int64_t i = 0; i < n; ++i) {
    if (classes == 100) bytes += static_cast<char>(i % 20);  // the coarse label
    bytes += static_cast<char>(i % classes);
    bytes += noise(3 * 32 * 32, seed + i);
  }
  return bytes;
}

void cifar(const Writer& out, bool ten, int64_t samples) {
  const int64_t files = ten ? 5 : 1;
  for (int64_t k = 1; k <= files; ++k)
    out.write(ten ? fmt::format("data_batch_{}.bin", k) : "train.bin",
              cifar_records((samples + files - 1) / files, ten ? 10 : 100, k));
  out.write(ten ? "test_batch.bin" : "test.bin", cifar_records(100, ten ? 10 : 100, 6));
}

std::string jpeg(int width, int height) {
  const std::string pixels = noise(int64_t{3} * width * height, 0);
  const std::unique_ptr<void, int (*)(tjhandle)> handle(tjInitCompress(), tjDestroy);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  if (tjCompress2(handle.get(), reinterpret_cast<const unsigned char*>(pixels.data()), width, 0, height, TJPF_RGB, &bytes,
                  &size, TJSAMP_420, 85, 0) != 0)
    throw std::runtime_error(std::string("a picture can't be made: ") + tjGetErrorStr2(handle.get()));
  std::string file(reinterpret_cast<const char*>(bytes), size);
  tjFree(bytes);
  return file;
}

// One picture, linked under every name.
void pictures(const Writer& out, bool tiny, int64_t samples) {
  const int64_t n = tiny ? 200 : 1000, of_class = (samples + n - 1) / n;
  out.write("picture.JPEG", tiny ? jpeg(64, 64) : jpeg(500, 375));
  const auto link = [&](const std::string& name) {
    std::error_code error;
    fs::create_directories((out.folder / name).parent_path(), error);
    fs::create_hard_link(out.folder / "picture.JPEG", out.folder / name, error);
    if (error) throw UserError((out.folder / name).string() + ": can't be made: " + error.message());
  };
  std::string classes, annotations;
  for (int64_t c = 0; c < n; ++c) {
    const std::string name = fmt::format("n{:08}", c);
    classes += name + "\n";
    annotations += fmt::format("val_{}.JPEG\t{}\t0\t0\t62\t62\n", c, name);
    for (int64_t k = 0; k < of_class; ++k) link(fmt::format("train/{}/{}{}_{}.JPEG", name, tiny ? "images/" : "", name, k));
    link(tiny ? fmt::format("val/images/val_{}.JPEG", c) : fmt::format("val/{}/val.JPEG", name));
  }
  if (!tiny) return;
  out.write("wnids.txt", classes);
  out.write("val/val_annotations.txt", annotations);
}

constexpr int64_t text_words = 2000;  // vectors from a file are not trained, so their number hardly counts

void vectors(const Writer& out, Values& data, int64_t width) {
  std::string text;
  for (int64_t w = 0; w < text_words; ++w) {
    text += fmt::format("w{}", w);
    for (int64_t k = 0; k < width; ++k) text += fmt::format(" {:.3f}", byte_at(w * width + k) / 256.0 - 0.5);
    text += '\n';
  }
  out.write("vectors.txt", text);
  data.set("vectors", (out.folder / "vectors.txt").string());
}

void snli(const Writer& out, int64_t words, int64_t samples) {
  const std::vector<std::string> classes = {"entailment", "neutral", "contradiction"};
  for (const auto& [split, n] : {std::pair<std::string, int64_t>{"train", samples}, {"dev", 200}, {"test", 200}}) {
    std::string labels;
    for (int64_t i = 0; i < n; ++i) labels += classes[static_cast<size_t>(i % 3)] + "\n";
    out.write("s1." + split, sentences(n, words, text_words));
    out.write("s2." + split, sentences(n, words * 4 / 7, text_words, 7));  // hypotheses are shorter: 8 words for 14
    out.write("labels." + split, labels);
  }
}

// A user has two tweets, both of one class, so that each has training tweets and each class too, whichever are held out.
void tweets(const Writer& out, int64_t words, int64_t samples) {
  for (const auto& [file, n] : {std::pair<std::string, int64_t>{"training.1600000.processed.noemoticon.csv", samples},
                                {"testdata.manual.2009.06.14.csv", 200}}) {
    std::string rows;
    for (int64_t i = 0; i < n; ++i) {
      std::string text = sentences(1, words, text_words, i * words);
      text.pop_back();
      rows += fmt::format("\"{}\",\"{}\",\"date\",\"NO_QUERY\",\"user{}\",\"{}\"\n", i / 2 % 2 * 4, i, i / 2, text);
    }
    out.write(file, rows);
  }
}

// A SentencePiece model of `pieces` pieces, the four special ones and whole words w0, w1, …: the Protocol Buffers message
// ModelProto with its repeated field pieces = 1 {text = 1, score = 2, type = 3} alone; everything else has defaults.
std::string subword_model(int64_t pieces) {
  const auto varint = [](std::string& to, uint64_t n) {
    for (; n >= 128; n >>= 7) to += static_cast<char>(n | 128);
    to += static_cast<char>(n);
  };
  enum { normal = 1, unknown = 2, control = 3 };
  std::string model;
  const auto piece = [&](const std::string& text, char type) {
    std::string fields = "\x0A";
    varint(fields, text.size());
    fields += text;
    fields += "\x15" + std::string(4, '\0');  // score 0
    fields += '\x18';
    fields += type;
    model += '\x0A';
    varint(model, fields.size());
    model += fields;
  };
  piece("<pad>", control);
  piece("<unk>", unknown);
  piece("<s>", control);
  piece("</s>", control);
  for (int64_t w = 0; w + 4 < pieces; ++w) piece(fmt::format("\xE2\x96\x81w{}", w), normal);
  return model;
}

// Longer pairs than data.max_length are left out, so the sentences are no longer.
void translation(const Writer& out, Values& data, int64_t average, int64_t samples) {
  const int64_t pieces = data.integer("pieces"), words = std::min(average, data.integer("max_length"));
  for (const auto& [split, n] : {std::pair<std::string, int64_t>{"train", samples}, {"valid", 100}, {"test", 100}})
    for (const char* side : {"source", "target"})
      out.write(data.text(split) + "." + data.text(side), sentences(n, words, pieces - 4));
  out.write("subwords.model", subword_model(pieces));
  data.set("subwords", (out.folder / "subwords.model").string());
}

}  // namespace

std::optional<KnownSize> known_size(const Values& data) {
  for (const char* file : {"train_file", "valid_file", "test_file"})
    if (data.has(file)) return std::nullopt;
  const Known* known = find(data.text("name"));
  return known ? std::optional(known->size) : std::nullopt;
}

Values write_stand_in(const Values& data, int clients, int64_t vector_width, const std::string& folder) {
  const std::string& name = data.text("name");
  const Known* known = find(name);
  if (!known) throw std::logic_error("nothing stands in for " + name);
  const Writer out{folder};
  Values set = data;
  set.set("root", folder);
  if (data.has("partial")) set.set("partial", true);
  if (data.has("max_samples")) set.set("max_samples", int64_t{0});
  for (const char* most : {"max_tokens", "max_eval_tokens"})
    if (data.has(most)) set.set(most, int64_t{0});
  if (data.has("cache")) set.set("cache", false);  // pictures are decoded when they are drawn, and most never are
  if (data.has("vectors")) vectors(out, set, vector_width);
  if (known->size.unit == "tokens") {
    corpus(out, data, known->detail, clients);
    return set;
  }
  const int64_t samples = sample_count(data, *known, clients);
  if (const int64_t valid = held_out(data, *known); valid > 0)
    set.set("valid", std::max<int64_t>(1, valid * samples / known->size.training));
  if (data.has("min_count")) set.set("min_count", int64_t{1});  // a word stands less often here than in the real texts
  if (data.has("valid_every")) set.set("valid_every", std::min<int64_t>(data.integer("valid_every"), 100));
  if (name == "mnist" || name == "fashion-mnist")
    idx(out, samples);
  else if (name == "cifar-10" || name == "cifar-100")
    cifar(out, name == "cifar-10", samples);
  else if (name == "tiny-imagenet" || name == "imagenet")
    pictures(out, name == "tiny-imagenet", samples);
  else if (name == "snli")
    snli(out, known->detail, samples);
  else if (name == "sentiment140")
    tweets(out, known->detail, samples);
  else
    translation(out, set, known->detail, samples);
  return set;
}

}  // namespace tacet
