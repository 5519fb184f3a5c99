#!/usr/bin/env bash
# Configures and builds a preset (default: release) into build/PRESET.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >"/tmp/tacet-configure.$$" 2>&1 || { cat "/tmp/tacet-configure.$$" >&2; rm -f "/tmp/tacet-configure.$$"; exit 1; }
rm -f "/tmp/tacet-configure.$$"
cmake --build "build/$preset" "${@:2}"
