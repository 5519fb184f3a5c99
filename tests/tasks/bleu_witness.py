"""An independent BLEU: the definition of mteval-v13a's tokens as regular expressions, Counter for the n-grams, and the
exponential smoothing of Chen and Cherry's method 3. Compared with tacet's on random lines of awkward characters.

usage: bleu_witness.py BLEU_LINES (the program made from bleu_lines.cc)"""

import math
import random
import re
import subprocess
import sys
from collections import Counter

# Each rule sets what it matches apart by spaces: a symbol; a point after, or before, what is no digit; a dash after a digit.
RULES = [
    (re.compile(r"([!-&(-+/:-@\[-`{-~ ])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
]
ENTITIES = [("<skipped>", ""), ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")]
PIECES = list("abcz0195.,,..--'\"&/()[]{}~ _ :;@%é\u00a0\u3000\u2003ß中") + ["&amp;", "&quot;", "&lt;", "<skipped>", " the ", " dog ", "1.5", "1,000"]


def tokens(line):
    for entity, text in ENTITIES:
        line = line.replace(entity, text)
    line = f" {line} "
    for rule, by in RULES:
        line = rule.sub(by, line)
    return line.split()


def grams(words, n):
    return Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))


def bleu(pairs):
    matches, total, ours, theirs = [0] * 4, [0] * 4, 0, 0
    for system, reference in pairs:
        ours += len(system)
        theirs += len(reference)
        for n in range(4):
            a, b = grams(system, n + 1), grams(reference, n + 1)
            matches[n] += sum((a & b).values())
            total[n] += sum(a.values())
    if not any(matches) or not all(total):
        return 0.0
    logs, smooth = 0.0, 1
    for m, t in zip(matches, total):
        if m == 0:
            smooth *= 2
        logs += math.log(100 * m / t if m else 100 / (smooth * t))
    return min(1.0, math.exp(1 - theirs / ours)) * math.exp(logs / 4)


def compare(program, lines):
    said = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True, timeout=60).stdout
    said = said.split("\n")
    for line, got in zip(lines, said):
        want = tokens(line)
        assert got.split("\t")[:-1] == want, f"{line!r}: {want} expected, got {got!r}"
    pairs = [(tokens(a), tokens(b)) for a, b in zip(lines[0::2], lines[1::2])]
    want, got = bleu(pairs), float(said[len(lines)])
    assert abs(want - got) < 1e-9 * max(1, want), f"BLEU {want} expected, got {got}"
    return want


def main():
    draw = random.Random(7)
    scores = []
    for length, count in [(25, 4000), (6, 4), (3, 2), (12, 20), (40, 600)]:
        lines = []
        for _ in range(count // 2):
            reference = [draw.choice(PIECES) for _ in range(draw.randint(0, length))]
            system = [p if draw.random() < 0.8 else draw.choice(PIECES) for p in reference[: draw.randint(0, length)]]
            lines += ["".join(system), "".join(reference)]
        scores.append(compare(sys.argv[1], lines))
    assert max(scores) > 20, scores  # something was there to compare
    print("equal on", len(scores), "texts; BLEU", " ".join(f"{s:.2f}" for s in scores))


if __name__ == "__main__":
    main()
