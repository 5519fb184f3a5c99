"""Complaints that users of such programs made in public, tried on tacet: a row for each, as a test. A docstring tells what the
version before the mend did; the row checks what is done now. More has further inputs of the same kinds, where a docstring tells
what is expected. `test_complaints.py --table` prints both as Markdown. All inputs are written here, small."""

import gzip
import os
import shutil
import signal
import struct
import subprocess
import sys
import unittest

from complaints import (COLOURS, JPEG, Rows, points, print_table, read_tensors, sets, write_npy, write_picture, write_tensors,
                        write_text)
from program import COMMAND, LIMIT, environment, free_port, read_json
from test_data import write_file, write_png

GOOD_AND_BAD = ["good plot %d,up" % k if k % 2 else "bad plot %d,down" % k for k in range(12)]
VECTOR = " 0.25 -0.5 0.75 1.5"


class Complaints(Rows):
    # --- folders of pictures

    def test_apple_double(self):
        """Exit 2: the companion files that macOS writes (._0.png) were taken for pictures that are broken."""
        folder = self.pictures("companions", train={"cat": 4, "dog": 4}, val={"cat": 2, "dog": 2})
        for name in ("._0.png", ".DS_Store", "Thumbs.db"):
            write_file(os.path.join(folder, "train", "cat", name), b"\0\5\x16\7companion")
        self.shows(self.info("image-folder", folder), 0, "8 training, 4 test", absent=["left out"])

    def test_hidden_folder(self):
        """A notebook's .ipynb_checkpoints was a class of its own, or gave every picture twice, without a word."""
        as_class = self.pictures("as-class", train={"cat": 4, "dog": 4}, val={"cat": 2, "dog": 2})
        write_picture(os.path.join(as_class, "train", ".ipynb_checkpoints", "0.png"), COLOURS["bee"])
        inside = self.pictures("inside", train={"cat": 4, "dog": 4}, val={"cat": 2, "dog": 2})
        write_picture(os.path.join(inside, "train", "cat", ".ipynb_checkpoints", "0-copy.png"), COLOURS["cat"])
        for folder in (as_class, inside):
            self.shows(self.info("image-folder", folder), 0, "8 training, 4 test; 3 × 8 × 8, 2 classes")

    def test_nested_level(self):
        """With one folder level too many there was one class, loss 0 and accuracy 100 %, exit 0."""
        folder = self.pictures("nested/train", **{"images": {"cat": 4, "dog": 4}})
        self.pictures("nested/val", **{"images": {"cat": 2, "dog": 2}})
        done = self.tacet("train", self.tiny("image-folder"), "--out", self.path("nested-run"),
                          *sets("data.root=" + os.path.dirname(folder)))
        self.shows(done, 2, "look like classes (cat, dog): they must lie one level higher")
        self.assertFalse(os.path.exists(self.path("nested-run")))

    def test_other_formats(self):
        """Half of the pictures (webp, bmp, tif, gif, ppm) were left out without a word."""
        folder = self.pictures("formats", train={"cat": 2, "dog": 4}, val={"cat": 2, "dog": 2})
        for name, whole in (("a.webp", "flat.webp"), ("b.bmp", "rgb.bmp"), ("c.tif", "rgb.tiff"), ("d.gif", "four.gif"),
                            ("e.ppm", "rgb.ppm")):
            shutil.copy(os.path.join(os.path.dirname(__file__), "..", "fuzz", "corpus", "picture", whole),
                        os.path.join(folder, "train", "cat", name))
        for name, start in (("f.jfif", JPEG), ("g.jpg", JPEG), ("h.heic", b"\0\0\0\x18ftypheic"), ("i.psd", b"8BPS\0\1")):
            write_file(os.path.join(folder, "train", "cat", name), start)
        words = ["2 files left out: 1 heic, 1 psd (cat/h.heic, cat/i.psd)"]
        self.shows(self.info("image-folder", folder), 0, "13 training, 4 test", *words)
        done = self.tacet("train", self.tiny("image-folder"), "--out", self.path("formats-run"), *sets("data.root=" + folder))
        self.shows(done, 0, *words)

    def test_three_folders(self):
        """val/ was called the test set, and test/ beside it was never read."""
        folder = self.pictures("three", train={"cat": 4, "dog": 4}, val={"cat": 2, "dog": 3}, test={"cat": 3, "dog": 4})
        self.shows(self.info("image-folder", folder), 0, "8 training, 5 validation, 7 test")

    def test_val_extra_class(self):
        """Pictures of a class that the training set lacks were dropped without a word."""
        folder = self.pictures("extra", train={"cat": 4, "dog": 4}, val={"bee": 2, "cat": 2, "dog": 2})
        self.shows(self.info("image-folder", folder), 2, "val/bee: is no class of the training set")

    def test_unreadable_subfolder(self):
        """Pictures of a folder that could not be read, and those beside it, were left out without a word, exit 0."""
        folder = self.pictures("closed", train={"cat": 4, "dog": 4}, val={"cat": 2, "dog": 2})
        closed = os.path.join(folder, "train", "cat", "sub")
        write_picture(os.path.join(closed, "0.png"), COLOURS["cat"])
        os.chmod(self.folder, 0o755)
        os.chmod(closed, 0)
        self.addCleanup(os.chmod, closed, 0o700)
        other = {} if os.getuid() else {"user": 65534, "group": 65534, "extra_groups": []}  # root may read everything
        done = self.at("", "data", "info", "image-folder", *sets("data.size=8", "data.root=" + folder), **other)
        self.shows(done, 2, "train/cat/sub: can't be read: Permission denied")

    # --- pixels

    def pixels(self, folder, split="train"):
        """The pictures that were decoded and kept, each as three planes of 64 bytes."""
        with open(os.path.join(folder, split, "tacet-8.pictures"), "rb") as f:
            kept = f.read()[128:]
        return [[kept[at + 64 * c:at + 64 * (c + 1)] for c in range(3)] for at in range(0, len(kept), 192)]

    def test_png16(self):
        """16-bit pictures were made 8-bit through a gamma curve: 28 46 58 … where PIL has 2 6 10 …"""
        folder = self.pictures("deep", train={"dog": 2}, val={"cat": 2, "dog": 2})
        values = [700, 1300, 5000, 9999, 20000, 33000, 50000, 65000]
        for name, colours in (("0.png", 0), ("1.png", 2)):
            row = b"".join(struct.pack(">H", v) * (3 if colours else 1) for v in values)
            write_png(os.path.join(folder, "train", "cat", name), depth=16, colours=colours, row=row)
        self.shows(self.info("image-folder", folder), 0, "4 training, 4 test")
        read = bytes(round(v / 257) for v in values)
        for grey_or_colour in self.pixels(folder)[:2]:
            self.assertEqual(grey_or_colour, [read * 8] * 3)
        self.tells("pixels " + " ".join(str(b) for b in read))

    def test_png_gama_alpha(self):
        """The same pixels were read otherwise with a gAMA chunk, and half-transparent ones were blended with black."""
        folder = self.pictures("gamma", train={"dog": 2}, val={"cat": 2, "dog": 2})
        ramp = bytes(k for v in range(8) for k in [10 + 20 * v] * 3)
        for k, gamma in enumerate((None, 100000, 45455)):
            extra = [] if gamma is None else [(b"gAMA", struct.pack(">I", gamma))]
            write_png(os.path.join(folder, "train", "cat", "%d.png" % k), row=ramp, extra=extra)
        for k, alpha in enumerate((0, 128, 255)):
            write_png(os.path.join(folder, "train", "cat", "%d.png" % (3 + k)), colours=6, row=bytes([210, 90, 40, alpha]) * 8)
        self.shows(self.info("image-folder", folder), 0, "8 training, 4 test")
        read = self.pixels(folder)
        for k in range(3):
            self.assertEqual(read[k], [ramp[::3] * 8] * 3)
            self.assertEqual(read[3 + k], [bytes([v]) * 64 for v in (210, 90, 40)])
        self.tells("one reading for all gAMA and all alpha")

    # --- arrays

    def run_of(self, folder, *pairs, recipe="arrays"):
        """A run that may fail, with the exit code and the words as they come."""
        return self.tacet("train", self.tiny(recipe), "--out", self.path(os.path.basename(folder) + "-run"), "--quiet",
                          *sets("data.root=" + folder, *pairs))

    def test_nan_pixel(self):
        """One NaN of an image made every image NaN and the advice was a smaller η, or "done" with all steps skipped; an inf in a
        test image gave "test loss -nan", exit 0."""
        bad = self.arrays("nan")
        self.floats("nan", "train", 17, float("nan"))
        for pairs in ([], ['run.non_finite="skip"']):
            self.shows(self.run_of(bad, *pairs), 2, "train_images.npy: images must be finite numbers", "image 17 ")
        bad = self.arrays("inf")
        self.floats("inf", "test", 3, float("inf"))
        self.shows(self.run_of(bad), 2, "test_images.npy: images must be finite numbers", "image 3 ")

    def test_nhwc(self):
        """Images whose channels come last were read as 12 channels and trained on."""
        folder = self.arrays("last", shape=(12, 12, 3))
        self.shows(self.run_of(folder), 2, "train_images.npy: images must be [n, C, H, W]", "looks like [n, H, W, C]",
                   "numpy.transpose")

    def test_labels_shape(self):
        """Labels [40, 1], 0.0 and one-hot rows were refused in the name of the images' file, without shape or type."""
        plain = self.sha(self.trained("arrays", self.arrays("plain"), "plain-run"))
        numbers = [i % 2 for i in range(40)]
        for name, shape, descr, data in (("column", (40, 1), "<i8", struct.pack("<40q", *numbers)),
                                         ("float", (40,), "<f4", struct.pack("<40f", *numbers))):
            write_npy(os.path.join(self.arrays(name), "train_labels.npy"), shape, data, descr)
            self.assertEqual(self.sha(self.trained("arrays", name, name + "-run")), plain)
        self.tells("[40, 1] and floating point: the same model as [40]")
        rows = [k for i in numbers for k in (1 - i, i)]
        write_npy(os.path.join(self.arrays("onehot"), "train_labels.npy"), (40, 2), struct.pack("<80q", *rows), "<i8")
        self.shows(self.run_of(self.path("onehot")), 2, "train_labels.npy: labels must be whole numbers", "int64 [40, 2]")

    def test_npy_python2(self):
        """Exit 2: a header as Python 2 writes it (40L, 6L, 6L) was said to have no shape."""
        shas = [self.sha(self.trained("arrays", self.arrays(name, suffix=suffix), name + "-run"))
                for name, suffix in (("python3", ""), ("python2", "L"))]
        self.shows(self.info("arrays", "python2"), 0, "40 training, 8 test; 1 × 6 × 6, 2 classes")
        self.assertEqual(*shas)
        self.tells("the same model as without L")

    def test_safetensors_extra(self):
        """Any third tensor, "ids" or "weights", was taken for the users."""
        images, labels = ("U8", [4, 2, 2], bytes(range(16))), ("I64", [4], struct.pack("<4q", 0, 1, 0, 1))
        users = ("I64", [4], struct.pack("<4q", 0, 0, 1, 1))
        for name, more in (("ids", {"ids": users}), ("weights", {"users": users, "weights": ("F32", [4], bytes(16))})):
            for split in ("train", "test"):
                write_tensors(self.path(name, split + ".safetensors"), {"images": images, "labels": labels, **more})
            self.shows(self.info("arrays", name), 2, 'train.safetensors: tensors must be images, labels and perhaps users, got "%s"' % name)

    def test_emnist_letters(self):
        """Held before: labels 1 … 26 keep their numbers and class 0 stays empty; now that is told."""
        for stem, each in (("train", 4), ("t10k", 2)):
            labels = bytes(k for k in range(1, 27) for _ in range(each))
            write_file(self.path("letters", stem + "-labels-idx1-ubyte"), struct.pack(">BBBBI", 0, 0, 8, 1, len(labels)) + labels)
            write_file(self.path("letters", stem + "-images-idx3-ubyte"),
                       struct.pack(">BBBBIII", 0, 0, 8, 3, len(labels), 16, 16) + bytes(256 * len(labels)))
        done = self.info("idx", "letters")
        self.shows(done, 0, "104 training, 52 test; 1 × 16 × 16, 27 classes", "1 of 27 classes has no training images: 0")
        self.assertEqual(self.counts(done), [["0", "0"]] + [[str(k), "4"] for k in range(1, 27)])

    # --- tables

    def test_csv_extra_commas(self):
        """A text with a comma and no quotes was cut, or its rest became a third class, without a word."""
        self.texts("text-first", GOOD_AND_BAD + ["fine, just fine,up"], GOOD_AND_BAD)
        self.texts("label-first", [",".join(reversed(row.split(","))) for row in GOOD_AND_BAD] + ["up,fine, just fine"],
                   header="label,text")
        for name in ("text-first", "label-first"):
            self.shows(self.info("labelled-text", name), 2, "train.csv:14: must have 2 fields, as the header, got 3")

    def test_csv_labels(self):
        """An empty label and a label with a blank behind it were classes of their own, without a word."""
        self.texts("empty-label", GOOD_AND_BAD + ["who knows,"], GOOD_AND_BAD)
        self.shows(self.info("labelled-text", "empty-label"), 2, "train.csv:14: the label must be given, is empty")
        self.texts("blank-label", GOOD_AND_BAD + ["good plot,up "])
        done = self.info("labelled-text", "blank-label")
        self.shows(done, 0, "13 training")
        self.assertEqual(self.counts(done), [["down", "6"], ["up", "7"]])
        self.tells("down 6, up 7")

    def test_csv_long_quoted(self):
        """Exit 2: a quoted text of 2,200 lines was said never to be closed, which was not so."""
        lines = ["line%d of a long story that goes on and on" % k for k in range(2200)]
        self.texts("long", GOOD_AND_BAD + ['"%s",up' % "\n".join(lines)], GOOD_AND_BAD)
        # 2,200 words lineK, 9 others of the story, and of the 15 of the short texts (good, bad, plot, 0 … 11) all; <unk>.
        self.shows(self.info("labelled-text", "long"), 0, "13 training, 12 validation, 12 test; vocabulary %d" % (2200 + 8 + 15 + 1))

    def test_class_order(self):
        """Neither the docs nor the run's folder told which output is which class (10 comes before 2)."""
        self.texts("twelve", ["word%d here,%d" % (k % 12, k % 12) for k in range(24)])
        run = self.trained("labelled-text", "twelve", "twelve-run")
        names = sorted(str(k) for k in range(12))
        self.assertEqual(read_json(os.path.join(run, "data.json"))["classes"], names)
        self.assertEqual([row[0] for row in self.counts(self.info("labelled-text", "twelve"))], names)
        self.tells("data.json: classes " + " ".join(names))

    def test_max_samples_sorted(self):
        """Of a file that is sorted by label, max_samples took the first: one class only, accuracy 50 %, without a word."""
        row = '"%d","%d","Mon","NO_QUERY","who%d","%s day %d"\n'
        write_text(self.path("tweets", "training.1600000.processed.noemoticon.csv"),
                   "".join(row % (4 * (k >= 200), k, k % 30, "fine" if k >= 200 else "poor", k) for k in range(400)))
        write_text(self.path("tweets", "testdata.manual.2009.06.14.csv"),
                   "".join(row % (4 * (k % 2), k, k, "so", k) for k in range(10)))
        done = self.info("sentiment140", "tweets", "data.max_samples=100")
        self.shows(done, 0, "100 training")
        counts = {name: int(n) for name, n in self.counts(done)}
        self.assertEqual(sum(counts.values()), 100)
        self.assertGreater(min(counts.values()), 25)
        self.tells("negative %(negative)d, positive %(positive)d" % counts)

    def test_glove_spaces(self):
        """Words with blanks were read well; a vector of nan was taken, and then a smaller η was advised."""
        self.texts("vectors", GOOD_AND_BAD)
        words = ["good", ". . .", "plot", "at name@somewhere.org", "bad thing", "bad", "good", "\u00a0", "", "3", "plot 5"]
        write_text(self.path("vectors", "words.txt"), "".join(word + VECTOR + "\n" for word in words))
        done = self.info("labelled-text", "vectors", "data.vectors=words.txt")
        self.shows(done, 0, "vocabulary 5")  # <unk>, good, plot, bad, 3
        for name, line in (("short", " 0.25 0.5"), ("nan", " nan nan nan nan")):
            write_text(self.path("vectors", name + ".txt"), "good%s\nplot%s\nbad%s\n" % (VECTOR, line, VECTOR))
        self.shows(self.info("labelled-text", "vectors", "data.vectors=short.txt"), 2, "short.txt:2: must have 4 numbers")
        self.shows(self.info("labelled-text", "vectors", "data.vectors=nan.txt"), 2, "nan.txt:2: must be a word and finite numbers")

    # --- texts

    def corpus_of(self, folder, train, other=None, end="\n"):
        for split in ("train", "valid", "test"):
            write_text(self.path(folder, split + ".txt"), end.join([*(train if split == "train" else other or train), ""]))
        return self.path(folder)

    def test_text_line_ends(self):
        """A corpus with CR alone was one line with one <eos>; the one with CRLF was read well."""
        lines = ["a ship sails the sea", "the sea is deep", "a storm is near the ship"] * 30
        found = set()
        for name, end in (("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")):
            self.corpus_of(name, lines, end=end)
            tokens = self.shows(self.info("text", name), 0, "tokens: training 540, validation 540, test 540").splitlines()[-1]
            found.add((tokens, self.sha(self.trained("text", name, name + "-run", data={"eval_batch": 2}))))
        self.assertEqual(len(found), 1)
        self.tells("the same model three times")

    def test_eval_other_data(self):
        """A run's model was evaluated and resumed with word and class numbers of whatever folder was named: perplexity 1.03 →
        5.72, accuracy 100 → 0 %, exit 0."""
        test = ["a ship sails the sea"] * 20
        self.corpus_of("text-a", ["a ship sails the sea"] * 60, test)
        self.corpus_of("text-b", ["the sea sails a ship"] * 40, test)
        changes = {"data": {"eval_batch": 2}, "schedule": {"rounds": 60}}
        run = self.trained("text", "text-a", "text-run", **changes)
        own, warning = self.figures(run)
        self.assertEqual(warning, "")
        other, warning = self.figures(run, *sets("data.root=" + self.path("text-b")))
        self.assertEqual(other, own)
        self.assertIn("these are not the run's data: ", warning)
        self.assertIn("train.txt", warning)
        self.tells("own: " + own + "; other: " + other + " / " + warning)
        longer = self.tiny("text", "longer.toml", **{**changes, "schedule": {"rounds": 80}})
        done = self.tacet("train", longer, "--out", run, "--resume", "--quiet", *sets("data.root=" + self.path("text-b")))
        self.shows(done, 2, "--resume: the data must be those that the run was begun with, but train.txt has ")

        changes = {"schedule": {"rounds": 30}}
        self.pictures("zoo", train={"ant": 4, "bee": 4, "cat": 4}, val={"ant": 2, "bee": 2, "cat": 2})
        self.pictures("fewer", train={"bee": 4, "cat": 4}, val={"bee": 2, "cat": 2})
        self.pictures("new", train={"bee": 4, "dog": 4}, val={"bee": 2, "dog": 2})
        run = self.trained("image-folder", "zoo", "zoo-run", **changes)
        self.assertIn("accuracy 100.000 %", self.figures(run)[0])
        fewer, warning = self.figures(run, *sets("data.root=" + self.path("fewer")))
        self.assertIn("accuracy 100.000 %", fewer)
        self.assertIn("these are not the run's data: ", warning)
        self.tells("other pictures: " + fewer)
        self.shows(self.tacet("eval", run, *sets("data.root=" + self.path("new"))), 2, 'got class "dog"')

    def test_relative_root(self):
        """A relative data.root was looked for below the folder of whoever asked: accuracy 0 % instead of 100 %, exit 0."""
        changes = {"schedule": {"rounds": 30}}
        self.pictures("w1/d/pics", train={"cat": 4, "dog": 4}, val={"cat": 2, "dog": 2})
        self.pictures("w2/d/pics", {"cat": COLOURS["dog"], "dog": COLOURS["cat"]}, train={"cat": 4, "dog": 4},
                      val={"cat": 2, "dog": 2})
        recipe = self.tiny("image-folder", "w1/given.toml", data={"root": "d/pics"}, **changes)
        given = self.at("w2", "train", recipe, "--out", self.path("given-run"), "--quiet")
        self.assertEqual(given.returncode, 0, given.stderr)
        recipe = self.tiny("image-folder", "rootless.toml", **changes)
        set_ = self.at("w1", "train", recipe, "--out", self.path("set-run"), "--quiet", *sets("data.root=d/pics"))
        self.assertEqual(set_.returncode, 0, set_.stderr)
        for run in ("given-run", "set-run"):
            found = {self.figures(self.path(run), folder=folder) for folder in ("w1", "w2")}
            self.assertEqual(len(found), 1)
            self.assertIn("accuracy 100.000 %", next(iter(found))[0])
            again = self.at("w2", "train", self.path(run, "recipe.toml"), "--out", self.path(run + "-again"), "--quiet")
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(self.sha(self.path(run + "-again")), self.sha(self.path(run)))
        self.tells("accuracy 100 % from every folder, and recipe.toml repeats the run elsewhere")
        lost = self.at("w1", "train", recipe, "--out", self.path("lost-run"), *sets("data.root=no/pics"))
        self.shows(lost, 2, self.path("w1", "no", "pics"))

    # --- recipes and command lines

    def test_partition_key_unused(self):
        """Keys of a partition, a sampling or a schedule that the recipe does not use were ignored: iid, without a word."""
        self.arrays("unused")
        for pair in ("data.partition.alpha=0.05", "data.partition.similarity=10", "data.partition.classes=2",
                     "clients.alpha=0.5", "clients.period=3", "schedule.cosine_to=0.1", "schedule.nonmono=3",
                     "schedule.warmup_from=0.1"):
            done = self.tacet("data", "info", "arrays", "--clients", "10", *sets("data.root=" + self.path("unused"), pair))
            self.shows(done, 2, "--set %s: is used with " % pair.partition("=")[0])

    def test_interval_beyond_epoch(self):
        """One round of 200 epochs ran where schedule.epochs was 1, without a word."""
        done = self.run_of(self.arrays("overlong"), "algorithm.interval=100", "schedule.epochs=1", "schedule.rounds=1000")
        self.shows(done, 0, "a round is 20 epochs, more than schedule.epochs = 1")

    def test_toml_windows(self):
        r"""C:\Users gave "error while parsing unicode scalar sequence", D:\temp a message with a raw tab in it, and 2⁶³ was called
        a string."""
        for name, root in (("users", r"C:\Users\me\pictures"), ("temp", r"D:\temp\new")):
            write_text(self.path(name + ".toml"), '[data]\nname = "arrays"\nroot = "%s"\n[model]\nname = "logistic"\n' % root)
            done = self.tacet("train", name + ".toml", "--out", self.path("windows"))
            self.shows(done, 2, name + ".toml:3", "backslash", "'…'", absent=["\t", "new\n\""])
        done = self.tacet("train", self.tiny("arrays"), "--out", self.path("windows"), *sets("run.seed=9223372036854775808"))
        self.shows(done, 2, "run.seed: must be an integer >= 0 and <= 9223372036854775807")

    def test_slurm_pty(self):
        """In a shell of `srun --pty`, --workers was ignored, and after a minute three workers "did not come", without a word of
        SLURM; beside RANK and WORLD_SIZE too."""
        recipe = self.tiny("noise", data={"samples": 100})
        slurm = {"SLURM_JOB_ID": 77, "SLURM_STEP_ID": 0, "SLURM_STEP_NUM_TASKS": 4, "SLURM_NTASKS": 4, "SLURM_PROCID": 0,
                 "SLURM_NNODES": 1, "SLURM_STEP_NUM_NODES": 1, "SLURM_JOB_NODELIST": "n1"}
        ours = {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        for variables, words in ((slurm, "SLURM_PROCID=0, SLURM_STEP_NUM_TASKS=4"), (ours, "RANK=0, WORLD_SIZE=1")):
            done = self.tacet("train", recipe, "--workers", "2", "--out", self.path("pty"), env=environment(**variables))
            self.shows(done, 2, "--workers: must not be given where a launcher places the workers, but " + words)
        done = self.tacet("train", recipe, "--out", self.path("pty"), *sets("run.peer_timeout=2"), env=environment(**slurm))
        self.shows(done, 3, "SLURM_PROCID=0", "where nobody started the others, unset these variables")

    # --- runs

    def test_tensorboard_resume(self):
        """After kill -9 and --resume, the event files had 25 steps twice and a jump back; metrics.jsonl was right."""
        recipe = self.recipe("long-run.toml", clients={"count": 2}, schedule={"rounds": None, "epochs": 60},
                             run={"checkpoint_every": 25, "eval_every": 0})
        folder = self.path("killed")
        run = self.start("train", recipe, "--out", folder, "--quiet")
        first = self.until("the first checkpoint", lambda: os.path.exists(os.path.join(folder, "checkpoint")) and
                           self.rounds_so_far(folder), run)
        self.until("rounds behind it", lambda: self.rounds_so_far(folder) > first + 20, run)
        run.process.send_signal(signal.SIGKILL)
        run.wait()
        killed = points(folder, "round/train_loss")
        done = self.tacet("train", recipe, "--out", folder, "--quiet", "--resume")
        self.assertEqual(done.returncode, 0, done.stderr)
        steps = points(folder, "round/train_loss")
        self.assertEqual(steps, [m["iteration"] for m in self.metrics(folder, "round")])
        self.assertEqual(steps, sorted(set(steps)))
        self.assertGreater(len(steps), len(killed))
        self.tells("%d points, each step once" % len(steps))

    def test_batch_norm_average(self):
        """Held before: running statistics after a round are the mean of the clients', each of their own 30 and 10 samples."""
        folder = self.arrays("averaged", shape=(3, 8, 8))
        # A step of 1e-30 moves no float32 weight, so the model that is saved holds the weights of the forward passes.
        run = self.trained("arrays", folder, "averaged-run", "data.mean=[0.5, 0.5, 0.5]", "data.deviation=[0.25, 0.25, 0.25]",
                           "data.partition.percent=[75, 25]", 'data.partition.kind="percent"', "algorithm.interval=1",
                           data={"batch_size": 30}, model={"name": "resnet-20", "width": 2}, algorithm={"eta": 1e-30},
                           schedule={"rounds": 1})
        model = read_tensors(os.path.join(run, "model.safetensors"))
        (channels, _, _, _), weights = model["conv1.weight"]
        with open(os.path.join(folder, "train_images.npy"), "rb") as f:
            pixels = [(b / 255 - 0.5) / 0.25 for b in f.read()[128:]]
        for c in range(channels):
            own = [convolved(pixels[192 * i:192 * (i + 1)], weights[27 * c:27 * (c + 1)]) for i in range(40)]
            means, variances = zip(*(moments(sum(part, [])) for part in (own[:30], own[30:] * 3)))
            self.assertAlmostEqual(model["bn1.running_mean"][1][c], 0.1 * sum(means) / 2, 5)
            self.assertAlmostEqual(model["bn1.running_var"][1][c], 0.9 + 0.1 * sum(variances) / 2, 5)
        self.tells("mean and variance of %d channels agree to 5 digits" % channels)

    def test_gloo_loopback(self):
        """Two hosts, node1 being 127.0.1.1 in its own hosts file: "worker 1 did not come" there, "connection refused" here."""
        recipe = self.tiny("noise", data={"samples": 100})
        token = write_text(self.path("token"), "0123456789abcdef" * 4)
        os.chmod(token, 0o600)
        args = ["train", recipe, "--join-token", token, "--quiet", *sets("run.peer_timeout=4")]
        with TwoHosts() as hosts:
            if hosts.trouble:
                print("no network namespaces (%s): one host, alone, takes their place" % hosts.trouble, file=sys.stderr)
                done = self.tacet(*args, "--out", self.path("alone"), env=environment(
                    RANK=0, WORLD_SIZE=2, MASTER_ADDR="localhost", MASTER_PORT=free_port()))
                self.shows(done, 3, 'on this machine "localhost" is 127.0.0.1, a loopback address', "/etc/hosts")
                return
            port = free_port()
            both = [hosts.start(k, args + ["--out", self.path("node%d" % (k + 1))], RANK=k, WORLD_SIZE=2, MASTER_ADDR="node1",
                                MASTER_PORT=port) for k in (0, 1)]
            for run, words in zip(both, (['on this machine "node1" is 127.0.1.1, a loopback address', "MASTER_ADDR"],
                                         ['here "node1" is 10.91.7.1, but on worker 0\'s machine it may be a loopback address'])):
                out, err = run.communicate(timeout=LIMIT)
                self.shows(subprocess.CompletedProcess(run.args, run.returncode, out, err), 3, *words)


def convolved(image, weights):
    """One channel of a 3 × 3 convolution of 3 × 8 × 8 numbers with zeros around them."""
    def at(c, y, x):
        return image[64 * c + 8 * y + x] if 0 <= y < 8 and 0 <= x < 8 else 0.0
    return [sum(weights[9 * c + 3 * dy + dx] * at(c, y + dy - 1, x + dx - 1) for c in range(3) for dy in range(3) for dx in range(3))
            for y in range(8) for x in range(8)]


def moments(numbers):
    mean = sum(numbers) / len(numbers)
    return mean, sum((v - mean) ** 2 for v in numbers) / (len(numbers) - 1)


class TwoHosts:
    """Two network namespaces with a link and hosts files of their own. `trouble` tells why there are none."""

    names = ["tacetA%d" % os.getpid(), "tacetB%d" % os.getpid()]

    def __enter__(self):
        self.trouble = "" if os.getuid() == 0 else "they need root"
        a, b = self.names
        commands = [["netns", "add", a], ["netns", "add", b],
                    ["link", "add", "va", "netns", a, "type", "veth", "peer", "name", "vb", "netns", b],
                    ["-n", a, "addr", "add", "10.91.7.1/24", "dev", "va"], ["-n", b, "addr", "add", "10.91.7.2/24", "dev", "vb"]]
        for name, link in ((a, "va"), (b, "vb")):
            commands += [["-n", name, "link", "set", "lo", "up"], ["-n", name, "link", "set", link, "up"]]
        for command in commands:
            if not self.trouble:
                self.trouble = self.ip(*command)
        if self.trouble:
            self.__exit__()
            return self
        own = "127.0.0.1 localhost\n127.0.1.1 node%d\n10.91.7.%d node%d\n"
        for name, numbers in ((a, (1, 2, 2)), (b, (2, 1, 1))):
            write_text("/etc/netns/%s/hosts" % name, own % numbers)
        self.trouble = self.ip("netns", "exec", a, "true")
        return self

    @staticmethod
    def ip(*args):
        try:
            done = subprocess.run(["ip", *args], capture_output=True, text=True, timeout=20, check=False)
        except OSError as error:
            return str(error)
        return "" if done.returncode == 0 else (done.stderr.strip() or "ip %s fails" % " ".join(args))

    def start(self, k, args, **variables):
        return subprocess.Popen(["ip", "netns", "exec", self.names[k], COMMAND, *args], env=environment(**variables),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __exit__(self, *_):
        for name in self.names:
            self.ip("netns", "del", name)
            hosts = "/etc/netns/%s" % name
            if os.path.isdir(hosts):
                os.remove(hosts + "/hosts")
                os.rmdir(hosts)


class More(Rows):
    """Further inputs of the same kinds."""

    def test_labels_with_marks(self):
        """A byte order mark, a space of no width or a no-break space at a label makes no class of its own."""
        self.texts("marks", GOOD_AND_BAD + ["good,\ufeffup", "good,up\u200b", "good,\u00a0up"], header='\ufeff"text","label"')
        done = self.info("labelled-text", "marks")
        self.shows(done, 0, "15 training")
        self.assertEqual(self.counts(done), [["down", "6"], ["up", "9"]])

    def test_other_separators(self):
        """Semicolons and a separator too many are an error with file and line."""
        self.texts("semicolons", [row.replace(",", ";") for row in GOOD_AND_BAD], header="text;label")
        self.shows(self.info("labelled-text", "semicolons"), 2, 'train.csv:1: the header must have the column "label"')
        self.texts("trailing", [row + "," for row in GOOD_AND_BAD])
        self.shows(self.info("labelled-text", "trailing"), 2, "train.csv:2: must have 2 fields, as the header, got 3")

    def test_cut_gzip(self):
        """A compressed table that is cut off is an error."""
        self.texts("cut", GOOD_AND_BAD)
        with open(self.path("cut", "train.csv"), "rb") as f:
            packed = gzip.compress(f.read())
        os.remove(self.path("cut", "train.csv"))
        write_file(self.path("cut", "train.csv.gz"), packed[:-9])
        self.shows(self.info("labelled-text", "cut"), 2, "of its content can't be read: the compressed file is cut off")

    def test_odd_entries_of_a_folder(self):
        """A loop of links, a link to nowhere, a pipe and a heic picture called .JPG are errors that name the entry."""
        for k, (words, make) in enumerate((
                ("train/cat/odd: leads back", lambda at: os.symlink(os.path.dirname(at), at)),
                ("train/cat/odd: is a link to nowhere", lambda at: os.symlink("nowhere", at)),
                ("train/cat/odd.png: must be a plain file", lambda at: os.mkfifo(at + ".png")),
                ("train/cat/odd.JPG: must be a picture (JPEG, PNG, WebP, TIFF, GIF, BMP or PNM), is heic",
                 lambda at: write_file(at + ".JPG", b"\0\0\0\x18ftypheic")))):
            folder = self.pictures("odd%d" % k, train={"cat": 2, "dog": 2}, val={"cat": 1, "dog": 1})
            make(os.path.join(folder, "train", "cat", "odd"))
            self.shows(self.info("image-folder", folder), 2, words)

    def test_folders_of_other_names(self):
        """Two names of one split are an error, folders of other names are told, and so is a picture beside the classes."""
        folder = self.pictures("named", train={"cat": 2, "dog": 2}, val={"cat": 1, "dog": 1}, dev={"cat": 1})
        write_picture(os.path.join(folder, "train", "stray.png"), COLOURS["cat"])
        self.shows(self.info("image-folder", folder), 0, "not read: dev/", "1 png beside the class folders (stray.png)")
        os.rename(os.path.join(folder, "dev"), os.path.join(folder, "validation"))
        self.shows(self.info("image-folder", folder), 2, "must have one folder of validation images, has val/ and validation/")

    def test_an_evaluation_of_the_same_data_elsewhere(self):
        """A run and its data that both were moved give the same figure, without a warning."""
        self.arrays("here")
        run = self.trained("arrays", "here", "settled")
        own = self.figures(run)
        os.rename(run, self.path("gone"))
        os.rename(self.path("here"), self.path("there"))
        self.assertEqual(self.figures(self.path("gone"), *sets("data.root=" + self.path("there"))), own)
        self.tells(own[0])

    def test_an_evaluation_beside_other_training_images(self):
        """Mean and deviation are the run's, not those of the training images in the folder."""
        self.arrays("first")
        other = self.arrays("second")
        write_npy(os.path.join(other, "train_images.npy"), (40, 6, 6), bytes(200 + k % 50 for k in range(1440)))
        run = self.trained("arrays", "first", "first-run")
        figure, warning = self.figures(run, *sets("data.root=" + other))
        self.assertEqual(figure, self.figures(run)[0])
        self.assertIn("these are not the run's data: train_images.npy", warning)
        self.tells(figure)

    def test_a_header_in_the_middle(self):
        """Tables put together with cat: the header's row is an error, not a class "label"."""
        self.texts("catenated", GOOD_AND_BAD + ["text,label"] + GOOD_AND_BAD, GOOD_AND_BAD)
        self.shows(self.info("labelled-text", "catenated"), 2, "train.csv:14")

    def test_two_tables_of_one_split(self):
        """train.csv beside train.tsv: an error, as for arrays, or one of them is told to be left out."""
        self.texts("two", GOOD_AND_BAD)
        self.texts("two", [row.replace(",", "\t") for row in GOOD_AND_BAD[:6]], header="text\tlabel", end=".tsv")
        done = self.info("labelled-text", "two")
        self.assertIn("train.csv", done.stdout + done.stderr)

    def test_escapes_in_names_that_are_left_out(self):
        """A file's name cannot act on the terminal in the notes about data."""
        folder = self.pictures("escape", train={"cat": 2, "dog": 2}, val={"cat": 1, "dog": 1})
        write_file(os.path.join(folder, "train", "cat", "\x1b[2Jz.txt"), b"a")
        self.assertNotIn("\x1b", self.info("image-folder", folder).stdout)

    def test_an_evaluation_that_is_not_finite(self):
        """Weights of NaN: tacet eval says that the figure is not finite, and why, or fails."""
        self.arrays("finite")
        model = read_tensors(os.path.join(self.trained("arrays", "finite", "finite-run"), "model.safetensors"))
        write_tensors(self.path("nan.safetensors"), {name: ("F32", shape, struct.pack("<%df" % len(v), *[float("nan")] * len(v)))
                                                    for name, (shape, v) in model.items()})
        done = self.tacet("eval", self.path("nan.safetensors"), "--recipe", self.tiny("arrays"),
                          *sets("data.root=" + self.path("finite")))
        self.assertIn("not finite", done.stdout + done.stderr)

    def test_an_option_of_the_vocabulary_beside_vectors(self):
        """data.min_count is for vocabularies without vectors: beside data.vectors it is an error."""
        self.texts("both", GOOD_AND_BAD)
        write_text(self.path("both", "words.txt"), "good%s\nbad%s\n" % (VECTOR, VECTOR))
        done = self.info("labelled-text", "both", "data.vectors=words.txt", "data.min_count=5")
        self.assertEqual(done.returncode, 2)

    def test_arguments_that_nothing_uses(self):
        """--join-token of one worker, even of a file that is not there, is an error; --partition of a corpus shows its shards."""
        self.arrays("alone")
        token = self.tacet("train", self.tiny("arrays"), "--out", self.path("alone-run"), "--join-token", self.path("no-token"),
                           "--quiet", *sets("data.root=" + self.path("alone")))
        dealt = self.tacet("data", "info", "text", "--partition", "fixed", "--clients", "4", *sets("data.root=" + self.corpus))
        self.shows(token, 2, "--join-token: is used with --hosts")
        self.shows(dealt, 0, "partition fixed: 4 clients")

    def test_a_deviation_that_is_infinite(self):
        """data.deviation = [inf] makes every input 0: an error."""
        self.arrays("wide")
        done = self.tacet("data", "info", "arrays", *sets("data.root=" + self.path("wide"), "data.deviation=[inf]"))
        self.assertEqual(done.returncode, 2)

    def test_a_channel_that_is_constant(self):
        """Training images of one value: their deviation is 0, which is told before test images are divided by 1e-6."""
        folder = self.arrays("flat")
        write_npy(os.path.join(folder, "train_images.npy"), (40, 6, 6), bytes([100]) * 1440)
        done = self.info("arrays", folder)
        self.assertTrue(done.returncode == 2 or "to note" in done.stdout)

    def test_a_picture_that_changed_within_its_time(self):
        """Another picture of the same size, with the old time, as tar and cp -p write it, is decoded anew."""
        folder = self.pictures("stale", train={"cat": 2, "dog": 2}, val={"cat": 1, "dog": 1})
        path = os.path.join(folder, "train", "cat", "0.png")
        self.info("image-folder", folder)
        before = os.stat(path)
        write_picture(path, b"\1\2\3")
        self.assertEqual(os.stat(path).st_size, before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.info("image-folder", folder)
        with open(os.path.join(folder, "train", "tacet-8.pictures"), "rb") as f:
            self.assertEqual(f.read()[128], 1)


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        sys.exit(1 if print_table("Complaints", Complaints) + print_table("More of their kinds", More) else 0)
    unittest.main()
