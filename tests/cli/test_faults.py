"""A lost worker does not lose the run, nor change its result: killed in any phase, several at once, stopped and woken up
again, or all of them with the process or host that serves the rendezvous, a run ends by itself with the bits of an undisturbed
one; a signal ends it also while it recovers."""

import os
import random
import signal
import time
import unittest

from program import Case, environment, free_port, write_corpus

WORKERS = 3


class Undisturbed(Case):
    """A run that is disturbed, and the same one that is not."""
    changes = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.corpus = write_corpus(cls.path("longer"), lines=2000)
        # Momentum is a client's own large vector, hidden state and position are small ones.
        cls.file = cls.recipe(algorithm={"momentum": 0.9, "eta": 0.1, **cls.changes.get("algorithm", {})},
                              clients={"count": 5}, data={"batch_size": 4},
                              model={"embedding": 64}, schedule={"rounds": 120},
                              run={"eval_every": 0.2, "checkpoint_every": 0.1, "peer_timeout": 5, "restarts": 50,
                                   **cls.changes.get("run", {})})
        cls.straight = cls.train(cls.file, "straight")

    def launch(self, out, workers=WORKERS):
        self.out = self.path(out)
        self.run_ = self.start("train", self.file, "--out", self.out, "--workers", str(workers))

    def after(self, rounds):
        self.until("%d rounds" % rounds, lambda: self.rounds_so_far(self.out) >= rounds, self.run_)

    def all_there(self, workers=WORKERS):
        """Every worker is in the group; returns how many groups there have been."""
        def group():
            found = [m for m in self.metrics_so_far() if m["event"] == "membership"]
            return found and found[-1]["workers"] == workers and len(found)
        return self.until("all workers to be back", group, self.run_)

    def metrics_so_far(self):
        try:
            return self.metrics(self.out)
        except (FileNotFoundError, ValueError):
            return []

    def strike(self, rank, sign=signal.SIGKILL):
        os.kill(self.until("worker %d" % rank, lambda: self.run_.pid_of(rank), self.run_), sign)

    def assertUndisturbed(self):
        self.assertEqual(self.run_.wait(), 0, self.run_.text())
        self.assertNobodyLeft(self.run_)
        rounds = [m["round"] for m in self.metrics(self.out, "round")]
        self.assertEqual(rounds, list(range(1, self.summary(self.straight)["rounds"] + 1)))
        self.assertEqual(self.results(self.out), self.results(self.straight))
        self.assertEqual(self.sha(self.out), self.sha(self.straight))
        self.assertNothingHalfWritten(self.out)
        self.assertFalse([n for n in os.listdir(self.out) if "part" in n or "old" in n])


