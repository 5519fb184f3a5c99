#!/usr/bin/env python3
"""An independent PyTorch run of the clipped local-step methods on a small LSTM language model.

It is a witness for tests: from the same initial weights and tokens it must see the same losses, gradient norms and
final weights as tacet. It is written from the methods' definitions with torch.nn modules, autograd and a Python loop
over parameters; it shares no code with tacet, has no dropout, draws no random numbers while training, and is neither
fast nor distributed: clients are simulated one after the other, on one thread, in float32.

    lm_oracle.py CONFIG.json [--out OUT.json] [--weights-out FILE] [--break RULE | --every-break]
    lm_oracle.py --list-breaks [CONFIG.json]
    lm_oracle.py --selfcheck
    lm_oracle.py --example DIR

README.md beside this file documents the fields of CONFIG.json and of the output. Exit codes: 0 done, 1 a self-check
failed, 2 the input is wrong (nothing is written), 77 PyTorch or NumPy is missing.
"""

import argparse
import copy
import json
import math
import os
import struct
import sys

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as error:
    print(f"lm_oracle.py: skipped, it needs python3-torch and numpy: {error}", file=sys.stderr)
    sys.exit(77)

torch.backends.mkldnn.set_flags(False)  # a witness of tacet's kernels must not share their library

sys.dont_write_bytecode = True
from lm_oracle_breaks import BREAKS, applicable


class InputError(Exception):
    """The caller's input is wrong; the message names the place, what is allowed and what was given."""


# ---- configuration ----

LOCAL = ("celgc", "fedavg", "sgd-clip")  # every client steps on its own copy of the model
ALGORITHMS = LOCAL + ("naive-clip",)

# key: (default, check, what is allowed). A default of ... makes the key required.
KEYS = {
    "weights": (..., lambda v: isinstance(v, str), "a path, relative to the configuration's folder"),
    "tokens": (..., lambda v: isinstance(v, dict) and set(v) == {"train"}, 'an object {"train": [ids]}'),
    "clients": (1, lambda v: is_int(v) and v >= 1, "an integer >= 1"),
    "batch_size": (..., lambda v: is_int(v) and v >= 1, "an integer >= 1"),
    "bptt": (..., lambda v: is_int(v) and v >= 2, "an integer >= 2"),
    "partition": ("rotate", lambda v: v in ("rotate", "fixed"), "rotate or fixed"),
    "percent": (None, lambda v: v is None or is_numbers(v), "a list of numbers > 0, or null"),
    "algorithm": (..., lambda v: v in ALGORITHMS, "one of " + ", ".join(ALGORITHMS)),
    "eta": (..., lambda v: is_number(v) and v > 0, "a number > 0"),
    "gamma": (None, lambda v: v is None or is_number(v) and v > 0, "a number > 0, or null for infinity"),
    "interval": (1, lambda v: is_int(v) and v >= 1, "an integer >= 1"),
    "momentum": (0.0, lambda v: is_number(v) and 0 <= v < 1, "a number in [0, 1)"),
    "weight_decay": (0.0, lambda v: is_number(v) and v >= 0, "a number >= 0"),
    "milestones": ([], lambda v: is_numbers(v) and v == sorted(v), "an ascending list of epochs > 0"),
    "factor": (0.1, lambda v: is_number(v) and 0 < v <= 1, "a number in (0, 1]"),
    "warmup": (0.0, lambda v: is_number(v) and v >= 0, "a number of epochs >= 0"),
    "warmup_from": (1.0, lambda v: is_number(v) and 0 < v <= 1, "a number in (0, 1]"),
    "alpha": (0.0, lambda v: is_number(v) and v >= 0, "a number >= 0"),
    "beta": (0.0, lambda v: is_number(v) and v >= 0, "a number >= 0"),
    "tied": (True, lambda v: isinstance(v, bool), "true or false"),
    "layers": (..., lambda v: is_int(v) and v >= 1, "an integer >= 1"),
    "iterations": (..., lambda v: is_int(v) and v >= 1, "an integer >= 1, a multiple of interval"),
    "lengths": (None, lambda v: v is None or is_lengths(v), "a list of integers >= 2, or null"),
    "epoch_samples": (None, lambda v: v is None or is_int(v) and v >= 1, "an integer >= 1, or null"),
}


