"""Methods of inner and outer optimisers: DiLoCo, FedNova, FedDyn, FedExP, and Clip21. Streaming DiLoCo and SparseLoCo, which
build on them, are in methods_oracle_streaming.py. See methods_oracle_methods.py, whose
rules hold here too.

inner = "sgd" is a step of CELGC where γ is finite: min(η, γ/‖g‖) times the direction. With γ infinite the gradient is first
scaled to max_norm, by c/(‖g‖ + 1e-6), before momentum sees it. inner = "adamw" gets the gradient scaled, to γ/η or to
max_norm. λy is decoupled, or with decay_in_norm in the gradient before its norm is taken.
"""

import math

import numpy as np

from methods_oracle_methods import TINY, average, direction, factor, local_phase, mean, norm, note_clip


def adamw_step(run, i, eta, y, g, state):
    """k ← k+1; m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; y ← y(1 − ηλ) − η m̂/(√v̂ + ε)."""
    o, zero = run.options, np.zeros_like(y)
    m, v, k = (state.setdefault(name, {}) for name in ("m_i", "v_i", "steps_i"))
    k[i] = k.get(i, 0) + 1
    m[i] = o["beta1"] * m.get(i, zero) + (1 - o["beta1"]) * g
    seen = m[i] if run.broken == "inner-second-moment-of-m" else g
    v[i] = o["beta2"] * v.get(i, zero) + (1 - o["beta2"]) * seen**2
    first, second = m[i] / (1 - o["beta1"] ** k[i]), v[i] / (1 - o["beta2"] ** k[i])
    if run.broken == "inner-no-bias-correction":
        first, second = m[i], v[i]
    step = first / (np.sqrt(second) + o["epsilon"])
    if run.broken == "inner-epsilon-in-root":
        step = first / np.sqrt(second + o["epsilon"])
    decay = 0.0 if o["decay_in_norm"] != (run.broken == "inner-other-decay") else o["weight_decay"]
    return y - eta * decay * y - eta * step


MULOCO = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
JORDAN = ((3.4445, -4.7750, 2.0315),) * 5


def orthogonalised(X, coefficients):
    """X/‖X‖, then five times S = XXᵀ, X ← aX + (bS + cS²)X; a matrix that is taller than wide is transposed for it."""
    X = X / (norm(X) + 1e-7)
    if X.shape[0] > X.shape[1]:
        return orthogonalised(X.T, coefficients).T
    for a, b, c in coefficients:
        S = X @ X.T
        X = a * X + (b * S + c * S @ S) @ X
    return X


def muon_step(run, i, eta, y, g, state):
    """Matrices: m ← μm + g, or with Jordan's iteration m ← μm + (1−μ)g and (1−μ)g + μm in its place; y ← y(1 − ηλ) − ηsO.
    All else is adamw's, with others_rate · η."""
    o, m = run.options, state.setdefault("muon_i", {})
    mu, jordan = o["muon_momentum"], (o["muon_iteration"] == "jordan") != (run.broken == "muon-other-iteration")
    out = adamw_step(run, i, eta * (1.0 if run.broken == "muon-others-rate-ignored" else o["others_rate"]), y, g, state)
    if jordan:
        m[i] = mu * m.get(i, np.zeros_like(y)) + (1 - mu) * g
        towards = m[i] if run.broken == "muon-no-look-ahead" else (1 - mu) * g + mu * m[i]
    else:
        m[i] = towards = mu * m.get(i, np.zeros_like(y)) + g
    decay = 0.0 if o["decay_in_norm"] != (run.broken == "inner-other-decay") else o["weight_decay"]
    for (offset, size), shape in zip(run.layers, run.shapes):
        if not shape:
            continue
        rows, cols = shape
        matrix = towards[offset : offset + size].reshape(shape)
        turned = orthogonalised(matrix, JORDAN if jordan else MULOCO)
        if run.broken == "muon-only-normalised":
            turned = matrix / norm(matrix)
        scale = np.sqrt({"muloco": rows / cols, "jordan": max(1.0, rows / cols), "moonlight": 0.04 * max(rows, cols)}[o["muon_scale"]])
        if run.broken == "muon-no-scale":
            scale = 1.0
        own = y[offset : offset + size]
        out[offset : offset + size] = own - eta * decay * own - eta * scale * turned.reshape(-1)
    return out


