"""What the command-line tests share: a tiny corpus and recipe of their own, short verbs to run the command, and a look at
the processes of a run through /proc. It needs Linux and python3's standard library, and no data but its own. The path of
the command is in the environment variable TACET_COMMAND. No tests are here."""

import fcntl
import json
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

LIMIT = 300  # seconds that any one command may take, generous for a busy machine; nothing here measures speed

TABLES = {
    "data": {"name": "text", "batch_size": 2, "bptt": 5},
    "model": {"name": "awd-lstm", "layers": 1, "embedding": 8},  # dropouts keep their defaults, all > 0
    "algorithm": {"name": "celgc", "eta": 1, "gamma": 0.25, "interval": 3},
    "clients": {"count": 4},
    "schedule": {"rounds": 6},
    "run": {},
}


COMMAND = os.path.abspath(os.environ["TACET_COMMAND"]) if os.environ.get("TACET_COMMAND") else ""
if not os.access(COMMAND, os.X_OK):
    sys.exit("TACET_COMMAND must be the path of the tacet command, got '%s'" % COMMAND)


def environment(**more):
    """Ours without what would place a worker, let it in or choose data; None removes a variable."""
    out = {k: v for k, v in os.environ.items() if k not in
           ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TACET_DATA", "TORCHELASTIC_USE_AGENT_STORE",
            "TACET_JOIN_TOKEN")
           and not k.startswith(("SLURM_", "OMPI_", "PMI"))}
    for name, value in more.items():
        out.pop(name, None) if value is None else out.update({name: str(value)})
    return out


def quartic_pair(rounds):
    """A recipe of celgc on two functions that disagree, whose runs take no time beside their start."""
    return """
[data]
name = "noise"
noise.kind = "uniform"
noise.scale = 1
[model]
name = "quartic-pair"
[algorithm]
name = "celgc"
eta = 0.01
gamma = 0.05
interval = 4
[clients]
count = 2
[schedule]
rounds = %d
[run]
checkpoint_every = 0
""" % rounds


def write_corpus(folder, lines=120):
    """30 words, 9 and an end a line; the same text every time."""
    os.makedirs(folder)
    draw = random.Random(1)
    for split, n in (("train", lines), ("valid", 10), ("test", 12)):
        with open(os.path.join(folder, split + ".txt"), "w", encoding="utf-8") as f:
            for _ in range(n):
                f.write(" ".join("w%d" % draw.randrange(30) for _ in range(9)) + "\n")
    return folder


