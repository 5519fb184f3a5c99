// BLEU (Papineni, Roukos, Ward, Zhu, ACL 2002) of a whole text with one reference a sentence, as sacrebleu computes it by
// default (Post, WMT 2018): 13a tokenisation, case kept, n-grams up to 4, exponential smoothing of zero counts.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace tacet {

// The sums that BLEU is made from; they add up over sentences.
struct BleuCounts {
  double system = 0, reference = 0;          // tokens
  std::array<double, 4> matches{}, total{};  // n-grams of the system's text that are in the reference, and all of them
};

// Adds a sentence to the counts.
void add_sentence(BleuCounts& counts, std::string_view system, std::string_view reference);

// Returns BLEU, 0 … 100.
double bleu(const BleuCounts& counts);

// Ten numbers, and back: system, reference, matches, total.
std::vector<double> pack(const BleuCounts& counts);
BleuCounts unpack(const std::vector<double>& numbers);

// The tokens of mteval-v13a: punctuation and symbols stand alone, periods and commas unless between digits, a dash after a
// digit; &quot; &amp; &lt; &gt; are read. Text is UTF-8.
std::vector<std::string> tokens_13a(std::string_view text);

}  // namespace tacet
