#!/usr/bin/env python3
"""An independent run of every method, in NumPy, on problems whose random parts are all given.

It is a witness for tests: from the same start, rates, sampled clients and draws it must see the same models and losses as
tacet. It is written from the papers' definitions and shares no code with tacet; clients are simulated one after the other in
float64. Networks compute their gradients in float32 PyTorch.

    methods_oracle.py CONFIG.json [--out OUT.json] [--break RULE | --every-break]
    methods_oracle.py --list-breaks [CONFIG.json]
    methods_oracle.py --list-methods [--out OUT.json]
    methods_oracle.py --selfcheck
    methods_oracle.py --example DIR

README.md beside this file documents the fields of CONFIG.json and of the output. Exit codes: 0 done, 1 a self-check
failed, 2 the input is wrong (nothing is written), 77 NumPy (or, for a network, PyTorch) is missing.
"""

import argparse
import collections
import json
import math
import os
import sys

try:
    import numpy as np
except ImportError as error:
    print(f"methods_oracle.py: skipped, it needs numpy: {error}", file=sys.stderr)
    sys.exit(77)

sys.dont_write_bytecode = True
import methods_oracle_adaptive as adaptive
import methods_oracle_methods as methods
import methods_oracle_outer as outer
import methods_oracle_streaming as streaming
from methods_oracle_breaks import BREAKS, applicable
from methods_oracle_problems import InputError, make_problem

# ---- configuration ----

STEP = {"momentum": 0.0, "weight_decay": 0.0}
CLIPPED = {**STEP, "decay_in_norm": False}
LAYERS = {"per_layer": False, "per_coordinate": False}
LOOSE = {**CLIPPED, **LAYERS, "delta": 0.0}
UPDATES = {"max_update": math.inf}
HEAVY = {"momentum": 0.9, "weight_decay": 0.0}
BETAS = {"beta1": 0.9, "beta2": 0.999}
AMS = {**BETAS, "epsilon": ...}
SERVER = {**STEP, "server_eta": ..., "beta1": ..., "beta2": ..., "tau": ...}
INNER = {
    **CLIPPED,
    **BETAS,
    "inner": "sgd",
    "epsilon": 1e-8,
    "max_norm": math.inf,
    "muon_momentum": 0.95,
    "muon_iteration": "muloco",
    "muon_scale": "muloco",
    "others_rate": 0.1,
}
LOC = {**BETAS, "epsilon": 1e-8, "max_norm": 1.0}
SHARES = {"weights": None}  # the clients' shares of the data × N
OUTER = {"outer": "nesterov", "outer_eta": 0.7, "outer_momentum": 0.9, "outer_beta2": 0.99, "outer_tau": 1e-3}

STREAMING = {"fragments": 1, "delay": 0, "merge": "replace", "mix": 0.0}
SPARSE = {"density": 1 / 64, "chunk": 4096, "values": "f32", "feedback": 0.95}