def is_int(v):
    return isinstance(v, int) and not isinstance(v, bool)


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool) and not math.isnan(v)


def is_numbers(v):
    return isinstance(v, list) and all(is_number(x) and x > 0 for x in v)


def is_lengths(v):
    return isinstance(v, list) and all(is_int(x) and x >= 2 for x in v)


def checked(raw, place):
    """The configuration with its defaults filled in. Raises InputError naming the first key that is wrong."""
    if not isinstance(raw, dict):
        raise InputError(f"{place}: must be a JSON object, got {type(raw).__name__}")
    unknown = sorted(set(raw) - set(KEYS))
    if unknown:
        raise InputError(f"{place}: unknown key {unknown[0]!r}; allowed: {', '.join(KEYS)}")
    config = {}
    for key, (default, fits, allowed) in KEYS.items():
        if key not in raw and default is ...:
            raise InputError(f"{place}: {key} is missing; it must be {allowed}")
        value = raw.get(key, default)
        if not fits(value):
            raise InputError(f"{place}: {key} must be {allowed}, got {json.dumps(value)[:80]}")
        config[key] = value
    train = config["tokens"]["train"]
    if not isinstance(train, list) or not all(is_int(t) and t >= 0 for t in train):
        raise InputError(f"{place}: tokens.train must be a list of integers >= 0")
    if config["gamma"] is None or config["algorithm"] == "fedavg":
        config["gamma"] = math.inf
    if config["iterations"] % config["interval"]:
        raise InputError(
            f"{place}: iterations must be a multiple of interval ({config['interval']}), got {config['iterations']}"
        )
    if config["algorithm"] == "sgd-clip" and config["clients"] != 1:
        raise InputError(f"{place}: clients must be 1 for sgd-clip, got {config['clients']}")
    if config["percent"] is not None:
        if config["partition"] != "fixed":
            raise InputError(f"{place}: percent is allowed with partition fixed only, got {config['partition']}")
        if len(config["percent"]) != config["clients"] or abs(sum(config["percent"]) - 100) > 0.5:
            raise InputError(f"{place}: percent must hold {config['clients']} numbers with sum 100 +- 0.5")
    if config["lengths"] is not None and len(config["lengths"]) < config["iterations"]:
        raise InputError(
            f"{place}: lengths must hold at least {config['iterations']} entries, got {len(config['lengths'])}"
        )
    return config


# ---- safetensors: 8 bytes little-endian header size, JSON header, data ----


def read_safetensors(path):
    """{name: float32 tensor}."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        (size,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + size])
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] != "F32":
                raise InputError(f"{path}: {name} must have dtype F32, got {entry['dtype']}")
            begin, end = entry["data_offsets"]
            values = np.frombuffer(content[8 + size + begin : 8 + size + end], dtype="<f4")
            tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
        return tensors
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise InputError(f"{path}: not a safetensors file: {problem}") from problem


def write_safetensors(path, tensors):
    header, blocks, offset = {}, [], 0
    for name, tensor in tensors.items():
        block = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blocks))


# ---- model ----


class LanguageModel(nn.Module):
    """Embedding, LSTM layers, softmax layer. The last layer's output has the embedding's size, inner ones the hidden's."""

    def __init__(self, weights, layers, tied):
        super().__init__()
        vocabulary, embedding = self.sizes(weights, "encoder.weight", 2)
        hidden = self.sizes(weights, "rnns.0.weight_hh", 2)[1]
        sizes = [embedding] + [hidden] * (layers - 1) + [embedding]
        # Built without values, so that none are drawn from the global generator; load() fills in all of them.
        self.encoder = nn.Embedding(vocabulary, embedding, device="meta")
        self.rnns = nn.ModuleList(nn.LSTM(sizes[l], sizes[l + 1], device="meta") for l in range(layers))
        self.decoder = nn.Linear(embedding, vocabulary, device="meta")
        self.to_empty(device="cpu")
        if tied:
            self.decoder.weight = self.encoder.weight
        self.load(weights)

    @staticmethod
    def sizes(weights, name, dimensions):
        if name not in weights or weights[name].dim() != dimensions:
            raise InputError(f"weights: {name} must be there with {dimensions} dimensions; given: {sorted(weights)}")
        return weights[name].shape

    def named(self):
        """{name in the weights' file: parameter}, every parameter once, in the file's order."""
        parameters = {"encoder.weight": self.encoder.weight}
        for l, rnn in enumerate(self.rnns):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                parameters[f"rnns.{l}.{kind}"] = getattr(rnn, kind + "_l0")
        if self.decoder.weight is not self.encoder.weight:
            parameters["decoder.weight"] = self.decoder.weight
        parameters["decoder.bias"] = self.decoder.bias
        return parameters

    def load(self, weights):
        parameters = self.named()
        if set(parameters) != set(weights):
            odd = sorted(set(parameters) ^ set(weights))
            raise InputError(f"weights: names must be {sorted(parameters)}; missing or not expected: {odd}")
        with torch.no_grad():
            for name, parameter in parameters.items():
                if parameter.shape != weights[name].shape:
                    raise InputError(
                        f"weights: {name} must have shape {list(parameter.shape)}, got {list(weights[name].shape)}"
                    )
                parameter.copy_(weights[name])

    def forward(self, tokens, hidden):
        """tokens [T, B]; hidden: one (h, c) a layer, or None for zeros. -> logits [T*B, V], output [T, B, E], hidden."""
        output, carried = self.encoder(tokens), []
        for l, rnn in enumerate(self.rnns):
            output, state = rnn(output, None if hidden is None else hidden[l])
            carried.append(tuple(s.detach() for s in state))
        return self.decoder(output).flatten(0, 1), output, carried


