#!/bin/sh
# Whole steps of tacet and of plain PyTorch scripts, measured in turn on this machine: `compare.sh --help`. Needs a built tacet
# (TACET_COMMAND, else build/release/tacet), a C++ compiler and Debian's python3-torch. docs/reference/performance.md tells the method.
here=$(dirname "$(readlink -f "$0")")
exec "${TACET_PYTHON:-/usr/bin/python3}" -B "$here/compare.py" "$@"
