// See cifar.h.
#include "data/images/cifar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/mapped_file.h"
#include "tacet/error.h"

namespace tacet {
namespace {
constexpr int64_t pixels = 3 * 32 * 32;
}

ImageSplit read_cifar(const std::vector<std::string>& paths, const CifarFormat& format) {
  struct File {
    std::unique_ptr<MappedFile> bytes;
    int64_t first;  // its first image
  };
  const auto files = std::make_shared<std::vector<File>>();
  const int64_t record = format.label_bytes + pixels;
  ImageSplit split;
  for (const std::string& path : paths) {
    auto bytes = std::make_unique<MappedFile>(path);
    const int64_t count = bytes->size() / record;
    if (bytes->size() % record != 0 || count == 0)
      throw UserError(fmt::format("{}: must hold whole records of {} bytes, got {} records and {} bytes more", path, record,
                                  count, bytes->size() % record));
    if (format.records > 0 && count != format.records)
      throw UserError(fmt::format("{}: must hold {} records, got {}; data.partial = true takes what is there", path,
                                  format.records, count));
    const int64_t first = split.size();
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t label = bytes->data()[i * record + format.label_bytes - 1];
      if (label >= format.classes)
        throw UserError(fmt::format("{}: record {} (byte {}): the label must be 0 … {}, got {}", path, i,
                                    i * record + format.label_bytes - 1, format.classes - 1, label));
      split.labels.push_back(label);
    }
    files->push_back({std::move(bytes), first});
  }
  split.read = [files, record, offset = format.label_bytes](int64_t i, float* out, Stream*) {
    const auto after =
        std::upper_bound(files->begin(), files->end(), i, [](int64_t k, const File& f) { return k < f.first; });
    const File& file = *std::prev(after);
    const uint8_t* in = file.bytes->data() + (i - file.first) * record + offset;
    for (int64_t k = 0; k < pixels; ++k) out[k] = static_cast<float>(in[k]) / 255.0f;
  };
  return split;
}

}  // namespace tacet