# ---- data ----


def cut(train, clients, percent):
    """The clients' shards: consecutive pieces, equal ones (the remainder dropped) unless percentages are given."""
    if percent is None:
        size = len(train) // clients
        return [train[i * size : (i + 1) * size] for i in range(clients)]
    bounds, cumulative = [0], 0.0
    for p in percent:
        cumulative += p
        bounds.append(min(len(train), int(math.floor(cumulative * len(train) / 100))))
    return [train[bounds[i] : bounds[i + 1]] for i in range(clients)]


class Batches:
    """What one client reads, in order: truncated back-propagation windows over B parallel streams of its shard."""

    def __init__(self, shards, client, config, broken=None):
        self.shards, self.client, self.broken = shards, client, broken
        self.batch_size, self.bptt = config["batch_size"], config["bptt"]
        self.rotate = config["partition"] == "rotate" and broken != "no-rotation"
        self.passes = self.offset = self.short = self.carried = 0
        self.open_pass()

    def open_pass(self):
        shard = torch.tensor(self.shards[(self.client + self.passes) % len(self.shards) if self.rotate else self.client])
        self.rows = len(shard) // self.batch_size
        if self.rows < 3:
            raise InputError(
                f"tokens.train: client {self.client}'s shard of {len(shard)} tokens gives {self.batch_size} streams of"
                f" {self.rows}; each needs >= 3"
            )
        used = shard[: self.rows * self.batch_size]
        if self.broken == "interleaved-streams":
            self.streams = used.view(self.rows, self.batch_size)
        else:
            self.streams = used.view(self.batch_size, self.rows).t().contiguous()

    def next(self, length):
        """-> input [T, B], target [T*B], fresh: this is a pass's first window, the hidden state starts from zero."""
        last = self.rows - 2 if self.broken != "drop-short-window" else max(1, self.rows - length)
        if self.offset >= last:
            self.passes, self.offset = self.passes + 1, 0
            self.open_pass()
        fresh, begin = self.offset == 0, self.offset
        taken = min(length, self.rows - 1 - begin)
        self.offset += taken
        self.short += taken < length
        self.carried += not fresh
        return self.streams[begin : begin + taken], self.streams[begin + 1 : begin + 1 + taken].flatten(), fresh


def samples_of_a_pass(shards, config):
    """Targets that all clients together see in one pass over their shards, with windows of length bptt."""
    samples = 0
    for shard in shards:
        rows, offset = len(shard) // config["batch_size"], 0
        while offset < rows - 2:
            taken = min(config["bptt"], rows - 1 - offset)
            samples += taken * config["batch_size"]
            offset += taken
    return samples


# ---- training ----


