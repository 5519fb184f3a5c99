"""Checks the networks of the methods' oracle, as methods_oracle_selfcheck.py checks its methods, and run by it.

The language model is compared with lm_oracle.py, the classifier with loops over places in NumPy.
"""

import math
import os

import numpy as np
import torch  # first: without it this is an ImportError, which the caller expects

import lm_oracle
import lm_oracle_selfcheck as lm
import methods_oracle as oracle
import methods_oracle_examples as examples
from methods_oracle_breaks import applicable

torch.set_num_threads(1)


def check_language_model_as_lm_oracle_runs_it(folder):
    """The methods that lm_oracle.py has, step by step, from the same weights: windows shrink or grow η and γ there, so the
    scaled rates are given here. Both have float32 gradients; lm_oracle's steps are float32, too."""
    lengths, eta, gamma = [5, 7, 4, 5, 6, 5] * 2, 1.6, 0.48
    for method, extra in (("celgc", {}), ("fedavg", {}), ("naive-clip", {"gamma": 0.4}), ("sgd-clip", {"clients": 1})):
        clients, bound = extra.get("clients", 4), extra.get("gamma", gamma)
        plain = {"milestones": [], "warmup": 0, "interval": 3, "iterations": 12, "lengths": lengths}
        theirs, model = lm.run(
            lm.initial(), algorithm=method, clients=clients, gamma=bound, **{**plain, "weight_decay": 0.02}
        )
        everyone = list(range(clients))
        raw = examples.language(
            method,
            folder,
            clients=clients,
            rounds=4,
            sampled=[everyone] * 4,
            rates=[[[eta * lengths[3 * r + t] / 5, bound * lengths[3 * r + t] / 5] for t in range(3)] for r in range(4)],
            options={"momentum": 0.5, "weight_decay": 0.02, **({"weighted": False} if method == "fedavg" else {})},
        )
        raw["problem"]["lengths"] = [[lengths[3 * r : 3 * r + 3]] * clients for r in range(4)]
        ours, found = oracle.simulate(oracle.checked(raw, "selfcheck"), folder)
        assert found["clipped"] and found["unclipped"] or method == "fedavg", method
        for r in range(4):
            for i in everyone:
                seen = [theirs["loss"][3 * r + t][i] for t in range(3)]
                assert np.allclose(ours["loss"][r][str(i)], seen, rtol=2e-6), (method, r, i)
        names = lm_oracle.read_safetensors(os.path.join(folder, "lm.safetensors"))
        final = np.concatenate([model[name].numpy().ravel() for name in names])
        assert np.allclose(ours["x"][-1], final, rtol=1e-4, atol=2e-6), np.max(np.abs(ours["x"][-1] - final))


def forward_by_hand(parameters, image):
    """The classifier's logits of one image, with loops over places: no convolution, pooling or torch."""
    (conv1, bias1, conv2, bias2, fc1, bias3, fc2, bias4), y = parameters, image
    for kernel, bias in ((conv1, bias1), (conv2, bias2)):
        out = np.empty((len(bias), y.shape[1] - 4, y.shape[2] - 4))
        for r in range(out.shape[1]):
            for c in range(out.shape[2]):
                out[:, r, c] = np.tensordot(kernel, y[:, r : r + 5, c : c + 5], 3) + bias
        pooled = [
            [out[:, r : r + 2, c : c + 2].max(axis=(1, 2)) for c in range(0, out.shape[2], 2)]
            for r in range(0, out.shape[1], 2)
        ]
        y = np.maximum(np.array(pooled).transpose(2, 0, 1), 0)
    return fc2 @ np.maximum(fc1 @ y.ravel() + bias3, 0) + bias4


def check_classifier_by_hand(folder):
    """Loss against forward_by_hand(), gradient against central differences of that loss, in 12 places of every tensor."""
    raw = examples.images("sgd", folder, rounds=1, sampled=[[0]], interval=1, rates=[[[0.1, None]]])
    raw["problem"]["batches"] = {"0": {"0": [[3, 17]]}}
    run_of = oracle.Run(oracle.checked(raw, "selfcheck"), folder, None)
    problem, x = run_of.problem, run_of.x0
    g, loss = problem.gradient(0, 0, 0, x)
    images, labels = problem.images[[3, 17]].double().numpy(), problem.labels[[3, 17]].tolist()

    def loss_at(point):
        parameters = [
            point[offset : offset + size].reshape(tuple(shape))
            for shape, (offset, size) in zip(problem.shapes.values(), problem.layers)
        ]
        total = 0.0
        for image, label in zip(images, labels):
            logits = forward_by_hand(parameters, image)
            total += np.log(np.sum(np.exp(logits - logits[label])))
        return total / len(images)

    assert math.isclose(loss, loss_at(x), rel_tol=1e-5)
    generator = np.random.default_rng(1)
    for offset, size in problem.layers:
        for place in offset + generator.choice(size, min(size, 4), replace=False):
            step = np.zeros_like(x)
            step[place] = 1e-5
            slope = (loss_at(x + step) - loss_at(x - step)) / 2e-5
            assert abs(g[place] - slope) < 1e-4 * max(1, abs(slope)), (place, g[place], slope)


