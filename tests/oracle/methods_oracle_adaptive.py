"""Local AMSGrad, FED-LAMB and the server-side adaptive methods. See methods_oracle_methods.py, whose rules hold here too.

How Algorithm 1 of the FED-LAMB paper is read (its lines contradict each other in places):
  2   v̂₀ = v₀ = ε·1.
  5   y starts from the server's average.
  6   persist = false: v restarts from v̂, and m, which the text does not mention, from 0. persist = true: both go on from
      where the client left them; a client that was never sampled starts from m = 0 and v = v₀ = ε·1.
  8   the gradient is taken at the current y, not at the round's start.
  9   m ← β₁m + (1−β₁)g; m̂ = m/(1−β₁ᵏ) is used in line 11 and does not go back into the recursion; k counts the steps
      since m was 0: in the round, or of the client when m persists. correct_m = false leaves m as it is.
  10  v ← β₂v + (1−β₂)g². It starts from v̂ and not from 0, so there is no bias to correct: dividing by 1−β₂ᵏ would
      multiply v̂ by about 1/(k(1−β₂)) in every round. correct_v = true does divide what is sent to the server.
  11  p = m̂/(√v̂ + ε), with the server's v̂, which is fixed during the round.
  12  y_ℓ ← y_ℓ − α·φ(‖y_ℓ‖)·(p_ℓ + λy_ℓ)/‖p_ℓ + λy_ℓ‖, φ(z) = min(max(z, φ_m), φ_M). A layer where either norm is 0 has
      scale 1. layerwise = false: scale 1 everywhere.
  16  x = mean y, v̂ ← max(v̂, mean v), both means over the sampled clients.
"""

import numpy as np

from methods_oracle_methods import average, local_phase, mean, meet_momentum, norm, per_layer, plain_step


def local_moments(run, x, state):
    """-> m, v, k of every client, as they are at the start of the round; they live in `state` when they persist."""
    o, zero = run.options, np.zeros_like(x)
    start = o["epsilon"] * np.ones_like(x)
    v_hat = state.setdefault("v_hat", start)
    persist = o["persist"] != (run.broken == "other-persistence")
    kept = state if persist else {}
    m, v, k = (kept.setdefault(name, {}) for name in ("m_i", "v_i", "steps_i"))
    for i in run.sampled:
        if i not in m:
            m[i], v[i], k[i] = zero, start if persist else v_hat, 0
        if run.broken == "m-restarts":
            m[i] = zero
        if run.broken == "v-restarts-at-zero":
            v[i] = zero
    return m, v, k


def moments_step(run, i, g, m, v, k):
    beta1, beta2 = run.options["beta1"], run.options["beta2"]
    m[i] = beta1 * m[i] + (1 - beta1) * g
    v[i] = beta2 * v[i] + (1 - beta2) * (m[i] if run.broken == "second-moment-of-m" else g) ** 2
    k[i] += 1


def server_v(run, state, m, sent):
    """v̂ ← max(v̂, mean v)."""
    before, middle = state["v_hat"], mean(run, sent)
    if run.r + 1 < run.rounds:
        if np.any(middle > 1.05 * before):
            run.note("v_rose")
            if len(sent) > 1:
                run.note("v_rose_several")
            if len(sent) < run.clients:
                run.note("v_rose_partial")
        if np.any(middle < 0.95 * before):
            run.note("v_fell")
        if np.any(np.max(list(sent.values()), axis=0) > 1.05 * np.maximum(before, middle)):
            run.note("v_differed")
    if run.broken == "max-over-clients":
        middle = np.max(list(sent.values()), axis=0)
    if run.broken == "mean-over-all":
        middle = middle * len(sent) / run.clients
    if run.broken == "sum-of-v":
        middle = middle * len(sent)
    state["v_hat"] = middle if run.broken == "no-max" else np.maximum(before, middle)
    if run.broken == "v-hat-never-moves":
        state["v_hat"] = before
    if run.broken == "average-m":
        shared = sum(m[i] for i in sent) / len(sent)
        m.update({i: shared for i in sent})


def in_force(run, state, v, i):
    """v̂ of the round: the server's, unless a broken rule takes another."""
    if run.broken == "v-hat-within-round":
        return np.maximum(state["v_hat"], v[i])
    if run.broken == "own-v":
        return v[i]
    return state["v_hat"]


def fed_ams(run, x, state):
    """m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², y ← y − η m/√v̂; v̂ is fixed in the round, no bias correction."""
    m, v, k = local_moments(run, x, state)

    def step(t, i, y, g):
        moments_step(run, i, g, m, v, k)
        v_hat = in_force(run, state, v, i)
        p = m[i] / (v_hat if run.broken == "no-root" else np.sqrt(v_hat))
        if run.broken == "epsilon-added":
            p = m[i] / (np.sqrt(v_hat) + np.sqrt(run.options["epsilon"]))
        if run.broken == "bias-correction":
            p = p / (1 - run.options["beta1"] ** k[i])
        return y - run.rates(t)[0] * p

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    server_v(run, state, m, {i: v[i] for i in run.sampled})
    return average(run, ys)


