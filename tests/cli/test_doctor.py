"""`tacet doctor` and `tacet --version`: facts that the system also tells in other ways, and measurements that can be counted from
outside. The advice on machines that are made up is in doctor_test.cc."""

import ctypes
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import unittest

from program import COMMAND, LIMIT, Case, documented, environment, keys_in, until_closed


def loopback_bytes():
    """What the kernel has received on lo so far."""
    with open("/proc/net/dev", encoding="ascii") as f:
        for line in f:
            name, _, counts = line.partition(":")
            if name.strip() == "lo":
                return int(counts.split()[0])
    return 0


def flags():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        line = next((line for line in f if line.startswith("flags")), "")
    return line.split()


def on_terminal(*args, **more):
    """The output of a command whose standard output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([COMMAND, *args], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment(**more))
    os.close(theirs)
    text = until_closed(ours)
    process.wait(LIMIT)
    return text.decode()


class Doctor(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = cls.path("data")
        os.makedirs(os.path.join(cls.data, "ptb"))
        with open(os.path.join(cls.data, "ptb", "ptb.train.txt"), "w", encoding="ascii") as f:
            f.write("a b c\n")
        cls.lo_before = loopback_bytes()
        cls.done = cls.tacet("doctor", "--json", env=environment(TACET_DATA=cls.data))
        cls.lo_after = loopback_bytes()
        cls.found = json.loads(cls.done.stdout)

    def test_a_machine_that_trains(self):
        """This one does, as the other tests show."""
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ""))
        self.assertIs(self.found["can_train"], True)
        self.assertNotIn("fatal", [a["level"] for a in self.found["advice"]])

    def test_its_keys_are_documented(self):
        keys = keys_in(self.found)
        self.assertEqual(keys ^ documented("doctor --json"), set())

    def test_processor(self):
        p, told = self.found["processor"], flags()
        self.assertEqual(p["usable_cores"] <= len(os.sched_getaffinity(0)), True)
        self.assertGreaterEqual(p["cores"], len(os.sched_getaffinity(0)))
        if told:
            self.assertEqual(p["avx2"], "avx2" in told and "fma" in told)
            self.assertEqual(p["avx512_bf16"], "avx512_bf16" in told)

    def test_a_part_of_the_cores(self):
        one = {min(os.sched_getaffinity(0))}
        ran = subprocess.run([COMMAND, "doctor", "--json"], capture_output=True, text=True, timeout=LIMIT, env=environment(),
                             preexec_fn=lambda: os.sched_setaffinity(0, one), check=True)
        self.assertEqual(json.loads(ran.stdout)["processor"]["usable_cores"], 1)

    def test_the_loopback_has_carried_what_was_measured(self):
        loop = self.found["loopback"]
        self.assertEqual(loop["bytes"] % (1 << 20), 0)
        self.assertGreaterEqual(self.lo_after - self.lo_before, loop["bytes"])
        self.assertAlmostEqual(loop["bytes_per_second"] * loop["seconds"] / loop["bytes"], 1)
        self.assertGreater(loop["round_trip_seconds"], 0)

    def test_memory(self):
        memory = self.found["memory"]
        with open("/proc/meminfo", encoding="ascii") as f:
            self.assertEqual(memory["total_bytes"], 1024 * int(re.search(r"MemTotal: +(\d+)", f.read()).group(1)))
        self.assertEqual(memory["bytes"] % 24, 0)  # three arrays of numbers of 8 bytes
        self.assertAlmostEqual(memory["bytes_per_second"] * memory["seconds"] / memory["bytes"], 1)
        self.assertIn("%.0f MB" % (memory["bytes"] / 1e6), memory["how"])

    def test_hosts(self):
        hosts = self.found["hosts"]
        self.assertEqual(hosts["name"], socket.gethostname())
        self.assertIn({"name": "lo", "address": "127.0.0.1", "loopback": True, "bits_per_second": None}, hosts["interfaces"])
        if hosts["resolver_answered"]:
            try:
                known = sorted({a[4][0] for a in socket.getaddrinfo(hosts["name"], None, socket.AF_INET)})
            except socket.gaierror:
                known = []
            self.assertEqual(sorted(hosts["name_addresses"]), known)
        trap = any(a.startswith("127.") for a in hosts["name_addresses"]) and hosts["address"] != ""
        self.assertEqual(trap, any("/etc/hosts" in a["text"] and a["level"] == "warning" for a in self.found["advice"]))

    def test_data(self):
        sets = {d["name"]: d for d in self.found["data"]["sets"]}
        self.assertEqual(self.found["data"]["folder"], self.data)
        self.assertEqual(sets["ptb"], {"name": "ptb", "found": True, "place": os.path.join(self.data, "ptb")})
        self.assertEqual(sets["sotu"]["place"], "part of tacet")
        self.assertIs(sets["wikitext-2"]["found"], False)
        self.assertNotIn("text", sets)  # files of a user's own

    def test_disks(self):
        disks = {d["use"]: d for d in self.found["disks"]}
        self.assertEqual(disks["data"]["folder"], self.data)
        self.assertEqual(disks["data"]["total_bytes"], shutil.disk_usage(self.data).total)
        self.assertIs(disks["runs"]["writable"], True)

    @unittest.skipIf(os.geteuid() == 0 and not shutil.which("setpriv"), "root may write everywhere, and there is no setpriv")
    def test_a_folder_that_cant_be_written(self):
        folder = self.path("closed")
        os.mkdir(folder, 0o555)
        os.chmod(self.folder, 0o755)
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        if drop and subprocess.run(drop + [COMMAND, "--version"], capture_output=True, check=False).returncode != 0:
            self.skipTest("nobody may not run " + COMMAND)
        ran = subprocess.run(drop + [COMMAND, "doctor"], capture_output=True, text=True, timeout=LIMIT, cwd=folder,
                             env=environment(HOME=folder), check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)  # --out may name another folder
        self.assertIn("runs can't be written", " ".join(ran.stdout.split()))

    def test_the_report_in_words(self):
        done = self.tacet("doctor", env=environment(TACET_DATA=self.data))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\x1b", done.stdout)
        for part in ("processor", "kernels", "blas", "openmp", "memory", "loopback", "hosts", "data", "disk"):
            self.assertRegex(done.stdout, r"(?m)^%s +\S" % part)
        words = " ".join(done.stdout.split())
        self.assertIn("ptb in " + os.path.join(self.data, "ptb"), words)
        for advice in self.found["advice"]:
            if advice["about"] != "memory":  # which differs from call to call
                self.assertIn(" ".join(advice["text"].split())[:60], words)

    def test_colour_on_terminals_only_and_not_against_the_users_will(self):
        empty = {"HOME": None, "TACET_DATA": None}  # which is worth a warning
        self.assertIn("\x1b[33m!", on_terminal("doctor", TERM="xterm", NO_COLOR=None, **empty))
        for more in ({"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": None, "TERM": "dumb"}):
            text = on_terminal("doctor", **more, **empty)
            self.assertIn("! neither", text)
            self.assertNotIn("\x1b", text)

    def test_two_runtimes_of_openmp(self):
        """libomp beside libgomp, as a wheel of torch brings one; loaded by force here."""
        second = next((p for p in ("/usr/lib/x86_64-linux-gnu/libomp.so.5", "/usr/lib/llvm-14/lib/libomp.so.5") if os.path.exists(p)), None)
        if second is None:
            # Any other library does under that name.
            source = next((p for p in ("/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/libz.so.1") if os.path.exists(p)), None)
            if source is None:
                self.skipTest("no library to load as a second runtime")
            second = self.path("libomp.so.5")
            shutil.copy(source, second)
        options = {"LD_PRELOAD": second, "ASAN_OPTIONS": "verify_asan_link_order=0"}  # for a build under AddressSanitizer
        found = json.loads(self.tacet("doctor", "--json", env=environment(**options)).stdout)
        self.assertEqual(len(found["openmp"]), len(self.found["openmp"]) + 1)
        self.assertTrue(any(a["about"] == "openmp" and os.path.realpath(second) in a["text"] for a in found["advice"]), found["advice"])


class Version(Case):
    def test_it_tells_what_the_program_is_made_of(self):
        text = self.tacet("--version").stdout
        lines = text.splitlines()
        self.assertRegex(lines[0], r"^\d+\.\d+\.\d+$")
        facts = dict(line.split(None, 1) for line in lines[1:])
        self.assertEqual(list(facts), ["commit", "libtorch", "oneDNN", "BLAS", "processor"])
        self.assertRegex(facts["commit"], r"^([0-9a-f]{7,40}(\+changes)?|unknown)$")
        self.assertRegex(facts["libtorch"], r"^\d+\.\d+\.\d+")
        self.assertEqual("no AVX2" in facts["processor"], "avx2" not in flags())

    def test_onednn_tells_its_version_itself(self):
        told = dict(line.split(None, 1) for line in self.tacet("--version").stdout.splitlines()[1:])["oneDNN"]
        if told == "none":
            print("test_onednn_tells_its_version_itself: left out, this build has no oneDNN")
            self.skipTest("a build without oneDNN")
        linked = subprocess.run(["ldd", COMMAND], capture_output=True, text=True, timeout=LIMIT, check=True).stdout
        library = ctypes.CDLL(re.search(r"libdnnl\S+ => (\S+)", linked).group(1))
        library.dnnl_version.restype = ctypes.POINTER(ctypes.c_int * 3)
        self.assertEqual(told, ".".join(map(str, library.dnnl_version().contents)))


if __name__ == "__main__":
    unittest.main()
