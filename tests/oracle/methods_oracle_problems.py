"""What the clients minimise: quadratics in NumPy, and two small networks in PyTorch with explicit mini-batches.

A problem has `x0`, `layers` ([[offset, size], …]) or None when the configuration must give them, and gradient(i, r, k, y)
-> gradient, loss of client i's k-th draw in round r (r = "begin" before round 0), counted from 0. leftover() names a draw
that was given and not used. The draws' random parts are all given by the configuration, so nothing random is left.
"""

import os
import sys

import numpy as np


class InputError(Exception):
    """The caller's input is wrong; the message names the place, what is allowed and what was given."""


def entry(container, key, place):
    """container[key] of a JSON list or object, whose keys are strings; [] when it is not there."""
    if isinstance(container, dict):
        return container.get(str(key), [])
    if isinstance(container, list):
        return container[key] if isinstance(key, int) and key < len(container) else []
    raise InputError(f"{place} must be a list or an object, got {type(container).__name__}")


class Given:
    """given[round][client] = one thing a draw, in drawing order."""

    def __init__(self, given, place):
        self.given, self.place, self.used = given, place, {}

    def take(self, i, r, k):
        things = entry(entry(self.given, r, self.place), i, self.place)
        if k >= len(things):
            raise InputError(f"{self.place}: round {r}, client {i} must have at least {k + 1} draws, got {len(things)}")
        self.used[str(r), str(i)] = max(k + 1, self.used.get((str(r), str(i)), 0))
        return things[k]

    def leftover(self):
        """The first round and client that were given more draws than the method took, as text, or None."""
        for r, clients in pairs(self.given):
            for i, things in pairs(clients):
                used = self.used.get((r, i), 0)
                if len(things) > used:
                    return f"{self.place}: round {r}, client {i} has {len(things)} draws, but the method takes {used}"
        return None


def pairs(container):
    return container.items() if isinstance(container, dict) else ((str(k), v) for k, v in enumerate(container))


def need(problem, key, place="problem"):
    if key not in problem:
        raise InputError(f"{place}.{key} is missing")
    return problem[key]


def only(problem, allowed):
    unknown = sorted(set(problem) - set(allowed))
    if unknown:
        raise InputError(f"problem.{unknown[0]} is not known; allowed: {', '.join(allowed)}")


class Quadratic:
    """f_i(x) = ½a_i‖x − b_i·1‖². A draw is the exact gradient plus a given vector of noise; the loss is without noise."""

    x0 = layers = None

    def __init__(self, problem, clients):
        only(problem, ("kind", "a", "b", "noise"))
        self.a, self.b = need(problem, "a"), need(problem, "b")
        if len(self.a) != clients or len(self.b) != clients:
            raise InputError(f"problem.a and problem.b must hold {clients} numbers, got {len(self.a)} and {len(self.b)}")
        self.noise = Given(problem["noise"], "problem.noise") if problem.get("noise") is not None else None

    def gradient(self, i, r, k, y):
        off = y - self.b[i]
        g = self.a[i] * off
        if self.noise is not None:
            given = np.array(self.noise.take(i, r, k), dtype=np.float64)
            if given.shape != y.shape:
                raise InputError(
                    f"problem.noise: round {r}, client {i}, draw {k} must hold {y.size} numbers, got {given.size}"
                )
            g = g + given
        return g, 0.5 * self.a[i] * float(np.sum(off * off))

    def leftover(self):
        return self.noise.leftover() if self.noise is not None else None


def make_problem(problem, clients, folder):
    kind = need(problem, "kind")
    if kind == "quadratic":
        return Quadratic(problem, clients)
    if kind in ("lm", "cnn"):
        try:
            import methods_oracle_networks as networks
        except ImportError as error:
            print(f"methods_oracle.py: skipped, {kind} needs python3-torch: {error}", file=sys.stderr)
            sys.exit(77)
        make = networks.LanguageProblem if kind == "lm" else networks.ImageProblem
        return make(problem, clients, lambda path: os.path.join(folder, path))
    raise InputError(f"problem.kind must be quadratic, lm or cnn, got {kind!r}")
