// From an image data set to a model's inputs: the keys that all image data sets share, what is held out, augmentation and
// normalisation. Batches and clients are not here (client_batches.h), nor is the reading of each format (mnist.cc, …).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/clients/partition.h"
#include "data/record/data_record.h"
#include "tacet/image_data.h"
#include "tacet/options.h"
#include "tacet/random.h"

namespace tacet {

// The keys that all image data sets share.
struct ImageOptions {
  int64_t batch_size = 64, eval_batch = 250;
  int64_t crop_padding = 0;
  bool flip = false;
  std::optional<Numbers> mean = {}, deviation = {};
  int64_t valid = 0, max_samples = 0;
  PartitionOptions partition = {};

  // Binds them; the defaults are the members' values. `users` tells whether the images have users.
  void options(OptionList& o, bool users);
};
// Returns what the checked keys of [data] say.
ImageOptions image_options(const Values& data);

// Reads the data set that [data] names, holds out data.valid images and puts data.mean and data.deviation in place. Throws
// UserError naming the file, or every place where files were looked for.
// With a record, its mean and deviation are taken, and classes are numbered as it says.
std::shared_ptr<const ImageData> load_images(const Values& data, const std::optional<DataRecord>& record = {});
// Returns the record of images as they were read.
DataRecord data_record(const ImageData& set, const std::string& dataset);

// Appends mean and deviation of each channel of images [n, C, H, W] or [n, H, W], bytes or float32, as add_channel() does.
// Bytes count as 0 … 255 of 1. A variance is the sum of squares over the number of values less `fewer`. Sums run in one
// order, so that the figures are the same on every processor, and need no copy of the images.
// REQUIRES: images are contiguous.
void add_channels(ImageData& set, const at::Tensor& images, int64_t fewer = 0);

// Returns the given images of a split, in that order, as a split of their own.
ImageSplit subset(const ImageSplit& split, const std::vector<int32_t>& samples);

// The way from an image to an input: shift (crop of the padded image), mirror, then (value − mean) / deviation.
struct ImageInput {
  int64_t padding = 0;  // pixels of zeros (after normalisation) on each side that a training crop is drawn from
  bool flip = false;    // mirror a training image left to right with probability 1/2
  std::vector<double> mean, deviation;
};

// Returns images `samples` of a split as a model's input [B, C, H, W]. With a stream they are for training: everything
// random is drawn from it, one key an image, so the result does not depend on threads. Without one they are for an
// evaluation.
at::Tensor image_batch(const ImageSplit& split, const ImageShape& shape, const std::vector<int32_t>& samples,
                       const ImageInput& input, const Stream* augment);

}  // namespace tacet
