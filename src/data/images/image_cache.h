// Decoded pictures in one file, so that a data set of many small pictures is decoded once. The file is mapped, and shared by
// the workers of a machine: one writes it while the others wait.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mapped_file.h"

namespace tacet {

struct PictureCache {
  std::shared_ptr<const MappedFile> file;
  int64_t offset = 0;  // picture i's bytes start at offset + i · bytes
};

// The cache called `name` in `folder`, or in ~/.cache/tacet where the folder can't be written, with `count` pictures of
// `bytes` each. It is taken as it is when its fingerprint and its size are right; else it is made with `decode` (picture,
// out), on the threads there are, and with a line on stderr every few seconds. Where no place can be written, the result's
// file is null. The layout: docs/guide/data.md.
PictureCache open_cache(const std::string& folder, const std::string& name, const std::string& fingerprint, int64_t count,
                        int64_t bytes, const std::function<void(int64_t, uint8_t*)>& decode);

// SHA-256, hexadecimal, of everything that the decoded pictures depend on: paths, sizes and times of the files, and
// `settings`.
std::string fingerprint_of(const std::string& folder, const std::vector<std::string>& files, const std::string& settings);

}  // namespace tacet
