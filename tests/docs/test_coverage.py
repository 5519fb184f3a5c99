"""Compares docs/coverage.md with the tree: each recipe and test that it names is there, each recipe of a paper is named, and the
totals are those of its rows. The comments at the end of recipes, which the page describes, are TOML of the form it describes."""

import collections
import pathlib
import re
import tomllib
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
            if path.parent.name not in ("demo", "figures") and not path.stem.endswith("-small"):
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

class Endings(unittest.TestCase):
    def test_comments_at_the_end_of_recipes_are_toml_of_the_stated_form(self):
        count = 0
        for path in sorted((ROOT / "recipes").glob("*/*.toml")):
            lines = path.read_text().splitlines()
            starts = [i for i, line in enumerate(lines) if line == "# [[figure]]"]
            if not starts:
                continue
            count += 1
            with self.subTest(recipe=path.name):
                end = lines.index("", starts[0]) if "" in lines[starts[0]:] else len(lines)
                self.assertTrue(all(line.startswith("# ") for line in lines[starts[0]:end]))
                self.assertIn(lines[end:end + 2], ([], ["", "[sweep]"]))
                tables = tomllib.loads("\n".join(line[2:] for line in lines[starts[0]:end]))
                self.assertEqual(set(tables), {"figure"})
                for figure in tables.get("figure", []):
                    self.assertIsInstance(figure["name"], str)
                    self.assertTrue(figure["curves"] and all(isinstance(curve, str) for curve in figure["curves"]))
        self.assertGreater(count, 20)


if __name__ == "__main__":
    unittest.main()
