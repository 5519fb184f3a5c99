"""Compares docs/coverage.md with the tree: each recipe and test that it names is there, each recipe of a paper is named, and the
totals are those of its rows."""

import collections
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text()
ROWS = re.findall(r"^\| (?!-|what |key )(.*) \|$", PAGE.split("\n## ", 1)[1], re.M)
TEST = r"`([A-Z]\w+\.[A-Z]\w+)`"  # Suite.Name


def tests():
    """Returns "Suite.Name" of every test of the sources."""
    found = set()
    for path in (ROOT / "tests").glob("**/*.cc"):
        for suite, name in re.findall(r"^(?:TEST|TEST_F|TEST_P)\((\w+), (\w+)\)", path.read_text(), re.M):
            found.add(f"{suite}.{name}")
    return found


class Coverage(unittest.TestCase):
    def test_each_test_that_is_named_is_there(self):
        named, there = set(re.findall(TEST, PAGE)), tests()
        self.assertGreater(len(named), 30)
        self.assertEqual(sorted(named - there), [])

    def test_each_recipe_that_is_named_is_there(self):
        named = set(re.findall(r"`(recipes/[\w./+-]*)`", PAGE))
        self.assertGreater(len(named), 30)
        self.assertEqual(sorted(path for path in named if not (ROOT / path).exists()), [])

    def test_each_recipe_of_a_paper_is_named(self):
        for path in sorted((ROOT / "recipes").glob("*/*.toml")):
            if path.parent.name != "demo" and (path.parent.name == "figures" or not path.stem.endswith("-small")):
                with self.subTest(recipe=path.name):
                    self.assertIn(f"`{path.relative_to(ROOT)}`", PAGE)

    def test_each_row_has_a_state_and_what_is_here_is_named(self):
        for row in ROWS:
            with self.subTest(row=row):
                cells = [cell.strip() for cell in row.split(" | ")]
                self.assertEqual(len(cells), 4)
                self.assertIn(cells[3], ("yes", "partly", "not"))
                if cells[3] == "yes":
                    self.assertNotRegex(cells[2], r"\bneeds\b|^nothing")

    def test_the_totals_are_those_of_the_rows(self):
        states = collections.Counter(row.rsplit(" | ", 1)[1] for row in ROWS)
        total = f"{len(ROWS)} rows: {states['yes']} yes, {states['partly']} partly, {states['not']} not."
        self.assertIn("<!-- totals --> " + total, PAGE)


if __name__ == "__main__":
    unittest.main()
