"""The programs of examples/, built against an installation: each trains as the command does, a worker that is killed and a run
that is stopped and resumed change nothing, and the files of a run say what it trained.

TACET_EXAMPLES is the folder with the programs, TACET_COMMAND the installed command."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))
import program  # noqa: E402

INSTALLED = program.COMMAND


class Example(program.Case):
    """What all examples have in common. `name` is that of the program, of its recipe and of its source."""

    name = None

    @classmethod
    def setUpClass(cls):
        if cls.name is None:
            raise unittest.SkipTest("no example")
        super().setUpClass()
        program.COMMAND = os.path.join(os.environ["TACET_EXAMPLES"], cls.name)
        cls.file = str(ROOT / "examples" / (cls.name + ".toml"))
        cls.whole = cls.train(cls.file, "whole", "--workers", "2", "--quiet")

    def installed(self, *args):
        """Runs the command that was not told of the example."""
        return subprocess.run([INSTALLED, *args], cwd=self.folder, env=program.environment(), capture_output=True, text=True,
                              timeout=program.LIMIT)

    def begun(self, out):
        """A run in the middle of its rounds."""
        run = self.start("train", self.file, "--out", self.path(out), "--workers", "2", "--quiet")
        self.until("the first rounds", lambda: self.rounds_so_far(self.path(out)) >= 3, run)
        return run

    def test_figures(self):
        self.assertIn("whole", self.tacet("compare", self.whole).stdout)
        page = self.path("report.html")
        self.assertEqual(self.tacet("report", self.whole, "-o", page).returncode, 0)
        with open(page, encoding="utf-8") as f:
            self.assertIn("<h1>whole</h1>", f.read())

    def test_evaluation_and_dry_run(self):
        done = self.tacet("eval", self.whole)
        self.assertRegex(done.stdout, r"^valid loss \d", done.stderr)
        done = self.tacet("train", self.file, "--dry-run")
        self.assertRegex(done.stdout, r"\d+ parameters", done.stderr)


class Lived(Example):
    """An example whose workers are lost and whose runs are stopped."""

    def test_a_killed_worker_changes_nothing(self):
        run = self.begun("killed")
        os.kill(run.pid_of(1), signal.SIGKILL)
        self.assertEqual(run.wait(), 0, run.text())
        self.assertIn("worker 1 was killed by signal 9; it is started again", run.text())
        self.assertEqual(self.sha(self.path("killed")), self.sha(self.whole))
        self.assertEqual(self.summary(self.path("killed"))["faults"]["lost"], 1)

    def test_a_resumed_run_ends_alike(self):
        run = self.begun("stopped")
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(), 143, run.text())
        self.assertEqual(self.summary(self.path("stopped"))["status"], "interrupted")
        self.train(self.file, "stopped", "--workers", "2", "--quiet", "--resume")
        self.assertEqual(self.sha(self.path("stopped")), self.sha(self.whole))


class OwnAlgorithm(Lived):
    name = "own_algorithm"

    def test_the_method_is_listed(self):
        self.assertIn("slowmo", self.tacet("algorithms").stdout)
        self.assertEqual(self.summary(self.whole)["algorithm"], "slowmo")

    def test_the_installed_command_says_that_it_has_no_such_method(self):
        done = self.installed("train", self.file, "--dry-run")
        self.assertEqual(done.returncode, 2)
        self.assertIn('got the string "slowmo"', done.stderr)


class OwnObjective(Lived):
    name = "own_objective"

    def test_the_files_name_the_objective(self):
        summary = self.summary(self.whole)
        self.assertEqual(summary["objective"], "ridge")
        self.assertNotIn("model", summary)
        self.assertNotIn("data", summary)
        recipe = pathlib.Path(self.whole, "recipe.toml").read_text()
        self.assertTrue(recipe.startswith('[objective]\nname = "ridge"\n'), recipe)
        self.assertIn("spread", self.tacet("objectives").stdout)

    def test_it_learns(self):
        losses = [m["train_loss"] for m in self.metrics(self.whole, "round")]
        self.assertLess(losses[-1], 0.5 * losses[0])

    def test_the_installed_command_reads_the_run_but_does_not_go_on(self):
        self.assertIn("whole", self.installed("compare", self.whole).stdout)
        self.assertNotIn("objectives", self.installed("--help").stdout)
        for arguments in (("eval", self.whole), ("train", self.whole + "/recipe.toml", "--resume", "--out", self.whole)):
            done = self.installed(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn('recipe.toml:2: objective.name must be an objective of the program, and this one has none, got the '
                          'string "ridge"', done.stderr)

    def test_a_model_beside_it_is_refused(self):
        done = self.tacet("train", self.file, "--dry-run", "--set", "model.name=mlp")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--set model.name: must not be given beside [objective]", done.stderr)


class OwnModel(Example):
    name = "own_model"

    def test_its_keys_are_listed(self):
        self.assertIn("bigrams", self.tacet("models").stdout)


class OwnData(Example):
    name = "own_data"

    def test_its_labels_are_shown(self):
        done = self.tacet("data", "info", "bars", "--clients", "3", "--partition", "iid")
        self.assertIn("column", done.stdout, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