def inner_step(run, t, i, y, g, state):
    """One step of the client's optimiser; its state stays in `state`."""
    o, (eta, gamma) = run.options, run.rates(t)
    decayed = g + o["weight_decay"] * y
    inside = o["decay_in_norm"] != (run.broken == "inner-other-decay")
    measured, other = (decayed, g) if inside else (g, decayed)
    by_gamma = not math.isinf(gamma)
    bound = gamma / eta if by_gamma else o["max_norm"]
    length = norm(measured)
    note_clip(run, length > bound, eta)
    if abs(norm(other) - length) > 0.05 * length and (max(length, norm(other)) > 1.05 * bound):
        run.note("inner_decay_matters")
    kept = min(1.0, bound / (length + (TINY if by_gamma else 1e-6))) if not math.isinf(bound) else 1.0
    if run.broken == "inner-not-clipped":
        kept = 1.0
    if o["inner"] == "sgd":
        buffers = state.setdefault("m_i", {})
        if by_gamma:
            return y - kept * eta * direction(run, y, g, buffers, i)
        given = kept * measured - (o["weight_decay"] * y if inside else 0.0)  # direction() adds λy
        return y - eta * direction(run, y, given, buffers, i)
    return (adamw_step if o["inner"] == "adamw" else muon_step)(run, i, eta, y, kept * measured, state)


def inner_phase(run, x, state, corrected=None, begin=None, after=None):
    """Every sampled client takes its steps from x, or from begin[i]; corrected(i, y, g) -> the gradient that its optimiser
    sees; after(t, i, y) is told every step."""
    if run.broken == "inner-restarts":
        for name in ("m_i", "v_i", "steps_i", "muon_i"):
            state.pop(name, None)
    if run.broken == "inner-steps-restart":
        state.pop("steps_i", None)

    def step(t, i, y, g):
        y = inner_step(run, t, i, y, corrected(i, y, g) if corrected else g, state)
        if after:
            after(t, i, y)
        return y

    ys = local_phase(run, begin or {i: x for i in run.sampled}, step)
    if run.broken == "inner-averaged":
        for name in ("m_i", "v_i", "muon_i"):
            own = state.get(name, {})
            shared = sum(own[i] for i in ys) / len(ys) if own else None
            own.update({i: shared for i in ys if i in own})
    return ys


def outer_step(run, change, count, kept):
    """The step along the mean change D of `count` clients: α(D + βu) with nesterov, αu with momentum, αD with sgd, where
    u ← βu + D. What it remembers is in `kept`."""
    o, outer = run.options, run.options["outer"]
    alpha, beta = o["outer_eta"], o["outer_momentum"]
    if run.broken == "outer-changes-summed":
        change = change * count
    if run.broken == "outer-eta-ignored":
        alpha = 1.0
    if run.broken == "outer-ascends":
        alpha = -alpha
    if outer == "sgd":
        return alpha * change
    if run.broken == "outer-restarts":
        kept.pop("u", None)
        kept.pop("v", None)
    u = kept.get("u", np.zeros_like(change))
    if outer == "adam":
        v = kept.get("v", (0.0 if run.broken == "outer-v-starts-at-zero" else o["outer_tau"] ** 2) * np.ones_like(change))
        kept["u"] = u = beta * u + (1.0 if run.broken == "outer-other-dampening" else 1 - beta) * change
        kept["v"] = v = o["outer_beta2"] * v + (1 - o["outer_beta2"]) * change**2
        if run.broken == "outer-tau-in-root":
            return alpha * u / np.sqrt(v + o["outer_tau"])
        return alpha * u / (np.sqrt(v) + o["outer_tau"])
    kept["u"] = u = beta * u + (1 - beta if run.broken == "outer-other-dampening" else 1.0) * change
    nesterov = (outer == "nesterov") != (run.broken == "outer-other-look-ahead")
    return alpha * (change + beta * u if nesterov else u)


def diloco(run, x, state):
    """D = mean(x − yⁱ); x moves by the outer optimiser's step along D."""
    ys = inner_phase(run, x, state)
    return x - outer_step(run, x - average(run, ys), len(ys), state)