def rates(config, epoch, broken=None):
    """η and γ in force at this epoch: milestones, then linear warm-up; both act on both."""
    decayed = config["factor"] ** sum(epoch >= m for m in config["milestones"])
    warm = 1.0
    if config["warmup"] > 0 and broken != "no-warmup":
        warm = config["warmup_from"] + (1 - config["warmup_from"]) * min(1.0, epoch / config["warmup"])
    eta = config["eta"] * warm * (decayed if broken != "no-milestone" else 1)
    gamma = config["gamma"] * (warm if broken != "warmup-eta-only" else 1)
    return eta, gamma * (decayed if broken not in ("no-milestone", "no-milestone-gamma") else 1)


class Worker:
    """One client: its data, its hidden state, its copy of the model and its momentum."""

    def __init__(self, model, batches):
        self.model, self.batches, self.hidden = copy.deepcopy(model), batches, None
        self.momentum = {name: torch.zeros_like(p) for name, p in self.model.named().items()}

    def gradient(self, length, config, broken):
        """-> {name: gradient}, cross-entropy, objective, targets seen; both losses are means over the mini-batch."""
        tokens, target, fresh = self.batches.next(length)
        if fresh and broken != "keep-hidden-at-pass" or broken == "forget-hidden":
            self.hidden = None
        self.model.zero_grad()
        logits, output, self.hidden = self.model(tokens, self.hidden)
        loss = nn.functional.cross_entropy(logits, target)
        objective = loss
        if broken != "no-activation-term":
            objective = objective + config["alpha"] * output.pow(2).mean()
        if broken != "no-temporal-term":
            objective = objective + config["beta"] * (output[1:] - output[:-1]).pow(2).mean()
        objective.backward()
        gradient = {name: p.grad.clone() for name, p in self.model.named().items()}
        return gradient, loss.item(), objective.item(), target.numel()

    @torch.no_grad()
    def step(self, gradient, eta, gamma, config, broken, given_norm=None):
        """y -= min(η, γ/(1e-10 + ‖g‖)) d with d the momentum of g + λy. -> ‖g‖, whether it clipped."""
        mu, decay = config["momentum"], config["weight_decay"]
        parameters = self.model.named()
        directions = {}
        for name, p in parameters.items():
            d = gradient[name] + (decay * p if broken != "decoupled-decay" else 0)
            self.momentum[name] = mu * self.momentum[name] + (1 - mu if broken == "dampened-momentum" else 1) * d
            directions[name] = self.momentum[name] + (decay * p if broken == "decoupled-decay" else 0)
        measured = gradient
        if broken == "norm-with-decay":
            measured = {name: gradient[name] + decay * p for name, p in parameters.items()}
        if broken == "norm-of-direction":
            measured = directions
        norm = length_of(measured) if given_norm is None else given_norm
        rate = min(eta, gamma / (1e-10 + norm))
        if broken == "gamma-as-threshold":
            rate = eta * min(1.0, gamma / (1e-10 + norm))
        for name, p in parameters.items():
            if broken == "norm-per-layer":
                rate = min(eta, gamma / (1e-10 + length_of({name: measured[name]})))
            p.sub_(rate * directions[name])
        return norm, gamma / (1e-10 + norm) < eta


def length_of(vectors):
    """l2 norm over all of them together."""
    return math.sqrt(sum(v.double().pow(2).sum().item() for v in vectors.values()))


def mean_of(many):
    """[{name: tensor}] -> {name: mean}."""
    return {name: sum(one[name] for one in many) / len(many) for name in many[0]}


@torch.no_grad()
def average(workers, broken=None):
    """Every worker's model becomes the mean of all; momentum, data position and hidden state stay where they are."""
    models = mean_of([w.model.named() for w in workers])
    for w in workers:
        w.model.load(models)
    if broken == "average-momentum":
        momentum = mean_of([w.momentum for w in workers])
        for w in workers:
            w.momentum = {name: v.clone() for name, v in momentum.items()}
    if broken == "reset-momentum":
        for w in workers:
            w.momentum = {name: torch.zeros_like(v) for name, v in w.momentum.items()}
    if broken == "average-hidden":
        layers = range(len(workers[0].hidden))
        hidden = [tuple(sum(w.hidden[l][s] for w in workers) / len(workers) for s in (0, 1)) for l in layers]
        for w in workers:
            w.hidden = hidden


