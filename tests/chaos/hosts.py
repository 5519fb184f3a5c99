"""Hosts for tests: network namespaces on one bridge, with names of their own, that are removed when a test ends. Nothing outside
of them is contacted. It knows nothing about training but the variables by which a worker finds its place."""

import os
import shutil
import signal
import subprocess

from program import COMMAND, Case, environment

HOSTS = tuple("h%d" % k for k in range(1, 9))
PREFIX = "tacet-%d-" % os.getpid()
TOKEN = "0123456789abcdef0123456789abcdef"
ADDRESS = "10.78.0.%d"


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


def end_by_exception():
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, interrupted)


class HostsCase(Case):
    """A test on hosts h1, h2, … with the addresses 10.78.0.1, .2, …"""

    def forget(self, name):
        self.kill(name)
        ip("netns", "del", PREFIX + name)

    def add(self, name):
        ip("netns", "add", PREFIX + name)
        self.addCleanup(self.forget, name)
        ip("-n", PREFIX + name, "link", "set", "lo", "up")

    def pids(self, name):
        return [int(pid) for pid in ip("netns", "pids", PREFIX + name).split()]

    def kill(self, name):
        for pid in self.pids(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def make_hosts(self, count=3):
        self.add("switch")
        ip("-n", PREFIX + "switch", "link", "add", "bridge0", "type", "bridge")
        ip("-n", PREFIX + "switch", "link", "set", "bridge0", "up")
        for k, name in enumerate(HOSTS[:count]):
            self.add(name)
            ip("-n", PREFIX + name, "link", "add", "net0", "type", "veth", "peer", "name", name, "netns", PREFIX + "switch")
            ip("-n", PREFIX + "switch", "link", "set", name, "master", "bridge0", "up")
            ip("-n", PREFIX + name, "addr", "add", ADDRESS % (k + 1) + "/24", "dev", "net0")
            ip("-n", PREFIX + name, "link", "set", "net0", "up")

    def cable(self, name, state):
        """state: "down" is a cable that was pulled out, which both ends see; "up"."""
        ip("-n", PREFIX + "switch", "link", "set", name, state)

    def losing(self, name, everything):
        """Every packet of a host is lost without either end seeing it, or none."""
        ip("-n", PREFIX + "switch", "link", "set", name, *(["nomaster"] if everything else ["master", "bridge0"]))

    def place(self, rank, world=3):
        """Where a worker finds the others: h1 serves the rendezvous."""
        return environment(RANK=rank, WORLD_SIZE=world, MASTER_ADDR=ADDRESS % 1, MASTER_PORT=29500, TACET_JOIN_TOKEN=TOKEN)

    def start_on(self, name, args, env, output):
        """The command on a host; what it says goes to `output`, a file."""
        run = subprocess.Popen(["ip", "netns", "exec", PREFIX + name, COMMAND, *args], env=env,
                               stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(run.wait, 10)
        self.addCleanup(run.kill)
        return run
