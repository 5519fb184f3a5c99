"""Compares docs/results.md with the metrics that are kept in docs/results, and tries scripts/verdicts.py on metrics that are made up
so that every number and verdict is known."""

import contextlib
import csv
import importlib.util
import io
import json
import math
import pathlib
import re
import tempfile
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("verdicts", ROOT / "scripts" / "verdicts.py")
verdicts = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(verdicts)
PAGE = (ROOT / "docs" / "results.md").read_text()

# A note of `tacet figure` about a grid.
CHOICE = re.compile(r"(?P<curve>.+?)(?: at [\w.]+ = \S+)?: (?P<sets>\S+=\S+(?: \S+=\S+)*) is the best of (?P<count>\d+) by \w+"
                    r"(?:, of which \d+ diverged)?(?P<ends>;.*|)")


def grid_of(recipe, curve):
    """The values of each key of a curve's grid: its own one, or the figure's."""
    grid = recipe["curves"][curve].get("grid", recipe["figure"].get("grid"))
    return {key: [float(value) for value in values.split(",")] for key, values in (axis.split("=") for axis in grid)}


def ends_of(grid, sets):
    """What a note has to tell of best values that stand at an end of their grid."""
    told = []
    for key, value in (chosen.split("=") for chosen in sets):
        if min(grid[key]) < max(grid[key]) and float(value) in (min(grid[key]), max(grid[key])):
            told.append(f" {key} is at the {'lower' if float(value) == min(grid[key]) else 'upper'} end of its grid")
    return ";" + ",".join(told) if told else ""


class ThePage(unittest.TestCase):
    def test_its_numbers_are_those_of_the_kept_metrics(self):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(verdicts.main([]), 0, said.getvalue())

    def test_no_number_of_a_run_stands_outside_of_the_blocks(self):
        prose = verdicts.BLOCK.sub("", PAGE)
        self.assertNotRegex(prose, r"±\s*\d|\d\s*%|\d+\.\d\d")

    def test_each_figure_of_a_claim_is_there_and_each_small_twin_is_one_of_a_claim(self):
        claimed = {figure for claim in verdicts.CLAIMS.values() for figure in claim.figures}
        there = {path.stem for path in (ROOT / "recipes" / "figures").glob("*.toml")}
        self.assertEqual(claimed - there, set())
        self.assertEqual({name for name in there if name.endswith("-small")} - claimed, set())

    def test_each_claim_from_a_to_l_has_a_block(self):
        self.assertEqual({name[0] for name in verdicts.CLAIMS}, set("abcdefghijkl"))

    def test_each_kept_choice_is_one_of_the_grid_that_its_recipe_has(self):
        """A grid that was changed after its figure was kept, and a best value at an end that no note told."""
        told = 0
        for path in sorted((ROOT / "docs" / "results").glob("*.json")):
            recipe = tomllib.loads((ROOT / "recipes" / "figures" / f"{path.stem}.toml").read_text())
            for note in json.loads(path.read_text())["notes"]:
                if chosen := CHOICE.fullmatch(note):
                    told += 1
                    grid = grid_of(recipe, chosen["curve"])
                    self.assertEqual(int(chosen["count"]), math.prod(map(len, grid.values())), f"{path.name}: {note}")
                    self.assertEqual(chosen["ends"], ends_of(grid, chosen["sets"].split()), f"{path.name}: {note}")
        self.assertGreater(told, 50)

    def test_kept_metrics_are_small(self):
        for path in (ROOT / "docs" / "results").glob("*"):
            self.assertLess(path.stat().st_size, 300_000, path.name)


