"""tacet.train on worker processes: the bits of one process, a killed worker, a stopped run, and what workers report."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

import torch

import program
import tacet
import test_evidence
import test_torchscript


# A placed worker: it trains, and keeps what it then has of the run in a file. Without a folder it gives none.
PLACED = """
import sys
import torch
import program
import tacet
out = sys.argv[1]
model = program.net()
run = program.trained(model=model, out=out or None)
torch.save({"final": run.state_dict(), "model": model.state_dict(), "status": run.status, "lines": len(run.lines),
            "folder": run.folder, "sha256": run.sha256}, out + ".seen")
"""


# A placed worker whose script trains twice. With a file's name worker 1 makes that file in its second run and is killed.
TWICE = """
import os
import signal
import sys
import program
folder, mark = sys.argv[1:]
calls = 0

def loss(model, batch):
    global calls
    calls += 1
    if mark and os.environ["RANK"] == "1" and eta == 0.2 and calls == 30 and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return program.loss(model, batch)

for eta in (0.1, 0.2):
    calls = 0
    run = program.trained(loss=loss, out=os.path.join(folder, str(eta)), overrides={"algorithm.eta": eta})
    print("eta %g: %s, %d rounds" % (eta, run.status, run.summary["rounds"]), flush=True)
"""
HERE = os.path.dirname(os.path.abspath(program.__file__))


def by_hand(code, words):
    """Starts a worker for each list of words. Returns their exit codes and what they print."""
    place = {"WORLD_SIZE": str(len(words)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(program.free_port())}
    workers = [subprocess.Popen([sys.executable, "-B", "-c", code, *own], env={**os.environ, **place, "RANK": str(rank)}, cwd=HERE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for rank, own in enumerate(words)]
    texts = [worker.communicate(timeout=200)[0] for worker in workers]
    return [worker.returncode for worker in workers], texts


class Placed(program.Case):
    def seen(self, outs, code=0):
        """Starts a worker for each folder, and returns what they print and what they keep."""
        codes, texts = by_hand(PLACED, [[out] for out in outs])
        self.assertEqual(codes, [code] * len(outs), texts)
        return texts, [torch.load(out + ".seen") for out in outs if code == 0]

    def test_workers_without_the_folder_have_the_model(self):
        """The second worker's folder is one that nobody makes, as on another machine."""
        first, second = self.seen([self.path("here"), self.path("elsewhere")])[1]
        self.assertEqual(first["sha256"], program.in_copy(lambda: program.trained().sha256))
        self.assertGreater(first["lines"], 0)
        self.assertEqual((second["status"], second["lines"], second["folder"], second["sha256"]), ("done", 0, None, ""))
        self.assertFalse(os.path.exists(self.path("elsewhere")))
        self.assertEqual(set(first["final"]), set(second["final"]))
        for name, tensor in first["final"].items():
            self.assertTrue(torch.equal(tensor, second["final"][name]), name)
            self.assertTrue(torch.equal(tensor, second["model"][name]), name)

    def test_workers_without_out_are_refused_before_they_train(self):
        texts, _ = self.seen(["", ""], code=2)
        for rank, text in enumerate(texts):
            said = "out= must be a folder where a launcher places the workers (this process is worker %d of 2), got nothing" % rank
            self.assertIn(said, text)


