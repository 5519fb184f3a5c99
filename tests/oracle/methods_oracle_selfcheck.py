"""Checks the methods' oracle itself: worked cases, identities between methods, and its own broken rules.

`methods_oracle.py --selfcheck` runs them; a check is a function that raises AssertionError. None of them knows tacet.
"""

import math
import os
import tempfile
import traceback

import numpy as np

import methods_oracle as oracle
import methods_oracle_examples as examples
from methods_oracle_breaks import BREAKS, applicable


def run(raw, broken=None):
    """-> x after each round as one array, state, losses."""
    result, _ = oracle.simulate(oracle.checked(raw, "selfcheck"), "", broken)
    return np.array(result["x"]), result["state"], result


def last(method, **changes):
    return run(examples.quadratic(method, **changes))[0]


def same(a, b, tolerance=1e-12):
    assert a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance), np.max(np.abs(a - b))


def different(a, b):
    assert not np.allclose(a, b, rtol=1e-3, atol=1e-3), "the two runs are the same"


def flat(eta, gamma, rounds, interval):
    return [[[eta, gamma]] * interval] * rounds


# ---- worked cases ----


def small(method, a, b, x0, eta, gamma, rounds, interval, **options):
    n = len(a)
    raw = {
        "method": method,
        "options": options,
        "clients": n,
        "interval": interval,
        "rounds": rounds,
        "sampled": [list(range(n))] * rounds,
        "rates": flat(eta, gamma, rounds, interval),
        "x0": x0,
        "layers": None,
        "problem": {"kind": "quadratic", "a": a, "b": b},
    }
    return run(raw)


def check_stuck_pair():
    """f₁ = x²/2 + a₁x, f₂ = x²/2 + a₂x with a₁ = −γ−1, a₂ = γ+2, γ = 2, η = 1: minima at 3 and −4, optimum −1/2. celgc
    steps by +γ and −γ from 0 and averages to 0 (but for the guard's 1e-10); episode's G = (−3 + 4)/2 = 1/2 ≤ γ/η does not
    clip, and g = x + 1/2 on both clients, so one step goes to −1/2 and stays there."""
    pair = dict(a=[1, 1], b=[3, -4], x0=[0.0], eta=1.0, gamma=2.0, rounds=5)
    assert np.all(np.abs(small("celgc", interval=1, **pair)[0]) < 1e-9)
    assert np.allclose(small("episode", interval=1, **pair)[0], -0.5)
    assert np.allclose(small("episode", interval=4, **pair)[0], -0.5)
    assert np.allclose(small("episode++", interval=4, **pair)[0], -0.5)


# Two rounds by hand use f₁ = ½(x − 1)², f₂ = (x + 1)², so ∇f₁ = x − 1, ∇f₂ = 2(x + 1), from x = 3.
HAND = dict(a=[1, 2], b=[1, -1], x0=[3.0], rounds=2)


def check_celgc_by_hand():
    """η = 1/4, γ = 1/2 (clips beyond 2), I = 2. Round 0, client 1: g = 2 → 3 − .5 = 2.5; g = 1.5 → 2.5 − .375 = 2.125.
    Client 2: g = 8 → 2.5; g = 7 → 2. x = 2.0625. Round 1, client 1: 1.0625·¾ = .796875 → ·¾ = .59765625 → 1.59765625.
    Client 2: g = 6.125 → 1.5625; g = 5.125 → 1.0625. x = 1.330078125. Losses of client 2: 16, 12.25, then 3.0625² and
    2.5625²."""
    x, _, result = small("celgc", eta=0.25, gamma=0.5, interval=2, **HAND)
    assert np.allclose(x[:, 0], [2.0625, 1.330078125], atol=1e-9)
    assert np.allclose([r["1"] for r in result["loss"]], [[16, 12.25], [3.0625**2, 2.5625**2]], atol=1e-8)


def check_naive_clip_by_hand():
    """As above: ḡ = (x − 1 + 2x + 2)/2 = (3x + 1)/2. 5 → 2.5; 4.25 → 2; 3.5 → 1.5; 2.75 → 1."""
    assert np.allclose(small("naive-clip", eta=0.25, gamma=0.5, interval=2, **HAND)[0][:, 0], [2, 1], atol=1e-9)


def check_minibatch_clip_by_hand():
    # One clipped step of γ = 1/2 a round, at 3 and 2.5.
    assert np.allclose(small("minibatch-clip", eta=0.25, gamma=0.5, interval=2, **HAND)[0][:, 0], [2.5, 2], atol=1e-9)