class Faults(Undisturbed):
    def test_one_by_one(self):
        draw = random.Random(5)
        self.launch("one")
        self.strike(1)  # while they find each other
        self.until("the first step", lambda: os.path.exists(os.path.join(self.out, "recipe.toml")), self.run_)
        self.strike(2)
        for rounds in (5, 20):  # a random moment of a round: gradient, mean or commit
            self.after(rounds)
            time.sleep(draw.random() * 0.1)
            self.strike(draw.randrange(WORKERS))
            self.all_there()
        self.assertUndisturbed()
        losses = [m for m in self.metrics(self.out, "membership") if m["lost"]]
        self.assertGreaterEqual(len(losses), 2)
        self.assertFalse([m for m in losses if m["rounds_repeated"] > 0], "more than the round under way was lost")

    def test_while_a_checkpoint_is_written(self):
        self.launch("checkpoint")
        self.after(5)
        self.until("a checkpoint", lambda: any(
            name.startswith("checkpoint.part") for name in os.listdir(self.out)), self.run_)
        self.strike(0)
        self.assertUndisturbed()

    def test_two_at_once(self):
        self.launch("two")
        self.after(10)
        self.strike(1)  # its second copy is on worker 2
        self.strike(2)
        self.assertUndisturbed()

    def test_stopped_and_woken_up(self):
        self.launch("stopped")
        self.after(10)
        self.strike(0, signal.SIGSTOP)
        self.until("the others to go on", lambda: any(
            "does not answer" in text for m in self.metrics_so_far() if m["event"] == "membership" for text in m["lost"]),
            self.run_)
        self.strike(0, signal.SIGCONT)
        self.assertUndisturbed()

    def test_lines_of_a_round_that_did_not_count_are_forgotten(self):
        """Worker 1 is stopped amid a round, comes back as a new one, and then is the only one left to write."""
        self.launch("lines", workers=2)
        self.after(5)
        self.strike(1, signal.SIGSTOP)
        self.until("worker 0 to go on", lambda: any(
            "does not answer" in text for m in self.metrics_so_far() if m["event"] == "membership" for text in m["lost"]),
            self.run_)
        self.strike(1, signal.SIGCONT)
        self.all_there(workers=2)
        self.strike(0)
        self.assertUndisturbed()

    def test_a_new_worker_that_is_the_only_one_left_keeps_the_last_line(self):
        """It must count the line that says it came, or it cuts off the last one of those before it."""
        self.launch("joined", workers=2)
        self.after(5)
        self.strike(1)
        self.all_there(workers=2)
        self.after(self.rounds_so_far(self.out) + 2)
        self.strike(0)
        self.assertUndisturbed()

    # --- signals

    def interrupted(self, code):
        self.assertEqual(self.run_.wait(30), code, self.run_.text())  # nobody waits for the limit of a minute
        self.assertNobodyLeft(self.run_)
        self.assertNothingHalfWritten(self.out)
        self.assertLess(self.rounds_so_far(self.out), self.summary(self.straight)["rounds"])

    def resumed(self):
        self.train(self.file, self.out, "--resume", "--workers", "2")
        self.assertEqual(self.results(self.out), self.results(self.straight))
        self.assertEqual(self.sha(self.out), self.sha(self.straight))

    def test_sigterm_while_the_others_recover(self):
        self.launch("term")
        self.after(10)
        self.strike(1)
        self.run_.process.send_signal(signal.SIGTERM)
        self.interrupted(128 + signal.SIGTERM)
        self.assertEqual(self.summary(self.out)["status"], "interrupted")
        self.resumed()

    def test_a_signal_to_one_host_stops_the_others_as_well(self):
        """Nobody was lost, so the other host's command does not end as if somebody had been."""
        file = self.recipe("hosts.toml", schedule={"rounds": 100000}, run={"eval_every": 0})
        self.out, port = self.path("hosts"), free_port()
        hosts = [self.start("train", file, "--out", self.out, env=environment(
            RANK=rank, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)) for rank in (0, 1)]
        self.until("10 rounds", lambda: self.rounds_so_far(self.out) >= 10, hosts[0])
        hosts[1].process.send_signal(signal.SIGTERM)
        for host in hosts:
            self.assertEqual(host.wait(60), 128 + signal.SIGTERM, host.text())
        self.assertIn("stopped by a signal to another worker", hosts[0].text())
        self.assertEqual(self.summary(self.out)["status"], "interrupted")

    def waiting_for_more(self, out):
        """One of two workers, both needed, is killed; the other one waits for somebody to come, at most a minute."""
        file = self.recipe(out + ".toml", algorithm={"momentum": 0.9, "eta": 0.1}, clients={"count": 5},
                           data={"batch_size": 4}, model={"embedding": 64}, schedule={"rounds": 120},
                           run={"eval_every": 0.2, "checkpoint_every": 0.1, "restarts": 0, "min_workers": 2})
        self.out = self.path(out)
        port = free_port()
        ends = [self.start("train", file, "--out", self.out, env=environment(
            RANK=rank, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)) for rank in (0, 1)]
        self.run_ = ends[0]
        self.until("a checkpoint, due after round 5", lambda: os.path.exists(os.path.join(self.out, "checkpoint", "state.json")),
                   self.run_)
        for pid in ends[1].members():
            os.kill(pid, signal.SIGKILL)
        self.until("worker 0 to stand still", self.stands_still, self.run_)

    def chain(self):
        """The processes of a host, each started by the one before: the command, the launcher, the worker."""
        def parent(pid):
            with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
                return int(f.read().rpartition(")")[2].split()[1])
        pids = [self.run_.process.pid]
        while len(pids) < 3:
            pids.append(next(pid for pid in self.run_.members() if parent(pid) == pids[-1]))
        return pids

    def stands_still(self):
        before = self.rounds_so_far(self.out)
        time.sleep(1)
        return before == self.rounds_so_far(self.out)

    def test_sigint_while_waiting_for_more_workers(self):
        self.waiting_for_more("waiting")
        self.run_.process.send_signal(signal.SIGINT)
        self.interrupted(128 + signal.SIGINT)  # at once: the launcher says that nobody comes
        self.assertTrue(os.path.exists(os.path.join(self.out, "checkpoint", "state.json")))

    def test_a_second_signal_ends_a_waiting_worker_at_once(self):
        self.waiting_for_more("twice")
        _, _, worker = self.chain()
        os.kill(worker, signal.SIGTERM)  # to the worker alone, so nobody says that nobody comes
        self.assertTrue(self.stands_still())
        self.assertIn(worker, self.run_.members())
        os.kill(worker, signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), 3, self.run_.text())
        self.assertNobodyLeft(self.run_)
        self.assertNothingHalfWritten(self.out)
        self.resumed()

    # --- hosts, each with a command of its own

    def hosts(self, out):
        self.out = self.path(out)
        port = free_port()
        return [self.start_host(rank, port) for rank in range(2)], port

    def start_host(self, rank, port, *more):
        return self.start("train", self.file, "--out", self.out, *more, env=environment(
            RANK=rank, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port))

    def test_the_host_of_the_rendezvous_vanishes_and_is_started_again(self):
        ends, port = self.hosts("vanished")
        self.run_ = ends[0]
        self.after(10)
        for pid in ends[0].members():  # the command, the launcher that serves the rendezvous, and the worker
            os.kill(pid, signal.SIGKILL)
        ends[0].process.wait(10)
        self.run_ = self.start_host(0, port, "--resume")
        self.assertUndisturbed()
        self.assertEqual(ends[1].wait(), 0, ends[1].text())
        self.assertNobodyLeft(ends[1])

    def test_the_launcher_that_serves_the_rendezvous_is_killed(self):
        ends, _ = self.hosts("served")
        self.run_ = ends[0]
        self.after(10)
        _, launcher, _ = self.chain()
        os.kill(launcher, signal.SIGKILL)
        self.assertUndisturbed()
        self.assertEqual(ends[1].wait(), 0, ends[1].text())
        self.assertNobodyLeft(ends[1])

    def test_all_with_the_rendezvous(self):
        self.launch("host")
        self.after(20)
        host = next(pid for pid, rank in self.run_.members().items() if rank is None and pid != self.run_.process.pid)
        os.kill(host, signal.SIGKILL)
        self.assertUndisturbed()


