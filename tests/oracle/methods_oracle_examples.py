"""Configurations for methods_oracle.py: what its self-check runs, and what --example writes.

The random parts come from a fixed seed here; the oracle itself draws nothing.
"""

import json
import os

import numpy as np

import methods_oracle as oracle

# Rates that change between steps and rounds, clients that come and go, and γ/η = 0.5 … 2 between the gradients' norms: in
# these examples every rule of methods_oracle_breaks.py can show.
SAMPLED = [[0, 1, 2, 3], [1, 3], [0, 2, 3], [1, 2], [0, 1, 2, 3], [2, 0]]
CLIENTS, INTERVAL, ROUNDS, SIZE = 4, 3, len(SAMPLED), 6
LAYERS = [[0, 2], [2, 4]]
OPTIONS = {
    "sgd-clip": {"momentum": 0.5, "weight_decay": 0.3},
    "mixed-clip": {"beta": 0.7, "nu": 0.7},
    "naive-clip": {"momentum": 0.5, "weight_decay": 0.3},
    "naive-clip-partial": {"weight_decay": 0.3},
    "lamb": {"beta1": 0.8, "beta2": 0.9, "epsilon": 0.01, "weight_decay": 0.3, "phi_min": 0.5, "phi_max": 1.5},
    "lars": {"momentum": 0.6, "weight_decay": 0.3, "trust": 0.5},
    "parallel-sgd": {"momentum": 0.6, "weight_decay": 0.3},
    "celgc": {"momentum": 0.5, "weight_decay": 0.3},
    "celgc-overlap": {"momentum": 0.5, "weight_decay": 0.3, "delay": 2},
    "celgc-partial": {"momentum": 0.5, "weight_decay": 0.3},
    "fedavg": {"momentum": 0.5, "weight_decay": 0.3, "weighted": True, "weights": [0.4, 1.6, 0.7, 1.3]},
    "fedprox": {"momentum": 0.5, "weight_decay": 0.3, "mu": 0.8},
    "diloco": {"beta1": 0.8, "beta2": 0.7, "epsilon": 0.05, "weight_decay": 0.3, "outer_eta": 0.6, "outer_momentum": 0.5,
               "outer_beta2": 0.7, "outer_tau": 0.3},
    "muloco": {"beta1": 0.8, "beta2": 0.7, "epsilon": 0.05, "weight_decay": 0.3, "outer_eta": 0.6, "outer_momentum": 0.5,
               "others_rate": 0.5, "muon_momentum": 0.7},
    "diloco-streaming": {"beta1": 0.8, "beta2": 0.7, "epsilon": 0.05, "weight_decay": 0.3, "outer_eta": 0.6, "outer_momentum": 0.5,
                         "outer_beta2": 0.7, "outer_tau": 0.3, "fragments": 2, "delay": 1, "mix": 0.3},
    "sparseloco": {"beta1": 0.8, "beta2": 0.7, "epsilon": 0.05, "weight_decay": 0.3, "outer_eta": 0.8, "density": 0.5,
                   "feedback": 0.7},
    "fed-nova": {"momentum": 0.5, "weight_decay": 0.3, "weights": [0.4, 1.6, 0.7, 1.3]},
    "feddyn": {"weight_decay": 0.3, "alpha": 0.4, "weights": [0.4, 1.6, 0.7, 1.3]},
    "fed-exp": {"weight_decay": 0.3, "server_epsilon": 0.1},
    "dp-fedavg": {"weight_decay": 0.3, "noise_multiplier": 0.4, "clip_norm": 0.8, "clip_rate": 0.3, "clip_quantile": 0.65},
    "local-adam": {"beta1": 0.8, "beta2": 0.7, "epsilon": 0.05, "max_norm": 1.5},
    "des-loc": {"beta1": 0.8, "beta2": 0.7, "epsilon": 0.05, "max_norm": 1.5, "first_every": 2, "second_every": 3},
    "norm-ec": {"alpha": 0.8, "message_length": 0.6, "local_rate": 0.7},
    "i-nsgd": {"power": 0.7, "gain": 0.5, "noise_slope": 0.9, "noise_floor": 0.3},
    "clip21": {"beta1": 0.4, "message_share": 0.8},
    "minibatch-clip": {"momentum": 0.5, "weight_decay": 0.3},
    "scaffold": {"weight_decay": 0.3},
    "episode": {"weight_decay": 0.3, "resampling": 2},
    "episode++": {"weight_decay": 0.3},
    "fed-ams": {"beta1": 0.8, "beta2": 0.6, "epsilon": 0.05},
    "fed-lamb": {"beta1": 0.8, "beta2": 0.6, "epsilon": 0.05, "weight_decay": 0.3, "phi_min": 0.5, "phi_max": 1.5},
    "fed-adam": {"momentum": 0.5, "weight_decay": 0.3, "server_eta": 0.2, "beta1": 0.8, "beta2": 0.7, "tau": 0.3},
    "sign-sgd-gen": {"beta1": 0.8, "beta2": 0.6},
    "adam": {"beta1": 0.8, "beta2": 0.9, "epsilon": 0.01, "weight_decay": 0.3, "max_norm": 1.5},
    "sgd": {"momentum": 0.6, "weight_decay": 0.3},
    "momentum": {"weight_decay": 0.3},
    "normalized": {"beta": 0.6},
}
OPTIONS["fed-yogi"] = OPTIONS["fed-adagrad"] = OPTIONS["fed-adam"]