def check_fedprox_by_hand():
    """μ = 1, no clipping, η = 1/4, I = 2. Round 0, client 1: 3 − 2/4 = 2.5; g = 1.5 + (2.5 − 3) = 1 → 2.25. Client 2: 3 −
    8/4 = 1; g = 4 + (1 − 3) = 2 → .5. x = 1.375."""
    x = small("fedprox", eta=0.25, gamma=None, interval=2, mu=1.0, **HAND)[0]
    assert np.isclose(x[0, 0], 1.375)


def check_scaffold_by_hand():
    """η = 1/4, no clipping, I = 2. Round 0 (no correction yet): client 1: 3 → 2.5 → 2.125, gradients 2, 1.5, c¹ = 1.75.
    Client 2: 3 → 1 → 0, gradients 8, 4, c² = 6. x = 1.0625, c = 3.875. Round 1: client 1 corrects by 3.875 − 1.75 =
    2.125: g = .0625 → 1.0625 − .546875 = .515625; g = −.484375 → .515625 − .41015625 = .10546875. Client 2 corrects by
    −2.125: g = 4.125 → 1.0625 − .5 = .5625; g = 3.125 → .3125. x = .208984375, c¹ = (.0625 − .484375)/2, c² = 3.625."""
    for variate in ("average", "drift"):
        x, state, _ = small("scaffold", eta=0.25, gamma=None, interval=2, variate=variate, **HAND)
        assert np.allclose(x[:, 0], [1.0625, 0.208984375]), x
        assert np.isclose(state["c_i"]["0"][0], -0.2109375) and np.isclose(state["c_i"]["1"][0], 3.625)
        assert np.isclose(state["c"][0], (3.625 - 0.2109375) / 2)


def check_episode_by_hand():
    """η = 1/4, γ = 1/2, I = 2: γ/η = 2. Round 0: G¹ = 2, G² = 8, G = 5 > 2, so every step has length ½. Both clients have
    g = g − Gⁱ + G: client 1: 5, then 4.5; client 2: 5, then 4: all positive, so both reach 2 = x. Round 1: G = 3.5: both
    reach 1."""
    assert np.allclose(small("episode", eta=0.25, gamma=0.5, interval=2, **HAND)[0][:, 0], [2, 1], atol=1e-9)


def check_episode_pp_by_hand():
    """As above, round 0 ends at 2 with G¹ = (2 + 1.5)/2 = 1.75, G² = (8 + 7)/2 = 7.5, G = 4.625 > 2: round 1 clips, too,
    with g = 1 + 2.875, .5 + 2.875, and 6 − 2.875, 5 − 2.875: all positive, x = 1. Then G¹ = .75, G² = 5.5, G = 3.125."""
    x, state, result = small("episode++", eta=0.25, gamma=0.5, interval=2, **HAND)
    assert np.allclose(x[:, 0], [2, 1], atol=1e-9) and np.isclose(state["G"][0], 3.125)
    assert result["begin_loss"] == {"0": [2.0], "1": [16.0]}


def check_mixed_clip_by_hand():
    """One client f = ½x² from 4, β = ½, ν = ½, η = ½, γ = 1. g = 4, m = 2: ½·½·2 (‖m‖ = 2 = γ/η is not beyond it) +
    ½·(1/4)·4 = 1 → 3. Then g = 3, m = 2.5: ½·1 + ½·1 = 1 → 2."""
    x = small("mixed-clip", [1], [0], [4.0], 0.5, 1.0, 2, 1, beta=0.5, nu=0.5)[0]
    assert np.allclose(x[:, 0], [3, 2], atol=1e-9)


def check_sign_sgd_gen_by_hand():
    """f = ½x² from 4, β₁ = ½, β₂ = ¾, η = ½. m = 2, v = 1, x = 4 − ½·2 = 3. m = 1 + 1.5 = 2.5, v = .75 + 6.25/4 = 2.3125."""
    x = small("sign-sgd-gen", [1], [0], [4.0], 0.5, None, 2, 1, beta1=0.5, beta2=0.75)[0]
    assert np.allclose(x[:, 0], [3, 3 - 0.5 * 2.5 / math.sqrt(2.3125)])


def check_adam_by_hand():
    """f = ½x² from 4, η = ½, β₁ = ½, β₂ = ¾, ε = 0: the first step is exactly η. Then g = 3.5, m = 1 + 1.75 = 2.75, m̂ =
    2.75/.75; v = .75·4 + .25·12.25 = 6.0625, v̂ = v/(1 − .5625). Decoupled decay takes another ηλx, with λ = ¼ ½ at
    first."""
    adam = dict(beta1=0.5, beta2=0.75, epsilon=0.0)
    x = small("adam", [1], [0], [4.0], 0.5, None, 2, 1, **adam)[0]
    assert np.allclose(x[:, 0], [3.5, 3.5 - 0.5 * (2.75 / 0.75) / math.sqrt(6.0625 / 0.4375)])
    assert np.isclose(small("adam", [1], [0], [4.0], 0.5, None, 1, 1, weight_decay=0.25, decoupled=True, **adam)[0][0, 0], 3)
    assert np.isclose(small("adam", [1], [0], [4.0], 0.5, None, 1, 1, weight_decay=0.25, **adam)[0][0, 0], 3.5)
    # max_norm 2 halves g = 4; then λx = 1 is added: (½·3/½)/√(9) keeps the first step at η, with v = ¼·9.
    _, state, _ = small("adam", [1], [0], [4.0], 0.5, None, 1, 1, weight_decay=0.25, max_norm=2.0, **adam)
    assert np.isclose(state["m"][0], 1.5) and np.isclose(state["v"][0], 2.25) and state["steps"] == 1


