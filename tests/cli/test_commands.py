"""The commands beside train, and what a run says on a terminal and in a file."""

import math
import os
import re
import subprocess
import unittest

from program import COMMAND, LIMIT, Case, environment


class Commands(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.recipe(schedule={"rounds": None, "epochs": 1})
        cls.run_folder = cls.train(cls.file, "first-run")
        cls.other = cls.train(cls.file, "second-run", "--set", "algorithm.eta=2")

    def says(self, *args, code=0, **options):
        done = self.tacet(*args, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        return done.stdout

    def test_compare(self):
        text = self.says("compare", self.run_folder, self.other)
        for folder in (self.run_folder, self.other):
            row = next(line for line in text.splitlines() if os.path.basename(folder) in line)
            self.assertIn("celgc", row)
            self.assertIn("%.2f" % self.summary(folder)["final"]["eval_perplexity"], row)
        self.assertNotEqual(self.sha(self.run_folder), self.sha(self.other))

    def test_report(self):
        self.says("report", self.run_folder, self.other, "-o", self.path("page.html"))
        with open(self.path("page.html"), encoding="utf-8") as f:
            page = f.read()
        self.assertTrue(page.lstrip().lower().startswith("<!doctype html>"))
        for folder in (self.run_folder, self.other):
            self.assertIn(os.path.basename(folder), page)
        # Self-contained: the page loads nothing.
        self.assertIsNone(re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page))

    def test_eval(self):
        final = self.summary(self.run_folder)["final"]
        model = os.path.join(self.run_folder, "model.safetensors")
        for args in ([self.run_folder], [model, "--recipe", self.file]):
            lines = self.says("eval", *args).splitlines()
            for split, key in (("valid", "eval"), ("test", "test")):
                line = next(m for m in lines if m.startswith(split))
                self.assertIn("loss %.6f" % final[key + "_loss"], line)
                self.assertIn("perplexity %.3f" % final[key + "_perplexity"], line)
                self.assertAlmostEqual(math.exp(final[key + "_loss"]), final[key + "_perplexity"], 6)

    def test_lists(self):
        names = [line.split()[0] for line in self.says("algorithms").splitlines() if not line.startswith(" ")]
        self.assertLessEqual({"celgc", "naive-clip", "sgd-clip", "diloco"}, set(names))
        self.assertEqual(len(names), len(set(names)))
        text = self.says("algorithms", "celgc")
        self.assertEqual(text.split("\n")[0], "celgc")
        for word in ("eta", "gamma", "interval", "Liu et al."):
            self.assertIn(word, text)
        self.assertNotIn("naive-clip", text)
        done = self.tacet("algorithms", "celg")
        self.assertEqual(done.returncode, 2)
        self.assertIn('no method "celg"; did you mean "celgc"?', done.stderr)
        self.assertIn("awd-lstm", self.says("models"))
        text = self.says("models", "awd-lstm")
        for word in ("hidden", "weight_drop", "Merity"):
            self.assertIn(word, text)
        self.assertEqual(self.tacet("models", "no-such-model").returncode, 2)
        text = self.says("data", "list")
        for word in ("sotu", "ptb", "ptb.train.txt", "text", "train.txt"):
            self.assertIn(word, text)

    def test_help_and_version(self):
        text = self.says("--help")
        commands = ("train", "compare", "report", "eval", "algorithms", "models", "data", "doctor", "completion", "manual")
        for name in commands:
            self.assertRegex(text, r"(?m)^  %s  +\w" % name)
            self.assertIn("Usage:", self.says(name, "--help"))
        for option in ("--out", "--workers", "--set", "--resume", "--quiet", "--dry-run"):
            self.assertIn(option, self.says("train", "--help"))
        self.assertNotIn("--launched", self.says("train", "--help"))
        self.assertRegex(self.says("--version"), r"^\d+\.\d+\.\d+\n")  # the rest: test_doctor.py

    def test_dry_run(self):
        before = sorted(os.listdir(self.folder))
        text = self.says("train", self.file, "--dry-run")
        # 855 weights (test_files.py counts them) of 4 bytes are 3.42 kB; celgc sends one such vector a round.
        for word in ("awd-lstm", "855 parameters", "celgc", "4 clients", "3.42 kB"):
            self.assertIn(word, text)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_dry_run_counts_the_hosts(self):
        """Without clients.count there are as many clients as workers, and as many workers as hosts."""
        recipe = self.recipe("hosts.toml", clients={"count": None})
        self.assertIn("3 clients", self.says("train", recipe, "--dry-run", "--hosts", "a,b,c"))

    def test_default_folder(self):
        # runs/<recipe>, and another name when that is taken.
        recipe = self.recipe("named.toml", schedule={"rounds": 1})
        for folder in ("named", "named-2"):
            self.assertIn(os.path.join("runs", folder), self.says("train", recipe))
            self.assertEqual(self.summary(self.path("runs", folder))["status"], "done")

    def test_default_folders_of_runs_side_by_side(self):
        recipe = self.recipe("beside.toml", schedule={"rounds": 20})
        runs = [self.start("train", recipe, "--set", "run.seed=%d" % seed) for seed in (1, 2, 3)]
        self.assertEqual([run.wait() for run in runs], [0, 0, 0])
        folders = [self.path("runs", name) for name in ("beside", "beside-2", "beside-3")]
        self.assertEqual([len(self.metrics(folder, "round")) for folder in folders], [20, 20, 20])
        self.assertEqual(len({self.sha(folder) for folder in folders}), 3)

    def test_default_folder_of_a_mistake(self):
        # A folder that was made for a run is not left where the run could not begin.
        wrong = self.recipe("wrong.toml", data={"root": self.path("nowhere")})
        self.assertEqual(self.tacet("train", wrong).returncode, 2)
        self.assertFalse(os.path.exists(self.path("runs", "wrong")))

    def test_output_that_is_lost_is_told(self):
        """The last flush of stdout failed on a full disk, and the exit code was 0."""
        for args in (["algorithms"], ["algorithms", "celgc"], ["compare", "--json", self.run_folder, self.other],
                     ["completion", "bash"], ["--help"]):
            with self.subTest(args=args), open("/dev/full", "w", encoding="utf-8") as full:
                done = self.tacet(*args, stdout=full)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("tacet: stdout can't be written: ", done.stderr)

    def test_output_that_nobody_reads_is_no_error(self):
        ours, theirs = os.pipe()
        os.close(ours)
        for words in ('exec "$0" algorithms >&-', 'trap "" PIPE; exec "$0" algorithms'):
            with self.subTest(words=words):
                done = subprocess.run(["sh", "-c", words, COMMAND], stdin=subprocess.DEVNULL, stdout=theirs,
                                      stderr=subprocess.PIPE, env=environment(), cwd=self.folder, timeout=LIMIT, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
        os.close(theirs)

    def test_quiet(self):
        done = self.tacet("train", self.file, "--out", self.path("quiet"), "--quiet", "--workers", "2")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_plain_lines_without_a_terminal(self):
        done = self.tacet("train", self.file, "--out", self.path("plain"))
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"(?m)^epoch \d.*valid loss \d")
        for sign in ("\x1b", "\r"):
            self.assertNotIn(sign, done.stdout + done.stderr)
        self.assertIn("plain", done.stdout.splitlines()[-1])

    def test_bar_on_a_narrow_terminal(self):
        # Bars are at least 0.1 s apart; 1,500 rounds take longer than that many times over.
        recipe = self.recipe("bar.toml", schedule={"rounds": 1500}, run={"eval_every": 0})
        for columns, workers in ((40, "1"), (100, "2")):
            text = self.on_terminal(columns, "train", recipe, "--out", self.path("bar-%d" % columns), "--workers", workers)
            bars = [part for part in text.split("\r\x1b[K")[1:] if "%" in part]
            self.assertGreater(len(bars), 2, text)
            for bar in bars:
                self.assertLess(len(bar), columns, bar)
                self.assertNotIn("\n", bar)
                self.assertRegex(bar, r"^(\[[#.]*\] )? *\d+%  epoch \d")
            done = [int(re.search(r"(\d+)%", bar).group(1)) for bar in bars]
            self.assertEqual(done, sorted(done))
            # Lines that stay are never glued to a bar, and the last bar is wiped.
            self.assertTrue(text.endswith("\n") or text.endswith("\r\x1b[K"), repr(text[-80:]))
            if columns == 100:
                self.assertIn("ppl", bars[0])

    def test_cores_that_idle_or_are_asked_for_twice(self):
        cores = len(os.sched_getaffinity(0))
        recipe = self.recipe("cores.toml", clients={"count": 2 * cores}, schedule={"rounds": 1})
        run = lambda name, *args: self.on_terminal(100, "train", recipe, "--out", self.path("cores-" + name), *args)
        if cores > 1:  # a cgroup's quota may leave fewer
            self.assertRegex(run("idle"), r"1 worker of 1 threads on \d+ cores; --workers auto starts \d+, for the same result")
        self.assertRegex(run("twice", "--workers", str(cores + 1)), r"%d workers of 1 threads share \d+ cores" % (cores + 1))
        for name, count in (("auto", "auto"), ("chosen", "1")):
            self.assertNotIn("cores", run(name, "--workers", count))

    def test_quiet_on_a_terminal(self):
        self.assertEqual(self.on_terminal(80, "train", self.file, "--out", self.path("silent"), "--quiet"), "")


if __name__ == "__main__":
    unittest.main()
