"""Checks the oracle itself: against hand-derived numbers, identities between methods, and its own broken rules.

`lm_oracle.py --selfcheck` runs them; a check is a function that raises AssertionError. None of them knows tacet.
"""

import json
import math
import os
import tempfile

import numpy as np
import torch

import lm_oracle as oracle

# A run with everything on, small enough for a second: 3 clients, shards of 37 tokens = 2 streams of 18, so a pass is
# windows of 5, 5, 5 and 2 when lengths are fixed; 40 iterations are about 12 passes. gamma / eta = 0.3 is in the middle of
# the clients' gradient norms, so that some steps clip and some don't; the averaged gradient is about half as long.
EVERYTHING = {
    "weights": "unused",
    "clients": 3,
    "batch_size": 2,
    "bptt": 5,
    "partition": "rotate",
    "algorithm": "celgc",
    "eta": 1.6,
    "gamma": 0.48,
    "interval": 4,
    "momentum": 0.5,
    "weight_decay": 0.02,
    "milestones": [5, 8],
    "factor": 0.5,
    "warmup": 3,
    "warmup_from": 0.25,
    "alpha": 0.3,
    "beta": 3.0,
    "tied": True,
    "layers": 2,
    "iterations": 40,
    "lengths": [5, 7, 4, 5, 6] * 8,
}
NAIVE = {"algorithm": "naive-clip", "gamma": 0.24}
VOCABULARY, EMBEDDING, HIDDEN = 23, 6, 8


def tokens(count, vocabulary=VOCABULARY):
    """Mostly v -> 3v + 1, so that there is something to learn; three steps in ten go anywhere."""
    generator, drawn = np.random.default_rng(5), [0]
    while len(drawn) < count:
        anywhere = int(generator.integers(0, vocabulary)) if generator.random() < 0.3 else 0
        drawn.append((3 * drawn[-1] + 1 + anywhere) % vocabulary)
    return drawn


def configured(**changes):
    raw = dict(EVERYTHING, tokens={"train": tokens(112)})
    raw.update(changes)
    return oracle.checked(raw, "selfcheck")


def initial(layers=2, tied=True, scale=1.0):
    generator = np.random.default_rng(11)
    sizes = [EMBEDDING] + [HIDDEN] * (layers - 1) + [EMBEDDING]
    shapes = {"encoder.weight": (VOCABULARY, EMBEDDING)}
    for l in range(layers):
        shapes[f"rnns.{l}.weight_ih"] = (4 * sizes[l + 1], sizes[l])
        shapes[f"rnns.{l}.weight_hh"] = (4 * sizes[l + 1], sizes[l + 1])
        shapes[f"rnns.{l}.bias_ih"] = shapes[f"rnns.{l}.bias_hh"] = (4 * sizes[l + 1],)
    if not tied:
        shapes["decoder.weight"] = (VOCABULARY, EMBEDDING)
    shapes["decoder.bias"] = (VOCABULARY,)
    return {n: torch.tensor(generator.uniform(-scale, scale, s), dtype=torch.float32) for n, s in shapes.items()}


def write_example(folder):
    """The configuration with everything on, as files."""
    try:
        os.makedirs(folder)
    except OSError as problem:
        raise oracle.InputError(f"--example must name a new folder: {problem}") from problem
    oracle.write_safetensors(os.path.join(folder, "init.safetensors"), initial())
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(dict(EVERYTHING, weights="init.safetensors", tokens={"train": tokens(112)}), file, indent=1)
    return 0


def run(weights=None, broken=None, **changes):
    config = configured(**changes)
    weights = initial(config["layers"], config["tied"]) if weights is None else weights
    result, model = oracle.run_broken(config, weights, broken)
    return result, {name: p.detach() for name, p in model.named().items()}


def same_bits(a, b):
    assert a[0]["loss"] == b[0]["loss"] and a[0]["norm"] == b[0]["norm"]
    assert all(torch.equal(a[1][name], b[1][name]) for name in a[1])


