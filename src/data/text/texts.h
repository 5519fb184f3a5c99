// Many short runs of word indices in one piece of memory: what readers of labelled and of parallel texts hand over.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tacet {

struct Texts {
  std::vector<int32_t> words;
  std::vector<int64_t> ends;  // text k is words[ends[k−1], ends[k])
  int64_t size() const { return static_cast<int64_t>(ends.size()); }
  std::span<const int32_t> operator[](int64_t k) const {
    const int64_t first = k == 0 ? 0 : ends[static_cast<size_t>(k - 1)];
    return {words.data() + first, words.data() + ends[static_cast<size_t>(k)]};
  }
  void add(std::span<const int32_t> text) {
    words.insert(words.end(), text.begin(), text.end());
    close();
  }
  void close() { ends.push_back(static_cast<int64_t>(words.size())); }  // ends a text: the words added since the last close
};

}  // namespace tacet