def check_normalized_by_hand():
    # f = ½‖x‖² from (3, 4): the first step has length η along (3, 4)/5.
    x = small("normalized", [1], [0], [3.0, 4.0], 0.5, None, 1, 1, beta=0.3)[0]
    assert np.allclose(x[0], [2.7, 3.6])


def check_zero_gradients_move_nothing():
    for method, options in (("normalized", {"beta": 0.5}), ("sign-sgd-gen", {"beta1": 0.5, "beta2": 0.0}), ("celgc", {})):
        assert np.all(small(method, [1], [1], [1.0, 1.0], 0.5, 1.0, 2, 2, **options)[0] == 1), method


def check_fed_ams_by_hand():
    """One client f = ½x² from 4, η = 1, β₁ = ½, β₂ = ¾, ε = 4 (so √v̂ = 2), I = 2. g = 4: m = 2, v = 3 + 4 = 7, x = 4 −
    2/2 = 3; g = 3: m = 2.5, v = 5.25 + 2.25 = 7.5, x = 3 − 1.25 = 1.75; v̂ = 7.5. Round 1: persisting m = 1.25 + .875 =
    2.125; restarting m = .875."""
    ams = dict(beta1=0.5, beta2=0.75, epsilon=4.0)
    for persist, m in ((True, 2.125), (False, 0.875)):
        x, state, _ = small("fed-ams", [1], [0], [4.0], 1.0, None, 1, 2, persist=persist, **ams)
        assert np.isclose(x[0, 0], 1.75) and np.isclose(state["v_hat"][0], 7.5)
        second = 1.75 - m / math.sqrt(7.5)
        third = second - (m / 2 + second / 2) / math.sqrt(7.5)
        x, state, _ = small("fed-ams", [1], [0], [4.0], 1.0, None, 2, 2, persist=persist, **ams)
        assert np.isclose(x[1, 0], third), persist
        # v goes on from 7.5 in both: here the one client's v is the mean, and it rose.
        v = 0.75 * (0.75 * 7.5 + 0.25 * 1.75**2) + 0.25 * second**2
        assert np.isclose(state["v_hat"][0], max(7.5, v)) and ("v_i" in state) == persist


def check_fed_lamb_by_hand():
    """One client f = ½‖x‖² from (3, 4 | 0 | 2), layers of 2, 1 and 1. With φ the identity and λ = 0 a step of η = ½ has
    length η‖y_ℓ‖, whatever the moments: along (3, 4)/√v̂ = (3, 4) direction (v̂ = ε everywhere), so the first layer is
    halved; so is the last; the layer of norm 0 has p = 0, scale 1, and stays."""
    raw = {
        "method": "fed-lamb",
        "options": {"epsilon": 0.01},
        "clients": 1,
        "interval": 1,
        "rounds": 1,
        "sampled": [[0]],
        "rates": flat(0.5, None, 1, 1),
        "x0": [3.0, 4.0, 0.0, 2.0],
        "layers": [[0, 2], [2, 1], [3, 1]],
        "problem": {"kind": "quadratic", "a": [1], "b": [0]},
    }
    assert np.allclose(run(raw)[0][0], [1.5, 2, 0, 1])
    # φ within [1, 1]: every layer's step has length η. Here m̂ = g, √v̂ = 0.1, so the zero layer's p = −1/(0.1 + 0.01) at b
    # = 1.
    raw["options"] = {"epsilon": 0.01, "phi_min": 1.0, "phi_max": 1.0}
    assert np.allclose(run(raw)[0][0], [3 - 0.3, 4 - 0.4, 0, 1.5])
    raw["problem"]["b"] = [1.0]
    assert np.isclose(run(raw)[0][0][2], 0.5 / 0.11)


