"""What the tests of the Python package share: a small module with dropout and BatchNorm, its loss, its data, and a recipe."""

import os
import pickle
import shutil
import signal
import socket
import tempfile
import threading
import traceback
import unittest

import torch
from torch import nn
from torch.utils.data import TensorDataset

import tacet

RECIPE = """
[data]
batch_size = 8
[algorithm]
name = "celgc"
eta = 0.1
gamma = 0.5
interval = 3
[clients]
count = 6
participating = 4
[schedule]
rounds = 12
[run]
eval_every = 0.5
checkpoint_every = 0.5
"""


class Net(nn.Module):
    """Two layers, the output of one of which is normalised and dropped out; tied and frozen parameters besides."""

    def __init__(self, features=5, hidden=8, classes=3):
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.drop = nn.Dropout(0.3)
        self.second = nn.Linear(hidden, hidden)
        self.again = self.second  # tied
        self.last = nn.Linear(hidden, classes)
        self.frozen = nn.Parameter(torch.full((classes,), 0.25), requires_grad=False)

    def forward(self, x):
        h = self.drop(torch.tanh(self.norm(self.first(x))))
        return self.last(self.again(torch.tanh(self.second(h)))) + self.frozen


def net(seed=1):
    torch.manual_seed(seed)
    return Net()


def loss(model, batch):
    x, y = batch
    scores = model(x)
    total = nn.functional.cross_entropy(scores, y, reduction="sum")
    return total, len(y), {"correct": (scores.argmax(1) == y).sum(), "margin": scores.detach().abs().sum()}


def mean_loss(model, batch):
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def dataset(size=120, seed=2):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 5, generator=generator)
    return TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long())


def trained(**more):
    """A run of the small module; keyword arguments replace those of tacet.train."""
    recipe = more.pop("recipe", RECIPE)
    given = {"loss": loss, "data": dataset(), "valid": dataset(40, 3), "quiet": True, **more}
    if "model" not in given:
        given["model"] = net()
    return tacet.train(recipe, **given)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def in_copy(function):
    """Returns what the function returns in a copy of this process, so that this one computes no gradient: on some builds of torch
    the first one keeps later copies, the workers among them, from computing any. The copy is made from a thread that has not
    computed either."""
    received, sent = os.pipe()
    answers = []

    def copy_and_wait():
        pid = os.fork()
        if pid == 0:
            try:
                with os.fdopen(sent, "wb") as pipe:
                    pipe.write(pickle.dumps(function()))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(sent)
        with os.fdopen(received, "rb") as pipe:
            answers.append(pipe.read())
        os.waitpid(pid, 0)

    thread = threading.Thread(target=copy_and_wait)
    thread.start()
    thread.join(300)
    return pickle.loads(answers[0])


class Case(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background with it ignored
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)

    def path(self, *parts):
        return os.path.join(self._folder.name, *parts)

    def mistake(self, words, function, *args, **named):
        """Expects a UserError whose text has all of the words."""
        with self.assertRaises(tacet.UserError) as caught:
            function(*args, **named)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, str(caught.exception))
        return str(caught.exception)
