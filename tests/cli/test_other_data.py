"""What gives a model's numbers their meaning stays with its run. For every kind of data there is a folder A that a run is
trained on, and a folder B whose training files differ, so that words and classes would be numbered otherwise, while the
files that are evaluated are A's. The figures of `tacet eval` must be the same on both, and a resume on B is refused."""

import json
import os
import shutil
import struct
import subprocess
import unittest

from program import COMMAND, Case, Run, environment, free_port, read_json
from test_data import write_file, write_png

WORDS = "the a cat dog sat ran on to mat house his big old new red".split()


def sentence(k, words=WORDS):
    return " ".join(words[(k * 7 + j * (k % 5 + 1)) % len(words)] for j in range(6))


def write_text(folder, reverse):
    """Lines of 15 words. In B the training text comes from its end to its begin."""
    lines = [sentence(k) for k in range(60)]
    write_file(os.path.join(folder, "train.txt"), ("\n".join(lines[::-1] if reverse else lines) + "\n").encode())
    for split, first in (("valid", 100), ("test", 200)):
        write_file(os.path.join(folder, split + ".txt"), ("\n".join(sentence(k) for k in range(first, first + 20)) + "\n").encode())


def write_labelled(folder, reverse):
    """Two classes. In B the words have other counts, and a further class, "also", comes before both in byte order."""
    rows = {"train": [(sentence(k), "no" if k % 2 else "yes") for k in range(40)]}
    if reverse:
        rows["train"] = [(sentence(3 * k), "yes" if k % 2 else "no") for k in range(30)]
    for split, first in (("valid", 100), ("test", 200)):
        rows[split] = [(sentence(k), "no" if k % 3 else "yes") for k in range(first, first + 12)]
    for split, some in rows.items():
        text = "text,label\n" + "".join("%s,%s\n" % row for row in some)
        write_file(os.path.join(folder, split + ".csv"), text.encode())


