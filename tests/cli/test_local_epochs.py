"""`algorithm.local_epochs`: each client takes as many steps as its own samples make, with the bits of `interval` where all have equally
many, on any number of workers, stopped or not; and the cases in which it can't be."""

import os
import signal
import unittest

from program import Case
from test_data import write_idx

# 240 images, 4 clients, batches of 10. The shares are 24, 48, 72 and 96 images: 3, 5, 8 and 10 steps for one epoch.
UNEQUAL = ["--set", "data.partition.kind=percent", "--set", "data.partition.percent=[10, 20, 30, 40]"]


class LocalEpochs(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = cls.path("images")
        write_idx(cls.images, train=240)
        cls.file = cls.path("images.toml")
        with open(cls.file, "w", encoding="utf-8") as f:
            f.write("""
[data]
name = "idx"
root = "%s"
batch_size = 10
[model]
name = "logistic"
[algorithm]
name = "celgc"
eta = 0.05
gamma = 0.02
local_epochs = 1
[clients]
count = 4
[schedule]
rounds = 4
[run]
checkpoint_every = 0.5
""" % cls.images)
        with open(cls.file, encoding="utf-8") as f:
            text = f.read()
        cls.with_interval = cls.path("interval.toml")
        with open(cls.with_interval, "w", encoding="utf-8") as f:
            f.write(text.replace("local_epochs = 1", "interval = 6"))

    def test_equal_shares_have_the_bits_of_the_interval(self):
        epochs = self.train(self.file, "equal")
        steps = self.train(self.with_interval, "steps")
        self.assertEqual(self.sha(epochs), self.sha(steps))  # 60 images a client are 6 batches
        self.assertEqual(self.results(epochs), self.results(steps))
        summary = self.summary(epochs)
        self.assertEqual((summary["interval"], summary["local_epochs"], summary["epochs"]), (None, 1, 4))

    def test_unequal_shares_take_their_own_steps_wherever_they_are(self):
        whole = self.train(self.file, "unequal", *UNEQUAL)
        rounds = self.metrics(whole, "round")
        self.assertEqual([m["iteration"] for m in rounds], [10, 20, 30, 40])  # of the client that takes most
        # 3 + 5 + 8 + 10 full batches of 10 are 260 images of the 240.
        self.assertEqual([m["epoch"] for m in rounds], [(k + 1) * 260 / 240 for k in range(4)])
        for workers in ("2", "3"):
            other = self.train(self.file, "unequal-" + workers, *UNEQUAL, "--workers", workers)
            self.assertEqual(self.sha(other), self.sha(whole))
            self.assertEqual(self.results(other), self.results(whole))

    def test_every_method_that_has_it_trains(self):
        for name in ("fedavg", "fedprox", "scaffold", "episode", "episode++", "minibatch-clip", "celgc-partial", "fed-ams",
                     "fed-lamb", "fed-adam"):
            with self.subTest(method=name):
                folder = self.train(self.file, "m-" + name, *UNEQUAL, "--set", "algorithm.name=" + name,
                                    "--set", "clients.participating=3", "--set", "algorithm.local_epochs=2")
                iterations = [m["iteration"] for m in self.metrics(folder, "round")]
                steps = [b - a for a, b in zip([0] + iterations, iterations)]
                self.assertLessEqual(set(steps), {15, 20})  # ⌈144/10⌉ or ⌈192/10⌉: one of the two largest is always there

    def test_shares_dealt_anew_in_every_round(self):
        more = ["--set", "data.partition.kind=one-class", "--set", "data.partition.every_round=true", "--set", "clients.count=8",
                "--set", "clients.participating=4"]
        # Three classes of 80 images on 4 clients: two share a class, so 80 or 40 images each.
        whole = self.train(self.file, "anew", *more)
        self.assertEqual([m["iteration"] for m in self.metrics(whole, "round")], [8, 16, 24, 32])
        self.assertEqual(self.sha(self.train(self.file, "anew-3", *more, "--workers", "3")), self.sha(whole))

    def test_stopped_and_resumed(self):
        rounds = ["--set", "schedule.rounds=2000", "--set", "run.checkpoint_every=200"]
        whole = self.train(self.file, "straight", *UNEQUAL, *rounds)
        run = self.start("train", self.file, "--out", self.path("stopped"), *UNEQUAL, *rounds)
        self.until("10 rounds", lambda: self.rounds_so_far(self.path("stopped")) >= 10, run)
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(), 128 + signal.SIGINT, run.text())
        self.assertLess(self.summary(self.path("stopped"))["rounds"], 2000)
        self.train(self.file, "stopped", *UNEQUAL, *rounds, "--resume", "--workers", "2")
        self.assertEqual(self.sha(self.path("stopped")), self.sha(whole))
        self.assertEqual(self.results(self.path("stopped")), self.results(whole))

    def test_another_number_is_another_run(self):
        folder = self.train(self.file, "one")
        done = self.tacet("train", self.file, "--out", folder, "--resume", "--set", "algorithm.local_epochs=2")
        self.assertEqual(done.returncode, 2)
        self.assertIn("algorithm.local_epochs must be as in", done.stderr)

    def refused(self, *args, file=None):
        done = self.tacet("train", file or self.file, "--out", self.path("refused"), *args)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertFalse(os.path.exists(self.path("refused")))
        return done.stderr

    def test_mistakes(self):
        said = self.refused("--set", "algorithm.interval=4")
        self.assertIn("algorithm.interval: is not used with algorithm.local_epochs, which is given", said)
        self.assertIn("algorithm.local_epochs: must be >= 1", self.refused("--set", "algorithm.local_epochs=0"))
        self.assertIn("must be an integer, got 1.5", self.refused("--set", "algorithm.local_epochs=1.5"))
        for name in ("naive-clip", "celgc-overlap", "adam"):
            said = self.refused("--set", "algorithm.local_epochs=1", "--set", "algorithm.name=" + name)
            self.assertIn("algorithm.local_epochs: is not a key of " + name, said)
        text = self.recipe("text.toml", algorithm={"interval": None, "local_epochs": 1})
        said = self.refused(file=text)
        self.assertIn("algorithm.local_epochs needs data of separate samples", said)
        self.assertIn('data.name = "text"', said)

    def test_a_dry_run_tells_the_steps(self):
        done = self.tacet("train", self.file, "--dry-run", *UNEQUAL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^method +celgc, 4 clients, I = 10$")
        self.assertRegex(done.stdout, r"(?m)^setting +η 0.05, γ 0.02, E 1,")


if __name__ == "__main__":
    unittest.main()
