#!/usr/bin/env bash
# Configures and builds a preset (default: release) into build/PRESET, and says what the configuration leaves out. A folder that was
# configured in another place, as a copied checkout's, is configured anew.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
folder=build/$preset
home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt" 2>/dev/null || true)
[ -z "$home" ] || [ "$home" -ef "$PWD" ] || rm -rf "$folder"
if [ ! -f "$folder/build.ninja" ]; then
  said=$(mktemp)
  trap 'rm -f "$said"' EXIT
  cmake --preset "$preset" >"$said" 2>&1 || { cat "$said" >&2; exit 1; }
  grep -E 'left out|missing|not checked|not compared|needs' "$said" >&2 || true
fi
cmake --build "$folder" "${@:2}"
