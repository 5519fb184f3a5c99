#!/usr/bin/env python3
"""DiLoCo and MuLoCo once more, with torch.optim: AdamW or SGD for the clients' steps, SGD with momentum for the common model.

    methods_oracle_torch.py CONFIG.json --out OUT.json
    methods_oracle_torch.py --selfcheck

CONFIG.json is a configuration of methods_oracle.py (README.md beside this file) for diloco or muloco on quadratics, with all
clients in every round and rates that stay as they are. The output has `x`, the common model after every round. torch takes
the steps, in float64: no formula of an optimiser stands here but Muon's, which is written from its authors' description.
(torch.optim.Muon, from 2.9 on, iterates in bfloat16, which cannot be compared as closely.) It shares no code with tacet or with
methods_oracle.py. Exit codes: 0 done, 1 the self-check failed, 2 the configuration is not one of these, 77 PyTorch is missing.
"""

import argparse
import json
import math
import sys

try:
    import torch
except ImportError as error:
    print(f"methods_oracle_torch.py: skipped, it needs python3-torch: {error}", file=sys.stderr)
    sys.exit(77)

DOUBLE = torch.float64
MULOCO = [
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
]


class WrongInput(Exception):
    pass


class Muon(torch.optim.Optimizer):
    """Momentum, five steps towards the nearest orthogonal matrix, decoupled decay; a step is √(rows/columns) long."""

    def __init__(self, parameters, lr, momentum, weight_decay):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                buffer.mul_(group["momentum"]).add_(p.grad)
                O = orthogonal(buffer)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(O, alpha=group["lr"] * math.sqrt(p.shape[0] / p.shape[1]))


def orthogonal(matrix):
    X = matrix / (torch.linalg.matrix_norm(matrix) + 1e-7)
    if X.shape[0] > X.shape[1]:
        return orthogonal(matrix.T).T
    for a, b, c in MULOCO:
        S = X @ X.T
        X = a * X + b * S @ X + c * S @ S @ X
    return X


def inner_optimisers(parameters, shapes, options, eta):
    """The optimisers that take a client's step together."""
    adamw = {"betas": (options["beta1"], options["beta2"]), "eps": options["epsilon"], "weight_decay": options["weight_decay"]}
    if options["inner"] == "sgd":
        return [torch.optim.SGD(parameters, eta, momentum=options["momentum"], weight_decay=options["weight_decay"])]
    if options["inner"] == "adamw":
        return [torch.optim.AdamW(parameters, eta, **adamw)]
    matrices = [p for p, shape in zip(parameters, shapes) if shape]
    others = [p for p, shape in zip(parameters, shapes) if not shape]
    return [
        Muon(matrices, eta, options["muon_momentum"], options["weight_decay"]),
        torch.optim.AdamW(others, options["others_rate"] * eta, **adamw),
    ]


def outer_optimiser(parameters, options):
    momentum = {"nesterov": options["outer_momentum"], "momentum": options["outer_momentum"], "sgd": 0.0}[options["outer"]]
    return torch.optim.SGD(parameters, options["outer_eta"], momentum=momentum, nesterov=options["outer"] == "nesterov")


def checked(config):
    def need(holds, what):
        if not holds:
            raise WrongInput(what)

    options, everyone = config["options"], list(range(config["clients"]))
    need(config["method"] in ("diloco", "muloco"), f"method must be diloco or muloco, got {config['method']}")
    need(config["problem"]["kind"] == "quadratic", "problem.kind must be quadratic")
    need(all(sampled == everyone for sampled in config["sampled"]), "every client must take part in every round")
    pairs = [pair for by_step in config["rates"] for pair in by_step]
    need(all(pair == [pairs[0][0], None] for pair in pairs), "rates must be one η, and γ null")
    need(options["outer"] != "adam" and not options["decay_in_norm"], "outer must not be adam, decay_in_norm false")
    need(options["inner"] != "muon" or options["muon_iteration"] == options["muon_scale"] == "muloco", "muon must be MuLoCo's")
    return config


