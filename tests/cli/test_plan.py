"""`tacet plan` and `tacet probe`: numbers derived by hand, what a probe writes and a plan reads, and mistakes. The formulas and
the statistics are tested in tests/analysis."""

import csv
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import unittest
from xml.etree import ElementTree

from program import Case, documented, environment, keys_in, read_json
from test_data import write_idx

EXAMPLE = ["--L0", "1", "--L1", "0.5", "--sigma", "1", "--kappa", "1", "--delta", "2", "--clients", "4", "--epsilon", "0.05"]
COSTS = ["--step-seconds", "1", "--parameters", "1048576", "--bandwidth", "1048576", "--workers", "2"]


def recipe_of_a_function(folder, extra=""):
    path = os.path.join(folder, "exponential.toml")
    with open(path, "w", encoding="utf-8") as f:
        f.write('data = { name = "noise", noise.kind = "gaussian", noise.scale = 0.2, samples = 32 }\n'
                'model = { name = "exponential", dimension = 6, start = 2 }\n'
                'algorithm = { name = "celgc", eta = 0.05, gamma = 0.2, interval = 4 }\n'
                'clients = { count = 8 }\nschedule = { rounds = 60 }\n' + extra)
    return path


def constant(found, name):
    return next(c for c in found["constants"] if c["name"] == name)