# method: (one round, its options with their defaults, does it clip?); ... makes an option required.
METHODS = {
    "sgd-clip": (methods.clipped_sgd, LOOSE, True),
    "mixed-clip": (methods.mixed_clip, {"beta": ..., "nu": ...}, True),
    "naive-clip": (methods.clipped_sgd, {**CLIPPED, **LAYERS}, True),
    "naive-clip-partial": (methods.clipped_sgd_partial, {"weight_decay": 0.0, "decay_in_norm": False, "momentum": 0.0}, True),
    "parallel-sgd": (methods.plain_sgd, HEAVY, False),
    "celgc": (methods.celgc, {**LOOSE, **UPDATES}, True),
    "celgc-overlap": (methods.celgc_overlap, {**CLIPPED, "delay": 1}, True),
    "celgc-partial": (methods.celgc_partial, CLIPPED, True),
    "fedavg": (methods.fedavg, {**STEP, **UPDATES, "weighted": False, "weights": None}, False),
    "diloco": (outer.diloco, {**INNER, **OUTER, "inner": "adamw", "beta2": 0.95}, True),
    "muloco": (outer.diloco, {**INNER, **OUTER, "inner": "muon", "beta2": 0.95, "outer_momentum": 0.6}, True),
    "diloco-streaming": (streaming.streaming, {**INNER, **OUTER, **STREAMING, "inner": "adamw", "beta2": 0.95}, True),
    "sparseloco": (streaming.sparseloco, {**INNER, **SPARSE, "outer_eta": 1.0, "inner": "adamw", "beta2": 0.95}, True),
    "fed-nova": (outer.fed_nova, {**STEP, **SHARES, "mu": 0.0, "weighted": True}, False),
    "feddyn": (outer.feddyn, {**INNER, **SHARES, "alpha": ...}, True),
    "fed-exp": (outer.fed_exp, {**INNER, "server_epsilon": 1e-3}, True),
    "dp-fedavg": (
        outer.dp_fedavg,
        {
            **INNER,
            "noise_multiplier": 0.0,
            "clip_norm": 0.1,
            "clip_rate": 0.2,
            "clip_quantile": 0.5,
            "bit_noise": math.inf,
        },
        True,
    ),
    "local-adam": (outer.des_loc, {**LOC, "first_every": 1, "second_every": 1}, False),
    "des-loc": (outer.des_loc, {**LOC, "first_every": 3, "second_every": 6}, False),
    "norm-ec": (
        outer.norm_ec,
        {"alpha": ..., "message_length": ..., "local_rate": 1.0, "server_normalised": False},
        False,
    ),
    "i-nsgd": (outer.i_nsgd, {"power": 1.0, "gain": 1.0, "noise_slope": 1.0, "noise_floor": 0.0}, False),
    "scaffnew": (outer.scaffnew, {}, True),
    "clip21": (outer.clip21, {"beta1": 0.0, "message_share": 1.0}, True),
    "fedprox": (methods.fedprox, {**STEP, "mu": ...}, True),
    "minibatch-clip": (methods.minibatch_clip, CLIPPED, True),
    "scaffold": (methods.scaffold, {**CLIPPED, "variate": "average", "init_corrections": False}, True),
    "episode": (methods.episode, {**CLIPPED, "resampling": 1}, True),
    "episode++": (methods.episode_pp, CLIPPED, True),
    "fed-ams": (adaptive.fed_ams, {**AMS, "persist": True}, False),
    "fed-lamb": (
        adaptive.fed_lamb,
        {
            **AMS,
            "weight_decay": 0.0,
            "phi_min": 0.0,
            "phi_max": math.inf,
            "persist": False,
            "layerwise": True,
            "correct_m": True,
            "correct_v": False,
        },
        False,
    ),
    "fed-adam": (adaptive.server_adaptive(adaptive.adam_moment), SERVER, False),
    "fed-yogi": (adaptive.server_adaptive(adaptive.yogi_moment), SERVER, False),
    "fed-adagrad": (adaptive.server_adaptive(adaptive.adagrad_moment), {**SERVER, "beta2": 0.9}, False),  # β₂: a broken rule's
    "sign-sgd-gen": (methods.sign_sgd_gen, {"beta1": ..., "beta2": ..., "weight_decay": 0.0}, False),
    "adam": (
        methods.adam,
        {**BETAS, "epsilon": 1e-8, "weight_decay": 0.0, "decoupled": False, "max_norm": math.inf, "amsgrad": False},
        False,
    ),
    "lamb": (methods.lamb, {**BETAS, "epsilon": ..., "weight_decay": 0.01, "phi_min": 0.0, "phi_max": math.inf}, False),
    "lars": (methods.lars, {**HEAVY, "trust": ...}, False),
    "sgd": (methods.plain_sgd, STEP, False),
    "momentum": (methods.plain_sgd, HEAVY, False),
    "normalized": (methods.normalized, {"beta": ..., "weight_decay": 0.0}, False),
}
BEGIN = {"episode++": methods.begin_episode_pp, "scaffold": methods.begin_scaffold}  # before round 0, with every client
WORDS = {
    "variate": ("average", "drift"),
    "inner": ("sgd", "adamw", "muon"),
    "outer": ("nesterov", "momentum", "sgd", "adam"),
    "merge": ("replace", "add"),
    "values": ("f32", "2bit"),
    "muon_iteration": ("muloco", "jordan"),
    "muon_scale": ("muloco", "jordan", "moonlight"),
}
FROM_CONFIG = ("eta", "gamma", "interval")  # options that `rates` and `interval` stand for; ignored
KEYS = ("method", "options", "clients", "interval", "rounds", "sampled", "rates", "x0", "layers", "problem", "steps", "lengths", "shapes", "server_noise")