def run(config):
    """-> the common model after every round."""
    options, problem = config["options"], config["problem"]
    eta, max_norm = config["rates"][0][0][0], options["max_norm"]
    shapes = config.get("shapes") or [None] * len(config["layers"])

    def layers_of(flat):
        return [
            flat[at : at + n].reshape(shape or [n]).clone().requires_grad_()
            for (at, n), shape in zip(config["layers"], shapes)
        ]

    x = layers_of(torch.tensor(config["x0"], dtype=DOUBLE))
    server = outer_optimiser(x, options)
    clients = [layers_of(torch.tensor(config["x0"], dtype=DOUBLE)) for _ in range(config["clients"])]
    optimisers = [inner_optimisers(model, shapes, options, eta) for model in clients]
    seen = []
    for r in range(config["rounds"]):
        for i, model in enumerate(clients):
            with torch.no_grad():
                for mine, common in zip(model, x):
                    mine.copy_(common)
            for t in range(config["interval"]):
                noise = layers_of(torch.tensor(problem["noise"][str(r)][str(i)][t], dtype=DOUBLE))
                for p in model:
                    p.grad = None
                loss = sum(
                    problem["a"][i] / 2 * (p - problem["b"][i]).square().sum() + (n.detach() * p).sum()
                    for p, n in zip(model, noise)
                )
                loss.backward()
                if max_norm is not None:
                    torch.nn.utils.clip_grad_norm_(model, max_norm)
                for optimiser in optimisers[i]:
                    optimiser.step()
        for k, common in enumerate(x):
            common.grad = common.detach() - sum(model[k].detach() for model in clients) / len(clients)
        server.step()
        seen.append(torch.cat([common.detach().reshape(-1) for common in x]).tolist())
    return seen


def selfcheck():
    """f = ½(x − 4)², η = ¼ from 0, I = 2, Nesterov outside with α = β = ½: 21/16, then 2471/1024. And Muon's step on a matrix
    of one column, the direction of its gradient, times √3."""
    options = {"inner": "sgd", "momentum": 0.0, "weight_decay": 0.0, "decay_in_norm": False, "max_norm": None,
               "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "outer": "nesterov", "outer_eta": 0.5, "outer_momentum": 0.5}
    config = {"method": "diloco", "clients": 1, "interval": 2, "rounds": 2, "x0": [0.0], "layers": [[0, 1]],
              "sampled": [[0]] * 2, "rates": [[[0.25, None]] * 2] * 2, "options": options,
              "problem": {"kind": "quadratic", "a": [1], "b": [4], "noise": {str(r): {"0": [[0.0]] * 2} for r in range(2)}}}
    found = run(checked(config))
    assert abs(found[0][0] - 21 / 16) < 1e-12 and abs(found[1][0] - 2471 / 1024) < 1e-12, found
    column = torch.ones(3, 1, dtype=DOUBLE).requires_grad_()
    column.grad = 2 * torch.ones(3, 1, dtype=DOUBLE)
    Muon([column], 0.1, 0.95, 0.0).step()
    step = (1 - column.detach()) / 0.1
    assert (step - step[0]).abs().max() < 1e-12 and abs(step[0].item() - 1) < 0.2, step
    print("ok")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("config", nargs="?")
    parser.add_argument("--out", help="where the result goes")
    parser.add_argument("--selfcheck", action="store_true", help="check this program itself")
    given = parser.parse_args()
    if given.selfcheck:
        return selfcheck()
    if not given.config or not given.out:
        parser.error("a configuration and --out are needed")
    with open(given.config, encoding="utf-8") as file:
        config = json.load(file)
    try:
        result = {"x": run(checked(config))}
    except WrongInput as problem:
        print(f"methods_oracle_torch.py: {given.config}: {problem}", file=sys.stderr)
        return 2
    with open(given.out, "w", encoding="utf-8") as file:
        json.dump(result, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
