"""The same task through tacet's own model and through a PyTorch module: a perceptron on Fashion-MNIST, six methods, 30 rounds. The
batches are the same, the arithmetic is not (tacet has kernels of its own), so losses agree closely and bits do not."""

import json
import os
import struct
import unittest

import torch
from torch import nn
from torch.utils.data import TensorDataset

import program
import tacet

FASHION = "/usr/share/datasets/fashion-mnist"
METHODS = {"celgc": {"eta": 0.1, "gamma": 0.05, "interval": 4}, "episode": {"eta": 0.1, "gamma": 0.05, "interval": 4},
           "episode++": {"eta": 0.1, "gamma": 0.05, "interval": 4}, "scaffold": {"eta": 0.02, "interval": 4},
           "fed-lamb": {"eta": 0.002, "interval": 4}, "naive-clip": {"eta": 0.1, "gamma": 0.05}}


class Perceptron(nn.Module):
    """The model "mlp" without dropout, by the same names."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 32), nn.Linear(32, 10)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def images():
    import gzip
    with gzip.open(os.path.join(FASHION, "train-images-idx3-ubyte.gz")) as file:
        pixels = torch.frombuffer(bytearray(file.read()[16:]), dtype=torch.uint8).view(-1, 1, 28, 28)
    with gzip.open(os.path.join(FASHION, "train-labels-idx1-ubyte.gz")) as file:
        labels = torch.frombuffer(bytearray(file.read()[8:]), dtype=torch.uint8)
    return TensorDataset((pixels.float() / 255 - 0.2860) / 0.3530, labels.long())


@unittest.skipUnless(os.path.isdir(FASHION), "Debian's package dataset-fashion-mnist is not installed")
class Evidence(program.Case):
    def test_losses_agree_for_each_method(self):
        torch.manual_seed(3)
        start = Perceptron().state_dict()
        write_safetensors(self.path("start.safetensors"), start)
        data = images()
        for method, options in METHODS.items():
            common = {"algorithm": {"name": method, **options}, "clients": {"count": 3}, "schedule": {"rounds": 30},
                      "run": {"eval_every": 0, "checkpoint_every": 0}}
            dealt = {"batch_size": 16, "partition": {"kind": "similarity", "similarity": 50}}
            ours = tacet.train({**common, "data": {"name": "fashion-mnist", "valid": 0, **dealt},
                                "model": {"name": "mlp", "hidden": 32, "dropout": 0.0, "init": self.path("start.safetensors")}},
                               quiet=True)
            net = Perceptron()
            net.load_state_dict(start)
            theirs = tacet.train({**common, "data": dealt}, model=net, loss=program.mean_loss, data=data, quiet=True)
            worst = 0.0
            for a, b in zip((m for m in ours.lines if m["event"] == "round"), (m for m in theirs.lines if m["event"] == "round")):
                worst = max(worst, abs(a["train_loss"] - b["train_loss"]) / a["train_loss"])
            print("%s: training losses of 30 rounds differ by at most %.1e" % (method, worst), flush=True)
            self.assertLess(worst, 1e-6, method)


if __name__ == "__main__":
    unittest.main(verbosity=2)
