#!/usr/bin/env bash
# Says which C++ sources .clang-format would change, and ends with 1 if there are any. `--fix` changes them. Without clang-format 14
# (Debian 12's; another version may break lines elsewhere) it ends with 77, which CTest reads as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
clang_format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$clang_format" ] || ! "$clang_format" --version | grep -q 'version 14\.'; then
  echo "check-format: left out, there is no clang-format 14" >&2
  exit 77
fi
mode=(--dry-run -Werror)
[ "${1:-}" = "--fix" ] && mode=(-i)
folders=()
for folder in benchmarks examples include python src tests; do [ -d "$folder" ] && folders+=("$folder"); done
find "${folders[@]}" \( -name '*.cc' -o -name '*.h' \) -print0 | xargs -0 "$clang_format" "${mode[@]}"
