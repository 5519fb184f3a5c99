#!/usr/bin/env bash
# install_and_use.sh BUILD SOURCE: installs the build into a temporary prefix, builds main.cc and every examples/*.cc against it and runs
# each; then runs the installed command. An example is run without arguments and must end with 0 within a minute, unless there is
# checks/NAME.sh: that is called with the program, its source's folder and the installed command, in an empty folder, and must end with 0.
set -euo pipefail
build=$1 source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
quietly() { "$@" >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }; }
quietly cmake --install "$build" --prefix "$place/prefix"

# build_with SOURCE BUILD [ARGUMENT …]
build_with() {
  quietly cmake -S "$1" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
    -DCMAKE_PREFIX_PATH="$place/prefix" "${@:3}"
  cmake --build "$2"
}

# run_program NAME PROGRAM
run_program() {
  local check="$source/tests/consumer/checks/$1.sh"
  mkdir "$place/run-$1"
  cd "$place/run-$1"
  if [ -f "$check" ]; then
    timeout 120 bash "$check" "$2" "$source/examples" "$place/prefix/bin/tacet" || { echo "$1: $check ended with $?"; exit 1; }
  else
    timeout 60 "$2" || { echo "$1 ended with $?"; exit 1; }
  fi
  cd "$source"
}

# Examples with a CMakeLists.txt of their own are built by it, as their readers will.
examples=("$source"/examples/*.cc)
[ -f "${examples[0]}" ] || { examples=(); echo "there are no examples: main.cc alone is built"; }
if [ -f "$source/examples/CMakeLists.txt" ]; then
  build_with "$source/examples" "$place/examples"
  build_with "$source/tests/consumer" "$place/build"
  folder=$place/examples
else
  build_with "$source/tests/consumer" "$place/build" -DEXAMPLES="$source/examples"
  folder=$place/build
fi
run_program main "$place/build/main"
for example in "${examples[@]}"; do
  name=$(basename "$example" .cc)
  run_program "$name" "$folder/$name"
  echo "$name: built against the installation and run"
done

"$place/prefix/bin/tacet" algorithms >"$place/algorithms"
grep -q celgc "$place/algorithms"
[ -f "$place/prefix/share/tacet/recipes/demo/celgc.toml" ]
echo "installed, found by find_package, built and run"
