"""Nobody hangs and nobody is left behind: where no worker may be missing, one that is killed or stands still ends the run in
bounded time with exit code 3, a checkpoint and its rank in the message; Ctrl-C ends all processes of a run with a checkpoint."""

import os
import signal
import subprocess
import time
import unittest

import program
from program import Case


class Lost(Case):
    def launch(self, out, workers, interval=3, **run):
        """A run far longer than any wait here, which needs all its workers, some rounds under way."""
        recipe = self.recipe(out + ".toml", schedule={"rounds": 10_000_000}, algorithm={"interval": interval},
                             run={"restarts": 0, "min_workers": workers, **run})
        started = self.start("train", recipe, "--out", self.path(out), "--workers", str(workers))
        self.until("some rounds", lambda: self.rounds_so_far(self.path(out)) >= 5, started)
        self.assertEqual(sorted(r for r in started.members().values() if r is not None), list(range(workers)))
        return started

    def assertLost(self, run, out, rank, limit):
        self.assertEqual(run.wait(limit), 3, run.text())
        self.assertRegex(run.text(), r"(worker|rank|peer) %d\b" % rank)
        self.assertNobodyLeft(run)
        summary = self.summary(self.path(out))
        self.assertIn(summary["status"], ("failed", "running"))
        self.assertNotIn("model_sha256", summary)
        self.assertFalse(os.path.exists(self.path(out, "model.safetensors")))
        self.assertTrue(os.path.exists(self.path(out, "checkpoint", "state.json")))
        self.assertNothingHalfWritten(self.path(out))

    def test_killed_worker(self):
        run = self.launch("killed", 3)
        os.kill(run.pid_of(2), signal.SIGKILL)
        # peer_timeout is 60 s; a closed connection is noticed at once, so 30 s shows that nobody waited for the limit.
        self.assertLost(run, "killed", 2, 30)
        self.assertIn("killed by signal 9", run.text())

    def test_killed_worker_that_writes_the_files(self):
        run = self.launch("first", 2)
        os.kill(run.pid_of(0), signal.SIGKILL)
        self.assertLost(run, "first", 0, 30)

    def test_worker_that_stands_still(self):
        run = self.launch("still", 2, peer_timeout=3)
        os.kill(run.pid_of(1), signal.SIGSTOP)
        self.assertLost(run, "still", 1, 45)

    def assertInterrupted(self, run, out, sign):
        self.assertEqual(run.wait(), 128 + sign, run.text())
        self.assertNobodyLeft(run)
        self.assertEqual(self.summary(self.path(out))["status"], "interrupted")
        self.assertTrue(os.path.exists(self.path(out, "checkpoint", "state.json")))
        self.assertNothingHalfWritten(self.path(out))

    def test_ctrl_c(self):
        run = self.launch("ctrl-c", 2)
        os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does: to every process of the job
        self.assertInterrupted(run, "ctrl-c", signal.SIGINT)

    def test_sigterm_to_every_process(self):
        # As timeout and systemd do. A worker gets it twice, by itself and passed on by the launcher. Its rounds are long enough
        # that it is still in one at the second.
        run = self.launch("group", 2, interval=200)
        for pid, rank in run.members().items():
            if rank is not None:
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)  # signals that wait together are one
        os.killpg(run.process.pid, signal.SIGTERM)
        self.assertInterrupted(run, "group", signal.SIGTERM)

    def test_closed_output(self):
        # As of `| tee log` at Ctrl-C: tee is gone before the run has said its last.
        for workers in (1, 2):
            with self.subTest(workers=workers):
                out = "closed-%d" % workers
                recipe = self.recipe(out + ".toml", schedule={"rounds": 10_000_000}, run={"eval_every": 0.1})
                run = subprocess.Popen([program.COMMAND, "train", recipe, "--out", self.path(out), "--workers", str(workers)],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       env=program.environment(), start_new_session=True)
                self.addCleanup(run.kill)
                self.until("an evaluation", lambda: run.stdout.readline())
                run.stdout.close()
                self.until("a line that nobody reads", lambda: self.rounds_so_far(self.path(out)) >= 40 or
                           run.poll() is not None)
                self.assertIsNone(run.poll(), "the run has ended")
                os.killpg(run.pid, signal.SIGINT)
                self.assertEqual(run.wait(60), 128 + signal.SIGINT)
                self.assertEqual(self.summary(self.path(out))["status"], "interrupted")
                self.assertTrue(os.path.exists(self.path(out, "checkpoint", "state.json")))


if __name__ == "__main__":
    unittest.main()
