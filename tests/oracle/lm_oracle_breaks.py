"""The rules that lm_oracle.py can break on purpose, and when breaking one must show.

A comparison that passes against a broken oracle is blind to that rule; this list is how tests prove that they are not.
What each break changes in the run is in lm_oracle.py, at the place of the rule itself.
"""


def averages(c, f):
    return c["algorithm"] in ("celgc", "fedavg") and c["clients"] > 1 and f["rounds"] > 1


def joint(c):
    return c["algorithm"] == "naive-clip" and c["clients"] > 1


# rule: (what it does instead, what a run must have for that to show, the same as a test of configuration c and facts f)
BREAKS = {
    "norm-with-decay": (
        "the norm is of g + λy",
        "clipped steps, weight_decay",
        lambda c, f: f["clipped"] and c["weight_decay"],
    ),
    "norm-of-direction": (
        "the norm is of the momentum's direction",
        "clipped steps, momentum or weight_decay",
        lambda c, f: f["clipped"] and (c["momentum"] or c["weight_decay"]),
    ),
    "norm-per-layer": ("each tensor is clipped by its own norm", "clipped steps", lambda c, f: f["clipped"]),
    "gamma-as-threshold": (
        "γ bounds the gradient, not the step",
        "clipped steps, eta other than 1",
        lambda c, f: f["clipped"] and c["eta"] != 1,
    ),
    "mean-norm": (
        "clients clip by the mean of their norms",
        "clipped steps, celgc, two clients",
        lambda c, f: f["clipped"] and averages(c, f),
    ),
    "clip-before-average": (
        "each client's gradient is clipped, then averaged",
        "clipped steps, naive-clip, two clients",
        lambda c, f: f["clipped"] and joint(c),
    ),
    "sum-of-gradients": (
        "gradients are summed, not averaged",
        "naive-clip, two clients",
        lambda c, f: joint(c),
    ),
    "no-average": ("clients never meet before the end", "celgc or fedavg, two clients, two rounds", averages),
    "average-before-last-step": (
        "models meet one local step early",
        "celgc or fedavg, two clients, two rounds, interval > 1",
        lambda c, f: averages(c, f) and c["interval"] > 1,
    ),
    "average-momentum": (
        "momentum is averaged with the models",
        "celgc or fedavg, two clients, two rounds, momentum",
        lambda c, f: averages(c, f) and c["momentum"],
    ),
    "reset-momentum": (
        "momentum restarts from zero at each round",
        "celgc or fedavg, two clients, two rounds, momentum",
        lambda c, f: averages(c, f) and c["momentum"],
    ),
    "average-hidden": (
        "the hidden state is averaged with the models",
        "celgc or fedavg, two clients, two rounds, hidden state carried",
        lambda c, f: averages(c, f) and f["carried_windows"],
    ),
    "dampened-momentum": ("m = μm + (1−μ)(g + λy)", "momentum", lambda c, f: c["momentum"]),
    "decoupled-decay": (
        "decay by-passes the momentum",
        "momentum, weight_decay",
        lambda c, f: c["momentum"] and c["weight_decay"],
    ),
    "no-milestone": (
        "milestones do nothing",
        "a milestone that a round reaches, factor < 1",
        lambda c, f: f["rounds_after_milestone"] and c["factor"] < 1,
    ),
    "no-milestone-gamma": (
        "milestones leave γ as it is",
        "clipped steps after a milestone, factor < 1",
        lambda c, f: f["clipped_after_milestone"] and c["factor"] < 1,
    ),
    "no-warmup": (
        "there is no warm-up",
        "warmup, warmup_from < 1",
        lambda c, f: c["warmup"] and c["warmup_from"] < 1,
    ),
    "warmup-eta-only": (
        "the warm-up leaves γ as it is",
        "clipped steps during a warm-up, warmup_from < 1",
        lambda c, f: f["clipped_in_warmup"] and c["warmup_from"] < 1,
    ),
    "rates-every-step": (
        "rates change within a round",
        "a warm-up or milestone that falls inside a round",
        lambda c, f: f["steps_with_rates_unlike_their_rounds"],
    ),
    "no-length-scale": (
        "a window's length leaves η and γ as they are",
        "lengths other than bptt",
        lambda c, f: f["odd_lengths"],
    ),
    "length-scales-eta-only": (
        "a window's length leaves γ as it is",
        "clipped steps at lengths other than bptt",
        lambda c, f: f["clipped_at_odd_length"],
    ),
    "no-rotation": (
        "every client keeps its first shard",
        "partition rotate, two clients, two passes",
        lambda c, f: c["partition"] == "rotate" and c["clients"] > 1 and f["passes"] > 1,
    ),
    "keep-hidden-at-pass": (
        "a new pass goes on from the last one's hidden state",
        "two passes",
        lambda c, f: f["passes"] > 1,
    ),
    "forget-hidden": (
        "every window starts from zero",
        "two windows in a pass",
        lambda c, f: f["carried_windows"],
    ),
    "drop-short-window": (
        "a pass ends before its short last window",
        "such a window",
        lambda c, f: f["short_windows"],
    ),
    "interleaved-streams": (
        "stream b is tokens b, b + B, b + 2B, …",
        "batch_size > 1",
        lambda c, f: c["batch_size"] > 1,
    ),
    "no-activation-term": ("the objective lacks alpha's term", "alpha", lambda c, f: c["alpha"]),
    "no-temporal-term": ("the objective lacks beta's term", "beta", lambda c, f: c["beta"]),
    "untied": ("the decoder's weight moves by itself", "tied", lambda c, f: c["tied"]),
}


def applicable(config, facts):
    """The breaks that must show in a run of this configuration; facts: what lm_oracle.facts() says of the unbroken run."""
    return [rule for rule, (_, _, shows) in BREAKS.items() if shows(config, facts)]
