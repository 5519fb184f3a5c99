"""Streaming DiLoCo, and SparseLoCo with its sparse messages. See methods_oracle_methods.py, whose rules hold here too."""

import math

import numpy as np

from methods_oracle_methods import mean
from methods_oracle_outer import inner_phase, outer_step


def mean_of(run, sent, origin):
    """The mean of what the clients send."""
    if run.broken == "average-over-all":
        return sum(sent.values()) / run.clients
    if run.broken == "first-client-only":
        return next(iter(sent.values()))
    return mean(run, sent, origin)


# ---- Streaming DiLoCo ----


def part_of(run, number):
    """The places of a part: layers number, number + P, number + 2P, …"""
    if run.broken == "stream-whole":
        return np.arange(run.x0.size)
    return np.concatenate([np.arange(offset, offset + size) for offset, size in run.layers[number :: run.options["fragments"]]])


def streaming(run, x, state):
    """All clients keep their models. Part f = r mod P is sent `delay` steps before the round's end; at the end it is averaged,
    takes the outer step, and the clients take it: y ← μy + (1 − μ)x, or y ← y + x − what they had sent."""
    o = run.options
    f = 0 if run.broken == "stream-first-part" else run.r % o["fragments"]
    where = part_of(run, f)
    own, sent = state.setdefault("y", {i: run.x0 for i in range(run.clients)}), {}
    if run.broken == "stream-restarts":
        own.update({i: x for i in own})
    when = run.interval - (0 if run.broken == "stream-sends-at-the-end" else o["delay"])
    if when == 0:
        sent = {i: own[i][where] for i in run.sampled}

    def after(t, i, y):
        if t + 1 == when:
            sent[i] = y[where]

    ys = inner_phase(run, x, state, begin={i: own[i] for i in run.sampled}, after=after)
    change = x[where] - mean_of(run, sent, x[where])
    kept = state.setdefault("outer", {}).setdefault(str(f), {})
    x = x.copy()
    x[where] -= outer_step(run, change, len(sent), kept)
    adds = (o["merge"] == "add") != (run.broken == "stream-other-merge")
    mix = {"stream-not-mixed": 0.0, "stream-mix-swapped": 1 - o["mix"]}.get(run.broken, o["mix"])
    for i, y in ys.items():
        own[i] = y.copy()
        own[i][where] = y[where] + x[where] - sent[i] if adds else mix * y[where] + (1 - mix) * x[where]
    return x


# ---- SparseLoCo ----


def in_two_bits(run, values):
    """a the mean, σ the deviation (n − 1), w = 6σ/4: code = (v − a)/w + 2, rounded, of 0 … 3; a code is its values' mean."""
    a, w = values.mean(), 6 * values.std(ddof=1) / 4
    near = np.floor if run.broken == "sparse-codes-rounded-down" else np.rint
    codes = np.clip(near((values - a) / w + 2), 0, 3)
    out = np.empty_like(values)
    for code in np.unique(codes):
        out[codes == code] = a + (values[codes == code] - a).mean()
    return out


def sparse(run, e):
    """Of each chunk of a layer the largest values. A matrix has chunks of `chunk` values, a vector of its largest divisor up
    to 64."""
    o, out = run.options, np.zeros_like(e)
    for (offset, size), shape in zip(run.layers, run.shapes):
        longest = o["chunk"] if shape else max(k for k in range(1, 65) if size % k == 0)
        if run.broken == "sparse-chunks-of-half":
            longest = max(1, longest // 2)
        for first in range(offset, offset + size, longest):
            part = e[first : min(first + longest, offset + size)]
            kept = max(1, math.floor(o["density"] * part.size + 0.5))
            if run.broken == "sparse-sends-all":
                kept = part.size
            places = sorted(range(part.size), key=lambda k, v=part: (-abs(v[k]), k))[:kept]
            if run.broken == "sparse-sends-the-smallest":
                places = sorted(range(part.size), key=lambda k, v=part: (abs(v[k]), k))[:kept]
            values = part[places]
            if o["values"] == "2bit" and 4 + math.ceil(kept / 16) < kept and run.broken != "sparse-whole-values":
                run.note("in_two_bits")
                values = in_two_bits(run, values)
            out[first + np.array(places)] = values
    return out


def sparseloco(run, x, state):
    """eⁱ ← βeⁱ + x − yⁱ; sⁱ = Q(TopK(eⁱ)); eⁱ ← eⁱ − sⁱ; x ← x − α mean sⁱ."""
    o, e = run.options, state.setdefault("e_i", {})
    ys, sent = inner_phase(run, x, state), {}
    beta = {"sparse-forgets": 0.0, "sparse-beta-ignored": 1.0}.get(run.broken, o["feedback"])
    for i, y in ys.items():
        e[i] = beta * e.get(i, np.zeros_like(x)) + x - y
        sent[i] = sparse(run, e[i])
        if run.broken != "sparse-keeps-what-it-sent":
            e[i] = e[i] - sent[i]
    change = mean_of(run, sent, 0.0)
    if run.broken == "sparse-by-senders":
        change = sum(sent.values()) / np.maximum(1, sum((s != 0).astype(float) for s in sent.values()))
    alpha = 1.0 if run.broken == "sparse-eta-ignored" else o["outer_eta"]
    return x + alpha * change if run.broken == "sparse-ascends" else x - alpha * change