def fed_nova(run, x, state):
    """dⁱ = (x − yⁱ)/aⁱ; x ← x − τ Σ pⁱ dⁱ, where a step weighs c = 1 + ρ + ρ² + …, or with μ the round's a ← (1 − ημ)a + 1.
    τ = Σ pⁱ aⁱ; with μ it is Σ pⁱ τⁱ. Momentum restarts in every round."""
    o = run.options
    buffers = state.setdefault("kept", {}) if run.broken == "nova-momentum-persists" else {}
    a, c = {i: 0.0 for i in run.sampled}, {i: 0.0 for i in run.sampled}

    def step(t, i, y, g):
        eta = run.rates(t)[0]
        pull = o["mu"] * (y - x)
        if run.broken == "no-pull":
            pull = 0.0
        if run.broken == "pull-sign":
            pull = -pull
        c[i] = (0.0 if run.broken == "nova-by-steps" else o["momentum"]) * c[i] + 1
        a[i] = (1 - (0.0 if run.broken == "nova-by-steps" else eta * o["mu"])) * a[i] + c[i]
        return y - eta * direction(run, y, g + pull, buffers, i)

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    state.pop("m_i", None)
    weighted = o["weighted"] != (run.broken == "other-weighting")
    weights = {i: o["weights"][i] if weighted and o["weights"] else 1.0 for i in ys}
    total = sum(weights.values())
    if abs(total - len(ys)) > 0.05 * len(ys):
        run.note("weights_off_one")
    mean(run, ys, x)
    if len(ys) > 1 and max(a[i] for i in ys) > 1.05 * min(a[i] for i in ys):
        run.note("unequal_steps")
    if run.broken == "nova-not-normalised":
        return x - sum(weights[i] * (x - ys[i]) for i in ys) / total
    tau = sum(weights[i] * (run.steps[i] if o["mu"] and run.broken != "nova-effective-of-a" else a[i]) for i in ys) / total
    if run.broken == "nova-most-steps":
        tau = max(a.values())
    if run.broken == "weights-not-normalised":
        total = len(ys)
    return x - tau * sum(weights[i] * (x - ys[i]) / a[i] for i in ys) / total


def feddyn(run, x, state):
    """g ← ∇F_i(y) + (α/(N pⁱ))(y − x + lⁱ); lⁱ ← lⁱ + y − x; x ← mean yⁱ + the mean over all N of lⁱ."""
    o, zero = run.options, np.zeros_like(x)
    l_i = state.setdefault("l_i", {i: zero for i in range(run.clients)})
    if run.broken == "dyn-forgets":
        l_i.update({i: zero for i in l_i})

    def corrected(i, y, g):
        weight = o["weights"][i] if o["weights"] and run.broken != "dyn-alpha-for-all" else 1.0
        if run.broken == "dyn-no-term":
            return g
        if run.broken == "dyn-no-shift":
            return g + o["alpha"] / weight * (y - x)
        return g + o["alpha"] / weight * (y - x + (-1 if run.broken == "dyn-sign" else 1) * l_i[i])

    ys = inner_phase(run, x, state, corrected)
    for i, y in ys.items():
        l_i[i] = l_i[i] + y - x
    middle = average(run, ys)
    if run.broken == "dyn-mean-alone":
        return middle
    if run.broken == "dyn-over-sampled":
        return middle + sum(l_i[i] for i in ys) / len(ys)
    return middle + sum(l_i.values()) / run.clients


def fed_exp(run, x, state):
    """η = max(1, mean‖Dⁱ‖² / (2(‖D‖² + ε))); x ← x − ηD."""
    ys = inner_phase(run, x, state)
    change = x - average(run, ys)
    squares = sum(norm(x - y) ** 2 for y in ys.values()) / len(ys)
    if run.broken == "exp-squares-summed":
        squares = squares * len(ys)
    below = 2 * (norm(change) ** 2 + run.options["server_epsilon"])
    if run.broken == "exp-no-half":
        below = below / 2
    if run.broken == "exp-no-epsilon":
        below = 2 * norm(change) ** 2
    eta = squares / below
    if eta > 1.05:
        run.note("extrapolates")
    if 2 * eta > 1.05:
        run.note("nearly_extrapolates")
    if eta < 0.95:
        run.note("held_at_1")
    if run.options["server_epsilon"] > 0.02 * norm(change) ** 2 and eta > 0.95:
        run.note("epsilon_matters")
    if run.broken == "exp-no-extrapolation":
        eta = 1.0
    return x - (eta if run.broken == "exp-no-least" else max(1.0, eta)) * change


