#!/usr/bin/env bash
# Everything a change must pass: packages, build, all tests. Complete on a bare Debian 12 or 13.
set -euo pipefail
cd "$(dirname "$0")"
scripts/install-packages.sh --page-checks
scripts/build.sh release
ctest --test-dir build/release --output-on-failure -j "$(nproc)" "$@"