class Keeps(unittest.TestCase):
    """Kept metrics of one's own: {(curve, value, key): [[y of seed 1 at x = 1, 2, …], [of seed 2], …]}."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def kept(self, runs, places=(), **facts):
        """`places` has what each run's last point has on the further axes: {curve: {axis: number}}."""
        drawn = self.folder / "drawn"
        drawn.mkdir(exist_ok=True)
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["curve", "value", "seed", "key", "x", "y", *facts.get("over", [])])
        for (curve, value, key), seeds in runs.items():
            for seed, ys in enumerate(seeds, 1):
                for x, y in enumerate(ys, 1):
                    ends = [places[curve][axis] * x / len(ys) for axis in facts.get("over", [])]
                    rows.writerow([curve, value, seed, key, x, y, *ends])
        (drawn / "points.csv").write_text(text.getvalue())
        facts = {"figure": "made-up", "title": "made up", "x": "rounds", "y": "train_loss", "also": [], "target": None, "parameter": "",
                 "notes": [], "runs": 2, "training_seconds": 120, "versions": ["0.1.0"], **facts}
        (drawn / "figure.json").write_text(json.dumps(facts))
        (drawn / "figure.svg").write_text("<svg/>")
        with contextlib.redirect_stdout(io.StringIO()):
            verdicts.keep(drawn, self.folder / "results")
        return verdicts.Kept(self.folder / "results", facts["figure"])