class TwoRuns(program.Case):
    """Scripts that train twice: both runs have the bits of one process, and a worker that comes late finds the right one."""

    @classmethod
    def setUpClass(cls):
        cls.alone = {eta: program.in_copy(lambda eta=eta: program.trained(overrides={"algorithm.eta": eta}).sha256)
                     for eta in (0.1, 0.2)}

    def launched(self, mark):
        """Starts two workers by the command, and returns what they print."""
        command = os.environ.get("TACET_COMMAND", "")
        if not os.path.exists(command):
            self.skipTest("the command is not built at %r" % command)
        done = subprocess.run([command, "launch", "--workers", "2", "--", sys.executable, "-B", "-c", TWICE, self.path(), mark],
                              cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def are_whole(self):
        """Looks for both folders, and returns their runs."""
        runs = {eta: tacet.read_run(self.path(str(eta))) for eta in self.alone}
        self.assertEqual({eta: (run.status, run.summary["rounds"], run.sha256) for eta, run in runs.items()},
                         {eta: ("done", 12, sha256) for eta, sha256 in self.alone.items()})
        self.assertNotEqual(self.alone[0.1], self.alone[0.2])
        return runs

    def test_under_the_launcher(self):
        shown = self.launched("")
        self.are_whole()
        self.assertEqual(sorted(re.findall(r"eta 0\.\d: .*", shown)), ["eta 0.1: done, 12 rounds"] * 2 + ["eta 0.2: done, 12 rounds"] * 2)

    def test_where_the_first_worker_serves_the_rendezvous(self):
        codes, texts = by_hand(TWICE, [[self.path(), ""]] * 2)
        self.assertEqual(codes, [0, 0], texts)
        self.are_whole()
        for text in texts:
            self.assertEqual(re.findall(r"eta 0\.\d: .*", text), ["eta 0.1: done, 12 rounds", "eta 0.2: done, 12 rounds"])

    def test_a_worker_that_is_killed_in_the_second_run_does_not_repeat_the_first(self):
        shown = self.launched(self.path("killed"))
        self.assertTrue(os.path.exists(self.path("killed")), shown)
        runs = self.are_whole()
        self.assertEqual([runs[eta].summary["faults"]["lost"] for eta in (0.1, 0.2)], [0, 1])
        self.assertEqual(sorted(re.findall(r"eta 0\.1: .*", shown)), ["eta 0.1: done, 12 rounds"] * 2 + ["eta 0.1: ended, 0 rounds"])
        self.assertIn("this worker has no part in the run", shown)
        again = re.search(r"\[1\] eta 0\.2: (\w+), ", shown)  # it joined the others, or came too late
        self.assertIn(again and again.group(1), ("done", "ended"), shown)


class Workers(program.Case):
    @classmethod
    def setUpClass(cls):
        cls.alone = program.in_copy(lambda: program.trained().sha256)

    def test_equal_bits_on_one_two_and_four_workers(self):
        for workers in (2, 4):
            model = program.net()
            run = program.trained(model=model, workers=workers)
            self.assertEqual(run.sha256, self.alone, workers)
            self.assertEqual(run.summary["workers"], workers)
            self.assertTrue(torch.equal(model.first.weight, run.state_dict()["first.weight"]))

    def test_each_method_has_equal_bits(self):
        for method in ("episode", "episode++", "scaffold", "fed-lamb", "naive-clip"):
            options = {"algorithm.name": method, "clients.participating": 6}
            recipe = program.RECIPE
            if method in ("scaffold", "fed-lamb"):
                recipe = recipe.replace("gamma = 0.5\n", "")
            if method == "naive-clip":
                recipe = recipe.replace("interval = 3\n", "")
            one = program.in_copy(lambda: program.trained(recipe=recipe, overrides=options).sha256)
            self.assertEqual(one, program.trained(recipe=recipe, overrides=options, workers=2).sha256, method)

    def test_workers_after_a_computation_with_threads(self):
        a = torch.rand(400, 400)
        (a @ a).sum()  # an OpenMP team that a copy of this process does not have
        few = {"run.threads": 2, "schedule.rounds": 2, "clients.participating": 2}
        self.assertEqual(program.trained(workers=2, overrides=few).status, "done")

        def after_a_gradient():
            program.mean_loss(program.net(), program.dataset().tensors).backward()
            allowed = tacet._workers.copies_can_differentiate()
            try:
                return allowed, program.trained(workers=2, overrides=few).status
            except tacet.UserError as error:
                return allowed, str(error)

        allowed, answer = program.in_copy(after_a_gradient)
        if not allowed:
            print("this torch computes no gradients in copies of a process that has computed some", file=sys.stderr)
        self.assertIn("done" if allowed else "call tacet.train before the first backward()", answer)

    def test_dropout_in_a_file_does_not_depend_on_the_workers(self):
        test_evidence.images(self.path())
        torch.manual_seed(2)
        file = test_torchscript.recipe(self.path())
        shas = set()
        for drop in (0.5, 0.0):
            torch.jit.save(torch.jit.script(test_torchscript.Small(drop)), self.path("net.pt"))
            one = [program.in_copy(lambda: tacet.train(file, quiet=True).sha256) for _ in range(2)]
            shas.add(one[0])
            self.assertEqual({*one, tacet.train(file, workers=2, quiet=True).sha256}, {one[0]})
        self.assertEqual(len(shas), 2)

    def test_a_killed_worker_changes_nothing(self):
        mark = self.path("killed")

        def dying(model, batch):
            if tacet._load.core.placed_rank() == (1, 3) and not os.path.exists(mark):
                dying.calls = getattr(dying, "calls", 0) + 1
                if dying.calls == 8:
                    with open(mark, "w", encoding="utf-8"):
                        pass
                    os.kill(os.getpid(), signal.SIGKILL)
            return program.loss(model, batch)

        run = program.trained(loss=dying, workers=3, out=self.path("run"))
        self.assertTrue(os.path.exists(mark))
        self.assertEqual(run.sha256, self.alone)
        self.assertEqual(run.summary["faults"]["lost"], 1)

    def test_ctrl_c_writes_the_checkpoint(self):
        def slow(model, batch):
            time.sleep(0.02)
            return program.loss(model, batch)

        def interrupt():
            log = self.path("run", "metrics.jsonl")
            for _ in range(1200):
                time.sleep(0.1)
                if os.path.exists(log) and os.path.getsize(log) > 1000:
                    break
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with self.assertRaises(KeyboardInterrupt):
            program.trained(loss=slow, workers=2, out=self.path("run"), overrides={"schedule.rounds": 2000})
        self.assertEqual(tacet.read_run(self.path("run")).status, "interrupted")
        finished = tacet.read_checkpoint(self.path("run")).round
        self.assertGreater(finished, 0)
        more = {"schedule.rounds": finished + 3}
        self.assertEqual(program.trained(workers=2, out=self.path("run"), resume=True, overrides=more).sha256,
                         program.in_copy(lambda: program.trained(overrides=more).sha256))

    def test_what_a_worker_raises_arrives(self):
        def broken(model, batch):
            raise KeyError("no such column")

        self.mistake(["loss(model, batch) raised KeyError", "no such column"], program.trained, loss=broken, valid=None, workers=2)

    def test_a_folder_that_is_not_empty_is_refused_before_workers_start(self):
        program.in_copy(lambda: program.trained(out=self.path("run")).sha256)
        self.mistake("is not empty", program.trained, out=self.path("run"), workers=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
