"""The methods, each one round from top to bottom, written from the papers' definitions in NumPy.

A method is a function (run, x, state) -> x after the round. `run` is methods_oracle.Run: the sampled clients, the rates and
the options in force, and run.gradient(i, y), which draws client i's next gradient. `state` is a dict that lives across
rounds and holds all that does; the command prints it. Vectors are float64. Nothing here is fast, shared or parallel.

Every `run.broken == "…"` breaks one rule on purpose; methods_oracle_breaks.py says which and when that must show. run.note()
records what happened in a run, as far as those conditions need it.
"""

import math

import numpy as np

TINY = 1e-10  # the guard in min(η, γ / (TINY + ‖g‖))


def norm(v):
    return float(np.sqrt(np.sum(v * v)))


def ratio(a, b):
    """a / b element by element; 0/0 is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=(a != 0) | (b != 0))


def mean(run, vectors, origin=0.0):
    """{client: vector} -> their mean. Notes whether the clients differ, against how far the mean is from the origin."""
    many = list(vectors.values())
    middle = sum(many) / len(many)
    if len(many) > 1 and max(norm(v - middle) for v in many) > 0.05 * norm(middle - origin):
        run.note("spread")
    return middle


def average(run, ys, weights=None):
    """The server's new model: the mean of the clients' models."""
    if weights:
        total = sum(weights[i] for i in ys)
        if run.broken == "weights-not-normalised":
            total = len(ys)
        if abs(total - len(ys)) > 0.05 * len(ys):
            run.note("weights_off_one")
        mean(run, ys, run.start)
        return sum(weights[i] * y for i, y in ys.items()) / total
    if run.broken == "average-over-all":
        return sum(ys.values()) / run.clients
    if run.broken == "first-client-only":
        return next(iter(ys.values()))
    return mean(run, ys, run.start)


# ---- one step ----


def factor(run, t, v):
    """min(η, γ / (1e-10 + ‖v‖)), the factor of a clipped step."""
    eta, gamma = run.rates(t)
    length = norm(v)
    note_clip(run, gamma < eta * length, eta)
    if gamma < eta * length and run.shared_norm is not None and abs(run.shared_norm - length) > 0.05 * length:
        run.note("clipped_by_own_norm")
    if run.broken == "no-clip":
        return eta
    if run.broken == "gamma-as-threshold":
        return eta * min(1.0, gamma / (TINY + length))
    if run.broken == "mean-norm" and run.shared_norm is not None:
        length = run.shared_norm
    least = 0.0 if run.broken == "no-least" else run.options.get("delta", 0.0) * eta
    if gamma < 0.95 * run.options.get("delta", 0.0) * eta * length:
        run.note("held_up")
    if run.options.get("per_coordinate") and run.broken != "not-per-coordinate":
        return np.minimum(eta, np.maximum(least, gamma / (TINY + np.abs(v))))
    if run.options.get("per_layer", False) != (run.broken == "norm-per-layer"):
        return per_layer(run, v, lambda part: min(eta, max(least, gamma / (TINY + norm(part)))))
    return min(eta, max(least, gamma / (TINY + length)))


def note_clip(run, clips, eta):
    run.note("clipped" if clips else "unclipped")
    if clips and abs(eta - 1) > 0.05:
        run.note("clipped_eta_not_1")
    if len(run.sampled) > 1:
        run.note("clipped_several" if clips else "unclipped_several")
    if len(run.sampled) < run.clients:
        run.note("clipped_partial" if clips else "unclipped_partial")


def note_if_norms_differ(run, t, right, wrong, name):
    """Notes `name` when a step that clips by `right` would be another one by `wrong`."""
    eta, gamma = run.rates(t)
    if gamma < eta * norm(right) and abs(norm(wrong) - norm(right)) > 0.01 * norm(right):
        run.note(name)


def per_layer(run, v, value):
    """A vector that holds value(v_ℓ) in every place of layer ℓ."""
    scale = np.empty_like(v)
    for offset, size in run.layers:
        scale[offset : offset + size] = value(v[offset : offset + size])
    return scale


def direction(run, y, g, buffers, key):
    """d = g + λy; with momentum, m ← μm + d and the direction is m. The buffer lives in buffers[key]."""
    mu, decay = run.options["momentum"], run.options["weight_decay"]
    d = g + decay * y
    if decay * norm(y) > 0.01 * norm(g):
        run.note("decay_matters")
    if not mu:
        return d
    if run.broken == "decoupled-decay":
        d = g
    if run.broken == "dampened-momentum":
        d = (1 - mu) * d
    buffers[key] = mu * buffers.get(key, 0.0) + d
    if run.broken == "nesterov":
        return d + mu * buffers[key]
    return buffers[key] + (decay * y if run.broken == "decoupled-decay" else 0.0)


def clipped_step(run, t, y, g, buffers, key):
    """y − min(η, γ/(1e-10 + ‖g‖))·d: the norm is of g, without momentum, and without decay unless decay_in_norm."""
    d = direction(run, y, g, buffers, key)
    measured, other = g, g + run.options["weight_decay"] * y
    if run.options.get("decay_in_norm"):
        measured, other = other, measured
    note_if_norms_differ(run, t, measured, other, "clipped_decay_matters")
    note_if_norms_differ(run, t, measured, d, "clipped_direction_differs")
    if run.broken == "other-decay-in-norm":
        measured = other
    if run.broken == "norm-of-direction":
        measured = d
    return y - factor(run, t, measured) * d


def corrected_direction(run, y, d, buffers, key):
    """-> the direction of a step along the corrected gradient d, what its norm is taken of, and what a broken rule takes.

    The direction is d + λy, or the momentum's buffer of it. The norm is of d; with decay_in_norm of d + λy; with momentum
    of the buffer."""
    way, decayed = direction(run, y, d, buffers, key), d + run.options["weight_decay"] * y
    if run.options["momentum"]:
        return way, way, decayed
    return (way, decayed, d) if run.options["decay_in_norm"] else (way, d, decayed)


def plain_step(run, t, y, g, buffers, key):
    """y − η·d."""
    return y - run.rates(t)[0] * direction(run, y, g, buffers, key)


# ---- synchronous methods: I steps a round, each by the mean of the sampled clients' gradients ----


def synchronous(run, x, step):
    """step(t, x, g) -> x."""
    for t in range(run.interval):
        drawn = {i: run.gradient(i, x) for i in run.sampled}
        g = mean(run, drawn)
        if run.broken == "sum-of-gradients":
            g = g * len(drawn)
        if run.broken == "gradients-over-all":
            g = g * len(drawn) / run.clients
        if run.broken == "first-client-only":
            g = drawn[run.sampled[0]]
        if run.broken == "clip-before-average":
            eta, gamma = run.rates(t)
            g = mean(run, {i: v * min(1.0, gamma / eta / (TINY + norm(v))) for i, v in drawn.items()})
        x = step(t, x, g)
    return x


def forget_momentum(run, state):
    if run.broken == "momentum-restarts":
        state.clear()


def clipped_sgd(run, x, state):
    forget_momentum(run, state)
    return synchronous(run, x, lambda t, x, g: clipped_step(run, t, x, g, state, "m"))


def plain_sgd(run, x, state):
    forget_momentum(run, state)
    return synchronous(run, x, lambda t, x, g: plain_step(run, t, x, g, state, "m"))


def mixed_clip(run, x, state):
    """m ← βm + (1−β)g; x ← x − [ν·min(η, γ/‖m‖)·m + (1−ν)·min(η, γ/‖g‖)·g]."""
    forget_momentum(run, state)
    beta, nu = run.options["beta"], run.options["nu"]

    def step(t, x, g):
        fresh = g if run.broken == "no-dampening" else (1 - beta) * g
        state["m"] = m = beta * state.get("m", np.zeros_like(x)) + fresh
        share = 1 - nu if run.broken == "nu-swapped" else nu
        note_if_norms_differ(run, t, m, g, "clipped_direction_differs")
        if nu > 0 and run.rates(t)[0] * norm(m) < 0.95 * run.rates(t)[1]:
            run.note("m_unclipped")
        if run.broken == "clip-the-mixture":
            d = share * m + (1 - share) * g
            return x - factor(run, t, d) * d
        by_m = factor(run, t, g if run.broken == "norm-of-gradient-for-both" else m) if share else 0.0
        by_g = factor(run, t, g) if share < 1 else 0.0
        return x - (share * by_m * m + (1 - share) * by_g * g)

    return synchronous(run, x, step)


def sign_sgd_gen(run, x, state):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)m²; x ← x − η m/√v. Of m, not of g; no bias correction."""
    forget_momentum(run, state)
    beta1, beta2 = run.options["beta1"], run.options["beta2"]

    def step(t, x, g):
        zero = np.zeros_like(x)
        g = g + run.options["weight_decay"] * x
        state["m"] = m = beta1 * state.get("m", zero) + (1 - beta1) * g
        seen = g if run.broken == "second-moment-of-gradient" else m
        fresh = seen**2 if run.broken == "no-dampening" else (1 - beta2) * seen**2
        state["v"] = v = beta2 * state.get("v", zero) + fresh
        if run.broken == "no-root":
            return x - run.rates(t)[0] * ratio(m, v)
        if run.broken == "bias-correction":
            run.count += 1
            m, v = m / (1 - beta1**run.count), v / (1 - beta2**run.count)
        return x - run.rates(t)[0] * ratio(m, np.sqrt(v))

    return synchronous(run, x, step)


