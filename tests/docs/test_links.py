"""Checks the links of every page: a relative link names a file or folder of the tree, and an anchor names a heading of its
page. Links to other sites are not followed. Pages name sources by path ("src/…"), and recipes and sources name pages ("docs/…");
those paths must exist too."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTSIDE = ("http://", "https://", "mailto:")


def pages():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def prose(page):
    """Returns the page without its code, in which brackets and parentheses are no links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose(page))


def anchors(page):
    """Returns the anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return found


class Links(unittest.TestCase):
    def test_links_lead_somewhere(self):
        count = 0
        for page in pages():
            for target in (a or b for a, b in links(page)):
                if target.startswith(OUTSIDE):
                    continue
                count += 1
                with self.subTest(page=str(page.relative_to(ROOT)), link=target):
                    path, _, anchor = target.partition("#")
                    goal = (page.parent / path).resolve() if path else page
                    self.assertTrue(goal.exists(), "no such file")
                    self.assertTrue(goal.is_relative_to(ROOT), "leads out of the tree")
                    if anchor:
                        self.assertIn(anchor, anchors(goal))
        self.assertGreater(count, 50)

    def test_paths_of_sources_in_the_pages_exist(self):
        count = 0
        for page in pages():
            text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
            for cited in re.findall(r"`((?:src|include|tests|scripts|recipes|python|cmake|examples)/[\w./+-]*)`", text):
                count += 1
                with self.subTest(page=str(page.relative_to(ROOT)), cites=cited):
                    self.assertTrue((ROOT / cited).exists(), "no such file")
        self.assertGreater(count, 20)

    def test_every_page_is_listed_in_the_index(self):
        index = ROOT / "docs" / "README.md"
        listed = {(index.parent / (a or b)).resolve() for a, b in links(index)}
        for page in pages()[2:]:
            if page != index:
                with self.subTest(page=str(page.relative_to(ROOT))):
                    self.assertIn(page, listed)

    def test_paths_of_pages_in_the_sources_exist(self):
        listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                capture_output=True, text=True, timeout=60).stdout.splitlines()
        if not listed:
            self.skipTest("not a checkout of git")
        count = 0
        for name in listed:
            path = ROOT / name
            if name.startswith(("third_party/", "data/", "tests/fuzz/corpus/")) or path.suffix in (".png", ".svg", ".xz"):
                continue
            if not path.is_file() or "\0" in (text := path.read_text(errors="replace")):
                continue
            for cited in re.findall(r"(?<![\w./])docs/[\w/-]+\.(?:md|svg|png)", text):
                count += 1
                with self.subTest(file=name, cites=cited):
                    self.assertTrue((ROOT / cited).is_file(), "no such page")
        self.assertGreater(count, 10)


if __name__ == "__main__":
    unittest.main()