def dp_fedavg(run, x, state):
    """Changes longer than C are shortened to it; x ← x + (Σ Δⁱ + z_Δ C ξ)/S. b̃ = (the changes within C + σ_b ξ')/S;
    C ← C exp(−η_C (b̃ − q)). ξ and ξ' are given."""
    o, S = run.options, len(run.sampled)
    C = state.get("C", o["clip_norm"])
    ys = inner_phase(run, x, state)
    lengths = {i: norm(y - x) for i, y in ys.items()}
    longer = any(length > 1.05 * C for length in lengths.values())
    if longer:
        run.note("changes_longer")
    if longer and run.r > 0:
        run.note("changes_longer_later")
    if any(length < 0.95 * C for length in lengths.values()):
        run.note("changes_shorter")
    always, never = run.broken == "dp-always-of-length-C", run.broken == "dp-not-shortened"
    kept = {i: C / length if always or length > C and not never else 1.0 for i, length in lengths.items()}
    middle = average(run, {i: x + kept[i] * (y - x) for i, y in ys.items()})
    share = sum((length <= C) != (run.broken == "dp-bit-turned") for length in lengths.values()) / S
    z, sigma = o["noise_multiplier"], o["bit_noise"]
    if math.isinf(sigma):
        sigma = max(S / 20, z) if z else 0.0
    if not o["clip_rate"]:
        sigma = 0.0
    noise = np.zeros(x.size + 1)
    if z or sigma:
        noise = np.array(run.config["server_noise"][run.r])
    worth = (z**-2 - (2 * sigma) ** -2) ** -0.5 if z and sigma else z
    if run.broken == "dp-noise-of-z":
        worth = z
    if run.broken == "dp-no-noise":
        worth = 0.0
    scale = (1.0 if run.broken == "dp-noise-not-of-C" else C) / (1 if run.broken == "dp-noise-not-divided" else S)
    share += 0.0 if run.broken == "dp-bits-without-noise" else sigma / S * noise[-1]
    quantile = 0.5 if run.broken == "dp-quantile-half" else o["clip_quantile"]
    state["C"] = C * math.exp(-o["clip_rate"] * (share - quantile))
    if run.broken == "dp-clip-by-a-sum":
        state["C"] = C - o["clip_rate"] * (share - quantile)
    if run.broken == "dp-clip-stays":
        state["C"] = C
    return middle + worth * scale * noise[:-1]


def clip21(run, x, state):
    """vⁱ ← β₁vⁱ + (1 − β₁)∇f_i(x); cⁱ = clip(vⁱ − gⁱ) to γ/η; gⁱ ← gⁱ + β₂cⁱ; g ← g + β₂ mean cⁱ; x ← x − ηg."""
    o, zero = run.options, np.zeros_like(x)
    v, g_i = (state.setdefault(name, {i: zero for i in range(run.clients)}) for name in ("v_i", "g_i"))
    for t in range(run.interval):
        eta, sent = run.rates(t)[0], {}
        drawn = {i: run.gradient(i, x) for i in run.sampled}
        for i, g in drawn.items():
            beta1 = 0.0 if run.broken == "clip21-no-momentum" else o["beta1"]
            v[i] = beta1 * v[i] + (1 - beta1) * g
            left = v[i] if run.broken == "clip21-no-feedback" else v[i] - g_i[i]
            sent[i] = factor(run, t, left) / eta * left
            taken = left if run.broken == "clip21-feedback-of-all" else sent[i]
            g_i[i] = g_i[i] + (1.0 if run.broken == "clip21-own-share" else o["message_share"]) * taken
        c = mean(run, sent)
        if run.broken == "first-client-only":
            c = sent[run.sampled[0]]
        kept = 0.0 if run.broken == "clip21-server-forgets" else 1.0
        state["g"] = kept * state.get("g", zero) + o["message_share"] * c
        x = x - eta * state["g"]
    return x


def meets_later(run):
    """Does a client of this round's meeting of several take part again?"""
    later = set().union(*map(set, run.config["sampled"][run.r + 1 :]))
    return len(run.sampled) > 1 and bool(later & set(run.sampled))


def des_loc(run, x, state):
    """g clipped to max_norm; m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; y ← y − η m/(√v + ε). x is averaged in every round, m in
    every first_every-th, v in every second_every-th."""
    o, zero = run.options, np.zeros_like(x)
    m, v = state.setdefault("m_i", {}), state.setdefault("v_i", {})
    k = state.setdefault("steps_i", {}) if run.broken == "bias-correction" else {}

    def step(t, i, y, g):
        length = norm(g)
        note_clip(run, length > o["max_norm"], run.rates(t)[0])
        if length > o["max_norm"] and run.broken != "loc-not-clipped":
            g = g * o["max_norm"] / length
        m[i] = o["beta1"] * m.get(i, zero) + (1 - o["beta1"]) * g
        seen = m[i] if run.broken == "second-moment-of-m" else g
        v[i] = o["beta2"] * v.get(i, zero) + (1 - o["beta2"]) * seen**2
        first, second = m[i], v[i]
        if run.broken == "bias-correction":
            k[i] = k.get(i, 0) + 1
            first, second = first / (1 - o["beta1"] ** k[i]), second / (1 - o["beta2"] ** k[i])
        if run.broken == "loc-epsilon-in-root":
            return y - run.rates(t)[0] * first / np.sqrt(second + o["epsilon"])
        return y - run.rates(t)[0] * first / (np.sqrt(second) + o["epsilon"])

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    for moment, every, name in ((m, o["first_every"], "first"), (v, o["second_every"], "second")):
        due = (run.r + 1) % every == 0
        if due and meets_later(run):
            run.note(name + "_met")
        if not due and meets_later(run):
            run.note(name + "_apart")
        if run.broken == "loc-" + name + "-always":
            due = True
        if run.broken == "loc-" + name + "-stays":
            due = False
        if due:
            shared = sum(moment[i] for i in ys) / len(ys)
            moment.update({i: shared for i in ys})
    return average(run, ys)