def npy(shape, kind, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, shape)))
    head += " " * (117 - len(head)) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def write_arrays(folder, reverse):
    """Images of 4 × 4 bytes in 3 classes. Those of B are brighter, and none is of class 2."""
    for split, n in (("train", 30), ("test", 12)):
        other = reverse and split == "train"
        pixels = bytes((k * 13 + (k // 16 % 3) * 40 + (90 if other else 0)) % 256 for k in range(16 * n))
        labels = bytes(k % (2 if other else 3) for k in range(n))
        write_file(os.path.join(folder, split + "_images.npy"), npy((n, 4, 4), "|u1", pixels))
        write_file(os.path.join(folder, split + "_labels.npy"), npy((n,), "|u1", labels))


def write_pictures(folder, reverse):
    """Classes bee and cat; B has a class ant for training too, which takes their numbers."""
    for name, level in (("ant", 10), ("bee", 90), ("cat", 200)):
        for k in range(6):
            if name != "ant" or reverse:
                write_png(os.path.join(folder, "train", name, "%d.png" % k), row=bytes([level + 3 * k] * 24))
            if name != "ant":
                write_png(os.path.join(folder, "test", name, "%d.png" % k), row=bytes([level + 4 * k] * 24))
    if reverse:  # a folder of validation pictures needs all classes of train/
        write_png(os.path.join(folder, "test", "ant", "0.png"), row=bytes([10] * 24))


def write_pairs(folder, reverse):
    """Sentences and their words from the end to the begin. The subwords of B's are others."""
    for split, numbers in (("train", range(300, 260, -1) if reverse else range(40)), ("valid", range(100, 110)),
                           ("test", range(200, 210))):
        words = ["x" + w[::-1] + "q" for w in WORDS] if reverse and split == "train" else WORDS
        for language, way in (("source", 1), ("target", -1)):
            text = "".join(" ".join(sentence(k, words).split()[::way]) + "\n" for k in numbers)
            write_file(os.path.join(folder, split + "." + language), text.encode())


SEQUENCE = {"model": {"name": "awd-lstm"}, "data": {"random_lengths": False, "eval_batch": 2}}
NONE = {"layers": None, "embedding": None, "hidden": None, "batch_size": 4, "bptt": None}
IMAGES = {"data": {**NONE, "name": "arrays", "batch_size": 4}, "model": {"name": "logistic", "layers": None, "embedding": None, "hidden": None}}
KINDS = {
    "text": (write_text, SEQUENCE, "train.txt", ["vocabulary"]),
    "labelled-text": (write_labelled, {"data": {**NONE, "name": "labelled-text"},
                                       "model": {"name": "text-classifier", "layers": None}},
                      "train.csv", ["vocabulary", "classes", "class_count"]),
    "arrays": (write_arrays, IMAGES, "train_images.npy", ["mean", "deviation", "class_count"]),
    "image-folder": (write_pictures, {"data": {**NONE, "name": "image-folder", "size": 8}, "model": IMAGES["model"]},
                     "ant", ["classes", "mean", "deviation", "class_count"]),
    "parallel-text": (write_pairs, {"data": {**NONE, "name": "parallel-text", "pieces": 60},
                                    "model": {"name": "transformer", "embedding": None, "layers": 1, "hidden": None,
                                              "width": 16, "heads": 2, "inner": 16}},
                      "train.source", ["subwords"]),
}


def add_tensor(old, new, name):
    """Copies a safetensors file with one more tensor, of two numbers."""
    with open(old, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(size))
        numbers = f.read()
    header[name] = {"dtype": "F32", "shape": [2], "data_offsets": [len(numbers), len(numbers) + 8]}
    text = json.dumps(header).encode()
    with open(new, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + numbers + bytes(8))


class OtherData(Case):
    def setUp(self):
        self.home = environment(HOME=self.path("home"))  # the cache of learned subwords

    def tables(self, kind, folder):
        changes = {t: dict(keys) for t, keys in KINDS[kind][1].items()}
        changes.setdefault("data", {})["root"] = folder
        changes.setdefault("algorithm", {"eta": 0.5, "interval": 2})
        changes.update(clients={"count": 2}, schedule={"rounds": 12})
        return changes

    def begin(self, kind, name):
        """A run on A; returns its folder, A and B."""
        a, b = self.path(name, "a"), self.path(name, "b")
        for folder, reverse in ((a, False), (b, True)):
            KINDS[kind][0](folder, reverse)
        recipe = self.recipe(kind + ".toml", **self.tables(kind, a))
        result = self.tacet("train", recipe, "--out", self.path(name, "run"), "--quiet", env=self.home)
        self.assertEqual(result.returncode, 0, result.stderr)
        return self.path(name, "run"), a, b

    def test_every_kind(self):
        for kind, (_, _, file, keys) in KINDS.items():
            with self.subTest(kind):
                if kind == "parallel-text" and not shutil.which("spm_train"):
                    self.fail("spm_train is not installed (Debian package sentencepiece)")
                run, a, b = self.begin(kind, kind)
                self.check_record(run, a, keys)
                self.check_evaluation(kind, run, a, b, file)
                self.check_resume(kind, run, b, file)

    def check_record(self, run, a, keys):
        record = read_json(os.path.join(run, "data.json"))
        self.assertEqual(record["format"], 1)
        for key in keys:
            self.assertTrue(record[key], key)
        self.assertTrue(record["files"])
        for file in record["files"]:
            path = os.path.join(a, file["name"])
            self.assertEqual(os.path.getsize(path), file["bytes"])
            said = subprocess.run(["sha256sum", path], stdout=subprocess.PIPE, check=True, text=True).stdout
            self.assertEqual(said.split()[0], file["sha256"])
        with open(os.path.join(run, "checkpoint", "data.json"), "rb") as f, open(os.path.join(run, "data.json"), "rb") as g:
            self.assertEqual(f.read(), g.read())

    def figures(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def check_evaluation(self, kind, run, a, b, file):
        same = self.tacet("eval", run, env=self.home)
        self.assertEqual(same.stderr, "")
        final = read_json(os.path.join(run, "summary.json"))["final"]
        loss = final.get("test_loss", final.get("eval_loss"))  # the test images select where nothing else can
        self.assertIn("test loss %.6f" % loss, same.stdout)
        other = self.tacet("eval", run, "--set", "data.root=" + b, env=self.home)
        if kind == "image-folder":  # one test picture is of a class that the run lacks
            self.assertEqual(other.returncode, 2)
            self.assertRegex(other.stderr, 'test images must be of the classes of .*run/data.json, got class "ant"')
            shutil.rmtree(os.path.join(b, "test", "ant"))
            other = self.tacet("eval", run, "--set", "data.root=" + b, "--set", "data.partial=true", env=self.home)
        self.assertEqual(self.figures(other), self.figures(same))
        self.assertRegex(other.stderr, "warning: these are not the run's data: .*%s.*data.json" % file)
        os.rename(os.path.join(run, "data.json"), os.path.join(run, "away"))
        without = self.tacet("eval", run, env=self.home)
        os.rename(os.path.join(run, "away"), os.path.join(run, "data.json"))
        self.assertEqual(without.stdout, same.stdout)
        self.assertIn("data.json is not there", without.stderr)

    def check_resume(self, kind, run, b, file):
        def resume(*sets):
            return self.tacet("train", self.path(kind + ".toml"), "--out", run, "--resume", "--quiet", *sets,
                              "--set", "schedule.rounds=14", env=self.home)
        before = {name: os.stat(os.path.join(run, name)).st_mtime_ns for name in os.listdir(run)}
        other = resume("--set", "data.root=" + b, *(["--set", "data.partial=true"] if kind == "image-folder" else []))
        self.assertEqual(other.returncode, 2, other.stderr)
        # data.partial is part of the run, and B's arrays have too few classes to train on: these are refused earlier.
        if kind not in ("image-folder", "arrays"):
            self.assertRegex(other.stderr, "--resume: the data must be those that the run was begun with, but %s" % file)
        self.assertEqual({name: os.stat(os.path.join(run, name)).st_mtime_ns for name in os.listdir(run)}, before)
        self.assertEqual(resume().returncode, 0)

    def test_a_run_of_an_older_version_goes_on_with_a_warning(self):
        run = self.train(self.recipe("old.toml", schedule={"rounds": 4}), "old")
        for folder in ("", "checkpoint"):
            os.remove(os.path.join(run, folder, "data.json"))
        sums = os.path.join(run, "checkpoint", "SHA256SUMS")
        with open(sums, encoding="utf-8") as f:
            lines = [line for line in f if not line.endswith("data.json\n")]
        with open(sums, "w", encoding="utf-8") as f:
            f.writelines(lines)
        result = self.tacet("train", self.path("old.toml"), "--out", run, "--resume", "--set", "schedule.rounds=6")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("has no data.json, as an older version began it", result.stderr)
        self.assertTrue(os.path.exists(os.path.join(run, "data.json")))

    def test_a_damaged_record_is_an_error(self):
        run = self.train(self.recipe("damaged.toml", schedule={"rounds": 2}), "damaged")
        write_file(os.path.join(run, "data.json"), b'{"vocabulary": [')
        for args in (["eval", run], ["train", self.path("damaged.toml"), "--out", run, "--resume"]):
            result = self.tacet(*args)
            self.assertEqual(result.returncode, 2)
            self.assertIn("data.json: must be the record of a run's data", result.stderr)

    def test_workers_with_other_data_are_told(self):
        other = self.path("other")
        shutil.copytree(self.corpus, other)
        with open(os.path.join(other, "test.txt"), "a", encoding="utf-8") as f:
            f.write("w1 w2\n")
        port = free_port()
        file = self.recipe("workers.toml", clients={"count": 2})
        runs = []
        for rank, root in ((0, self.corpus), (1, other)):
            runs.append(Run(["train", file, "--out", self.path("workers"), "--quiet", "--set", "data.root=" + root],
                            env=environment(RANK=rank, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port), cwd=self.folder))
            self.addCleanup(runs[-1].end)
        for run in runs:
            self.assertEqual(run.wait(), 2, run.text())
            self.assertRegex(run.text(), "the data's file test.txt must be the same for all workers, but it is .* for worker 0")

    def test_a_moved_folder_has_one_way(self):
        """Paths in the run's recipe are absolute, so a run is evaluated from anywhere; moved data are named with --set."""
        a = self.path("here", "texts")
        shutil.copytree(self.corpus, a)
        self.recipe("here/r.toml", data={"root": "texts"}, schedule={"rounds": 2})
        result = self.tacet("train", os.path.join("here", "r.toml"), "--out", "moved", "--quiet")
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("moved", "recipe.toml"), encoding="utf-8") as f:
            self.assertIn("root = %s\n" % json.dumps(a), f.read())
        before = subprocess.run([COMMAND, "eval", self.path("moved")], cwd="/", env=environment(), stdout=subprocess.PIPE,
                                check=True, text=True).stdout
        os.rename(self.path("here"), self.path("there"))
        os.rename(self.path("moved"), self.path("run-there"))
        gone = self.tacet("eval", "run-there")
        self.assertEqual(gone.returncode, 2)
        self.assertIn(a, gone.stderr)
        moved = self.tacet("eval", "run-there", "--set", "data.root=there/texts")
        self.assertEqual((moved.stdout, moved.stderr), (before, ""))
        again = self.tacet("train", "there/r.toml", "--out", "run-there", "--resume", "--quiet", "--set", "schedule.rounds=3")
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_initial_weights_keep_their_words(self):
        run, _, b = self.begin("text", "first")
        first = os.path.join(run, "model.safetensors")
        recipe = self.recipe("tuned.toml", **{**self.tables("text", b), "schedule": {"rounds": 1}})
        result = self.tacet("train", recipe, "--out", "tuned", "--quiet", "--set", "model.init=" + first)
        self.assertEqual(result.returncode, 0, result.stderr)
        of = [read_json(os.path.join(folder, "data.json")) for folder in (run, self.path("tuned"))]
        self.assertEqual(of[0]["vocabulary"], of[1]["vocabulary"])
        self.assertIn("words are numbered as in %s, for model.init" % os.path.join(run, "data.json"), result.stderr)
        self.assertIn("model.init", [file["name"] for file in of[1]["files"]])
        os.remove(os.path.join(run, "data.json"))
        alone = self.tacet("train", recipe, "--out", "alone", "--quiet", "--set", "model.init=" + first)
        self.assertIn("data.json is not there: that the words and classes of model.init", alone.stderr)
        more = self.path("more.safetensors")
        add_tensor(first, more, "head.old")
        told = self.tacet("train", recipe, "--out", "more", "--quiet", "--set", "model.init=" + more)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("1 tensor of model.init is not this model's and not used: head.old (%s)" % more, told.stderr)
        evaluated = self.tacet("eval", more, "--recipe", recipe)
        self.assertIn("more.safetensors: tensor head.old is not this model's and not used", evaluated.stderr)

    def test_initial_weights_of_other_classes_are_told(self):
        run, _, _ = self.begin("labelled-text", "classed")
        record = read_json(os.path.join(run, "data.json"))
        record["classes"].reverse()
        with open(os.path.join(run, "data.json"), "w", encoding="utf-8") as f:
            json.dump(record, f)
        recipe = self.recipe("classed.toml", **{**self.tables("labelled-text", self.path("classed", "a")), "schedule": {"rounds": 1}})
        result = self.tacet("train", recipe, "--out", "reclassed", "--quiet", "--set",
                            "model.init=" + os.path.join(run, "model.safetensors"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the classes are not those of model.init", result.stderr)


if __name__ == "__main__":
    unittest.main()
