// Word vectors in GloVe's text format. The words of a data set are not known here
// (labelled_text.h).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace tacet {

struct WordVectors {
  int64_t width = 0;                                          // E
  std::unordered_map<std::string, std::vector<float>> found;  // by word
};

// Reads the vectors of the words in `wanted`: a word and E numbers a line, separated by single spaces. A first line with
// just two integers, as word2vec writes it, gives E by the second. Throws UserError with file and line for another number of
// fields, a malformed number, nan or inf.
WordVectors read_word_vectors(const std::string& path, const std::unordered_map<std::string, int64_t>& wanted);

}  // namespace tacet