def difference(a, b):
    """Largest relative difference between two runs' losses."""
    return max(abs(u - v) / u for u, v in zip(sum(a[0]["loss"], []), sum(b[0]["loss"], [])))


def windows(shards, client, config, count, lengths=None):
    batches = oracle.Batches(shards, client, config)
    return [batches.next(config["bptt"] if lengths is None else lengths[k]) for k in range(count)]


# ---- data ----


def check_windows_by_hand():
    # Tokens 0..13, 2 clients, B = 2: shards 0..6 and 7..13, each 2 streams of 3 (one token is dropped): 0 1 2 | 3 4 5.
    # The only window of a pass has min(4, 3 - 1 - 0) = 2 positions; then client 0 reads shard 1 from zero.
    config = configured(tokens={"train": list(range(14))}, clients=2, bptt=4, lengths=None)
    shards = oracle.cut(list(range(14)), 2, None)
    (a, ta, fa), (b, tb, fb) = windows(shards, 0, config, 2)
    assert a.tolist() == [[0, 3], [1, 4]] and ta.tolist() == [1, 4, 2, 5] and fa
    assert b.tolist() == [[7, 10], [8, 11]] and tb.tolist() == [8, 11, 9, 12] and fb
    assert oracle.samples_of_a_pass(shards, config) == 2 * 2 * 2


def check_end_of_pass():
    # One stream of 12 tokens, windows of 5: offsets 0, 5 and then 10 = 12 - 2, where the pass ends: one position is
    # never a target. With 13 tokens the offset 10 < 11 gives a short window of 2.
    config = configured(clients=1, batch_size=1, bptt=5, lengths=None)
    for length, starts in ((12, [0, 5, 0]), (13, [0, 5, 10, 0])):
        drawn = windows([list(range(length))], 0, config, len(starts))
        assert [w[0][0, 0].item() for w in drawn] == starts
        assert [w[2] for w in drawn] == [s == 0 for s in starts]
        assert oracle.samples_of_a_pass([list(range(length))], config) == (10 if length == 12 else 12)


def check_percentages():
    # 10, 30, 60 % of 25 tokens: bounds floor(2.5), floor(10), 25.
    assert [len(s) for s in oracle.cut(list(range(25)), 3, [10, 30, 60])] == [2, 8, 15]


# ---- model ----


def check_lstm_cell_by_hand():
    """One layer, one token from zero state: i, f, g, o are the four blocks of rows, h = σ(o)·tanh(σ(i)·tanh(g))."""
    weights = initial(layers=1)
    model = oracle.LanguageModel(weights, 1, True)
    _, output, hidden = model(torch.tensor([[3]]), None)
    w = {name: value.double().numpy() for name, value in weights.items()}
    gates = w["rnns.0.weight_ih"] @ w["encoder.weight"][3] + w["rnns.0.bias_ih"] + w["rnns.0.bias_hh"]
    i, _, g, o = gates.reshape(4, EMBEDDING)
    cell = np.tanh(g) / (1 + np.exp(-i))
    assert np.allclose(output.detach().numpy()[0, 0], np.tanh(cell) / (1 + np.exp(-o)), atol=1e-6)
    assert np.allclose(hidden[0][1].numpy()[0, 0], cell, atol=1e-6)


def check_windows_continue_each_other():
    """With a step too small to matter, a pass's windows add up to one forward over the whole shard, and the next pass
    repeats it: the hidden state is carried within a pass and zero at its start. The terms are those of the output."""
    config = configured(tokens={"train": tokens(36)}, clients=1, interval=1, iterations=8, lengths=None, eta=1e-12)
    result, model = oracle.train(config, initial())
    streams = torch.tensor(tokens(36)).view(2, 18).t()
    _, output, _ = model(streams[:-1], None)
    chance = torch.log_softmax(model.decoder(output), 2).gather(2, streams[1:].unsqueeze(2)).squeeze(2)
    for k, (begin, end) in enumerate([(0, 5), (5, 10), (10, 15), (15, 17)] * 2):
        loss, part = -chance[begin:end].mean().item(), output[begin:end].detach().double().numpy()
        assert math.isclose(result["loss"][k][0], loss, rel_tol=1e-5), (k, result["loss"][k], loss)
        terms = config["alpha"] * (part**2).mean() + config["beta"] * (np.diff(part, axis=0) ** 2).mean()
        assert math.isclose(result["train_loss"][k][0], loss + terms, rel_tol=1e-5), k