def is_int(v):
    return isinstance(v, int) and not isinstance(v, bool)


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool) and not math.isnan(v)


def check(holds, message):
    if not holds:
        raise InputError(message)


def checked_options(method, given):
    """The method's options with their defaults; null stands for infinity."""
    allowed, options = METHODS[method][1], {}
    unknown = sorted(set(given) - set(allowed) - set(FROM_CONFIG))
    check(not unknown, f"options: {unknown[:1]} is no option of {method}; allowed: {', '.join(allowed)}")
    for name, default in allowed.items():
        check(name in given or default is not ..., f"options.{name} is missing")
        value = given.get(name, default)
        if name == "weights":
            check(value is None or isinstance(value, list) and all(map(is_number, value)), "options.weights must be numbers")
        elif isinstance(default, bool):
            check(isinstance(value, bool), f"options.{name} must be true or false, got {value!r}")
        elif isinstance(default, str):
            check(value in WORDS[name], f"options.{name} must be {' or '.join(WORDS[name])}, got {value!r}")
        else:
            value = math.inf if value is None else value
            check(is_number(value), f"options.{name} must be a number, got {value!r}")
        options[name] = value
    return options


def checked(raw, place):
    """The configuration with its defaults filled in. Raises InputError naming what is wrong."""
    check(isinstance(raw, dict), f"{place}: must be a JSON object")
    unknown = sorted(set(raw) - set(KEYS))
    check(not unknown, f"{place}: unknown key {unknown[:1]}; allowed: {', '.join(KEYS)}")
    for key in KEYS[:7] + ("problem",):
        check(key in raw or key == "options", f"{place}: {key} is missing")
    config = dict({"options": {}, "x0": None, "layers": None, "steps": None, "lengths": None, "shapes": None, "server_noise": None}, **raw)
    for key in ("clients", "interval", "rounds"):
        check(is_int(config[key]) and config[key] >= 1, f"{place}: {key} must be an integer >= 1, got {config[key]!r}")
    check(config["method"] in METHODS, f"{place}: method must be one of {', '.join(METHODS)}, got {config['method']!r}")
    config["options"] = checked_options(config["method"], config["options"])
    n = config["clients"]
    for key in ("sampled", "rates"):
        check(
            len(config[key]) == config["rounds"],
            f"{place}: {key} must hold {config['rounds']} rounds, got {len(config[key])}",
        )
    for r, ids in enumerate(config["sampled"]):
        check(
            ids and len(set(ids)) == len(ids) and all(is_int(i) and 0 <= i < n for i in ids),
            f"{place}: sampled[{r}] must hold different clients of 0 … {n - 1}, got {ids}",
        )
    if config["steps"] is not None:
        wrong = [s for s in config["steps"] if not is_int(s) or not 1 <= s <= config["interval"]]
        check(len(config["steps"]) == n and not wrong, f"{place}: steps must hold {n} integers from 1 to interval")
    lengths = config["lengths"] or [config["interval"]] * config["rounds"]
    wrong = [s for s in lengths if not is_int(s) or s < 1]
    check(len(lengths) == config["rounds"] and not wrong, f"{place}: lengths must hold {config['rounds']} integers >= 1")
    clips, steps = METHODS[config["method"]][2], 1 if config["method"] == "minibatch-clip" else max(lengths)
    rates = []
    for r, by_step in enumerate(config["rates"]):
        check(len(by_step) >= steps, f"{place}: rates[{r}] must hold {steps} pairs, got {len(by_step)}")
        for eta, gamma in by_step:
            check(is_number(eta) and eta > 0, f"{place}: rates[{r}]: η must be > 0, got {eta!r}")
            check(
                gamma is None or is_number(gamma) and gamma > 0, f"{place}: rates[{r}]: γ must be > 0 or null, got {gamma!r}"
            )
        rates.append([(eta, math.inf if gamma is None or not clips else gamma) for eta, gamma in by_step])
    config["rates"] = rates
    if config["options"].get("noise_multiplier"):
        given = config["server_noise"] or []
        check(len(given) == config["rounds"], f"{place}: server_noise must hold {config['rounds']} rounds, got {len(given)}")
    if config["options"].get("weighted"):
        weights = config["options"]["weights"]
        check(weights is not None and len(weights) == n, f"{place}: options.weights must hold {n} numbers")
    return config


