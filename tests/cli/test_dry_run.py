"""`tacet train --dry-run` of every recipe's network on a machine that has none of the data: the model is built at its full size, what is
missing is said, and a step's time and memory are given. Recipes with one network and one data set share a dry run, the first one's:
tests/recipe resolves every recipe. A step has two samples, and the whole batch where a batch is small, large enough to be judged from
smaller ones, or of data that are here. Parameter counts are those that the papers and their code state, or follow from the sizes in the
recipe as the comment says."""

import glob
import json
import os
import re
import subprocess
import tomllib
import unittest

from program import COMMAND, Case, environment

RECIPES = os.path.join(os.path.dirname(__file__), "..", "..", "recipes")

PARAMETERS = {
    "celgc/ptb-awd-lstm": 24_221_600,         # 24 M: Merity, Keskar, Socher 2018
    "celgc/wikitext2-awd-lstm": 33_556_078,   # 33 M: the same paper
    "celgc/cifar10-resnet20-small": 269_722,  # 0.27 M: He et al. 2016, table 6
    "celgc/cifar10-resnet32": 464_154,        # 0.46 M
    "celgc/cifar10-resnet56": 853_018,        # 0.85 M
    "celgc/imagenet-resnet50": 25_557_032,    # torchvision's resnet50
    "fed-lamb/mnist-mlp": 159_010,            # 784·200 + 200 + 200·10 + 10
    "fed-lamb/mnist-cnn": 21_840,             # 10·25 + 10 + 20·250 + 20 + 320·50 + 50 + 50·10 + 10
    "demo/fashion-mnist": 7_850,              # 784·10 + 10
}
# Small (3); judged from smaller ones (32 pictures); of data that may be here.
WHOLE_BATCH = {"celgc/ptb-awd-lstm", "celgc/imagenet-resnet50", "demo/fashion-mnist"}
# Section 5.1 of the paper: the rate rises from 0.0125 to 0.1 in 5 epochs and falls to a tenth after 30, 60 and 80 of 90; the
# clipping parameter is 1.
IMAGENET = """\
schedule    epochs          η                       γ
            0 to 5          0.0125 → 0.1            1
            5 to 30         0.1                     1
            30 to 60        0.01                    1
            60 to 80        0.001                   1
            80 to 90        0.0001                  1
"""
OURS = {"sotu", "noise"}  # data that are part of tacet
PACKAGE = "/usr/share/datasets/fashion-mnist"


def tables_of(path):
    """[model] and [data] of a recipe, with what it extends."""
    with open(path, "rb") as f:
        recipe = tomllib.load(f)
    tables = tables_of(os.path.join(os.path.dirname(path), recipe["extends"])) if "extends" in recipe else {}
    return {name: {**tables.get(name, {}), **recipe.get(name, {})} for name in ("model", "data")}


def network_of(path):
    """The network and its data set; equal for recipes that differ in method, clients, batch or schedule only."""
    tables = tables_of(path)
    return repr(sorted(tables["model"].items())), tables["data"].get("name")


