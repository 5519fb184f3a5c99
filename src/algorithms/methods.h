// One declaration for each method's file, for table.cc. The methods themselves are private to their files.
#pragma once

#include <memory>

#include "tacet/algorithm.h"

namespace tacet {

std::unique_ptr<Algorithm> make_celgc(const Values& options);
std::unique_ptr<Algorithm> make_fedavg(const Values& options);
std::unique_ptr<Algorithm> make_naive_clip(const Values& options);
std::unique_ptr<Algorithm> make_sgd_clip(const Values& options);

}  // namespace tacet
