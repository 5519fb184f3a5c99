// Small image files that tests write themselves, and the checked keys of [data] to read them with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/row_values.h"
#include "support/temp_folder.h"
#include "tacet/registry.h"

namespace tacet {

inline std::string idx_bytes(const std::vector<uint32_t>& sizes, const std::string& data) {
  std::string bytes = {0, 0, 8, static_cast<char>(sizes.size())};
  for (const uint32_t s : sizes)
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(s >> shift);
  return bytes + data;
}

// Pixel k of image i of the files below: no two images are alike.
inline int idx_pixel(int i, int k) { return (37 * i + 11 * k + (k == 0 ? i : 0)) % 251; }

// Four IDX files with side × side images whose labels are i % classes.
inline void write_idx_set(const test::TempFolder& folder, int train, int test, int side, int classes) {
  for (const auto& [stem, n] : {std::pair<std::string, int>{"train", train}, {"t10k", test}}) {
    std::string pixels, labels;
    for (int i = 0; i < n; ++i) {
      labels += static_cast<char>(i % classes);
      for (int k = 0; k < side * side; ++k) pixels += static_cast<char>(idx_pixel(i, k));
    }
    const auto count = static_cast<uint32_t>(n), s = static_cast<uint32_t>(side);
    folder.write(stem + "-images-idx3-ubyte", idx_bytes({count, s, s}, pixels));
    folder.write(stem + "-labels-idx1-ubyte", idx_bytes({count}, labels));
  }
}

inline Values image_values(const std::string& name, const test::Given& given = {}) {
  return test::row_values(find_dataset(name), given);
}

}  // namespace tacet