def check_server_methods_by_hand():
    """One client f = ½x² from 4, one local step of η = ¼: Δ = −1 (β₁ = ½: m = −½). v₀ = τ² = ¼, β₂ = ¾: Adam v = .1875 +
    .25; Yogi v < Δ², so v = .25 + .25; Adagrad v = 1.25. x = 4 + ½ m/(√v + ½)."""
    server = dict(server_eta=0.5, beta1=0.5, beta2=0.75, tau=0.5)
    for method, v in (("fed-adam", 0.4375), ("fed-yogi", 0.5), ("fed-adagrad", 1.25)):
        x, state, _ = small(method, [1], [0], [4.0], 0.25, None, 1, 1, **server)
        assert np.isclose(x[0, 0], 4 - 0.25 / (math.sqrt(v) + 0.5)) and np.isclose(state["v"][0], v), method
    # Yogi shrinks v where it is above Δ²: with τ = 2, v₀ = 4 > 1, v = 4 − .25.
    assert np.isclose(small("fed-yogi", [1], [0], [4.0], 0.25, None, 1, 1, **dict(server, tau=2.0))[1]["v"][0], 3.75)


def check_celgc_partial_by_hand():
    """f₁ = ½(x − 1)², f₂ = ½(x + 1)², f₃ = ½x², η = ½, no clipping, I = 1, from 2. Round 0: 1.5, .5, 1; clients 1 and 2
    meet at 1, 3 keeps 1. Round 1: 1, 0, .5; 2 and 3 meet at .25, 1 keeps 1. Round 2: 1, −.375, .125: 1 and 3 meet at
    .5625."""
    raw = {
        "method": "celgc-partial",
        "clients": 3,
        "interval": 1,
        "rounds": 3,
        "sampled": [[0, 1], [1, 2], [0, 2]],
        "rates": flat(0.5, None, 3, 1),
        "x0": [2.0],
        "problem": {"kind": "quadratic", "a": [1, 1, 1], "b": [1, -1, 0]},
    }
    x, state, _ = run(raw)
    assert np.allclose(x[:, 0], [1, 0.25, 0.5625]) and np.isclose(state["y"]["1"][0], -0.375)


def check_weights_by_hand():
    # From 3, I = 1, η = ¼: clients at 2.5 and 1; weights 3 and 1 give (7.5 + 1)/4.
    x = small("fedavg", eta=0.25, gamma=None, interval=1, weighted=True, weights=[3, 1], **HAND)[0]
    assert np.isclose(x[0, 0], 2.125)


def check_momentum_by_hand():
    """f = ½x² from 4, η = ¼, μ = ½, λ = 1: d = 2x. m = 8, x = 2; m = 4 + 4 = 8, x = 0. Clipped at γ = ½ (‖g‖ = 4 → a =
    1/8): x = 3, m = 8; then g = 3, a = 1/6, m = 4 + 6 = 10."""
    decay = dict(momentum=0.5, weight_decay=1.0)
    for method in ("sgd", "momentum", "parallel-sgd", "fedavg"):
        assert np.allclose(small(method, [1], [0], [4.0], 0.25, None, 2, 1, **decay)[0][:, 0], [2, 0]), method
    for method in ("sgd-clip", "naive-clip", "celgc", "celgc-partial", "minibatch-clip"):
        x = small(method, [1], [0], [4.0], 0.25, 0.5, 2, 1, **decay)[0]
        assert np.allclose(x[:, 0], [3, 3 - 10 / 6]), method


def check_outer_methods_by_hand():
    """From 3 on HAND's clients: see their docstrings. One client f = ½(x − 4)², η = ¼, I = 2, from 0: D = −7/4. Nesterov,
    α = β = ½: 21/16, then 2471/1024."""
    one = dict(inner="sgd", outer_eta=0.5, outer_momentum=0.5)
    x = small("diloco", [1], [4], [0.0], 0.25, None, 2, 2, **one)[0]
    assert np.allclose(x[:, 0], [21 / 16, 2471 / 1024])
    x = small("diloco", [1], [4], [0.0], 0.25, None, 2, 2, **dict(one, outer="momentum"))[0]
    assert np.allclose(x[:, 0], [7 / 8, 511 / 256])
    # η_g: D = −3 and 1, Σ‖D‖² = 10, 10/(4(1 + 1)).
    assert np.isclose(small("fed-exp", [1, 1], [3, -1], [0.0], 1.0, None, 1, 1, server_epsilon=1.0)[0][0, 0], 1.25)
    # C = 1: changes 3 and −½, the first is shortened; one of two within, C = e^0.08; then 2.75 and −0.75.
    x = small("dp-fedavg", [1, 1], [3, -0.5], [0.0], 1.0, None, 2, 1, clip_norm=1.0, clip_quantile=0.9)[0]
    assert np.allclose(x[:, 0], [0.25, 0.25 + (np.exp(0.08) - 0.75) / 2])
    # Two parabolas x²/2 − 3x and x²/2 + 4x, η = 1, γ = 2.
    x = small("clip21", [1, 1], [3, -4], [0.0], 1.0, 2.0, 4, 1)[0]
    assert np.allclose(x[:, 0], [0, -0.5, -0.5, -0.5])
    x = small("feddyn", [1], [4], [0.0], 0.5, None, 2, 1, alpha=0.5, weights=[2])[0]
    assert np.allclose(x[:, 0], [4, 5.5])


