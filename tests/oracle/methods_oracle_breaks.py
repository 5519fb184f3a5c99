"""The rules that methods_oracle.py can break on purpose, for which methods, and when breaking one must show.

A comparison that passes against a broken oracle is blind to that rule; this list is how tests prove that they are not. What
each break changes is at the place of the rule itself, in methods_oracle_methods.py and methods_oracle_adaptive.py.
"""

CLIPS = ("sgd-clip", "naive-clip", "naive-clip-partial", "celgc", "celgc-overlap", "celgc-partial", "fedprox", "minibatch-clip", "mixed-clip", "scaffold", "scaffnew", "clip21")
EPISODES = ("episode", "episode++")
CORRECTED = ("scaffold",) + EPISODES
ONE_STEP = ("sgd-clip", "naive-clip", "celgc", "celgc-overlap", "celgc-partial", "fedprox", "minibatch-clip")  # by clipped_step()
PLAIN = ("sgd", "momentum", "parallel-sgd")
JOINT = ("sgd-clip", "naive-clip", "mixed-clip", "sign-sgd-gen", "normalized", "adam", "lamb", "lars") + PLAIN
SERVER = ("fed-adam", "fed-yogi", "fed-adagrad")
AMS = ("fed-ams", "fed-lamb")
LAYERWISE = ("fed-lamb", "lamb", "lars")
LOCAL = ("celgc", "celgc-overlap", "celgc-partial", "fedavg", "fedprox")
MOMENTUM = ONE_STEP + PLAIN + ("fedavg",) + SERVER + CORRECTED
DILOCO = ("diloco", "muloco")
STREAM, SPARSE = ("diloco-streaming",), ("sparseloco",)
DP = ("dp-fedavg",)
OUTER = DILOCO + STREAM
INNER = OUTER + SPARSE + ("feddyn", "fed-exp") + DP
LOC = ("local-adam", "des-loc")
AVERAGING = LOCAL + ("scaffold",) + EPISODES + AMS + INNER + LOC
ALL = ("minibatch-clip", "naive-clip-partial", "fed-nova", "clip21", "norm-ec", "i-nsgd", "scaffnew") + JOINT + AVERAGING + SERVER


def remembers(c, f):
    """Does what the method keeps from one round to the next matter in the run?"""
    o = c["options"]
    if c["method"] == "mixed-clip":
        return f["rounds"] > 1 and o["beta"] and o["nu"]
    if c["method"] in LOCAL + CORRECTED:
        return f["again"] and o["momentum"]
    if c["method"] in SERVER:
        return f["again"] and o["momentum"] or f["rounds"] > 1 and o["beta1"]
    own = [o[name] for name in ("momentum", "beta", "beta1") if name in o]
    return f["rounds"] > 1 and any(own)


def both_needed(c, f):
    steps = f["interval"] if c["method"] != "minibatch-clip" else 1
    again = f["rounds"] > 1 if c["method"] in JOINT + ("minibatch-clip",) else f["again"]
    return c["options"]["momentum"] and f["decay_matters"] and (steps > 1 or again)


def adamw(c):
    return c["options"]["inner"] in ("adamw", "muon")


def muon(c):
    return c["options"]["inner"] == "muon"


def keeps(c):
    """Does the inner optimiser keep anything?"""
    return adamw(c) or c["options"]["momentum"]


def mixes(c):
    return c["options"]["merge"] == "replace" and c["options"]["mix"] > 0.05