class Plan(Case):
    def plan(self, *args, code=0):
        done = self.tacet("plan", "--json", *args)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def theorem(self, found, name):
        return next(t for t in found["theorems"] if t["name"] == name)

    def test_numbers_by_hand(self):
        found = self.plan(*EXAMPLE)
        self.assertEqual(keys_in(found) - documented("plan --json"), set())
        t = self.theorem(found, "differing")
        c = 1 / 28
        B = math.expm1(c) / c
        A = 1 + math.exp(c) - B
        self.assertAlmostEqual(t["iterations"] / (560 * A * 1 * 2 * 2**2 / (4 * 0.05**4)), 1, 12)
        self.assertAlmostEqual(t["gamma"], 4 * 0.05 / (28 * 2) * 0.05 / A, 15)
        self.assertAlmostEqual(t["gamma"] / t["eta"], 10, 9)
        self.assertEqual((t["interval"], t["interval_limit"], t["bound"]), (2, 2.5, 0.2))
        self.assertTrue(t["feasible"] and t["iterations_exact"])
        self.assertEqual(self.theorem(found, "similar")["interval"], 5)  # 1/(4 · 0.05)
        self.assertIsNone(found["cluster"])

    def test_text_names_what_binds(self):
        done = self.tacet("plan", *EXAMPLE)
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("differing clients: allowed", "I = 2", "1.825e+08", "4ε = 0.2", "yes, binds", "EPISODE++"):
            self.assertIn(part, done.stdout)

    def test_what_no_theorem_allows(self):
        done = self.tacet("plan", *EXAMPLE[:-1], "0.3")
        self.assertEqual(done.returncode, 2)
        self.assertIn("NOT allowed", done.stdout)
        self.assertIn("ε ≤ 0.1 must hold, got 0.3 against 0.1; nearest: epsilon = 0.1", done.stderr)

    def test_cost_of_an_interval(self):
        found = self.plan(*EXAMPLE, *COSTS)
        self.assertEqual(keys_in(found) - documented("plan --json"), set())
        f32 = found["cluster"]["exchanges"][0]
        self.assertEqual((f32["message"], f32["overlap"], f32["seconds"], f32["interval"]), ("f32", False, 4, 76))
        self.assertIn("int8 overlap", self.tacet("plan", *EXAMPLE, *COSTS).stdout)
        self.assertIn("127.0.0.1", self.plan(*EXAMPLE, *COSTS[:4], "--loopback")["cluster"]["bandwidth_origin"])

    def drawn(self, *args, picture="chart.svg", code=0):
        """Returns the rows of the picture's numbers: {(series, mark): {x: y}}, of a guide its x."""
        done = self.tacet("plan", *args, "--picture", self.path(picture))
        self.assertEqual(done.returncode, code, done.stderr)
        rows = {}
        with open(self.path(os.path.splitext(picture)[0] + ".csv"), encoding="utf-8") as f:
            for r in csv.DictReader(f):
                rows.setdefault((r["series"], r["mark"]), {})[float(r["x"])] = float(r["y"]) if r["y"] else None
        return rows

    def test_picture_of_an_interval(self):
        """c = 1 s; 2^20 floats at 2^20 bytes a second: f32 takes 4 s, bf16 2 s, int8 (2^20 + 4 · 4096)/2^20 = 1.015625 s, and
        topk 256 · 88 · 4 bytes, 0.0859375 s. A step takes c + e/I, with overlap max(c, e/I); 95 % need I ≥ 19e/c, with overlap
        0.95e/c. Theory: σ/(Nε) = 1/(4 · 0.05) = 5 and 1/(2Nε) = 2.5."""
        rows = self.drawn(*EXAMPLE, *COSTS)
        for message, seconds, plain, beside in (("f32", 4, 76, 4), ("bf16", 2, 38, 2), ("int8", 1.015625, 20, 1),
                                                ("topk", 0.0859375, 2, 1)):
            curve, overlap = rows[message, "line"], rows[message + " overlap", "line"]
            self.assertEqual(curve, {I: 1 + seconds / I for I in curve})
            self.assertEqual(overlap, {I: max(1, seconds / I) for I in overlap})
            self.assertEqual(set(curve) & set(range(11)), {1, 2, 3, 4, 5, 6, 7, 8, 10})
            self.assertEqual((set(curve) >= {20, 38, 76}, max(curve)), (True, 256))
            self.assertEqual(rows[message, "dots"], {plain: 1 + seconds / plain})
            self.assertEqual(rows[message + " overlap", "dots"], {beside: max(1, seconds / beside)})
        self.assertEqual({key: list(x) for key, x in rows.items() if key[1] == "guide"},
                         {("theory, similar clients: I ≤ 5", "guide"): [5], ("theory, differing clients: I ≤ 2.5", "guide"): [2.5]})
        self.assertEqual(len(rows), 4 * 2 * 2 + 2)
        svg = ElementTree.parse(self.path("chart.svg")).getroot()
        self.assertEqual(svg.tag, "{http://www.w3.org/2000/svg}svg")
        texts = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
        for text in ("f32", "int8 overlap", "theory, differing clients: I ≤ 2.5", "without overlap: f32 76, bf16 38, int8 20, topk 2",
                     "with overlap: f32 4, bf16 2, int8 1, topk 1"):
            self.assertIn(text, texts)

    def test_a_cluster_alone_is_a_plan(self):
        found = self.plan(*COSTS)
        self.assertEqual((found["constants"], found["theorems"], found["orders"]), ([], [], []))
        self.assertEqual(found["cluster"]["exchanges"][0]["interval"], 76)
        self.assertIn("the theorems are left out", self.tacet("plan", *COSTS).stdout)
        rows = self.drawn(*COSTS, picture="alone.svg")
        self.assertEqual([key for key in rows if key[1] == "guide"], [])
        self.assertEqual(self.plan(*COSTS[:-2], "--clients", "4")["cluster"]["workers"], 4)

    def test_a_picture_says_where_theory_has_no_limit(self):
        rows = self.drawn(*EXAMPLE[:-1], "0.3", *COSTS, picture="none.svg", code=2)
        self.assertEqual([key for key in rows if key[1] == "guide"], [])
        with open(self.path("none.svg"), encoding="utf-8") as f:
            text = f.read()
        for name in ("similar", "differing"):
            self.assertIn("theory, %s clients: no limit on I, as a condition fails" % name, text)

    @unittest.skipUnless(shutil.which("rsvg-convert"), "no rsvg-convert")
    def test_a_picture_as_png(self):
        self.drawn(*COSTS, picture="chart-of-pixels.png")
        with open(self.path("chart-of-pixels.png"), "rb") as f:
            self.assertEqual(f.read(8), b"\x89PNG\r\n\x1a\n")
        self.assertFalse(os.path.exists(self.path("chart-of-pixels.svg")))

    def test_no_png_without_its_program(self):
        args = ("plan", *COSTS, "--picture", self.path("absent.png"))
        done = self.tacet(*args, env=environment(PATH="/nonexistent"))
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertIn("rsvg-convert", done.stderr)
        self.assertFalse(os.path.exists(self.path("absent.csv")))

    def test_a_picture_is_never_written_over(self):
        for there in ("kept.svg", "beside.csv"):
            with open(self.path(there), "w", encoding="utf-8") as f:
                f.write("mine")
            done = self.tacet("plan", *COSTS, "--picture", self.path(there[:-4] + ".svg"))
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(there + " is there", done.stderr)
            with open(self.path(there), encoding="utf-8") as f:
                self.assertEqual(f.read(), "mine")
        self.assertFalse(os.path.exists(self.path("beside.svg")) or os.path.exists(self.path("kept.csv")))

    def test_mistakes_with_a_picture(self):
        for args, *parts in (
                (["--picture", "chart.pdf"], "--picture: must end in .svg or .png, got chart.pdf"),
                (["--picture", "chart"], ".svg or .png", "got chart"),
                ([*EXAMPLE, "--picture", "bare.svg"], "--step-seconds: is needed"),
                ([*COSTS[2:], "--picture", "bare.svg"], "--step-seconds: is needed"),
                ([*COSTS[:2], *COSTS[4:], "--picture", "bare.svg"], "--parameters: is needed"),
                ([*COSTS[:4], *COSTS[6:], "--picture", "bare.svg"], "--bandwidth: is needed"),
                ([*COSTS[:6], "--picture", "bare.svg"], "--workers: is needed"),
                ([*COSTS, "--picture", "nowhere/bare.svg"], "nowhere/bare.svg")):
            with self.subTest(args=args):
                done = self.tacet("plan", *args)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                for part in parts:
                    self.assertIn(part, done.stderr)
        self.assertFalse(os.path.exists(self.path("bare.svg")))

    def test_mistakes(self):
        def without(name):
            at = EXAMPLE.index(name)
            return EXAMPLE[:at] + EXAMPLE[at + 2:]

        for args, *parts in (
                (without("--L0"), "--L0", "is needed"),
                ([*without("--sigma"), "--sigma", "0"], "sigma must be > 0", "got 0"),
                ([*without("--L0"), "--L0", "0"], "L0 must be > 0", "every L0 > 0"),
                ([*EXAMPLE, "--participating", "0"], "participating", "clients = 4", "got 0"),
                ([*EXAMPLE, "--workers", "2"], "--step-seconds", "is needed"),
                ([*EXAMPLE, "--step-seconds", "1", "--parameters", "10", "--bandwidth", "0"], "bandwidth must be > 0", "got 0"),
                ([*EXAMPLE, "--bandwidth", "1", "--loopback"], "--loopback"),
                (["--probe", self.path("nowhere.json")], "nowhere.json"),
                (["--probe", self.recipe()], "probe.json of tacet probe")):
            with self.subTest(args=args):
                done = self.tacet("plan", *args)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                for part in parts:
                    self.assertIn(part, done.stderr)


