#!/usr/bin/env python3
"""Eight workers on one host, on two hosts of four, and on eight hosts (network namespaces) end with the bits of one process.

Needs root and iproute2; exit code 77, with the reason, where it may not make namespaces. TACET_COMMAND is the path of the
command."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cli"), HERE]
from hosts import HOSTS, HostsCase, end_by_exception, unable  # noqa: E402

WORKERS = 8


class Placements(HostsCase):
    def test_one_times_eight_two_times_four_eight_times_one(self):
        file = self.recipe(algorithm={"momentum": 0.9}, clients={"count": 11}, schedule={"rounds": 12}, run={"eval_every": 0.2})
        alone = self.train(file, "alone")
        self.make_hosts(WORKERS)
        for hosts in (1, 2, 8):
            out = self.path("on-%d" % hosts)
            logs = [open(self.path("log-%d-%d" % (hosts, rank)), "w+", encoding="utf-8") for rank in range(WORKERS)]
            runs = [self.start_on(HOSTS[rank * hosts // WORKERS], ["train", file, "--out", out], self.place(rank, WORKERS), log)
                    for rank, log in enumerate(logs)]
            for run, log in zip(runs, logs):
                self.addCleanup(log.close)
                code = run.wait(120)
                log.seek(0)
                self.assertEqual(code, 0, log.read())
            self.assertEqual(self.summary(out)["workers"], WORKERS)
            self.assertEqual(self.sha(out), self.sha(alone), "%d hosts" % hosts)
            self.assertEqual(self.results(out), self.results(alone), "%d hosts" % hosts)
            print("%d × %d: %s, %s sent by worker 0" % (hosts, WORKERS // hosts, self.sha(out),
                                                       self.metrics(out, "round")[-1]["bytes_sent"]), flush=True)


if __name__ == "__main__":
    reason = unable()
    if reason:
        print("placements.py: left out, %s" % reason)
        sys.exit(77)
    end_by_exception()
    unittest.main()
