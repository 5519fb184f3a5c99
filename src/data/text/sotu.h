// The State of the Union addresses that are part of the program (data/sotu): a word-level corpus that needs no file and no
// download. It only unpacks and indexes the text; the making of the text is described in data/sotu/README.md.
#pragma once

#include "data/text/corpus.h"

namespace tacet {

// Unpacks the embedded text: 10,000 words; 1,630,096 training, 127,003 validation and 109,889 test tokens. Owners are the
// presidents, one entry for each unbroken run of years. Takes a fraction of a second and at most 64 MiB beside the result. A
// damaged text is a defect of the build: std::logic_error.
Corpus sotu_corpus();

}  // namespace tacet