def read_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def processes(session):
    """The living processes of a session: pid → rank (None for the launcher)."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
            if fields[0] in "ZX" or int(fields[3]) != session:
                continue
            with open("/proc/%s/environ" % name, "rb") as f:
                ranks = [v[5:] for v in f.read().split(b"\0") if v.startswith(b"RANK=")]
            found[int(name)] = int(ranks[0]) if ranks else None
        except (OSError, IndexError):
            continue  # it has just ended
    return found


class Run:
    """A command under way, in a session of its own, so that whatever it leaves behind can be found."""

    def __init__(self, args, env=None, cwd=None):
        self.output = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen([COMMAND, *args], stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, env=env or environment(), cwd=cwd,
                                        start_new_session=True)

    def wait(self, limit=LIMIT):
        return self.process.wait(limit)

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def members(self):
        return processes(self.process.pid)

    def pid_of(self, rank):
        return next((pid for pid, r in self.members().items() if r == rank), None)

    def end(self):
        for pid in self.members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.output.close()


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tacet-cli-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.corpus = write_corpus(cls.path("corpus"))

    @classmethod
    def path(cls, *parts):
        return os.path.join(cls.folder, *parts)

    @classmethod
    def recipe(cls, name="recipe.toml", **changes):
        """Writes a recipe; recipe(algorithm={"eta": 2}) changes keys of a table, None leaves a key out."""
        text = ""
        for table, keys in TABLES.items():
            keys = {**keys, **({"root": cls.corpus} if table == "data" else {}), **changes.get(table, {})}
            text += "[%s]\n" % table
            for key, value in keys.items():
                if value is not None:
                    text += "%s = %s\n" % (key, "inf" if value == float("inf") else json.dumps(value))
        with open(cls.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return cls.path(name)

    @classmethod
    def tacet(cls, *args, env=None, limit=LIMIT, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
        """Runs the command to its end; stdout and stderr apart, or in the files given."""
        return subprocess.run([COMMAND, *args], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                              env=env or environment(), cwd=cls.folder, timeout=limit, text=True, errors="replace",
                              check=False)

    @classmethod
    def train(cls, recipe, out, *args):
        """A run that has to succeed; returns its folder."""
        done = cls.tacet("train", recipe, "--out", cls.path(out), *args)
        if done.returncode != 0:
            raise AssertionError("train %s ended with %d: %s" % (" ".join(args), done.returncode, done.stderr))
        return cls.path(out)

    def on_terminal(self, columns, *args):
        """What a command writes to a terminal of that width as its stderr; it has to succeed."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([COMMAND, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
                                   env=environment(), cwd=self.folder)
        os.close(theirs)
        text = until_closed(ours)
        self.assertEqual(process.wait(LIMIT), 0, text)
        return text.decode()

    def start(self, *args, **options):
        run = Run(args, cwd=self.folder, **options)
        self.addCleanup(run.end)
        return run

    def until(self, what, condition, run=None, limit=LIMIT):
        """Waits until condition() is true and returns its value; `run` must not end before."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            if run is not None and run.process.poll() is not None:
                self.fail("the command ended with %d before %s: %s" % (run.process.returncode, what, run.text()))
            time.sleep(0.005)
        self.fail("waited %d s in vain for %s" % (limit, what))

    def summary(self, folder):
        return read_json(os.path.join(folder, "summary.json"))

    def sha(self, folder):
        summary = self.summary(folder)
        self.assertEqual(summary["status"], "done")
        self.assertRegex(summary["model_sha256"], "^[0-9a-f]{64}$")
        return summary["model_sha256"]

    def metrics(self, folder, event=None):
        with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        return [m for m in lines if event in (None, m["event"])]

    def rounds_so_far(self, folder):
        """Whole "round" lines; the file may be absent or still growing."""
        try:
            with open(os.path.join(folder, "metrics.jsonl"), encoding="utf-8") as f:
                return sum('"event":"round"' in line and line.endswith("\n") for line in f)
        except FileNotFoundError:
            return 0

    def results(self, folder):
        """The lines of metrics.jsonl without what placement and time decide."""
        placed = ("seconds", "exchange_seconds", "data_wait_seconds", "bytes_sent", "slowest", "waited")
        return [{k: v for k, v in m.items() if k not in placed}
                for m in self.metrics(folder) if m["event"] != "membership"]

    def assertNobodyLeft(self, run):
        """Workers that were sent SIGKILL need a moment to be gone."""
        self.until("the end of all processes of the run", lambda: not run.members(), limit=10)

    def assertNothingHalfWritten(self, folder):
        """Every file that is there under its own name can be read whole."""
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                if name.endswith(".json") and ".part" not in path:
                    read_json(path)
                if name.endswith(".safetensors") and ".part" not in path:
                    read_header(path)
        self.metrics(folder)


def read_header(path):
    """The header of a safetensors file, checked against the file's size."""
    with open(path, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(size))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if 8 + size + max(ends, default=0) != os.path.getsize(path):
        raise AssertionError("%s: the header does not fit the file's size" % path)
    return header


def until_closed(terminal):
    """All that comes out of a terminal until its other end is closed, which is then closed here too."""
    text = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        text += part
    os.close(terminal)
    return text


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def keys_in(value, path=""):
    """The paths of all keys: "runs[].final.eval_loss"."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            here = path + ("." if path else "") + key
            found |= {here} | keys_in(inner, here)
    if isinstance(value, list):
        for inner in value:
            found |= keys_in(inner, path + "[]")
    return found


def documented(command):
    """The keys in the table below a command's heading in docs/reference/commands.md."""
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"
    section = re.search(r"^### `tacet %s`\n(.*?)(?=^##|\Z)" % re.escape(command), page.read_text(), re.S | re.M).group(1)
    return {key for cell in re.findall(r"^\| (`.*?) \|", section, re.M) for key in re.findall(r"`([^`]+)`", cell)}
