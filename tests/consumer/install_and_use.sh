#!/usr/bin/env bash
# install_and_use.sh BUILD SOURCE: installs the build into a temporary prefix, builds main.cc and the programs of examples/ against it,
# runs main and lets test_examples.py run the others; then runs the installed command.
set -euo pipefail
build=$1 source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
quietly() { "$@" >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }; }
quietly cmake --install "$build" --prefix "$place/prefix"

# Libraries beside the programs on the PATH, as conda has them, are not for tacet.
mkdir -p "$place/conda/bin" "$place/conda/lib/cmake/fmt"
echo 'message(FATAL_ERROR "a library of the PATH was taken")' >"$place/conda/lib/cmake/fmt/fmt-config.cmake"
export PATH="$place/conda/bin:$PATH"

# build_with SOURCE BUILD
build_with() {
  quietly cmake -S "$1" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
    -DCMAKE_PREFIX_PATH="$place/prefix"
  cmake --build "$2"
}
build_with "$source/tests/consumer" "$place/build"

# Nor are the headers of another torch than the one that tacet was built with.
torch="$place/torch"
mkdir -p "$torch/include/ATen" "$torch/include/torch/csrc/api/include/torch" "$torch/lib"
touch "$torch/include/ATen/ATen.h" "$torch/include/torch/csrc/api/include/torch/torch.h" "$torch/lib/libtorch_cpu.so" "$torch/lib/libc10.so"
printf '#define TORCH_VERSION_%s 9\n' MAJOR MINOR PATCH >"$torch/include/torch/csrc/api/include/torch/version.h"
if cmake -S "$source/tests/consumer" -B "$place/other" -G Ninja -DCMAKE_PREFIX_PATH="$torch;$place/prefix" >"$place/log" 2>&1; then
  echo "a torch 9.9.9 was taken"
  exit 1
fi
tr -s '\n ' ' ' <"$place/log" | grep -q 'unsuitable version "9.9.9"' || { cat "$place/log"; exit 1; }

build_with "$source/examples" "$place/examples"

"$place/build/main"
TACET_EXAMPLES="$place/examples" TACET_COMMAND="$place/prefix/bin/tacet" python3 -B "$source/tests/consumer/test_examples.py"

"$place/prefix/bin/tacet" algorithms >"$place/algorithms"
grep -q celgc "$place/algorithms"
[ -f "$place/prefix/share/tacet/recipes/demo/celgc.toml" ]
echo "installed, found by find_package, built and run"
