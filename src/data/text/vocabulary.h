// The vocabulary of labelled texts: the words that get a number, chosen by their counts or by a file of vectors, or taken
// from a run's record. Files of texts are not read here (labelled_text.h).
#pragma once

#include <string>
#include <vector>

#include "data/record/data_record.h"
#include "data/text/labelled_text.h"

namespace tacet {

// Replaces the words of all three splits, which are indices into `all`, by their numbers in the vocabulary, cuts the texts,
// and fills in words, vectors and vectors_file. `vectors` is the path of data.vectors, empty without one. `record` says the
// numbers; null: the rules of load_labelled_text do. Throws UserError about the file of vectors.
void number_words(LabelledText& texts, const std::vector<std::string>& all, const LabelledOptions& options,
                  const std::string& vectors, const DataRecord* record);

}  // namespace tacet
