#!/usr/bin/env bash
# The main job on the embedded text: four workers train an LSTM language model with CELGC (local clipped steps, one message in four
# steps), then with naive parallel clipping (one message every step); then the table and the page that compare them.
# Complete on a bare Debian 12 or 13. Runs go to runs/demo-N, which is always new.
set -euo pipefail
cd "$(dirname "$0")"
scripts/install-packages.sh
scripts/build.sh release --target tacet
tacet=build/release/tacet

n=1
while [ -e "runs/demo-$n" ]; do n=$((n + 1)); done
runs=runs/demo-$n

echo "== CELGC: 4 workers, 4 local steps between two messages"
"$tacet" train recipes/demo/celgc.toml --workers 4 --out "$runs/celgc"
echo "== naive parallel clipping: 4 workers, a message every step"
"$tacet" train recipes/demo/naive-clip.toml --workers 4 --out "$runs/naive-clip"
echo
"$tacet" compare "$runs/celgc" "$runs/naive-clip"
"$tacet" report "$runs/celgc" "$runs/naive-clip" -o "$runs/report.html"
