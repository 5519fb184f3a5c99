"""examples/python/exploding_rnn.py: the linear network's norms are ρ^t, those with tanh are what differences of its states say, and
the files have what is printed."""

import csv
import importlib.util
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python" / "exploding_rnn.py"


def load():
    spec = importlib.util.spec_from_file_location("exploding_rnn", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*args):
    return subprocess.run([sys.executable, "-B", str(PROGRAM), *args], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"}, encoding="utf-8")


class ExplodingRnn(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_the_linear_norm_is_a_power(self):
        done = run("--out", self.folder, "--steps", "40")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder, "jacobians.csv"), encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 3 * 2 * 40)
        last = {}
        for row in rows:
            rho, t, norm = float(row["radius"]), int(row["t"]), float(row["norm"])
            if row["phi"] == "linear":
                self.assertAlmostEqual(norm / rho ** t, 1, delta=1e-10)
            else:
                self.assertLessEqual(norm, rho ** t * (1 + 1e-10))  # 1 − h² shortens
                self.assertLess(norm, rho ** t * (1 - 1e-6) if t > 5 else float("inf"))
            last[rho, row["phi"]] = norm
        self.assertLess(last[0.9, "linear"], 0.02)
        self.assertGreater(last[1.1, "linear"], 40)
        self.assertEqual([c for c in done.stdout.splitlines() if c.startswith("ρ = 1.1, linear")][0].split()[-1], "%.4g" % 1.1 ** 40)
        picture = xml.etree.ElementTree.parse(os.path.join(self.folder, "jacobians.svg")).getroot()
        self.assertEqual(len(picture.findall("{http://www.w3.org/2000/svg}polyline")), 6)

    def test_the_jacobian_with_tanh_is_that_of_differences(self):
        rnn = load()
        draw = random.Random(7)
        weights = [[1.3 * x for x in row] for row in rnn.orthogonal(5, draw)]
        inputs = [[draw.gauss(0, 0.5) for _ in range(5)] for _ in range(6)]
        start = [draw.gauss(0, 0.5) for _ in range(5)]
        found, step = rnn.jacobians(weights, inputs, start, True), 1e-6
        for k in range(5):
            ends = []
            for sign in (1, -1):
                moved = list(start)
                moved[k] += sign * step
                ends.append(rnn.states(weights, inputs, moved, True))
            for t in range(6):
                for j in range(5):
                    slope = (ends[0][t + 1][j] - ends[1][t + 1][j]) / (2 * step)
                    self.assertAlmostEqual(found[t][j][k], slope, delta=1e-8)

    def test_the_spectral_norm_is_the_largest_singular_value(self):
        rnn = load()
        self.assertAlmostEqual(rnn.spectral_norm([[3, 0], [4, 5]]), 45 ** 0.5, delta=1e-9)  # singular values √45 and √5
        self.assertEqual(rnn.spectral_norm([[0, 0], [0, 0]]), 0)

    def test_mistakes(self):
        for args in (("--radii", "a"), ("--radii", "0"), ("--steps", "0")):
            done = run(*args)
            self.assertEqual(done.returncode, 2)
            self.assertIn("must be", done.stderr)


if __name__ == "__main__":
    unittest.main()
