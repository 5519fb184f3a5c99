#!/usr/bin/env python3
"""Reads the #include lines of src/ and include/, prints which room uses which, and fails at an arrow that points up or sideways.

    tests/house/include_graph.py [ROOT]

FLOORS lists the rooms from the ground up: a room may include its own files and those of the floors below, nothing else. A
public header belongs to the room that HEADERS names, or to the ground. c10d stays in src/comm and TOML in src/recipe.
Exit code: 0 when every arrow points down, 1 when one does not.
"""

import collections
import pathlib
import re
import sys

FLOORS = [["base"], ["engine", "machine"], ["algorithms", "problems", "comm", "data", "kernels"], ["models", "analysis"], ["recipe"], ["tasks"],
          ["train"], ["launch", "report"], ["sweep"], ["figure"], ["cli"]]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Public headers that declare what a room above the engine does. The others may be included from everywhere.
HEADERS = {"flat_module.h": "models", "recipe.h": "recipe", "task.h": "tasks", "train.h": "train", "command.h": "cli"}
# What only one room may know: a pattern of code or of an included file.
ONLY_IN = {"c10d": ("comm", re.compile(r"#include.*\bc10d/|\bc10d::")), "TOML": ("recipe", re.compile(r"#include.*\btoml\+\+|\btoml::"))}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


def sources(root):
    for folder in ("src", "include"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".inc", ".in"):
                yield path


def room_of(path, root):
    """The room of a file: its folder below src/, or what HEADERS says of a public header; None for the other public ones."""
    parts = path.relative_to(root).parts
    return parts[1] if parts[0] == "src" else HEADERS.get(parts[-1])


def target_of(name):
    """The room of an included file; None where it is no room's."""
    first, _, rest = name.partition("/")
    return HEADERS.get(rest) if first == "tacet" else first if first in FLOOR_OF else None


def complaints_and_graph(root):
    said, graph = [], collections.defaultdict(collections.Counter)
    for path in sources(root):
        room, place = room_of(path, root), path.relative_to(root)
        if room is not None and room not in FLOOR_OF:
            said.append(f"{place}:1: src/{room} must be one of the rooms {', '.join(FLOOR_OF)}, or be added to FLOORS")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            code = line.split("//")[0] if not INCLUDE.match(line) else line
            for what, (owner, pattern) in ONLY_IN.items():
                if pattern.search(code) and room != owner:
                    said.append(f"{place}:{number}: {what} must stay in src/{owner}")
            found = INCLUDE.match(line)
            target = target_of(found.group(1)) if found else None
            if target is None or target == room:
                continue
            if room is None:
                said.append(f"{place}:{number}: a public header must include public headers only, got {found.group(1)}")
                continue
            graph[room][target] += 1
            if FLOOR_OF[target] >= FLOOR_OF[room]:
                below = ", ".join(r for r in FLOOR_OF if FLOOR_OF[r] < FLOOR_OF[room]) or "nothing"
                said.append(f"{place}:{number}: {room} must include files of {below} only, got {found.group(1)}, which is {target}'s")
    return said, graph


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    said, graph = complaints_and_graph(root)
    for room in FLOOR_OF:
        if graph[room]:
            arrows = sorted(graph[room].items(), key=lambda arrow: FLOOR_OF[arrow[0]])
            print(f"{room:10} -> " + ", ".join(f"{target} {count}" for target, count in arrows))
    if not graph:
        said.append(f"{root}: no include of one room by another was found, so nothing was checked")
    print("\n".join(said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