def local_step(workers, eta, gamma, length, config, broken):
    """Each client steps on its own model by its own gradient norm."""
    drawn = [w.gradient(length, config, broken) for w in workers]
    shared = sum(length_of(d[0]) for d in drawn) / len(drawn) if broken == "mean-norm" else None
    steps = [w.step(d[0], eta, gamma, config, broken, shared) for w, d in zip(workers, drawn)]
    return drawn, [s[0] for s in steps], [s[1] for s in steps]


def joint_step(workers, eta, gamma, length, config, broken):
    """All clients take one step by the mean of their gradients, which is clipped after averaging."""
    drawn = [w.gradient(length, config, broken) for w in workers]
    gradients = [d[0] for d in drawn]
    if broken == "clip-before-average":
        shrink = [min(1.0, gamma / eta / (1e-10 + length_of(g))) for g in gradients]
        gradients = [{name: v * s for name, v in g.items()} for g, s in zip(gradients, shrink)]
        gamma = math.inf
    gradient = mean_of(gradients)
    if broken == "sum-of-gradients":
        gradient = {name: v * len(workers) for name, v in gradient.items()}
    steps = [w.step(gradient, eta, gamma, config, broken) for w in workers]
    return drawn, [steps[0][0]], [steps[0][1]]


def facts(config, result, workers):
    """What happened in a run, as far as a broken rule needs it to show."""
    first_milestone = min(config["milestones"], default=math.inf)
    starts = [r["epoch"] for r in result["rounds"]]
    clipped = [sum(result["clipped"][r["iteration"] : r["iteration"] + config["interval"]], []) for r in result["rounds"]]
    odd = [l != config["bptt"] for l in config["lengths"] or []]
    return {
        "passes": max(w.batches.passes for w in workers) + 1,
        "short_windows": sum(w.batches.short for w in workers),
        "carried_windows": sum(w.batches.carried for w in workers),
        "rounds": len(starts),
        "clipped": sum(sum(c) for c in clipped),
        "clipped_in_warmup": sum(sum(c) for c, e in zip(clipped, starts) if e < config["warmup"]),
        "clipped_after_milestone": sum(sum(c) for c, e in zip(clipped, starts) if e >= first_milestone),
        "clipped_at_odd_length": sum(sum(c) for c, o in zip(result["clipped"], odd) if o),
        "odd_lengths": sum(odd[: config["iterations"]]),
        "rounds_after_milestone": sum(e >= first_milestone for e in starts),
        "steps_with_rates_unlike_their_rounds": sum(
            rates(config, e) != rates(config, starts[k // config["interval"]]) for k, e in enumerate(result["epoch"])
        ),
    }


def train(config, weights, broken=None):
    """Runs the configuration; -> the output document without "final", and the averaged model."""
    model = LanguageModel(weights, config["layers"], config["tied"] and broken != "untied")
    vocabulary = model.encoder.weight.shape[0]
    largest = max(config["tokens"]["train"], default=0)
    if largest >= vocabulary:
        raise InputError(f"tokens.train must be ids below the vocabulary's {vocabulary}, got {largest}")
    shards = cut(config["tokens"]["train"], config["clients"], config["percent"])
    workers = [Worker(model, Batches(shards, i, config, broken)) for i in range(config["clients"])]
    one_pass = config["epoch_samples"] or samples_of_a_pass(shards, config)
    take = joint_step if config["algorithm"] == "naive-clip" else local_step
    talks = config["algorithm"] in ("celgc", "fedavg") and broken != "no-average"
    seen, result = 0, {"loss": [], "train_loss": [], "norm": [], "clipped": [], "epoch": [], "rounds": []}

    for first in range(0, config["iterations"], config["interval"]):
        eta, gamma = rates(config, seen / one_pass, broken)
        entry = {"iteration": first, "epoch": seen / one_pass, "eta": eta, "gamma": gamma, "samples": 0}
        for t in range(config["interval"]):
            if broken == "rates-every-step":
                eta, gamma = rates(config, seen / one_pass, broken)
            length, scale = config["bptt"], 1.0
            if config["lengths"] is not None:
                length = config["lengths"][first + t]
                scale = length / config["bptt"] if broken != "no-length-scale" else 1.0
            if talks and broken == "average-before-last-step" and t == config["interval"] - 1:
                average(workers)
            gamma_scale = 1.0 if broken == "length-scales-eta-only" else scale
            drawn, norm, clipped = take(workers, eta * scale, gamma * gamma_scale, length, config, broken)
            result["epoch"].append(seen / one_pass)
            result["loss"].append([d[1] for d in drawn])
            result["train_loss"].append([d[2] for d in drawn])
            result["norm"].append(norm)
            result["clipped"].append(clipped)
            seen += sum(d[3] for d in drawn)
            entry["samples"] += sum(d[3] for d in drawn)
        if talks and broken != "average-before-last-step":
            average(workers, broken)
        for key in ("loss", "train_loss", "norm", "clipped"):
            values = [v for step in result[key][first:] for v in step]
            entry[key] = sum(values) / len(values)
        result["rounds"].append(entry)
    result["epoch_samples"] = one_pass
    result["facts"] = facts(config, result, workers)
    average(workers)
    return result, workers[0].model


# ---- runs ----


def run_broken(config, weights, rule):
    """train() with one rule broken. The copy of a tied weight that `untied` needs is made here."""
    if rule == "untied":
        weights = dict(weights, **{"decoder.weight": weights["encoder.weight"].clone()})
    return train(config, weights, rule)


def document(config, weights, rule=None):
    result, model = run_broken(config, weights, rule)
    result["final"] = {
        name: {"shape": list(p.shape), "first": p.detach().flatten()[:8].tolist(), "norm": length_of({name: p.detach()})}
        for name, p in model.named().items()
    }
    return result, model


def for_json(value):
    """Non-finite numbers become null: JSON has none, and a null never compares as close."""
    if isinstance(value, dict):
        return {key: for_json(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_config(path):
    """-> configuration, weights."""
    try:
        with open(path, encoding="utf-8") as file:
            config = checked(json.load(file), path)
        return config, read_safetensors(os.path.join(os.path.dirname(path), config["weights"]))
    except (OSError, json.JSONDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("config", nargs="?")
    parser.add_argument("--out", help="where the result goes; standard output by default")
    parser.add_argument("--weights-out", help="final averaged weights, safetensors")
    parser.add_argument("--break", dest="broken", choices=BREAKS, metavar="RULE", help="break this rule on purpose")
    parser.add_argument("--every-break", action="store_true", help="one run for each applicable rule, all in one output")
    parser.add_argument("--list-breaks", action="store_true", help="rules, what breaking them does and what must be on")
    parser.add_argument("--selfcheck", action="store_true", help="check the oracle itself")
    parser.add_argument("--example", metavar="DIR", help="write config.json and init.safetensors into this new folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        if options.selfcheck:
            import lm_oracle_selfcheck

            return lm_oracle_selfcheck.main()
        if options.example:
            import lm_oracle_selfcheck

            return lm_oracle_selfcheck.write_example(options.example)
        if options.list_breaks:
            rules = BREAKS
            if options.config:
                config, weights = load_config(options.config)
                rules = applicable(config, train(config, weights)[0]["facts"])
            print("\n".join(f"{rule}\t{BREAKS[rule][0]}\t{BREAKS[rule][1]}" for rule in rules))
            return 0
        if options.config is None:
            parser.error("a configuration is needed")
        config, weights = load_config(options.config)
        if options.every_break:
            if options.broken or options.weights_out:
                parser.error("--every-break goes with neither --break nor --weights-out")
            result = {"none": document(config, weights)[0]}
            rules = applicable(config, result["none"]["facts"])
            result.update({rule: document(config, weights, rule)[0] for rule in rules})
        else:
            if options.broken and options.broken not in applicable(config, train(config, weights)[0]["facts"]):
                raise InputError(f"--break {options.broken} needs {BREAKS[options.broken][1]} in {options.config}")
            result, model = document(config, weights, options.broken)
            if options.weights_out:
                write_safetensors(options.weights_out, model.named())
        text = json.dumps(for_json(result), allow_nan=False)
        if options.out:
            with open(options.out, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        else:
            print(text)
        return 0
    except InputError as problem:
        print(f"lm_oracle.py: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    import lm_oracle  # as a module, so that it is the same one that the self-check sees

    sys.exit(lm_oracle.main())
