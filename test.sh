#!/usr/bin/env bash
# Everything a change must pass: packages, build, all tests. Complete on a bare Debian 12 or 13. What tests leave out stands at the end.
set -euo pipefail
cd "$(dirname "$0")"
scripts/install-packages.sh --page-checks
scripts/build.sh release
code=0
ctest --test-dir build/release --output-on-failure --no-tests=error -j "$(nproc)" "$@" || code=$?
grep -hE 'skipped|left out|Skipped' -A1 build/release/Testing/Temporary/LastTest.log | grep -vE '^--$|tests? (ran|passed)|^\[' | sort -u | head -n 80 || true
exit $code
