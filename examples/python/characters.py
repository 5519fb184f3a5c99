"""A small LSTM of one's own that predicts the next character of a text, each client holding a part of it.

    python characters.py [TEXT] [--workers 2] [--out runs/characters]

Without TEXT it reads Python's own licence."""

import argparse
import math
import sysconfig

import torch
from torch import nn
from torch.utils.data import Dataset

import tacet

RECIPE = {
    "data": {"batch_size": 8},
    "algorithm": {"name": "episode", "eta": 2.0, "gamma": 0.5, "interval": 4},
    "schedule": {"epochs": 4},
}
WINDOW = 32  # characters of a sample


class Windows(Dataset):
    """Consecutive windows of a text: its characters, and each one's next, int64 [WINDOW] both."""

    def __init__(self, codes):
        self.codes = codes

    def __len__(self):
        return (len(self.codes) - 1) // WINDOW

    def __getitem__(self, k):
        piece = self.codes[k * WINDOW:k * WINDOW + WINDOW + 1]
        return piece[:-1], piece[1:]


class Characters(nn.Module):
    def __init__(self, alphabet, width=64):
        super().__init__()
        self.embed = nn.Embedding(alphabet, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.next = nn.Linear(width, alphabet)

    def forward(self, codes):
        return self.next(self.lstm(self.embed(codes))[0])


def loss(model, batch):
    codes, following = batch
    return nn.functional.cross_entropy(model(codes).flatten(0, 1), following.flatten())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("text", nargs="?", default=sysconfig.get_path("stdlib") + "/LICENSE.txt")
    parser.add_argument("--out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    a = parser.parse_args()
    with open(a.text, encoding="utf-8", errors="replace") as file:
        text = file.read()
    alphabet = sorted(set(text))
    codes = torch.tensor([alphabet.index(c) for c in text])
    held_out = len(codes) // 10
    parts = codes[held_out:].chunk(a.clients)
    torch.manual_seed(1)
    run = tacet.train(RECIPE, model=Characters(len(alphabet)), loss=loss, data=[Windows(part) for part in parts],
                      valid=Windows(codes[:held_out]), out=a.out, workers=a.workers)
    if "final" not in run.summary:
        return  # a launcher's worker beside the first one, which has the files
    print("%s: %.2f characters to choose from, %s" % (run.status, math.exp(run.summary["final"]["eval_loss"]), run.sha256[:12]))


if __name__ == "__main__":
    main()
