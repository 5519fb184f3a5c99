"""Writes tables as other programs write them, for tables_test.cc: random fields through Python's csv in the ways that its dialects
allow, and through pandas where it is installed.

    write_tables.py FOLDER SEED

Beside every table stands the same name with .want: a record a line, its fields in hexadecimal, each with a "." in front. Prints "pandas" or "no
pandas".
"""

import csv
import pathlib
import random
import sys

CHARACTERS = ["a", "b", " ", ",", "\t", '"', '""', "'", ";", "\n", "\r\n", "é", "東", "\u2028", "x" * 300]


def field(draw, breaks):
    characters = CHARACTERS + ["\r"] * breaks
    return "".join(draw.choice(characters) for _ in range(draw.randrange(7)))


def table(draw, breaks):
    """A header and 40 rows of 2 to 5 fields. The last row can't be read without quoting: it has a tab too many on a line."""
    width = draw.randrange(2, 6)
    rows = [["title %d" % k for k in range(width)]] + [[field(draw, breaks) for _ in range(width)] for _ in range(40)]
    return rows + [["\t" * width + "\n"] * width]


def keep_wanted(folder, name, rows):
    text = "".join(" ".join("." + f.encode().hex() for f in row) + "\n" for row in rows)
    (folder / (name + ".want")).write_text(text, encoding="utf-8")


def main():
    folder, draw = pathlib.Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    for end, separator in (("csv", ","), ("tsv", "\t")):
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
            for k, line_end in enumerate(("\n", "\r\n", "\r")):
                # Until 3.13 csv quotes no \r or \n that is not in its own line end.
                quotes_all = quoting != csv.QUOTE_MINIMAL
                rows = table(draw, breaks=quotes_all or line_end == "\r\n")
                if line_end == "\r" and not quotes_all:
                    rows = [[f.replace("\n", "\r") for f in row] for row in rows]
                name = "python-%d-%d.%s" % (quoting, k, end)
                with open(folder / name, "w", encoding="utf-8", newline="") as f:
                    csv.writer(f, delimiter=separator, quoting=quoting, lineterminator=line_end).writerows(rows)
                keep_wanted(folder, name, rows)
    try:
        import pandas
    except ImportError:
        print("no pandas")
        return
    for end, separator in (("csv", ","), ("tsv", "\t")):
        rows = table(draw, breaks=False)
        pandas.DataFrame(rows[1:], columns=rows[0]).to_csv(folder / ("pandas." + end), sep=separator, index=False)
        keep_wanted(folder, "pandas." + end, rows)
    print("pandas")


if __name__ == "__main__":
    main()
