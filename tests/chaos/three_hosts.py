#!/usr/bin/env python3
"""Hosts that vanish and come back: three network namespaces on one bridge train together, one worker each; the third loses its
cable and all its processes at once, the others go on, and it joins again. The model must be bit for bit that of one process.

Needs root and iproute2; exit code 77, with the reason, where it may not make namespaces. The namespaces have names of their own
and are removed at the end, also after Ctrl-C. TACET_COMMAND is the path of the command. It says nothing about speed. With
--update the transcript in docs/guide/clusters.md is replaced by this run's."""

import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cli"), HERE]
from hosts import HOSTS, HostsCase, end_by_exception, unable  # noqa: E402
from program import write_corpus  # noqa: E402

PAGE = os.path.join(HERE, "..", "..", "docs", "guide", "clusters.md")
MARKS = ("<!-- tests/chaos/three_hosts.py --update -->\n", "<!-- end -->\n")


def update(transcript):
    with open(PAGE, encoding="utf-8") as f:
        before, begin, rest = f.read().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        sys.exit("docs/guide/clusters.md has lost its marks " + " and ".join(m.strip() for m in MARKS))
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n```text\n" + "\n".join(transcript) + "\n```\n\n" + end + after)


class ThreeHosts(HostsCase):
    def setUp(self):
        self.transcript = []
        self.make_hosts()

    def say(self, text):
        print(text, flush=True)
        self.transcript.append(text)

    def on(self, name, out):
        self.say("%s$ RANK=%d WORLD_SIZE=3 MASTER_ADDR=10.78.0.1 MASTER_PORT=29500 tacet train recipe.toml --out runs/three" %
                 (name, HOSTS.index(name)))
        run = self.start_on(name, ["train", self.file, "--out", out], self.place(HOSTS.index(name)), subprocess.PIPE)
        self.addCleanup(run.stdout.close)
        return run

    def groups(self, out):
        try:
            return [m for m in self.metrics(out) if m["event"] == "membership"]
        except (FileNotFoundError, ValueError):
            return []

    def test_one_host_vanishes_and_comes_back(self):
        self.__class__.corpus = write_corpus(self.path("longer"), lines=2000)
        self.file = self.recipe(algorithm={"momentum": 0.9, "eta": 0.1}, clients={"count": 5}, data={"batch_size": 4},
                                model={"embedding": 64}, schedule={"rounds": 600},
                                run={"eval_every": 0.2, "peer_timeout": 2, "restarts": 50})
        straight = self.train(self.file, "straight")
        out = self.path("three")
        first, second, lost = [self.on(name, out) for name in HOSTS[:3]]
        self.until("20 rounds", lambda: self.rounds_so_far(out) >= 20)
        self.say("# after round %d: cable of h3 cut, its processes killed" % self.rounds_so_far(out))
        self.cable("h3", "down")
        self.kill("h3")
        lost.wait(30)
        group = self.until("h1 and h2 to go on", lambda: [m for m in self.groups(out) if m["lost"]])[-1]
        self.assertEqual(group["workers"], 2)
        self.assertEqual(group["rounds_repeated"], 0)
        self.say("# h1 and h2 go on after %.2f s, rounds repeated: %d" % (group["recovery_seconds"], group["rounds_repeated"]))
        self.cable("h3", "up")
        self.say("# cable of h3 back")
        back = self.on("h3", out)
        self.until("h3 to be back", lambda: self.groups(out)[-1]["workers"] == 3)
        self.say("# h3 is back after round %d" % self.rounds_so_far(out))
        for run in (first, second, back):
            text = run.communicate(timeout=90)[0]
            self.assertEqual(run.returncode, 0, text)
        rounds = [m["round"] for m in self.metrics(out, "round")]
        self.assertEqual(rounds, list(range(1, 601)))
        self.assertEqual(self.results(out), self.results(straight))
        self.assertEqual(self.sha(out), self.sha(straight))
        self.assertNothingHalfWritten(out)
        self.say("# model of one process: %s\n# model of three hosts: %s" % (self.sha(straight), self.sha(out)))
        if UPDATE:
            update(self.transcript)


UPDATE = "--update" in sys.argv

if __name__ == "__main__":
    if UPDATE:
        sys.argv.remove("--update")
    reason = unable()
    if reason:
        print("three_hosts.py: left out, %s" % reason)
        sys.exit(77)
    end_by_exception()
    unittest.main()
