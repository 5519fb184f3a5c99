"""The programs of examples/python, each run as its page says, and the page of the reference."""

import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import unittest

import torch

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "python"
FASHION = "/usr/share/datasets/fashion-mnist"


class Examples(program.Case):
    def python(self, *words, **variables):
        done = subprocess.run([sys.executable, "-B", *map(str, words)], capture_output=True, text=True, timeout=500,
                              env={**os.environ, **variables})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def torchrun(self):
        """torchrun as both Debian releases can run it: 12's fails under its Python 3.11 unless it is told where the output goes (-r, -t),
        13's where a TCPStore is to carry the rendezvous, and where the host's name can't be resolved."""
        words = [sys.executable, "-m", "torch.distributed.run", "-r", "1", "-t", "1", "--rdzv_backend", "c10d", "--rdzv_conf",
                 "store_type=file", "--rdzv_endpoint", self.path("rendezvous")]
        return words + (["--local_addr", "127.0.0.1"] if int(torch.__version__.split(".")[0]) >= 2 else [])

    def test_characters(self):
        text = self.path("text")
        pathlib.Path(text).write_text("the quick brown fox jumps over the lazy dog. " * 120, encoding="utf-8")
        self.assertRegex(self.python(EXAMPLES / "characters.py", text, "--workers", 2), r"^done: \d+\.\d\d characters")

    def test_fashion_mnist(self):
        if not os.path.isdir(FASHION):
            self.skipTest("Debian's package dataset-fashion-mnist is not installed")
        shown = self.python(EXAMPLES / "fashion_mnist.py", "--workers", 2, "--rounds", 10, "--out", self.path("run"))
        accuracy = float(re.search(r"test accuracy (\S+) %", shown).group(1))
        self.assertGreater(accuracy, 15)
        self.assertTrue(os.path.exists(self.path("run", "report.html")))

    def test_own_loop(self):
        command = os.environ.get("TACET_COMMAND", "")
        if not os.path.exists(command):
            self.assertRegex(self.python(EXAMPLES / "own_loop.py"), r"loss 0\.\d+ after 0 communications")
            self.skipTest("the command is not built at %r: the loop ran in one process" % command)
        launchers = {"tacet launch": [command, "launch", "--workers", "2", "--"],
                     "torchrun": [*self.torchrun(), "--nproc_per_node", "2", "--no_python"]}
        if shutil.which("mpirun.openmpi"):
            launchers["mpirun"] = ["mpirun.openmpi", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "--oversubscribe", "-n", "2"]
        else:
            print("mpirun.openmpi is not installed: the loop is not tried under it", file=sys.stderr)
        shown = {}
        for name, words in launchers.items():
            done = subprocess.run([*words, sys.executable, "-B", str(EXAMPLES / "own_loop.py")], capture_output=True, text=True,
                                  timeout=300, env={**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}, cwd=self.path())
            self.assertEqual(done.returncode, 0, name + ": " + done.stderr)
            shown[name] = re.findall(r"loss (0\.\d+) after 50 communications", done.stdout)
        self.assertEqual(len(shown["tacet launch"]), 1)  # rank 0 alone tells
        self.assertEqual(set(map(tuple, shown.values())), {tuple(shown["tacet launch"])})

    def test_the_reference_is_what_the_docstrings_say(self):
        script = runpy.run_path(str(ROOT / "scripts" / "python-reference.py"))
        self.assertEqual(script["page"](), script["PAGE"].read_text(encoding="utf-8"), "scripts/python-reference.py writes another page")


if __name__ == "__main__":
    unittest.main(verbosity=2)
