"""Reading runs: folders, checkpoints, tables, the page, and the methods."""

import ast
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

    def test_the_stubs_name_what_is_there(self):
        """For each class and function of the stubs there is one of that name in the modules, and none is left out."""
        from tacet import _checkpoint_files, _core
        for module in (_core, _checkpoint_files):
            stub = os.path.join(os.path.dirname(tacet.__file__), module.__name__.split(".")[-1] + ".pyi")
            with open(stub, encoding="utf-8") as file:
                found = [node for node in ast.parse(file.read()).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
            for node in found:
                thing = getattr(module, node.name)
                for member in node.body if isinstance(node, ast.ClassDef) and module is _core else ():
                    if isinstance(member, ast.FunctionDef):
                        self.assertTrue(hasattr(thing, member.name), "%s.%s" % (node.name, member.name))
        public = {name for name in dir(_core) if not name.startswith("_")} - {"version", "torch_version"}
        with open(os.path.join(os.path.dirname(tacet.__file__), "_core.pyi"), encoding="utf-8") as file:
            named = {node.name for node in ast.parse(file.read()).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        self.assertEqual(public, named)

    def test_folders_that_are_no_runs(self):
        self.mistake(["must be a run's folder", "no folder"], tacet.read_run, self.path("nothing"))
        self.mistake("must be a whole checkpoint", tacet.read_checkpoint, self.path("nothing"))
        self.mistake("nothing", tacet.compare, [self.path("nothing")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
