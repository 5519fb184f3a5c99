"""What a run takes of the machine: memory of a worker by the size of its model, of a simulation by its number of clients, and threads. Sizes are largest resident sets,
compared between two runs that differ in one thing, so that the program and its libraries are in both; no time is measured."""

import os
import pathlib
import struct
import unittest

from program import COMMAND, Case, environment

MB = 1e6


def run(*words):
    """A command to its end, as (exit status, largest resident set in bytes of its first process)."""
    pid = os.posix_spawn(COMMAND, [COMMAND, *words], environment(),
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024


def write_idx(folder, count, side=4):
    os.makedirs(folder)
    for stem, n in (("train", count), ("t10k", 20)):
        with open(os.path.join(folder, stem + "-labels-idx1-ubyte"), "wb") as f:
            f.write(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(i % 2 for i in range(n)))
        with open(os.path.join(folder, stem + "-images-idx3-ubyte"), "wb") as f:
            f.write(struct.pack(">BBBBIII", 0, 0, 8, 3, n, side, side) + os.urandom(n * side * side))


class Memory(Case):
    def peak(self, name, **tables):
        tables["run"] = {"threads": 1, "eval_every": 0, "checkpoint_every": 0}
        status, peak = run("train", self.recipe(name + ".toml", **tables), "--quiet", "--out", self.path(name))
        self.assertEqual(status, 0)
        return peak

    def test_clients_without_state(self):
        """2,000 clients on the data of 10: their table of images is as long, an offset a client and what the streams of
        batches keep are less than 500 bytes each, 1 MB; heaps of equal runs differ by 2 MB."""
        write_idx(self.path("images"), 4000)
        tables = {"data": {"name": "idx", "root": self.path("images"), "batch_size": 2, "bptt": None, "crop_padding": 0},
                  "model": {"name": "logistic", "layers": None, "embedding": None, "hidden": None},
                  "algorithm": {"name": "fedavg", "eta": 0.1, "gamma": None, "interval": 2}, "schedule": {"rounds": 20}}
        few = self.peak("few", clients={"count": 10, "participating": 10}, **tables)
        many = self.peak("many", clients={"count": 2000, "participating": 10}, **tables)
        print("\n10 clients %.1f MB, 2,000 clients %.1f MB" % (few / MB, many / MB))
        self.assertLess(many - few, 3 * MB)


    def test_copies_of_the_model(self):
        """Parameters, their gradient, the mean that a round starts from, which a checkpoint is written from as well, and the one
        that it makes: four copies of the model. Eight layers more of 256 are 4 * 256 * (2 * 256 + 2) * 8 floats, 16.8 MB; they
        add 0.3 MB to what a step of one sequence and five positions keeps. Heaps of equal runs differ, and
        oneDNN's products, without AVX-512, take memory of their own a layer: 4.02 to 4.34 copies were measured. One more is 5."""
        tables = {"data": {"batch_size": 1}, "algorithm": {"gamma": 1}, "clients": {"count": 1}, "schedule": {"rounds": 12}}
        model = {"embedding": 256, "hidden": 256, "weight_drop": 0}
        less = self.peak("less", model={"layers": 8, **model}, **tables)
        more = self.peak("more", model={"layers": 16, **model}, **tables)
        copies = (more - less) / (4 * 4 * 256 * (2 * 256 + 2) * 8)
        print("\n%.2f copies of the model" % copies)
        self.assertLess(copies, 4.5)


class Threads(Case):
    def test_none_but_those_asked_for(self):
        """With one thread nothing runs beside it between checkpoints, no pool of a linear algebra library either. With two
        there are OpenMP's second, that of libtorch's own pool, which sleeps, and at most one more. libtorch 2 has a thread
        for gradients on other devices, pt_autograd_0, which sleeps from the start to the end and is not counted."""
        for threads, most in ((1, 1), (2, 4)):
            settings = {"threads": threads, "eval_every": 0, "checkpoint_every": 0}
            recipe = self.recipe("t%d.toml" % threads, run=settings, schedule={"rounds": 100000})
            run_ = self.start("train", recipe, "--quiet", "--out", self.path("t%d" % threads))
            folder = self.path("t%d" % threads)
            self.until("10 rounds", lambda f=folder: self.rounds_so_far(f) >= 10, run_)
            names = [path.read_text().strip() for path in pathlib.Path("/proc/%d/task" % run_.process.pid).glob("*/comm")]
            counted = [name for name in names if name != "pt_autograd_0"]
            self.assertLessEqual(len(counted), most, "run.threads = %d: %s" % (threads, names))
            run_.end()


if __name__ == "__main__":
    unittest.main()