# ---- a run ----


class Run:
    """What a method sees of round r, and what it draws."""

    def __init__(self, config, folder, broken):
        self.clients, self.interval, self.rounds = config["clients"], config["interval"], config["rounds"]
        self.options, self.broken, self.config = config["options"], broken, config
        self.problem = make_problem(config["problem"], self.clients, folder)
        x0 = self.problem.x0 if config["x0"] is None else config["x0"]
        check(x0 is not None, "x0 is missing")
        self.steps = config["steps"] or [self.interval] * self.clients
        self.x0 = np.array(x0, dtype=np.float64)
        self.layers = config["layers"] or self.problem.layers or [[0, self.x0.size]]
        self.shapes = config["shapes"] or [None] * len(self.layers)  # rows and columns of the layers that are matrices
        check(len(self.shapes) == len(self.layers), "shapes must hold one entry a layer")
        ends = [0] + [offset + size for offset, size in self.layers]
        starts = [offset for offset, _ in self.layers] + [self.x0.size]
        check(ends == starts, f"layers must cover 0 … {self.x0.size} in order and without gaps, got {self.layers}")
        self.notes, self.shared_norm, self.kept, self.count = set(), None, None, 0
        self.loss = collections.defaultdict(dict)  # by round ("begin" before round 0) and client
        self.r, self.sampled, self.start = "begin", list(range(self.clients)), self.x0

    def gradient(self, i, y):
        """Client i's next gradient of the round, at y."""
        drawn = self.loss[self.r].setdefault(str(i), [])
        g, loss = self.problem.gradient(i, self.r, len(drawn), y)
        drawn.append(loss)
        return g

    def rates(self, t):
        """η, γ of local step t."""
        r, t = 0 if self.broken == "first-round-rates" else self.r, 0 if self.broken == "first-step-rates" else t
        return self.config["rates"][r][t]

    def note(self, fact):
        self.notes.add(fact)


def facts(config, run):
    """What happened in a run, as far as a broken rule needs it to show."""
    sampled, n = config["sampled"], config["clients"]
    if config["method"] == "celgc-partial":  # everybody trains; being sampled is meeting
        present = [list(range(n))] * len(sampled)
    else:
        present = sampled
    later = [set().union(*map(set, present[r + 1 :])) for r in range(len(sampled))]
    meets_later = [set().union(*map(set, sampled[r + 1 :])) for r in range(len(sampled))]
    weights = config["options"].get("weights") or [1] * n

    def change(a, b):
        return abs(a[0] - b[0]) > 0.05 * b[0] and (math.isinf(b[1]) or abs(a[1] - b[1]) > 0.05 * b[1])

    rates = config["rates"]
    found = collections.defaultdict(bool, {note: True for note in run.notes})
    found.update(
        rounds=config["rounds"],
        interval=config["interval"],
        layers=len(run.layers),
        several=any(len(s) > 1 for s in sampled),
        partial=any(len(s) < n for s in sampled),
        partial_early=any(len(s) < n for s in sampled[:-1]),
        again=any(set(p) & l for p, l in zip(present, later)),
        again_after_first=any(set(p) & l for p, l in list(zip(present, later))[1:]),
        again_after_meeting=any(len(s) > 1 and set(s) & l for s, l in zip(sampled, later)),
        back=any(l - set(s) for s, l in zip(sampled, meets_later)),
        unequal_weights=any(max(weights[i] for i in s) > 1.05 * min(weights[i] for i in s) for s in sampled),
        finite_gamma=any(not math.isinf(gamma) for by_step in rates for _, gamma in by_step),
        rates_change_within=any(change(pair, by_step[0]) for by_step in rates for pair in by_step[: config["interval"]]),
        rates_change_between=any(change(by_step[0], rates[0][0]) for by_step in rates),
    )
    return found


