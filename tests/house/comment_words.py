#!/usr/bin/env python3
"""Counts the sentences of comments in src/ and include/ that begin as a noun clause ("Whether …", "What …", "Of the …"), and
fails above a share of 2 %.

    tests/house/comment_words.py [--root ROOT] [--list] [--limit PERCENT]

Prints the share of every folder; --list adds each such sentence with its place. A comment is a run of // lines, or what
follows code on a line and the lines below that go on in the same column. A sentence ends with . ! or ? before a capital.
Exit code: 0 within the limit, 1 above it.
"""

import argparse
import collections
import pathlib
import re
import sys

NOUN_CLAUSE = re.compile(r"(of|what|whatever|whether|who|whoever|whom|whose|those|which|how|the same)\b(?!-)", re.I)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\"'‖$<η-ωΑ-Ω])")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)\'')


def comment_of(line):
    """The column and the text of the line's // comment, and whether code stands before it; None where there is none."""
    blank = STRING.sub(lambda m: "_" * len(m.group()), line)
    at = blank.find("//")
    return None if at < 0 else (at, line[at:].lstrip("/").strip(), bool(blank[:at].strip()))


def comments(path):
    """(line, text) of every comment of the file."""
    found, column, open_raw = [], None, False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if open_raw or 'R"' in line:  # a raw string holds no comments
            open_raw = not line.rstrip().endswith((')"', ')",', ')";', ')"),', ')");')) if open_raw or 'R"(' in line else False
            column = None
            continue
        comment = comment_of(line)
        if comment is None:
            column = None
            continue
        at, text, after_code = comment
        if column == at and not after_code and text and not text.startswith(("----", "clang-format", "NOLINT")):
            found[-1][1] += " " + text
        else:
            found.append([number, text])
        column = at if text else None
    return found


def sentences(text):
    return [s for s in SENTENCE_END.split(text) if re.search(r"\w", s)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[2])
    parser.add_argument("--list", action="store_true", help="print each sentence that begins as a noun clause")
    parser.add_argument("--limit", type=float, default=2.0, help="percent (default: %(default)s)")
    options = parser.parse_args()
    total, hits = collections.Counter(), collections.Counter()
    for top in ("src", "include"):
        for path in sorted((options.root / top).rglob("*")):
            if path.suffix not in (".cc", ".h"):
                continue
            folder = "/".join(path.relative_to(options.root).parts[:2])
            for line, text in comments(path):
                for sentence in sentences(text):
                    total[folder] += 1
                    if NOUN_CLAUSE.match(sentence):
                        hits[folder] += 1
                        if options.list:
                            print(f"{path.relative_to(options.root)}:{line}: {sentence}")
    for folder in sorted(total):
        print(f"{folder:16} {hits[folder]:4} of {total[folder]:4} sentences  {100 * hits[folder] / total[folder]:5.1f} %")
    share = 100 * hits.total() / max(1, total.total())
    print(f"{'all':16} {hits.total():4} of {total.total():4} sentences  {share:5.1f} %, at most {options.limit:g} % allowed")
    return 1 if share > options.limit or not total else 0


if __name__ == "__main__":
    sys.exit(main())
