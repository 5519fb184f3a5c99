"""What a run of a network measures of itself, against figures worked out here from its files: the gradient and the loss over the
training set, training accuracy, the clipped share of an epoch. With all of that on, the model has the same bits, on any number of
workers, stopped or not."""

import json
import math
import os
import re
import signal
import struct
import unittest

from program import Case
from test_data import write_idx

ALL = ["--set", "run.eval_train=true", "--set", "run.gradient_every=0.5", "--set", "run.update_size=true", "--set", "run.check=true",
       "--set", "run.noise_scale=true"]
SIDE, CLASSES, IMAGES = 18, 3, 60


def tensors(path):
    """The float32 tensors of a safetensors file, as flat lists."""
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(size)), f.read()
    return {name: struct.unpack("<%df" % ((e["data_offsets"][1] - e["data_offsets"][0]) // 4),
                                data[e["data_offsets"][0]:e["data_offsets"][1]])
            for name, e in header.items() if name != "__metadata__"}


def full_gradient(folder):
    """Softmax regression at the run's model over all training images, from the formula: norm, mean loss, accuracy."""
    model = tensors(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "data.json"), encoding="utf-8") as f:
        record = json.load(f)
    mean, deviation = record["mean"][0], record["deviation"][0]
    w, b, pixels = model["fc.weight"], model["fc.bias"], SIDE * SIDE
    dw, db, loss, right = [0.0] * (CLASSES * pixels), [0.0] * CLASSES, 0.0, 0
    for i in range(IMAGES):
        label = i % CLASSES
        x = [(((60 * label + (i * 7 + k * 13) % 60) % 256) / 255 - mean) / deviation for k in range(pixels)]
        scores = [b[c] + sum(w[c * pixels + k] * x[k] for k in range(pixels)) for c in range(CLASSES)]
        total = sum(math.exp(s - max(scores)) for s in scores)
        loss += math.log(total) + max(scores) - scores[label]
        right += scores.index(max(scores)) == label
        for c in range(CLASSES):
            slope = math.exp(scores[c] - max(scores)) / total - (c == label)
            db[c] += slope
            for k in range(pixels):
                dw[c * pixels + k] += slope * x[k]
    norm = math.sqrt(sum((g / IMAGES) ** 2 for g in dw + db))
    return norm, loss / IMAGES, right / IMAGES