# ---- identities ----


def everybody(**changes):
    return dict(sampled=[list(range(examples.CLIENTS))] * examples.ROUNDS, **changes)


def one_client(**changes):
    problem = {"kind": "quadratic", "a": [1.5], "b": [-1.0]}
    return dict(clients=1, sampled=[[0]] * examples.ROUNDS, problem=problem, **changes)


STEP = {"momentum": 0.5, "weight_decay": 0.3}


def check_celgc_without_clipping_is_fedavg():
    same(last("celgc", rates=examples.rates(gamma=None)), last("fedavg", options={"weighted": False}))
    different(last("celgc"), last("fedavg", options={"weighted": False}))
    same(last("fedprox", options={"mu": 0.0}), last("celgc"))
    same(last("fedavg", options={"weights": [2, 2, 2, 2]}), last("fedavg", options={"weighted": False}))


def check_celgc_on_equal_exact_clients_is_naive_clip():
    equal = {"kind": "quadratic", "a": [1.5] * 4, "b": [-1.0] * 4}
    same(last("celgc", noise=0, problem=equal, **everybody()), last("naive-clip", noise=0, problem=equal, **everybody()))


def check_celgc_of_one_step_averages_clipped_gradients():
    x, config = np.array(examples.quadratic("celgc")["x0"]), examples.quadratic("celgc", noise=0)
    a, b, (eta, gamma) = config["problem"]["a"], config["problem"]["b"], config["rates"][0][0]
    steps = []
    for i in range(4):
        g = a[i] * (x - b[i])
        steps.append(min(eta, gamma / np.linalg.norm(g)) * g)
    first = last("celgc", noise=0, interval=1, options={"momentum": 0, "weight_decay": 0}, **everybody())[0]
    same(first, x - sum(steps) / 4, 1e-9)


def check_one_client_has_one_method():
    clipped = last("sgd-clip", **one_client())
    for method in ("naive-clip", "celgc", "celgc-partial"):
        same(last(method, **one_client(options=STEP)), clipped)
    plain = last("sgd", **one_client(options=STEP))
    for method in ("fedavg", "parallel-sgd", "momentum"):
        same(last(method, **one_client(options=dict(STEP, **({"weighted": False} if method == "fedavg" else {})))), plain)
    alone = {"weight_decay": 0.3}
    for variate in ("average", "drift"):
        corrected = last("scaffold", **one_client(options=dict(alone, variate=variate), rates=examples.rates(gamma=None)))
        same(corrected, last("sgd", **one_client(options={"momentum": 0, "weight_decay": 0.3})))
    same(last("scaffold", **one_client(options=alone)), last("sgd-clip", **one_client(options=dict(alone, momentum=0))))


def check_scaffold_variates_agree_without_clipping():
    """With equal factors and no decay, (x − y)/Σa is the mean corrected gradient, so option II's cⁱ⁺ is the mean raw one."""
    steady = dict(rates=flat(0.2, None, examples.ROUNDS, examples.INTERVAL))
    options = {"weight_decay": 0.0}
    average = last("scaffold", options=options, **steady)
    same(average, last("scaffold", options=dict(options, variate="drift"), **steady), 1e-10)
    different(last("scaffold"), last("scaffold", options={"variate": "drift"}))


def check_episode_with_the_step_s_own_batch_is_naive_clip():
    """I = 1 and Gⁱ = gⁱ: then g = G on every client, and a step is γ or η by ‖G‖, as naive-clip's."""
    raw = examples.quadratic("episode", interval=1, options={"resampling": 1, "weight_decay": 0.3})
    for clients in raw["problem"]["noise"].values():
        for drawn in clients.values():
            drawn[1] = drawn[0]
    naive = examples.quadratic("naive-clip", interval=1, options={"momentum": 0, "weight_decay": 0.3})
    naive["problem"]["noise"] = {r: {i: d[:1] for i, d in c.items()} for r, c in raw["problem"]["noise"].items()}
    same(run(raw)[0], run(naive)[0], 1e-8)


def check_minibatch_clip_of_exact_gradients_is_one_naive_step():
    one = dict(interval=1, rates=examples.rates(interval=1))
    same(last("minibatch-clip", noise=0), last("naive-clip", noise=0, **one))
    different(last("minibatch-clip"), last("minibatch-clip", noise=0))


