// Tokens and BLEU of lines from standard input, for bleu_witness.py: odd lines are a system's, even ones the references.
// Prints each line's tokens, then the score of all.
#include <cstdio>
#include <iostream>

#include "tasks/bleu.h"

int main() {
  tacet::BleuCounts counts;
  std::string system, reference;
  const auto print = [](const std::string& line) {
    for (const std::string& token : tacet::tokens_13a(line)) std::cout << token << '\t';
    std::cout << '\n';
  };
  while (std::getline(std::cin, system) && std::getline(std::cin, reference)) {
    print(system);
    print(reference);
    tacet::add_sentence(counts, system, reference);
  }
  std::printf("%.12f\n", tacet::bleu(counts));
}
