"""Every method that `tacet algorithms` lists trains softmax regression on Fashion-MNIST (Debian's dataset-fashion-mnist) for
two epochs from the command line, on two workers, with a falling loss."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from program import COMMAND, environment, read_json

RECIPE = os.path.join(os.path.dirname(__file__), "..", "..", "recipes", "demo", "fashion-mnist.toml")

# Step sizes of methods whose steps are not a multiple of the gradient, or that take one step a round.
RATES = {
    "minibatch-clip": ["eta=0.1", "gamma=0.25"],
    "diloco": ["eta=0.002"],
    "diloco-streaming": ["eta=0.002"],
    "sparseloco": ["eta=0.002"],
    "local-adam": ["eta=0.002"],
    "des-loc": ["eta=0.002"],
    "fed-ams": ["eta=0.001"],
    "fed-lamb": ["eta=0.01"],
    "sign-sgd-gen": ["eta=0.0005"],
    "adam": ["eta=0.001"],
    "lamb": ["eta=0.01"],
    "lars": ["eta=1", "trust=0.005"],
    "normalized": ["eta=0.02"],
    "parallel-sgd": ["eta=0.005"],
    "momentum": ["eta=0.005"],
}

# Other methods take the recipe's rate; one that needs smaller steps, as a new one may, is tried with these.
LADDER = [[], ["eta=0.01"], ["eta=0.001"]]


def listed_methods():
    """All names, and those that run on one client only."""

    def says(*name):
        return subprocess.run([COMMAND, "algorithms", *name], check=True, capture_output=True, text=True, timeout=60).stdout

    names = [line.split()[0] for line in says().splitlines() if not line.startswith(" ")]
    return names, [name for name in names if "one client only" in says(name)]


class EveryMethod(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tacet-methods-")
        self.addCleanup(shutil.rmtree, self.folder)

    def test_the_list_has_every_method_named_here(self):
        names, alone = listed_methods()
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(set(RATES) | set(alone), set(names))

    def test_trains_with_falling_loss(self):
        names, alone = listed_methods()
        for name in names:
            with self.subTest(method=name):
                for rates in [RATES[name]] if name in RATES else LADDER:
                    epochs, final = self.losses_and_final(name, name in alone, rates)
                    if epochs[1] < epochs[0] and final["eval_accuracy"] > 0.6:
                        break
                self.assertLess(epochs[1], epochs[0])
                self.assertGreater(final["eval_accuracy"], 0.6)

    def losses_and_final(self, name, single, rates):
        """The training loss of both epochs, and the final figures."""
        out = os.path.join(self.folder, name + "".join(rates))
        arguments = [COMMAND, "train", RECIPE, "--quiet", "--out", out, "--workers", "1" if single else "2"]
        if single:
            arguments += ["--set", "clients.count=1"]
        if name == "celgc-partial":  # with all clients it would be celgc
            arguments += ["--set", "clients.participating=7"]
        for given in ["name=" + name] + rates:
            arguments += ["--set", "algorithm." + given]
        done = subprocess.run(arguments, env=environment(TACET_DATA=os.environ.get("TACET_DATA")), capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        epochs = [line["train_loss"] for line in lines if line["event"] == "epoch"]
        summary = read_json(os.path.join(out, "summary.json"))
        print("%-14s train loss %.4f, %.4f; test accuracy %.1f %%, %d communications"
              % (name, epochs[0], epochs[1], 100 * summary["final"]["eval_accuracy"], summary["communications"]), flush=True)
        return epochs, summary["final"]


if __name__ == "__main__":
    unittest.main()
