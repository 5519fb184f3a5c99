"""algorithm.interval = "auto" through the command: a run writes down what it decides, and whoever repeats that, on other workers
or after a kill, ends with the same model."""

import json
import os
import signal
import unittest

from program import Case, read_json, write_corpus


class Intervals(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.corpus = write_corpus(cls.path("longer"), lines=600)
        cls.file = cls.recipe(algorithm={"interval": "auto", "interval_max": 8}, schedule={"rounds": 34},
                              run={"eval_every": 0, "checkpoint_every": 0.3})

    def repeat(self, folder, out, workers):
        return self.train(self.file, out, "--workers", str(workers), "--set", "algorithm.interval_file=" + folder + "/interval.json")

    def assertRecorded(self, folder):
        """The lines, the file and the steps say the same."""
        lines = self.metrics(folder, "interval")
        record = read_json(os.path.join(folder, "interval.json"))
        self.assertEqual([m["round"] for m in lines], [8, 16, 32])
        self.assertEqual([(m["round"], m["new"]) for m in lines], [(d["round"], d["interval"]) for d in record["decisions"]])
        self.assertEqual([m["old"] for m in lines], [record["first"]] + [m["new"] for m in lines[:-1]])
        self.assertEqual(self.summary(folder)["iterations"],
                         8 * record["first"] + 8 * lines[0]["new"] + 16 * lines[1]["new"] + 2 * lines[2]["new"])

    def test_a_run_on_other_workers_repeats_it(self):
        auto = self.train(self.file, "auto", "--workers", "2")
        self.assertRecorded(auto)
        self.assertIn("interval_file", " ".join(self.summary(auto)["warnings"]))
        for workers in (1, 3):
            other = self.repeat(auto, "repeated-%d" % workers, workers)
            self.assertRecorded(other)
            self.assertEqual(self.sha(other), self.sha(auto))
            self.assertEqual(self.summary(other)["warnings"], [])

    def test_a_killed_run_goes_on_as_it_was(self):
        run = self.start("train", self.file, "--out", self.path("killed"), "--workers", "2")
        self.until("20 rounds", lambda: self.rounds_so_far(self.path("killed")) >= 20, run)
        run.process.send_signal(signal.SIGKILL)
        run.wait()
        self.assertNobodyLeft(run)
        before = read_json(self.path("killed", "interval.json"))["decisions"]
        self.assertGreaterEqual(len(before), 2)
        self.train(self.file, "killed", "--resume")
        self.assertRecorded(self.path("killed"))
        self.assertEqual(read_json(self.path("killed", "interval.json"))["decisions"][:len(before)], before)
        self.assertEqual(self.sha(self.repeat(self.path("killed"), "like-killed", 2)), self.sha(self.path("killed")))

    def test_dry_run_says_what_it_counts(self):
        done = self.tacet("train", self.file, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("I = auto, 1 … 8", done.stdout)
        self.assertRegex(done.stdout, r"with the first I, 1; about \S+ s with I = 8")
        found = json.loads(self.tacet("train", self.file, "--dry-run", "--json").stdout)
        auto = found["interval_auto"]
        self.assertEqual((found["interval"], auto["first"], auto["largest"]), (1, 1, 8))
        self.assertAlmostEqual(auto["round_seconds"], 8 * found["round_seconds"])

    def test_a_file_that_is_none_is_a_mistake(self):
        for name in ("nowhere.json", "recipe.toml"):
            done = self.tacet("train", self.file, "--out", self.path("none"), "--set", "algorithm.interval_file=" + self.path(name))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(name, done.stderr)
            self.assertFalse(os.path.exists(self.path("none")))


if __name__ == "__main__":
    unittest.main()