def normalized(run, x, state):
    """m ← βm + (1−β)g; x ← x − η m/‖m‖."""
    forget_momentum(run, state)
    beta = run.options["beta"]

    def step(t, x, g):
        g = g + run.options["weight_decay"] * x
        if run.broken == "normalise-before-momentum":
            g = g / (TINY + norm(g))
        state["m"] = m = beta * state.get("m", np.zeros_like(x)) + (1 - beta) * g
        if run.broken == "normalise-before-momentum":
            return x - run.rates(t)[0] * m
        length = norm(g if run.broken == "norm-of-gradient" else m)
        if run.broken == "norm-per-layer":
            length = per_layer(run, m, lambda part: TINY + norm(part))
        return x - run.rates(t)[0] * m / length if norm(m) > 0 else x

    return synchronous(run, x, step)


def clipped_sgd_partial(run, x, state):
    """At every step the sampled clients average their own models and their gradients there, and step together; the others
    are left untouched. Every model starts from x0."""
    own = state.setdefault("y", {i: run.x0 for i in range(run.clients)})
    for t in range(run.interval):
        drawn = {i: run.gradient(i, x if run.broken == "gradients-at-the-average" else own[i]) for i in run.sampled}
        g, middle = mean(run, drawn), mean(run, {i: own[i] for i in run.sampled}, run.start)
        if any(norm(own[i] - middle) > 0.05 * norm(middle) for i in run.sampled):
            run.note("apart")
        if run.broken == "models-not-averaged":
            middle = own[run.sampled[0]]
        x = clipped_step(run, t, middle, g, {}, None)
        own.update({i: x for i in (range(run.clients) if run.broken == "all-follow" else run.sampled)})
    return x


