// See copied_images.h. Compiled with NDEBUG as libtorch is: without it, ATen/record_function.h declares one member more than
// the objects have that libtorch makes.
#include "support/copied_images.h"

#include <memory>
#include <mutex>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

namespace tacet::test {

std::vector<std::vector<int64_t>> copied_images(const std::function<void()>& step) {
  static std::mutex guard;
  static std::vector<std::vector<int64_t>> sizes;
  sizes.clear();
  const auto handle = at::addGlobalCallback(at::RecordFunctionCallback([](const at::RecordFunction& f) {
                                              if (std::string(f.name()) != "aten::clone")
                                                return std::unique_ptr<at::ObserverContext>();
                                              const at::Tensor& t = f.inputs().at(0).toTensor();
                                              const std::lock_guard lock(guard);
                                              if (t.dim() == 4) sizes.push_back(t.sizes().vec());
                                              return std::unique_ptr<at::ObserverContext>();
                                            })
                                                .needsInputs(true)
                                                .scopes({at::RecordScope::FUNCTION}));
  step();
  at::removeCallback(handle);
  return sizes;
}

}  // namespace tacet::test
