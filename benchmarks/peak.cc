// Prints the machine's peak (peak.h) on one and two threads as one JSON line; null where the processor can't. No argument.
#include <cstdio>

#include "peak.h"

namespace {

void print(const char* key, double (*measure)(int), const char* end) {
  std::printf("\"%s\": [", key);
  for (int threads = 1; threads <= 2; ++threads) {
    const double value = measure(threads);
    value > 0 ? std::printf("%.1f", value) : std::printf("null");
    std::printf(threads == 1 ? ", " : "]%s", end);
  }
}

}  // namespace

int main() {
  std::printf("{");
  print("f32_gflops", peak::f32_gflops, ", ");
  print("bf16_gflops", peak::bf16_gflops, ", ");
  print("axpy_gbytes", peak::axpy_gbytes, "}\n");
}