def lamb(run, x, state):
    """You et al. 2020: Adam's direction with decoupled decay, each layer's step of length η φ(‖x_ℓ‖)."""
    o = run.options
    if run.broken == "momentum-restarts":
        state.clear()

    def step(t, x, g):
        zero = np.zeros_like(x)
        state["steps"] = k = state.get("steps", 0) + 1
        state["m"] = m = o["beta1"] * state.get("m", zero) + (1 - o["beta1"]) * g
        state["v"] = v = o["beta2"] * state.get("v", zero) + (1 - o["beta2"]) * g**2
        if run.broken != "no-bias-correction":
            m, v = m / (1 - o["beta1"] ** k), v / (1 - o["beta2"] ** k)
        p = m / (np.sqrt(v) + o["epsilon"])
        pull = o["weight_decay"] * x
        if norm(pull) > 0.01 * norm(p):
            run.note("decay_matters")
        whole = p if run.broken == "decay-outside-norm" else p + pull
        lengths, steps = per_layer(run, x, norm), per_layer(run, whole, norm)
        if run.broken == "one-scale-for-all-layers":
            lengths, steps = norm(x) * np.ones_like(x), norm(whole) * np.ones_like(x)
        bounded = np.minimum(np.maximum(lengths, o["phi_min"]), o["phi_max"])
        if np.any(np.abs(bounded - lengths) > 0.05 * lengths):
            run.note("phi_bounds")
        phi = lengths if run.broken == "phi-unbounded" else bounded
        scale = 1.0 if run.broken == "no-layer-scale" else np.where((lengths > 0) & (steps > 0), phi / steps, 1.0)
        return x - run.rates(t)[0] * (scale * whole + (pull if run.broken == "decay-outside-norm" else 0.0))

    return synchronous(run, x, step)


