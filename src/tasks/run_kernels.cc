// See run_kernels.h.
#include "tasks/run_kernels.h"

#include "kernels/product/product.h"

namespace tacet {

KernelReport check_kernels(const Objective& objective, const Recipe& recipe) {
  std::vector<std::vector<int64_t>> shapes;
  for (const Layer& layer : objective.layers()) shapes.push_back(layer.shape);
  const bool bf16 = bf16_products() && recipe.run.text("dtype") == "bf16";
  return check_kernels(shapes, bf16 ? Precision::bf16 : Precision::f32);
}

}  // namespace tacet
