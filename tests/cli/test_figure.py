"""tacet figure as a user meets it: what is run, what is drawn and kept, what a second call does, and what is said about mistakes.
The runs are those of a function, which take no time beside their start. Every small twin of recipes/figures is looked at without a
run; Shipped.EveryFigureIsOne plans the others as well."""

import csv
import os
import pathlib
import unittest

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = program.quartic_pair(rounds=40)
HEAD = """
[figure]
title = "Two clients"
recipe = "r.toml"
x = "rounds"
y = "eval_loss"
seeds = "1..2"
grid = ["algorithm.eta=0.001,0.02"]
also = ["eval_gradient_norm"]
over = ["bytes"]
"""


class Figure(program.Case):
    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def figure(self, name, curves='[curves.celgc]\nset = ["algorithm.interval=2"]\n'):
        self.write("r.toml", RECIPE)
        return self.write(name, HEAD + curves)

    def test_a_figure_is_tuned_run_drawn_and_kept(self):
        file, out = self.figure("tuned.toml"), self.path("tuned")
        listed = self.tacet("figure", file, "--dry-run", "--out", out)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual(listed.stdout.count("open "), 2)
        self.assertTrue(listed.stdout.endswith("2 runs of grids; then at most 2 runs with the best values\n"), listed.stdout)
        self.assertFalse(os.path.exists(out))
        done = self.tacet("figure", file, "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        tuned = "celgc: algorithm.eta=0.02 is the best of 2 by train_loss; algorithm.eta is at the upper end of its grid"
        self.assertIn("\n" + tuned + "\n", done.stderr)
        self.assertEqual(done.stderr.count("] done: "), 3)  # two of the grid, one more seed
        for name in ("figure.svg", "figure.csv", "figure-eval_gradient_norm.svg", "figure-over-bytes.svg", "figure-eval_gradient_norm-over-bytes.csv", "figure.json", "points.csv", "report.html"):
            self.assertTrue(os.path.getsize(os.path.join(out, name)) > 0, name)
        facts = program.read_json(os.path.join(out, "figure.json"))
        self.assertEqual((facts["figure"], facts["runs"], facts["y"]), ("tuned", 2, "eval_loss"))
        self.assertEqual(facts["notes"], [tuned])
        # The mean that is drawn is that of the points.
        with open(os.path.join(out, "points.csv"), encoding="utf-8", newline="") as f:
            points = [row for row in csv.DictReader(f) if row["key"] == "eval_loss"]
        self.assertEqual({row["seed"] for row in points}, {"1", "2"})
        with open(os.path.join(out, "figure.csv"), encoding="utf-8", newline="") as f:
            last = list(csv.DictReader(f))[-1]
        ends = [float(row["y"]) for row in points if row["x"] == last["x"]]
        self.assertEqual(len(ends), 2)
        self.assertAlmostEqual(float(last["mean"]), sum(ends) / 2, places=9)
        # Each round sends one vector of one number, so bytes are 4 times rounds.
        self.assertEqual({float(row["bytes"]) / float(row["x"]) for row in points if float(row["x"]) > 0}, {4.0})
        again = self.tacet("figure", file, "--out", out)
        self.assertEqual((again.returncode, again.stderr.count("] done: ")), (0, 0), again.stderr)
        self.assertEqual(again.stdout, done.stdout)

    def test_stderr_that_nobody_reads_stops_no_run(self):
        file, out = self.figure("unread.toml"), self.path("unread")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = self.tacet("figure", file, "--out", out, stderr=full)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(os.path.getsize(os.path.join(out, "report.html")) > 0)
        self.assertEqual(os.listdir(os.path.join(out, "claims")), [])

    def test_another_figure_of_one_name_is_not_drawn_over(self):
        out = self.path("one-name")
        self.assertEqual(self.tacet("figure", self.figure("named.toml"), "--out", out).returncode, 0)
        before = os.stat(os.path.join(out, "figure.svg")).st_mtime_ns
        os.makedirs(self.path("elsewhere"), exist_ok=True)
        self.write("elsewhere/r.toml", RECIPE)
        curve = '[curves.celgc]\nset = ["algorithm.interval=2"]\n'
        other = self.write("elsewhere/named.toml", HEAD.replace("Two clients", "Others") + curve)
        for more in (["--dry-run"], []):
            done = self.tacet("figure", other, "--out", out, *more)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn('figure.title is "Two clients" there, and this one has "Others"', done.stderr)
            # The name alone differs: the dry run listed its runs.
            done = self.tacet("figure", self.figure("other-name.toml"), "--out", out, *more)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn('holds a sweep with figure = "named", and this one has "other-name"', done.stderr)
        self.assertEqual(os.stat(os.path.join(out, "figure.svg")).st_mtime_ns, before)

    def test_runs_that_diverge_are_counted(self):
        wild = '[curves.fedavg]\nset = ["algorithm.name=fedavg"]\ngrid = ["algorithm.eta=1e30,1e31"]\n'
        file, out = self.figure("wild.toml", curves='[curves.celgc]\nset = ["algorithm.interval=2"]\n' + wild), self.path("wild")
        done = self.tacet("figure", file, "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"\nfedavg: algorithm.eta=1e\+?30 is the first of 2, all of which diverged\n")
        self.assertIn("\nfedavg: 2 of 2 runs diverged\n", done.stderr)
        facts = program.read_json(os.path.join(out, "figure.json"))
        self.assertEqual(facts["diverged"], [{"curve": "fedavg", "value": "", "runs": 2}])
        self.assertEqual((facts["runs"], facts["notes"][-1]), (2, "fedavg: 2 of 2 runs diverged"))
        with open(os.path.join(out, "figure.svg"), encoding="utf-8") as f:
            self.assertIn(">fedavg (n = 0, 2 diverged)<", f.read())
        with open(os.path.join(out, "points.csv"), encoding="utf-8", newline="") as f:
            self.assertEqual({row["curve"] for row in csv.DictReader(f)}, {"celgc"})
        # A run that has diverged is not run again.
        again = self.tacet("figure", file, "--out", out)
        self.assertEqual((again.returncode, again.stdout), (0, done.stdout), again.stderr)
        self.assertEqual(again.stderr.count("] diverged: "), 0)
        self.assertIn("(--retry runs it again)", again.stderr)
        # Two of the grid, and the second seed of its first value: each diverged run once more, though two steps need one of them.
        retried = self.tacet("figure", file, "--out", out, "--retry")
        self.assertEqual((retried.returncode, retried.stdout), (0, done.stdout), retried.stderr)
        self.assertEqual(retried.stderr.count("] diverged: "), 3)

    def test_a_figure_whose_runs_all_diverge_has_nothing_to_draw(self):
        self.write("r.toml", RECIPE)
        wild = HEAD.replace("eta=0.001,0.02", "eta=1e30,1e31") + '[curves.fedavg]\nset = ["algorithm.name=fedavg"]\n'
        file = self.write("empty.toml", wild)
        done = self.tacet("figure", file, "--out", self.path("empty"))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("the figure has nothing to draw: all runs diverged", done.stderr)

    def test_every_small_twin_is_listed(self):
        figures = sorted((ROOT / "recipes" / "figures").glob("*-small.toml"))
        self.assertGreater(len(figures), 0)
        for figure in figures:
            with self.subTest(figure=figure.stem):
                listed = self.tacet("figure", str(figure), "--dry-run", "--out", self.path("none"))
                self.assertEqual(listed.returncode, 0, listed.stderr)
                self.assertGreaterEqual(listed.stdout.count("open "), 3)
        self.assertFalse(os.path.exists(self.path("none")))


if __name__ == "__main__":
    unittest.main()