# rule: (what it does instead, for which methods, what a run must have for that to show, the same as a test of configuration
# c and facts f)
BREAKS = {
    # clipping
    "no-clip": ("steps are never clipped", CLIPS, "clipped steps", lambda c, f: f["clipped"]),
    "gamma-as-threshold": (
        "γ bounds the gradient, not the step",
        CLIPS,
        "clipped steps, η other than 1",
        lambda c, f: f["clipped_eta_not_1"],
    ),
    "other-decay-in-norm": (
        "λy is inside the norm when it must not be, and the other way round",
        ONE_STEP + ("naive-clip-partial",) + CORRECTED,
        "clipped steps where decay changes the norm",
        lambda c, f: f["clipped_decay_matters"] or f["clipped_other_matters"] and not c["options"]["momentum"],
    ),
    "norm-without-momentum": (
        "the norm is of the corrected gradient, not of the momentum's buffer",
        CORRECTED,
        "momentum, clipped steps",
        lambda c, f: f["clipped_other_matters"] and c["options"]["momentum"],
    ),
    "not-per-coordinate": (
        "all coordinates are clipped by the norm",
        ("sgd-clip", "naive-clip", "celgc"),
        "per_coordinate",
        lambda c, f: c["options"].get("per_coordinate"),
    ),
    "updates-not-bounded": (
        "max_update is ignored",
        ("celgc", "fedavg"),
        "longer updates",
        lambda c, f: f["updates_bounded"],
    ),
    "no-least": ("δ is ignored", ("sgd-clip", "celgc"), "steps that δ holds up", lambda c, f: f["held_up"]),
    "norm-of-direction": (
        "the norm is of the momentum's direction",
        ONE_STEP,
        "clipped steps, momentum or weight_decay",
        lambda c, f: f["clipped_direction_differs"],
    ),
    "norm-per-layer": (
        "each layer is measured by its own norm, or, with per_layer, all by the whole one",
        CLIPS + ("normalized",),
        "clipped steps, two layers, not per_coordinate",
        lambda c, f: not c["options"].get("per_coordinate") and (f["clipped"] or c["method"] == "normalized") and f["layers"] > 1,
    ),
    "mean-norm": (
        "clients clip by the mean of their norms",
        ("celgc", "celgc-partial", "fedprox"),
        "clipped steps at norms that differ between clients, not per_layer or per_coordinate",
        lambda c, f: f["clipped_by_own_norm"] and not (c["options"].get("per_layer") or c["options"].get("per_coordinate")),
    ),
    "clip-before-average": (
        "each client's gradient is clipped, then averaged",
        ("sgd-clip", "naive-clip", "minibatch-clip"),
        "clipped steps, two clients that differ",
        lambda c, f: f["clipped_several"] and f["spread"],
    ),
    # averages and rates
    "sum-of-gradients": (
        "gradients are summed, not averaged",
        ("sgd-clip", "naive-clip", "mixed-clip", "minibatch-clip") + PLAIN,
        "two sampled clients, where steps may clip one that does not",
        lambda c, f: f["unclipped_several"] or c["method"] in PLAIN and f["several"],
    ),
    "gradients-over-all": (
        "the sum of S gradients is divided by N",
        ("sgd-clip", "naive-clip", "mixed-clip", "minibatch-clip") + PLAIN,
        "S < N, where steps may clip one that does not",
        lambda c, f: f["unclipped_partial"] or c["method"] in PLAIN and f["partial"],
    ),
    "first-client-only": (
        "the first sampled client's gradient or model is taken for the mean",
        JOINT + AVERAGING + ("clip21", "i-nsgd", "scaffnew"),
        "two sampled clients that differ",
        lambda c, f: f["spread"] and c["options"].get("beta2", 1) > 0 and not c["options"].get("weighted"),
    ),
    "average-over-all": (
        "the sum of S models is divided by N",
        AVERAGING,
        "S < N, no weights",
        lambda c, f: f["partial"] and not c["options"].get("weighted"),
    ),
    "first-step-rates": (
        "a round's steps all take the rates of its first",
        JOINT + AVERAGING + SERVER + ("naive-clip-partial", "fed-nova", "clip21", "norm-ec", "i-nsgd", "scaffnew"),
        "η and γ that change within a round",
        lambda c, f: f["rates_change_within"],
    ),
    "first-round-rates": (
        "every round takes the rates of round 0",
        ALL,
        "η and γ that change between rounds",
        lambda c, f: f["rates_change_between"],
    ),
    # momentum and decay
    "momentum-restarts": (
        "momentum and moments restart from zero at each round",
        LOCAL + JOINT + SERVER + CORRECTED + ("minibatch-clip",),
        "two rounds (of one client, where momentum is the client's), momentum or beta",
        remembers,
    ),
    "average-momentum": (
        "momentum is averaged with the models",
        LOCAL + CORRECTED,
        "momentum, a client that meets another and is there again",
        lambda c, f: f["again_after_meeting"] and c["options"]["momentum"] and f["spread"],
    ),
    "dampened-momentum": ("m = μm + (1−μ)(g + λy)", MOMENTUM, "momentum", lambda c, f: c["options"]["momentum"]),
    "nesterov": ("the direction is d + μm", MOMENTUM, "momentum", lambda c, f: c["options"]["momentum"]),
    "decoupled-decay": ("decay by-passes the momentum", MOMENTUM, "momentum, weight_decay, two steps", both_needed),
    # celgc-overlap
    "never-arrives": (
        "the mean is not added to what clients have",
        ("celgc-overlap",),
        "a client that meets another and is there again",
        lambda c, f: f["again_after_meeting"] and f["spread"],
    ),
    "steps-are-forgotten": (
        "clients go on from the mean, without the steps since it was sent",
        ("celgc-overlap",),
        "a delay, a client that is there again",
        lambda c, f: f["again"] and c["options"]["delay"] > 0,
    ),
    "arrives-a-step-late": (
        "the mean arrives a step later, or not in this round",
        ("celgc-overlap",),
        "a client that meets another and is there again",
        lambda c, f: f["again_after_meeting"] and f["spread"],
    ),
    # celgc-partial
    "unsampled-idle": (
        "clients that are not sampled do not train",
        ("celgc-partial",),
        "a client that is sampled after a round without it",
        lambda c, f: f["back"],
    ),
    "average-all": ("all N models are averaged", ("celgc-partial",), "S < N", lambda c, f: f["partial"] and f["spread"]),
    "all-restart": (
        "every client restarts from the average",
        ("celgc-partial",),
        "a client that is sampled after a round without it",
        lambda c, f: f["back"],
    ),
    "nobody-restarts": (
        "the sampled clients keep their own models",
        ("celgc-partial",),
        "a client that meets another and is there again",
        lambda c, f: f["again_after_meeting"] and f["spread"],
    ),
    # fedavg, fedprox
    "other-weighting": (
        "weights are used when they must not be, and the other way round",
        ("fedavg", "fed-nova"),
        "unequal weights in a round",
        lambda c, f: f["unequal_weights"] and f["spread"],
    ),
    "weights-not-normalised": (
        "Σ w y is divided by S, not by Σ w",
        ("fedavg", "fed-nova"),
        "weighted, a round where Σ w is not S",
        lambda c, f: f["weights_off_one"],
    ),
    "no-pull": ("g lacks μ(y − x)", ("fedprox", "fed-nova"), "mu, interval > 1", lambda c, f: c["options"]["mu"] and f["interval"] > 1),
    "pull-sign": (
        "g has −μ(y − x)",
        ("fedprox", "fed-nova"),
        "mu, interval > 1",
        lambda c, f: c["options"]["mu"] and f["interval"] > 1,
    ),
    "pull-after-norm": (
        "the norm is of the gradient without μ(y − x)",
        ("fedprox",),
        "clipped steps, mu, interval > 1",
        lambda c, f: f["clipped_pull_matters"],
    ),
    # minibatch-clip
    "move-locally": (
        "a client's gradients are along its own steps, not all at x",
        ("minibatch-clip",),
        "interval > 1",
        lambda c, f: f["interval"] > 1,
    ),
    "last-gradient-only": (
        "a client's last gradient is taken for the mean of I",
        ("minibatch-clip",),
        "interval > 1, noise",
        lambda c, f: f["draws_differ"],
    ),
    "sum-of-steps": (
        "a client's I gradients are summed",
        ("minibatch-clip",),
        "interval > 1, a step that does not clip",
        lambda c, f: f["interval"] > 1 and f["unclipped"],
    ),
    # mixed-clip, sign-sgd-gen, normalized, adam
    "no-dampening": (
        "the new term of the average lacks its 1 − β",
        ("mixed-clip", "sign-sgd-gen", "fed-adam"),
        "mixed-clip: β, ν and steps that the momentum does not clip; the others: β₂",
        lambda c, f: f["m_unclipped"] and c["options"]["beta"] if c["method"] == "mixed-clip" else c["options"]["beta2"],
    ),
    "nu-swapped": (
        "ν weighs the gradient, 1 − ν the momentum",
        ("mixed-clip",),
        "β, ν other than 1/2",
        lambda c, f: c["options"]["beta"] and abs(c["options"]["nu"] - 0.5) > 0.05,
    ),
    "clip-the-mixture": (
        "νm + (1−ν)g is clipped as one vector",
        ("mixed-clip",),
        "β, ν between 0 and 1, clipped steps",
        lambda c, f: c["options"]["beta"] and 0 < c["options"]["nu"] < 1 and f["clipped"],
    ),
    "norm-of-gradient-for-both": (
        "the momentum is clipped by ‖g‖",
        ("mixed-clip",),
        "β, ν, clipped steps",
        lambda c, f: c["options"]["nu"] and f["clipped_direction_differs"],
    ),
    "second-moment-of-gradient": ("v is of g², as Adam's", ("sign-sgd-gen",), "β₁", lambda c, f: c["options"]["beta1"]),
    "no-root": (
        "v̂ or v is taken without its root",
        ("sign-sgd-gen", "fed-ams"),
        "ε other than 1",
        lambda c, f: c["options"].get("epsilon") != 1,
    ),
    "bias-correction": (
        "the moments are bias-corrected",
        ("sign-sgd-gen", "fed-ams") + SERVER + LOC,
        "β₁",
        lambda c, f: c["options"]["beta1"],
    ),
    "normalise-before-momentum": (
        "m is the average of g/‖g‖ and is not normalised",
        ("normalized",),
        "β",
        lambda c, f: c["options"]["beta"],
    ),
    "norm-of-gradient": ("the step is η m/‖g‖", ("normalized",), "β", lambda c, f: c["options"]["beta"]),
    # naive-clip-partial
    "all-follow": (
        "the others take the new model, too",
        ("naive-clip-partial",),
        "a client that is sampled after a round without it",
        lambda c, f: f["back"],
    ),
    "models-not-averaged": (
        "the step starts from the first sampled client's model",
        ("naive-clip-partial",),
        "sampled clients whose models differ",
        lambda c, f: f["apart"],
    ),
    "gradients-at-the-average": (
        "gradients are taken at the average, not at the clients' own models",
        ("naive-clip-partial",),
        "sampled clients whose models differ",
        lambda c, f: f["apart"],
    ),
    # lars
    "norm-without-decay": (
        "the layer's rate is trust ‖x‖/‖g‖",
        ("lars",),
        "weight_decay",
        lambda c, f: c["options"]["weight_decay"],
    ),
    "rate-after-momentum": (
        "the buffer is of gradients, and the rate multiplies it",
        ("lars",),
        "momentum, two steps",
        lambda c, f: c["options"]["momentum"],
    ),
    "no-bias-correction": ("neither moment is bias-corrected", ("adam", "lamb"), "always", lambda c, f: True),
    "one-bias-correction": ("only m is bias-corrected", ("adam",), "β₂", lambda c, f: c["options"]["beta2"]),
    "steps-restart": ("k counts the steps of the round", ("adam",), "two rounds", lambda c, f: f["rounds"] > 1),
    "other-decay": (
        "decay is decoupled when it must not be",
        ("adam",),
        "weight_decay",
        lambda c, f: c["options"]["weight_decay"],
    ),
    "no-max-norm": (
        "max_norm is ignored",
        ("adam",),
        "scaled gradients, three steps",
        lambda c, f: f["scaled"] and f["interval"] * f["rounds"] > 2,
    ),
    "scale-after-decay": (
        "max_norm bounds g + λx",
        ("adam",),
        "scaled gradients, weight_decay that is not decoupled",
        lambda c, f: f["scaled"] and c["options"]["weight_decay"] and not c["options"]["decoupled"],
    ),
    "second-moment-of-m": (
        "v is of m²",
        ("adam",) + AMS + SERVER + LOC,
        "β₁; fed-ams and fed-lamb: a v̂ that rises before the last round",
        lambda c, f: c["options"]["beta1"] and (c["method"] not in AMS or f["v_rose"]),
    ),
    # scaffold
    "variates-start-at-zero": (
        "init_corrections is ignored",
        ("scaffold",),
        "init_corrections, clients that differ",
        lambda c, f: c["options"]["init_corrections"] and f["spread"],
    ),
    "c-starts-at-zero": (
        "init_corrections fills cⁱ and not c",
        ("scaffold",),
        "init_corrections",
        lambda c, f: c["options"]["init_corrections"],
    ),
    "correction-sign": (
        "the correction has the wrong sign",
        ("scaffold",) + EPISODES,
        "clients that differ; scaffold: two rounds",
        lambda c, f: f["spread"] and (f["rounds"] > 1 or c["method"] != "scaffold"),
    ),
    "no-correction": (
        "the gradient is not corrected",
        ("scaffold",) + EPISODES,
        "clients that differ; scaffold: two rounds",
        lambda c, f: f["spread"] and (f["rounds"] > 1 or c["method"] != "scaffold"),
    ),
    "norm-of-raw-gradient": (
        "the norm is of the gradient before its correction",
        ("scaffold", "scaffnew") + EPISODES,
        "clipped steps where the correction changes the norm",
        lambda c, f: f["clipped_correction_matters"] or c["method"] == "scaffnew" and f["clipped"] and f["shift_matters"],
    ),
    "variate-of-corrected": (
        "cⁱ⁺ is the mean of the corrected gradients",
        ("scaffold",),
        "variate average, a client that is there again after round 1",
        lambda c, f: c["options"]["variate"] == "average" and f["again_after_first"] and f["spread"],
    ),
    "drift-by-eta": (
        "cⁱ⁺ divides the drift by Ση, not by the factors used",
        ("scaffold",),
        "variate drift, clipped steps, two rounds",
        lambda c, f: c["options"]["variate"] == "drift" and f["clipped"] and f["rounds"] > 1,
    ),
    "other-variate": (
        "cⁱ⁺ is the other one of average and drift",
        ("scaffold",),
        "two rounds, and steps of different lengths or decay",
        lambda c, f: f["rounds"] > 1
        and (f["decay_matters"] or f["interval"] > 1 and (f["clipped"] or f["rates_change_within"])),
    ),
    "no-share": (
        "c (norm-ec: g) moves by the whole mean change",
        ("scaffold", "norm-ec"),
        "S < N before the last round",
        lambda c, f: f["partial_early"],
    ),
    "own-variates-forgotten": (
        "cⁱ is zero in every round",
        ("scaffold",),
        "a client that is there again",
        lambda c, f: f["again"],
    ),
    "unsampled-updated": (
        "clients that are not sampled get the new variate, too",
        ("scaffold", "episode++"),
        "a client that is sampled after a round without it",
        lambda c, f: f["back"],
    ),
    # episode, episode++
    "indicator-per-client": (
        "a client decides by its own ‖Gⁱ‖",
        EPISODES,
        "a client whose decision would be another",
        lambda c, f: f["own_indicator_differs"],
    ),
    "indicator-by-gamma": (
        "‖G‖ is compared with γ",
        EPISODES,
        "‖G‖ between γ and γ/η",
        lambda c, f: f["gamma_indicator_differs"],
    ),
    "indicator-reversed": ("it clips where it must not", EPISODES, "finite γ", lambda c, f: f["finite_gamma"]),
    "indicator-every-step": (
        "every step decides by its own norm",
        EPISODES,
        "a step whose decision would be another",
        lambda c, f: f["step_indicator_differs"],
    ),
    "norm-of-G": ("clipped steps are γg/‖G‖", EPISODES, "clipped steps", lambda c, f: f["clipped_G_differs"]),
    "stale-G": (
        "G is the last round's (episode), or stays what it was at the beginning (episode++)",
        EPISODES,
        "two rounds",
        lambda c, f: f["rounds"] > 1,
    ),
    "first-resample-only": (
        "Gⁱ is one draw",
        ("episode",),
        "resampling > 1, noise",
        lambda c, f: f["draws_differ"] and f["several"],
    ),
    "sum-of-resamples": (
        "Gⁱ is the sum of its draws",
        ("episode",),
        "resampling > 1, clients that differ",
        lambda c, f: c["options"]["resampling"] > 1 and f["spread"],
    ),
    "G-over-all": ("G is the sum of S draws, divided by N", ("episode",), "S < N", lambda c, f: f["partial"]),
    "G-starts-at-zero": ("Gⁱ and G start from zero", ("episode++",), "clients that differ", lambda c, f: f["spread"]),
    "G-over-sampled": (
        "G moves by the mean over the sampled, not by 1/N of the sum",
        ("episode++",),
        "S < N before the last round",
        lambda c, f: f["partial_early"],
    ),
    "G-of-sampled-only": (
        "G is the mean over the sampled clients of the round",
        ("episode++",),
        "S < N before the last round",
        lambda c, f: f["partial_early"],
    ),
    "stale-G-of-clients": (
        "Gⁱ stays what it was at the beginning",
        ("episode++",),
        "a client that is there again",
        lambda c, f: f["again"],
    ),
    "G-of-corrected": (
        "Gⁱ is the mean of corrected gradients",
        ("episode++",),
        "a client that is there again",
        lambda c, f: f["again"] and f["spread"],
    ),
    "G-of-last-step": (
        "Gⁱ is the gradient of the last step",
        ("episode++",),
        "interval > 1, two rounds",
        lambda c, f: f["interval"] > 1 and f["rounds"] > 1,
    ),
    # fed-ams, fed-lamb
    "max-over-clients": (
        "v̂ takes the largest of the clients' v",
        AMS,
        "clients' v that differ above v̂ before the last round",
        lambda c, f: f["v_differed"],
    ),
    "mean-over-all": (
        "the sum over S clients is divided by N",
        AMS + SERVER,
        "S < N; fed-ams and fed-lamb: where v̂ rises, before the last round; the others: τ of the size of √v",
        lambda c, f: f["v_rose_partial"] if c["method"] in AMS else f["partial"] and f["tau_matters"],
    ),
    "sum-of-v": (
        "v is summed over clients",
        AMS,
        "S > 1 where v̂ rises, before the last round",
        lambda c, f: f["v_rose_several"],
    ),
    "no-max": (
        "v̂ is the mean v, or in adam v",
        AMS + ("adam",),
        "a v below v̂; fed-ams and fed-lamb: before the last round",
        lambda c, f: f["v_fell"],
    ),
    "v-hat-never-moves": ("v̂ stays ε", AMS, "a v̂ that rises before the last round", lambda c, f: f["v_rose"]),
    "v-hat-within-round": (
        "a client's step takes max(v̂, v)",
        AMS,
        "a v̂ that rises before the last round",
        lambda c, f: f["v_rose"],
    ),
    "own-v": ("a client's step takes its own v", AMS, "a v that leaves v̂", lambda c, f: f["v_rose"] or f["v_fell"]),
    "v-restarts-at-zero": (
        "v is zero at the round's start",
        AMS,
        "a v̂ that rises before the last round",
        lambda c, f: f["v_rose"],
    ),
    "m-restarts": (
        "m is zero at the round's start",
        AMS,
        "persist, β₁, a client that is there again",
        lambda c, f: c["options"]["persist"] and c["options"]["beta1"] and f["again"],
    ),
    "average-m": (
        "m is averaged as v is",
        AMS,
        "persist, β₁, a client that meets another and is there again",
        lambda c, f: c["options"]["persist"] and c["options"]["beta1"] and f["again_after_meeting"] and f["spread"],
    ),
    "other-persistence": (
        "moments restart when they must persist, and the other way round",
        AMS,
        "β₁, a client that is there again",
        lambda c, f: c["options"]["beta1"] and f["again"],
    ),
    "epsilon-added": ("the denominator is √v̂ + √ε", ("fed-ams",), "always", lambda c, f: True),
    "no-layer-scale": ("the scale is 1", LAYERWISE, "layerwise", lambda c, f: c["options"].get("layerwise", True)),
    "one-scale-for-all-layers": (
        "norms are of the whole vector",
        LAYERWISE,
        "layerwise, two layers",
        lambda c, f: c["options"].get("layerwise", True) and f["layers"] > 1,
    ),
    "scale-by-start": (
        "the scale has the norm of the round's start",
        ("fed-lamb",),
        "layerwise, φ(‖y_ℓ‖) that moves in a round",
        lambda c, f: f["length_moved"],
    ),
    "phi-is-one": ("every step has length η", ("fed-lamb",), "layerwise, φ other than 1", lambda c, f: f["phi_not_1"]),
    "phi-unbounded": ("φ is the identity", ("fed-lamb", "lamb"), "a norm outside [phi_min, phi_max]", lambda c, f: f["phi_bounds"]),
    "zero-layer-stays": ("a layer of norm 0 does not move", ("fed-lamb",), "such a layer", lambda c, f: f["zero_layer"]),
    "decay-outside-norm": (
        "decay is added after the layer's scale",
        ("fed-lamb", "lamb"),
        "layerwise, weight_decay",
        lambda c, f: c["options"].get("layerwise", True) and f["decay_matters"],
    ),
    "other-correction": (
        "m is bias-corrected when it must not be, and the other way round",
        ("fed-lamb",),
        "β₁, and weight_decay or no layer scale",
        lambda c, f: c["options"]["beta1"] and (f["decay_matters"] or not c["options"]["layerwise"]),
    ),
    # the inner optimiser
    "inner-not-clipped": ("neither γ nor max_norm is used", INNER, "clipped steps", lambda c, f: f["clipped"]),
    "inner-other-decay": (
        "λy is in the gradient before its norm when it must not be, and the other way round",
        INNER,
        "weight_decay; with sgd clipped steps where decay changes the norm",
        lambda c, f: c["options"]["weight_decay"]
        and (f["inner_decay_matters"] if c["options"]["inner"] == "sgd" else True),
    ),
    "inner-restarts": (
        "momentum and moments restart at each round",
        INNER,
        "a client that is there again; adamw or momentum",
        lambda c, f: f["again"] and keeps(c),
    ),
    "inner-averaged": (
        "momentum or moments are averaged with the models",
        INNER,
        "a client that meets another and is there again; adamw or momentum",
        lambda c, f: f["again_after_meeting"] and f["spread"] and keeps(c),
    ),
    "inner-steps-restart": ("adamw counts the steps of the round", INNER, "adamw, a client that is there again", lambda c, f: f["again"] and adamw(c)),
    "inner-no-bias-correction": ("adamw's moments are not corrected", INNER, "adamw", lambda c, f: adamw(c)),
    "inner-second-moment-of-m": ("adamw's v is of m²", INNER, "adamw, β₁", lambda c, f: adamw(c) and c["options"]["beta1"]),
    "inner-epsilon-in-root": ("adamw divides by √(v̂ + ε)", INNER, "adamw, ε", lambda c, f: adamw(c) and c["options"]["epsilon"] > 1e-3),
    "muon-only-normalised": ("O is m/‖m‖", ("muloco",), "inner muon", lambda c, f: muon(c)),
    "muon-no-scale": ("s is 1", ("muloco",), "inner muon, a scale other than 1", lambda c, f: muon(c) and c["options"]["muon_scale"] == "moonlight"),
    "muon-other-iteration": ("the coefficients and momentum are the other's", ("muloco",), "inner muon", lambda c, f: muon(c)),
    "muon-no-look-ahead": ("Nesterov's momentum is left out", ("muloco",), "Jordan's iteration", lambda c, f: muon(c) and c["options"]["muon_iteration"] == "jordan"),
    "muon-others-rate-ignored": ("others_rate is 1", ("muloco",), "inner muon", lambda c, f: muon(c) and abs(c["options"]["others_rate"] - 1) > 0.05),
    # diloco's outer optimiser
    "outer-ascends": ("x moves away from the models", OUTER, "always", lambda c, f: True),
    "outer-eta-ignored": ("outer_eta is 1", OUTER, "outer_eta other than 1", lambda c, f: abs(c["options"]["outer_eta"] - 1) > 0.05),
    "outer-changes-summed": (
        "D is summed over clients",
        OUTER,
        "two sampled clients, outer other than adam",
        lambda c, f: f["several"] and c["options"]["outer"] != "adam",
    ),
    "outer-restarts": (
        "u and v restart at each round",
        OUTER,
        "two rounds, outer momentum or adam",
        lambda c, f: f["rounds"] > 1 and c["options"]["outer"] != "sgd" and c["options"]["outer_momentum"],
    ),
    "outer-other-look-ahead": (
        "nesterov never adds βu to D, and momentum does",
        OUTER,
        "outer nesterov or momentum",
        lambda c, f: c["options"]["outer"] in ("nesterov", "momentum") and c["options"]["outer_momentum"],
    ),
    "outer-other-dampening": (
        "u is an average where it must be a sum, and the other way round",
        OUTER,
        "outer momentum",
        lambda c, f: c["options"]["outer"] != "sgd" and c["options"]["outer_momentum"],
    ),
    "outer-v-starts-at-zero": ("v₀ = 0", OUTER, "outer adam", lambda c, f: c["options"]["outer"] == "adam"),
    "outer-tau-in-root": ("adam divides by √(v + τ)", OUTER, "outer adam", lambda c, f: c["options"]["outer"] == "adam"),
    # diloco-streaming
    "stream-whole": ("every round averages the whole model", STREAM, "fragments", lambda c, f: c["options"]["fragments"] > 1),
    "stream-first-part": (
        "every round averages the first part",
        STREAM,
        "fragments, two rounds",
        lambda c, f: c["options"]["fragments"] > 1 and f["rounds"] > 1,
    ),
    "stream-restarts": (
        "clients begin at the common model",
        STREAM,
        "fragments, a client that is there again",
        lambda c, f: c["options"]["fragments"] > 1 and f["again"],
    ),
    "stream-sends-at-the-end": ("a part is sent after all steps", STREAM, "delay", lambda c, f: c["options"]["delay"] > 0),
    "stream-other-merge": (
        "replace adds and add replaces",
        STREAM,
        "delay, a client that is there again",
        lambda c, f: c["options"]["delay"] > 0 and f["again"],
    ),
    "stream-not-mixed": ("μ is 0", STREAM, "merge replace, mix, a client that is there again", lambda c, f: mixes(c) and f["again"]),
    "stream-mix-swapped": (
        "y ← (1 − μ)y + μx",
        STREAM,
        "merge replace, mix, a client that is there again",
        lambda c, f: mixes(c) and f["again"],
    ),
    # sparseloco
    "sparse-forgets": ("what is left out is lost", SPARSE, "a client that is there again", lambda c, f: f["again"]),
    "sparse-beta-ignored": ("β is 1", SPARSE, "a client that is there again", lambda c, f: f["again"]),
    "sparse-keeps-what-it-sent": ("what is sent stays in eⁱ", SPARSE, "a client that is there again", lambda c, f: f["again"]),
    "sparse-sends-all": ("everything is sent", SPARSE, "density below 1", lambda c, f: c["options"]["density"] < 0.95),
    "sparse-sends-the-smallest": ("the smallest values are sent", SPARSE, "density below 1", lambda c, f: c["options"]["density"] < 0.95),
    "sparse-chunks-of-half": ("a chunk has half its values", SPARSE, "density below 1", lambda c, f: c["options"]["density"] < 0.95),
    "sparse-by-senders": ("a coordinate is divided by those that sent it", SPARSE, "two sampled clients", lambda c, f: f["several"]),
    "sparse-whole-values": ("values are sent as they are", SPARSE, "values in two bits", lambda c, f: f["in_two_bits"]),
    "sparse-codes-rounded-down": ("codes are rounded down", SPARSE, "values in two bits", lambda c, f: f["in_two_bits"]),
    "sparse-eta-ignored": ("outer_eta is 1", SPARSE, "outer_eta other than 1", lambda c, f: abs(c["options"]["outer_eta"] - 1) > 0.05),
    "sparse-ascends": ("x moves away from the models", SPARSE, "always", lambda c, f: True),
    # fed-nova
    "nova-not-normalised": ("changes are averaged as they are", ("fed-nova",), "unequal steps", lambda c, f: f["unequal_steps"] and f["spread"]),
    "nova-most-steps": ("τ is the most of aⁱ", ("fed-nova",), "unequal steps, no mu", lambda c, f: f["unequal_steps"] and not c["options"]["mu"]),
    "nova-by-steps": (
        "aⁱ is the number of steps",
        ("fed-nova",),
        "momentum or mu, unequal steps",
        lambda c, f: f["unequal_steps"] and (c["options"]["momentum"] or c["options"]["mu"]),
    ),
    "nova-effective-of-a": ("τ is Σ pⁱ aⁱ with mu, too", ("fed-nova",), "mu, interval > 1", lambda c, f: c["options"]["mu"] and f["interval"] > 1),
    "nova-momentum-persists": (
        "momentum goes on over rounds",
        ("fed-nova",),
        "momentum, a client that is there again",
        lambda c, f: c["options"]["momentum"] and f["again"],
    ),
    # feddyn
    "dyn-no-term": ("the gradient is not corrected", ("feddyn",), "always", lambda c, f: True),
    "dyn-no-shift": ("lⁱ is not in the gradient", ("feddyn",), "a client that is there again", lambda c, f: f["again"]),
    "dyn-sign": ("lⁱ has the wrong sign", ("feddyn",), "a client that is there again", lambda c, f: f["again"]),
    "dyn-forgets": ("lⁱ starts from 0 in every round", ("feddyn",), "a client that is there again", lambda c, f: f["again"]),
    "dyn-mean-alone": ("x is the mean of the models", ("feddyn",), "always", lambda c, f: True),
    "dyn-over-sampled": ("the mean of lⁱ is over the sampled", ("feddyn",), "S < N", lambda c, f: f["partial"]),
    "dyn-alpha-for-all": ("α is not divided by the share", ("feddyn",), "unequal weights", lambda c, f: f["unequal_weights"]),
    # fed-exp
    "exp-no-extrapolation": ("η is 1", ("fed-exp",), "an η above 1", lambda c, f: f["extrapolates"]),
    "exp-no-half": ("the factor 2 is left out", ("fed-exp",), "an η near 1", lambda c, f: f["nearly_extrapolates"]),
    "exp-no-least": ("η may be below 1", ("fed-exp",), "an η held at 1", lambda c, f: f["held_at_1"]),
    "exp-squares-summed": ("Σ‖Dⁱ‖² is not divided by S", ("fed-exp",), "an η above 1, S > 1", lambda c, f: f["extrapolates"] and f["several"]),
    "exp-no-epsilon": ("ε is left out", ("fed-exp",), "ε of the size of ‖D‖²", lambda c, f: f["epsilon_matters"]),
    # dp-fedavg
    "dp-not-shortened": ("changes are not shortened", DP, "longer changes", lambda c, f: f["changes_longer"]),
    "dp-always-of-length-C": ("every change gets the length C", DP, "shorter changes", lambda c, f: f["changes_shorter"]),
    "dp-bit-turned": (
        "the bit is 1 for longer changes",
        DP,
        "clip_rate, longer changes after round 0",
        lambda c, f: c["options"]["clip_rate"] and f["changes_longer_later"],
    ),
    "dp-clip-stays": (
        "C stays",
        DP,
        "clip_rate, longer changes after round 0",
        lambda c, f: c["options"]["clip_rate"] and f["changes_longer_later"],
    ),
    "dp-clip-by-a-sum": (
        "C ← C − η_C (b̃ − q)",
        DP,
        "clip_rate, longer changes after round 0",
        lambda c, f: c["options"]["clip_rate"] and f["changes_longer_later"],
    ),
    "dp-quantile-half": (
        "q is ½",
        DP,
        "clip_rate, another q, longer changes after round 0",
        lambda c, f: c["options"]["clip_rate"] and abs(c["options"]["clip_quantile"] - 0.5) > 0.05 and f["changes_longer_later"],
    ),
    "dp-no-noise": ("there is no noise", DP, "noise_multiplier", lambda c, f: c["options"]["noise_multiplier"]),
    "dp-noise-of-z": (
        "the changes' noise is z",
        DP,
        "noise_multiplier, clip_rate",
        lambda c, f: c["options"]["noise_multiplier"] and c["options"]["clip_rate"],
    ),
    "dp-noise-not-of-C": ("the noise does not go with C", DP, "noise_multiplier", lambda c, f: c["options"]["noise_multiplier"]),
    "dp-noise-not-divided": (
        "the noise is not divided by S",
        DP,
        "noise_multiplier, two sampled clients",
        lambda c, f: c["options"]["noise_multiplier"] and f["several"],
    ),
    "dp-bits-without-noise": (
        "the bits have no noise",
        DP,
        "noise_multiplier, clip_rate, longer changes after round 0",
        lambda c, f: c["options"]["noise_multiplier"] and c["options"]["clip_rate"] and f["changes_longer_later"],
    ),
    # local-adam, des-loc
    "loc-not-clipped": ("max_norm is ignored", LOC, "clipped steps", lambda c, f: f["clipped"]),
    "loc-epsilon-in-root": ("the denominator is √(v + ε)", LOC, "ε", lambda c, f: c["options"]["epsilon"] > 1e-3),
    "loc-first-stays": ("m is never averaged", LOC, "such a meeting, and a client that is there again", lambda c, f: f["first_met"] and f["spread"]),
    "loc-second-stays": ("v is never averaged", LOC, "such a meeting, and a client that is there again", lambda c, f: f["second_met"] and f["spread"]),
    "loc-first-always": ("m is averaged in every round", ("des-loc",), "a meeting without it", lambda c, f: f["first_apart"] and f["spread"]),
    "loc-second-always": ("v is averaged in every round", ("des-loc",), "a meeting without it", lambda c, f: f["second_apart"] and f["spread"]),
    # norm-ec
    "ec-no-feedback": ("the gradient itself is normalised", ("norm-ec",), "a client that is there again", lambda c, f: f["again"]),
    "ec-feedback-of-all": ("gⁱ takes the whole difference", ("norm-ec",), "a client that is there again", lambda c, f: f["again"]),
    "ec-not-smoothed": ("α is 0", ("norm-ec",), "always", lambda c, f: True),
    "ec-server-forgets": ("ĝ is the last mean alone", ("norm-ec",), "two rounds", lambda c, f: f["rounds"] > 1),
    "ec-other-normalisation": ("the server's step is of length η, or not", ("norm-ec",), "always", lambda c, f: True),
    "ec-sum-of-gradients": ("hⁱ is (x − yⁱ)/I", ("norm-ec",), "always", lambda c, f: True),
    "ec-local-rate-ignored": (
        "local steps are of η",
        ("norm-ec",),
        "local_rate other than 1, interval > 1",
        lambda c, f: abs(c["options"]["local_rate"] - 1) > 0.05 and f["interval"] > 1,
    ),
    # i-nsgd
    "nsgd-same-batch": ("h is of the step's own gradient", ("i-nsgd",), "an h above 1, noise", lambda c, f: f["h_above_1"]),
    "nsgd-no-least": ("h may be below 1", ("i-nsgd",), "an h at 1", lambda c, f: f["h_at_1"]),
    "nsgd-no-floor": ("δ is 0", ("i-nsgd",), "an h above 1, noise_floor", lambda c, f: f["h_above_1"] and c["options"]["noise_floor"]),
    "nsgd-no-power": ("β is 1", ("i-nsgd",), "an h above 1, power below 1", lambda c, f: f["h_above_1"] and c["options"]["power"] < 1),
    # scaffnew
    "new-no-shift": ("the gradient is not shifted", ("scaffnew",), "two rounds", lambda c, f: f["rounds"] > 1 and f["spread"]),
    "new-sign": ("the shift has the wrong sign", ("scaffnew",), "two rounds", lambda c, f: f["rounds"] > 1 and f["spread"]),
    "new-without-p": ("hⁱ moves by (x − ŷⁱ)/η", ("scaffnew",), "two rounds, I > 1", lambda c, f: f["rounds"] > 1 and f["interval"] > 1 and f["spread"]),
    # clip21
    "clip21-no-feedback": ("the gradient itself is clipped", ("clip21",), "two steps", lambda c, f: f["rounds"] > 1),
    "clip21-feedback-of-all": ("gⁱ takes the difference before clipping", ("clip21",), "clipped steps, two steps", lambda c, f: f["rounds"] > 1 and f["clipped"]),
    "clip21-server-forgets": ("g is the last mean alone", ("clip21",), "two steps", lambda c, f: f["rounds"] > 1),
    "clip21-no-momentum": ("β₁ is 0", ("clip21",), "β₁", lambda c, f: c["options"]["beta1"]),
    "clip21-own-share": ("gⁱ takes the whole message, g β₂ of it", ("clip21",), "β₂ below 1, two steps", lambda c, f: c["options"]["message_share"] < 1 and f["rounds"] > 1),
    # fed-adam, fed-yogi, fed-adagrad
    "sum-of-changes": (
        "Δ is summed over clients",
        SERVER,
        "two sampled clients, τ of the size of √v",
        lambda c, f: f["several"] and f["tau_matters"],
    ),
    "v-starts-at-zero": (
        "v₀ = 0",
        SERVER,
        "τ² of the size of v",
        lambda c, f: f["v_start_matters"] and c["options"]["beta2"],
    ),
    "tau-inside-root": ("the denominator is √(v + τ)", SERVER, "always", lambda c, f: True),
    "server-eta-ignored": (
        "server_eta is 1",
        SERVER,
        "server_eta other than 1",
        lambda c, f: abs(c["options"]["server_eta"] - 1) > 0.05,
    ),
    "yogi": ("v is FedYogi's", ("fed-adam",), "two rounds", lambda c, f: f["rounds"] > 1),
    "adam": ("v is FedAdam's", ("fed-yogi", "fed-adagrad"), "two rounds", lambda c, f: f["rounds"] > 1),
    "yogi-sign": ("v moves away from Δ²", ("fed-yogi",), "always", lambda c, f: True),
}


def applicable(config, facts):
    """The breaks that should show in a run of this configuration; facts: what methods_oracle.facts() says of the unbroken
    run. A fact that it does not name is false. The conditions can't foresee all: where noise is missing, say, different
    rules may agree. methods_oracle.shows() therefore measures."""
    return [rule for rule, (_, of, _, shows) in BREAKS.items() if config["method"] in of and shows(config, facts)]