class MadeUp(Keeps):
    def test_means_and_deviations(self):
        kept = self.kept({("a", "", "train_loss"): [[9, 4], [9, 6]]})
        mean = verdicts.last(kept.of("a"))
        self.assertEqual((mean.n, mean.mean), (2, 5))
        self.assertAlmostEqual(mean.deviation, 2**0.5)
        self.assertEqual(mean.text(), "5 ± 1.4")
        self.assertEqual(verdicts.over_all(kept.of("a")).mean, 7)
        self.assertEqual(verdicts.source_of(kept), "`tacet figure made-up`: 2 runs, 2 core minutes, tacet 0.1.0.\n")
        kept.facts.update(grid_runs=3, grid_seconds=60)
        self.assertEqual(verdicts.source_of(kept), "`tacet figure made-up`: 2 runs and 3 more of grids, 3 core minutes, tacet 0.1.0.\n")

    def test_comparisons_are_true_false_or_undecided(self):
        def mean(*values):
            return verdicts.Mean(values)

        # The standard error of the difference of two pairs whose values are 2 d apart is √2 d; d = 0.01: 2.8 of them are 0.0396.
        self.assertIs(verdicts.below(mean(1.99, 2.01), mean(2.04, 2.06)), True)
        self.assertIsNone(verdicts.below(mean(1.99, 2.01), mean(2.02, 2.04)))
        self.assertIsNone(verdicts.below(mean(2.02, 2.04), mean(1.99, 2.01)))
        self.assertIs(verdicts.below(mean(2.04, 2.06), mean(1.99, 2.01)), False)
        self.assertIs(verdicts.below(mean(0.0, 0.0), mean(0.0, 0.0)), False)
        self.assertIs(verdicts.at_most(mean(0.0, 0.0), mean(0.0, 0.0)), True)
        self.assertIsNone(verdicts.at_most(mean(1.99, 2.01), mean(2.02, 2.04)))
        self.assertIs(verdicts.between(mean(2.0), mean(2.0), mean(2.0)), True)
        self.assertIs(verdicts.between(mean(2.0), mean(2.1), mean(3.0)), False)
        # The mean of two means with standard errors of 0.3 and 0.4 has one of 0.25.
        pair = verdicts.average([mean(0.7, 1.3), mean(1.6, 2.4)])
        self.assertAlmostEqual(pair.mean, 1.5)
        self.assertAlmostEqual(pair.error(), 0.25)
        self.assertAlmostEqual(pair.times(2).error(), 0.5)
        # A loss may be a twentieth worse, and not more than 0.05; a perplexity or an accuracy a twentieth.
        self.assertIs(verdicts.no_worse(mean(2.04), mean(2.0), "train_loss"), True)
        self.assertIs(verdicts.no_worse(mean(2.06), mean(2.0), "train_loss"), False)
        self.assertIs(verdicts.no_worse(mean(0.52), mean(0.5), "train_loss"), True)
        self.assertIs(verdicts.no_worse(mean(0.53), mean(0.5), "train_loss"), False)
        self.assertIs(verdicts.no_worse(mean(1.0), mean(2.0), "train_loss"), True)
        self.assertIs(verdicts.no_worse(mean(209.0), mean(200.0), "eval_perplexity"), True)
        self.assertIs(verdicts.no_worse(mean(211.0), mean(200.0), "eval_perplexity"), False)
        self.assertIs(verdicts.no_worse(mean(0.77), mean(0.8), "eval_accuracy"), True)
        self.assertIs(verdicts.no_worse(mean(0.75), mean(0.8), "eval_accuracy"), False)
        # Deviations of 0.14: a standard error of 0.14 tells neither 0.02 nor 0.2 from 0.05, but 0.5 and -1.
        self.assertIsNone(verdicts.no_worse(mean(1.92, 2.12), mean(1.9, 2.1), "train_loss"))
        self.assertIsNone(verdicts.no_worse(mean(2.1, 2.3), mean(1.9, 2.1), "train_loss"))
        self.assertIs(verdicts.no_worse(mean(2.4, 2.6), mean(1.9, 2.1), "train_loss"), False)
        self.assertIs(verdicts.no_worse(mean(0.9, 1.1), mean(1.9, 2.1), "train_loss"), True)
        self.assertIs(verdicts.matches(mean(2.04), mean(2.0), "train_loss"), True)
        self.assertIs(verdicts.matches(mean(1.9), mean(2.0), "train_loss"), False)
        self.assertIs(verdicts.matches(mean(2.1), mean(2.0), "train_loss"), False)

    def test_a_verdict_counts_its_parts(self):
        for holds, said in (([True, True], "holds.** 2 of 2 parts hold. why"), ([True, None], "holds in part.** 1 of 2 parts hold, 1 is undecided. why"),
                            ([False, None, None], "does not hold.** 0 of 3 parts hold, 2 are undecided. why"),
                            ([None, None], "undecided.** 0 of 2 parts hold, 2 are undecided. why"), ([False], "does not hold.** why")):
            self.assertEqual(verdicts.verdict(holds, "why"), "**Verdict: " + said + "\n")

    def test_a_curve_matches_its_baseline_or_not(self):
        claim = verdicts.same_as_baseline("naive-clip", "eval_accuracy")
        runs = {("naive-clip", "", "train_loss"): [[2.0]], ("naive-clip", "", "eval_accuracy"): [[0.80]]}
        for interval in (2, 8, 32):
            runs[(f"celgc, I = {interval}", "", "train_loss")] = [[2.04]]
            runs[(f"celgc, I = {interval}", "", "eval_accuracy")] = [[0.77]]
        self.assertIn("**Verdict: holds.** 6 of 6 parts hold.", claim(self.kept(runs)))
        self.assertIn("celgc, I = 2 against naive-clip: train_loss +0.040 (no worse), eval_accuracy -3.7 % (no worse);", claim(self.kept(runs)))
        runs[("celgc, I = 8", "", "train_loss")] = [[2.11]]
        self.assertIn("**Verdict: holds in part.** 5 of 6", claim(self.kept(runs)))
        self.assertIn("celgc, I = 8 against naive-clip: train_loss +0.110 (worse)", claim(self.kept(runs)))

    def test_speed_ups_are_ratios_of_steps(self):
        def at(step):
            return [[3.0] * (step - 1) + [1.0]] * 2

        runs = {("a", str(n), "eval_loss"): at(240 // n) for n in (1, 2, 4)}
        said = verdicts.speeds_up(self.kept(runs, y="eval_loss", target=2, parameter="clients.count"))
        self.assertIn("| a | 4 | 2 | 60 ± 0 | 4 |", said)
        self.assertIn("**Verdict: holds.** 4 of 4 parts hold. 2 of 2 numbers of clients N need fewer steps than one client; 2 of 2 "
                      "speed-ups lie", said)
        # Speed-ups of 4.8 and 3 in two seeds: their steps, 65 ± 21, do not tell 0.6 N from it.
        runs[("a", "4", "eval_loss")] = [at(50)[0], at(80)[0]]
        said = verdicts.speeds_up(self.kept(runs, y="eval_loss", target=2, parameter="clients.count"))
        self.assertIn("**Verdict: holds in part.** 3 of 4 parts hold, 1 is undecided. 2 of 2 numbers of clients N need fewer steps", said)
        runs[("a", "4", "eval_loss")] = at(200)
        said = verdicts.speeds_up(self.kept(runs, y="eval_loss", target=2, parameter="clients.count"))
        self.assertIn("**Verdict: holds in part.** 3 of 4 parts hold. 2 of 2 numbers of clients N need fewer steps than one client; 1 of 2",
                      said)
        runs[("a", "4", "eval_loss")] = [[3.0], [1.0]]
        said = verdicts.speeds_up(self.kept(runs, y="eval_loss", target=2, parameter="clients.count"))
        self.assertIn("| a | 4 | 2 | not reached | – |", said)
        self.assertIn("2 of 4 parts hold.", said)

    def test_a_method_that_is_best_where_data_differ(self):
        runs = {("episode", "0", "train_loss"): [[1.0], [1.2]], ("celgc", "0", "train_loss"): [[2.0], [2.2]],
                ("episode", "100", "train_loss"): [[1.0], [1.0]], ("celgc", "100", "train_loss"): [[1.04], [1.04]]}
        runs.update({(curve, value, "eval_accuracy"): [[0.5], [0.5]] for curve, value, _ in list(runs)})
        claim = verdicts.best_where_hard("episode", ["0"], "100")
        said = claim(self.kept(runs, parameter="data.partition.similarity"))
        self.assertIn("at 0 it beats celgc; its lead at 0 is larger than at 100 over celgc; at 100 it matches celgc.", said)
        self.assertIn("**Verdict: holds.** 3 of 3", said)
        # A deviation of 0.71 each: the difference of 1 is 1.4 standard errors.
        kept = runs[("episode", "0", "train_loss")], runs[("celgc", "0", "train_loss")]
        runs[("episode", "0", "train_loss")], runs[("celgc", "0", "train_loss")] = [[0.6], [1.6]], [[1.6], [2.6]]
        said = claim(self.kept(runs, parameter="data.partition.similarity"))
        self.assertIn("at 0 it beats none (undecided: celgc); its lead at 0 is larger than at 100 over none (undecided: celgc); at 100", said)
        # A lead that is the same everywhere.
        runs[("episode", "0", "train_loss")], runs[("celgc", "0", "train_loss")] = kept
        runs[("celgc", "100", "train_loss")] = [[2.0], [2.0]]
        said = claim(self.kept(runs, parameter="data.partition.similarity"))
        self.assertIn("its lead at 0 is larger than at 100 over none (undecided: celgc); at 100 it matches none.", said)
        runs[("celgc", "100", "train_loss")] = [[3.0], [3.0]]
        self.assertIn("larger than at 100 over none; at 100", claim(self.kept(runs, parameter="data.partition.similarity")))

    def test_rounds_to_the_accuracy_of_fed_ams(self):
        def accuracies(*stages):
            """Those of 20 rounds, of two seeds: each stage is an accuracy and the rounds that have it."""
            return [[accuracy for accuracy, rounds in stages for _ in range(rounds)]] * 2

        # fed-ams has 50 % in round 16, and 80 % in round 20; 0.6 of them are 9.6 and 12.
        runs = {("fed-lamb", "", "eval_accuracy"): accuracies((0.2, 1), (0.6, 10), (0.95, 9)),
                ("fed-adam", "", "eval_accuracy"): accuracies((0.1, 19), (0.9, 1)),
                ("fed-ams", "", "eval_accuracy"): accuracies((0.1, 8), (0.5, 11), (0.8, 1)),
                ("fedavg", "", "eval_accuracy"): accuracies((0.1, 19), (0.2, 1))}
        said = verdicts.half_the_rounds(self.kept(runs, y="eval_accuracy"))
        self.assertIn("**Verdict: holds.** 2 of 2 parts hold. fed-lamb has fed-ams's mean accuracy in round 16, 50 %, in round 2 ± 0; fed-ams's "
                      "best mean accuracy, 80 %, for which fed-ams itself needs 20 ± 0 rounds at least, in round 12 ± 0.", said)
        order = verdicts.ends_in_order(verdicts.FEDERATED)
        self.assertIn("**Verdict: holds.** 3 of 3 parts hold. At the end: fed-lamb above fed-adam yes, fed-adam above fed-ams yes, "
                      "fed-ams above fedavg yes.", order(self.kept(runs, y="eval_accuracy")))
        runs[("fed-lamb", "", "eval_accuracy")] = accuracies((0.2, 9), (0.6, 3), (0.85, 8))
        self.assertIn("**Verdict: does not hold.**", verdicts.half_the_rounds(self.kept(runs, y="eval_accuracy")))
        self.assertIn("**Verdict: holds in part.** 2 of 3 parts hold. At the end: fed-lamb above fed-adam no",
                      order(self.kept(runs, y="eval_accuracy")))
        runs[("fed-lamb", "", "eval_accuracy")] = accuracies((0.2, 3), (0.6, 17))
        said = verdicts.half_the_rounds(self.kept(runs, y="eval_accuracy"))
        self.assertIn("**Verdict: holds in part.** 1 of 2 parts hold. fed-lamb has fed-ams's mean accuracy in round 16, 50 %, in round 4 ± 0;", said)
        self.assertIn("needs 20 ± 0 rounds at least, never.", said)
        # One seed of two has it: undecided. So are rounds 8 and 14, 11 ± 4.2, against 12.
        runs[("fed-lamb", "", "eval_accuracy")][1] = accuracies((0.2, 3), (0.85, 17))[0]
        said = verdicts.half_the_rounds(self.kept(runs, y="eval_accuracy"))
        self.assertIn("1 of 2 parts hold, 1 is undecided. fed-lamb has", said)
        self.assertIn("rounds at least, in 1 of 2 runs.", said)
        runs[("fed-lamb", "", "eval_accuracy")] = [accuracies((0.6, rounds - 1), (0.85, 21 - rounds))[0] for rounds in (8, 14)]
        said = verdicts.half_the_rounds(self.kept(runs, y="eval_accuracy"))
        self.assertIn("1 of 2 parts hold, 1 is undecided. fed-lamb has", said)
        self.assertIn("rounds at least, in round 11 ± 4.2.", said)

        runs[("fed-ams", "", "eval_accuracy")] = accuracies((0.1, 15))
        with self.assertRaisesRegex(SystemExit, "made-up: a claim needs fed-ams in round 16, got none"):
            verdicts.half_the_rounds(self.kept(runs, y="eval_accuracy"))

    def test_the_fastest_needs_fewer_rounds_than_either(self):
        runs = {("fed-lamb, 1", "", "eval_accuracy"): [[0.1, 0.8, 0.9, 0.9]], ("fed-ams, 1", "", "eval_accuracy"): [[0.1, 0.2, 0.3, 0.9]],
                ("fedavg, 1", "", "eval_accuracy"): [[0.1, 0.8, 0.8, 0.8]]}
        said = verdicts.fastest("1")(self.kept(runs, y="eval_accuracy"))
        self.assertIn("**Verdict: holds in part.** 1 of 2 parts hold. fed-lamb has, with 1: fed-ams's best mean accuracy, 90 %, for which fed-ams needs "
                      "4 ± 0 rounds at least, in round 3 ± 0; with 1: fedavg's best mean accuracy, 80 %, for which fedavg needs 2 ± 0 rounds at "
                      "least, in round 2 ± 0.", said)
        runs[("fedavg, 1", "", "eval_accuracy")] = [[0.1, 0.7, 0.7, 0.8]]
        self.assertIn("**Verdict: holds.**", verdicts.fastest("1")(self.kept(runs, y="eval_accuracy")))

    def test_clipped_shares(self):
        def share(naive, local):
            return self.kept({("naive-clip", "", "clipped_fraction"): [[naive], [naive]],
                              ("celgc, I = 2", "", "clipped_fraction"): [[local], [local]]})

        images, text = share(0.1, 0.2), share(0.5, 0.6)
        said = verdicts.clipped_more(images, text)
        self.assertIn("2 of 2 celgc curves clip more than naive-clip", said)
        self.assertIn("celgc clips 60 % of steps on texts, 20 % on images, where", said)
        self.assertIn("**Verdict: holds.**", said)
        self.assertIn("**Verdict: holds in part.**", verdicts.clipped_more(images, share(0.3, 0.35)))

    def test_a_norm_under_a_tenth(self):
        runs = {("a", "", "train_loss"): [[3, 1, 0.1, 0.1, 0.05, 0.05, 0.05], [3, 1, 0.3, 0.3, 0.3, 0.3, 0.3]]}
        said = verdicts.falls_under_a_tenth(self.kept(runs))
        self.assertIn("**Verdict: holds in part.** 1 of 2 parts hold. 1 of 2 runs", said)
        self.assertIn("| a | 2 | 3 ± 0 | 0.185 ± 0.16 |", said)

    def test_runs_that_diverge_or_learn_nothing_fail(self):
        claim = verdicts.trains_when_clipped([("clipped", "free")], 10)

        def said(runs, **facts):
            runs = {**runs, **{(curve, value, "eval_accuracy"): [[0.5]] * len(seeds) for (curve, value, _), seeds in runs.items()}}
            return claim(self.kept(runs, parameter="algorithm.eta", **facts))

        # ln 10 = 2.303, and 5 % below it 2.187.
        runs = {("clipped", "0.1", "train_loss"): [[2.3, 1.0], [2.3, 2.0]], ("free", "0.1", "train_loss"): [[2.3, 0.5], [2.3, 0.5]],
                ("clipped", "1", "train_loss"): [[2.3, 1.0], [2.3, 2.18]], ("free", "1", "train_loss"): [[2.3, 2.2]]}
        text = said(runs, diverged=[{"curve": "free", "value": "1", "runs": 1}])
        self.assertIn("| clipped | 1 | 2 | 0 | 0 | 1.59 ± 0.83 | 0.5 ± 0 |", text)
        self.assertIn("| free | 1 | 2 | 1 | 2 | 2.2 ± 0 | 0.5 ± 0 |", text)
        # The best of both end at 1.5 ± 0.71 and 0.5: three runs each could not tell that from a match.
        self.assertIn("**Verdict: holds in part.** 2 of 3 parts hold, 1 is undecided. Runs that diverged, or ended with a loss above 2.19, "
                      "5 % below that of guessing: clipped 0 of 4; free 2 of 4. Last loss at the best η of those where no run failed: "
                      "clipped 1.5 ± 0.71; free 0.5 ± 0.", text)
        runs[("clipped", "0.1", "train_loss")] = [[2.3, 0.51], [2.3, 0.51]]
        self.assertIn("**Verdict: holds.** 3 of 3", said(runs, diverged=[{"curve": "free", "value": "1", "runs": 1}]))
        # One free run that trains at each η is enough for another verdict, and a place without any needs no points.
        runs[("free", "1", "train_loss")] = [[2.3, 1.0]]
        self.assertIn("**Verdict: holds in part.**", said(runs, diverged=[{"curve": "free", "value": "1", "runs": 1}]))
        del runs[("free", "1", "train_loss")]
        text = said(runs, diverged=[{"curve": "free", "value": "1", "runs": 2}])
        self.assertIn("| free | 1 | 2 | 2 | 2 | – | – |", text)
        self.assertIn("**Verdict: holds.**", text)

    def test_a_claim_that_compares_needs_runs_that_did_not_diverge(self):
        kept = self.kept({("adam", "", "train_loss"): [[2.0]]}, diverged=[{"curve": "sgd", "value": "", "runs": 3}])
        self.assertEqual(kept.curves(), ["adam", "sgd"])
        with self.assertRaisesRegex(SystemExit, "made-up: a claim needs a run of sgd with train_loss, got none"):
            verdicts.below_all("adam")(kept)

    def test_a_loss_that_is_kept_with_rare_messages(self):
        losses = {"naive-clip": 5.0, "celgc, I = 4": 5.1, "celgc, I = 30": 5.6, "diloco, I = 4": 4.9, "diloco, I = 30": 5.04}
        runs = {(curve, "", key): [[9.0, loss], [9.0, loss]] for curve, loss in losses.items() for key in ("train_loss", "eval_loss")}
        cost = {curve: {"bytes": 8e6 if curve == "naive-clip" else 2e6, "seconds": 12.0} for curve in losses}
        claim = verdicts.keeps_the_loss("diloco", "celgc", "naive-clip", [4, 30])
        said = claim(self.kept(runs, cost, over=["bytes", "seconds"]))
        self.assertIn("| naive-clip | 2 | 5 ± 0 | 5 ± 0 | 8 | 12 |", said)
        self.assertIn("| diloco, I = 30 | 2 | 5.04 ± 0 | 5.04 ± 0 | 2 | 12 |", said)
        self.assertIn("at I = 4 -0.100 against naive-clip, no worse, and below celgc yes; at I = 30 +0.040 against naive-clip, no worse, "
                      "and below celgc yes.", said)
        self.assertIn("**Verdict: holds.**", said)
        # 0.3 above the baseline, and no longer below the rival.
        runs[("diloco, I = 30", "", "eval_loss")], runs[("celgc, I = 30", "", "eval_loss")] = [[5.3], [5.3]], [[5.3], [5.3]]
        said = claim(self.kept(runs, cost, over=["bytes", "seconds"]))
        self.assertIn("at I = 30 +0.300 against naive-clip, worse, and below celgc no.", said)
        self.assertIn("**Verdict: holds in part.**", said)

    def test_few_values_suffice_with_little_loss_and_few_bytes(self):
        runs = {(curve, "", key): [[9.0, loss]] for curve, loss in (("full", 5.0), ("top", 5.04)) for key in ("train_loss", "eval_loss")}
        claim = verdicts.few_values_suffice("full")

        def said(share):
            cost = {"full": {"bytes": 1e8, "seconds": 3.0}, "top": {"bytes": share * 1e8, "seconds": 4.0}}
            return claim(self.kept(runs, cost, over=["bytes", "seconds"]))

        self.assertIn("| top | 1 | 5.04 ± 0 | 5.04 ± 0 | 4 | 4 |", said(0.04))
        self.assertIn("**Verdict: holds.** 2 of 2 parts hold. Validation loss against full: top +0.040, no worse, with 4 % of the bytes.",
                      said(0.04))
        self.assertIn("**Verdict: holds in part.**", said(0.2))
        runs[("top", "", "eval_loss")] = [[5.3]]
        self.assertIn("**Verdict: does not hold.**", said(0.2))
        # Where the figure is over bytes, they are its x.
        own = self.kept(runs, {curve: {"seconds": 1.0} for curve in ("full", "top")}, x="bytes", over=["seconds"])
        self.assertEqual((own.end("top", "bytes").mean, own.end("top", "seconds").mean), (2, 1))

    def test_a_method_that_is_stuck_and_one_that_is_not(self):
        claim = verdicts.stuck_or_not("celgc", ["clip21"])
        runs = {("celgc", "", "train_loss"): [[0.5, 0.5, 0.5, 0.5]], ("clip21", "", "train_loss"): [[0.5, 0.25, 0.0, 0.0]]}
        said = claim(self.kept(runs))
        self.assertIn("| clip21 | 0.5 | 0.25 | 0 | 0 |", said)
        self.assertIn("**Verdict: holds.** 2 of 2 parts hold. At the minimum, within a thousandth: celgc never, clip21 in round 3.", said)
        runs[("celgc", "", "train_loss")] = [[0.5, 0.5, 0.5, 0.4]]
        self.assertIn("**Verdict: holds in part.**", claim(self.kept(runs)))
        runs[("clip21", "", "train_loss")] = [[0.5, 0.4, 0.3, 0.2]]
        self.assertIn("**Verdict: does not hold.**", claim(self.kept(runs)))

    def test_updates_in_units_of_the_step_size(self):
        runs = {(curve, "", key): [[value] * 100] for curve in ("adam", "adam, clipped at 1")
                for key, value in (("train_loss", 5.0), ("update_max", 0.002))}
        said = verdicts.nearly_bounded(self.kept(runs))
        self.assertIn("| adam | 1 | 2 | 2 | 2 |", said)
        self.assertIn("**Verdict: holds.**", said)
        runs[("adam", "", "update_max")] = [[0.002] * 98 + [0.02] * 2]
        self.assertIn("**Verdict: holds in part.**", verdicts.nearly_bounded(self.kept(runs)))

    def test_losses_near_each_other(self):
        runs = {("adam", "", "train_loss"): [[2.0]], ("sign-sgd-gen", "", "train_loss"): [[2.04]],
                ("adam, clipped at 1", "", "train_loss"): [[1.0]]}
        claim = verdicts.near_each_other(("sign-sgd-gen", "adam"), ("adam, clipped at 1", "adam"))
        said = claim(self.kept(runs))
        self.assertIn("sign-sgd-gen against adam: train_loss +0.040 (no worse); adam, clipped at 1 against adam: train_loss -1.000 "
                      "(no worse).", said)
        self.assertIn("**Verdict: holds.**", said)
        # Further keys of the figure are compared as well.
        runs.update({(curve, "", "eval_perplexity"): [[9.0 if curve == "adam" else 10.0]] for curve, _, _ in list(runs)})
        said = claim(self.kept(runs, also=["eval_perplexity"]))
        self.assertIn("sign-sgd-gen against adam: train_loss +0.040 (no worse), eval_perplexity +11.1 % (worse);", said)
        self.assertIn("**Verdict: holds in part.** 2 of 4", said)


class ThePagesCheck(Keeps):
    def setUp(self):
        super().setUp()
        self.page = self.folder / "results.md"
        self.page.write_text(PAGE)

    def run_on_page(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            code = verdicts.main([*arguments, "--page", str(self.page)])
        return code, said.getvalue()

    def keep_synthetic(self, loss):
        runs = {(curve, "", "eval_loss"): [[value], [value]]
                for curve, value in (("episode", loss), ("celgc", 2.0), ("fedavg", 2.0), ("scaffold", 2.0))}
        self.kept(runs, figure="synthetic-heterogeneity", y="eval_loss")

    def test_a_number_that_is_not_that_of_the_metrics_is_noticed(self):
        self.keep_synthetic(1.0)
        self.assertEqual(self.run_on_page("--write")[0], 0)
        self.assertEqual(self.run_on_page(), (0, ""))
        text = self.page.read_text()
        self.assertIn("| episode | 2 | 1 ± 0 |", text)
        self.page.write_text(text.replace("| episode | 2 | 1 ± 0 |", "| episode | 2 | 0.9 ± 0 |"))
        code, said = self.run_on_page()
        self.assertEqual(code, 1)
        self.assertIn("the block e-synthetic differs", said)
        # Other metrics under the same page are noticed as well.
        self.page.write_text(text)
        self.keep_synthetic(3.0)
        self.assertEqual(self.run_on_page()[0], 1)

    def test_a_picture_is_kept_and_shown_and_one_that_lacks_is_an_error(self):
        self.keep_synthetic(1.0)
        self.assertEqual(self.run_on_page("--write")[0], 0)
        self.assertIn("![made up](results/synthetic-heterogeneity.svg)\n", self.page.read_text())
        self.assertIn("| (e) EPISODE ends lowest, synthetic data | holds | `synthetic-heterogeneity` |", self.page.read_text())
        self.assertIn("| (i) the norm of the gradient falls under a tenth | not run yet | `gradient-norm-small` |", self.page.read_text())
        (self.folder / "results" / "synthetic-heterogeneity.svg").unlink()
        with self.assertRaisesRegex(SystemExit, "synthetic-heterogeneity.svg must be a picture of the kept figure, got none"):
            self.run_on_page()

    def test_blocks_and_metrics_without_a_claim_are_errors(self):
        self.page.write_text(re.sub(r"<!-- generated: i -->.*?<!-- end of generated: i -->\n", "", PAGE, flags=re.S))
        with self.assertRaisesRegex(SystemExit, "must have one block for each claim, has not for i"):
            self.run_on_page()
        self.page.write_text(PAGE.replace("generated: i -->", "generated: z -->"))
        with self.assertRaisesRegex(SystemExit, "z is no claim; the claims are a-images, "):
            self.run_on_page()
        self.page.write_text(PAGE)
        (self.folder / "results").mkdir()
        (self.folder / "results" / "other.json").write_text("{}")
        code, said = self.run_on_page()
        self.assertEqual(code, 1)
        self.assertIn("no claim uses other.json", said)

    def test_a_folder_without_a_figure_is_named(self):
        with self.assertRaisesRegex(SystemExit, "figure.json must be a file that `tacet figure` has written, got none"):
            self.run_on_page("--keep", str(self.folder))


if __name__ == "__main__":
    unittest.main()
