#!/usr/bin/env python3
"""Fails where a file of src/ has more than 450 lines, a class or struct of src/ or include/ more than 350, two files of src/
have one name, or two classes do outside of unnamed namespaces, which the linker would take for one. Prints the longest of each.

    tests/house/sizes.py [ROOT]

A class counts from its opening line to the line of its closing brace, which clang-format puts under the opening line's first
letter, and its members that are defined outside of it (`Name::member(…) {`) count as well, those of every file.
CMakeLists.txt may repeat its name. Exit code: 0 when all is within the limits, 1 otherwise.
"""

import collections
import pathlib
import re
import sys

FILE_LINES, CLASS_LINES = 450, 350
OPENING = re.compile(r"^(\s*)(?:template <.*> )?(?:class|struct) ([A-Za-z_]\w*)(?: final)?(?: :[^;{]*)? \{$")
MEMBER = re.compile(r"^(\s*)[^\s/#].*?\b([A-Z]\w*)::~?\w+\(.*")


def length(lines, start, indent):
    """How many lines there are up to the closing brace at this indent."""
    for end in range(start + 1, len(lines)):
        if re.match(rf"{indent}}}", lines[end]):
            return end - start + 1
    return len(lines) - start


def classes(files):
    """Lines by class, and the place of each class's opening line."""
    size, place, outside = collections.Counter(), {}, collections.Counter()
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            opening = OPENING.match(line)
            if opening:
                indent, name = opening.groups()
                own = length(lines, number, indent)
                if own > size[name]:
                    size[name], place[name] = own, f"{path}:{number + 1}"
                continue
            member = MEMBER.match(line)
            if member and not member.group(1):
                end = next((k for k in range(number, len(lines)) if re.search(r"[;{}]$", lines[k])), number)
                if lines[end].endswith("{"):
                    outside[member.group(2)] += length(lines, number, "")
                elif lines[end].endswith("}"):
                    outside[member.group(2)] += end - number + 1
    return {name: (size[name] + outside[name], place[name]) for name in size}


def open_classes(path):
    """Names of a file's classes and structs that other files can see: neither nested nor in an unnamed namespace."""
    hidden, found = False, set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"namespace \{", line):
            hidden = True
        elif re.match(r"\}\s*// namespace$", line):
            hidden = False
        opening = OPENING.match(line)
        if opening and not opening.group(1) and not hidden:
            found.add(opening.group(2))
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    code = [p for folder in ("src", "include") for p in sorted((root / folder).rglob("*")) if p.suffix in (".cc", ".h")]
    in_src = [p for p in sorted((root / "src").rglob("*")) if p.is_file() and p.name != "CMakeLists.txt"]
    said = []
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in code}
    longest = sorted((p for p in code if p.is_relative_to(root / "src")), key=lambda p: -lines[p])
    print("longest files:   " + ", ".join(f"{p.relative_to(root)} {lines[p]}" for p in longest[:3]))
    said += [f"{p}:1: a file must have at most {FILE_LINES} lines, got {lines[p]}" for p in longest if lines[p] > FILE_LINES]
    of = sorted(classes(code).items(), key=lambda item: -item[1][0])
    print("longest classes: " + ", ".join(f"{name} {count}" for name, (count, _) in of[:3]))
    said += [f"{at}: a class must have at most {CLASS_LINES} lines with its members, got {count} of {name}"
             for name, (count, at) in of if count > CLASS_LINES]
    by_name = collections.defaultdict(list)
    for p in in_src:
        by_name[p.name].append(str(p.relative_to(root)))
    said += [f"{places[1]}:1: no two files of src may have one name, got {', '.join(places)}"
             for places in by_name.values() if len(places) > 1]
    of_class = collections.defaultdict(list)
    for p in code:
        for name in open_classes(p):
            of_class[name].append(str(p.relative_to(root)))
    said += [f"{places[1]}:1: no two classes may have one name outside of unnamed namespaces, got {name} in {', '.join(places)}"
             for name, places in of_class.items() if len(places) > 1]
    if not code:
        said.append(f"{root}: no source file was found, so nothing was checked")
    print("\n".join(said).replace(f"{root}/", ""))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
