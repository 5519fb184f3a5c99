"""The files of a run, as docs and scripts rely on them: which keys they have, of which types, and that they agree."""

import math
import os
import unittest

from program import Case, read_header

NUMBER = (int, float)
COUNTERS = {"round": int, "iteration": int, "epoch": NUMBER, "seconds": NUMBER, "communications": int, "bytes_sent": int,
            "extra_samples": int, "client_bytes": int}
ROUND = {**COUNTERS, "train_loss": NUMBER, "clipped_fraction": NUMBER, "gradient_norm": NUMBER, "eta": NUMBER,
         "gamma": NUMBER, "exchange_seconds": NUMBER, "data_wait_seconds": NUMBER}
EVAL = {**COUNTERS, "split": str, "eval_loss": NUMBER, "eval_perplexity": NUMBER}
SUMMARY = {"status": str, "final": dict, "best": dict, "parameters": int, "workers": int, "clients": int, "seconds": NUMBER,
           "model_sha256": str, "versions": dict, "algorithm": str, "interval": int, "rounds": int, "iterations": int,
           "epochs": NUMBER, "communications": int, "bytes_sent": int, "extra_samples": int, "warnings": list,
           "data_wait_seconds": NUMBER, "page_faults_per_step": NUMBER}


class Files(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.recipe(schedule={"rounds": None, "epochs": 2})
        cls.run_folder = cls.train(cls.file, "run")

    def assertKeys(self, given, wanted, place):
        for key, kind in wanted.items():
            self.assertIn(key, given, place)
            self.assertIsInstance(given[key], kind, "%s: %s" % (place, key))
            self.assertNotIsInstance(given[key], bool, "%s: %s" % (place, key))

    def test_metrics(self):
        rounds = self.metrics(self.run_folder, "round")
        for k, m in enumerate(rounds):
            self.assertKeys(m, ROUND, "round line %d" % (k + 1))
            self.assertEqual(m["round"], k + 1)
            self.assertEqual(m["iteration"], 3 * (k + 1))  # interval = 3
            self.assertEqual(m["communications"], k + 1)  # celgc: one collective a round
            self.assertTrue(0 <= m["clipped_fraction"] <= 1)
            self.assertEqual((m["eta"], m["gamma"], m["bytes_sent"]), (1, 0.25, 0))
        self.assertLess(sum(m["exchange_seconds"] for m in rounds), rounds[-1]["seconds"])
        self.assertGreater(sum(m["data_wait_seconds"] for m in rounds), 0)
        self.assertLess(sum(m["data_wait_seconds"] for m in rounds), rounds[-1]["seconds"])
        for key in ("epoch", "seconds"):
            values = [m[key] for m in rounds]
            self.assertEqual(values, sorted(set(values)), key + " must grow")
        # A sample of a text is a token: celgc's clients take 3 steps of 2 streams of about 5 positions each.
        training = rounds[-1]["tokens"] / rounds[-1]["epoch"]
        for m in rounds:
            self.assertIsInstance(m["tokens"], int)
            self.assertAlmostEqual(m["tokens"] / m["epoch"], training, 6)
        self.assertAlmostEqual(training, 120 * 10, delta=4 * 2 * 3)  # less what fits in no stream
        self.assertGreaterEqual(rounds[-1]["epoch"], 2)
        self.assertLess(rounds[-2]["epoch"], 2)
        evaluations = self.metrics(self.run_folder, "eval")
        self.assertEqual(len(evaluations), 2)  # epochs = 2, eval_every = 1
        for m in evaluations:
            self.assertKeys(m, EVAL, "eval line")
            self.assertAlmostEqual(math.exp(m["eval_loss"]), m["eval_perplexity"], 9)
        # An untrained model of 31 words has a loss of about ln 31 = 3.43.
        self.assertTrue(3 < evaluations[-1]["eval_loss"] < 3.5)

    def test_summary(self):
        summary, last = self.summary(self.run_folder), self.metrics(self.run_folder, "eval")[-1]
        self.assertKeys(summary, SUMMARY, "summary.json")
        self.assertEqual((summary["status"], summary["workers"], summary["clients"], summary["interval"]), ("done", 1, 4, 3))
        for key in ("eval_loss", "eval_perplexity", "round", "iteration", "epoch"):
            self.assertEqual(summary["final"][key], last[key], key)
        final_round = self.metrics(self.run_folder, "round")[-1]
        for mine, theirs in (("rounds", "round"), ("iterations", "iteration"), ("epochs", "epoch"),
                             ("communications", "communications"), ("bytes_sent", "bytes_sent")):
            self.assertEqual(summary[mine], final_round[theirs], mine)
        best = min(self.metrics(self.run_folder, "eval"), key=lambda m: m["eval_loss"])
        for key in ("eval_loss", "eval_perplexity", "round", "epoch"):
            self.assertEqual(summary["best"][key], best[key], key)
        self.assertEqual(sorted(summary["versions"]), ["onednn", "tacet", "torch"])

    def test_model(self):
        # One LSTM layer of width 8 on embeddings of width 8; 30 words and the end of a line; the decoder's matrix is the
        # embedding's: 31·8 + 32·8 + 32·8 + 32 + 32 + 31 = 855.
        header = read_header(os.path.join(self.run_folder, "model.safetensors"))
        shapes = sorted(entry["shape"] for name, entry in header.items() if name != "__metadata__")
        self.assertEqual(shapes, sorted([[31, 8], [32, 8], [32, 8], [32], [32], [31]]))
        self.assertEqual({entry["dtype"] for name, entry in header.items() if name != "__metadata__"}, {"F32"})
        self.assertEqual(self.summary(self.run_folder)["parameters"], 855)
        self.assertTrue(any("weight_ih" in name for name in header), sorted(header))
        self.assertTrue(any("weight_hh" in name for name in header), sorted(header))

    def test_folder(self):
        names = {n for n in os.listdir(self.run_folder) if not n.startswith("events.out.tfevents.")}
        self.assertEqual(names, {"recipe.toml", "data.json", "metrics.jsonl", "summary.json", "model.safetensors", "checkpoint",
                                 "checkpoint-7"})  # the end of the first epoch

    def test_tensorboard_file(self):
        files = [n for n in os.listdir(self.run_folder) if n.startswith("events.out.tfevents.")]
        self.assertEqual(len(files), 1, "no file for TensorBoard")

    def test_resolved_recipe_is_the_same_run(self):
        again = self.train(os.path.join(self.run_folder, "recipe.toml"), "again")
        self.assertEqual(self.sha(again), self.sha(self.run_folder))
        self.assertEqual(self.results(again), self.results(self.run_folder))
        with open(os.path.join(again, "recipe.toml"), encoding="utf-8") as a, \
                open(os.path.join(self.run_folder, "recipe.toml"), encoding="utf-8") as b:
            self.assertEqual(a.read(), b.read())

    def test_resolved_recipe_from_sets(self):
        # What --set gave is in the resolved recipe, and an infinite γ survives being written down.
        recipe = self.recipe("sets.toml", schedule={"rounds": 2})
        first = self.train(recipe, "sets", "--set", "algorithm.gamma=inf", "--set", "run.seed=7")
        again = self.train(os.path.join(first, "recipe.toml"), "sets-again")
        self.assertEqual(self.sha(again), self.sha(first))
        for m in self.metrics(first, "round"):
            self.assertEqual(m["clipped_fraction"], 0)

    def test_initial_model_from_a_file(self):
        # A step of size 1e-30 moves no float32 weight, so the run ends with the file's own bytes.
        recipe = self.recipe("init.toml", model={"init": os.path.join(self.run_folder, "model.safetensors")},
                             algorithm={"eta": 1e-30}, schedule={"rounds": 1})
        self.assertEqual(self.sha(self.train(recipe, "init")), self.sha(self.run_folder))


if __name__ == "__main__":
    unittest.main()
