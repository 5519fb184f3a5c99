// Labelled images (or any vectors) in arrays that other programs wrote: safetensors or NumPy's .npy files.
#pragma once

#include "data/images/images.h"

namespace tacet {

// Data set "arrays": train.safetensors and test.safetensors with tensors images, labels and perhaps users; or
// train_images.npy, train_labels.npy (train_users.npy) and the same for test. Images are [n, C, H, W], [n, H, W] or [n,
// features]; bytes count as 0 … 255 of 1, other numbers are taken as they are. Labels and users are whole numbers ≥ 0.
ImageData load_arrays(const Values& data);

}  // namespace tacet