def check_sign_sgd_gen_without_memory_is_sign_descent():
    x = np.array(examples.quadratic("sgd")["x0"])
    raw = examples.quadratic("sign-sgd-gen", noise=0, options={"beta1": 0.0, "beta2": 0.0})
    a, b = np.array(raw["problem"]["a"]), np.array(raw["problem"]["b"])
    for t, (eta, _) in enumerate(raw["rates"][0]):
        x = x - eta * np.sign(np.mean(a[:, None] * (x - b[:, None]), axis=0))
    same(run(raw)[0][0], x)


def check_fed_lamb_without_its_scale_is_fed_ams():
    """λ = 0, scale 1, no bias correction: what is left is √v̂ + ε for √v̂, a relative difference of at most √ε."""
    for persist in (False, True):
        options = {"beta1": 0.8, "beta2": 0.6, "epsilon": 1e-12, "persist": persist}
        tiny = dict(rates=examples.rates(eta=1e-4))  # the first steps divide by √ε
        lamb = dict(options, weight_decay=0.0, layerwise=False, correct_m=False)
        ams = last("fed-ams", options=options, **tiny)
        same(last("fed-lamb", options=lamb, **tiny) / ams, np.ones_like(ams), 1e-5)
        different(last("fed-lamb", options=dict(lamb, correct_m=True), **tiny) / ams, np.ones_like(ams))


def check_mixed_clip_without_momentum_is_sgd_clip():
    same(last("mixed-clip", options={"nu": 0.0}), last("sgd-clip", options={"momentum": 0, "weight_decay": 0}))
    same(last("mixed-clip", options={"beta": 0.0, "nu": 1.0}), last("sgd-clip", options={"momentum": 0, "weight_decay": 0}))


def check_episode_pp_keeps_g_the_mean_of_its_parts():
    for sampled in (examples.SAMPLED, everybody()["sampled"]):
        for interval in (1, 3):
            state = run(examples.quadratic("episode++", interval=interval, sampled=sampled))[1]
            same(np.array(state["G"]), sum(np.array(g) for g in state["G_i"].values()) / 4)


def check_scaffold_keeps_c_the_mean_of_its_parts():
    for variate in ("average", "drift"):
        state = run(examples.quadratic("scaffold", options={"variate": variate}))[1]
        same(np.array(state["c"]), sum(np.array(c) for c in state["c_i"].values()) / 4)


def check_methods_of_inner_and_outer_optimisers():
    step = {"inner": "sgd", "momentum": 0.5, "weight_decay": 0.3, "outer": "sgd", "outer_eta": 1.0}
    same(last("diloco", options=step), last("celgc", options={"momentum": 0.5, "weight_decay": 0.3}))
    plain = dict(rates=examples.rates(gamma=None))
    same(last("diloco", options=step, **plain), last("fedavg", options={"weighted": False}))
    heavy = dict(step, momentum=0.0, outer="adam", outer_momentum=0.8, outer_beta2=0.7, outer_tau=0.3, outer_eta=0.2)
    same(last("diloco", options=heavy, **plain), last("fed-adam", options={"momentum": 0.0}))
    equal = {"momentum": 0.0, "weight_decay": 0.3, "weighted": True}
    same(last("fed-nova", options=equal), last("fedavg", options=equal))
    same(last("clip21", options={"beta1": 0.0, "message_share": 1.0}, **plain, **everybody()),
         last("sgd", options={"momentum": 0.0, "weight_decay": 0.0}, **everybody()))
    same(last("des-loc", options={"first_every": 1, "second_every": 1}), last("local-adam"))
    state = run(examples.quadratic("feddyn"))[1]
    assert len(state["l_i"]) == 4
    state = run(examples.quadratic("scaffnew", **everybody(lengths=[2, 3, 1, 3, 3, 2])))[1]
    same(sum(np.array(h) for h in state["h_i"].values()), np.zeros(6), 1e-10)


def check_streaming_by_hand():
    """f = ½(x − 4)², η = ¼, I = 2, the model of the first step is sent; see tests/algorithms/streaming_test.cc."""
    late = dict(inner="sgd", outer="sgd", outer_eta=0.5, delay=1)
    for more, second in ((dict(), 15 / 16), (dict(mix=0.5), 75 / 64), (dict(merge="add"), 39 / 32)):
        x = small("diloco-streaming", [1], [4], [0.0], 0.25, None, 2, 2, **late, **more)[0]
        same(x[:, 0], np.array([0.5, second]))


def check_sparseloco_by_hand():
    """D = x/2; one of two values is sent, β = ½; see tests/algorithms/streaming_test.cc."""
    raw = examples.quadratic(
        "sparseloco", noise=0, rounds=3, interval=1, sampled=[[0]] * 3, clients=1, rates=[[[0.5, None]]] * 3,
        x0=[4.0, 2.0, 6.0, 2.0], layers=[[0, 2], [2, 2]], shapes=[None, [2, 1]],
        problem={"kind": "quadratic", "a": [1], "b": [0]},
        options={"inner": "sgd", "weight_decay": 0.0, "outer_eta": 1.0, "feedback": 0.5})
    same(run(raw)[0], np.array([[2, 2, 3, 2], [2, 0.5, 1.5, 2], [0.5, 0.5, 1.5, 0.25]]))


