"""benchmarks/compare.sh still runs with all its peers, on tiny shapes; the formulas of operations agree with published or
countable numbers. Nothing here asserts a time."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import flops


class Operations(unittest.TestCase):
    def test_resnet_56_is_the_papers_126_million_multiplications_forward(self):
        forward = flops.resnet56(56, 16, 1) / 6
        self.assertAlmostEqual(forward / 125.5e6, 1, delta=0.01)

    def test_awd_lstm_uses_every_matrix_element_once_a_token(self):
        # 24,221,600 parameters (Merity et al.: 24 M) less biases: two of each gate, one a word.
        matrices = 24221600 - 2 * 4 * (1150 + 1150 + 400) - 10000
        self.assertEqual(flops.awd_lstm(10000, 400, 1150, 3, length=1, batch=1), 6 * matrices)

    def test_rnn_with_one_cell_by_hand(self):
        # T = 1, B = 1, E = 2, H = 3, a perceptron 3 → 1 → 1 → 2: products 6 + 9 + (3 + 1 + 2), the first without a gradient.
        self.assertEqual(flops.rnn_classifier(2, 3, 1, 1, 1), 2 * (2 * 6 + 3 * 9 + 3 * 6))


class Smoke(unittest.TestCase):
    def test_every_peer_runs_beside_tacet(self):
        with tempfile.TemporaryDirectory() as folder:
            page, out = pathlib.Path(folder) / "performance.md", pathlib.Path(folder) / "results.json"
            shutil.copy(ROOT / "docs" / "reference" / "performance.md", page)
            ran = subprocess.run([ROOT / "benchmarks" / "compare.sh", "--smoke", "--out", out, "--update-docs", page],
                                 capture_output=True, text=True, timeout=280)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            cases = json.loads(out.read_text())["cases"]
            peers = {path.stem for path in (ROOT / "benchmarks" / "peers").glob("*.py")} - {"timing"}
            self.assertEqual(len(cases), len(peers))
            for case in cases:
                with self.subTest(case=case["case"]):
                    for key in ("peer", "peer_large", "parameters", "peak_bytes"):
                        self.assertGreater(case[key], 0)
                    # The time of a whole run is the difference of two, which may be anything on a busy machine when both are tiny.
                    self.assertGreater(case["tacet"], -1 if case["case"].startswith("logistic") else 0)
                    self.assertIn("| %s |" % case["case"], page.read_text())


if __name__ == "__main__":
    try:
        import torch
    except ImportError:
        print("skipped: python3-torch is not installed")
        sys.exit(0)
    unittest.main()
