#!/usr/bin/env bash
# Installs what tacet needs to build, run and test on Debian 12, if it is missing. Uses sudo when not root. Needs no network when
# everything is there. docs/dependencies.md says what each package is for.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache dpkg-dev file
  libtorch-dev libgloo-dev libdnnl-dev libopenblas0-openmp
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libssl-dev liblzma-dev zlib1g-dev libturbojpeg0-dev libpng-dev libwebp-dev libtiff-dev libgif-dev libprotobuf-dev protobuf-compiler
  libcurl4-openssl-dev libarchive-dev
  sentencepiece
  libgtest-dev librapidcheck-dev libbenchmark-dev
  python3-torch python3-dev pybind11-dev nodejs
  iproute2
  openmpi-bin mpich
  clang libclang-rt-14-dev clang-format
  dataset-fashion-mnist
)
# Chromium is only used to check the report page; a test that lacks it says so.
[ "${1:-}" = "--page-checks" ] && packages+=(chromium)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
# Any Node.js on the PATH will do.
if command -v node >/dev/null 2>&1; then missing=("${missing[@]/#nodejs/}"); fi
missing=(${missing[@]})
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-packages: these packages are missing and there is no sudo: ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
