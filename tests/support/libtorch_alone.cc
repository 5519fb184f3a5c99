// Keeps libtorch from oneDNN in a test program, so that the naive twins are independent of the library under test. Without
// AVX-512, oneDNN 2.6 writes past the scratchpad that libtorch gives it for strided 1 × 1 convolutions, which ends a test
// with a corrupted heap. tacet's own calls of oneDNN are not affected.
#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace {

struct LibtorchAlone : testing::Environment {
  void SetUp() override { at::globalContext().setUserEnabledMkldnn(false); }
};

// GoogleTest owns it.
[[maybe_unused]] const testing::Environment* const alone = testing::AddGlobalTestEnvironment(new LibtorchAlone);

}  // namespace
