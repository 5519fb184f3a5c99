#!/usr/bin/env python3
"""Faults at random moments, for as long as wanted: chaos.py --seed S --count N [--json FILE].

Trains the same small recipe again and again, and while it trains does one thing after another to its processes, chosen by the
seed: kill -9 of a worker, of two at once, of the process that serves the rendezvous, SIGSTOP for longer than the time limit
and SIGCONT. Every run must end by itself, with the model and the metrics of an undisturbed run, without a process left behind
and without a half-written file. Prints what was survived and how long the run stood still, and writes it to a JSON file.
TACET_COMMAND is the path of the command. The moments are the clock's, so a seed gives the same faults, not the same run."""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import Case, write_corpus  # noqa: E402

WORKERS = 3
TIMEOUT = 1.5  # run.peer_timeout: how long a stopped worker is waited for
KINDS = {"kill": 8, "two at once": 2, "stop": 2, "rendezvous": 1}  # how often, relative


class Chaos(Case):
    def runTest(self):
        pass

    def prepare(self, rounds):
        self.setUpClass()
        self.__class__.corpus = write_corpus(self.path("longer"), lines=4000)
        self.file = self.recipe(algorithm={"momentum": 0.9, "eta": 0.1}, clients={"count": 5}, data={"batch_size": 4},
                                model={"embedding": 64, "hidden": 96}, schedule={"rounds": rounds},
                                run={"eval_every": 0.1, "checkpoint_every": 0.05, "peer_timeout": TIMEOUT,
                                     "restarts": 1_000_000})
        self.straight = self.train(self.file, "straight")

    def lines(self):
        try:
            return self.metrics(self.out)
        except (FileNotFoundError, ValueError):
            return []

    def over(self):
        return self.run_.process.poll() is not None

    def workers(self):
        return {r: p for p, r in self.run_.members().items() if r is not None}

    def strike(self, kind):
        """Returns whether there was somebody to strike."""
        there = self.workers()
        if kind == "rendezvous":
            hosts = [p for p, r in self.run_.members().items() if r is None and p != self.run_.process.pid]
            victims = hosts[:1]
        else:
            if len(there) < WORKERS:
                return False  # somebody is just being started again
            victims = [there[r] for r in self.draw.sample(range(WORKERS), 2 if kind == "two at once" else 1)]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGSTOP if kind == "stop" else signal.SIGKILL)
            except ProcessLookupError:
                return False
        if kind == "stop":
            time.sleep(TIMEOUT + self.draw.random() * 3)
            for pid in victims:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        return bool(victims)

    def stood_still(self, start, before):
        """Waits for the next round; seconds since `start`, nothing when the run ended."""
        while time.monotonic() - start < 90:
            if self.rounds_so_far(self.out) > before or self.over():
                return None if self.over() else time.monotonic() - start
            time.sleep(0.01)
        self.fail("no round for 90 s: %s" % self.run_.text()[-3000:])

    def one_run(self, number, wanted):
        self.out = self.path("run-%d" % number)
        self.run_ = self.start("train", self.file, "--out", self.out, "--workers", str(WORKERS))
        faults = []
        while not self.over() and len(faults) < wanted:
            # Mostly once it trains; sometimes while workers still find each other.
            if self.draw.random() < 0.8:
                first = self.rounds_so_far(self.out)
                while self.rounds_so_far(self.out) <= first and not self.over():
                    time.sleep(0.005)
            time.sleep(self.draw.random() * 0.5)
            if self.over():
                break
            kind = self.draw.choices(list(KINDS), list(KINDS.values()))[0]
            before, start = self.rounds_so_far(self.out), time.monotonic()
            if not self.strike(kind):
                continue
            # The run goes back to a checkpoint when the rendezvous or both copies of a state are lost.
            still = self.stood_still(start, min(before, self.rounds_so_far(self.out)))
            faults.append({"kind": kind, "seconds": still})
        self.assertEqual(self.run_.wait(300), 0, self.run_.text()[-3000:])
        self.assertNobodyLeft(self.run_)
        rounds = [m["round"] for m in self.metrics(self.out, "round")]
        wanted_rounds = list(range(1, self.summary(self.straight)["rounds"] + 1))
        self.assertTrue(rounds == wanted_rounds, "after %s: missing %s, twice %s\n%s" % (
            [f["kind"] for f in faults], sorted(set(wanted_rounds) - set(rounds)),
            sorted({r for r in rounds if rounds.count(r) > 1}), self.run_.text()[-2000:]))
        self.assertEqual(self.results(self.out), self.results(self.straight))
        self.assertEqual(self.sha(self.out), self.sha(self.straight))
        self.assertNothingHalfWritten(self.out)
        groups = self.metrics(self.out, "membership")
        return faults, [m["recovery_seconds"] for m in groups if m["lost"]], [m["rounds_repeated"] for m in groups]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="faults to inject")
    parser.add_argument("--rounds", type=int, default=400, help="of each run")
    parser.add_argument("--json", default="chaos.json")
    a = parser.parse_args()
    chaos = Chaos()
    chaos.draw = random.Random(a.seed)
    begin, faults, recoveries, repeated, runs = time.monotonic(), [], [], [], 0
    try:
        chaos.prepare(a.rounds)
        while len(faults) < a.count:
            runs += 1
            found, seconds, again = chaos.one_run(runs, a.count - len(faults))
            faults += found
            recoveries += seconds
            repeated += again
            print("run %d: %d faults, %d in all, bitwise equal" % (runs, len(found), len(faults)), flush=True)
    finally:
        chaos.doCleanups()
        chaos.doClassCleanups()
    summary = {"seed": a.seed, "faults": len(faults), "runs": runs, "minutes": (time.monotonic() - begin) / 60,
               "reform_seconds": {"median": statistics.median(recoveries), "max": max(recoveries)} if recoveries else None,
               "rounds_repeated_while_a_copy_was_left": max(repeated, default=0), "kinds": {}}
    print("\n%-12s %7s %9s %22s" % ("fault", "number", "survived", "stood still, median max"))
    for kind in KINDS:
        mine = [f for f in faults if f["kind"] == kind]
        still = sorted(f["seconds"] for f in mine if f["seconds"] is not None) or [0]
        summary["kinds"][kind] = {"number": len(mine), "survived": len(mine), "median": statistics.median(still),
                                  "max": still[-1]}
        print("%-12s %7d %9d %13.2f s %6.2f s" % (kind, len(mine), len(mine), statistics.median(still), still[-1]))
    print("groups formed again after a loss: median %.2f s, longest %.2f s" %
          (statistics.median(recoveries or [0]), max(recoveries or [0])))
    with open(a.json, "w", encoding="utf-8") as f:
        json.dump(summary, f, indent=1)


if __name__ == "__main__":
    main()