class DryRun(Case):
    def test_every_network(self):
        def name_of(path):
            return os.path.relpath(path, RECIPES)[:-len(".toml")]

        # Recipes with counts come first, so that others with their networks are seen already. A figure is no recipe.
        recipes = sorted((path for path in glob.glob(os.path.join(RECIPES, "*", "*.toml")) if not name_of(path).startswith("figures/")),
                         key=lambda path: (name_of(path) not in PARAMETERS, path))
        self.assertGreater(len(recipes), 30)
        home = self.path("empty-home")
        os.makedirs(home, exist_ok=True)
        packages = os.path.exists(PACKAGE)
        seen = set()
        for path in recipes:
            name = name_of(path)
            with self.subTest(recipe=name):
                if network_of(path) in seen and name not in PARAMETERS:
                    continue
                seen.add(network_of(path))
                small = [] if name in WHOLE_BATCH else ["--set", "data.batch_size=2"]
                done = self.tacet("train", path, "--dry-run", *small, env=environment(HOME=home, TACET_DATA=None), limit=280)
                self.assertEqual(done.returncode, 0, done.stderr)
                data, = re.findall(r"^data +([a-z0-9-]+), (?:\d+) training", done.stdout, re.M)
                here = data in OURS or (data == "fashion-mnist" and packages)
                self.assertEqual("missing     " in done.stdout, not here, done.stdout)
                self.assertEqual("get it      " in done.stdout, not here, done.stdout)
                parameters, = re.findall(r"^model .*?, (\d+) parameters", done.stdout, re.M)
                if name in PARAMETERS:
                    self.assertEqual(int(parameters), PARAMETERS[name])
                self.assertRegex(done.stdout, r"(?m)^setting +η [0-9.e-]+")
                if name == "celgc/imagenet-resnet50":
                    self.assertIn(IMAGENET, done.stdout)
                self.assertNotIn("decoding pictures", done.stderr)  # those that no step draws
                seconds, = re.findall(r"^time +(\S+) s a local step", done.stdout, re.M)
                self.assertGreater(float(seconds), 0)
                print(f"{name}: {parameters} parameters, {seconds} s a step", flush=True)
        self.assertGreater(len(seen), 15)

    def test_own_data_must_be_there(self):
        done = self.tacet("train", self.recipe("own.toml", data={"name": "text", "root": self.path("nowhere")}), "--dry-run")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere", done.stderr)

    def test_damaged_data_is_an_error(self):
        """Wrong is not missing: no stand-in hides it."""
        folder = self.path("cifar")
        os.makedirs(folder)
        for k in range(1, 6):
            with open(os.path.join(folder, f"data_batch_{k}.bin"), "wb") as f:
                f.write(bytes(100))
        done = self.tacet("train", os.path.join(RECIPES, "celgc", "cifar10-resnet56.toml"), "--dry-run",
                          "--set", "data.root=" + folder)
        self.assertEqual(done.returncode, 2)
        self.assertIn("data_batch_1.bin: must hold whole records", done.stderr)

    def test_workers_beyond_clients_and_cores(self):
        """4 clients, 3 steps each. Workers that idle or share one core make no round shorter."""
        one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        recipe = self.recipe("surplus.toml")

        def run(*args):
            done = subprocess.run([*one_core, COMMAND, "train", recipe, "--dry-run", *args], env=environment(), capture_output=True,
                                  text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        text = run("--workers", "99")
        self.assertIn("            95 of 99 workers idle, as 4 clients train in a round\n", text)
        self.assertIn("            4 workers with clients, of 1 thread each, share 1 core\n", text)
        for workers in ("1", "99"):
            found = json.loads(run("--workers", workers, "--json"))
            self.assertAlmostEqual(found["round_seconds"], found["step_seconds"] * 3 * 4)
        found = json.loads(run("--hosts", "a,b", "--json"))  # each has cores of its own
        self.assertAlmostEqual(found["round_seconds"], found["step_seconds"] * 3 * 2)
        for word in ("workers idle", "share 1 core"):
            self.assertNotIn(word, run("--workers", "1"))

    def test_refuses_what_a_run_refuses(self):
        """What the objective alone tells, a dry run tells in the run's words."""
        def images(model, **algorithm):
            return {"data": {"name": "fashion-mnist", "root": None, "bptt": None}, "algorithm": algorithm,
                    "model": {"name": model, "layers": None, "embedding": None}}

        private = {"name": "dp-fedavg", "gamma": None, "noise_multiplier": 1.0, "noise_source": "system"}
        table = [
            ({"algorithm": {"interval": None, "local_epochs": 2}}, "algorithm.local_epochs needs data of separate samples"),
            (images("logistic", average_at_pass_end=True),
             "algorithm.average_at_pass_end must be false unless all clients have equally long streams of text"),
            ({"run": {"eval_train": True}}, "run.eval_train must be false for this task"),
            ({"algorithm": {"name": "celgc-partial"}, "run": {"noise_scale": True}}, "run.noise_scale must be false for celgc-partial"),
            (images("resnet-20", **private),
             "algorithm.noise_source must be \"keyed\" for a model with buffers (batch normalisation)"),
        ]
        for k, (changes, said) in enumerate(table):
            with self.subTest(said=said):
                path = self.recipe(f"unfit{k}.toml", **changes)
                here = "data" not in changes or os.path.exists(PACKAGE)  # a run needs the data themselves
                for how in [["--dry-run"], ["--out", self.path(f"unfit{k}")]][:1 + here]:
                    done = self.tacet("train", path, *how)
                    self.assertEqual(done.returncode, 2, done.stdout)
                    self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
