#!/usr/bin/env bash
# Checks that the code is what clang-format makes of it. Version 14, Debian 12's, decides: another one breaks lines elsewhere, so with
# another the check is skipped (exit code 77) and says so. To mend what it names: clang-format -i FILE
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
decides=14
formatter=$(command -v clang-format-$decides || command -v clang-format || true)
if [ -z "$formatter" ]; then
  echo "clang-format is not installed, so the format is not checked (Debian's package clang-format)"
  exit 77
fi
major=$("$formatter" --version | grep -oE 'version [0-9]+' | cut -d' ' -f2)
if [ "$major" != "$decides" ]; then
  echo "clang-format $decides decides and $major is installed, so the format is not checked"
  exit 77
fi
folders=()
for folder in src include tests benchmarks examples python; do [ ! -d "$folder" ] || folders+=("$folder"); done
find "${folders[@]}" \( -name '*.cc' -o -name '*.h' \) -print0 | xargs -0 "$formatter" --dry-run --Werror
echo "$(find "${folders[@]}" \( -name '*.cc' -o -name '*.h' \) | wc -l) files are as clang-format $decides makes them"
