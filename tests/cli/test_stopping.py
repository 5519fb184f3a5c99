"""Stopping does not change the answer: a run that was interrupted or killed at any point and resumed, on whatever number of
workers, ends bitwise like one that never stopped, and its metrics neither miss nor repeat a round."""

import os
import shutil
import signal
import unittest

from program import Case, write_corpus


class Stopping(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.corpus = write_corpus(cls.path("longer"), lines=600)
        cls.file = cls.recipe(schedule={"rounds": None, "epochs": 3}, run={"eval_every": 0.5, "checkpoint_every": 0.1})
        cls.straight = cls.train(cls.file, "straight")

    def launch(self, out, workers, *args):
        return self.start("train", self.file, "--out", self.path(out), "--workers", str(workers), *args)

    def after(self, run, out, rounds=8):
        self.until("%d rounds" % rounds, lambda: self.rounds_so_far(self.path(out)) >= rounds, run)

    def after_checkpoint(self, run, out):
        self.until("a checkpoint", lambda: os.path.exists(self.path(out, "checkpoint", "state.json")), run)
        self.after(run, out, self.rounds_so_far(self.path(out)) + 2)

    def stop(self, run, out, sign, code):
        self.after(run, out)
        run.process.send_signal(sign)
        self.assertEqual(run.wait(), code, run.text())
        self.assertNobodyLeft(run)
        summary = self.summary(self.path(out))
        self.assertEqual(summary["status"], "interrupted")
        self.assertLess(summary["rounds"], self.summary(self.straight)["rounds"])
        self.assertEqual(self.rounds_so_far(self.path(out)), summary["rounds"])
        self.assertNothingHalfWritten(self.path(out))
        self.assertIn("--resume", run.text())

    def resume(self, out, workers):
        self.train(self.file, out, "--resume", "--workers", str(workers))
        self.assertLikeStraight(out)

    def assertLikeStraight(self, out):
        rounds = [m["round"] for m in self.metrics(self.path(out), "round")]
        self.assertEqual(rounds, list(range(1, self.summary(self.straight)["rounds"] + 1)))
        self.assertEqual(self.results(self.path(out)), self.results(self.straight))
        self.assertEqual(self.sha(self.path(out)), self.sha(self.straight))
        for key in ("final", "best", "rounds", "iterations", "epochs", "communications", "client_bytes"):
            self.assertEqual(self.summary(self.path(out))[key], self.summary(self.straight)[key], key)
        self.assertFalse([n for n in os.listdir(self.path(out)) if "part" in n or "new" in n])

    def test_sigint_alone_then_two_workers(self):
        self.stop(self.launch("int", 1), "int", signal.SIGINT, 128 + signal.SIGINT)
        self.resume("int", 2)

    def test_crash_between_the_renames_of_a_checkpoint(self):
        # Such a crash leaves the new one, whole, under its side name.
        shutil.copytree(self.straight, self.path("old"))
        os.rename(self.path("old", "checkpoint"), self.path("old", "checkpoint.new"))
        self.resume("old", 1)

    def test_sigterm_two_workers_then_one(self):
        self.stop(self.launch("term", 2), "term", signal.SIGTERM, 128 + signal.SIGTERM)
        self.resume("term", 1)

    def test_resume_beside_the_living_run(self):
        # It would cut the lines that the other one has written since, and remove its checkpoints.
        for workers in (1, 2):
            with self.subTest(workers=workers):
                out = "living-%d" % workers
                run = self.launch(out, workers)
                self.after_checkpoint(run, out)
                os.kill(run.process.pid, signal.SIGSTOP)
                leader = run.pid_of(0) or run.process.pid
                os.kill(leader, signal.SIGSTOP)  # so that it is still there, however long the other one takes to start
                done = self.tacet("train", self.file, "--out", self.path(out), "--resume", "--workers", str(workers))
                os.kill(leader, signal.SIGCONT)
                os.kill(run.process.pid, signal.SIGCONT)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("%s is in use by another run (process %d" % (self.path(out), leader), done.stderr)
                self.assertEqual(run.wait(), 0, run.text())
                self.assertLikeStraight(out)
                self.assertNotIn("run.lock", os.listdir(self.path(out)))

    def test_killed_launcher(self):
        run = self.launch("killed", 2)
        self.after_checkpoint(run, "killed")
        run.process.kill()
        run.wait()
        self.assertNobodyLeft(run)
        self.assertEqual(self.summary(self.path("killed"))["status"], "running")
        self.assertNothingHalfWritten(self.path("killed"))
        self.resume("killed", 1)

    def test_killed_worker(self):
        run = self.launch("lost", 2, "--set", "run.restarts=0", "--set", "run.min_workers=2")
        self.after_checkpoint(run, "lost")
        os.kill(run.pid_of(1), signal.SIGKILL)
        self.assertEqual(run.wait(), 3, run.text())
        self.assertNobodyLeft(run)
        self.resume("lost", 3)

    def test_resume_of_a_finished_run(self):
        shutil.copytree(self.straight, self.path("finished"))
        self.train(self.file, "finished", "--resume")
        self.assertLikeStraight("finished")


if __name__ == "__main__":
    unittest.main()