def lars(run, x, state):
    """You, Gitman, Ginsburg 2017: m ← μm + η_ℓ (g + λx), x ← x − m, η_ℓ = η trust ‖x_ℓ‖ / (‖g_ℓ‖ + λ‖x_ℓ‖)."""
    o = run.options
    if run.broken == "momentum-restarts":
        state.clear()

    def step(t, x, g):
        decay = o["weight_decay"]
        lengths, slopes = per_layer(run, x, norm), per_layer(run, g, norm)
        if run.broken == "one-scale-for-all-layers":
            lengths, slopes = norm(x) * np.ones_like(x), norm(g) * np.ones_like(x)
        below = slopes + (0.0 if run.broken == "norm-without-decay" else decay * lengths)
        rate = run.rates(t)[0] * np.where((lengths > 0) & (slopes > 0), o["trust"] * lengths / below, 1.0)
        if run.broken == "no-layer-scale":
            rate = run.rates(t)[0]
        if run.broken == "rate-after-momentum":
            state["m"] = m = o["momentum"] * state.get("m", np.zeros_like(x)) + g + decay * x
            return x - rate * m
        state["m"] = m = o["momentum"] * state.get("m", np.zeros_like(x)) + rate * (g + decay * x)
        return x - m

    return synchronous(run, x, step)


def adam(run, x, state):
    """Kingma and Ba. The averaged gradient is first scaled to norm ≤ max_norm; λx is then added to it, or, decoupled, to
    the update. With amsgrad v̂ ← max(v̂, v) stands in for v."""
    o = run.options
    beta1, beta2, epsilon, decay, most = o["beta1"], o["beta2"], o["epsilon"], o["weight_decay"], o["max_norm"]
    decoupled = o["decoupled"] != (run.broken == "other-decay")
    if run.broken == "momentum-restarts":
        state.clear()
    if run.broken == "steps-restart":
        state["steps"] = 0

    def step(t, x, g):
        zero = np.zeros_like(x)
        added = 0.0 if decoupled else decay * x
        if run.broken == "scale-after-decay":
            g, added = g + added, 0.0
        if norm(g) > most:
            run.note("scaled")
            g = g * (most / norm(g) if run.broken != "no-max-norm" else 1)
        g = g + added
        state["steps"] = k = state.get("steps", 0) + 1
        state["m"] = m = beta1 * state.get("m", zero) + (1 - beta1) * g
        state["v"] = v = beta2 * state.get("v", zero) + (1 - beta2) * (m if run.broken == "second-moment-of-m" else g) ** 2
        if o["amsgrad"]:
            if np.any(v < 0.95 * state.get("v_hat", v)):
                run.note("v_fell")
            state["v_hat"] = np.maximum(state.get("v_hat", v), v)
            v = v if run.broken == "no-max" else state["v_hat"]
        if run.broken != "no-bias-correction":
            m, v = m / (1 - beta1**k), v / (1 - beta2**k)
        if run.broken == "one-bias-correction":
            v = v * (1 - beta2**k)
        return x - run.rates(t)[0] * (ratio(m, np.sqrt(v) + epsilon) + (decay * x if decoupled else 0.0))

    return synchronous(run, x, step)