def fed_lamb(run, x, state):
    """As fed-ams, with every layer's step as long as the layer is. See the top of the file."""
    o = run.options
    m, v, k = local_moments(run, x, state)

    def scale(y, p):
        if not o["layerwise"] or run.broken == "no-layer-scale":
            return np.ones_like(y)
        if run.broken == "one-scale-for-all-layers":
            return phi(norm(y)) / norm(p)
        lengths, steps = per_layer(run, y, norm), per_layer(run, p, norm)
        usable = (lengths > 0) & (steps > 0)
        if not np.all(usable):
            run.note("zero_layer")
        unusable = 0.0 if run.broken == "zero-layer-stays" else 1.0
        return np.where(usable, phi(lengths) / np.where(usable, steps, 1.0), unusable)

    def phi(z):
        bounded = np.minimum(np.maximum(z, o["phi_min"]), o["phi_max"])
        if np.any(np.abs(bounded - z) > 0.05 * np.abs(z)):
            run.note("phi_bounds")
        if np.any(np.abs(bounded - 1) > 0.05):
            run.note("phi_not_1")
        if run.broken == "phi-is-one":
            return np.ones_like(bounded)
        return z if run.broken == "phi-unbounded" else bounded

    def step(t, i, y, g):
        moments_step(run, i, g, m, v, k)
        corrected = o["correct_m"] != (run.broken == "other-correction")
        first = m[i] / (1 - o["beta1"] ** k[i]) if corrected else m[i]
        p = first / (np.sqrt(in_force(run, state, v, i)) + o["epsilon"])
        pull = o["weight_decay"] * y
        if o["layerwise"]:
            now, then = phi(per_layer(run, y, norm)), phi(per_layer(run, x, norm))
            if np.any(np.abs(now - then) > 0.02 * now):
                run.note("length_moved")
        if norm(pull) > 0.01 * norm(p):
            run.note("decay_matters")
        if run.broken == "decay-outside-norm":
            d = scale(y, p) * p + pull
        elif run.broken == "scale-by-start":
            d = scale(x, p + pull) * (p + pull)
        else:
            d = scale(y, p + pull) * (p + pull)
        return y - run.rates(t)[0] * d

    ys = local_phase(run, {i: x for i in run.sampled}, step)
    sent = {i: v[i] / (1 - o["beta2"] ** k[i]) if o["correct_v"] else v[i] for i in run.sampled}
    server_v(run, state, m, sent)
    return average(run, ys)


def server_adaptive(second_moment):
    """FedAdam, FedYogi and FedAdagrad of Reddi et al.: local SGD, then one adaptive step along Δ = mean(yⁱ − x)."""

    def method(run, x, state):
        o, buffers = run.options, state.setdefault("m_i", {})
        ys = local_phase(run, {i: x for i in run.sampled}, lambda t, i, y, g: plain_step(run, t, y, g, buffers, i))
        meet_momentum(run, buffers, run.sampled)
        change = mean(run, {i: y - x for i, y in ys.items()})
        if run.broken == "sum-of-changes":
            change = change * len(ys)
        if run.broken == "mean-over-all":
            change = change * len(ys) / run.clients
        start = np.zeros_like(x) if run.broken == "v-starts-at-zero" else o["tau"] ** 2 * np.ones_like(x)
        state["m"] = m = o["beta1"] * state.get("m", np.zeros_like(x)) + (1 - o["beta1"]) * change
        if run.broken == "momentum-restarts":
            state["m"] = m = (1 - o["beta1"]) * change
        seen = m if run.broken == "second-moment-of-m" else change
        state["v"] = v = second_moment(run, o["beta2"], state.get("v", start), seen**2)
        if o["tau"] > 0.02 * np.mean(np.sqrt(v)):
            run.note("tau_matters")
        if o["tau"] ** 2 > 0.02 * np.mean(v):
            run.note("v_start_matters")
        if run.broken == "bias-correction":
            run.count += 1
            m = m / (1 - o["beta1"] ** run.count)
        if run.broken == "tau-inside-root":
            return x + o["server_eta"] * m / np.sqrt(v + o["tau"])
        return x + (1.0 if run.broken == "server-eta-ignored" else o["server_eta"]) * m / (np.sqrt(v) + o["tau"])

    return method


def adam_moment(run, beta2, v, square):
    if run.broken == "no-dampening":
        return beta2 * v + square
    return yogi_moment(run, beta2, v, square) if run.broken == "yogi" else beta2 * v + (1 - beta2) * square


def yogi_moment(run, beta2, v, square):
    sign = -1 if run.broken == "yogi-sign" else 1
    if run.broken == "adam":
        return beta2 * v + (1 - beta2) * square
    return v - (1 - beta2) * square * np.sign(v - square) * sign


def adagrad_moment(run, beta2, v, square):
    return beta2 * v + (1 - beta2) * square if run.broken == "adam" else v + square
