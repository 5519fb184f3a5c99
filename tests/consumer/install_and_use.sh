#!/usr/bin/env bash
# install_and_use.sh BUILD SOURCE: installs the build into a temporary prefix, builds the consumer project against it and runs it;
# then runs the installed command.
set -euo pipefail
build=$1 source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cmake --install "$build" --prefix "$place/prefix" >"$place/log" || { cat "$place/log"; exit 1; }
cmake -S "$source/tests/consumer" -B "$place/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$place/prefix" >"$place/log" 2>&1 ||
  { cat "$place/log"; exit 1; }
cmake --build "$place/build"
"$place/build/consumer"
"$place/prefix/bin/tacet" algorithms >"$place/algorithms"
grep -q celgc "$place/algorithms"
[ -f "$place/prefix/share/tacet/recipes/demo/celgc.toml" ]
echo "installed, found by find_package, built and run"
