#!/usr/bin/env python3
"""Compiles every public header by itself: a program that includes it first must get by with include/, the standard library and torch.

    tests/house/public_headers.py [ROOT] -- COMPILER [FLAG …]

COMPILER and its flags say how a user's program is compiled; the header's path is added as <tacet/NAME>. Behind ccache a
header that did not change costs nothing. Exit code: 0 when all compile, 1 when one does not.
"""

import pathlib
import subprocess
import sys
import tempfile
import time


def main():
    split = sys.argv.index("--")
    root = pathlib.Path(sys.argv[1] if split > 1 else pathlib.Path(__file__).parents[2]).resolve()
    command = sys.argv[split + 1:]
    headers = sorted((root / "include").rglob("*.h"))
    failed = not headers
    with tempfile.TemporaryDirectory() as folder:
        for header in headers:
            name = header.relative_to(root / "include")
            # The same path each time, so that ccache knows it again.
            source = pathlib.Path(folder) / "first.cc"
            source.write_text(f"#include <{name}>\n", encoding="utf-8")
            begin = time.monotonic()
            done = subprocess.run([*command, "-std=c++20", "-I", root / "include", "-c", source.name, "-o", "first.o"], cwd=folder,
                                  capture_output=True, text=True, timeout=250)
            print(f"{name}: {'compiles alone' if done.returncode == 0 else 'does not compile alone'}, {time.monotonic() - begin:.1f} s",
                  flush=True)
            if done.returncode != 0:
                failed = True
                print("\n".join(done.stderr.splitlines()[:12]))
    if not headers:
        print(f"no header below {root}/include, so nothing was checked")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
