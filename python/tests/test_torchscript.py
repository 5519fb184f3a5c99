"""The model "torchscript": a module of PyTorch's in a file of torch.jit.save, trained without Python."""

import os
import unittest

import torch
from torch import nn

import program
import tacet
import test_evidence


class Small(nn.Module):
    """A perceptron with normalisation, a frozen shift, and dropout where it is asked for."""

    def __init__(self, drop=0.0):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(drop))
        self.head = nn.Linear(16, 10)
        self.shift = nn.Parameter(torch.full((10,), 0.5), requires_grad=False)

    def forward(self, x):
        return self.head(self.body(x)) + self.shift


class Odd(nn.Module):
    """A network that is right in an evaluation, and in training fails or returns one score too many."""

    def __init__(self, fails):
        super().__init__()
        self.fails = fails
        self.body = nn.Linear(784, 11)

    def forward(self, x):
        scores = self.body(x.flatten(1))
        if self.training:
            assert not self.fails, "no training here"
            return scores
        return scores[:, :10]


def recipe(folder, **more):
    return {"data": {"name": "idx", "root": folder, "mean": [0.5], "deviation": [0.25], **test_evidence.DEALT},
            "model": {"name": "torchscript", "file": os.path.join(folder, "net.pt"), **more},
            "algorithm": {"name": "episode", "eta": 0.1, "gamma": 0.05, "interval": 3}, "clients": {"count": 3},
            "schedule": {"rounds": 10}}


def losses(run):
    return [m["train_loss"] for m in run.lines if m["event"] == "round"]


class Scripts(program.Case):
    def setUp(self):
        super().setUp()
        self.data = test_evidence.images(self.path())

    def save(self, module):
        torch.jit.save(torch.jit.script(module), self.path("net.pt"))
        return module

    def test_it_is_the_module_that_was_saved(self):
        torch.manual_seed(2)
        start = self.save(Small()).state_dict()
        for name, function in (("cross-entropy", nn.functional.cross_entropy),
                               ("mse", lambda s, y: nn.functional.mse_loss(s, nn.functional.one_hot(y, 10).float()))):
            ours = recipe(self.path(), loss=name)
            script = tacet.train(ours, quiet=True)
            module = Small()
            module.load_state_dict(start)
            python = tacet.train({**ours, "model": {}}, model=module, loss=lambda m, b: function(m(b[0]), b[1]), data=self.data,
                                 quiet=True)
            for a, b in zip(losses(script), losses(python)):
                self.assertAlmostEqual(a, b, delta=1e-6 * a)
            self.assertEqual(set(script.state_dict()), set(python.state_dict()))  # the module's own names, the frozen shift left out
            self.assertIn("body.2.running_mean", script.state_dict())

    def test_files_that_do_not_fit(self):
        self.mistake("must be a TorchScript file", tacet.train, recipe(self.path()))
        self.save(nn.Sequential(nn.Flatten(), nn.Linear(784, 7)))
        self.mistake("return float32 scores [2, 10], got [2, 7]", tacet.train, recipe(self.path()))
        self.save(nn.Linear(5, 10))
        self.mistake("float32 images [2, 1, 28, 28], got the error", tacet.train, recipe(self.path()))
        self.save(nn.Flatten())
        self.mistake("must have a parameter that requires a gradient", tacet.train, recipe(self.path()))
        self.mistake("model.loss", tacet.train, recipe(self.path(), loss="mes"))

    def test_a_script_that_fails_only_while_training_is_the_users_mistake(self):
        self.save(Odd(fails=True))
        self.mistake("its forward fails on images", tacet.train, recipe(self.path()))
        self.save(Odd(fails=False))
        self.mistake("scores [16, 10] while training, got [16, 11]", tacet.train, recipe(self.path()))

    def test_whole_numbers_in_the_file_do_not_count_the_batches_of_a_process(self):
        """Batch normalisation without a momentum divides by the number of batches that it has seen."""
        module = Small()
        module.body[2] = nn.BatchNorm1d(16, momentum=None)
        self.save(module)
        one = tacet.train(recipe(self.path()), quiet=True)
        two = tacet.train(recipe(self.path()), workers=2, quiet=True)
        for name, value in one.state_dict().items():
            self.assertTrue((value == two.state_dict()[name]).all(), name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
