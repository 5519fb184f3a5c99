"""A checkpoint seen from Python: python/read_checkpoint.py against the files of a run, and the command's warnings."""

import math
import os
import shutil
import subprocess
import sys
import unittest

from program import Case

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "python", "read_checkpoint.py")
sys.path.insert(0, os.path.dirname(SCRIPT))
import read_checkpoint  # noqa: E402


class Checkpoints(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.recipe(algorithm={"momentum": 0.5}, schedule={"rounds": None, "epochs": 3},
                              run={"checkpoint_every": 1})
        cls.run_folder = cls.train(cls.file, "run")

    def test_python_reads_what_the_run_says(self):
        checkpoint = read_checkpoint.load(self.path("run", "checkpoint"))
        summary = self.summary(self.run_folder)
        self.assertEqual(checkpoint.round, summary["rounds"])
        self.assertEqual(checkpoint.clients, 4)
        self.assertEqual(checkpoint.numbers["iteration"], summary["iterations"])
        self.assertEqual(checkpoint.numbers["eval_loss"], summary["final"]["eval_loss"])
        self.assertTrue(math.isnan(checkpoint.numbers["best_accuracy"]))  # a language model has none: not finite, yet read
        # x and the final model are the same numbers: all 855, in another order.
        model = read_checkpoint.read_safetensors(self.path("run", "model.safetensors"))
        self.assertEqual(sorted(v for t in model.values() for v in t.values), sorted(checkpoint.tensors["x"].values))
        self.assertEqual(checkpoint.tensors["x"].shape, [855])
        for client in range(4):
            self.assertEqual(checkpoint.tensors["momentum/%d" % client].shape, [855])

    def test_the_program_lists_and_checks(self):
        listed = subprocess.run([sys.executable, SCRIPT, self.path("run", "checkpoint")], capture_output=True, text=True,
                                timeout=60, check=True)
        self.assertIn("momentum/3", listed.stdout)
        sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=self.path("run", "checkpoint"), capture_output=True,
                              timeout=60, check=False)
        self.assertEqual(sums.returncode, 0)
        damaged = self.damage(shutil.copytree(self.run_folder, self.path("damaged")))
        refused = subprocess.run([sys.executable, SCRIPT, os.path.join(damaged, "checkpoint")], capture_output=True,
                                 text=True, timeout=60, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("state.safetensors does not match", refused.stderr)

    def damage(self, folder):
        with open(os.path.join(folder, "checkpoint", "state.safetensors"), "r+b") as f:
            f.seek(-1, os.SEEK_END)
            last = f.read(1)
            f.seek(-1, os.SEEK_END)
            f.write(bytes([last[0] ^ 1]))
        return folder

    def test_the_command_says_what_it_passed_over(self):
        folder = self.damage(shutil.copytree(self.run_folder, self.path("passed-over")))
        for extra in ([], ["--workers", "3"]):
            again = shutil.copytree(folder, self.path("again-%d" % len(extra)))
            done = self.tacet("train", self.file, "--out", again, "--resume", "--quiet", *extra)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("tacet: warning: " + os.path.join(again, "checkpoint", "state.safetensors"), done.stderr)
            self.assertEqual(self.sha(again), self.sha(self.run_folder))
            self.assertEqual(self.results(again), self.results(self.run_folder))


if __name__ == "__main__":
    unittest.main()
