"""Reading runs: folders, checkpoints, tables, the page, and the methods."""

import os
import subprocess
import unittest

import torch

import program
import tacet


class Reading(program.Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = program.tempfile.mkdtemp()
        cls.addClassCleanup(program.shutil.rmtree, cls.folder)
        cls.out = os.path.join(cls.folder, "run")
        cls.run_ = program.trained(out=cls.out)

    def test_a_run_is_read_as_it_was_returned(self):
        run = tacet.read_run(self.out)
        self.assertEqual((run.status, run.sha256, len(run.lines)), ("done", self.run_.sha256, len(self.run_.lines)))
        self.assertTrue(torch.equal(run.state_dict()["first.weight"], self.run_.state_dict()["first.weight"]))
        self.assertEqual(len(run.metrics), len(run.lines))

    def test_a_checkpoint_has_the_model(self):
        checkpoint = tacet.read_checkpoint(self.out)
        self.assertEqual((checkpoint.round, checkpoint.clients), (12, 6))
        x = checkpoint.tensors["x"]
        weight = self.run_.state_dict()["first.weight"]
        self.assertTrue(torch.equal(x.flatten()[:weight.numel()].view(weight.shape), weight))

    def test_comparison_and_page(self):
        rows = tacet.compare([self.out])
        self.assertEqual(rows[0]["status"], "done")
        self.assertEqual(rows[0]["algorithm"], "celgc")
        page = tacet.report([self.out], output=self.path("page.html"))
        with open(page, encoding="utf-8") as file:
            self.assertIn("celgc", file.read())

    def test_the_command_reads_the_run_too(self):
        command = os.environ.get("TACET_COMMAND", "")
        if not os.path.exists(command):
            self.skipTest("the command is not built at %r" % command)
        done = subprocess.run([command, "compare", self.out], capture_output=True, text=True, timeout=60)
        self.assertIn("celgc", done.stdout, done.stderr)
        done = subprocess.run([command, "eval", self.out], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)

    def test_methods_are_described(self):
        methods = {m["name"]: m for m in tacet.algorithms()}
        self.assertIn("episode++", methods)
        eta = {o["name"]: o for o in methods["celgc"]["options"]}["eta"]
        self.assertIn("> 0", eta["allowed"])

    def test_folders_that_are_no_runs(self):
        self.mistake(["must be a run's folder", "no folder"], tacet.read_run, self.path("nothing"))
        self.mistake("must be a whole checkpoint", tacet.read_checkpoint, self.path("nothing"))
        self.mistake("nothing", tacet.compare, [self.path("nothing")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