class Measurements(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write_idx(cls.path("images"), train=IMAGES, side=SIDE, classes=CLASSES)
        cls.file = cls.images_recipe("images.toml")

    @classmethod
    def images_recipe(cls, name, eta=0.05, model='name = "logistic"'):
        """3 clients of 20 images; an epoch is a round of two steps of 10."""
        with open(cls.path(name), "w", encoding="utf-8") as f:
            f.write("""
[data]
name = "idx"
root = "%s"
batch_size = 10
eval_batch = 7
[model]
%s
[algorithm]
name = "celgc"
eta = %g
gamma = 0.02
interval = 2
[clients]
count = 3
[schedule]
epochs = 4
[run]
checkpoint_every = 1
""" % (cls.path("images"), model, eta))
        return cls.path(name)

    def test_no_bit_changes_and_no_byte(self):
        plain = self.train(self.file, "plain")
        for k, flags in enumerate([ALL, ALL[:2], ALL[2:4], ALL[4:6], ALL[6:8], ALL[8:]]):
            measured = self.train(self.file, "measured-%d" % k, *flags)
            self.assertEqual(self.sha(measured), self.sha(plain), flags)
            self.assertEqual(self.summary(measured)["bytes_sent"], self.summary(plain)["bytes_sent"])

    def test_any_number_of_workers_measures_the_same(self):
        one = self.train(self.file, "one", *ALL)
        for workers in ("2", "3"):
            other = self.train(self.file, "w" + workers, *ALL, "--workers", workers)
            self.assertEqual(self.sha(other), self.sha(one))
            self.assertEqual(self.results(other), self.results(one))

    def test_the_report_has_the_noise_scale(self):
        folder = self.train(self.file, "reported", "--set", "run.noise_scale=true")
        page = self.path("report.html")
        self.assertEqual(self.tacet("report", folder, "-o", page).returncode, 0)
        with open(page, encoding="utf-8") as f:
            data = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', f.read(), re.S).group(1)
        rounds = json.loads(data)["runs"][0]["rounds"]
        for key in ("noise_trace", "noise_gradient_square"):
            for shown, m in zip(rounds[key], self.metrics(folder, "round"), strict=True):
                self.assertAlmostEqual(shown / m[key], 1, 8)

    def test_the_gradient_over_the_training_set(self):
        folder = self.train(self.file, "gradient", "--set", "run.gradient_every=1", "--set", "run.eval_train=true")
        lines = self.metrics(folder, "gradient")
        self.assertEqual([m["epoch"] for m in lines], [0, 1, 2, 3, 4])
        norm, loss, accuracy = full_gradient(folder)
        last = lines[-1]
        self.assertAlmostEqual(last["full_gradient_norm"], norm, delta=1e-4 * norm)
        self.assertAlmostEqual(last["full_loss"], loss, delta=1e-4 * loss)
        self.assertEqual((last["full_accuracy"], last["samples"], last["part"]), (accuracy, IMAGES, 1))
        evaluated = self.metrics(folder, "train")[-1]
        self.assertAlmostEqual(evaluated["eval_loss"], loss, delta=1e-4 * loss)
        self.assertEqual(evaluated["eval_accuracy"], accuracy)
        final = self.summary(folder)["final"]
        self.assertEqual((final["train_set_loss"], final["train_set_accuracy"]), (evaluated["eval_loss"], accuracy))
        self.assertEqual(final["train_loss"], self.metrics(folder, "epoch")[-1]["train_loss"])

    def test_a_text_is_measured_and_trained_as_before(self):
        text = self.recipe("text.toml", data={"eval_batch": 2})  # 1,200 tokens: 7 pieces of about 2 × 5 × 16
        plain = self.train(text, "text-plain")
        for workers in ("1", "2"):
            folder = self.train(text, "text-" + workers, "--set", "run.gradient_every=0.1", "--set", "run.gradient_part=0.5",
                                "--workers", workers)
            self.assertEqual(self.sha(folder), self.sha(plain))
            lines = self.metrics(folder, "gradient")
            self.assertGreater(len(lines), 1)
            self.assertEqual({m["part"] for m in lines}, {4 / 7})
            self.assertTrue(all(m["full_gradient_norm"] > 0 and "full_accuracy" not in m for m in lines))
            if workers == "2":
                self.assertEqual([{**m, "seconds": 0, "bytes_sent": 0} for m in lines], first)
            first = [{**m, "seconds": 0, "bytes_sent": 0} for m in lines]

    def test_a_part_of_the_training_set(self):
        folder = self.train(self.file, "part", "--set", "run.gradient_every=4", "--set", "run.gradient_part=0.3")
        for line in self.metrics(folder, "gradient"):  # 9 units of at most 7 images: 3 of them
            self.assertIn(line["samples"], (18, 21))
            self.assertAlmostEqual(line["part"], 3 / 9)

    def test_running_accuracy_is_that_of_the_steps(self):
        """With steps of next to no length every image of an epoch is seen by the same model, which the whole set is seen by too."""
        for model in ('name = "logistic"', 'name = "mlp"\nwidths = [8, 6]\nactivation = "tanh"\ndropout = 0'):
            with self.subTest(model=model):
                folder = self.train(self.images_recipe("still.toml", 1e-12, model), "still-" + str(len(model)), "--set",
                                    "run.gradient_every=1")
                full = self.metrics(folder, "gradient")[-1]
                for line in self.metrics(folder, "epoch") + self.metrics(folder, "round"):
                    self.assertAlmostEqual(line["train_accuracy"], full["full_accuracy"], places=12)
                    self.assertAlmostEqual(line["train_loss"], full["full_loss"], places=4)

    def test_the_clipped_share_of_an_epoch(self):
        folder = self.train(self.file, "clipped", "--set", "algorithm.interval=1", "--set", "algorithm.gamma=0.2")
        rounds = self.metrics(folder, "round")  # two an epoch
        epochs = self.metrics(folder, "epoch")
        self.assertEqual(len(rounds), 2 * len(epochs))
        for k, line in enumerate(epochs):
            both = [m["clipped_fraction"] for m in rounds[2 * k:2 * k + 2]]
            self.assertAlmostEqual(line["clipped_fraction"], sum(both) / 2)

    def test_stopped_and_resumed(self):
        length = ["--set", "schedule.epochs=1000", "--set", "run.checkpoint_every=100"]
        whole = self.train(self.file, "straight", *ALL, *length)
        run = self.start("train", self.file, "--out", self.path("stopped"), *ALL, *length)
        self.until("10 rounds", lambda: self.rounds_so_far(self.path("stopped")) >= 10, run)
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(), 128 + signal.SIGINT, run.text())
        self.train(self.file, "stopped", *ALL, *length, "--resume", "--workers", "2")
        self.assertEqual(self.sha(self.path("stopped")), self.sha(whole))
        self.assertEqual(self.results(self.path("stopped")), self.results(whole))

    def test_every_client_with_the_whole_set(self):
        shared = ["--set", "data.partition.kind=shared"]
        one = self.train(self.file, "shared", *shared)
        self.assertEqual(self.sha(self.train(self.file, "shared-2", *shared, "--workers", "2")), self.sha(one))
        self.assertNotEqual(self.sha(one), self.sha(self.train(self.file, "apart")))
        self.assertEqual([m["epoch"] for m in self.metrics(one, "round")], [1, 2, 3, 4])  # 60 images of all jointly

    def test_mistakes(self):
        def refused(*args, file=self.file):
            done = self.tacet("train", file, "--out", self.path("refused"), *args)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertFalse(os.path.exists(self.path("refused")))
            return done.stderr
        self.assertIn("run.gradient_every: must be >= 0, got -1", refused("--set", "run.gradient_every=-1"))
        self.assertIn("run.gradient_part: must be > 0 and <= 1, got 2",
                      refused("--set", "run.gradient_every=1", "--set", "run.gradient_part=2"))
        self.assertIn("data.partition.every_round: is not used with data.partition.kind",
                      refused("--set", "data.partition.kind=shared", "--set", "data.partition.every_round=true"))
        mlp = ["--set", "model.name=mlp"]
        self.assertIn("model.widths must be whole numbers, got 2.5", refused(*mlp, "--set", "model.widths=[2.5]"))
        self.assertIn("model.hidden: is not used with model.widths",
                      refused(*mlp, "--set", "model.widths=[4, 4]", "--set", "model.hidden=9"))
        self.assertIn('--set model.activation: must be "relu", "tanh" or "sigmoid"', refused(*mlp, "--set", "model.activation=cube"))


if __name__ == "__main__":
    unittest.main()
