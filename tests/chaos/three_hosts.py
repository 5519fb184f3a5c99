#!/usr/bin/env python3
"""Hosts that vanish and come back: three network namespaces on one bridge train together, one worker each; the third loses its
cable and all its processes at once, the others go on, and it joins again. The model must be bit for bit that of one process.

Needs root and iproute2; exit code 77, with the reason, where it may not make namespaces. The namespaces have names of their own
and are removed at the end, also after Ctrl-C. TACET_COMMAND is the path of the command. It says nothing about speed. With
--update the transcript in docs/clusters.md is replaced by this run's."""

import os
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import Case, environment, write_corpus  # noqa: E402

HOSTS = ("h1", "h2", "h3")
PREFIX = "tacet-%d-" % os.getpid()
TOKEN = "0123456789abcdef0123456789abcdef"
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "clusters.md")
MARKS = ("<!-- tests/chaos/three_hosts.py --update -->\n", "<!-- end -->\n")


def ip(*args):
    return subprocess.run(["ip", *args], check=True, capture_output=True, text=True).stdout


def unable():
    """The reason why there can be no hosts here, or nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    name = PREFIX + "try"
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        return error.stderr.strip()
    try:
        ip("-n", name, "link", "add", "bridge0", "type", "bridge")
    except subprocess.CalledProcessError as error:
        return "no bridge: " + error.stderr.strip()
    finally:
        ip("netns", "del", name)
    return None


def interrupted(sign, _):
    """An error of the test, since unittest leaves out the cleanups at a KeyboardInterrupt; a second signal changes nothing."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise RuntimeError("ended by signal %d" % sign)


def update(transcript):
    with open(PAGE, encoding="utf-8") as f:
        before, begin, rest = f.read().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        sys.exit("docs/clusters.md has lost its marks " + " and ".join(m.strip() for m in MARKS))
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n```text\n" + "\n".join(transcript) + "\n```\n\n" + end + after)


class ThreeHosts(Case):
    def forget(self, name):
        self.kill(name)
        ip("netns", "del", PREFIX + name)

    def add(self, name):
        ip("netns", "add", PREFIX + name)
        self.addCleanup(self.forget, name)
        ip("-n", PREFIX + name, "link", "set", "lo", "up")

    def kill(self, name):
        for pid in ip("netns", "pids", PREFIX + name).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def setUp(self):
        self.transcript = []
        self.add("switch")
        ip("-n", PREFIX + "switch", "link", "add", "bridge0", "type", "bridge")
        ip("-n", PREFIX + "switch", "link", "set", "bridge0", "up")
        for k, name in enumerate(HOSTS):
            self.add(name)
            ip("-n", PREFIX + name, "link", "add", "net0", "type", "veth", "peer", "name", name, "netns", PREFIX + "switch")
            ip("-n", PREFIX + "switch", "link", "set", name, "master", "bridge0", "up")
            ip("-n", PREFIX + name, "addr", "add", "10.78.0.%d/24" % (k + 1), "dev", "net0")
            ip("-n", PREFIX + name, "link", "set", "net0", "up")

    def say(self, text):
        print(text, flush=True)
        self.transcript.append(text)

    def on(self, name, out):
        rank = HOSTS.index(name)
        env = environment(RANK=rank, WORLD_SIZE=len(HOSTS), MASTER_ADDR="10.78.0.1", MASTER_PORT=29500, TACET_JOIN_TOKEN=TOKEN)
        self.say("%s$ RANK=%d WORLD_SIZE=3 MASTER_ADDR=10.78.0.1 MASTER_PORT=29500 tacet train recipe.toml --out runs/three" %
                 (name, rank))
        run = subprocess.Popen(["ip", "netns", "exec", PREFIX + name, os.environ["TACET_COMMAND"], "train", self.file, "--out", out],
                               env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(run.stdout.close)
        self.addCleanup(run.kill)
        return run

    def groups(self, out):
        try:
            return [m for m in self.metrics(out) if m["event"] == "membership"]
        except (FileNotFoundError, ValueError):
            return []

    def test_one_host_vanishes_and_comes_back(self):
        self.__class__.corpus = write_corpus(self.path("longer"), lines=2000)
        self.file = self.recipe(algorithm={"momentum": 0.9, "eta": 0.1}, clients={"count": 5}, data={"batch_size": 4},
                                model={"embedding": 64, "hidden": 96}, schedule={"rounds": 250},
                                run={"eval_every": 0.2, "peer_timeout": 2, "restarts": 50})
        straight = self.train(self.file, "straight")
        out = self.path("three")
        first, second, lost = [self.on(name, out) for name in HOSTS]
        self.until("20 rounds", lambda: self.rounds_so_far(out) >= 20)
        self.say("# after round %d: cable of h3 cut, its processes killed" % self.rounds_so_far(out))
        ip("-n", PREFIX + "switch", "link", "set", "h3", "down")
        self.kill("h3")
        lost.wait(30)
        group = self.until("h1 and h2 to go on", lambda: [m for m in self.groups(out) if m["lost"]])[-1]
        self.assertEqual(group["workers"], 2)
        self.assertEqual(group["rounds_repeated"], 0)
        self.say("# h1 and h2 go on after %.2f s, rounds repeated: %d" % (group["recovery_seconds"], group["rounds_repeated"]))
        ip("-n", PREFIX + "switch", "link", "set", "h3", "up")
        self.say("# cable of h3 back")
        back = self.on("h3", out)
        self.until("h3 to be back", lambda: self.groups(out)[-1]["workers"] == 3)
        self.say("# h3 is back after round %d" % self.rounds_so_far(out))
        for run in (first, second, back):
            text = run.communicate(timeout=90)[0]
            self.assertEqual(run.returncode, 0, text)
        rounds = [m["round"] for m in self.metrics(out, "round")]
        self.assertEqual(rounds, list(range(1, 251)))
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
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, interrupted)
    unittest.main()
