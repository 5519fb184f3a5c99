"""Wrong input to tacet.train: every message names place, allowed and given, and no file is written."""

import os
import signal
import subprocess
import sys
import time
import unittest

import numpy
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset

import program
import tacet


class Raising(Dataset):
    def __len__(self):
        return 30

    def __getitem__(self, k):
        if k == 7:
            raise OSError("disk is gone")
        return torch.zeros(5), 0


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


class Told(Dataset):
    """Samples of the small data set, with whatever `targets` it is given."""

    def __init__(self, targets):
        self.samples, self.targets = program.dataset(30), targets

    def __len__(self):
        return 30

    def __getitem__(self, k):
        return self.samples[k]


class NewNumpysFloat(float):
    """A float that is written as NumPy 2 writes its float64."""

    def __repr__(self):
        return "np.float64(%s)" % float(self)


class Mistakes(program.Case):
    def refused(self, words, **more):
        """Expects the mistake, and returns its text."""
        return self.mistake(words, program.trained, **{"out": self.path("out"), **more})

    def untouched(self, words, **more):
        """Expects the mistake, and no run folder."""
        self.refused(words, **more)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_options(self):
        self.untouched("overrides: algorithm.gama: is not a key of celgc; did you mean gamma?", overrides={"algorithm.gama": 1})
        self.untouched("algorithm.eta: must be > 0, got -1", overrides={"algorithm.eta": -1})
        self.untouched("did you mean episode?", overrides={"algorithm.name": "epsode"})
        self.untouched("recipe:5: algorithm.eta", recipe=program.RECIPE.replace("eta = 0.1", 'eta = "much"').strip())
        self.untouched("workers= must be a whole number >= 1, got 0", workers=0)
        self.untouched("no such file", recipe="nowhere.toml")

    def test_numbers_of_numpy(self):
        given = {"algorithm.interval": numpy.int64(3), "run.noise_scale": numpy.bool_(False), "schedule.rounds": 1}
        for eta in (NewNumpysFloat(0.1), numpy.float64(0.1), numpy.float32(0.125)):
            self.assertEqual(program.trained(overrides={**given, "algorithm.eta": eta}).status, "done")

    def test_arguments(self):
        self.untouched("model= must be given beside", model=None)
        self.untouched("model= must be a torch.nn.Module, got int", model=3)
        self.untouched("loss= must be a function", loss=3)
        self.untouched("must be a data set with len()", data=Stream())
        self.untouched("clients.count must be the number of data sets in data=, 2, got 6", data=[program.dataset(20)] * 2)
        self.untouched("labels= must have one label a sample, 120, got 2", labels=[0, 1])
        self.untouched("must be given where data= is a function", data=lambda c: None,
                       recipe=program.RECIPE.replace("count = 6\nparticipating = 4\n", ""))
        self.untouched("deals samples by their labels", data=Raising(), overrides={"data.partition.kind": "dirichlet"})

    def test_options_that_do_nothing_for_a_program(self):
        self.untouched(['run.dtype must be "f32" with model=', 'got "bf16": use torch.autocast in the loss'],
                       overrides={"run.dtype": "bf16"})
        for key, given, shown in (("kind", "dirichlet", '"dirichlet"'), ("every_round", True, "true"), ("seed", 3, "3")):
            said = "data.partition.%s must not be given where each client has a data set of its own, got %s" % (key, shown)
            for data in ([program.dataset(20)] * 6, lambda client: program.dataset(20)):
                self.untouched(said, data=data, overrides={"data.partition." + key: given})

    def test_modules(self):
        self.untouched(["first.weight must be float32 on the CPU", "float64"], model=program.net().double())
        frozen = program.net()
        for p in frozen.parameters():
            p.requires_grad_(False)
        self.untouched("must have a parameter that requires a gradient", model=frozen)

    def test_losses(self):
        self.untouched(["must return a mean loss", "got 3"], loss=lambda m, b: 3)
        self.untouched("got a tensor of shape (2, 3)", loss=lambda m, b: m(b[0]))
        self.untouched(["must return a mean loss", "got (a tensor of shape () and type torch.float32, {'correct': 1}) at the first samples"],
                       loss=lambda m, b: (program.mean_loss(m, b), {"correct": 1}))
        self.untouched(["each metric as one number", "got a tensor of shape (2, 3)", "for correct at the first samples of valid="],
                       loss=lambda m, b: (program.mean_loss(m, b), 1, {"correct": m(b[0])}))
        self.untouched("each metric as one number, its sum over the batch, got None for margin",
                       loss=lambda m, b: (program.mean_loss(m, b), 1, {"margin": None}))
        self.refused("a loss without a gradient", loss=lambda m, b: torch.zeros(()), out=self.path("constant"))
        text = self.refused("the loss is not finite at round 1, client", loss=lambda m, b: program.mean_loss(m, b) / 0, valid=None,
                            out=self.path("infinite"))
        self.assertIn("run.non_finite", text)

    def test_a_loss_that_fails_in_the_first_gradients(self):
        """EPISODE++ begins with a gradient of every client, whose draws are numbered from 2³¹ on."""
        def failing(model, batch):
            raise KeyError("no such column")

        self.refused("raised KeyError at the first gradients, client 0: 'no such column'", loss=failing, valid=None,
                     overrides={"algorithm.name": "episode++"})

    def test_targets_that_are_no_labels(self):
        for targets in ([0.5] * 30, [-1] * 30, [[0, 1]] * 30, [0, [1]] * 15, ["a", "b"], [0, 1], [5 * 10 ** 9] * 30):
            self.assertEqual(program.trained(data=Told(targets), overrides={"schedule.rounds": 1}).status, "done", targets)
            self.untouched("deals samples by their labels", data=Told(targets), overrides={"data.partition.kind": "dirichlet"})
        shared = {"schedule.rounds": 1, "data.partition.kind": "shared"}  # every client has the whole set, whatever its labels
        self.assertEqual(program.trained(data=Told([0.5] * 30), overrides=shared).status, "done")
        self.untouched("labels= must be whole numbers from 0 to 2147483647, got 5000000000", labels=[5 * 10 ** 9] * 120)
        self.untouched("labels= must be whole numbers from 0 to 2147483647, got -1", labels=[-1] * 120)
        self.untouched("labels= must be whole numbers >= 0, one a sample, got shape (120,) of float64", labels=[0.5] * 120)

    def test_the_module_and_the_process_are_as_before(self):
        model = program.net()
        model.norm.eval()
        modes = [m.training for m in model.modules()]
        grads = [p.grad for p in model.parameters()]
        wrong = [{"loss": lambda m, b: 3}, {"loss": lambda m, b: 3, "valid": None}, {"labels": [0, 1]}, {"valid": Stream()},
                 {"data": Raising(), "labels": [0] * 30}]
        for k, more in enumerate(wrong):
            self.refused("must" if k < 4 else "can't be read", model=model, **more, out=self.path("out-%d" % k))
            self.assertEqual([m.training for m in model.modules()], modes)
            self.assertTrue(all(p.grad is g for p, g in zip(model.parameters(), grads)))
            self.assertEqual(len({p.storage().data_ptr() for p in model.parameters()}), len(list(model.parameters())))  # no views
            with self.assertRaises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)

    def test_a_dataset_that_raises_names_the_sample(self):
        self.refused("sample 7 can't be read: OSError: disk is gone", data=Raising(), labels=[0] * 30, valid=None)

    def test_a_module_whose_parameters_are_replaced(self):
        def moving(model, batch):
            value = program.mean_loss(model, batch)
            model.last.weight.data = model.last.weight.data.clone()
            return value

        self.refused("the parameter last.weight must keep its memory", loss=moving, valid=None)

    def test_parts_that_are_replaced(self):
        def replacing(model, batch):
            value = program.mean_loss(model, batch)
            model.last = nn.Linear(8, 3)
            return value

        def deleting(model, batch):
            value = program.mean_loss(model, batch)
            del model.first.bias
            return value

        def shaping(model, batch):
            value = program.loss(model, batch)
            if not model.training:
                model.first.bias.data = model.first.bias.data.view(4, 2)
            return value

        self.refused("model=: last must stay in the module during a run, but it was replaced", loss=replacing, valid=None)
        self.refused("first.bias must stay in the module during a run, but it was deleted", loss=deleting, valid=None,
                     out=self.path("deleting"))
        self.refused("first.bias must keep its shape (8,) during a run, got (4, 2)", loss=shaping, out=self.path("shaping"))

    def test_a_buffer_that_is_assigned(self):
        def averaging(model, batch):
            if model.training:
                model.norm.running_mean = 0.9 * model.norm.running_mean + 0.1
            return program.mean_loss(model, batch)

        def counting(model, batch):
            if not model.training:
                model.norm.num_batches_tracked = model.norm.num_batches_tracked + 1
            return program.mean_loss(model, batch)

        said = "the buffer norm.%s must be changed in place (copy_, mul_, …) during a run, got another tensor"
        self.untouched(said % "num_batches_tracked", loss=counting)
        self.refused(said % "running_mean", loss=averaging, valid=None)

    def test_a_build_for_another_torch(self):
        import shutil
        shutil.copytree(os.path.dirname(tacet.__file__), self.path("tacet"), symlinks=True)
        with open(self.path("tacet", "_built.py"), "w", encoding="utf-8") as file:
            file.write('TORCH_VERSION = "9.8.0"')
        done = subprocess.run([sys.executable, "-B", "-c", "import tacet"], capture_output=True, text=True, timeout=100,
                              env={**os.environ, "PYTHONPATH": self.path()})
        self.assertEqual(done.returncode, 1)
        self.assertIn("tacet was built with torch 9.8.0, but this Python has torch %s: build it again with" % torch.__version__,
                      done.stderr)

    def test_metrics_that_change_their_names(self):
        calls = []

        def fickle(model, batch):
            total, count, metrics = program.loss(model, batch)
            calls.append(1)
            return total, count, {"correct": 1} if model.training or len(calls) == 1 else {"other": 1}

        self.refused("must return the same metrics for every batch", loss=fickle)


if __name__ == "__main__":
    unittest.main(verbosity=2)