# ---- methods ----


def check_softmax_bias_closed_form():
    """All weights zero but the decoder's bias b: the output and every other gradient stay zero, so this is softmax
    regression on b alone, with gradient softmax(b) - (share of each word among the targets). Replayed in NumPy."""
    weights = {name: torch.zeros_like(v) for name, v in initial().items()}
    weights["decoder.bias"] = torch.linspace(-1, 1, VOCABULARY)
    for changes in ({}, NAIVE):
        config = configured(iterations=20, milestones=[2, 4], **changes)
        result, model = oracle.train(config, weights)
        flags = sum(result["clipped"], [])
        assert 0 < sum(flags) < len(flags), flags
        shards = oracle.cut(config["tokens"]["train"], 3, None)
        read = [windows(shards, i, config, 20, config["lengths"]) for i in range(3)]
        b = [np.linspace(-1, 1, VOCABULARY) for _ in range(3)]
        m = [np.zeros(VOCABULARY) for _ in range(3)]
        for k in range(20):
            # Rates move at the starts of rounds only, every 4 iterations; a pass has 3 shards of 2 · 17 targets.
            seen = sum(len(read[i][j][1]) for i in range(3) for j in range(k // 4 * 4))
            epoch = seen / (3 * 2 * 17)
            scale = (0.25 + 0.75 * min(1, epoch / 3)) * config["lengths"][k] / 5
            scale *= 0.5 ** ((epoch >= 2) + (epoch >= 4))
            gradients = []
            for i in range(3):
                share = np.exp(b[i]) / np.exp(b[i]).sum()
                target = read[i][k][1].numpy()
                loss = -np.log(share[target]).mean()
                assert math.isclose(loss, result["loss"][k][i], rel_tol=1e-5)
                gradients.append(share - np.bincount(target, minlength=VOCABULARY) / len(target))
            if changes is NAIVE:
                gradients = [sum(gradients) / 3] * 3
            for i in range(3):
                rate = min(1.6 * scale, config["gamma"] * scale / np.linalg.norm(gradients[i]))
                m[i] = 0.5 * m[i] + gradients[i] + 0.02 * b[i]
                b[i] = b[i] - rate * m[i]
            if changes is not NAIVE and k % 4 == 3:
                b = [sum(b) / 3] * 3
        assert np.allclose(b[0], model.named()["decoder.bias"].detach().numpy(), rtol=1e-4, atol=1e-6)
        assert all(model.named()[name].abs().sum() == 0 for name in weights if name != "decoder.bias")


def check_step_length():
    # All steps clip, no decay or momentum: one client moves by exactly γ·(length/bptt) a step, 0.01 * 0.25 at first.
    before = initial()
    after = run(before, clients=1, interval=1, iterations=1, momentum=0, weight_decay=0, gamma=0.01)[1]
    moved = math.sqrt(sum(float((after[n] - before[n]).double().pow(2).sum()) for n in before))
    assert math.isclose(moved, 0.01 * 0.25, rel_tol=1e-3), moved


def check_milestones_and_warmup():
    # η = 1.6, γ = 0.48, warm-up over 3 epochs from 1/4, halved at 5 and 8.
    for epoch, scale in ((0, 0.25), (1.5, 0.625), (3, 1), (4.99, 1), (5, 0.5), (8, 0.25)):
        assert np.allclose(oracle.rates(configured(), epoch), (1.6 * scale, 0.48 * scale))


def check_celgc_without_clipping_is_fedavg():
    same_bits(run(gamma=None), run(algorithm="fedavg"))


def check_one_client_has_one_method():
    single = run(clients=1, algorithm="sgd-clip")
    same_bits(single, run(clients=1, algorithm="celgc"))
    same_bits(single, run(clients=1, algorithm="naive-clip"))


def check_averaging_every_linear_step_is_naive():
    # Without clipping and with I = 1 a step is linear in the gradient, so averaged models are one averaged step.
    local, joint = run(algorithm="fedavg", interval=1), run(algorithm="naive-clip", gamma=None, interval=1)
    for name in local[1]:
        assert torch.allclose(local[1][name], joint[1][name], rtol=1e-4, atol=1e-6), name


def check_hidden_states_are_the_clients_own():
    # Identical data for both clients: they take identical steps, and two clients are as good as one.
    half = tokens(40)
    both = run(tokens={"train": half + half}, clients=2, partition="fixed")
    one = run(tokens={"train": half}, clients=1, partition="fixed")
    assert [row[:1] for row in both[0]["loss"]] == one[0]["loss"] and both[0]["loss"][7][0] == both[0]["loss"][7][1]


def check_every_broken_rule_shows():
    """The losses alone tell the unbroken run from the broken one, ten times above the 1e-4 that tests allow; between
    them the three configurations reach every rule."""
    shown = set()
    for changes in ({}, NAIVE, {"lengths": None, "partition": "fixed", "percent": [20, 30, 50]}):
        right = run(**changes)
        flags = sum(right[0]["clipped"], [])
        assert 0.2 < sum(flags) / len(flags) < 0.8, "a share of the steps must clip, and a share must not"
        for rule in oracle.applicable(configured(**changes), right[0]["facts"]):
            gap = difference(right, run(broken=rule, **changes))
            assert not gap <= 1e-3, f"{rule} with {changes} changes the run by {gap:.1e} only"
            shown.add(rule)
    assert shown == set(oracle.BREAKS), f"no configuration reaches {sorted(set(oracle.BREAKS) - shown)}"


# ---- input and output ----


def rejects(text, **changes):
    try:
        configured(**changes)
    except oracle.InputError as problem:
        assert text in str(problem), f"{problem} lacks {text!r}"
        return
    raise AssertionError(f"{changes} was accepted")


def check_wrong_configurations():
    rejects("gamma must be a number > 0", gamma=-1)
    rejects("unknown key 'gama'", gama=1)
    rejects("multiple of interval (4), got 41", iterations=41, lengths=None)
    rejects("lengths must hold at least 40", lengths=[5])
    rejects("clients must be 1 for sgd-clip, got 3", algorithm="sgd-clip")
    rejects("percent is allowed with partition fixed only", percent=[20, 30, 50])
    rejects("sum 100", partition="fixed", percent=[20, 30, 40])
    try:
        run(tokens={"train": [VOCABULARY] * 112})
    except oracle.InputError as problem:
        assert "below the vocabulary's 23, got 23" in str(problem)
    else:
        raise AssertionError("a token outside the vocabulary was accepted")


def check_safetensors():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "w.safetensors")
        weights = initial(tied=False)
        oracle.write_safetensors(path, weights)
        back = oracle.read_safetensors(path)
        assert list(back) == list(weights) and all(torch.equal(back[n], weights[n]) for n in weights)
        with open(path, "rb+") as file:
            file.truncate(os.path.getsize(path) - 4)
        try:
            oracle.read_safetensors(path)
        except oracle.InputError as problem:
            assert "not a safetensors file" in str(problem)
        else:
            raise AssertionError("a truncated file was accepted")
    # A diverged run is written as null, which compares as unequal to every number.
    assert json.dumps(oracle.for_json({"loss": [[math.nan, 1.5]]}), allow_nan=False) == '{"loss": [[null, 1.5]]}'


def main():
    failed = 0
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
                print(f"ok      {name[6:]}")
            except AssertionError as problem:
                failed += 1
                print(f"FAILED  {name[6:]}: {problem} (line {problem.__traceback__.tb_next.tb_lineno})")
    return 1 if failed else 0