def draws(method, options, interval, clients, sampled, steps=None, lengths=None):
    """How many gradients each client draws: {round, or "begin" before round 0: {client: count}}."""
    extra = {"episode": options.get("resampling", 1), "i-nsgd": interval}.get(method, 0)
    lengths = lengths or [interval] * len(sampled)
    found = {
        str(r): {str(i): (steps[i] if steps else lengths[r]) + extra for i in (range(clients) if method == "celgc-partial" else ids)}
        for r, ids in enumerate(sampled)
    }
    if method == "episode++" or options.get("init_corrections"):
        found["begin"] = {str(i): 1 for i in range(clients)}
    return found


def rates(rounds=ROUNDS, interval=INTERVAL, eta=0.25, gamma=0.3):
    """η and γ of every step; they move by different factors, so that γ/η moves, too."""
    return [
        [[eta * 0.9**r * 0.8**t, None if gamma is None else gamma * 0.95**r * 0.9**t] for t in range(interval)]
        for r in range(rounds)
    ]


def quadratic(method, noise=0.4, seed=3, **changes):
    """A raw configuration; `changes` replace top-level keys, and {"options": …} adds to the method's."""
    raw = {
        "method": method,
        "clients": CLIENTS,
        "interval": INTERVAL,
        "rounds": ROUNDS,
        "sampled": SAMPLED,
        "rates": rates(),
        "x0": [1.5, -1.0, 2.0, 0.5, -0.5, 1.0],
        "layers": LAYERS,
        "problem": {"kind": "quadratic", "a": [0.5, 1.0, 1.5, 2.0], "b": [1.5, -1.0, 0.5, -2.0]},
    }
    raw.update(changes)
    if method in ("muloco", "sparseloco"):
        raw.setdefault("shapes", [None, [2, 2]])
    if method == "dp-fedavg":
        size = len(raw["x0"]) + 1
        raw.setdefault("server_noise", np.random.default_rng(seed + 1).standard_normal((raw["rounds"], size)).tolist())
    raw["options"] = {**OPTIONS.get(method, {}), **changes.get("options", {})}
    if noise:
        generator = np.random.default_rng(seed)
        counts = draws(method, raw["options"], raw["interval"], raw["clients"], raw["sampled"], raw.get("steps"), raw.get("lengths"))
        size = len(raw["x0"])
        raw["problem"] = dict(
            raw["problem"],
            noise={
                r: {i: (noise * generator.standard_normal((count, size))).tolist() for i, count in by_client.items()}
                for r, by_client in counts.items()
            },
        )
    return raw