def minibatch_clip(run, x, state):
    """Each sampled client averages I gradients at x; one clipped step by the mean of these, with the rates of t = 0."""
    forget_momentum(run, state)
    of_client, at = {}, {i: x for i in run.sampled}
    for i in run.sampled:
        drawn = []
        for _ in range(run.interval):
            drawn.append(run.gradient(i, at[i]))
            if run.broken == "move-locally":
                at[i] = clipped_step(run, 0, at[i], drawn[-1], {}, None)
        if run.interval > 1 and norm(drawn[0] - sum(drawn) / len(drawn)) > 0.05 * norm(drawn[0]):
            run.note("draws_differ")
        if run.broken == "last-gradient-only":
            drawn = drawn[-1:]
        of_client[i] = sum(drawn) / (1 if run.broken == "sum-of-steps" else len(drawn))
    g = mean(run, of_client)
    if run.broken == "clip-before-average":
        eta, gamma = run.rates(0)
        g = mean(run, {i: v * min(1.0, gamma / eta / (TINY + norm(v))) for i, v in of_client.items()})
    if run.broken == "sum-of-gradients":
        g = g * len(of_client)
    if run.broken == "gradients-over-all":
        g = g * len(of_client) / run.clients
    return clipped_step(run, 0, x, g, state, "m")


# ---- local methods: I steps on the client's own model, then one meeting ----


def local_phase(run, ys, step):
    """Every client of ys takes its steps; step(t, i, y, g) -> y. Clients go in step, which changes nothing by itself."""
    for t in range(max(run.steps[i] for i in ys)):
        drawn = {i: run.gradient(i, y) for i, y in ys.items() if t < run.steps[i]}
        run.shared_norm = sum(norm(g) for g in drawn.values()) / len(drawn)
        ys = {i: step(t, i, y, drawn[i]) if i in drawn else y for i, y in ys.items()}
    return ys


def meet_momentum(run, buffers, present):
    """Momentum stays where it is, unless a broken rule says otherwise."""
    if run.broken == "momentum-restarts":
        buffers.clear()
    if run.broken == "average-momentum" and buffers:
        shared = sum(buffers[i] for i in present) / len(present)
        buffers.update({i: shared for i in present})


def bounded_changes(run, x, ys):
    """No client's change in the round is longer than max_update."""
    most = run.options["max_update"]
    if max(norm(y - x) for y in ys.values()) > 1.1 * most:
        run.note("updates_bounded")
    if math.isinf(most) or run.broken == "updates-not-bounded":
        return ys
    return {i: x + (y - x) * min(1.0, most / norm(y - x)) for i, y in ys.items()}


def celgc(run, x, state):
    m = state.setdefault("m_i", {})
    ys = local_phase(run, {i: x for i in run.sampled}, lambda t, i, y, g: clipped_step(run, t, y, g, m, i))
    ys = bounded_changes(run, x, ys)
    meet_momentum(run, m, run.sampled)
    return average(run, ys)


def celgc_overlap(run, x, state):
    """The models that the last round ended with are averaged; their mean arrives after `delay` steps, as a shift."""
    m, delay = state.setdefault("m_i", {}), run.options["delay"]
    own = state.setdefault("y", {})
    sent = {i: own.get(i, x) for i in run.sampled}
    mean_of_sent = average(run, sent)
    if run.broken == "arrives-a-step-late":
        delay += 1

    def arrive(i, y):
        if run.broken == "never-arrives":
            return y
        return mean_of_sent if run.broken == "steps-are-forgotten" else y + mean_of_sent - sent[i]

    def step(t, i, y, g):
        y = clipped_step(run, t, y, g, m, i)
        return arrive(i, y) if t + 1 == delay else y

    begin = {i: arrive(i, y) if delay == 0 else y for i, y in sent.items()}
    own.update(local_phase(run, begin, step))
    meet_momentum(run, m, run.sampled)
    return mean_of_sent


def celgc_partial(run, x, state):
    """All N clients train their own models; the sampled ones' meet, the others' are left alone."""
    m = state.setdefault("m_i", {})
    own = state.setdefault("y", {i: x for i in range(run.clients)})
    trained = local_phase(run, own, lambda t, i, y, g: clipped_step(run, t, y, g, m, i))
    if run.broken == "unsampled-idle":
        trained.update({i: own[i] for i in own if i not in run.sampled})
    if run.broken == "average-all":
        x = mean(run, trained, run.start)
    else:
        x = average(run, {i: trained[i] for i in run.sampled})
    meet_momentum(run, m, run.sampled)
    restarting = range(run.clients) if run.broken == "all-restart" else run.sampled
    if run.broken == "nobody-restarts":
        restarting = []
    own.update(trained)
    own.update({i: x for i in restarting})
    return x