def check_streaming_of_one_part_is_diloco():
    one = {"fragments": 1, "delay": 0, "mix": 0.0}
    same(last("diloco-streaming", options=one, **everybody()), last("diloco", **everybody()))
    whole = {"density": 1.0, "outer_eta": 0.8}
    same(last("sparseloco", options=whole), last("diloco", options={"outer": "sgd", "outer_eta": 0.8}))


def check_muon_turns_singular_values_to_about_1():
    """[.7, 1.2] for Jordan's coefficients, as published; MuLoCo's end nearer to 1. Tall and wide agree."""
    import methods_oracle_outer as outer

    generator = np.random.default_rng(5)
    for shape in ((4, 6), (6, 4), (5, 5)):
        X = generator.standard_normal(shape)
        for coefficients, least, most in ((outer.JORDAN, 0.65, 1.25), (outer.MULOCO, 0.8, 1.2)):
            O = outer.orthogonalised(X, coefficients)
            values = np.linalg.svd(O)[1]
            assert least < values.min() and values.max() < most, (shape, values)
            same(O, outer.orthogonalised(X.T, coefficients).T, 1e-5)


def check_feddyn_and_scaffnew_find_the_common_minimum():
    """(1·1 + 4·(−1))/5; FedAvg with several steps rests elsewhere."""
    two = dict(a=[1, 4], b=[1, -1], x0=[0.0], eta=0.1, gamma=None, rounds=200, interval=5)
    assert np.isclose(small("feddyn", alpha=0.5, **two)[0][-1, 0], -0.6, atol=1e-6)
    assert np.isclose(small("scaffnew", **two)[0][-1, 0], -0.6, atol=1e-6)
    assert abs(small("fedavg", **two)[0][-1, 0] + 0.6) > 0.05


def check_synchronous_names():
    options = {"momentum": 0.4, "weight_decay": 0.1}
    same(last("sgd-clip", options=options), last("naive-clip", options=options))
    same(last("sgd", options=options), last("parallel-sgd", options=options))
    same(last("sgd", options=options), last("sgd-clip", options=options, rates=examples.rates(gamma=None)))
    same(last("celgc-partial", **everybody()), last("celgc", **everybody()))
    same(last("adam", options={"weight_decay": 0.0, "decoupled": True}), last("adam", options={"weight_decay": 0.0}))


# ---- broken rules ----


def wide():
    """32 coordinates, half of them a vector and half a matrix: layers with eight values to send in two bits each."""
    x0 = [round(2 * np.sin(3.0 * k), 3) for k in range(32)]
    return {"x0": x0, "layers": [[0, 16], [16, 16]], "shapes": [None, [4, 4]]}


def variants():
    """(method, options and other changes): between them they reach every rule."""
    for method in oracle.METHODS:
        yield method, {}
    yield "fedavg", {"options": {"weighted": False}}
    for changes in ({"inner": "sgd", "momentum": 0.5}, {"decay_in_norm": True}, {"inner": "sgd", "decay_in_norm": True}):
        for method in ("diloco", "feddyn", "fed-exp", "dp-fedavg"):
            yield method, {"options": changes}
    for method in ("feddyn", "fed-exp", "dp-fedavg"):
        yield method, {"options": {"inner": "adamw", "epsilon": 0.05, "beta2": 0.7}}
    yield "muloco", {"options": {"muon_iteration": "jordan", "muon_scale": "moonlight"}}
    yield "muloco", {"options": {"inner": "sgd", "decay_in_norm": True}}
    yield "muloco", {"options": {"outer": "adam"}}
    for method in ("diloco-streaming", "sparseloco"):
        yield method, {"options": {"inner": "sgd", "momentum": 0.5}}
    for changes in ({"merge": "add"}, {"delay": 0}, {"delay": 3, "outer": "adam"}, {"fragments": 1}):
        yield "diloco-streaming", {"options": changes}
    yield "sparseloco", {"options": {"values": "2bit"}, **wide()}
    for outer in ("momentum", "sgd", "adam"):
        yield "diloco", {"options": {"outer": outer}}
        yield "diloco", {"options": {"outer": outer, "inner": "sgd", "max_norm": 1.2}, "rates": examples.rates(gamma=None)}
    for more in ({}, {"momentum": 0, "mu": 0.8}, {"weighted": False}):
        yield "fed-nova", {"options": more, "steps": [1, 3, 2, 3]}
    yield "fed-exp", everybody()
    yield "dp-fedavg", {"options": {"clip_rate": 0.0}}
    yield "dp-fedavg", {"options": {"bit_noise": 0.7}}
    yield "clip21", everybody()
    yield "norm-ec", {"options": {"server_normalised": True}}
    yield "scaffnew", everybody()
    yield "scaffnew", everybody(lengths=[2, 3, 1, 3, 3, 2])
    yield "scaffold", {"options": {"variate": "drift"}}
    yield "scaffold", {"options": {"init_corrections": True}}
    for method in ("scaffold", "episode", "episode++"):
        yield method, {"options": {"momentum": 0.5}}
    for method in ("celgc", "naive-clip", "naive-clip-partial", "minibatch-clip", "scaffold", "episode", "episode++"):
        yield method, {"options": {"decay_in_norm": True}}
    for method in ("sgd-clip", "celgc"):
        yield method, {"options": {"delta": 0.4}}
        yield method, {"options": {"per_layer": True}}
    for method in ("sgd-clip", "celgc", "naive-clip"):
        yield method, {"options": {"per_coordinate": True}, "rates": examples.rates(gamma=0.1)}
    for method in ("celgc", "fedavg"):
        yield method, {"options": {"max_update": 0.3}}
    yield "adam", {"options": {"decoupled": True}}
    yield "adam", {"options": {"amsgrad": True, "beta2": 0.5}}
    yield "fed-ams", {"options": {"persist": False}}
    yield "fed-lamb", {"options": {"persist": True}}
    yield "fed-lamb", {"options": {"layerwise": False, "correct_m": False}}
    yield "fed-lamb", {"x0": [0.0, 0.0, 2.0, 0.5, -0.5, 1.0]}
    yield "minibatch-clip", {"rates": examples.rates(gamma=3.0)}
    for method in ("celgc", "episode", "episode++", "scaffold", "naive-clip", "minibatch-clip"):
        yield method, {"rates": examples.rates(eta=0.6, gamma=0.6)}
        yield method, everybody()


