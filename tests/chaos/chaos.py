#!/usr/bin/env python3
"""Faults at random moments, for as long as wanted: chaos.py --seed S --count N [--out DIR] [--update].

Trains the same small recipe again and again, and while it trains does one thing after another to it, chosen by the seed. Runs
of three workers on one host: kill -9 of a worker in a round, while it joins, in an evaluation, while a checkpoint is written;
of two at once; of the process that serves the rendezvous; of all, and then --resume; SIGSTOP for longer than the time limit,
and SIGCONT; a disk (a small tmpfs) that is full. Runs of three hosts (network namespaces, hosts.py): a cable that is cut and
comes back, a switch that loses every packet, a slow link, a host that vanishes and is started again. What needs root is left
out, with the reason, where there is none.

Every run must end by itself, with the model and the metrics of an undisturbed run, without a process left behind and without
a half-written file. DIR gets faults.json, faults.md and faults.svg; --update puts the last two into docs/guide. TACET_COMMAND is the
path of the command. The moments are the clock's, so a seed gives the same kinds of faults, not the same run."""

import argparse
import datetime
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cli"), HERE]
from hosts import PREFIX, HostsCase, end_by_exception, ip, unable  # noqa: E402
from program import Case, write_corpus  # noqa: E402

WORKERS = 3
HOSTS = ("h1", "h2", "h3")
LIMIT = 90     # seconds without a round that are a hang
LOCAL = {"killed in a round": 8, "killed while it joins": 3, "killed in an evaluation": 3, "killed in a checkpoint": 3,
         "two killed at once": 2, "stopped": 2, "rendezvous killed": 1, "all killed, resumed": 4, "disk full": 2}
REMOTE = {"cable cut": 2, "all packets lost": 2, "slow link": 2, "host vanishes": 3}  # how often, relative to each other
PAGE = os.path.join(HERE, "..", "..", "docs", "guide", "faults.md")
MARKS = ("<!-- tests/chaos/chaos.py --update -->\n", "<!-- end of chaos -->\n")


def kill(pids, sign=signal.SIGKILL):
    """Returns how many there were to kill."""
    there = 0
    for pid in pids:
        try:
            os.kill(pid, sign)
            there += 1
        except ProcessLookupError:
            pass
    return there


