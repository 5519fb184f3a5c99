"""`tacet data info` and `tacet data fetch`, and a run on images from files to evaluation. The images are written here; the files of
Debian's dataset-fashion-mnist serve as a download, where the package is installed."""

import functools
import http.server
import os
import struct
import subprocess
import threading
import unittest
import zlib

from program import COMMAND, Case, environment

PACKAGE = "/usr/share/datasets/fashion-mnist"


def write_idx(folder, train=60, test=20, side=18, classes=3):
    os.makedirs(folder)
    for stem, n in (("train", train), ("t10k", test)):
        with open(os.path.join(folder, stem + "-labels-idx1-ubyte"), "wb") as f:
            f.write(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(i % classes for i in range(n)))
        with open(os.path.join(folder, stem + "-images-idx3-ubyte"), "wb") as f:
            f.write(struct.pack(">BBBBIII", 0, 0, 8, 3, n, side, side))
            for i in range(n):
                f.write(bytes((60 * (i % classes) + (i * 7 + k * 13) % 60) % 256 for k in range(side * side)))


def write_png(path, depth=8, colours=2, row=b"\x50" * 24, side=8, extra=()):
    """A picture whose rows are all alike; `extra` are pairs (kind, data) of further chunks."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colours, 0, 0, 0)) +
                b"".join(chunk(*pair) for pair in extra) + chunk(b"IDAT", zlib.compress((b"\0" + row) * side)) +
                chunk(b"IEND", b""))


def write_file(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)


def published(name, seconds):
    """A file of the package as its author publishes it: the same deflate stream behind a gzip header with name and time."""
    with open(os.path.join(PACKAGE, name), "rb") as f:
        data = f.read()
    header = struct.pack("<BBBBIBB", 0x1f, 0x8b, 8, 8, seconds, 0, 3) + name[:-3].encode() + b"\0"
    return header + data[10:]


class Data(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = cls.path("images")
        write_idx(cls.images)

    def idx(self, name="images.toml", **changes):
        tables = {"data": {"name": "idx", "root": self.images, "batch_size": 6, "bptt": None},
                  "model": {"name": "resnet-20", "layers": None, "embedding": None, "hidden": None, "width": 2}}
        return self.recipe(name, **{**tables, **changes})

    def test_info(self):
        done = self.tacet("data", "info", "idx", "--set", "data.root=" + self.images, "--clients", "3",
                          "--partition", "one-class")
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("60 training, 20 test; 1 × 18 × 18, 3 classes", "found in   " + self.images, "partition one-class"):
            self.assertIn(words, done.stdout)
        rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] in (["0"], ["1"], ["2"])]
        self.assertEqual([row[:2] for row in rows[:3]], [["0", "20"], ["1", "20"], ["2", "20"]])  # labels
        self.assertEqual([row[:3] for row in rows[3:]], [[str(i), "20", "1"] for i in range(3)])  # clients

    def test_info_of_a_set_that_all_share(self):
        done = self.tacet("data", "info", "idx", "--set", "data.root=" + self.images, "--clients", "3", "--partition", "shared")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] in (["0"], ["1"], ["2"])]
        self.assertEqual([row[:2] for row in rows[3:]], [[str(i), "60"] for i in range(3)])

    def test_info_of_labelled_texts(self):
        """Labels, users and what each client gets: 12 tweets of 4 users, 3 each, so 2 clients get 6 tweets of 2 users."""
        folder = self.path("tweets")
        os.makedirs(folder)
        for name, n in (("train.tsv", 12), ("valid.tsv", 2), ("test.tsv", 2)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write("text\tlabel\twho\n")
                for i in range(n):
                    f.write("word%d and more\t%s\tuser%d\n" % (i, "good" if i % 3 else "bad", i % 4))
        done = self.tacet("data", "info", "labelled-text", "--set", "data.root=" + folder, "--set", "data.column.user=who",
                          "--partition", "users", "--clients", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("texts      12 training, 2 validation, 2 test", "users      4 of", "partition users", "2 clients"):
            self.assertIn(words, done.stdout)
        rows = [line.split()[:2] for line in done.stdout[done.stdout.index("labels of"):].splitlines() if line.startswith("  ")]
        self.assertEqual(rows[:2], [["bad", "4"], ["good", "8"]])
        self.assertEqual(rows[-2:], [["0", "6"], ["1", "6"]])

    def test_info_of_a_text_and_of_a_recipe(self):
        done = self.tacet("data", "info", "text", "--set", "data.root=" + self.corpus)
        self.assertIn("tokens: training 1200, validation 100, test 120", done.stdout)
        done = self.tacet("data", "info", "idx", "--recipe", self.idx(clients={"count": 4}))
        self.assertIn("partition iid, seed 1: 4 clients", done.stdout)

    def test_mistakes(self):
        for args, words in ((["info", "fashion"], ['"fashion"', "fashion-mnist"]),
                            (["info", "idx", "--set", "data.root=" + self.path("nowhere")], [self.path("nowhere")]),
                            (["info", "mnist", "--recipe", self.idx("other.toml")], ["recipe for mnist", "is one for idx"]),
                            (["fetch", "imagenet", "--to", self.path("new")], ["account", "train/CLASS/*.JPEG"]),
                            (["fetch", "mnist", "--to", self.path("new"), "--from", "http://127.0.0.1:1/"],
                             ["train-images-idx3-ubyte.gz", "9912422 bytes", self.path("new/mnist")])):
            done = self.tacet("data", *args)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual("looked for in" in done.stdout, "data.root" in args[-1])  # what is known is shown anyway
            for word in words:
                self.assertIn(word, done.stderr)

    def test_a_subcommand_must_follow(self):
        for args, got in ((["cifar"], '"cifar"'), ([], "nothing")):
            done = self.tacet("data", *args)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("tacet data: must be followed by one of list, info, fetch, got " + got, done.stderr)

    def test_nothing_of_a_users_text_acts_on_the_terminal(self):
        folder = self.path("colours")
        os.makedirs(folder)
        for split in ("train", "valid", "test"):
            with open(os.path.join(folder, split + ".csv"), "w", encoding="utf-8") as f:
                f.write("text,label\na,\x1b[31mred\nb,blue\x9b0m\n")
        done = self.tacet("data", "info", "labelled-text", "--set", "data.root=" + folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\\u001B[31mred", done.stdout)
        self.assertIn("blue\\u009B0m", done.stdout)
        with open(os.path.join(folder, "valid.csv"), "a", encoding="utf-8") as f:
            f.write("c,\x1b[2J\n")
        for args in (["labelled-text", "--set", "data.root=" + folder], ["\x1b[31midx"],
                     ["labelled-text", "--set", "data.root=" + self.path("no\x1b[2Jwhere")]):
            done = self.tacet("data", "info", *args)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("\\u001B[", done.stderr)
            self.assertNotIn("\x1b", done.stderr)

    def test_nothing_to_fetch(self):
        done = self.tacet("data", "fetch", "sotu")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("nothing to fetch", done.stdout)

    @unittest.skipUnless(os.path.exists(PACKAGE), "the package dataset-fashion-mnist is not installed")
    def test_fetch_over_http(self):
        site = self.path("site")
        os.makedirs(site)
        for name, seconds in (("train-images-idx3-ubyte.gz", 0x59a7e9de), ("train-labels-idx1-ubyte.gz", 0x59a7e9de),
                              ("t10k-images-idx3-ubyte.gz", 0x59a7e9f3), ("t10k-labels-idx1-ubyte.gz", 0x59a7e9f3)):
            with open(os.path.join(site, name), "wb") as f:
                f.write(published(name, seconds))

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        fetched = self.path("fetched")
        done = self.tacet("data", "fetch", "fashion-mnist", "--to", fetched, "--from",
                          "http://127.0.0.1:%d" % server.server_port)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(os.listdir(os.path.join(fetched, "fashion-mnist"))), 4)
        done = self.tacet("data", "info", "fashion-mnist", env=environment(TACET_DATA=fetched))
        self.assertIn("60000 training, 10000 test", done.stdout)
        self.assertIn(fetched, done.stdout)

    def pictures(self, name, splits=(("train", 4), ("val", 2)), **png):
        folder = self.path(name)
        for split, n in splits:
            for kind in ("cat", "dog"):
                for i in range(n):
                    write_png("%s/%s/%s/%d.png" % (folder, split, kind, i), **png)
        return folder

    def folder_info(self, folder, **options):
        return self.tacet("data", "info", "image-folder", "--set", "data.size=8", "--set", "data.root=" + folder, **options)

    def test_files_left_out_are_told_by_info_and_by_a_run(self):
        folder = self.pictures("mixed")
        for name in ("cat/a.heic", "cat/b.heic", "dog/c.psd", "dog/notes.txt"):
            write_file("%s/train/%s" % (folder, name), b"....ftypheic" if name.endswith("heic") else b"8BPS" if "psd" in name else b"x")
        line = folder + "/train: 4 files left out: 2 heic, 1 psd, 1 txt (cat/a.heic, cat/b.heic, dog/c.psd, dog/notes.txt)"
        done = self.folder_info(folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("8 training, 4 test", done.stdout)
        self.assertIn(line, done.stdout)
        recipe = self.idx("mixed.toml", data={"name": "image-folder", "root": folder, "batch_size": 2, "bptt": None, "size": 8},
                          model={"name": "logistic", "layers": None, "embedding": None, "hidden": None},
                          schedule={"rounds": 1})
        for extra in ((), ("--workers", "2", "--quiet")):
            done = self.tacet("train", recipe, "--out", self.path("mixed-run%d" % len(extra)), *extra)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("warning: " + line), 1, done.stderr)
        done = self.tacet("eval", self.path("mixed-run0"))
        self.assertIn(line, done.stderr)

    def test_classes_without_training_images_are_told(self):
        folder = self.path("from-one")
        write_idx(folder)
        for stem in ("train", "t10k"):
            path = os.path.join(folder, stem + "-labels-idx1-ubyte")
            with open(path, "rb") as f:
                data = f.read()
            with open(path, "wb") as f:
                f.write(data[:8] + bytes(label + 1 for label in data[8:]))
        done = self.tacet("data", "info", "idx", "--set", "data.root=" + folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("4 classes", done.stdout)
        self.assertIn("1 of 4 classes has no training images: 0", done.stdout)

    def test_three_folders_are_three_splits(self):
        done = self.folder_info(self.pictures("three", (("train", 2), ("val", 3), ("test", 5))))
        self.assertIn("4 training, 6 validation, 10 test", done.stdout)

    def test_pixels_of_16_bits_are_rounded_by_value(self):
        values = range(512, 65536, 1024)
        rows = [b"".join(struct.pack(">H", v) for v in list(values)[:8])]
        folder = self.pictures("deep", depth=16, colours=0, row=rows[0])
        self.assertEqual(self.folder_info(folder).returncode, 0)
        with open(folder + "/train/tacet-8.pictures", "rb") as f:
            self.assertTrue(f.read(128).startswith(b"tacet pictures 4 "))
            self.assertEqual(list(f.read(8)), [2, 6, 10, 14, 18, 22, 26, 30])

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/usr/bin/setpriv"), "needs root and setpriv to be another user")
    def test_a_folder_that_cannot_be_read_is_an_error(self):
        folder = self.pictures("closed")
        write_png(folder + "/train/cat/sub/9.png")
        os.chmod(folder + "/train/cat/sub", 0o700)
        place = folder
        while place != "/":
            os.chmod(place, os.stat(place).st_mode | 0o055)
            place = os.path.dirname(place)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", COMMAND, "data", "info", "image-folder",
                               "--set", "data.size=8", "--set", "data.root=" + folder], env=environment(HOME=self.path("no-home")),
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(folder + "/train/cat/sub: can't be read", done.stderr)

    def test_a_run_on_images(self):
        """An evaluation of the finished run repeats its figures, running statistics included."""
        folder = self.train(self.idx(schedule={"rounds": 4}, clients={"count": 3}), "run", "--workers", "2", "--quiet")
        final = self.summary(folder)["final"]
        self.assertGreaterEqual(final["eval_accuracy"], 0)
        done = self.tacet("eval", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("test loss %.6f  accuracy %.3f %%  (20 samples)" % (final["eval_loss"], 100 * final["eval_accuracy"]),
                      done.stdout)
        other = self.train(self.idx(schedule={"rounds": 4}, clients={"count": 3}), "again", "--quiet")
        self.assertEqual(self.sha(folder), self.sha(other))


if __name__ == "__main__":
    unittest.main()
