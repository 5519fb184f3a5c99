"""Compares the pages with what is there. Every command that README.md, CONTRIBUTING.md and the pages of docs show in a ```sh
block is run or checked, so that a page can't go stale. Every recipe that they show whole is read. The page of algorithms has a
row for each method, and the worked example is the file that is compiled.

`tacet train` is run with --dry-run: a recipe whose data has to be fetched may answer that the data is missing (exit code 2) and
nothing else. Scripts must exist and be executable. Other subcommands must know the options that are shown."""

import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TACET = os.environ["TACET_COMMAND"]
RUN_LATER = ("git ", "cd ", "sudo ", "cmake ", "ctest ", "xdg-open ", "tensorboard ", "export ", "(umask 077; openssl rand ",
             "build/examples/own_")


def pages():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def commands():
    """Yields (page, command) for each line of each ```sh block."""
    for page in pages():
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.split("  #")[0].strip()
                if line and not line.startswith("#"):
                    yield str(page.relative_to(ROOT)), line


class Commands(unittest.TestCase):
    def test_there_are_some(self):
        found = list(commands())
        self.assertGreater(len(found), 5)
        self.assertTrue(any(page.startswith("docs/guide/") for page, _ in found))

    def test_each(self):
        seen = set()  # pages repeat each other's commands
        for page, line in commands():
            if line in seen:
                continue
            seen.add(line)
            with self.subTest(page=page, line=line):
                words = shlex.split(line)
                if words[0].startswith(("./", "scripts/")):
                    self.assertTrue(os.access(ROOT / words[0], os.X_OK))
                elif words[0] in ("tacet", "build/release/tacet"):
                    self.check(words[1:])
                elif words[0].startswith("build/release/benchmarks/"):
                    self.assertTrue((ROOT / "benchmarks" / (pathlib.Path(words[0]).name + ".cc")).exists())
                else:
                    self.assertTrue(line.startswith(RUN_LATER), "a command this test doesn't know")

    def check(self, words):
        if words[0] == "train":
            environment = dict(os.environ, HOME="/nonexistent")
            environment.pop("TACET_DATA", None)
            ran = subprocess.run([TACET, *words, "--dry-run"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
            self.assertEqual(ran.returncode, 0, ran.stderr)
        elif "-" not in words[-1][:1] and (words[0] in ("compare", "report", "eval", "probe") or "--probe" in words):
            help_text = subprocess.run([TACET, words[0], "--help"], capture_output=True, text=True, timeout=60).stdout
            for word in words[1:]:
                if word.startswith("-"):
                    self.assertIn(word, help_text)
        else:
            with tempfile.TemporaryDirectory() as folder:  # for a picture, which is never written over
                there = folder if "--picture" in words else ROOT
                ran = subprocess.run([TACET, *words], cwd=there, capture_output=True, text=True, timeout=60)
            self.assertEqual(ran.returncode, 0, ran.stderr)


class Recipes(unittest.TestCase):
    def test_each_recipe_that_a_page_shows_is_one(self):
        count = 0
        for page in pages():
            for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.S | re.M):
                if not all(table in block for table in ("data", "model", "algorithm", "schedule")):
                    continue  # a few keys, not a whole recipe
                count += 1
                with self.subTest(page=str(page.relative_to(ROOT))), tempfile.TemporaryDirectory() as folder:
                    recipe = pathlib.Path(folder) / "recipe.toml"
                    recipe.write_text(block)
                    ran = subprocess.run([TACET, "train", recipe, "--dry-run"], capture_output=True, text=True, timeout=120)
                    if not (ran.returncode == 2 and "was not found" in ran.stderr):  # files of the reader's own
                        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertGreaterEqual(count, 3)

    def test_the_first_recipe_is_the_one_that_is_run(self):
        lines = (ROOT / "recipes" / "demo" / "quickstart.toml").read_text().splitlines(keepends=True)
        recipe = "".join(line for line in lines if not line.startswith("#"))
        for page in (ROOT / "README.md", ROOT / "docs" / "guide" / "getting-started.md"):
            self.assertIn("```toml\n" + recipe + "```", page.read_text())

    def test_each_recipe_cites_its_source(self):
        for recipe in sorted((ROOT / "recipes").glob("*/*.toml")):
            with self.subTest(recipe=str(recipe.relative_to(ROOT))):
                header = re.match(r"(#.*\n)+", recipe.read_text())
                self.assertTrue(header)
                self.assertRegex(" ".join(header.group().replace("#", " ").split()), r"(Paper|Method|Source): .*\b(19|20)\d\d\b")
                self.assertNotRegex(header.group(), r"\b\d{3}_[0-9a-f]{8}")


class Clusters(unittest.TestCase):
    """What docs/guide/clusters.md shows for programs that are not here is only looked at."""

    def block(self, kind):
        found = re.findall(r"^```%s\n(.*?)^```" % kind, (ROOT / "docs" / "guide" / "clusters.md").read_text(), re.S | re.M)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_compose(self):
        try:
            import yaml
        except ImportError:
            print("test_compose: left out, there is no python3-yaml")
            self.skipTest("no python3-yaml")
        workers = yaml.safe_load(self.block("yaml"))["services"]
        for rank, name in enumerate(sorted(workers)):
            given = workers[name]["environment"]
            self.assertEqual((given["RANK"], given["WORLD_SIZE"]), (str(rank), str(len(workers))))
            self.assertIn(given["MASTER_ADDR"], workers)
            self.assertEqual(given["TACET_JOIN_TOKEN"], "${TACET_JOIN_TOKEN}")
            self.assertTrue(workers[name]["command"].startswith("tacet train "))

    def test_batch_script(self):
        script = self.block("sbatch")
        self.assertEqual(subprocess.run(["bash", "-n"], input=script, text=True, timeout=60).returncode, 0)
        self.assertTrue(script.startswith("#!/bin/bash\n#SBATCH "))

    def test_options_that_are_shown_exist(self):
        help_text = subprocess.run([TACET, "train", "--help"], capture_output=True, text=True, timeout=60).stdout
        for option in ("--workers", "--hosts", "--ssh", "--port", "--join-token", "--resume", "--out"):
            self.assertIn(option, help_text)


class Algorithms(unittest.TestCase):
    def test_every_method_has_a_row_with_its_file_and_cost(self):
        page = (ROOT / "docs" / "reference" / "algorithms.md").read_text()
        def says(*name):
            return subprocess.run([TACET, "algorithms", *name], capture_output=True, text=True, timeout=60).stdout

        names = {line.split()[0] for line in says().splitlines() if not line.startswith(" ")}
        cards = [says(name) for name in sorted(names)]
        self.assertEqual(set(re.findall(r"^\| `([\w+-]+)` \|", page, re.M)), names)
        rows = re.search(r"^\| \| methods \|\n(?:\|.*\n)+", (ROOT / "README.md").read_text(), re.M).group()
        self.assertEqual(names - set(re.findall(r"[\w+-]+", rows)), set(), "methods that README.md leaves out")
        for card in cards:
            name = card.split("\n")[0]
            rows = re.findall(r"^\| `%s` \|.*$" % re.escape(name), page, re.M)
            self.assertEqual(len(rows), 1, name)
            cells = [c.strip() for c in rows[0].strip("|").split("|")]
            file = re.search(r"\]\(\.\./\.\./(src/algorithms/\w+\.cc)\)", cells[1])
            self.assertTrue(file and (ROOT / file.group(1)).is_file(), rows[0])
            talks = {"0 / 0": "never talks", "1 / 1": "Talks once a round; a client sends 1 vector",
                     "1 / 1 and a number": "Talks once a round; a client sends 1 vector and 1 number",
                     "1 / 1/P; with `delay` 3 / 1/P": "Talks once a round; a client sends 1 vector divided by `fragments`",
                     "1 / 1, of which 1/64 of the values": "Talks once a round; a client sends 1 vector",
                     "1 / 1.5": "Talks once a round; a client sends 1.5 vectors",
                     "1 / 3": "Talks once a round; a client sends 3 vectors",
                     "1 / 2": "Talks once a round; a client sends 2 vectors",
                     "2 / 1": "Talks twice a round; a client sends 1 vector",
                     "2 / 2": "Talks twice a round; a client sends 2 vectors",
                     "I / I": "Talks every step; a client sends I vectors",
                     "I / 2I": "Talks every step; a client sends 2 vectors times I"}[cells[4]]
            self.assertIn(talks, " ".join(card.split()), name)


class Examples(unittest.TestCase):
    """Each program of examples/ is shown whole, as tests/consumer builds and runs it."""

    PAGES = {"own_algorithm": "adding-an-algorithm", "own_objective": "using-the-library", "own_model": "adding-a-model",
             "own_data": "adding-a-data-set"}

    def test_the_pages_show_the_files(self):
        self.assertEqual({p.stem for p in (ROOT / "examples").glob("*.cc")}, set(self.PAGES))
        for name, page in self.PAGES.items():
            with self.subTest(name=name):
                text = (ROOT / "docs" / "guide" / (page + ".md")).read_text()
                self.assertIn("```cpp\n" + (ROOT / "examples" / (name + ".cc")).read_text() + "```", text)
                self.assertIn("examples/%s.toml" % name, text)
        text = (ROOT / "docs" / "guide" / "using-the-library.md").read_text()
        self.assertIn("```toml\n" + (ROOT / "examples" / "own_objective.toml").read_text() + "```", text)


class Excerpts(unittest.TestCase):
    """A block behind a line `<!-- from PATH -->` is a part of that file, indentation aside."""

    def test_blocks_that_name_a_file_are_in_it(self):
        def flush_left(text):
            return "\n".join(line.strip() for line in text.splitlines())

        count = 0
        for page in sorted((ROOT / "docs").glob("**/*.md")):
            for path, text in re.findall(r"^<!-- from (\S+) -->\n```cpp\n(.*?)^```", page.read_text(), re.S | re.M):
                count += 1
                with self.subTest(page=page.name, path=path):
                    self.assertIn(flush_left(text), flush_left((ROOT / path).read_text()))
        self.assertGreater(count, 1)



if __name__ == "__main__":
    unittest.main()
