#!/usr/bin/env python3
"""Writes docs/reference/python.md from the docstrings of the package, which must be importable.

    scripts/python-reference.py [--check]

--check compares instead, and ends with exit code 1 where the page is not what would be written."""

import inspect
import pathlib
import sys

import tacet

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "reference" / "python.md"
BEGIN = """# Python reference

This page is generated from the docstrings of the package `tacet` by `scripts/python-reference.py`. [The guide](../guide/python.md) shows how to use it.
"""
NAMES = [("tacet", ["train", "read_run", "Run", "read_checkpoint", "Checkpoint", "compare", "report", "algorithms", "LocalSteps",
                    "UserError", "PeerLost"]),
         ("tacet.optim", ["Local", "CELGC", "Episode", "EpisodePP", "FedAvg", "FedLamb", "NaiveClip", "Scaffold"])]


def signature(thing):
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    shown = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values() if p.name != "self"]
    return str(found.replace(parameters=shown, return_annotation=inspect.Signature.empty))


def entry(place, thing, level):
    text = inspect.cleandoc(thing.__doc__ or "")
    return "%s %s\n\n```text\n%s%s\n\n%s\n```\n" % ("#" * level, place, place, signature(thing), text)


def members(place, thing):
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and callable(function) and function.__doc__:
            yield entry(place + "." + name, function, 4) if not isinstance(member, property) else \
                "#### %s\n\n```text\n%s\n```\n" % (place + "." + name, inspect.cleandoc(function.__doc__))


def page():
    parts = [BEGIN]
    for module, names in NAMES:
        parts.append("## %s\n" % module)
        home = tacet if module == "tacet" else tacet.optim
        for name in names:
            thing = getattr(home, name)
            parts.append(entry(module + "." + name, thing, 3))
            if inspect.isclass(thing) and not issubclass(thing, Exception):
                parts += members(name, thing)
    return "\n".join(parts)


def main():
    made = page()
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == made
    print("docs/reference/python.md %s" % ("is what the docstrings say" if same else "is not what scripts/python-reference.py writes"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