class WhileAMessageTravels(Undisturbed):
    """Clients' models, and what int8 messages have left out, move with their clients."""
    changes = {"algorithm": {"name": "celgc-overlap", "delay": 1, "message": "int8"}}

    def test_two_one_after_the_other(self):
        self.launch("overlap")
        for rank, rounds in ((1, 5), (0, 20)):
            self.after(rounds)
            self.strike(rank)
            self.all_there()
        self.assertUndisturbed()
        losses = [m for m in self.metrics(self.out, "membership") if m["lost"]]
        self.assertFalse([m for m in losses if m["rounds_repeated"] > 0], "more than the round under way was lost")


class WithoutASecondCopy(Undisturbed):
    """A loss then costs the rounds since the last checkpoint, and the result is the same."""
    changes = {"algorithm": {"name": "celgc-overlap", "delay": 1, "message": "int8"}, "run": {"second_copy": False}}

    def test_one(self):
        self.launch("one")
        self.until("a checkpoint", lambda: os.path.exists(os.path.join(self.out, "checkpoint", "state.json")), self.run_)
        self.after(self.rounds_so_far(self.out) + 2)
        self.strike(1)
        self.assertUndisturbed()
        self.assertIn("the run goes on from its last checkpoint", self.run_.text())


if __name__ == "__main__":
    unittest.main()
