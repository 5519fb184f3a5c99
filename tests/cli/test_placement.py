"""The same recipe gives bitwise the same model however its clients are spread over workers, here through the command."""

import json
import os
import re
import subprocess
import time
import unittest

from program import COMMAND, Case, environment, free_port


class Placement(Case):
    def same(self, name, workers, **changes):
        recipe = self.recipe(name + ".toml", **changes)
        alone = self.train(recipe, name + "-1")
        # The clipping must decide something, or half of the method is not compared.
        fractions = [m["clipped_fraction"] for m in self.metrics(alone, "round")]
        self.assertGreater(max(fractions), 0)
        self.assertLess(min(fractions), 1)
        for p in workers:
            spread = self.train(recipe, "%s-%d" % (name, p), "--workers", str(p))
            self.assertEqual(self.summary(spread)["workers"], p)
            self.assertEqual(self.sha(spread), self.sha(alone), "%s on %d workers" % (name, p))
            self.assertEqual(self.results(spread), self.results(alone), "%s on %d workers" % (name, p))
            self.assertGreater(self.summary(spread)["bytes_sent"], 0)
            spent = [m["exchange_seconds"] for m in self.metrics(spread, "round")]
            self.assertTrue(0 < sum(spent) < self.metrics(spread, "round")[-1]["seconds"])
        return recipe, alone

    def test_celgc(self):
        recipe, alone = self.same("celgc", (2, 3, 4))  # on 3, one worker has two clients
        # The comparison can fail: another seed is another model.
        self.assertNotEqual(self.sha(self.train(recipe, "celgc-seed", "--set", "run.seed=2")), self.sha(alone))

    def test_naive_clip(self):
        self.same("naive-clip", (2, 4), algorithm={"name": "naive-clip", "gamma": 0.12}, schedule={"rounds": 3})

    def test_another_kind_of_recurrent_layer(self):
        # More columns than a panel of the few-row products has, so that a worker's products are those the full size takes.
        self.same("gru", (2, 4), model={"name": "awd-gru", "layers": 2, "hidden": 70}, algorithm={"gamma": 0.5}, schedule={"rounds": 6})

    def test_blocks_of_unequal_size(self):
        self.same("5x2", (2,), algorithm={"name": "naive-clip", "gamma": 0.12}, clients={"count": 5})

    def test_as_many_workers_as_cores_and_clients(self):
        recipe = self.recipe("auto.toml", schedule={"rounds": 2})
        alone = self.train(recipe, "auto-1")
        spread = self.train(recipe, "auto", "--workers", "auto")
        cores = len(os.sched_getaffinity(0))  # or fewer, where the control group says so
        self.assertIn(self.summary(spread)["workers"], range(1, min(cores, 4) + 1))
        self.assertEqual(self.sha(spread), self.sha(alone))
        one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        done = subprocess.run([*one_core, COMMAND, "train", recipe, "--out", self.path("auto-0"), "--workers", "auto"],
                              env=environment(), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.summary(self.path("auto-0"))["workers"], 1)
        nobody = self.recipe("nobody.toml", clients={"count": None})
        done = self.tacet("train", nobody, "--out", self.path("nobody"), "--workers", "auto")
        self.assertEqual(done.returncode, 2)
        self.assertIn("clients.count", done.stderr)

    def test_some_clients_of_a_round(self):
        # 2 of 5 clients: in some rounds one of the two workers has nobody to train.
        self.same("2of5", (2,), clients={"count": 5, "participating": 2}, schedule={"rounds": 10})

    def test_what_carries_the_messages(self):
        recipe = self.recipe("exchange.toml", schedule={"rounds": 10})
        alone = self.train(recipe, "exchange-1")
        bytes_sent = set()
        for exchange, backend in (("auto", "shared"), ("shared", "shared"), ("gloo", "gloo")):
            spread = self.train(recipe, "exchange-" + exchange, "--workers", "3", "--set", "run.exchange=" + exchange)
            self.assertEqual(self.summary(spread)["backend"], backend)
            self.assertEqual(self.sha(spread), self.sha(alone), exchange)
            bytes_sent.add(self.summary(spread)["bytes_sent"])
        self.assertEqual(len(bytes_sent), 1, "bytes are those of the messages, whatever carries them")

    def test_coded_messages(self):
        # 4 clients: on 4 workers over Gloo each sends its own message as it is coded, on 2 workers sums travel.
        plain = self.sha(self.train(self.recipe("message.toml", schedule={"rounds": 5}), "f32-1"))
        for message, words in (("bf16", lambda n: (n + 1) // 2), ("int8", lambda n: -(-n // 256) + -(-n // 4))):
            recipe = self.recipe("message.toml", algorithm={"message": message}, run={"exchange": "gloo"},
                                 schedule={"rounds": 5})
            alone = self.train(recipe, message + "-1")
            self.assertNotEqual(self.sha(alone), plain)
            d = self.summary(alone)["parameters"]
            self.assertEqual(self.summary(alone)["client_bytes"], 5 * 4 * words(d))
            for p in (2, 4):
                spread = self.train(recipe, "%s-%d" % (message, p), "--workers", str(p))
                self.assertEqual(self.sha(spread), self.sha(alone), "%s on %d workers" % (message, p))
                self.assertEqual(self.results(spread), self.results(alone), "%s on %d workers" % (message, p))
            # To each of three: the whole message, or slices of it and of the sum, in whole blocks; and 12 counts and a weight.
            mine = -(-d // 256) // 4 * 256
            sent = 3 * words(d) if message == "int8" else words(d) - words(mine) + 3 * mine
            self.assertEqual(self.summary(spread)["bytes_sent"], 5 * 4 * (sent + 3 * 13))

    def test_sparse_messages(self):
        # On 4 workers over Gloo each sends its message as it is coded. A dry run tells the bytes.
        for values in ("f32", "2bit"):
            recipe = self.recipe("sparse.toml", algorithm={"message": "topk", "density": 0.1, "values": values},
                                 run={"exchange": "gloo"}, schedule={"rounds": 5})
            alone = self.train(recipe, values + "-alone")
            dry = json.loads(self.tacet("train", recipe, "--dry-run", "--json").stdout)
            self.assertEqual(self.summary(alone)["client_bytes"], 5 * dry["client_bytes_per_round"])
            self.assertLess(dry["client_bytes_per_round"], 0.2 * 4 * dry["parameters"])
            for p in (2, 4):
                spread = self.train(recipe, "%s-%d" % (values, p), "--workers", str(p))
                self.assertEqual(self.sha(spread), self.sha(alone), "%s on %d workers" % (values, p))
            # The whole message to each of three, and 12 counts and a weight.
            self.assertEqual(self.summary(spread)["bytes_sent"], 5 * 3 * (dry["client_bytes_per_round"] + 4 * 13))

    def test_parts_that_take_turns(self):
        method = {"name": "diloco-streaming", "fragments": 3, "interval": 2, "delay": 1, "inner": "sgd", "weight_decay": 0,
                  "outer": "sgd", "outer_eta": 1, "message": "topk", "density": 0.1}
        recipe, alone = self.same("parts", (2, 4), schedule={"rounds": 6}, algorithm=method)
        dry = json.loads(self.tacet("train", recipe, "--dry-run", "--json").stdout)
        self.assertAlmostEqual(dry["vectors_per_round"], 1 / 3)
        self.assertEqual(self.summary(alone)["client_bytes"], round(6 * dry["client_bytes_per_round"]))

    def test_a_mean_that_arrives_late(self):
        self.same("overlap", (4,), schedule={"rounds": 8}, algorithm={"name": "celgc-overlap", "delay": 1, "message": "int8"})

    def test_count_defaults_to_workers(self):
        recipe = self.recipe("default.toml", clients={"count": None})
        folder = self.train(recipe, "default", "--workers", "2")
        self.assertEqual(self.summary(folder)["clients"], 2)


class Environment(Case):
    """Processes that something else has placed: torchrun's variables decide, --workers is not needed."""

    def listening(self, pid):
        """Addresses on which a process listens, as the kernel writes them."""
        inodes, found = set(), []
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                socket = re.fullmatch(r"socket:\[(\d+)\]", os.readlink("/proc/%d/fd/%s" % (pid, fd)))
            except FileNotFoundError:
                continue
            if socket:
                inodes.add(socket.group(1))
        for table in ("tcp", "tcp6"):
            try:
                with open("/proc/%d/net/%s" % (pid, table), encoding="utf-8") as f:
                    for line in f.readlines()[1:]:
                        fields = line.split()
                        if fields[9] in inodes and fields[3] == "0A":  # TCP_LISTEN
                            found.append(fields[1].split(":")[0])
            except FileNotFoundError:
                continue
        return found

    def place(self, recipe, out, port, rank, size=2):
        env = environment(RANK=rank, WORLD_SIZE=size, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        return self.start("train", recipe, "--out", self.path(out), env=env)

    def test_two_processes_by_hand(self):
        recipe = self.recipe(schedule={"rounds": 40})
        launched = self.train(recipe, "launched", "--workers", "2")
        port = free_port()
        runs = [self.place(recipe, "by-hand", port, rank) for rank in (1, 0)]  # the host of the rendezvous comes last
        loopback = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
        seen = 0
        while any(run.process.poll() is None for run in runs):
            for run in runs:
                for pid in run.members():  # the command, what serves the rendezvous, and the worker
                    try:
                        addresses = self.listening(pid)
                    except (FileNotFoundError, PermissionError, ProcessLookupError):
                        continue  # it has just ended
                    seen += len(addresses)
                    for address in addresses:
                        self.assertIn(address, loopback, "a worker listens to the outside")
            time.sleep(0.02)
        self.assertGreater(seen, 0, "no listening socket was seen, nothing was checked")
        for run in runs:
            self.assertEqual(run.wait(), 0, run.text())
        self.assertEqual(self.sha(self.path("by-hand")), self.sha(launched))
        self.assertEqual(self.results(self.path("by-hand")), self.results(launched))

    def test_a_peer_that_never_comes(self):
        recipe = self.recipe(run={"peer_timeout": 1})
        run = self.place(recipe, "alone", free_port(), 0)
        self.assertEqual(run.wait(120), 3, run.text())
        self.assertRegex(run.text(), "tacet: .*(rank|worker|peer)")
        late = self.place(recipe, "alone-1", free_port(), 1)  # and without the rendezvous' host
        self.assertEqual(late.wait(120), 3, late.text())


if __name__ == "__main__":
    unittest.main()
