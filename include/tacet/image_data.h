// Labelled images, in memory or in files, as the reader of an image data set returns them. A data set of one's own is
// registered with add_dataset (registry.h). Batches are not made here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tacet/image_shape.h"
#include "tacet/options.h"
#include "tacet/random.h"

namespace tacet {

struct ImageSplit {
  std::vector<int32_t> labels;  // one for each image, 0 … classes − 1
  std::vector<int32_t> users;   // owner of each image, ≥ 0; empty where nobody is known
  // Writes image i to `out` as float [C, H, W], 0 … 1 where the file has bytes. With a stream the reader may draw the crop
  // that its format is trained with. A null stream asks for the image of an evaluation. Several threads may call it at once.
  std::function<void(int64_t i, float* out, Stream* augment)> read;
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

struct ImageData {
  ImageShape shape;
  ImageSplit train, valid, test;        // valid may be empty
  std::vector<double> mean, deviation;  // one for each channel of the training set: an input is (value − mean) / deviation
  std::vector<std::string> classes;     // names by label; empty where unknown
  std::string place;                    // folder of the files; empty where nothing is read
  std::vector<std::string> notes = {};  // lines for people: files that were left out, and how many
  std::vector<std::string> files = {};  // paths of the files that were read, by which a run notices other data later
};

// Appends a channel's mean and deviation. A channel that is constant gets the deviation 1 and a line in `notes`.
void add_channel(ImageData& set, double mean, double deviation);

// Returns bytes [n, C, H, W] (or [n, H, W]: one channel) as a split. Throws UserError naming `place` when labels and images
// differ in number or a label is not below `classes`.
ImageSplit split_of_bytes(at::Tensor images, std::vector<int32_t> labels, int64_t classes, const std::string& place);

// The customary augmentation of a data set's training images, as defaults of two keys.
struct ImageAugmentation {
  int64_t crop_padding = 0;
  bool flip = false;
};
// Returns the options of an image data set: its own, then those that all have (batch_size, crop_padding, partition.kind, …).
// `users` tells whether its images have users.
std::vector<Option> image_options(std::vector<Option> own, const ImageAugmentation& usual = {}, bool users = false);

}  // namespace tacet
