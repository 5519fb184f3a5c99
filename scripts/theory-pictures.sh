#!/usr/bin/env bash
# Draws the pictures of docs/guide/theory.md: runs `tacet probe` on five networks and copies SVG files and their numbers.
#
#     scripts/theory-pictures.sh [--seconds S] [--out DIR] [--dry-run]
#
# S (default 900) is the time of each probe, DIR (default probes/theory) has a folder a probe. A probe that is there already is
# not run again. The pictures go to docs/guide/pictures. The machine should be otherwise idle. Data are looked for where
# `tacet train` looks; a data set that is missing ends the script.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=900 out=probes/theory dry=no missing=0
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --dry-run) dry=yes; shift ;;
    *) echo "theory-pictures: must be --seconds S, --out DIR or --dry-run, got $1" >&2; exit 2 ;;
  esac
done
tacet=build/release/tacet
pictures=docs/guide/pictures

# probe NAME "PICTURE ..." RECIPE [SETTING ...]
probe() {
  local name=$1 wanted=$2 recipe=$3; shift 3
  local command=("$tacet" probe "$recipe" --out "$out/$name" --seconds "$seconds" --points 60 --every 2 --units 1 --samples 100 --rounds 5)
  local setting
  for setting in "$@"; do command+=(--set "$setting"); done
  if [ "$dry" = yes ]; then echo "${command[*]}"; return; fi
  [ -e "$out/$name/probe.json" ] || "${command[@]}"
  mkdir -p "$pictures"
  local picture
  for picture in $wanted; do
    if [ ! -e "$out/$name/$picture.svg" ]; then echo "theory-pictures: $name has no $picture: give more --seconds" >&2; missing=1; continue; fi
    cp "$out/$name/$picture.svg" "$pictures/$name-$picture.svg"
    cp "$out/$name/$picture.picture.csv" "$pictures/$name-$picture.csv"
  done
}

# The LSTMs and the Transformer are as small as those of recipes/figures, so that a gradient costs a tenth of a second.
small_lstm=(model.embedding=128 model.hidden=128 data.batch_size=5 data.bptt=35)
probe awd-lstm-ptb "smoothness layers noise" recipes/celgc/ptb-awd-lstm-small.toml "${small_lstm[@]}" data.max_tokens=250000
probe awd-lstm-wikitext2 "smoothness layers noise" recipes/celgc/ptb-awd-lstm-small.toml "${small_lstm[@]}" data.name=wikitext-2 data.max_tokens=150000
probe transformer-wikitext2 "smoothness layers" recipes/sign-sgd/wikitext2-transformer.toml data.max_tokens=150000 \
  algorithm.eta=0.4 algorithm.gamma=0.1  # with the recipe's γ of 1.25 the first steps overshoot, which makes a line by itself
probe transformer-multi30k "smoothness layers" recipes/sign-sgd/multi30k-transformer-small.toml
probe resnet-cifar10 "smoothness noise" recipes/celgc/cifar10-resnet20-small.toml data.max_samples=6400 data.batch_size=32
exit "$missing"
