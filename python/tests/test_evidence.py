"""The same task through tacet's own model and through a PyTorch module: a perceptron on images of MNIST's size and a small LSTM on
texts, six methods, 30 rounds. The batches are the same, the arithmetic is not (tacet has kernels of its own), so losses agree closely
and bits do not."""

import collections
import json
import os
import struct
import unittest

import torch
from torch import nn
from torch.utils.data import TensorDataset

import program
import tacet

DEALT = {"batch_size": 16, "partition": {"kind": "similarity", "similarity": 50}}


def methods(eta, gamma, scaffold, lamb):
    clip = {"eta": eta, "gamma": gamma, "interval": 4}
    return {"celgc": clip, "episode": clip, "episode++": clip, "scaffold": {"eta": scaffold, "interval": 4},
            "fed-lamb": {"eta": lamb, "interval": 4}, "naive-clip": {"eta": eta, "gamma": gamma}}


class Perceptron(nn.Module):
    """The model "mlp" without dropout, by the same names."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 32), nn.Linear(32, 10)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


class Reader(nn.Module):
    """The model "text-classifier" with an LSTM whose last state decides."""

    def __init__(self, words):
        super().__init__()
        self.embedding = nn.Embedding(words, 8)
        self.encoder = nn.LSTM(8, 16, batch_first=True)
        self.classifier = nn.Linear(16, 3)

    def forward(self, words):
        return self.classifier(self.encoder(self.embedding(words))[0][:, -1])

    def by_tacets_names(self):
        names = {"classifier.weight": "classifier.0.weight", "classifier.bias": "classifier.0.bias"}
        return {names.get(name, name.replace("encoder.", "encoder.0.").replace("_l0", "")): t for name, t in self.state_dict().items()}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_idx(path, array):
    with open(path, "wb") as file:
        file.write(struct.pack(">HBB", 0, 8, array.dim()) + struct.pack(">%dI" % array.dim(), *array.shape) + array.numpy().tobytes())


def images(folder):
    """Writes noisy pictures of ten kinds as MNIST's files, and returns those for training."""
    torch.manual_seed(5)
    kinds = torch.randint(0, 256, (10, 28, 28))
    for stem, size in (("t10k", 20), ("train", 600)):
        labels = torch.randint(0, 10, (size,))
        pixels = ((kinds[labels] + torch.randint(0, 256, (size, 28, 28))) // 2).to(torch.uint8)
        write_idx(os.path.join(folder, stem + "-images-idx3-ubyte"), pixels)
        write_idx(os.path.join(folder, stem + "-labels-idx1-ubyte"), labels.to(torch.uint8))
    return TensorDataset((pixels.unsqueeze(1).float() / 255 - 0.5) / 0.25, labels)


def texts(folder):
    """Writes texts of ten words, each text's label the sum of its last two words' numbers, and returns those for training and the
    number of words. Words are numbered from 1 by how often they stand there, 0 is for unknown ones."""
    torch.manual_seed(6)
    for split, size in (("valid", 9), ("test", 9), ("train", 300)):
        drawn = torch.randint(0, 12, (size, 10))
        labels = (drawn[:, -1] + drawn[:, -2]) % 3
        words = [["w%c" % (ord("a") + k) for k in row] for row in drawn.tolist()]
        with open(os.path.join(folder, split + ".tsv"), "w", encoding="utf-8") as file:
            file.write("text\tlabel\n" + "".join("%s\t%d\n" % (" ".join(row), y) for row, y in zip(words, labels.tolist())))
    counts = collections.Counter(w for row in words for w in row)
    number = {w: k for k, w in enumerate(sorted(counts, key=lambda w: (-counts[w], w)), 1)}
    return TensorDataset(torch.tensor([[number[w] for w in row] for row in words]), labels), len(number) + 1


class Evidence(program.Case):
    def agree(self, ours, make, names, data, methods):
        """Runs each method both ways from the same weights, and compares all rounds' training losses."""
        torch.manual_seed(3)
        start = make()
        write_safetensors(self.path("start.safetensors"), names(start))
        for method, options in methods.items():
            common = {"algorithm": {"name": method, **options}, "clients": {"count": 2}, "schedule": {"rounds": 30},
                      "run": {"eval_every": 0, "checkpoint_every": 0}}
            native = tacet.train({**common, "data": {**DEALT, "root": self.path(), **ours["data"]},
                                  "model": {**ours["model"], "init": self.path("start.safetensors")}}, quiet=True)
            module = make()
            module.load_state_dict(start.state_dict())
            python = tacet.train({**common, "data": DEALT}, model=module, loss=program.mean_loss, data=data, quiet=True)
            a, b = ([m["train_loss"] for m in run.lines if m["event"] == "round"] for run in (native, python))
            self.assertEqual((len(a), len(b)), (30, 30))
            worst = max(abs(x - y) / x for x, y in zip(a, b))
            print("%s, %s: %.4f → %.4f, training losses of 30 rounds differ by at most %.1e" %
                  (type(module).__name__, method, a[0], a[-1], worst), flush=True)
            self.assertLess(worst, 1e-6, method)

    def test_a_perceptron(self):
        data = images(self.path())
        self.agree({"data": {"name": "idx", "mean": [0.5], "deviation": [0.25]}, "model": {"name": "mlp", "hidden": 32, "dropout": 0.0}},
                   Perceptron, lambda module: module.state_dict(), data, methods(0.1, 0.05, 0.02, 0.002))

    def test_an_lstm(self):
        data, words = texts(self.path())
        model = {"name": "text-classifier", "cell": "lstm", "hidden": 16, "embedding": 8, "mlp_layers": 0}
        self.agree({"data": {"name": "labelled-text"}, "model": model}, lambda: Reader(words), Reader.by_tacets_names, data,
                   methods(2.0, 0.5, 1.0, 0.02))


if __name__ == "__main__":
    unittest.main(verbosity=2)