def fedavg(run, x, state):
    m = state.setdefault("m_i", {})
    ys = local_phase(run, {i: x for i in run.sampled}, lambda t, i, y, g: plain_step(run, t, y, g, m, i))
    ys = bounded_changes(run, x, ys)
    meet_momentum(run, m, run.sampled)
    weighted = run.options["weighted"] != (run.broken == "other-weighting")
    return average(run, ys, run.options["weights"] if weighted else None)


def fedprox(run, x, state):
    """The local loss has (μ/2)‖y − x‖² added: g ← g + μ(y − x), of which the norm is taken."""
    m, mu = state.setdefault("m_i", {}), run.options["mu"]

    def step(t, i, y, g):
        pull = mu * (y - x)
        if run.broken == "no-pull":
            pull = 0.0
        if run.broken == "pull-sign":
            pull = -pull
        note_if_norms_differ(run, t, g + pull, g, "clipped_pull_matters")
        if run.broken == "pull-after-norm":
            d = direction(run, y, g + pull, m, i)
            return y - factor(run, t, g) * d
        return clipped_step(run, t, y, g + pull, m, i)

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    meet_momentum(run, m, run.sampled)
    return average(run, ys)


def begin_scaffold(run, x, state):
    """The control variates start from zero; with init_corrections from every client's gradient."""
    if not run.options["init_corrections"]:
        return
    state["c_i"] = {i: run.gradient(i, x) for i in range(run.clients)}
    state["c"] = mean(run, state["c_i"])
    if run.broken == "variates-start-at-zero":
        state.clear()
    if run.broken == "c-starts-at-zero":
        del state["c"]


def scaffold(run, x, state):
    """y ← y − a(g − cⁱ + c) with a = min(η, γ/‖g − cⁱ + c‖); cⁱ⁺ = mean raw gradient, or cⁱ − c + (x − y)/Σa."""
    zero, o = np.zeros_like(x), run.options
    c, buffers = state.setdefault("c", zero), state.setdefault("m_i", {})
    c_i = state.setdefault("c_i", {i: zero for i in range(run.clients)})
    raw, moved = {i: zero for i in run.sampled}, {i: 0.0 for i in run.sampled}

    def step(t, i, y, g):
        d = g - c_i[i] + c
        if run.broken == "correction-sign":
            d = g + c_i[i] - c
        if run.broken == "no-correction":
            d = g
        way, measured, other = corrected_direction(run, y, d, buffers, i)
        note_if_norms_differ(run, t, measured, other, "clipped_other_matters")
        note_if_norms_differ(run, t, measured, g, "clipped_correction_matters")
        if run.broken in ("other-decay-in-norm", "norm-without-momentum"):
            measured = other
        a = factor(run, t, g if run.broken == "norm-of-raw-gradient" else measured)
        raw[i] = raw[i] + (d if run.broken == "variate-of-corrected" else g) / run.interval
        moved[i] = moved[i] + (run.rates(t)[0] if run.broken == "drift-by-eta" else a)
        return y - a * way

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    meet_momentum(run, buffers, run.sampled)
    drift = (o["variate"] == "drift") != (run.broken == "other-variate")
    fresh = {i: c_i[i] - c + (x - ys[i]) / moved[i] if drift else raw[i] for i in run.sampled}
    change = mean(run, {i: fresh[i] - c_i[i] for i in run.sampled})
    share = len(run.sampled) / run.clients
    state["c"] = c + change * (1 if run.broken == "no-share" else share)
    c_i.update(fresh)
    if run.broken == "own-variates-forgotten":
        c_i.update({i: zero for i in c_i})
    if run.broken == "unsampled-updated":
        c_i.update({i: mean(run, fresh) for i in c_i if i not in fresh})
    return average(run, ys)