def check_broken_rules_show_in_networks(folder):
    """As check_every_broken_rule_shows(), for a few methods on each network."""
    cases = [examples.language(m, folder) for m in ("celgc", "celgc-partial", "scaffold")]
    cases += [examples.images(m, folder) for m in ("episode", "episode++", "fed-adam", "fed-lamb")]
    for raw in cases:
        config = oracle.checked(raw, "selfcheck")
        right, found = oracle.simulate(config, folder)
        rules = applicable(config, found)
        assert len(rules) >= 8, rules
        left_out = set(rules) - set(oracle.every_break(config, folder, right, rules))
        assert not left_out, f"{config['method']}: {left_out} do not show"


def check_adam_and_momentum_as_torch_runs_them(_):
    """torch.optim on one client's quadratic, exact gradients, constant rate: Adam, AdamW, and SGD with momentum and
    decay."""
    optimisers = {
        "adam": lambda x: torch.optim.Adam([x], lr=0.1, betas=(0.8, 0.9), eps=0.01, weight_decay=0.3),
        "adamw": lambda x: torch.optim.AdamW([x], lr=0.1, betas=(0.8, 0.9), eps=0.01, weight_decay=0.3),
        "sgd": lambda x: torch.optim.SGD([x], lr=0.1, momentum=0.6, weight_decay=0.3),
    }
    for name, make in optimisers.items():
        raw = examples.quadratic(
            name[:4] if name != "sgd" else name,
            noise=0,
            clients=1,
            sampled=[[0]] * 6,
            rates=[[[0.1, None]] * 3] * 6,
            problem={"kind": "quadratic", "a": [1.5], "b": [-1.0]},
            options={"max_norm": None, "decoupled": name == "adamw"} if name != "sgd" else {},
        )
        seen = oracle.simulate(oracle.checked(raw, "selfcheck"), "")[0]["x"]
        x = torch.tensor(raw["x0"], dtype=torch.float64, requires_grad=True)
        optimiser = make(x)
        for step in range(18):
            optimiser.zero_grad()
            (0.75 * (x + 1).square().sum()).backward()
            optimiser.step()
            if step % 3 == 2:
                assert np.allclose(x.detach().numpy(), seen[step // 3], rtol=1e-12), (name, step)


# ---- optimisers as torch has them ----


def torchs_diloco(raw, inner, outer, max_norm):
    """DiLoCo with torch.optim, in float64: inner(parameters) and outer(parameters) make the optimisers."""
    problem, clients = raw["problem"], raw["clients"]
    x = torch.tensor(raw["x0"], dtype=torch.float64, requires_grad=True)
    server = outer([x])
    models = [x.detach().clone().requires_grad_() for _ in range(clients)]
    optimisers, seen = [inner([y]) for y in models], []
    for r in range(raw["rounds"]):
        for i, y in enumerate(models):
            with torch.no_grad():
                y.copy_(x)
            for t in range(raw["interval"]):
                noise = torch.tensor(problem["noise"][str(r)][str(i)][t], dtype=torch.float64)
                y.grad = problem["a"][i] * (y.detach() - problem["b"][i]) + noise
                torch.nn.utils.clip_grad_norm_([y], max_norm)
                optimisers[i].step()
        x.grad = x.detach() - sum(y.detach() for y in models) / clients
        server.step()
        seen.append(x.detach().numpy().copy())
    return np.array(seen)


def check_diloco_is_torchs_optimisers():
    """AdamW or SGD inside, SGD with Nesterov's or plain momentum outside, every client in every round, constant rates."""
    everyone = list(range(examples.CLIENTS))
    shared = dict(
        sampled=[everyone] * examples.ROUNDS,
        rates=[[[0.1, None]] * examples.INTERVAL] * examples.ROUNDS,
    )
    adamw = {"inner": "adamw", "beta1": 0.8, "beta2": 0.7, "epsilon": 1e-3, "weight_decay": 0.3}
    sgd = {"inner": "sgd", "momentum": 0.5, "weight_decay": 0.3}
    for options in (adamw, sgd):
        for nesterov in (True, False):
            outer = {"outer": "nesterov" if nesterov else "momentum", "outer_eta": 0.6, "outer_momentum": 0.5}
            raw = examples.quadratic("diloco", options={**options, **outer, "max_norm": 1.2}, **shared)

            def inner(parameters, own=options):
                if own["inner"] == "sgd":
                    return torch.optim.SGD(parameters, 0.1, momentum=0.5, weight_decay=0.3)
                return torch.optim.AdamW(parameters, 0.1, betas=(0.8, 0.7), eps=1e-3, weight_decay=0.3)

            theirs = torchs_diloco(
                raw, inner, lambda p, look=nesterov: torch.optim.SGD(p, 0.6, momentum=0.5, nesterov=look), 1.2
            )
            mine = oracle.simulate(oracle.checked(raw, "selfcheck"), "")[0]["x"]
            assert np.allclose(mine, theirs, rtol=1e-9, atol=1e-9), np.max(np.abs(mine - theirs))
