"""Starting over several hosts: mpirun, srun's variables, --hosts through a stand-in for ssh, the join token, and workers that
don't agree. All hosts are addresses of this machine's loopback; one test makes a network of its own with another address."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

from program import COMMAND, LIMIT, Case, environment, free_port

TOKEN = "0123456789abcdef0123456789abcdef"
OTHER = "another secret of more than 16 characters"


class Clusters(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.recipe()
        cls.alone = cls.train(cls.file, "alone")

    def assertLikeAlone(self, out, workers):
        self.assertEqual(self.sha(self.path(out)), self.sha(self.alone))
        self.assertEqual(self.results(self.path(out)), self.results(self.alone))
        self.assertEqual(self.summary(self.path(out))["workers"], workers)

    # --- launchers

    def mpirun(self, name, *options, out=None, wrapper=()):
        out = out or name
        program = shutil.which(name)
        if program is None:
            print("%s: left out, it is not installed" % name)
            self.skipTest("%s is not installed" % name)
        done = subprocess.run([program, *options, "-n", "2", *wrapper, COMMAND, "train", self.file, "--out", self.path(out)],
                              cwd=self.folder, env=environment(OMPI_MCA_rmaps_base_oversubscribe="1"),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLikeAlone(out, 2)

    def test_open_mpi(self):
        self.mpirun("mpirun.openmpi", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "--oversubscribe")

    def test_mpich(self):
        self.mpirun("mpirun.mpich")

    def test_mpich_starts_a_script(self):
        # Each rank's command then has a shell of its own for its parent, and here one more above that. Neither is replaced by
        # its last command.
        through = ["sh", "-c", '"$@"; exit $?', "sh"]
        self.mpirun("mpirun.mpich", out="mpich-script", wrapper=through + through)

    def test_srun(self):
        # Not srun itself: the variables that it sets, for two nodes whose names are loopback addresses.
        runs = [self.start("train", self.file, "--out", self.path("srun"), env=environment(
            SLURM_PROCID=rank, SLURM_NTASKS=2, SLURM_STEP_NUM_TASKS=2, SLURM_JOB_ID=os.getpid(), SLURM_STEP_ID=0, SLURM_NNODES=2,
            SLURM_JOB_NODELIST="127.0.0.[4-5]", SLURM_LAUNCH_NODE_IPADDR="127.0.0.1")) for rank in (1, 0)]
        for run in runs:
            self.assertEqual(run.wait(), 0, run.text())
        self.assertLikeAlone("srun", 2)

    # --- hosts

    def fake_ssh(self):
        """Runs the command here, as a shell of the other host would; the host's name is kept in a file."""
        path = self.path("fake-ssh")
        with open(path, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\n[ "$1" = -p ] && shift 2\necho "$1" >> "%s"\nshift\nexec sh -c "$1"\n' % self.path("hosts"))
        os.chmod(path, stat.S_IRWXU)
        return path

    def test_hosts(self):
        command = [self.file, "--out", self.path("over-ssh"), "--hosts", "127.0.0.1,me@127.0.0.2", "--ssh",
                   self.fake_ssh() + " -p 2222", "--port", str(free_port())]
        done = self.tacet("train", *command)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("worker 1 is on me@127.0.0.2", done.stderr)
        self.assertLikeAlone("over-ssh", 2)
        with open(self.path("hosts"), encoding="utf-8") as f:
            self.assertEqual(sorted(f.read().split()), ["127.0.0.1", "me@127.0.0.2"])

    def test_hosts_end_together(self):
        endless = self.recipe("endless.toml", schedule={"rounds": 10_000_000}, run={"checkpoint_every": 0})
        for sign, code in ((signal.SIGINT, 130), (signal.SIGKILL, None)):
            out = self.path("endless-%d" % sign)
            run = self.start("train", endless, "--out", out, "--hosts", "127.0.0.1,127.0.0.2", "--ssh", self.fake_ssh(),
                             "--port", str(free_port()))
            self.until("some rounds", lambda: self.rounds_so_far(out) >= 3, run)
            run.process.send_signal(sign)
            ended = run.wait()
            if code is not None:
                self.assertEqual(ended, code, run.text())
                self.assertEqual(self.summary(out)["status"], "interrupted")
            self.assertNobodyLeft(run)

    def test_mistaken_hosts(self):
        for hosts, word in (("a,,b", "'a,,b'"), ("-oProxyCommand=x", "-oProxyCommand")):
            done = self.tacet("train", self.file, "--out", self.path("no-hosts"), "--hosts=" + hosts)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(self.path("no-hosts")))

    # --- token

    def place(self, out, port, rank, recipe=None, address="127.0.0.1", **more):
        env = environment(RANK=rank, WORLD_SIZE=2, MASTER_ADDR=address, MASTER_PORT=port, **more)
        return self.start("train", recipe or self.file, "--out", self.path(out), env=env)

    def test_a_common_token(self):
        with open(self.path("token"), "w", encoding="utf-8") as f:
            f.write(TOKEN + "\n")
        port = free_port()
        first = self.place("token-run", port, 0, TACET_JOIN_TOKEN=TOKEN)
        second = self.start("train", self.file, "--out", self.path("token-run"), "--join-token", self.path("token"),
                            env=environment(RANK=1, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port))
        for run in (first, second):
            self.assertEqual(run.wait(), 0, run.text())
        self.assertLikeAlone("token-run", 2)

    def test_a_wrong_token_is_refused_and_the_run_goes_on(self):
        for name, wrong, words in (("other", {"TACET_JOIN_TOKEN": OTHER}, "join token must be the same"),
                                   ("none", {}, "asks for a join token")):
            with self.subTest(name):
                port = free_port()
                first = self.place(name, port, 0, TACET_JOIN_TOKEN=TOKEN)
                refused = self.place(name + "-refused", port, 1, **wrong)
                self.assertEqual(refused.wait(), 2, refused.text())
                self.assertIn(words, refused.text())
                self.assertNotIn(TOKEN, refused.text())
                self.assertIsNone(first.process.poll(), first.text())
                right = self.place(name, port, 1, TACET_JOIN_TOKEN=TOKEN)
                for run in (first, right):
                    self.assertEqual(run.wait(), 0, run.text())
                self.assertLikeAlone(name, 2)

    def test_a_token_is_needed_between_machines(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.connect(("203.0.113.1", 9))  # sends nothing; reserved for documentation
                address = s.getsockname()[0]
            except OSError:
                address = "127.0.0.1"
        if address.startswith("127."):
            print("test_a_token_is_needed_between_machines: left out, this machine has no other address than loopback")
            self.skipTest("no other address than loopback")
        run = self.place("outside", free_port(), 0, address=address)
        self.assertEqual(run.wait(), 2, run.text())
        self.assertRegex(run.text(), "--join-token: .*must share a secret.*openssl rand")
        self.assertFalse(os.path.exists(self.path("outside")))
        port = free_port()
        runs = [self.place("outside", port, rank, address=address, TACET_JOIN_TOKEN=TOKEN) for rank in (0, 1)]
        for run in runs:
            self.assertEqual(run.wait(), 0, run.text())
        self.assertLikeAlone("outside", 2)

    def test_a_short_token(self):
        run = self.place("short", free_port(), 0, TACET_JOIN_TOKEN="secret")
        self.assertEqual(run.wait(), 2, run.text())
        self.assertIn("at least 16 characters, got 6", run.text())
        self.assertNotIn("secret;", run.text())

    # --- strangers at the rendezvous

    def test_strangers_do_no_harm(self):
        port = free_port()
        first = self.place("strangers", port, 0, TACET_JOIN_TOKEN=TOKEN)
        strangers = []

        def connect():
            end = time.monotonic() + LIMIT
            while True:
                try:
                    s = socket.create_connection(("127.0.0.1", port), 5)
                    strangers.append(s)
                    return s
                except OSError:
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.02)

        def say(s, data):
            try:
                s.sendall(data)
            except OSError:
                pass  # it has hung up, as it should

        before = self.peak_memory(first.process.pid) if connect() else 0
        for text in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"tacet", b"tacetT1?" + b"x" * 31, b"tacetS1?",
                     b"tacetT1?" + b"x" * 64, os.urandom(5000)):
            say(connect(), text)
        for _ in range(200):  # a port scan
            connect().close()
        flood = connect()
        zeros = bytes(1 << 20)
        try:
            for _ in range(1024):  # 1 GB of nothing
                flood.sendall(zeros)
            self.fail("the flood was taken in")
        except OSError:
            pass
        second = self.place("strangers", port, 1, TACET_JOIN_TOKEN=TOKEN)
        grown = self.peak_memory(first.process.pid) - before
        for run in (first, second):
            self.assertEqual(run.wait(), 0, run.text())
        for s in strangers:
            s.close()
        self.assertLess(grown, 64 << 20, "memory that strangers took")
        self.assertLikeAlone("strangers", 2)

    def peak_memory(self, pid):
        with open("/proc/%d/status" % pid, encoding="utf-8") as f:
            return next(1024 * int(line.split()[1]) for line in f if line.startswith(("VmHWM", "VmRSS")))

    # --- workers that don't agree

    def test_workers_that_differ(self):
        rate = self.recipe("rate.toml", algorithm={"eta": 0.5})
        model = self.recipe("model.toml", model={"embedding": 9})
        longer = shutil.copytree(self.corpus, self.path("longer"))
        with open(os.path.join(longer, "train.txt"), "a", encoding="utf-8") as f:
            f.write("w1 w2\n" * 20)
        # 1200 and 1260 words and line ends in 8 streams (4 clients, 2 rows each); the last word of each is only a target.
        for name, recipe, more, words in (
                ("rate", rate, {}, ["algorithm.eta", "1", "0.5"]),
                ("model", model, {}, ["model.embedding", "8", "9"]),
                ("data", None, {"root": longer}, ["the data's file train.txt", "3962 bytes", "4082 bytes"])):
            with self.subTest(name):
                if more:
                    recipe = self.recipe("data-2.toml", data=more)
                port = free_port()
                runs = [self.place(name + "-0", port, 0), self.place(name + "-1", port, 1, recipe)]
                for run in runs:
                    self.assertEqual(run.wait(), 2, run.text())
                    for word in [*words, "for worker 0 and", "for worker 1"]:
                        self.assertIn(word, run.text())
                self.assertFalse(os.path.exists(self.path(name + "-0")))


if __name__ == "__main__":
    unittest.main()