def episodic_phase(run, x, G_i, G, buffers):
    """The local steps of EPISODE and EPISODE++ -> models, mean raw gradients. The decision to clip is one a round."""
    eta, gamma = run.rates(0)
    raw = {i: np.zeros_like(x) for i in run.sampled}
    clips = {i: norm(G) > gamma / eta for i in run.sampled}
    note_clip(run, norm(G) > gamma / eta, eta)
    own = {i: norm(G_i[i]) > gamma / eta for i in run.sampled}
    if own != clips:
        run.note("own_indicator_differs")
    if (norm(G) > gamma) != (norm(G) > gamma / eta):
        run.note("gamma_indicator_differs")
    if run.broken == "indicator-per-client":
        clips = own
    if run.broken == "indicator-by-gamma":
        clips = {i: norm(G) > gamma for i in run.sampled}
    if run.broken == "indicator-reversed":
        clips = {i: not clip for i, clip in clips.items()}

    def step(t, i, y, g):
        eta, gamma = run.rates(t)
        d = g - G_i[i] + G
        if run.broken == "correction-sign":
            d = g + G_i[i] - G
        if run.broken == "no-correction":
            d = g
        way, measured, other = corrected_direction(run, y, d, buffers, i)
        length = norm(other if run.broken in ("other-decay-in-norm", "norm-without-momentum") else measured)
        if run.broken == "norm-of-G":
            length = norm(G)
        if run.broken == "norm-of-raw-gradient":
            length = norm(g)
        if (gamma / (TINY + norm(measured)) < eta) != clips[i]:
            run.note("step_indicator_differs")
        for wrong, name in ((other, "other_matters"), (G, "G_differs"), (g, "correction_matters")):
            if clips[i] and abs(norm(wrong) - norm(measured)) > 0.01 * norm(measured):
                run.note("clipped_" + name)
        a = gamma / (TINY + length) if clips[i] else eta
        if run.broken == "indicator-every-step":
            a = min(eta, gamma / (TINY + length))
        raw[i] = raw[i] + (d if run.broken == "G-of-corrected" else g) / run.interval
        if run.broken == "G-of-last-step":
            raw[i] = g
        return y - a * way

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    meet_momentum(run, buffers, run.sampled)
    return ys, raw


def episode(run, x, state):
    """Gⁱ is drawn anew at x by every sampled client in every round; G is their mean."""
    draws = {i: [run.gradient(i, x) for _ in range(run.options["resampling"])] for i in run.sampled}
    if any(norm(d[0] - sum(d) / len(d)) > 0.05 * norm(d[0]) for d in draws.values()):
        run.note("draws_differ")
    if run.broken == "first-resample-only":
        draws = {i: d[:1] for i, d in draws.items()}
    if run.broken == "sum-of-resamples":
        draws = {i: [sum(d)] for i, d in draws.items()}
    G_i = {i: sum(d) / len(d) for i, d in draws.items()}
    G = mean(run, G_i)
    if run.broken == "G-over-all":
        G = G * len(run.sampled) / run.clients
    if run.broken == "stale-G":
        G, run.kept = run.kept if run.kept is not None else G, G
    ys, _ = episodic_phase(run, x, G_i, G, state.setdefault("m_i", {}))
    return average(run, ys)


def begin_episode_pp(run, x, state):
    state["G_i"] = {i: run.gradient(i, x) for i in range(run.clients)}
    state["G"] = mean(run, state["G_i"])
    if run.broken == "G-starts-at-zero":
        zero = np.zeros_like(x)
        state["G"], state["G_i"] = zero, {i: zero for i in range(run.clients)}


def episode_pp(run, x, state):
    """Gⁱ and G are stored: Gⁱ is the mean of the raw gradients of the client's last round, G the mean over all N."""
    G_i, G = state["G_i"], state["G"]
    ys, raw = episodic_phase(run, x, G_i, G, state.setdefault("m_i", {}))
    changes = sum(raw[i] - G_i[i] for i in run.sampled)
    state["G"] = G + changes / (len(run.sampled) if run.broken == "G-over-sampled" else run.clients)
    if run.broken == "stale-G":
        state["G"] = G
    if run.broken == "G-of-sampled-only":
        state["G"] = mean(run, raw)
    if run.broken != "stale-G-of-clients":
        G_i.update(raw)
    if run.broken == "unsampled-updated":
        G_i.update({i: state["G"] for i in G_i if i not in run.sampled})
    return average(run, ys)