class Disturbed(Case):
    """A run under way in self.out, and what it has to be in the end. `kinds`: the faults, methods of the same names."""

    def runTest(self):
        pass

    def prepare(self, draw, rounds, timeout):
        self.draw, self.timeout = draw, timeout
        self.setUpClass()
        self.__class__.corpus = write_corpus(self.path("longer"), lines=4000)
        self.file = self.recipe(algorithm={"momentum": 0.9, "eta": 0.1}, clients={"count": 5}, data={"batch_size": 4},
                                model={"embedding": 64}, schedule={"rounds": rounds},
                                run={"eval_every": 0.1, "checkpoint_every": 0.05, "peer_timeout": timeout,
                                     "restarts": 1_000_000})
        self.straight = self.train(self.file, "straight")
        self.wanted = self.results(self.straight)
        self.wanted_rounds = [m["round"] for m in self.metrics(self.straight, "round")]
        self.evaluated = {m["round"] for m in self.metrics(self.straight, "eval")}

    def groups(self):
        try:
            return [m for m in self.metrics(self.out) if m["event"] == "membership"]
        except (FileNotFoundError, ValueError):
            return []

    def wait_for(self, condition, limit=LIMIT):
        """False when the run ended first, or after `limit` seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end and not self.over():
            if condition():
                return True
            time.sleep(0.002)
        return False

    def has_checkpoint(self):
        try:
            return any(name.startswith("checkpoint") and "part" not in name for name in os.listdir(self.out))
        except FileNotFoundError:
            return False

    def again(self):
        """How the command is given after all of it was lost: it goes on from a checkpoint, or, before the first, from nothing."""
        if self.has_checkpoint():
            return ["--resume"]
        shutil.rmtree(self.out, ignore_errors=True)
        return []

    def a_moment(self):
        """Into a round, most often: gradients, the mean and the commit take their shares of it."""
        first = self.rounds_so_far(self.out)
        self.wait_for(lambda: self.rounds_so_far(self.out) > first)
        time.sleep(self.draw.random() * 0.3)

    def one_run(self, number, wanted):
        """Faults until the run is over or there are enough; then everything is checked. Returns the faults."""
        self.out = os.path.join(self.place_of_runs(), "run-%d" % number)
        self.begin()
        faults = []
        while not self.over() and len(faults) < wanted:
            kind = self.draw.choices(list(self.kinds), list(self.kinds.values()))[0]
            self.a_moment()
            if self.over():
                break
            before, start = self.rounds_so_far(self.out), time.monotonic()
            lasted = getattr(self, kind.replace(", ", "_").replace(" ", "_"))()
            if lasted is None:
                continue  # there was nobody to strike, or not at the moment that was wanted
            # Back to a checkpoint when the rendezvous, all, or both copies of a client's state are lost.
            before = min(before, self.rounds_so_far(self.out))
            if not self.wait_for(lambda: self.rounds_so_far(self.out) > before) and not self.over():
                self.fail("no round for %d s after: %s\n%s" % (LIMIT, kind, self.said()))
            still = None if self.over() else max(0, time.monotonic() - start - lasted)
            faults.append({"kind": kind, "lasted": lasted, "still": still})
        self.finish()
        rounds = [m["round"] for m in self.metrics(self.out, "round")]
        self.assertTrue(rounds == self.wanted_rounds, "after %s: rounds missing %s, there twice %s\n%s" % (
            [f["kind"] for f in faults], sorted(set(self.wanted_rounds) - set(rounds)),
            sorted({r for r in rounds if rounds.count(r) > 1}), self.said()))
        self.assertEqual(self.results(self.out), self.wanted)
        self.assertEqual(self.sha(self.out), self.sha(self.straight))
        self.assertNothingHalfWritten(self.out)
        groups = [m for m in self.groups() if m["lost"]]
        shutil.rmtree(self.out)
        return faults, [m["recovery_seconds"] for m in groups], [(len(m["lost"]), m["rounds_repeated"]) for m in groups]


class OneHost(Disturbed):
    kinds = LOCAL
    disk = None  # where a small file system is mounted

    def place_of_runs(self):
        if os.geteuid() != 0:
            self.kinds = {kind: weight for kind, weight in self.kinds.items() if kind != "disk full"}
            return self.folder
        if self.disk is None:
            self.disk = self.path("disk")
            os.mkdir(self.disk)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tacet-chaos", self.disk], check=True)
            self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        return self.disk

    def begin(self, *more):
        self.was_full = False
        self.run_ = self.start("train", self.file, "--out", self.out, "--workers", str(WORKERS), *more)

    def over(self):
        """A run whose metrics had no room on the disk says so, ends with 2, and is resumed: there is room again."""
        code = self.run_.process.poll()
        if code == 2 and self.was_full and "No space left" in self.run_.text():
            self.assertNobodyLeft(self.run_)
            self.begin(*self.again())
            return False
        return code is not None

    def said(self):
        return self.run_.text()[-3000:]

    def finish(self):
        self.until("the end of the run", self.over, limit=300)
        self.assertEqual(self.run_.process.returncode, 0, self.said())
        self.assertNobodyLeft(self.run_)

    def workers(self):
        return {r: p for p, r in self.run_.members().items() if r is not None}

    def strike(self, count=1, ranks=range(WORKERS)):
        there = self.workers()
        if len(there) < WORKERS:
            return None  # somebody is just being started again
        return 0 if kill([there[r] for r in self.draw.sample(list(ranks), count)]) else None

    def killed_in_a_round(self):
        return self.strike()

    def two_killed_at_once(self):
        return self.strike(2)

    def killed_while_it_joins(self):
        """A worker is killed, and again when it has been started anew: on its way to the rendezvous, in it or in its first step."""
        there, rank = self.workers(), self.draw.randrange(WORKERS)
        if len(there) < WORKERS or not kill([there[rank]]):
            return None
        if not self.wait_for(lambda: self.workers().get(rank, there[rank]) != there[rank], 20):
            return None
        time.sleep(self.draw.random() * 0.4)
        return 0 if kill([self.workers().get(rank, 0) or -1]) else None

    def killed_in_an_evaluation(self):
        def evaluating():
            last = self.rounds_so_far(self.out)
            return last in self.evaluated and not self.evaluation_of(last)
        return self.strike() if self.wait_for(evaluating, 10) and evaluating() else None

    def evaluation_of(self, round_):
        try:
            return any(m["round"] == round_ for m in self.metrics(self.out, "eval"))
        except ValueError:  # a line under way
            return True

    def killed_in_a_checkpoint(self):
        def writing():
            try:
                return any(name.startswith("checkpoint.part") for name in os.listdir(self.out))
            except FileNotFoundError:
                return False
        return self.strike() if self.wait_for(writing, 10) else None

    def stopped(self):
        victims = self.draw.sample(sorted(self.workers().values()), 1)
        if not kill(victims, signal.SIGSTOP):
            return None
        lasted = self.timeout + self.draw.random() * 2
        time.sleep(lasted)
        kill(victims, signal.SIGCONT)
        return lasted

    def rendezvous_killed(self):
        hosts = [p for p, r in self.run_.members().items() if r is None and p != self.run_.process.pid]
        return 0 if kill(hosts[:1]) else None

    def all_killed_resumed(self):
        kill(self.run_.members())
        self.run_.wait(10)
        self.assertNobodyLeft(self.run_)
        self.begin(*self.again())
        return 0

    def disk_full(self):
        """To the last page or almost; the run goes on without checkpoints, or says that it can't write, and is resumed."""
        begin, block = time.monotonic(), self.draw.choice([b"x" * 4096, b"x" * 65536])
        with open(os.path.join(self.disk, "filler"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(block)
            except OSError:
                pass
        time.sleep(0.5 + self.draw.random())
        os.remove(os.path.join(self.disk, "filler"))
        lasted = time.monotonic() - begin
        self.was_full = True
        return lasted


class ThreeHosts(HostsCase, Disturbed):
    kinds = REMOTE

    def place_of_runs(self):
        return self.folder

    def begin(self):
        self.logs = {name: open(self.path("log-" + name), "w", encoding="utf-8") for name in HOSTS}
        for log in self.logs.values():
            self.addCleanup(log.close)
        self.commands = {name: self.start_host(name) for name in HOSTS}
        self.assertTrue(self.wait_for(self.has_checkpoint), self.said())  # before it, a lost h1 means to begin anew

    def start_host(self, name):
        more = ["--resume"] if self.has_checkpoint() else []
        return self.start_on(name, ["train", self.file, "--out", self.out, *more], self.place(HOSTS.index(name)), self.logs[name])

    def status(self):
        try:
            return self.summary(self.out)["status"]
        except (FileNotFoundError, ValueError):
            return None

    def over(self):
        """Whoever gave up is started again, as a cluster's manager does, until the run is done."""
        if self.status() == "done" and all(run.poll() is not None for run in self.commands.values()):
            return True
        for name, run in self.commands.items():
            if run.poll() not in (None, 0) and self.status() != "done":
                self.commands[name] = self.start_host(name)
        return False

    def said(self):
        text = ""
        for name, log in self.logs.items():
            with open(log.name, encoding="utf-8", errors="replace") as f:
                text += "--- %s\n%s" % (name, f.read()[-1500:])
        return text

    def finish(self):
        end = time.monotonic() + 300
        while not self.over():
            self.assertLess(time.monotonic(), end, self.said())
            if self.status() == "done":  # one that was away when the others finished has nobody to talk to
                time.sleep(5)
                for run in self.commands.values():
                    if run.poll() is None:
                        run.kill()
            time.sleep(0.05)
        for name in HOSTS:
            self.until("the end of all processes of " + name, lambda n=name: not self.pids(n), limit=20)

    def one_host(self):
        return self.draw.choice(HOSTS)

    def away(self):
        """Seconds: at times less than the time limit, so that TCP mends it alone."""
        return self.draw.choice([0.3, self.timeout + 0.5, self.timeout + 2]) * (0.8 + 0.4 * self.draw.random())

    def cable_cut(self):
        name, lasted = self.one_host(), self.away()
        self.cable(name, "down")
        time.sleep(lasted)
        self.cable(name, "up")
        return lasted

    def all_packets_lost(self):
        name, lasted = self.one_host(), self.away()
        self.losing(name, True)
        time.sleep(lasted)
        self.losing(name, False)
        return lasted

    def slow_link(self):
        name, lasted = self.one_host(), 1 + self.draw.random()
        ip_tc = ["ip", "netns", "exec", PREFIX + name, "tc", "qdisc"]
        subprocess.run([*ip_tc, "add", "dev", "net0", "root", "tbf", "rate", "1mbit", "burst", "4kb", "latency", "200ms"],
                       check=True)
        time.sleep(lasted)
        subprocess.run([*ip_tc, "del", "dev", "net0", "root"], check=True)
        return lasted

    def host_vanishes(self):
        name, begin = self.one_host(), time.monotonic()
        self.cable(name, "down")
        self.kill(name)
        self.commands[name].wait(10)
        time.sleep(self.draw.random() * 2)
        self.cable(name, "up")
        if self.status() != "done":
            self.commands[name] = self.start_host(name)
        return time.monotonic() - begin


# what is said of it ---------------------------------------------------------------------------------------------------------

def summarised(faults, recoveries, repeated, runs, seed, timeout, minutes):
    kinds = {}
    for kind in [*LOCAL, *REMOTE]:
        mine = [f for f in faults if f["kind"] == kind]
        still = sorted(f["still"] for f in mine if f["still"] is not None)
        if mine:
            kinds[kind] = {"faults": len(mine), "survived": len(mine), "still": still}
    return {"date": datetime.date.today().isoformat(), "seed": seed, "faults": len(faults), "runs": runs, "minutes": minutes,
            "peer_timeout": timeout, "kinds": kinds, "new_groups": sorted(recoveries),
            "rounds_repeated": {"one lost": max([r for lost, r in repeated if lost == 1], default=0),
                                "several lost": max([r for lost, r in repeated if lost > 1], default=0)}}


def table(s):
    lines = ["%s, seed %d: %d faults in %d runs of three workers, %.0f minutes; `run.peer_timeout` %g s. Every run ended with the "
             "model, bit for bit, and the metrics of an undisturbed one." %
             (s["date"], s["seed"], s["faults"], s["runs"], s["minutes"], s["peer_timeout"]), "",
             "| fault | number | survived | seconds until the next round: median | longest |", "|---|---|---|---|---|"]
    everything = []
    for kind, k in s["kinds"].items():
        still = k["still"] or [0]
        everything += k["still"]
        lines.append("| %s | %d | %d | %.2f | %.2f |" % (kind, k["faults"], k["survived"], statistics.median(still), still[-1]))
    lines.append("| **all** | **%d** | **%d** | **%.2f** | %.2f |" % (
        s["faults"], s["faults"], statistics.median(everything or [0]), max(everything or [0])))
    groups = s["new_groups"] or [0]
    lines += ["", "Groups formed anew by those that were left: %d, in %.2f s (median; longest %.2f s). Rounds repeated beyond the one under "
              "way: at most %d where one worker was lost, at most %d where several were (a client's two copies may go with them, "
              "then the last checkpoint counts). Where a fault lasts (a stopped worker, a cut cable, a full disk), the seconds are "
              "those after its end. The next round may be the one under way, which the others finish; new groups have their own figures." %
              (len(s["new_groups"]), statistics.median(groups), groups[-1], s["rounds_repeated"]["one lost"],
               s["rounds_repeated"]["several lost"])]
    return "\n".join(lines) + "\n"


def picture(s):
    """Each fault a dot: its kind, and the seconds until the next round."""
    width, left, row = 900, 190, 26
    most = max([v for k in s["kinds"].values() for v in k["still"]] + [1])
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' %
           (width, row * len(s["kinds"]) + 60)]
    for tick in range(0, int(most) + 2, max(1, int(most) // 8)):
        x = left + (width - left - 20) * tick / (most + 1)
        out.append('<line x1="%.1f" y1="10" x2="%.1f" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%d</text>' %
                   (x, x, row * len(s["kinds"]) + 12, x, row * len(s["kinds"]) + 28, tick))
    for n, (kind, k) in enumerate(s["kinds"].items()):
        y = 10 + row * n + row / 2
        out.append('<text x="%d" y="%.1f" text-anchor="end">%s (%d)</text>' % (left - 10, y + 4, kind, k["faults"]))
        for v in k["still"]:
            out.append('<circle cx="%.1f" cy="%.1f" r="4" fill="#1f77b4" fill-opacity="0.45"/>' %
                       (left + (width - left - 20) * v / (most + 1), y))
    out.append('<text x="%d" y="%d">Seconds from a fault, or its end, to the next finished round; one dot a fault.</text></svg>' %
               (left, row * len(s["kinds"]) + 50))
    return "\n".join(out) + "\n"


def update_page(text):
    with open(PAGE, encoding="utf-8") as f:
        before, begin, rest = f.read().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        sys.exit("docs/guide/faults.md has lost its marks " + " and ".join(m.strip() for m in MARKS))
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(before + begin + "\n" + text + "\n" + end + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="faults to inject")
    parser.add_argument("--rounds", type=int, default=400, help="of each run")
    parser.add_argument("--timeout", type=float, default=2.5, help="run.peer_timeout, seconds until a silent worker is lost")
    parser.add_argument("--only", choices=["one host", "hosts"], help="runs of this sort alone")
    parser.add_argument("--kind", action="append", choices=[*LOCAL, *REMOTE], help="faults of this kind alone; may be repeated")
    parser.add_argument("--out", default="runs/chaos", help="folder of faults.json, faults.md, faults.svg")
    parser.add_argument("--update", action="store_true", help="put table and picture into docs/guide")
    a = parser.parse_args()
    end_by_exception()
    draw = random.Random(a.seed)
    sorts = [OneHost(), ThreeHosts()]
    if a.only:
        sorts = [sorts[["one host", "hosts"].index(a.only)]]
    reason = unable()
    if reason and a.only != "one host":
        print("hosts are left out: " + reason, flush=True)
        sorts = [s for s in sorts if not isinstance(s, ThreeHosts)]
    for s in sorts if a.kind else []:
        s.kinds = {kind: weight for kind, weight in s.kinds.items() if kind in a.kind}
    sorts = [s for s in sorts if s.kinds]
    if os.geteuid() != 0:
        print("full disks are left out: mounting a small one needs root", flush=True)
    begin, faults, recoveries, repeated, runs = time.monotonic(), [], [], [], 0
    try:
        for s in sorts:
            s.prepare(draw, a.rounds, a.timeout)
            if isinstance(s, ThreeHosts):
                s.make_hosts()
        while len(faults) < a.count:
            runs += 1
            found, seconds, again = sorts[runs % len(sorts)].one_run(runs, a.count - len(faults))
            faults += found
            recoveries += seconds
            repeated += again
            print("run %d: %d faults, %d in all, bitwise equal" % (runs, len(found), len(faults)), flush=True)
    finally:
        for s in sorts:
            s.doCleanups()
            s.doClassCleanups()
    s = summarised(faults, recoveries, repeated, runs, a.seed, a.timeout, (time.monotonic() - begin) / 60)
    os.makedirs(a.out, exist_ok=True)
    for name, text in (("faults.json", json.dumps(s, indent=1) + "\n"), ("faults.md", table(s)), ("faults.svg", picture(s))):
        with open(os.path.join(a.out, name), "w", encoding="utf-8") as f:
            f.write(text)
    print("\n" + table(s))
    if a.update:
        update_page(table(s) + "\n![Seconds from each fault to the next finished round, by kind of fault](faults.svg)\n")
        shutil.copy(os.path.join(a.out, "faults.svg"), os.path.join(os.path.dirname(PAGE), "faults.svg"))


if __name__ == "__main__":
    main()
