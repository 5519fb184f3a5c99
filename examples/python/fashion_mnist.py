"""Your model in ten minutes: a convolutional network of one's own on Fashion-MNIST, whose images ten clients hold unevenly.

    python fashion_mnist.py [--workers 4] [--out runs/fashion] [--resume] [--rounds 40]

The data are Debian's package dataset-fashion-mnist, or the four files of the same names in --data."""

import argparse
import gzip
import os

import torch
from torch import nn
from torch.utils.data import TensorDataset

import tacet

RECIPE = """
[data]
batch_size = 32
partition = { kind = "dirichlet", alpha = 0.5 }

[algorithm]
name = "celgc"
eta = 0.05
gamma = 0.05
interval = 4

[clients]
count = 10

[schedule]
rounds = 40

[run]
eval_every = 0.1
"""


def read(folder, kind):
    """Returns the images, float32 [N, 1, 28, 28] from 0 to 1, and the labels, int64 [N]."""
    with gzip.open(os.path.join(folder, kind + "-images-idx3-ubyte.gz")) as file:
        pixels = torch.frombuffer(bytearray(file.read()[16:]), dtype=torch.uint8)
    with gzip.open(os.path.join(folder, kind + "-labels-idx1-ubyte.gz")) as file:
        labels = torch.frombuffer(bytearray(file.read()[8:]), dtype=torch.uint8)
    return TensorDataset(pixels.view(-1, 1, 28, 28).float() / 255, labels.long())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2),
                                      nn.ReLU(), nn.Flatten())
        self.drop = nn.Dropout(0.2)
        self.classify = nn.Linear(400, 10)

    def forward(self, x):
        return self.classify(self.drop(self.features(x)))


def loss(model, batch):
    """The summed loss, the number of images, and the sum that becomes eval_accuracy."""
    x, y = batch
    scores = model(x)
    return nn.functional.cross_entropy(scores, y, reduction="sum"), len(y), {"correct": (scores.argmax(1) == y).sum()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--resume", action="store_true")
    a = parser.parse_args()
    torch.manual_seed(1)  # the initial weights
    net = Net()
    run = tacet.train(RECIPE, model=net, loss=loss, data=read(a.data, "train"), test=read(a.data, "t10k"), out=a.out,
                      workers=a.workers, resume=a.resume, overrides={"schedule.rounds": a.rounds})
    if "final" not in run.summary:
        return  # a launcher's worker beside the first one, which has the files
    print("%s: test accuracy %.2f %%, %s" % (run.status, 100 * run.summary["final"]["eval_accuracy"], run.sha256[:12]))
    if a.out:
        print("page:", tacet.report([a.out], output=os.path.join(a.out, "report.html")))


if __name__ == "__main__":
    main()