# The networks' runs are shorter.
NETWORK = {"rounds": 3, "sampled": SAMPLED[:3], "x0": None, "layers": None}


def network(method, problem, noise_key, make, **changes):
    """A raw configuration of a network problem; make(generator) gives one draw of what stands under noise_key."""
    raw = quadratic(method, noise=0, **{**NETWORK, **changes})
    generator = np.random.default_rng(7)
    counts = draws(method, raw["options"], raw["interval"], raw["clients"], raw["sampled"])
    given = {
        r: {i: [make(generator) for _ in range(count)] for i, count in clients.items()} for r, clients in counts.items()
    }
    return dict(raw, problem=dict(problem, **{noise_key: given}))


def language(method, folder, **changes):
    """A small LSTM on 112 tokens; writes its weights, whose vocabulary is 23, into the folder."""
    import lm_oracle
    import lm_oracle_selfcheck as lm

    lm_oracle.write_safetensors(os.path.join(folder, "lm.safetensors"), lm.initial())
    problem = {
        "kind": "lm",
        "weights": "lm.safetensors",
        "tokens": {"train": lm.tokens(112)},
        "batch_size": 2,
        "bptt": 5,
        "partition": "rotate",
        "alpha": 0.3,
        "beta": 3.0,
        "tied": True,
        "layers": 2,
    }
    # γ/η is 0.3: some of the gradients are longer.
    changes = {"rates": rates(3, eta=1.6, gamma=0.48), **changes}
    return network(method, problem, "lengths", lambda g: int(g.integers(4, 8)), **changes)


def images(method, folder, **changes):
    """A small convolutional net on 40 images of noise with a bright spot whose place tells the label."""
    import lm_oracle
    import torch

    generator = np.random.default_rng(9)
    labels = generator.integers(0, 10, 40)
    pixels = generator.normal(0, 0.3, (40, 1, 28, 28))
    for image, label in zip(pixels, labels):
        row, column = 4 + 12 * (label // 5), 2 + 5 * (label % 5)
        image[0, row : row + 4, column : column + 4] += 2
    shapes = {
        "conv1.weight": (4, 1, 5, 5),
        "conv1.bias": (4,),
        "conv2.weight": (6, 4, 5, 5),
        "conv2.bias": (6,),
        "fc1.weight": (12, 96),
        "fc1.bias": (12,),
        "fc2.weight": (10, 12),
        "fc2.bias": (10,),
    }
    weights = {}
    for name, shape in shapes.items():
        scale = 1.5 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        weights[name] = torch.tensor(generator.normal(0, scale, shape), dtype=torch.float32)
    lm_oracle.write_safetensors(os.path.join(folder, "cnn.safetensors"), weights)
    lm_oracle.write_safetensors(
        os.path.join(folder, "images.safetensors"), {"images": torch.tensor(pixels, dtype=torch.float32)}
    )
    problem = {
        "kind": "cnn",
        "images": "images.safetensors",
        "labels": labels.tolist(),
        "weights": "cnn.safetensors",
    }
    changes = {"rates": rates(3, eta=0.1, gamma=0.2), **changes}
    return network(method, problem, "batches", lambda g: g.integers(0, 40, 6).tolist(), **changes)


def write_examples(folder):
    """DIR/quadratic.json, and the networks' configurations with their weights and images."""
    try:
        os.makedirs(folder)
    except OSError as problem:
        raise oracle.InputError(f"--example must name a new folder: {problem}") from problem
    raws = {
        "quadratic": quadratic("episode++"),
        "lm": language("celgc-partial", folder),
        "cnn": images("episode", folder),
    }
    for kind, raw in raws.items():
        with open(os.path.join(folder, kind + ".json"), "w", encoding="utf-8") as file:
            json.dump(raw, file, indent=1)
    return 0