def simulate(config, folder, broken=None):
    """Runs the configuration -> the output document and the facts."""
    run = Run(config, folder, broken)
    x, state, seen = run.x0, {}, []
    if config["method"] in BEGIN:
        BEGIN[config["method"]](run, x, state)
    for r in range(config["rounds"]):
        run.r, run.sampled, run.start = r, sorted(config["sampled"][r]), x
        if config["lengths"]:
            run.steps = [config["lengths"][r]] * run.clients
        x = METHODS[config["method"]][0](run, x, state)
        seen.append(x.tolist())
    left = run.problem.leftover()
    check(broken or left is None, left)
    found = facts(config, run)
    result = {
        "x": seen,
        "loss": [run.loss[r] for r in range(config["rounds"])],
        "begin_loss": run.loss["begin"],
        "state": for_json(state),
        "facts": dict(found),
    }
    return result, found


def shows(config, right, wrong):
    """How far a broken run is from the unbroken one, and whether that is ten times what a test may allow."""
    x, y = np.array(right["x"]), np.array(wrong["x"])
    gap = np.max(np.linalg.norm(y - x, axis=1) / np.linalg.norm(x, axis=1))
    return gap, not gap <= (1e-4 if config["problem"]["kind"] == "quadratic" else 1e-3)


def every_break(config, folder, right, rules):
    """{rule: broken run} of the rules that show; the others are named on the standard error stream."""
    runs = {}
    for rule in rules:
        with np.errstate(all="ignore"):  # a broken rule may divide by zero
            wrong = simulate(config, folder, rule)[0]
            gap, seen = shows(config, right, wrong)
        if seen:
            runs[rule] = wrong
        else:
            print(f"methods_oracle.py: left out {rule}: it changes x by {gap:.1e} only", file=sys.stderr)
    return runs


def for_json(value):
    """Arrays become lists, keys strings, and numbers that are not finite null: a null never compares as close."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): for_json(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_config(path):
    """-> configuration, the folder that its files are relative to."""
    try:
        with open(path, encoding="utf-8") as file:
            return checked(json.load(file), path), os.path.dirname(path)
    except (OSError, json.JSONDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from problem


def write(result, out):
    """The result as JSON to a file, or to standard output without one; -> exit code."""
    text = json.dumps(for_json(result), allow_nan=False)
    if out:
        with open(out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("config", nargs="?")
    parser.add_argument("--out", help="where the result goes; standard output by default")
    parser.add_argument("--break", dest="broken", choices=BREAKS, metavar="RULE", help="break this rule on purpose")
    parser.add_argument("--every-break", action="store_true", help="one run for each applicable rule, all in one output")
    parser.add_argument("--list-breaks", action="store_true", help="rules, what breaking them does and what must be on")
    parser.add_argument("--list-methods", action="store_true", help="the names of the methods that are defined here")
    parser.add_argument("--selfcheck", action="store_true", help="check the oracle itself")
    parser.add_argument("--example", metavar="DIR", help="write one configuration a problem kind into this new folder")
    options = parser.parse_args()
    try:
        if options.selfcheck:
            import methods_oracle_selfcheck

            return methods_oracle_selfcheck.main()
        if options.example:
            import methods_oracle_examples

            return methods_oracle_examples.write_examples(options.example)
        if options.list_breaks:
            rules = BREAKS
            if options.config:
                config, folder = load_config(options.config)
                rules = applicable(config, simulate(config, folder)[1])
            for rule in rules:
                what, of, when, _ = BREAKS[rule]
                print(f"{rule}\t{what}\t{', '.join(of)}\t{when}")
            return 0
        if options.list_methods:
            return write(list(METHODS), options.out)
        if options.config is None:
            parser.error("a configuration is needed")
        config, folder = load_config(options.config)
        result, found = simulate(config, folder)
        rules = applicable(config, found)
        if options.every_break:
            if options.broken:
                parser.error("--every-break goes without --break")
            result = {"none": result, **every_break(config, folder, result, rules)}
        elif options.broken:
            if options.broken not in rules:
                what = f"one of {', '.join(BREAKS[options.broken][1])} and {BREAKS[options.broken][2]}"
                raise InputError(f"--break {options.broken} needs {what} in {options.config}")
            with np.errstate(all="ignore"):
                result = simulate(config, folder, options.broken)[0]
        return write(result, options.out)
    except InputError as problem:
        print(f"methods_oracle.py: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    import methods_oracle  # as a module, so that it is the same one that the self-check sees

    sys.exit(methods_oracle.main())