def check_every_broken_rule_shows():
    """x tells the unbroken run from every broken one, as methods_oracle.shows() has it."""
    shown, wanted = set(), {(rule, method) for rule, (_, of, _, _) in BREAKS.items() for method in of}
    for method, changes in variants():
        config = oracle.checked(examples.quadratic(method, **changes), "selfcheck")
        right, found = oracle.simulate(config, "")
        rules = applicable(config, found)
        assert len(rules) >= 3, f"{method}: only {rules}"
        left_out = set(rules) - set(oracle.every_break(config, "", right, rules))
        assert not left_out, f"{method} with {changes}: {left_out} do not show"
        shown.update((rule, method) for rule in rules)
    assert shown == wanted, f"no configuration reaches {sorted(wanted - shown)}"


# ---- input ----


def rejects(text, raw):
    try:
        run(raw)
    except oracle.InputError as problem:
        assert text in str(problem), f"{problem} lacks {text!r}"
        return
    raise AssertionError(f"accepted; expected: {text}")


def check_wrong_configurations():
    rejects("unknown key ['etas']", examples.quadratic("sgd", etas=1))
    rejects("['gama'] is no option of celgc", examples.quadratic("celgc", options={"gama": 1}))
    rejects("options.epsilon is missing", dict(examples.quadratic("fed-ams"), options={}))
    rejects("sampled[0] must hold different clients of 0 … 3", examples.quadratic("sgd", noise=0, sampled=[[0, 4]] * 6))
    rejects("layers must cover 0 … 6", examples.quadratic("sgd", layers=[[0, 2], [3, 3]]))
    rejects("method must be one of", dict(examples.quadratic("sgd"), method="sdg"))
    fewer = examples.quadratic("sgd")
    fewer["problem"]["noise"]["1"]["3"].pop()
    rejects("problem.noise: round 1, client 3 must have at least 3 draws, got 2", fewer)
    more = examples.quadratic("sgd")
    more["problem"]["noise"]["1"]["0"] = [[0] * 6]
    rejects("round 1, client 0 has 1 draws, but the method takes 0", more)


def main():
    """Checks that need a folder get an empty one."""
    checks, failed = dict(globals()), 0
    try:
        import methods_oracle_selfcheck_networks as networks

        checks.update(vars(networks))
    except ImportError as problem:
        print(f"skipped the networks: they need python3-torch: {problem}")
    for name, check in checks.items():
        if name.startswith("check_"):
            try:
                with tempfile.TemporaryDirectory() as folder:
                    check(*[folder] * check.__code__.co_argcount)
                print(f"ok      {name[6:]}")
            except (AssertionError, oracle.InputError) as problem:
                failed += 1
                where = [f for f in traceback.extract_tb(problem.__traceback__) if "selfcheck" in f.filename][-1]
                print(f"FAILED  {name[6:]}: {problem} ({os.path.basename(where.filename)}:{where.lineno})")
    return 1 if failed else 0
