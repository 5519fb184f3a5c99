"""What the peers share: arguments, the clipped step, the loop that times steps, and the one JSON line that they print. The
networks are in the other files; nothing here knows tacet."""

import argparse
import json
import resource
import statistics
import sys
import time

import torch


def arguments(description, **defaults):
    """Options --threads, --seconds, --steps and --wait, and an integer option for each default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5, help="time steps for so long")
    parser.add_argument("--steps", type=int, default=3, help="but at least so many")
    parser.add_argument("--wait", action="store_true", help='print "ready" after the warm-up and go on at a line on stdin')
    for name, default in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    return options


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def clipped_step(parameters, optimizer, eta, gamma):
    """x −= min(η, γ/‖g‖) g."""
    torch.nn.utils.clip_grad_norm_(parameters, gamma / eta)
    optimizer.step()


def ready(options):
    if options.wait:
        print("ready", flush=True)
        sys.stdin.readline()


def report(options, parameters, seconds, minor_faults):
    print(json.dumps({"seconds": seconds, "threads": options.threads, "minor_faults": minor_faults,
                      "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "parameters": sum(p.numel() for p in parameters), "torch": torch.__version__}), flush=True)


def time_steps(options, parameters, step):
    """Two steps of warm-up, then the median of as many as fit into --seconds."""
    for _ in range(2):
        step()
    ready(options)
    times = []
    before = faults()
    start = time.perf_counter()
    while len(times) < options.steps or time.perf_counter() - start < options.seconds:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    report(options, parameters, statistics.median(times), (faults() - before) / len(times))
