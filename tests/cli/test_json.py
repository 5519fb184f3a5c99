"""`--json` of compare, data info and train --dry-run: whole JSON objects with the keys that docs/reference/commands.md lists, and
the numbers that the text has, or the runs' own files, unrounded. Doctor's is in test_doctor.py."""

import json
import os
import unittest

from program import Case, documented, keys_in
from test_data import write_idx

class Json(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.recipe(schedule={"rounds": None, "epochs": 2})
        cls.runs = [cls.train(cls.file, "one"), cls.train(cls.file, "two", "--set", "algorithm.eta=2")]
        cls.images = cls.path("images")
        write_idx(cls.images)

    def object(self, *args, code=0):
        done = self.tacet(*args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertTrue(done.stdout.isascii())
        return json.loads(done.stdout)

    def assertDocumented(self, value, command):
        self.assertEqual(keys_in(value) - documented(command), set())

    def test_compare(self):
        found = self.object("compare", "--json", *self.runs)
        self.assertDocumented(found, "compare --json")
        for folder, run in zip(self.runs, found["runs"]):
            summary = self.summary(folder)
            self.assertEqual((run["folder"], run["run"]), (folder, os.path.basename(folder)))
            for key in ("status", "algorithm", "interval", "clients", "workers", "rounds", "iterations", "communications",
                        "bytes_sent", "seconds"):
                self.assertEqual(run[key], summary[key], key)
            self.assertEqual(run["local_epochs"], summary.get("local_epochs"))
            self.assertEqual(type(run["rounds"]), int)
            for key, value in run["final"].items():
                if key.startswith("eval_"):
                    self.assertEqual(value, summary["final"][key])
            self.assertEqual([e["train_loss"] for e in run["epochs"]],
                             [m["train_loss"] for m in self.metrics(folder, "epoch")])
        self.assertGreater(len(found["runs"][0]["epochs"]), 1)

    def test_compare_with_a_target(self):
        """The runs' own lines say when a training loss was reached: here by both in some round, and by none."""
        losses = [[m["train_loss"] for m in self.metrics(run, "round")] for run in self.runs]
        target = max(min(of_run) for of_run in losses)
        found = self.object("compare", "--json", "--target", "train_loss=%.17g" % target, *self.runs)["target"]
        self.assertEqual((found["key"], found["value"]), ("train_loss", target))
        for group, of_run, folder in zip(found["groups"], losses, self.runs):
            k = next(k for k, loss in enumerate(of_run) if loss <= target)
            line = self.metrics(folder, "round")[k]
            self.assertEqual((group["runs"], group["reached"]), ([os.path.basename(folder)], 1))
            self.assertEqual((group["clients"], group["interval"], group["rounds"]["mean"]), (4, 3, k + 1))
            self.assertEqual((group["iterations"]["mean"], group["seconds"]["mean"]), (3 * (k + 1), line["seconds"]))
        first, second = found["groups"]
        self.assertAlmostEqual(second["rounds"]["ratio"], first["rounds"]["mean"] / second["rounds"]["mean"])
        self.assertEqual(second["rounds"]["ideal"], 1)
        text = self.tacet("compare", "--target", "train_loss=0", *self.runs)
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertIn("one: 1 of 1 runs did not reach it", text.stdout)
        for wrong in ("train_loss", "train_los=1"):
            done = self.tacet("compare", "--target", wrong, *self.runs)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--target", done.stderr)

    def test_compare_with_a_name_that_would_act_on_the_terminal(self):
        odd = self.path("odd\x1b[2J\u00fc")
        os.rename(self.train(self.file, "odd"), odd)
        self.assertEqual(self.object("compare", "--json", odd)["runs"][0]["folder"], odd)

    def test_data_info(self):
        found = self.object("data", "info", "idx", "--json", "--set", "data.root=" + self.images, "--clients", "3",
                            "--partition", "one-class")
        self.assertDocumented(found, "data info NAME --json")
        self.assertEqual((found["unit"], found["training"], found["test"], found["classes"]), ("images", 60, 20, 3))
        self.assertEqual(found["image"], {"channels": 1, "height": 18, "width": 18})
        self.assertEqual(found["labels"], [20, 20, 20])
        self.assertEqual([c["samples"] for c in found["partition"]["clients"]], [20, 20, 20])
        for i, client in enumerate(found["partition"]["clients"]):
            self.assertEqual(sum(client["labels"]), 20)
            self.assertEqual(max(client["labels"]), 20, i)
        found = self.object("data", "info", "text", "--json", "--set", "data.root=" + self.corpus)
        self.assertDocumented(found, "data info NAME --json")
        self.assertEqual((found["unit"], found["training"], found["validation"], found["test"]), ("tokens", 1200, 100, 120))

    def test_data_info_without_the_data(self):
        done = self.tacet("data", "info", "ptb", "--json", "--set", "data.root=" + self.path("nowhere"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("was not found", done.stderr)
        found = json.loads(done.stdout)
        self.assertDocumented(found, "data info NAME --json")
        self.assertIs(found["found"], False)
        self.assertEqual(found["files"][0], "ptb.train.txt")

    def test_dry_run(self):
        found = self.object("train", self.file, "--dry-run", "--json")
        self.assertDocumented(found, "train RECIPE --dry-run --json")
        # 855 weights (test_files.py counts them) of 4 bytes; celgc sends one such vector a round.
        self.assertEqual((found["parameters"], found["vectors_per_round"], found["client_bytes_per_round"]), (855, 1, 3420))
        self.assertEqual((found["model"], found["algorithm"], found["clients"], found["interval"]), ("awd-lstm", "celgc", 4, 3))
        self.assertAlmostEqual(found["round_seconds"], found["step_seconds"] * 3 * 4)  # 3 steps of 4 clients on 1 worker
        self.assertIs(found["data_found"], True)
        self.assertEqual(found["participating"], 4)
        stage, = found["schedule"]["stages"]
        eta = {pair["key"]: pair["value"] for pair in found["setting"]}["algorithm.eta"]
        self.assertEqual((found["schedule"]["unit"], stage["from"], stage["to"], stage["eta"]), ("epochs", 0, 2, eta))

    def test_dry_run_on_a_stand_in(self):
        root = self.path("nothing-here")
        os.makedirs(root)
        recipe = self.recipe("ptb.toml", data={"name": "ptb", "root": root})
        found = self.object("train", recipe, "--dry-run", "--json")
        self.assertDocumented(found, "train RECIPE --dry-run --json")
        self.assertIs(found["data_found"], False)
        self.assertIn("ptb.train.txt", found["data_missing"])
        self.assertEqual((found["training_samples"], found["unit"]), (929589, "tokens"))

    def test_json_is_for_dry_runs(self):
        done = self.tacet("train", self.file, "--json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--dry-run", done.stderr)

    def test_what_is_documented_is_there(self):
        """No key of the page is a key of the past: each is in one of the objects above, or only in those of other data."""
        objects = {"compare --json": self.object("compare", "--json", "--target", "train_loss=100", *self.runs),
                   "train RECIPE --dry-run --json": self.object("train", self.file, "--dry-run", "--json")}
        rare = {"runs[].final.eval_accuracy", "runs[].final.test_accuracy", "runs[].best.eval_accuracy", "runs[].best.test_accuracy",
                "objective", "data_missing", "measured_batch_size", "interval_auto", "interval_auto.first", "interval_auto.largest",
                "interval_auto.round_seconds"}
        for command, value in objects.items():
            self.assertEqual(documented(command) - keys_in(value) - rare, set(), command)


if __name__ == "__main__":
    unittest.main()
