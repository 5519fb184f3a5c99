"""Random files in the data sets' original formats, for measurements without the real data: the time of a step depends on
shapes only. Written into a folder that the caller removes."""

import gzip
import os
import pathlib
import random
import struct


def ptb(folder, words, tokens):
    """Every word occurs, so that the vocabulary has exactly `words`, <unk> and <eos> among them."""
    names = ["<unk>"] + ["w%d" % k for k in range(words - 2)]
    draw = random.Random(1)
    for split, count in (("train", max(tokens, words)), ("valid", 1000), ("test", 1000)):
        text = (names if split == "train" else []) + draw.choices(names, k=count)
        lines = [" " + " ".join(text[k:k + 20]) + " \n" for k in range(0, len(text), 20)]
        (folder / ("ptb.%s.txt" % split)).write_text("".join(lines))


def cifar(folder, images=10000):
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).write_bytes(b"".join(bytes([k % 10]) + os.urandom(3072) for k in range(images)))


def mnist(folder, images, tests):
    for prefix, count in (("train", images), ("t10k", tests)):
        pixels = struct.pack(">4i", 2051, count, 28, 28) + os.urandom(784 * count)
        labels = struct.pack(">2i", 2049, count) + bytes(k % 10 for k in range(count))
        (folder / (prefix + "-images-idx3-ubyte.gz")).write_bytes(gzip.compress(pixels, 0))
        (folder / (prefix + "-labels-idx1-ubyte.gz")).write_bytes(gzip.compress(labels, 0))


def texts(folder, words, width, length, rows):
    draw = random.Random(1)
    names = ["w%d" % k for k in range(words)]
    for split, count in (("train", rows), ("valid", 64), ("test", 64)):
        lines = ["%d\t%s\n" % (k % 2, " ".join(draw.choices(names, k=length))) for k in range(count)]
        (folder / (split + ".tsv")).write_text("label\ttext\n" + "".join(lines))
    vectors = ("%s %s\n" % (name, " ".join("%.4f" % draw.gauss(0, 1) for _ in range(width))) for name in names)
    (folder / "vectors.txt").write_text("".join(vectors))


def write(folder, recipe, shape, steps):
    """The files that a recipe reads, enough for `steps` steps of two clients where a pass could be too short. The folder."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    if recipe == "awd-lstm":
        ptb(folder, shape["vocabulary"], 2 * (steps + 1) * shape["batch"] * (shape["length"] + 1))
    elif recipe == "resnet-56":
        cifar(folder)
    elif recipe == "rnn-classifier":
        texts(folder, shape["words"], shape["embedding"], shape["length"], 2 * 64 * 8)
    else:
        mnist(folder, 60 * shape["clients"], 10 * shape["clients"])
    return folder
