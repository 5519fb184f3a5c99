"""What the table of complaints is made of: writers of tiny data sets, short verbs for a row, and the printed table. A row is a
test: its name is the case's, its docstring tells what the version before did, and the lines of the command that it looks for
are the version's of today. It needs python3's standard library only, so that no row is skipped. No tests are here."""

import itertools
import json
import os
import re
import struct
import subprocess
import unittest

from program import COMMAND, LIMIT, Case, environment
from test_data import write_file, write_png

COLOURS = {"ant": b"\x20\xc0\x20", "bee": b"\xe0\xc0\x20", "cat": b"\xc0\x20\x20", "dog": b"\x20\x20\xc0"}

# A grey JPEG of 8 × 8 pixels, all 128: a table of quantization, one component, Huffman tables of one code each, two bits.
JPEG = (b"\xff\xd8\xff\xdb\x00\x43\x00" + b"\1" * 64 + b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00" +
        b"\xff\xc4\x00\x14\x00\x01" + b"\0" * 16 + b"\xff\xc4\x00\x14\x10\x01" + b"\0" * 16 +
        b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x3f\xff\xd9")

MODELS = {
    "image": {"name": "logistic", "layers": None, "embedding": None, "hidden": None},
    "texts": {"name": "text-classifier", "layers": None, "embedding": 8, "hidden": 8, "mlp_hidden": 8},
    "words": {},
    "noise": {"name": "quadratic", "layers": None, "embedding": None, "hidden": None},
}
KINDS = {"image-folder": "image", "arrays": "image", "idx": "image", "labelled-text": "texts", "sentiment140": "texts",
         "text": "words", "noise": "noise"}


def sets(*pairs):
    return [word for pair in pairs for word in ("--set", pair)]


def write_text(path, text):
    write_file(path, text.encode())
    return path


def write_picture(path, colour, extra=()):
    write_png(path, row=colour * 8, extra=extra)


def write_npy(path, shape, data, descr="|u1", suffix=""):
    """An array; `suffix` stands behind every size, as Python 2 writes its long integers."""
    sizes = "".join("%d%s, " % (n, suffix) for n in shape)
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (descr, sizes.strip() if len(shape) == 1 else
                                                                         sizes.rstrip(", "))
    header += " " * (-(len(header) + 11) % 64) + "\n"
    write_file(path, b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data)


def write_tensors(path, tensors):
    """A safetensors file from name → (dtype, shape, bytes)."""
    header, at, content = {}, 0, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at, content = at + len(data), content + data
    text = json.dumps(header).encode()
    write_file(path, struct.pack("<Q", len(text)) + text + content)


def read_tensors(path):
    """name → (shape, numbers) of the float32 tensors of a safetensors file."""
    with open(path, "rb") as f:
        content = f.read()
    size = struct.unpack("<Q", content[:8])[0]
    tensors = {}
    for name, entry in json.loads(content[8:8 + size]).items():
        if entry.get("dtype") == "F32":
            first, last = entry["data_offsets"]
            tensors[name] = (entry["shape"], struct.unpack("<%df" % ((last - first) // 4), content[8 + size + first:8 + size + last]))
    return tensors


def fields(message):
    """(number, value) of each field of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        size = {0: 0, 1: 8, 5: 4}.get(key & 7)
        if size == 0:
            yield key >> 3, varint()
            continue
        size = varint() if size is None else size
        yield key >> 3, message[at:at + size]
        at += size


def points(folder, tag):
    """The steps at which the event files of a folder have a point of the tag, in the order of the files."""
    steps = []
    for name in sorted(n for n in os.listdir(folder) if n.startswith("events.out.tfevents.")):
        with open(os.path.join(folder, name), "rb") as f:
            content = f.read()
        at = 0
        while at + 16 <= len(content):
            size = struct.unpack("<Q", content[at:at + 8])[0]
            event = list(fields(content[at + 12:at + 12 + size]))
            at += 16 + size
            for summary in (value for number, value in event if number == 5):
                for number, value in fields(summary):
                    if number == 1 and dict(fields(value)).get(1) == tag.encode():
                        steps.append(dict(event)[2])
    return steps


class Rows(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.said = {}  # name of a row → the lines that it found

    # --- what is run

    def at(self, folder, *args, env=None, **how):
        """Runs the command in a folder of the test's, to its end."""
        return subprocess.run([COMMAND, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=env or environment(), cwd=self.path(folder), timeout=LIMIT, text=True, errors="replace",
                              check=False, **how)

    def info(self, kind, root, *pairs):
        """`tacet data info` of a folder of the test's."""
        size = ["data.size=8"] if kind == "image-folder" else []
        return self.tacet("data", "info", kind, *sets("data.root=" + self.path(root), *size, *pairs))

    def tiny(self, kind, name=None, **changes):
        """Writes a recipe that trains the smallest model for data of the kind for two rounds."""
        size = {"size": 8, "flip": False} if kind == "image-folder" else {"flip": False} if KINDS[kind] == "image" else {}
        keys = {"name": kind, "root": None, "bptt": 5 if kind == "text" else None,
                "batch_size": 2 if kind == "text" else None if kind == "noise" else 4, **size}
        tables = {"data": keys, "model": dict(MODELS[KINDS[kind]]), "clients": {"count": 2}, "schedule": {"rounds": 2}}
        for table, more in changes.items():
            tables[table] = {**tables.get(table, {}), **more}
        return self.recipe(name or kind + ".toml", **tables)

    def trained(self, kind, root, out, *pairs, **changes):
        """A run on a folder of the test's that has to succeed; returns the run's folder."""
        recipe = self.tiny(kind, out + ".toml", **changes)
        return self.train(recipe, out, "--quiet", *sets("data.root=" + self.path(root), *pairs))

    # --- what is written

    def pictures(self, folder, colours=None, **splits):
        """pictures("p", train={"cat": 4}) writes p/train/cat/0.png to 3.png, each class in a colour of its own."""
        for split, classes in splits.items():
            for name, count in classes.items():
                for k in range(count):
                    write_picture(self.path(folder, split, name, "%d.png" % k), (colours or COLOURS)[name])
        return self.path(folder)

    def arrays(self, folder, shape=(6, 6), suffix=""):
        """40 training and 8 test images in two classes, dark and bright."""
        size = 1
        for n in shape:
            size *= n
        for split, count in (("train", 40), ("test", 8)):
            pixels = b"".join(bytes(40 + 120 * (i % 2) + (7 * i + k) % 30 for k in range(size)) for i in range(count))
            write_npy(self.path(folder, split + "_images.npy"), (count, *shape), pixels, suffix=suffix)
            write_npy(self.path(folder, split + "_labels.npy"), (count,),
                      struct.pack("<%dq" % count, *(i % 2 for i in range(count))), "<i8", suffix)
        return self.path(folder)

    def floats(self, folder, split, place, value):
        """Writes a split's images anew as float32, with one number of its own in one image."""
        with open(self.path(folder, split + "_images.npy"), "rb") as f:
            pixels = f.read()[128:]
        numbers = [b / 255 for b in pixels]
        numbers[place * 36 + 5] = value
        write_npy(self.path(folder, split + "_images.npy"), (len(pixels) // 36, 6, 6),
                  struct.pack("<%df" % len(numbers), *numbers), "<f4")

    def texts(self, folder, train, other=None, header="text,label", end=".csv"):
        """A table for each split, from its lines; `other` are those of valid and test."""
        for split in ("train", "valid", "test"):
            lines = train if split == "train" or other is None else other
            write_text(self.path(folder, split + end), "\n".join([header, *lines]) + "\n")
        return self.path(folder)

    # --- what is expected

    def shows(self, done, code, *words, absent=()):
        """Checks the exit code and the words, and keeps the lines that have them for the table."""
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, text)
        self.assertNotIn("defect", text)
        for word in words:
            self.assertIn(word, text)
        for word in absent:
            self.assertNotIn(word, text)
        lines = [line.strip() for line in text.splitlines() if any(word in line for word in words)]
        self.tells("exit %d: %s" % (code, " / ".join(lines)))
        return text

    def tells(self, text):
        """Keeps a line for the table, without the test's folder."""
        short = re.sub(r"\s+", " ", text.replace(self.folder + "/", "").replace("tacet: ", ""))
        self.said.setdefault(self._testMethodName, []).append(short)

    def counts(self, done, columns=2):
        """The first columns of the labels' rows that `tacet data info` prints, as words."""
        rows = done.stdout.partition("labels of the training set:\n")[2].splitlines()
        return [row.split()[:columns] for row in itertools.takewhile(lambda row: row.startswith("  "), rows)]

    def figures(self, run, *args, folder="", split="test"):
        """The line of a split that `tacet eval` prints."""
        done = self.at(folder, "eval", run, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return next(line for line in done.stdout.splitlines() if line.startswith(split + " ")), done.stderr


def print_table(title, rows):
    """Runs the rows and prints them as Markdown, a line each; returns the number of those that do not hold."""
    tests = list(unittest.defaultTestLoader.loadTestsFromTestCase(rows))
    result = unittest.TestResult()
    unittest.TestSuite(tests).run(result)
    broken = {test.id(): text.strip().splitlines()[-1] for test, text in result.failures + result.errors}
    known = {test.id() for test, _ in result.expectedFailures}
    print("## %s\n\n| case | %s | after |\n|---|---|---|" % (title, "before" if not known else "expected"))
    for test in tests:
        before = " ".join(test._testMethodDoc.split()).replace("|", "\\|")
        after = "; ".join(rows.said.get(test._testMethodName, []))
        after += " **DOES NOT HOLD** " + broken[test.id()] if test.id() in broken else ""
        after += " **known defect**" if test.id() in known else ""
        name = test._testMethodName[len("test_"):].replace("_", "-")
        print("| %s | %s | %s |" % (name, before, after.replace("|", "\\|").strip()))
    for test, text in result.errors:
        if not isinstance(test, unittest.TestCase):
            print("\n%s" % text)
    print("\n%d rows, %d of them do not hold, %d are known defects\n" % (len(tests), len(broken), len(known)))
    return len(result.failures) + len(result.errors)
