// Labelled images in memory or in files, split into training and test set, and how one image becomes a model's input.
// Batches and clients are not here (client_batches.h), nor is the reading of each format (idx.h, …).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tacet/options.h"
#include "tacet/random.h"
#include "tacet/registry.h"

namespace tacet {

// What all images of a data set have in common.
struct ImageShape {
  int64_t channels = 1, height = 0, width = 0;
  int64_t classes = 0;
  int64_t size() const { return channels * height * width; }
};

struct ImageSplit {
  std::vector<int32_t> labels;  // 0 … classes − 1, one an image
  std::vector<int32_t> users;   // who made the image, ≥ 0; empty where nobody is known
  // Writes image i as float [C, H, W], 0 … 1 where the file has bytes. With a stream the reader may draw the crop that its
  // format is trained with; without one it gives the image of an evaluation. Safe to call from several threads.
  std::function<void(int64_t i, float* out, Stream* augment)> read;
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

struct ImageData {
  ImageShape shape;
  ImageSplit train, valid, test;        // valid may be empty
  std::vector<double> mean, deviation;  // of the training set's channels: the customary figures
  std::vector<std::string> classes;     // names, where known
  std::string place;                    // the folder of its files
};

// Bytes [n, C, H, W] (or [n, H, W]: one channel) as a split. Throws UserError naming `place` when labels and images differ
// in number or a label is not below `classes`.
ImageSplit split_of_bytes(at::Tensor images, std::vector<int32_t> labels, int64_t classes, const std::string& place);

// The data set that [data] names. Throws UserError naming the file, or every place where files were looked for.
std::shared_ptr<const ImageData> load_images(const Values& data);

// The given images of a split, in that order, as a split of their own.
ImageSplit subset(const ImageSplit& split, const std::vector<int32_t>& samples);

// How an image becomes an input: shift (crop of the padded image), mirror, then (value − mean) / deviation.
struct ImageInput {
  int64_t padding = 0;  // pixels of zeros (after normalisation) on each side that a training crop is drawn from
  bool flip = false;    // mirror a training image left to right with probability 1/2
  std::vector<double> mean, deviation;
};

// Images `samples` of a split as a model's input [B, C, H, W]. With a stream: training, everything random is drawn from it,
// one key an image, so the result does not depend on threads. Without: evaluation.
at::Tensor image_batch(const ImageSplit& split, const ImageShape& shape, const std::vector<int32_t>& samples,
                       const ImageInput& input, const Stream* augment);

// Rows of the table of data sets (src/data/catalog/data_catalog.cc).
std::vector<Entry> image_datasets();

}  // namespace tacet
