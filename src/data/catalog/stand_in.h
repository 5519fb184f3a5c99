// Files that stand in for a data set that is not here: of its format, image size, number of classes and vocabulary, with
// meaningless content. A dry run builds the real model on them; nobody trains on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tacet/options.h"

namespace tacet {

// The facts about a data set that are known without its files.
struct KnownSize {
  int64_t training = 0;  // tokens, images, pairs or texts of the training set
  std::string unit;
};

// Returns them, or nothing where the data are the user's own: another data set, or other files of a known one.
std::optional<KnownSize> known_size(const Values& data);

// Writes the stand-in of the data set that data.name names into `folder`, which exists and is empty, and returns the keys of
// [data] that read it. Each of `clients` clients gets a few samples, and the part of the images that data.valid holds out is
// that of the real set. There are never more samples than the real set has, nor more than 60,000 pictures of Tiny ImageNet
// and ImageNet, so that more clients than these are refused. Sentences have the average length of the real ones, or
// data.max_length of a translation; word vectors, where data.vectors asks for them, are `vector_width` wide.
// known_size(data) must be something. Throws UserError when a file can't be written.
Values write_stand_in(const Values& data, int clients, int64_t vector_width, const std::string& folder);

}  // namespace tacet
