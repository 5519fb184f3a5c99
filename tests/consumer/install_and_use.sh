#!/usr/bin/env bash
# install_and_use.sh BUILD SOURCE: installs the build into a temporary prefix, builds main.cc and the programs of examples/ against it,
# runs main and lets test_examples.py run the others; then runs the installed command.
set -euo pipefail
build=$1 source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
quietly() { "$@" >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }; }
quietly cmake --install "$build" --prefix "$place/prefix"

# build_with SOURCE BUILD
build_with() {
  quietly cmake -S "$1" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
    -DCMAKE_PREFIX_PATH="$place/prefix"
  cmake --build "$2"
}
build_with "$source/tests/consumer" "$place/build"
build_with "$source/examples" "$place/examples"

"$place/build/main"
TACET_EXAMPLES="$place/examples" TACET_COMMAND="$place/prefix/bin/tacet" python3 -B "$source/tests/consumer/test_examples.py"

"$place/prefix/bin/tacet" algorithms >"$place/algorithms"
grep -q celgc "$place/algorithms"
[ -f "$place/prefix/share/tacet/recipes/demo/celgc.toml" ]
echo "installed, found by find_package, built and run"