def norm_ec(run, x, state):
    """hⁱ = (x − yⁱ)/Ση; dⁱ = β(hⁱ − gⁱ)/(α + ‖hⁱ − gⁱ‖); gⁱ ← gⁱ + dⁱ; ĝ ← ĝ + (1/N)Σdⁱ; x ← x − ηĝ or x − ηĝ/‖ĝ‖."""
    o, zero = run.options, np.zeros_like(x)
    sent = state.setdefault("g_i", {i: zero for i in range(run.clients)})
    moved = {i: 0.0 for i in run.sampled}

    def step(t, i, y, g):
        eta = run.rates(t)[0] * (1.0 if run.broken == "ec-local-rate-ignored" else o["local_rate"])
        moved[i] += eta
        return y - eta * g

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    changes = {}
    for i, y in ys.items():
        left = (x - y) / (run.interval if run.broken == "ec-sum-of-gradients" else moved[i])
        left = left - (0.0 if run.broken == "ec-no-feedback" else sent[i])
        alpha = 0.0 if run.broken == "ec-not-smoothed" else o["alpha"]
        changes[i] = o["message_length"] * left / (alpha + norm(left))
        sent[i] = sent[i] + (left if run.broken == "ec-feedback-of-all" else changes[i])
    change = mean(run, changes)
    share = 1.0 if run.broken == "no-share" else len(ys) / run.clients
    kept = 0.0 if run.broken == "ec-server-forgets" else 1.0
    state["g"] = g = kept * state.get("g", zero) + share * change
    normalised = o["server_normalised"] != (run.broken == "ec-other-normalisation")
    return x - run.rates(0)[0] * (g / norm(g) if normalised else g)


def i_nsgd(run, x, state):
    """x ← x − η g/h^β, h = max(1, Γ(A‖g'‖ + δ)); g' is another mini-batch's gradient at x."""
    o = run.options
    for t in range(run.interval):
        drawn = {i: (run.gradient(i, x), run.gradient(i, x)) for i in run.sampled}
        g, other = mean(run, {i: d[0] for i, d in drawn.items()}), mean(run, {i: d[1] for i, d in drawn.items()})
        if run.broken == "first-client-only":
            g, other = drawn[run.sampled[0]]
        bound = o["gain"] * (o["noise_slope"] * norm(g if run.broken == "nsgd-same-batch" else other) + o["noise_floor"])
        if run.broken == "nsgd-no-floor":
            bound = o["gain"] * o["noise_slope"] * norm(other)
        run.note("h_above_1" if bound > 1.05 else "h_at_1")
        h = bound if run.broken == "nsgd-no-least" else max(1.0, bound)
        x = x - run.rates(t)[0] * g / h ** (1.0 if run.broken == "nsgd-no-power" else o["power"])
    return x


def scaffnew(run, x, state):
    """ŷ ← ŷ − min(η, γ/‖g − hⁱ‖)(g − hⁱ); x ← mean(ŷⁱ − (η/p)hⁱ); hⁱ ← hⁱ + (p/η)(x − ŷⁱ), with p = 1/I."""
    zero, p = np.zeros_like(x), 1.0 / run.interval
    h = state.setdefault("h_i", {i: zero for i in range(run.clients)})

    def step(t, i, y, g):
        d = g - (0.0 if run.broken == "new-no-shift" else h[i])
        if run.broken == "new-sign":
            d = g + h[i]
        if norm(g) > 1.01 * norm(d) or norm(g) < 0.99 * norm(d):
            run.note("shift_matters")
        return y - factor(run, t, g if run.broken == "norm-of-raw-gradient" else d) * d

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    eta = run.rates(0)[0]
    x = mean(run, {i: y - eta / p * h[i] for i, y in ys.items()}, x)
    if run.broken == "first-client-only":
        x = ys[run.sampled[0]]
    for i, y in ys.items():
        h[i] = h[i] + (1.0 if run.broken == "new-without-p" else p) / eta * (x - y)
    return x
