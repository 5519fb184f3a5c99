#!/usr/bin/env python3
"""Looks whether a compiler has vectorised the loops whose speed depends on it: those that cells.cc and others compile once more for AVX-512
as wide<...>. A compiler that leaves one scalar says nothing, and changes no value; g++ 14 did so and cost a language model's step a
tenth.

    vectorised.py LIBRARY

Prints a line for each function and exits with 1 if one of them multiplies single numbers more often than 16 at once.
"""

import re
import subprocess
import sys


def functions(library):
    """The instructions of each function of the library that is named wide<...>."""
    listing = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", library], capture_output=True, text=True, check=True, timeout=100)
    name, found = None, {}
    for line in listing.stdout.splitlines():
        head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if head:
            name = head[1] if re.search(r"\bwide<", head[1]) else None
        elif name and "\t" in line:
            found.setdefault(name, []).append(line.split("\t", 1)[1])
    return found


def main():
    found = functions(sys.argv[1])
    if not found:
        sys.exit("no function wide<...> is in " + sys.argv[1])
    scalar = 0
    for name, lines in sorted(found.items()):
        packed = sum("zmm" in line and line.startswith(("vmulps", "vfm", "vfnm")) for line in lines)
        single = sum(line.startswith(("vmulss", "vfmadd")) and "ss " in line for line in lines)
        cell = re.search(r"wide<(?:[\w ()]*::)*(\w+)", name)
        print(f"{cell[1] if cell else name}: {packed} products of 16 numbers, {single} of one")
        scalar += packed < single
    if scalar:
        sys.exit(f"{scalar} loops are not vectorised")


if __name__ == "__main__":
    main()
