#!/usr/bin/env bash
# Installs what tacet needs to build, run and test on Debian 12, 13 and testing, if it is missing. Uses sudo when not root. Needs no
# network when everything is there. A package that the release lacks is named before anything is installed, with exit code 2.
# docs/dependencies.md says what each package is for.
#
# scripts/install-packages.sh [--page-checks] [--list]     --list prints the names that this release has them under, and installs nothing
set -euo pipefail

# Where releases differ, the names are separated by |, and the first one that the release has is taken.
packages=(
  g++ cmake ninja-build ccache git dpkg-dev file
  libtorch-dev libgloo-dev libdnnl-dev libopenblas0-openmp
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libssl-dev liblzma-dev zlib1g-dev libturbojpeg0-dev libpng-dev libwebp-dev libtiff-dev libgif-dev libprotobuf-dev protobuf-compiler
  libcurl4-openssl-dev libarchive-dev libcpp-httplib-dev
  sentencepiece
  libgtest-dev librapidcheck-dev libbenchmark-dev
  python3-torch python3-dev pybind11-dev python3-mypy nodejs
  iproute2
  openmpi-bin mpich
  clang 'libclang-rt-dev|libclang-rt-14-dev' clang-format
  dataset-fashion-mnist
)
list=no
for option in "$@"; do
  case $option in
    --page-checks) packages+=(chromium) ;;  # only to check the report page; a test that lacks it says so
    --list) list=yes ;;
    *) echo "install-packages: an option must be --page-checks or --list, got $option" >&2; exit 2 ;;
  esac
done

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
known() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }
release() { (. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-this system}"); }

missing=()
for names in "${packages[@]}"; do
  there=no
  for name in ${names//|/ }; do installed "$name" && there=yes; done
  # Any Node.js on the PATH will do.
  [ "$names" = nodejs ] && command -v node >/dev/null 2>&1 && there=yes
  [ $there = yes ] || missing+=("$names")
done
[ ${#missing[@]} -eq 0 ] && [ $list = no ] && exit 0

# The release's own names, and what it has under none.
named() {
  local names name
  for names in "$@"; do
    for name in ${names//|/ }; do known "$name" && { echo "$name"; continue 2; }; done
    echo "install-packages: $(release) has no package ${names//|/ or }; docs/dependencies.md says what it is for" >&2
    lacking=yes
  done
}
lacking=no
if [ $list = yes ]; then
  named "${packages[@]}"
  [ $lacking = no ] || exit 2
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-packages: these packages are missing and there is no sudo: ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
named "${missing[@]}" >/dev/null
[ $lacking = no ] || exit 2
mapfile -t found < <(named "${missing[@]}")
echo "Installing ${found[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${found[@]}" >/dev/null
