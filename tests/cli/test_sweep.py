"""tacet sweep as a user meets it: kills and restarts, two sweeps of one folder, points that diverge or die, and what is said about
mistakes. The runs are those of a function, which take no time beside their start."""

import csv
import glob
import json
import os
import re
import signal
import unittest

import program

RECIPE = program.quartic_pair(rounds=60)


class Sweep(program.Case):
    def write(self, name="r.toml", more=""):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(RECIPE + more)
        return self.path(name)

    def points(self, out):
        """The folders of points that are done, with the moment of their summary."""
        found = {}
        for name in os.listdir(self.path(out)) if os.path.isdir(self.path(out)) else []:
            path = self.path(out, name, "summary.json")
            try:
                if program.read_json(path)["status"] == "done":
                    found[name] = os.stat(path).st_mtime_ns
            except (OSError, KeyError, json.JSONDecodeError):
                pass
        return found

    def rows(self, out):
        with open(self.path(out, "sweep.csv"), encoding="utf-8", newline="") as f:
            return list(csv.DictReader(f))

    def test_twelve_points_killed_twice_are_each_run_once(self):
        words = ["sweep", self.write(), "--grid", "algorithm.eta=0.005,0.01,0.02,0.03", "--seeds", "1..3", "--jobs", "2",
                 "--out", self.path("killed")]
        before = {}
        for enough in (2, 6):
            run = self.start(*words)
            self.until("%d points that are done" % enough, lambda n=enough: len(self.points("killed")) >= n, run)
            os.kill(run.process.pid, signal.SIGKILL)
            run.wait()
            self.assertNobodyLeft(run)
            now = self.points("killed")
            self.assertEqual({name: now[name] for name in before}, before)
            before = now
        done = self.tacet(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        now = self.points("killed")
        self.assertEqual(len(now), 12)
        self.assertEqual({name: now[name] for name in before}, before)
        self.assertEqual(done.stderr.count("] done: "), 12 - len(before))
        rows = self.rows("killed")
        self.assertEqual([row["state"] for row in rows], ["done"] * 12)
        self.assertEqual(os.listdir(self.path("killed", "claims")), [])
        # The table's mean is that of the file.
        best = program.read_json(self.path("killed", "sweep.json"))["best"]
        losses = [float(row["train_loss"]) for row in rows if float(row["algorithm.eta"]) == best["settings"]["algorithm.eta"]]
        self.assertEqual(best["n"], 3)
        self.assertAlmostEqual(best["mean"], sum(losses) / 3, places=9)
        self.assertIn("best by train_loss: algorithm.eta = ", done.stdout)
        with open(self.path("killed", "best.toml"), encoding="utf-8") as ours, \
                open(self.path("killed", best["runs"][0], "recipe.toml"), encoding="utf-8") as theirs:
            self.assertEqual(ours.read(), theirs.read())
        # Once more: nothing is run.
        again = self.tacet(*words)
        self.assertEqual((again.returncode, again.stderr.count("] done: ")), (0, 0))
        self.assertEqual(again.stdout, done.stdout)
        self.assertEqual(self.points("killed"), now)

    def test_two_sweeps_of_one_folder_share_its_points(self):
        words = ["sweep", self.write(), "--grid", "algorithm.eta=0.005,0.01,0.02,0.03", "--jobs", "1", "--out",
                 self.path("shared")]
        runs = [self.start(*words) for _ in range(2)]
        for run in runs:
            self.assertEqual(run.wait(), 0, run.text())
        self.assertEqual(sum(run.text().count("] done: ") for run in runs), 4)
        self.assertEqual(runs[0].text().split("\n\n")[-1], runs[1].text().split("\n\n")[-1])

    def test_a_point_that_diverges_is_told_and_not_run_again(self):
        words = ["sweep", self.write(), "--grid", "algorithm.eta=0.01,1e30", "--set", "algorithm.name=fedavg", "--out",
                 self.path("diverged")]
        done = self.tacet(*words)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"\] diverged: eta=1e\+30-[0-9a-f]{12}: the .* is not finite at ")
        self.assertIn("best by train_loss: algorithm.eta = 0.01", done.stdout)
        self.assertRegex(done.stdout, r"\ndiverged: eta=1e\+30-")
        again = self.tacet(*words)
        self.assertEqual(again.returncode, 2)
        self.assertIn("diverged before: eta=1e+30-", again.stderr)
        self.assertNotIn("] diverged", again.stderr)
        self.assertIn("] diverged", self.tacet(*words, "--retry").stderr)

    def test_a_start_that_is_not_finite_fails_and_is_run_again(self):
        """It counted as a divergence and was never run again, though no rate is to blame before the first step."""
        words = ["sweep", self.write(), "--seeds", "1", "--out", self.path("start")]
        bad = ["--set", "model.start=1e200"]  # infinite as a float
        for _ in range(2):
            done = self.tacet(*words, *bad)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, r"\] failed: seed=1-[0-9a-f]{12}: .* is not finite at .*no step has been taken yet")

    def test_a_run_that_is_killed_fails_and_goes_on_with_the_next_start(self):
        words = ["sweep", self.write(), "--grid", "algorithm.eta=0.01", "--set", "schedule.rounds=2000000", "--out",
                 self.path("dead"), "--seeds", "3"]
        run = self.start(*words)
        out = self.path("dead")
        self.until("a run under way", lambda: any(
            self.rounds_so_far(path) > 2 for path in glob.glob(os.path.join(glob.escape(out), "eta=*"))), run)
        for pid in run.members():
            if pid != run.process.pid:
                os.kill(pid, signal.SIGKILL)
        self.assertEqual(run.wait(), 2, run.text())
        self.assertIn("failed: eta=0.01,seed=3-", run.text())
        self.assertIn("was killed by signal 9", run.text())
        # The next start goes on with it; a signal stops both, and says so.
        run = self.start(*words)
        self.until("a run under way", lambda: len(run.members()) > 1, run)
        os.kill(run.process.pid, signal.SIGTERM)
        self.assertEqual(run.wait(), 128 + signal.SIGTERM, run.text())
        self.assertIn("stopped; the same command goes on with", run.text())
        self.assertNobodyLeft(run)

    def test_a_launchers_variables_place_the_sweep_and_not_its_runs(self):
        done = self.tacet("sweep", self.write(), "--seeds", "1", "--out", self.path("placed"),
                          env=program.environment(SLURM_PROCID=3, SLURM_STEP_ID=0, SLURM_NTASKS=8, RANK=1, WORLD_SIZE=2))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_one_signal_that_arrives_twice_leaves_the_runs_their_checkpoints(self):
        """As `timeout` sends it: to the sweep, and to the whole group. The second one killed the runs at once."""
        run = self.start("sweep", self.write(), "--seeds", "1", "--set", "schedule.rounds=2000000", "--out", self.path("twice"))
        folder = lambda: next(iter(glob.glob(os.path.join(glob.escape(self.path("twice")), "seed=1-*"))), None)
        self.until("a run under way", lambda: folder() and self.rounds_so_far(folder()) > 2, run)
        for one in (signal.SIGTERM, signal.SIGINT):
            os.kill(run.process.pid, one)
        self.assertIn(run.wait(), (128 + signal.SIGTERM, 128 + signal.SIGINT), run.text())
        self.assertEqual(self.summary(folder())["status"], "interrupted")
        self.assertNobodyLeft(run)

    def test_stderr_that_nobody_reads_stops_no_run(self):
        # Three draws of two integers: one point is there twice, which is worth a line even before anything is run.
        words = ["sweep", self.write(), "--grid", "algorithm.interval=1..2:random:3", "--out", self.path("unread")]
        with open("/dev/full", "w", encoding="utf-8") as full:
            for more in (["--dry-run"], []):
                done = self.tacet(*words, *more, stderr=full)
                self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual({row["state"] for row in self.rows("unread")}, {"done"})
        self.assertEqual(os.listdir(self.path("unread", "claims")), [])

    def test_the_line_on_the_whole_fits_a_narrow_terminal(self):
        text = self.on_terminal(20, "sweep", self.write(), "--seeds", "1", "--out", self.path("narrow"))
        # "0 of 1 points, 1 running" has 24 characters. A row that wraps leaves a part behind when it is drawn anew.
        drawn = set(re.findall(r"[01] of 1 po[^\r\n\x1b]*", text))
        self.assertTrue(drawn, text)
        self.assertLessEqual(drawn, {"0 of 1 points, 1 ru", "1 of 1 points, 0 ru"})

    def test_mistakes_are_told_and_nothing_is_written(self):
        recipe = self.write()
        for words, said in (
                ([], "a sweep must have values to vary: give --grid, --seeds or a table [sweep], got none"),
                (["--grid", "algorithm.eta="], "--grid algorithm.eta: must be values with commas between"),
                (["--grid", "algorithm.eta=1,1"], "--grid algorithm.eta: must have each value once, got 1.0 twice"),
                (["--grid", "algorithm.eta=1,2", "--set", "algorithm.eta=3"],
                 "--set algorithm.eta: must be given once, got it in --grid too"),
                (["--grid", "algorithm.etta=1"], "did you mean algorithm.eta?"),
                (["--seeds", "1,1"], "--seeds must have each seed once, got 1 twice"),
                (["--seeds", "1", "--key", "loss"], "--key must be one of train_loss"),
                (["--seeds", "1", "--jobs", "0"], "--jobs"),
        ):
            with self.subTest(words=words):
                done = self.tacet("sweep", recipe, *words, "--out", self.path("none"))
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertFalse(os.path.exists(self.path("none")))

    def test_a_dry_run_refuses_the_folders_that_the_sweep_refuses(self):
        """It listed the points as open, and the sweep itself then ended with exit code 2."""
        recipe = self.write()
        words = ["sweep", recipe, "--grid", "algorithm.eta=0.01,0.02", "--out"]
        self.assertEqual(self.tacet(*words, self.path("rounds"), "--set", "schedule.rounds=2").returncode, 0)
        self.assertEqual(self.tacet("train", recipe, "--out", self.path("run")).returncode, 0)
        with open(self.path("no-folder"), "w", encoding="utf-8"):
            pass
        for out, said in (
                ("rounds", "holds a sweep with schedule.rounds = 2, and this one has 60"),
                ("run", "is not empty and holds no sweep"),
                ("no-folder", "can't be made: Not a directory"),
        ):
            with self.subTest(out=out):
                listed = self.tacet(*words, self.path(out), "--dry-run")
                real = self.tacet(*words, self.path(out))
                self.assertEqual((listed.returncode, listed.stdout), (2, ""), listed.stderr)
                self.assertIn(said, listed.stderr)
                self.assertEqual((real.returncode, real.stderr), (2, listed.stderr))
        done = self.tacet(*words, self.path("rounds"), "--set", "schedule.rounds=2", "--dry-run")
        self.assertEqual((done.returncode, done.stdout.count("done      eta=")), (0, 2), done.stderr)

    def test_train_says_that_a_recipe_has_a_sweep(self):
        recipe = self.write("swept.toml", "[sweep]\nseeds = [1, 2]\nalgorithm.eta = [0.01, 0.02]\n")
        done = self.tacet("train", recipe, "--out", self.path("plain"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the recipe has a [sweep] of algorithm.eta, run.seed; its plain values are taken here", done.stderr)
        listed = self.tacet("sweep", recipe, "--dry-run")
        self.assertEqual(listed.stdout.count("open      eta="), 4, listed.stdout)


if __name__ == "__main__":
    unittest.main()