class Probe(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = recipe_of_a_function(cls.folder)
        cls.out = cls.path("probe")
        cls.done = cls.tacet("probe", cls.file, "--out", cls.out, "--points", "30", "--samples", "80", "--seconds", "120")
        cls.found = read_json(os.path.join(cls.out, "probe.json")) if cls.done.returncode == 0 else {}

    def table(self, name):
        with open(os.path.join(self.out, name), encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def test_what_it_writes(self):
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ""))
        self.assertEqual(keys_in(self.found) - documented("probe --json"), set())
        self.assertEqual((self.found["clients"], self.found["parameters"], self.found["model"]), (8, 6, "exponential"))
        self.assertEqual(len(self.table("smoothness.csv")), 30)
        self.assertEqual(len(self.table("noise.csv")), 80)
        self.assertEqual(len(self.table("clients.csv")), 8)
        self.assertEqual(len(self.table("coordinates.csv")), 30 * 6)
        self.assertIn("L1", self.done.stdout)

    def test_pictures_have_their_numbers_beside_them(self):
        for name in ("smoothness", "coordinates", "noise", "clients", "rounds"):
            root = ElementTree.parse(os.path.join(self.out, name + ".svg")).getroot()
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg", name)
            self.assertTrue(self.table(name + ".picture.csv"), name)
        drawn = [(float(r["x"]), float(r["y"])) for r in self.table("smoothness.picture.csv") if r["series"] == "pairs of the run"]
        measured = [(float(r["gradient_norm"]), float(r["smoothness"])) for r in self.table("smoothness.csv") if r["counts"] == "1"]
        self.assertEqual(drawn, measured)
        control = [float(r["y"]) for r in self.table("smoothness.picture.csv") if r["series"].startswith("control")]
        self.assertEqual(sorted(control), sorted(y for _, y in measured))
        self.assertNotEqual(control, [y for _, y in measured])
        self.assertFalse(os.path.exists(os.path.join(self.out, "layers.svg")), "there is one layer only")

    def test_curvature_is_the_one_of_the_function(self):
        """f is a sum over coordinates, so its Hessian is diagonal: e^x + e^-x > 0 each, and ‖∇f‖² = Σ (f_j² − 4)."""
        found = self.found["curvature"]
        self.assertGreater(found["eigenvalue"]["value"], 2 * 0.99)
        self.assertAlmostEqual(found["trace"]["value"] / (6 * found["eigenvalue"]["value"]), 1, delta=0.25)
        self.assertLess(found["trace"]["high"] - found["trace"]["low"], 0.01 * found["trace"]["value"])
        self.assertEqual(found["products"], 40)
        kinds = [r["kind"] for r in self.table("curvature.csv")]
        self.assertEqual(kinds.count("trace"), found["trace"]["samples"])
        self.assertEqual(kinds.count("eigenvalue"), found["iterations"])

    def test_rounds_along_the_run(self):
        rounds = self.table("rounds.csv")
        self.assertEqual(len(rounds), self.found["rounds"]["followed"])
        self.assertEqual([int(r["round"]) for r in rounds], list(range(len(rounds))))
        self.assertTrue(all(r["clients"] == "8" for r in rounds))
        for r in rounds:
            if r["drift"]:
                self.assertLessEqual(float(r["drift"]), float(r["drift_bound"]))
                self.assertAlmostEqual(float(r["drift_bound"]), 2 * 0.2 * 4, 6)
        looked = [r for r in rounds if r["gradient_square"]]  # κ may be lost in the noise, and its cell empty
        self.assertEqual(len(looked), 10)
        self.assertEqual(len(self.table("client_rounds.csv")), 10 * 8)
        self.assertEqual(looked[0]["cosine"], "", "celgc corrects nothing")

    def test_corrections_of_a_method_that_has_some(self):
        """Equal clients: the truth is 0, so the cosine is lost, and EPISODE's corrections are noise alone."""
        out = self.path("episode")
        done = self.tacet("probe", self.file, "--out", out, "--set", "algorithm.name=episode", "--points", "10", "--samples", "20",
                          "--rounds", "3", "--products", "0", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        self.assertEqual(keys_in(found) - documented("probe --json"), set())
        self.assertEqual([look["corrections"]["clients"] for look in found["rounds"]["looks"]], [8, 8, 8])
        for look in found["rounds"]["looks"]:
            self.assertGreater(look["corrections"]["mean_cosine"], 0.9)
        self.assertEqual(found["curvature"], {"missing": "--products is 0"})
        done = self.tacet("probe", self.file, "--out", self.path("part"), "--set", "algorithm.name=episode", "--set",
                          "clients.participating=4", "--points", "3", "--samples", "20", "--products", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("where all clients take part in every round", " ".join(done.stdout.split()))

    def test_the_smoothness_of_the_exponential(self):
        """e^x + e^−x is (2, 1)-smooth: curvature² = 4 + slope² in each coordinate."""
        for row in self.table("smoothness.csv"):
            if row["counts"] == "1":
                self.assertLessEqual(float(row["smoothness"]), 1.05 * (2 + float(row["gradient_norm"])))
        L1 = constant(self.found, "L1")
        self.assertGreater(L1["low"], 0)
        self.assertLess(L1["high"], 1.05)
        self.assertLess(self.found["smoothness"]["fit"]["control"]["p"], 0.05)

    def test_noise_and_clients(self):
        sigma = constant(self.found, "sigma")
        self.assertLess(sigma["low"], sigma["value"])
        self.assertAlmostEqual(sigma["value"], 0.2 * math.sqrt(6) * 1.4, delta=0.25)  # χ with 6 degrees: 0.95 at 3.55 · 0.2
        self.assertLess(constant(self.found, "kappa").get("value", 0), 0.2)  # equal clients, or lost in the noise
        self.assertIn("least value", constant(self.found, "delta")["missing"])

    def test_a_plan_reads_it(self):
        file = os.path.join(self.out, "probe.json")
        done = self.tacet("plan", "--probe", file, "--epsilon", "0.05")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--delta", done.stderr)
        self.assertIn("least value of a function", done.stderr)
        done = self.tacet("plan", "--json", "--probe", file, "--epsilon", "0.05", "--delta", "10", "--sigma", "1", "--bandwidth", "1e6")
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = json.loads(done.stdout)
        self.assertEqual(constant(plan, "L1")["value"], constant(self.found, "L1")["value"])
        self.assertEqual((constant(plan, "L1")["origin"], constant(plan, "sigma")["origin"]), ("probe", "given"))
        self.assertEqual(plan["cluster"]["parameters"], 6)
        done = self.tacet("plan", "--probe", file, "--epsilon", "0.05", "--delta", "10", "--bandwidth", "1e6", "--parameters", "7")
        self.assertEqual(done.returncode, 2)
        self.assertIn("a model with 6 parameters, got --parameters 7", done.stderr)

    def test_a_kappa_that_noise_hides_is_no_zero(self):
        """The plan says what it assumes in its place, and why the probe has none."""
        found = json.loads(json.dumps(self.found))
        hidden = constant(found, "kappa")
        hidden.pop("value", None)
        hidden["missing"] = "how far clients are apart is lost in the noise"
        file = self.path("hidden.json")
        with open(file, "w") as out:
            json.dump(found, out)
        done = self.tacet("plan", "--probe", file, "--epsilon", "0.05", "--delta", "10", "--sigma", "1")
        said = " ".join(done.stdout.split())
        self.assertIn("kappa is assumed: clients are alike, as --kappa is not given; ", said)
        self.assertIn("how far clients are apart is lost in the noise", said)

    def test_a_run_is_probed_from_its_model(self):
        run, out = self.path("run"), self.path("of-run")
        self.assertEqual(self.tacet("train", self.file, "--out", run, "--quiet").returncode, 0)
        done = self.tacet("probe", run, "--out", out, "--points", "10", "--samples", "20", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["smoothness"]["points"], 10)
        # The run has ended near the minimum 12 = 6 · 2, the recipe starts at 6 · (e² + e⁻²).
        with open(os.path.join(out, "smoothness.csv"), encoding="utf-8") as f:
            self.assertLess(float(next(csv.DictReader(f))["loss"]), 20)
        # Twenty gradients have no 0.95 quantile's interval, and say what it would take.
        self.assertIn("needs at least 72 samples, got 20", constant(found, "sigma")["missing"])

    def test_a_run_that_began_with_a_model_is_probed_without_it(self):
        """Its data are as they were, so that nothing is to be warned of."""
        first = self.train(self.recipe("first.toml"), "first", "--quiet")
        init = "model.init=" + os.path.join(first, "model.safetensors")
        second = self.train(self.recipe("second.toml"), "second", "--quiet", "--set", init)
        shutil.rmtree(first)
        done = self.tacet("probe", second, "--out", self.path("of-second"), "--points", "3", "--samples", "20", "--rounds", "0",
                          "--products", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("these are not the run's data", done.stderr)
        self.assertNotIn("model.init", done.stderr)
        again = "model.init=" + os.path.join(second, "model.safetensors")
        other = self.tacet("probe", second, "--out", self.path("other"), "--set", again)
        self.assertEqual(other.returncode, 2)
        self.assertIn("--set model.init must be left out with a run's folder, whose own model is probed, got model.init=", other.stderr)
        self.assertFalse(os.path.exists(self.path("other")))

    def test_data_dealt_anew_in_every_round(self):
        """8 clients, 4 a round, of one class each: any one of them is left out of half of the rounds, and has no data there."""
        write_idx(self.path("images"), train=60, side=18, classes=3)
        file = self.path("dealt.toml")
        with open(file, "w", encoding="utf-8") as f:
            f.write('data = { name = "idx", root = "%s", batch_size = 4, eval_batch = 7, partition.kind = "one-class", '
                    'partition.every_round = true }\nmodel = { name = "logistic" }\n'
                    'algorithm = { name = "celgc", eta = 0.05, gamma = 0.02, interval = 2 }\n'
                    'clients = { count = 8, participating = 4 }\nschedule = { rounds = 20 }\n' % self.path("images"))
        done = self.tacet("probe", file, "--out", self.path("dealt"), "--points", "3", "--samples", "20", "--products", "0", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["noise"]["samples"], 20)
        for told in (found["heterogeneity"]["missing"], constant(found, "kappa")["missing"], found["rounds"]["notes"][0]):
            self.assertIn("clients have no data of their own", told)

    def test_no_c_min_where_parts_of_a_gradient_are_clipped(self):
        for key, told in (("per_layer", "clips by layer"), ("per_coordinate", "clips by coordinate")):
            done = self.tacet("probe", self.file, "--out", self.path(key), "--points", "3", "--samples", "30", "--rounds", "0",
                              "--products", "0", "--set", "algorithm.%s=true" % key, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(told, constant(json.loads(done.stdout), "c_min")["missing"])

    def test_few_points_have_no_line(self):
        done = self.tacet("probe", self.file, "--out", self.path("few"), "--points", "3", "--samples", "20", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("at least 8 samples, got 3", constant(json.loads(done.stdout), "L1")["missing"])

    def test_the_line_of_a_probe_fits_a_narrow_terminal(self):
        text = self.on_terminal(20, "probe", self.file, "--out", self.path("narrow"), "--points", "3", "--samples", "20")
        rows = re.findall(r"smoothness  [^\r\n\x1b]*", text)  # "smoothness  round 1  1 of 3 points  0 of 150 s"
        self.assertGreater(len(rows), 0, text)
        self.assertLess(max(len(row) for row in rows), 20, rows)

    def test_language_models(self):
        out = self.path("lm")
        done = self.tacet("probe", self.recipe(), "--out", out, "--points", "10", "--samples", "30", "--rounds", "2", "--products", "12",
                          "--set", "schedule.rounds=40", "--seconds", "200", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        self.assertEqual(keys_in(found) - documented("probe --json"), set())
        self.assertEqual((found["smoothness"]["points"], found["noise"]["samples"], found["rounds"]["measured"]), (10, 30, 2))
        self.assertEqual(found["smoothness"]["state"], "zero at the start of every window of text")
        self.assertGreater(found["curvature"]["eigenvalue"]["value"], 0)
        for name in ("smoothness", "layers", "coordinates", "noise", "clients", "rounds"):
            ElementTree.parse(os.path.join(out, name + ".svg"))
        transformer = self.recipe("gpt2.toml", model={"name": "gpt2", "layers": 1, "width": 8, "heads": 2, "context": 30,
                                                      "embedding": None, "hidden": None})
        done = self.tacet("probe", transformer, "--out", self.path("gpt2"), "--points", "3", "--samples", "20", "--products", "4", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual((found["smoothness"]["points"], found["smoothness"]["state"]), (3, "nothing is carried"))

    def test_the_script_of_pictures_names_recipes_that_are_there(self):
        root = pathlib.Path(__file__).resolve().parents[2]
        done = subprocess.run([root / "scripts" / "theory-pictures.sh", "--dry-run", "--seconds", "5"], capture_output=True, text=True,
                              check=True)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 5)
        for line in lines:
            words = line.split()[1:]
            at = words.index("--out") + 1
            words[1], words[at] = str(root / words[1]), self.path("picture")
            done = self.tacet(*words, env=environment(HOME=self.folder))
            self.assertEqual(done.returncode, 2, line)
            self.assertIn("was not found", done.stderr, line)

    def test_mistakes(self):
        taken = self.path("taken")
        os.makedirs(taken)
        with open(os.path.join(taken, "a"), "w", encoding="utf-8") as f:
            f.write("a")
        unfinished = self.path("unfinished")
        os.makedirs(unfinished)
        for args, *parts in (
                ([self.path("none.toml"), "--out", self.path("x")], "none.toml", "no such"),
                ([unfinished, "--out", self.path("x")], "model.safetensors"),
                ([self.file, "--out", taken], "taken"),
                ([self.file, "--out", self.path("x"), "--seconds", "0"], "--seconds"),
                ([self.file, "--out", self.path("x"), "--rounds", "-1"], "--rounds"),
                ([self.file, "--out", self.path("x"), "--products", "many"], "--products"),
                ([self.file, "--out", self.path("x"), "--set", "algorithm.eta=-1"], "algorithm.eta", "got -1")):
            with self.subTest(args=args):
                done = self.tacet("probe", *args)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertFalse(os.path.exists(self.path("x")))
                for part in parts:
                    self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main()
