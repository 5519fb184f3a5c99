#!/usr/bin/env python3
"""Breaks one rule after the other in tacet's own sources and lists the tests that notice: a test that no broken rule fails proves nothing.

    tests/mutations/break_rules.py BUILD [--only FILE] [--silent] [--jobs N]
    tests/mutations/break_rules.py --check

BUILD is a configured build folder of this source tree; use a copy of the tree, since sources change while it runs (they are put back,
also after Ctrl-C). Every rule is a piece of text that occurs once in a file of src/, and what it is replaced with. A rule of RULES is
caught when a test of `algorithms` (without the slow claims and theory) or `oracle` (quadratics) fails. A rule of OTHERS names the test that
must fail, as "area: Suite.Name". So does one of SILENT, which would make tacet silent where it has to speak; "cli: Class.test" is a row
of tests/cli/test_complaints.py. Exit code: 0 when all were caught, 1 when some were not, 2 for wrong input. It takes some ten seconds a rule,
so it is run by hand and not by test.sh; its output on RULES is kept in docs/reference/algorithms.md. --check builds nothing: it says
whether every rule's text still occurs once, and test.sh runs it.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
A = "src/algorithms/"

# file, what is broken, the text, what replaces it
RULES = [
    (A + "celgc.cc", "the step goes up", "descend(y, g, a(norm), rule,", "descend(y, g, -a(norm), rule,"),
    (A + "celgc.cc", "the norm is of the model", "i.clip(r.rates(t), length, delta)", "i.clip(r.rates(t), l2_norm(y), delta)"),
    (A + "celgc.cc", "decay is never inside the norm", "norm = add_decay(g, norm, y, rule);", "add_decay(g, norm, y, rule);"),
    (A + "celgc.cc", "rates of the first step for all", "return i.clip(r.rates(t)", "return i.clip(r.rates(0)"),
    (A + "celgc.cc", "momentum is not saved", 'v.clients("momentum", m);', ""),
    (A + "celgc_overlap.cc", "the mean never arrives", "if (t == delay) y.add_(mean.get() - y_i);", ""),
    (A + "celgc_overlap.cc", "the mean arrives a step late", "if (t == delay)", "if (t == delay + 1)"),
    (A + "celgc_overlap.cc", "the steps since the message was sent are forgotten", "y.add_(mean.get() - y_i);", "y.copy_(mean.get());"),
    (A + "celgc_overlap.cc", "the client's model is not saved", 'v.clients("models", own);', ""),
    (A + "celgc_overlap.cc", "waits before it works", "    r.work([&]", "    mean.wait();\n    r.work([&]"),
    (A + "celgc_partial.cc", "who did not meet restarts too", "if (r.sampled(id)) x_i.copy_(x);", "x_i.copy_(x);"),
    (A + "celgc_partial.cc", "nobody restarts from the average", "if (r.sampled(id)) x_i.copy_(x);", "if (r.sampled(id)) x_i.copy_(x_i);"),
    (A + "celgc_partial.cc", "all models are averaged", "r.partial_mean(", "r.mean("),
    (A + "fedavg.cc", "clips", "i.plain(r.rates(t), norm)", "std::min(i.plain(r.rates(t), norm), 0.1)"),
    (A + "fedavg.cc", "weights are not used", "weighted ? r.weighted_mean(x, local) : r.mean(x, local)", "r.mean(x, local)"),
    (A + "fedprox.cc", "the pull pushes", "g.add_(y - x, mu);", "g.sub_(y - x, mu);"),
    (A + "fedprox.cc", "half the pull", "g.add_(y - x, mu);", "g.add_(y - x, mu / 2);"),
    (A + "naive_clip.cc", "one round, one gradient", "t < r.I", "t < 1"),
    (A + "naive_clip.cc", "momentum is not saved", 'v.global("momentum", m);', ""),
    (A + "sgd.cc", "momentum starts anew in every round", "!m.defined()) m", "t == 0) m"),
    (A + "sgd_clip.cc", "does not clip", "i.clip(r.rates(0), length, delta)", "i.plain(r.rates(0), length)"),
    (A + "mixed_clip.cc", "momentum and gradient swapped", "nu > 0) descend(x, m, nu", "nu > 0) descend(x, m, (1 - nu)"),
    (A + "mixed_clip.cc", "the momentum is clipped by the gradient's norm", "nu * r.clip_uncounted(r.rates(t), along_m)", "nu * r.clip_uncounted(r.rates(t), along_g)"),
    (A + "celgc.cc", "I steps of every client", "t < i.steps()", "t < r.I"),
    (A + "minibatch_clip.cc", "forgotten 1/I", "sum.div_(i.steps())", "sum"),
    (A + "minibatch_clip.cc", "the same mini-batch I times", "k < i.steps(); ++k) sum.add_(i.gradient(x))", "k < 1; ++k) sum.add_(i.gradient(x), i.steps())"),
    (A + "scaffold.cc", "correction with the wrong sign", "correct(g, c_i, c)", "correct(g, c, c_i)"),
    (A + "scaffold.cc", "variates from corrected gradients", "        const double a = i.clip(r.rates(t), length);\n", "        const double a = i.clip(r.rates(t), length);\n        if (!drift) sum.sub_(c_i).add_(c);\n"),
    (A + "scaffold.cc", "c starts at 0 although asked", "c = everyone.mean(", "everyone.mean("),
    (A + "scaffold.cc", "forgotten S/N", "c.add_(mean[1], r.participation);", "c.add_(mean[1]);"),
    (A + "scaffold.cc", "the client's variate is not renewed", "c_i.copy_(renewed);", ""),
    (A + "scaffold.cc", "a skipped step counts", "        if (i.skips()) continue;\n", ""),
    (A + "scaffold.cc", "c is not saved", 'v.global("c", c);', ""),
    (A + "episode.cc", "the indicator is each client's own", "const double a = clipping ?", "const double a = length > r.rates(0).gamma / r.rates(0).eta ?"),
    (A + "episode.cc", "the norm of Gⁱ, not of g", "i.normalized(r.rates(t), length)", "i.normalized(r.rates(t), l2_norm(G_i))"),
    (A + "episode.cc", "stale Gⁱ", "      G_i.zero_();\n", ""),
    (A + "episode.cc", "threshold γ", "norm > r.rates(0).gamma / r.rates(0).eta", "norm > r.rates(0).gamma"),
    (A + "episode.cc", "correction with the wrong sign", "correct(g, G_i, G);", "correct(g, G, G_i);"),
    (A + "episode_pp.cc", "forgotten 1/N", "G.add_(mean[1], r.participation);", "G.add_(mean[1]);"),
    (A + "episode_pp.cc", "Gⁱ from corrected gradients", "        sum.add_(g);\n        double length = correct(g, G_i, G);", "        double length = correct(g, G_i, G);\n        sum.add_(g);"),
    (A + "corrected_step.h", "the norm is not the buffer's", "accumulate(buffers.at(i, y), d, y, rule) :", "(accumulate(buffers.at(i, y), d, y, rule), norm) :"),
    (A + "corrected_step.h", "decay is in the buffer and in the step", "rule.momentum != 0 || rule.decay_in_norm ?", "rule.decay_in_norm ?"),
    (A + "corrected_step.h", "momentum is not saved", 'v.clients("momentum", buffers);', "(void)v;"),
    (A + "layerwise.h", "all layers by the whole norm", "factor(l2_norm(g_l))", "factor(l2_norm(g))"),
    (A + "naive_clip_partial.cc", "the others follow", "if (r.sampled(id)) x_i.copy_(x);", "x_i.copy_(x);"),
    (A + "naive_clip_partial.cc", "gradients at the average", "i.gradient(x_i)", "i.gradient(x)"),
    (A + "naive_clip_partial.cc", "the start is not saved", 'v.global("start", start);', ""),
    (A + "naive_clip_partial.cc", "clients' models are not saved", 'v.clients("models", own);', ""),
    (A + "episode_pp.cc", "the client's Gⁱ is not renewed", "G_i.copy_(sum);", ""),
    (A + "episode_pp.cc", "G starts at 0", "G = everyone.mean([&]", "G = at::zeros_like(x); everyone.mean([&]"),
    (A + "episode_pp.cc", "a skipped step leaves its mark on Gⁱ", "        if (i.skips()) continue;\n", ""),
    (A + "episode_pp.cc", "corrections are not saved", 'v.clients("corrections", corrections);', ""),
    (A + "layerwise.h", "coordinates are clipped by the longest", "(rates.gamma / (size + 1e-10))", "(rates.gamma / (size.max() + 1e-10) * at::ones_like(size))"),
    (A + "layerwise.h", "updates are never shortened", "if (length > longest) y", "if (length < 0) y"),
    (A + "inner_optimiser.h", "γ is ignored by sgd", "by_gamma ? a : eta, rule", "eta, rule"),
    (A + "inner_optimiser.h", "a skipped step moves the state", "if (i.skips()) return;", ""),
    (A + "inner_optimiser.h", "adamw sees the whole gradient", "if (by_gamma && a < eta) g.mul_(a / eta);", ""),
    (A + "inner_optimiser.h", "max_norm is ignored", "!by_gamma && kept < 1) g.mul_(kept);", "!by_gamma && kept < 0) g.mul_(kept);"),
    (A + "inner_optimiser.h", "adamw's decay is by λ, not ηλ", "y.mul_(1 - eta * rule.weight_decay)", "y.mul_(1 - rule.weight_decay)"),
    (A + "inner_optimiser.h", "muon steps along vectors too", "l.role != Role::matrix", "l.shape.empty()"),
    (A + "inner_optimiser.h", "the others take muon's rate", "adamw(others_rate * eta, t,", "adamw(eta, t,"),
    (A + "muon.cc", "X is not scaled", "matrix / (l2_norm(matrix) + 1e-7)", "matrix.clone()"),
    (A + "muon.cc", "the coefficients of the first step for all", "{3.9505, -6.3029, 2.6377}", "{4.0848, -6.8946, 2.9270}"),
    (A + "muon.cc", "rows and columns are exchanged", ": rows / cols);", ": cols / rows);"),
    (A + "muon.cc", "Nesterov's momentum is left out", "towards = g * (1 - momentum) + m * momentum;", ""),
    (A + "inner_optimiser.h", "decay is decoupled and in the norm", "rule.weight_decay != 0 && !rule.decay_in_norm", "rule.weight_decay != 0"),
    (A + "inner_optimiser.h", "steps are counted by nobody", "taken.at(i, one).add_(1).item", "taken.at(i, one).fill_(1).item"),
    (A + "inner_optimiser.h", "momentum is not saved", 'return v.clients("momentum", first);', "return;"),
    (A + "inner_optimiser.h", "the second moments are not saved", 'v.clients("second_moments", second);', ""),
    (A + "inner_optimiser.h", "the count of steps is not saved", 'v.clients("steps", taken);', ""),
    (A + "outer_optimiser.h", "nesterov never looks ahead", 'kind == "nesterov" ? D + mu * u : u', "u"),
    (A + "outer_optimiser.h", "the change of one round alone", "u.mul_(mu).add_(D);", "u.zero_().add_(D);"),
    (A + "outer_optimiser.h", "v starts at 0", "tau * tau", "0 * tau"),
    (A + "diloco.cc", "x moves away", "x = x - outer.alpha *", "x = x + outer.alpha *"),
    (A + "diloco.cc", "u is not saved", 'visitor.global("u", kept.u);', ""),
    (A + "diloco_streaming.cc", "always the first part", "r.number % fragments", "0 * r.number"),
    (A + "diloco_streaming.cc", "the model is sent after all steps", "r.work([&](Client& i) { learn(r, i, x, 0, r.I - delay); });", "r.work([&](Client& i) { learn(r, i, x, 0, r.I); });"),
    (A + "diloco_streaming.cc", "the steps since the message was sent are forgotten", "part.of(y_i) + (renewed - sent.at(id))", "renewed"),
    (A + "diloco_streaming.cc", "μ of the common part", "mix * part.of(y_i) + (1 - mix) * renewed", "(1 - mix) * part.of(y_i) + mix * renewed"),
    (A + "diloco_streaming.cc", "all parts share their moments", "moments[static_cast<size_t>(part.number)]", "moments[0]"),
    (A + "diloco_streaming.cc", "clients' models are not saved", 'v.clients("models", own);', ""),
    (A + "diloco_streaming.cc", "u is not saved", 'v.global("u." + std::to_string(f), moments[f].u);', ""),
    (A + "sparseloco.cc", "x moves away", "x = x - alpha * mean;", "x = x + alpha * mean;"),
    (A + "sparseloco.cc", "α is 1", "x = x - alpha * mean;", "x = x - mean;"),
    ("src/engine/sparse_coding.cc", "of equal values the last", "static_cast<uint64_t>(most_in_chunk - 1 - i);", "static_cast<uint64_t>(i);"),
    ("src/engine/sparse_coding.cc", "the smallest are sent", "std::greater<>()", "std::less<>()"),
    ("src/engine/sparse_coding.cc", "the mean is not added to a code's value", "mean + sum[c] / count[c]", "sum[c] / count[c]"),
    ("src/engine/sparse_coding.cc", "codes are rounded down", "std::nearbyint(off / step + 2)", "std::floor(off / step + 2)"),
    ("src/engine/sparse_coding.cc", "vectors have a matrix' chunks", "layer.shape.size() > 1 ?", "layer.shape.size() > 0 ?"),
    ("src/engine/message_coding.cc", "β of topk is 1", "const auto kept = static_cast<float>(beta);", "const auto kept = beta > 0 ? 1.0f : 0.0f;"),
    ("src/engine/message_coding.cc", "topk keeps what it has sent", "residual[at + i] = given[i] - sent[i];", "residual[at + i] = given[i];"),
    ("src/engine/message_coding.cc", "all parts share one residual", "static_cast<size_t>(of.part) + 2;", "0;"),
    (A + "fed_nova.cc", "changes are not divided", "(x - y) / a :", "(x - y) :"),
    (A + "fed_nova.cc", "momentum has no weight", "c = rule.momentum * c + 1;", "c = 1;"),
    (A + "fed_nova.cc", "the pull has no weight", "a = (1 - eta * mu) * a + c;", "a = a + c;"),
    (A + "fed_nova.cc", "τ of the proximal form is Σ p a", "mu != 0 ? steps : a;", "a;"),
    (A + "feddyn.cc", "the shift has the wrong sign", "(y - x).add_(l_i)", "(y - x).sub_(l_i)"),
    (A + "feddyn.cc", "α is that of all", "alpha / i.weight()", "alpha"),
    (A + "feddyn.cc", "l moves by the sampled alone", "l.add_(mean - x, r.participation);", "l.add_(mean - x);"),
    (A + "feddyn.cc", "x is the mean of the models", "x = mean + l;", "x = mean;"),
    (A + "feddyn.cc", "l is not saved", 'v.global("l", l);', ""),
    (A + "feddyn.cc", "shifts are not saved", 'v.clients("shifts", shifts);', ""),
    (A + "fed_exp.cc", "the half is forgotten", "(2 * (std::pow", "(1 * (std::pow"),
    (A + "fed_exp.cc", "may fall short of the mean", "std::max(1.0, squares[0]", "std::max(0.0, squares[0]"),
    (A + "fed_exp.cc", "the square of a square", "std::pow(l2_norm(x - y), 2)", "std::pow(l2_norm(x - y), 4)"),
    (A + "clip21.cc", "gⁱ takes the whole difference", "g_i.add_(c_i, share);", "g_i.copy_(v_i);"),
    (A + "clip21.cc", "no feedback", "Vec c_i = v_i - g_i;", "Vec c_i = v_i.clone();"),
    (A + "clip21.cc", "g is the last mean", "g.add_(c, share);", "g.copy_(c);"),
    (A + "clip21.cc", "β₁ the other way round", "v_i, gradient, beta1)", "v_i, gradient, 1 - beta1)"),
    (A + "clip21.cc", "gⁱ is not saved", 'v.clients("sent", sent);', ""),
    (A + "clip21.cc", "g is not saved", 'v.global("g", g);', ""),
    (A + "scaffnew.cc", "the shift is added", "g.sub_(h_i);", "g.add_(h_i);"),
    (A + "scaffnew.cc", "p is forgotten", "add_(x - y_i, p / eta)", "add_(x - y_i, 1 / eta)"),
    (A + "scaffnew.cc", "rounds are of more than I steps on average", "double p = 1.0 / mean_I;", "double p = 1.0 / (mean_I + 1);"),
    (A + "scaffnew.cc", "shifts are not saved", 'v.clients("shifts", shifts);', ""),
    (A + "des_loc.cc", "first moments are never shared", "if (with_first) share(r, mean[1], first);", ""),
    (A + "des_loc.cc", "second moments get the first's mean", "share(r, mean.back().clamp_min(0), second)", "share(r, mean[1], second)"),
    (A + "des_loc.cc", "gradients are not shortened", "if (a < eta) g.mul_(a / eta);", "(void)a;"),
    (A + "des_loc.cc", "second moments are not saved", 'v.clients("second_moments", second);', ""),
    (A + "dp_fedavg.cc", "changes are not shortened", "if (length > C) delta_i", "if (length > 1e9 * C) delta_i"),
    (A + "dp_fedavg.cc", "the bit the wrong way round", "length <= C ? 0.5 : -0.5", "length <= C ? -0.5 : 0.5"),
    (A + "dp_fedavg.cc", "a bit of nobody counts", "length <= C ? 0.5 : -0.5", "length <= C ? 1.0 : 0.0"),
    (A + "dp_fedavg.cc", "C moves by a sum", "C *= std::exp(-clip_rate * (share - quantile));", "C -= clip_rate * (share - quantile);"),
    (A + "dp_fedavg.cc", "C is not saved", 'v.number("clip_norm", C);', ""),
    (A + "dp_fedavg.cc", "noise of the first round's length", "change_noise(S) * C / S", "change_noise(S) * first_C / S"),
    (A + "dp_fedavg.cc", "noise is not divided by S", "change_noise(S) * C / S", "change_noise(S) * C"),
    (A + "dp_fedavg.cc", "z is the changes' alone", "1 / std::sqrt(1 / (z * z) - 1 / (4 * sigma * sigma))", "z"),
    (A + "dp_fedavg.cc", "the bits' noise counts in full", "1 / (4 * sigma * sigma)", "1 / (sigma * sigma)"),
    (A + "dp_fedavg.cc", "bits without noise", "share += bit_deviation(S) / S * noise", "share += 0 / S * noise"),
    (A + "dp_fedavg.cc", "sums are divided by who came", "const double came = std::round(r.participation * r.N);", "const double came = S;"),
    (A + "dp_fedavg.cc", "nobody's round is passed over", "if (z > 0 || bit_noise) {", "if ((z > 0 || bit_noise) && r.participation > 0) {"),
    (A + "norm_ec.cc", "not smoothed", "(alpha + l2_norm(difference))", "l2_norm(difference)"),
    (A + "norm_ec.cc", "no feedback", "g_i.add_(difference);", ""),
    (A + "norm_ec.cc", "g moves by the sampled alone", "g.add_(change, r.participation);", "g.add_(change);"),
    (A + "norm_ec.cc", "gⁱ is not saved", 'v.clients("sent", sent);', ""),
    (A + "independent_normalized.cc", "h is of the step's own gradient", "l2_norm(mean[1])", "l2_norm(mean[0])"),
    (A + "independent_normalized.cc", "h may be below 1", "std::max(1.0, gain", "std::max(0.0, gain"),
    (A + "independent_normalized.cc", "the gradient is the other one's", "i.gradient(x).g.clone();", "i.gradient(x).g;"),
    (A + "fed_ams.cc", "v̂ moves within the round", "m / root,", "m / at::maximum(v_hat, v).sqrt(),"),
    (A + "fed_ams.cc", "v̂ shrinks", "at::maximum(v_hat, mean[1])", "mean[1]"),
    (A + "fed_ams.cc", "the second moment is of m", "addcmul_(g, g, 1 - beta2)", "addcmul_(m, m, 1 - beta2)"),
    (A + "fed_ams.cc", "the next round's v̂", "const Vec root = v_hat.sqrt();", "const Vec root = at::full_like(x, epsilon).sqrt();"),
    (A + "fed_lamb.cc", "one scale for all layers", "scale(l2_norm(y_l), l2_norm(p_l))", "scale(l2_norm(y), l2_norm(p))"),
    (A + "fed_lamb.cc", "v of no step is corrected", "correction && persist && steps.item<double>() > 0;", "correction && persist;"),
    (A + "fed_lamb.cc", "decay outside the norm", "if (lambda != 0) p.add_(y, lambda);", "if (lambda != 0) y.sub_(y, alpha * lambda);"),
    (A + "fed_lamb.cc", "m is corrected in place", "Vec p = m / root;", "if (correction) {\n          m.div_(1 - std::pow(beta1, steps.item<double>()));\n        }\n        Vec p = m / root;"),
    (A + "fed_lamb.cc", "a skipped step moves the moments", "        if (i.skips()) continue;\n", ""),
    (A + "fed_lamb.cc", "φ is not bounded", "std::clamp(y, phi_min, phi_max) / p", "y / p"),
    (A + "fed_opt.cc", "Yogi's sign", "(v - square).sign()", "(square - v).sign()"),
    (A + "fed_opt.cc", "the second moment is of m", "const Vec square = delta * delta;", "const Vec square = m * m;"),
    (A + "fed_opt.cc", "the server descends", "x.addcdiv_(m, v.sqrt().add_(tau), server_eta)", "x.addcdiv_(m, v.sqrt().add_(tau), -server_eta)"),
    (A + "fed_opt.cc", "v starts at τ", "tau * tau", "tau"),
    (A + "sign_sgd.cc", "the second moment is of g (Adam)", "addcmul_(m, m, 1 - beta2)", "addcmul_(g, g, 1 - beta2)"),
    (A + "sign_sgd.cc", "0/0 is not 0", "at::where(v > 0, m / v.sqrt(), m.sign())", "m / v.sqrt()"),
    (A + "adam.cc", "no bias correction of v", "((amsgrad ? v_hat : v) / (1 - std::pow(beta2, steps)))", "(amsgrad ? v_hat : v).clone()"),
    (A + "adam.cc", "AMSGrad's v̂ falls", "at::maximum(v_hat, v)", "v.clone()"),
    (A + "lamb.cc", "φ is not bounded", "std::clamp(x, phi_min, phi_max) / p", "x / p"),
    (A + "lamb.cc", "decay outside the norm", "if (lambda != 0) p.add_(x, lambda);", "if (lambda != 0) x.sub_(x, eta * lambda);"),
    (A + "lars.cc", "the norm leaves out decay", "trust * x / (g + lambda * x)", "trust * x / g"),
    (A + "lars.cc", "decay is not scaled", "rate * lambda", "lambda"),
    (A + "adam.cc", "steps are not saved", 'visitor.number("steps", steps);', ""),
    (A + "adam.cc", "decay is clipped with the gradient", "if (length > max_norm) g.mul_(max_norm / length);\n      if (weight_decay != 0) g.add_(x, weight_decay);", "if (weight_decay != 0) g.add_(x, weight_decay);\n      if (length > max_norm) g.mul_(max_norm / length);"),
    (A + "normalized.cc", "the norm of g", "const double length = l2_norm(m);", "const double length = l2_norm(g);"),
    ("src/engine/round.cc", "the round's first mini-batch again and again", "  ++turn.draws;\n", ""),
    ("src/engine/round.cc", "resampling moves the schedule", "if (local_step) ++turn.steps;", "++turn.steps;"),
    ("src/engine/round.cc", "buffers of the client before", "    if (b > 0) buffers.copy_(buffers_before);\n    std::fill(", "    std::fill("),
    ("src/engine/round.cc", "δ is ignored", "std::max(longest, least * rates.eta)", "longest"),
    ("src/engine/round.cc", "no guard in γ/‖g‖", "rates.gamma / (1e-10 + norm)", "rates.gamma / norm"),
    ("src/engine/round.cc", "numbers of the client before", "    if (also > 0) std::fill(numbers->begin(), numbers->end(), 0.0);\n    Sent s;", "    Sent s;"),
    ("src/engine/round.cc", "numbers are those of the last client", "(*numbers)[static_cast<size_t>(k)] = static_cast<double>(p[count * d + b + k]);", "(void)k;"),
    ("src/engine/message_coding.cc", "what int8 left out is not saved", "v.clients(uses_[use], residuals_[use]);", "(void)v;"),
    ("src/engine/message_coding.cc", "what int8 left out is forgotten", "int8_encode(given, size, left_out);", ""),
    ("src/engine/message_coding.cc", "messages are added up from the first to the last", "leaves[p][i] += leaves[p + width][i];", "leaves[0][i] += leaves[p + width][i];"),
    ("src/engine/message_coding.cc", "models are coded, not their differences", "sends && has_reference ? of.reference.data_ptr<float>() : nullptr", "sends && has_reference ? nullptr : nullptr"),
    ("src/engine/vector.cc", "decay is not scaled by the step", "y[i] -= a * (g[i] + decay * y[i])", "y[i] -= a * g[i] + decay * y[i]"),
    ("src/engine/vector.cc", "decay inside the norm is added twice", "rule.decay_in_norm ? 0.0f : static_cast", "static_cast"),
    ("src/engine/vector.cc", "dampened momentum", "m[i] = mu * m[i] + (g[i] + decay * y[i])", "m[i] = mu * m[i] + (1 - mu) * (g[i] + decay * y[i])"),
]

D = "src/data/"

# The same, and the test that must fail. The numbers are kinds of silence: what gives numbers their meaning 1, rows of tables 3, folders 4,
# names in containers 5, degenerate data 6, options that nothing uses 7, pixels 8, good files 9, event files 10, workers that wait 11, the rest
# 12, epochs 13.
SILENT = [
    ("src/analysis/theory.cc", "plan: the length has another constant", "560 * plan.A", "280 * plan.A", "analysis: Differing.HasTheNumbersOfItsTheorem"),
    ("src/analysis/theory.cc", "plan: the heterogeneity is left out", "const double noise = p.sigma + p.kappa;", "const double noise = p.sigma;", "analysis: Differing.HasTheNumbersOfItsTheorem"),
    ("src/analysis/theory.cc", "plan: the narrow neighbourhood is kept", "p.c_min > plan.B * plan.B / 4", "p.c_min > 2", "analysis: Plans.TheConditionsOfTheLemmasFollow"),
    ("src/analysis/theory.cc", "plan: another condition is said to bind", "s.strain() > worst.strain()", "s.strain() < worst.strain()", "analysis: Plans.NameWhatBindsAndTheNearestValue"),
    ("src/engine/auto_interval.cc", "plan: the smallest interval is one too small", "std::ceil(least", "std::floor(least", "analysis: ExchangePlan.FindsTheSmallestIntervalOfNinetyFivePercent"),
    ("src/analysis/dip_test.cc", "probe: every sample has one mode", "as_far += dip_of_sorted(uniform) >= test.dip;", "as_far += dip_of_sorted(uniform) > 0;", "analysis: DipTestLevel.IsAtMostFivePercentAndSeesTwoModes"),
    ("src/analysis/symmetry_test.cc", "probe: triples don't depend on each other", "3 * (N - 3) * (N - 4) / 2 * z1", "0 * z1", "analysis: SymmetryTestLevel.IsNearFivePercentAndSeesSkewness"),
    ("src/train/even_work.cc", "guests stay where they were", "move_guests(group, visit, guests, &Guest::worker, &Guest::home);", "", "train: EvenWork.LendsWhatIsSmallAndBringsItBack"),
    ("src/train/even_work.cc", "guests leave their vectors behind", "if (g.worker == group.rank()) gone", "if (g.worker < 0) gone", "train: EvenWork.LendsWhatIsSmallAndBringsItBack"),
    ("src/train/even_work.cc", "models move twice in a round", "int64_t{0}) > most) return false;", "int64_t{0}) > 1000 * most) return false;", "train: EvenWork.LendsWhatIsSmallAndBringsItBack"),
    ("src/train/even_work.cc", "steps don't count", "done += steps[static_cast<size_t>(position++)];", "done += steps[0], ++position;", "train: EvenWork.CutsTheStepsEvenly"),
    ("src/train/even_work.cc", "guests come without their vectors", "move_guests(group, visit, guests, &Guest::home, &Guest::worker);", "move_guests(group, visit, guests, &Guest::home, &Guest::home);", "train: EvenWork.NoBitDependsOnIt"),
    ("src/analysis/privacy.cc", "privacy: a share is drawn for sure", "order * mixture", "order * ratio", "analysis: Privacy.AgreesWithAProgramThatIntegratesTheDefinition"),
    ("src/analysis/privacy.cc", "privacy: one client moves a fixed number's sum by what it adds", "2 * alpha / (z * z)", "alpha / (2 * z * z)", "analysis: Privacy.OfEverybodyIsTheGaussians"),
    ("src/analysis/privacy.cc", "privacy: the pairs of Theorem 9 are left out", "log_binomial(order, 2) + pair", "log_binomial(order, 2) - 100", "analysis: Privacy.AgreesWithAProgramThatIntegratesTheDefinition"),
    ("src/analysis/privacy.cc", "privacy: δ is divided by the order once too often", "(std::log(delta) + std::log(order)) / (order - 1)", "(std::log(delta) + 2 * std::log(order)) / (order - 1)", "analysis: Privacy.HasThePublishedValues"),
    ("src/analysis/privacy.cc", "privacy: one round is all", "static_cast<double>(rounds) * renyi_divergence", "renyi_divergence", "analysis: Privacy.IsNeverBelowTheExactOneAndNear"),
    ("src/train/trainer.cc", "privacy: the seed chooses clients that noise is to hide", "if (has_system_noise(run_)) key =", "if (has_system_noise(run_) && key == 0) key =", "train: RunPrivacy.TheSystemDrawsTheClientsToo"),
    ("src/train/fit.cc", "privacy: buffers travel without noise", "if (const int64_t b = objective.buffers().numel(); b > 0)", "if (const int64_t b = objective.buffers().numel(); b < 0)", "train: RunPrivacy.OfAModelWithBuffersIsRefused"),
    ("src/engine/server_noise.cc", "each rank has the system's noise of its own", "if (ranks > 1) group.exchange(to, from);", "if (group.rank() > 0) fill_system_normals(p, n);", "engine: ServerNoise.OfTheSystemIsEqualOnAllRanks"),
    ("src/engine/server_noise.cc", "every round has the same noise", "Purpose::server_noise, round, k", "Purpose::server_noise, 0 * round, k", "engine: ServerNoise.IsNormalAndAnotherInEveryRoundAndRun"),
    ("src/engine/client_sampling.cc", "poisson: one client too few", "if (stream.uniform() < share) ids", "if (stream.uniform() < share && i > 0) ids", "engine: ClientSampling.PoissonDrawsEachByItself"),
    ("src/analysis/line_fit.cc", "probe: resamples are the sample", "const size_t j = stream.below(x.size());", "const size_t j = k;", "analysis: LineFitLevel.IntervalsHoldTheTruthAboutAsOftenAsTheySay"),
    ("src/analysis/curvature.cc", "probe: a difference has one side", "add(v, -h, -1, product);", "add(v, 0, -1, product);", "probe: Curvature.OfAQuadraticIsItsLargestEigenvalueWithItsSign"),
    ("src/analysis/curvature.cc", "probe: the eigenvalue loses its sign", "c.eigenvalue = along_vector(v, product);", "c.eigenvalue = std::abs(along_vector(v, product));", "probe: Curvature.OfAQuadraticIsItsLargestEigenvalueWithItsSign"),
    ("src/analysis/heterogeneity.cc", "probe: a correction is the client's own part alone", "- 2 * inner_product(G_i, G)", "- 0 * inner_product(G_i, G)", "probe: RoundsProbe.FindsEpisodesCorrectionsExactWithoutNoise"),
    ("src/analysis/saved_state.cc", "probe: clients go on where the probe left them", "value.put(client, v);", "(void)client, (void)v;", "probe: FollowedImages.RunsHaveTheBitsOfThoseThatAreNotFollowed"),
    ("src/analysis/rounds_probe.cc", "probe: every client's first gradient is the mean", "r.big_square = std::pow(l2_norm(sum_) / n, 2);", "r.big_square = r.small_square;", "probe: RoundsProbe.HasTheNoiseScaleOfFirstGradients"),
    ("src/tasks/language_modelling.cc", "probe: the state of the window before stays", "if (batch.fresh || afresh)", "if (batch.fresh)", "tasks: Language.BatchesThatStartAfreshHaveTheGradientOfTheirLoss"),
    ("src/analysis/statistics.cc", "probe: too few samples are enough", "if (given < need) throw", "if (given < need && need == 0) throw", "analysis: Statistics.SayHowManySamplesTheyNeed"),
    ("src/tasks/language_modelling.cc", "1: words are numbered by the data at hand", "notes = renumber(corpus, *record, recipe.evaluation);", "(void)0;", "cli: Complaints.test_eval_other_data"),
    (D + "images/images.cc", "1: mean and deviation are those of the data at hand", "  set.mean = record.mean;\n", "", "data: NumberedImages.MeanDeviationAndClassesAreTheRecords"),
    (D + "text/vocabulary.cc", "1: the vocabulary is chosen anew", "const bool saved = record && !record->vocabulary.empty();", "const bool saved = false;", "data: Labelled.WordsAndClassesHaveTheNumbersOfTheRecord"),
    ("src/train/session.cc", "1: a resume takes any data", "if (const auto other = difference(read_data_record(record), parse_data_record(run.data_record, \"data\")))", "if (const auto other = std::optional<std::string>())", "cli: Complaints.test_eval_other_data"),
    ("src/recipe/recipe.cc", "2: paths begin at the working folder", "fs::absolute(fs::path(file).parent_path() / path, error)", "fs::absolute(path, error)", "recipe: Paths.BeginAtTheRecipeThatGivesThem"),
    (D + "files/table.cc", "3: a row with more fields is cut", "if (fields.size() != width)", "if (fields.size() < width)", "data: Folder.ARowThatDoesNotFitItsHeaderIsAnErrorWithFileAndLine"),
    (D + "text/labelled_text.cc", "3: an empty label is a class", "  if (name.empty())\n    throw", "  if (name.empty() && number < 0)\n    throw", "data: Folder.AnEmptyLabelOrUserIsAnErrorWithFileAndLine"),
    (D + "text/labelled_text.cc", "3: blanks belong to a label", "const std::string_view name = trimmed(field);", "const std::string_view name = field;", "data: Folder.BlanksAroundLabelsUsersAndTitlesDoNotCount"),
    (D + "files/lines.cc", "3: quotes of a tab-separated file are never read", "return any && well_formed && !(plain_fits && record.spans);", "return any && !well_formed;", "data: Records.TabSeparatedQuotesMeanWhatTheWholeFileSays"),
    (D + "images/class_folders.cc", "4: other files are not counted", "left_out.add(kind, below);", "(void)below;", "data: ClassFolders.OtherFilesAreCountedByKind"),
    (D + "images/class_folders.cc", "4: hidden names are read", "if (name.empty() || name[0] == '.' || ends(\"_boxes.txt\"))", "if (name.empty() || ends(\"_boxes.txt\"))", "data: ClassFolders.NamesThatSystemsPutBesidePicturesAreLeftOutWithoutAWord"),
    (D + "images/class_folders.cc", "4: a folder that can't be read is empty", "  if (error) cannot_read(folder, error.message());\n", "", "cli: Complaints.test_unreadable_subfolder"),
    (D + "images/class_folders.cc", "4: a class that only val/ has is dropped", "if (inside && !partial)", "if (inside && !partial && name.empty())", "data: ClassFolders.SaysWhatIsWrong"),
    (D + "images/image_folder.cc", "4: val/ is the test set beside test/", "return own ? SplitFolders{val, test} : SplitFolders{\"\", val};", "return SplitFolders{\"\", val};", "data: ClassFolders.ThreeFoldersAreThreeSplits"),
    (D + "images/image_arrays.cc", "5: an unknown tensor is taken for users", ": name == \"users\"  ? &a.users", ": true ? &a.users", "data: ArrayFolder.ATensorOfAnotherNameIsAnError"),
    (D + "images/image_arrays.cc", "6: NaN is a pixel", "const int64_t k = first_non_finite(floats); k >= 0)", "const int64_t k = first_non_finite(floats); k > floats.numel())", "data: ArrayFolder.NumbersThatAreNotFiniteAreAnErrorOfTheirImage"),
    (D + "text/word_vectors.cc", "6: NaN is a word's number", "if (!std::isfinite(value))", "if (!std::isfinite(value) && line.empty())", "data: Vectors.NumbersThatAreNotFiniteAreAnErrorWithFileAndLine"),
    (D + "text/labelled_text.cc", "6: max_samples takes the first texts", "for (const int64_t k : drawn_samples(train.size(), o_.max_samples, o_.partition.seed)) {", "for (int64_t k = 0; k < o_.max_samples; ++k) {", "data: Sorted.MaxSamplesAreDrawnFromTheWholeFileByTheSeed"),
    ("src/train/trainer.cc", "6: a run that skipped every gradient is done", "      require_trained();\n", "", "train: NotFinite.ARunThatSkippedEveryGradientIsNotDone"),
    ("src/cli/train_plan.cc", "7: --workers is ignored beside a launcher", "if (place) require_one_launcher(a, *place);", "if (place && place->names.empty()) require_one_launcher(a, *place);", "cli: Complaints.test_slurm_pty"),
    (D + "files/picture_png.cc", "8: the low byte of 16 bits is dropped", "png_set_scale_16(r.png);", "png_set_strip_16(r.png);", "data: PngPixels.SixteenBitsAreRoundedByValue"),
    (D + "files/picture_png.cc", "8: gamma is applied", "png_set_strip_alpha(r.png);", "png_set_strip_alpha(r.png);\n  png_set_gamma(r.png, 2.2, 1.0);", "data: PngPixels.GammaAndColourProfilesAreNotApplied"),
    (D + "files/npy.cc", "9: headers of Python 2 have no shape", "\\\\(([0-9L, ]*)\\\\)", "\\\\(([0-9, ]*)\\\\)", "data: Npy.ReadsHeadersOfPython2"),
    (D + "images/image_arrays.cc", "9: channels may come last", "if (t.dim() == 4 && !channels_first) require_channels_first(images);", "if (t.dim() == 5 && !channels_first) require_channels_first(images);", "data: ArrayFolder.ChannelsThatComeLastAreRefusedWithTheMend"),
    ("src/train/tensorboard.cc", "10: the event files of before stay", "if (old.filename() != name) fs::remove(old, ignored);", "if (old.filename() == name) fs::remove(old, ignored);", "train: EventFiles.GoOnWithOnePointAStepAfterAResume"),
    ("src/launch/launch.cc", "signals are read after the look at the workers", "      wait_for_news();\n      pass_signals_on();", "      wait_for_news();\n      reap();\n      pass_signals_on();\n      if (false)", "launch: Launch.TheEndOfAWorkerIsNeverMissed"),
    ("src/launch/environment.cc", "11: a loopback address is not told", "unset these variables)\" + doubt_about(place);", "unset these variables)\" + doubt_about(place).substr(0, 0);", "cli: Complaints.test_gloo_loopback"),
    (D + "files/lines.cc", "12: CR alone ends no line", "while (ends_ == LineEnds::any) {", "while (ends_ == LineEnds::any && false) {", "data: LineEndsOf.EveryConventionGivesTheSameLines"),
    (D + "text/corpus.cc", "12: CR alone ends no line of a corpus", "text[i] != '\\n' && text[i] != '\\r'", "text[i] != '\\n'", "data: LineEndsOf.ACorpusHasTheSameTokensInEachConvention"),
    ("src/train/training.cc", "12: a round longer than the schedule is not told", "if (ends.epochs && round_epochs() > *ends.epochs + 1e-9) {", "if (ends.epochs && round_epochs() < 0) {", "train: Epochs.ARoundLongerThanTheScheduleIsTold"),
    ("src/train/run_folder.cc", "12: a finished run without checkpoints begins anew", "if (fs::exists(fs::path(out) / \"model.safetensors\", error))", "if (out.empty())", "train: Begin.AFolderOfAnotherRunOrOfAnotherProgramIsRefusedAndStays"),
    ("src/base/utf8.cc", "12: control characters reach the terminal", "if (acts(c) && kept.find(", "if (acts(c) && c == 0 && kept.find(", "base: Text.NothingOfAUsersTextActsOnATerminal"),
    ("src/engine/round.cc", "13: gradients of no local step count as epochs", "(local_step ? turn.counters.samples : turn.counters.extra_samples) +=", "turn.counters.samples +=", "train: Epochs.CountLocalStepsOnlyAndWhatIsDrawnBesidesIsCountedApart"),
]

T = "src/tasks/"

# Rules of rounds that end with passes and of measurements, and the test that must fail.
OTHERS = [
    ("src/comm/collectives.cc", "those who wait hear nothing", "const bool in_slices = longest > kSlice;", "const bool in_slices = false;", "comm: Collectives.KeepThoseWhoWaitInformedOfALongTransfer"),
    ("src/base/files.cc", "a file that can't be read has no lines", "file_type::not_found) return {};", "file_type::not_found || error) return {};", "recovery: Runs.ALogThatCannotBeReadIsAnErrorAndStaysAsItIs"),
    ("src/train/session.cc", "lines that are lost are not told", "if (lost == 0 || group.rank() != 0) return;", "if (lost >= 0) return;", "recovery: Runs.LinesThatALostHostTakesWithItAreCountedAndNoneComesTwice"),
    ("src/train/session.cc", "the leader alone knows of lost lines", "log.drop_lost(all_gather_value(group, log.lines_in_file()).front());", "group.rank() == 0 ? log.drop_lost(log.lines_in_file()) : 0;", "recovery: Runs.LinesThatALostHostTakesWithItAreCountedAndNoneComesTwice"),
    ("src/base/files.cc", "a file replaces a pipe", "if (!S_ISREG(info.st_mode))\n      throw WriteError(", "if (false)\n      throw WriteError(", "base: Files.ReplaceNothingThatIsNoFile"),
    ("src/base/files.cc", "a file replaces a link", "end = end.parent_path() / next;", "break;", "base: Files.AreWrittenAtTheEndOfTheirLinks"),
    ("src/engine/parts.cc", "blocks are dealt by their number alone", "(blocks - 1) % count", "std::min(blocks - 1, count - 1)", "engine: Parts.AreBlocksInTurn"),
    ("src/figure/figure_tuning.cc", "the grid's last values are taken", "results.groups[results.best.value_or(0)].settings", "results.groups.back().settings", "figure: FigureTuning.TakesTheBestValuesForAllSeeds"),
    ("src/figure/figure_tuning.cc", "points that have not ended are passed over", "if (state.kind == PointState::Kind::done || state.kind == PointState::Kind::diverged) continue;", "if (state.kind != PointState::Kind::failed) continue;", "figure: FigureTuning.LeavesOutWhatHasDivergedAndNeedsAnEndOfAllOthers"),
    ("src/recipe/recipe.cc", "a key that is not in force puts others out of use", "if (deep > 0 && o && why_unused(*o, table, view_from(first, deep - 1))) return otherwise;", "", "recipe: UnusedOptions.put_no_further_options_out_of_use"),
    ("src/kernels/convolution/convolution_onednn.cc", "a convolution of other threads serves", "omp_get_max_threads()};", "0};", "kernels: Convolution.HasTheBitsOfItsThreadsWhateverRanBefore"),
    ("src/engine/round.cc", "a skipped batch leaves its statistics", "if (before.defined()) buffers.copy_(before);", "", "engine: RoundTest.ASkippedGradientHasNoLength"),
    ("src/engine/random.cc", "a large item runs into the next part", "k < 256 && words <= part_words", "k < 256", "engine: Stream.AnItemIsAPartOrAStepOfItsOwn"),
    ("src/models/images/image_layers.cc", "a normal takes one word", "(init == Init::he ? 4 : 1)", "1", "models: ImageModels.ALargeLayerDrawsNothingOfTheNext"),
    ("src/launch/launch.cc", "exit codes of a user's program are ours", "return !options_.foreign && worker.ended_with(code);", "return worker.ended_with(code);", "launch: Launch.AForeignProgramsExitCodesAreItsOwn"),
    ("src/launch/launch.cc", "a killed worker of any program has had its part done", "(killed && run_is_done())", "killed", "launch: Launch.AForeignProgramThatIsKilledTooOften"),
    ("src/comm/rendezvous/server.cc", "a silent client is never asked", "      keep_alive(socket.get());", "", "comm: Store.AsksASilentClientWhetherItIsThere"),
    ("src/data/files/unpacked.cc", "bytes behind a member are passed over", "if (buffer_[begin_] != 0) given_", "if (false) given_", "data: TextLines.ReadsEveryGzipMember"),
    ("src/data/files/picture.cc", "the end of a picture is not looked for", 'if (!has_end()) file_.fail(what + "; the end of the picture is missing");', "", "data: PictureFile.SaysWhatIsWrong"),
    ("src/data/text/vocabulary.cc", "the texts' own <unk> is a word of its own", "if (all[k] == texts.words.front()) continue;", "", "data: OwnFiles.TheTextsOwnUnkIsTheUnknownWord"),
    ("src/tasks/image_classification.cc", "scores that are not numbers are in order", "(logits <= logits.gather(1, batch.labels.unsqueeze(1))).logical_not().sum(1)", "(logits > logits.gather(1, batch.labels.unsqueeze(1))).sum(1)", "tasks: Classification.CountsTheFiveLargest"),
    ("src/data/files/safetensors.cc", "bytes of no tensor are left out", "  require_cover(path, header, data_size);", "", "train: Safetensors.LyingHeadersAreRefused"),
    ("src/sweep/claims.cc", "a live process of this machine is lost in time", 'return !runs_here(claim, "sweep") && !runs_here(claim, "run");', 'if (!runs_here(claim, "sweep") && !runs_here(claim, "run")) return true;', "sweep: ClaimsTest.AreKeptWhileTheRunLives"),
    ("src/sweep/claims.cc", "the holder's time does not count", 'whole ? claim.value("lost_after", 0.0) : 0.0', "0.0", "sweep: ClaimsTest.AreWatchedForTheTimeOfTheirHolder"),
    ("src/sweep/claims.cc", "another process's claim is renewed", "|| !is_own(claim)) return false;", ") return false;", "sweep: ClaimsTest.OfOthersAreNeitherRenewedNorReleased"),
    ("src/sweep/claims.cc", "another process's claim is released", "if (is_own(claim)) remove(claim);", "remove(claim);", "sweep: ClaimsTest.OfOthersAreNeitherRenewedNorReleased"),
    ("src/sweep/child.cc", "a reaped process keeps its number", "pid_ = 0;  // the number may be another process's from now on", "", "sweep: Child.HasNoNumberOnceItIsReaped"),
    ("src/figure/figure_data.cc", "the next value takes the place of the first", "if (is_first) base->second", "if (!base->second) base->second", "figure: FigureNumbers.HaveNoSpeedUpWithoutTheFirstValue"),
    ("src/figure/figure_data.cc", "the last finite value counts as the last", "if (points.ends_finite) last.push_back", "last.push_back", "figure: FigureNumbers.CountValuesThatAreNotFinite"),
    ("src/figure/figure_data.cc", "shares are of the values that are drawn", "1 / static_cast<double>(all)", "1 / static_cast<double>(values.size())", "figure: FigureNumbers.CountPointsThatALogAxisHasNoPlaceFor"),
    ("src/figure/svg_parts.cc", "last digits make a range", "1e-9 * std::max(std::abs(scale.low), std::abs(scale.high))", "0", "figure: FigureNumbers.OfEqualValuesHaveFewMarks"),
    ("src/figure/figure_tuning.cc", "a grid may have the parameter", "if (setting.key == figure.parameter)", "if (false)", "figure: FigureTuning.RefusesAGridOfTheParameter"),
    ("src/figure/figure_tuning.cc", "each value of the parameter is tuned at the recipe's own", 'request.sets.push_back(figure.parameter + "=" + to_toml(figure.values[value]));', "", "figure: FigureTuning.CanTuneEachValueOfTheParameter"),
    ("src/figure/figure_runs.cc", "all values of the parameter take the first one's best", "sets.insert(sets.end(), curve.tuned[*k].begin(), curve.tuned[*k].end());", "sets.insert(sets.end(), curve.tuned[0].begin(), curve.tuned[0].end());", "figure: FigureTuning.CanTuneEachValueOfTheParameter"),
    ("src/figure/figure_runs.cc", "a run that diverged is not counted", "++group.diverged;", "continue;", "figure: FigureTuning.RunsAreFoundOrCountedAsDiverged"),
    ("src/figure/figure_data.cc", "the legend counts no run that diverged", "series.diverged += group.diverged;", "series.diverged = 0;", "figure: FigureNumbers.CountRunsThatDiverged"),
    ("src/figure/figure_file.cc", "a value twice", "if (std::find(given.list.begin(), value, *value) != value)", "if (given.list.empty())", "figure: FigureFile.MistakesAreExplained"),
    ("src/sweep/plan.cc", "a default is in the digest", "if (at_default(used)) continue;", "", "sweep: Point.IsMarkedByWhatIsNoDefault"),
    ("src/sweep/point_state.cc", "another default goes unnoticed", "if (is == now.end() || is->second == was) continue;", "if (is != now.end()) continue;", "sweep: ResultsTest.OfAVersionWithAnotherDefaultAreNotTaken"),
    ("src/data/text/corpus_batches.cc", "the whole text is evaluated", 'split != "train" && options_.max_eval_tokens > 0 ?', "false ?", "data: TextBatches.EvaluatesOnlyTheFirstTokensWhenAsked"),
    ("src/figure/figure_data.cc", "all points have the first one's runs", "series.n.push_back(values.size());", "series.n.push_back(series.n.empty() ? values.size() : series.n[0]);", "figure: FigureNumbers.AreLastValuesAgainstAParameter"),
    ("src/figure/figure_record.cc", "a drawn run counts for the grid too", "if (!folders.insert(run.folder).second) continue;", "folders.insert(run.folder);", "figure: FigureNumbers.AreKeptRunByRun"),
    ("src/sweep/claims.cc", "half a heartbeat stays", 'fs::remove(file(claim.point, number) + ".part", ignored);', "", "sweep: ClaimsTest.LeaveNothingBehindOfAHeartbeatThatWasCutShort"),
    ("src/report/run_groups.cc", "seeds make groups", '"run.seed",', '"run.side",', "report: Groups.HoldRunsThatDifferInTheirSeedOnly"),
    ("src/report/run_groups.cc", "data make no groups", 'own["data.files"] =', 'own["data.name"] =', "report: Groups.KeepOtherWeightsAndOtherDataApart"),
    ("src/report/run_groups.cc", "a seed may come twice", "|| seeds[g].count(seed_of(runs[k])) != 0", "", "report: Groups.HaveNoSeedTwice"),
    ("src/figure/figure_tuning.cc", "the ends of a grid are confused", 'own == least ? "lower"', 'own == most ? "lower"', "figure: FigureTuning.TellsWhichValuesAreAtAnEndOfTheirGrid"),
    ("src/recipe/run_identity.cc", "weights are told apart by their path", '"sha256 " + sha256_file(file.string())', "text", "sweep: Point.IsToldApartByItsFiles"),
    ("src/recipe/run_identity.cc", "all data of one's own are one", "is_of_ones_own(find_dataset(recipe.data.text(\"name\"))) ?", "false ?", "sweep: Point.IsToldApartByItsFiles"),
    ("src/engine/message_coding.cc", "the place in a message names its residual", "k == 0 || of.which.empty() ? k :", "true ? k :", "engine: MessageOfARound.VectorsThatAreSentInDifferentRoundsKeepTheirResidualsApart"),
    ("src/engine/drift.cc", "all go as far as the client itself", "t < own ? 2 : 1", "t < own ? 2 : 0", "algorithms: Invariants.TheDriftThatARoundSeesIsWithinTwoGammaI"),
    ("src/train/trainer.cc", "a run of nobody goes on for ever", "if (++rounds_of_nobody_ == most_rounds_of_nobody)", "if (++rounds_of_nobody_ < 0)", "train: Deadline.ARunOfNobodySaysSo"),
    ("src/train/model_selection.cc", "a loss that is no number is the best", "std::isnan(s.best_loss) || e.loss < s.best_loss", "!(e.loss >= s.best_loss)", "train: NtAsgd.PassesOverLossesThatAreNotANumber"),
    ("src/comm/membership.cc", "who waits to join waits for ever", "if (!heard && since(start)", "if (heard && since(start)", "comm: MembershipTest.WhoFindsOnlyWorkersThatAreStuckWaitsNoLongerThanTheLimit"),
    ("src/comm/run_keys.h", "a run has the keys of the one before", 'run > 0 ? "tacet/run"', 'run < 0 ? "tacet/run"', "comm: MembershipTest.ARunAfterAnotherFindsNothingOfIt"),
    ("src/comm/membership.cc", "a run that all have left goes on", "options.place.run > 0 && latest_run() > options.place.run", "false", "comm: MembershipTest.WhoComesToARunThatAllHaveLeftIsToldSo"),
    ("src/report/live_page.cc", "any token will do", "return same_text(token, given);", "return !given.empty();", "report: Admitted.NeedsTheTokenOrANameOfThisMachine"),
    ("src/report/live_page.cc", "any name of a host will do", 'return name == "localhost" ||', 'return !name.empty() ||', "report: Admitted.NeedsTheTokenOrANameOfThisMachine"),
    ("src/train/training.cc", "rounds end after I steps alone", "std::min(I - state.iteration % I, to_end)", "I - state.iteration % I", "tasks: Language.AveragesAtPassEndsAsThePublishedProgramDoes"),
    ("src/train/training.cc", "I counts from the begin of a pass", "std::min(I - state.iteration % I, ", "std::min(I, ", "tasks: Language.AveragesAtPassEndsAsThePublishedProgramDoes"),
    (D + "text/corpus_batches.cc", "passes of another seed", "if (seed != pass_.seed || iteration < pass_.first)", "if (iteration < pass_.first)", "data: TextBatches.KnowWhereThePassesOfAllClientsEnd"),
    (D + "text/corpus_batches.cc", "an iteration of a pass before", "if (seed != pass_.seed || iteration < pass_.first)", "if (seed != pass_.seed)", "data: TextBatches.KnowWhereThePassesOfAllClientsEnd"),
    (T + "language_modelling.cc", "batches weigh alike in the gradient", "(loss * count).backward()", "loss.backward()", "tasks: Language.TheGradientOverTheTrainingSetIsTheSlopeOfItsLoss"),
    (T + "language_modelling.cc", "the gradient of the piece before is left", "    gradient_buffer().zero_();\n    return score_of(", "    return score_of(", "tasks: Language.TheGradientOverTheTrainingSetIsTheSlopeOfItsLoss"),
    (T + "translation.cc", "the gradient is that of the smoothed loss", "loss.cross_entropy.backward()", "loss.smoothed.backward()", "tasks: Translation.TheGradientOverTheTrainingSetIsTheSlopeOfItsLoss"),
    ("src/train/measurements.cc", "the norm is that of the sum", "  found.norm /= found.total.count;\n", "", "train: Measurements.TheGradientHasTheSameBitsOnAnyNumberOfWorkers"),
    ("src/train/measurements.cc", "an update that is the model", "run_.state.x - before_;", "run_.state.x - 0 * before_;", "train: Measurements.TheSizeOfAnUpdateIsThatOfTheStep"),
    ("src/train/measurements.cc", "a violated bound lets the run go on", "d.distance > 1.0001 * d.bound + slack", "d.distance < 0", "train: Measurements.AViolatedBoundStopsTheRunWithRoundAndNumbers"),
    ("src/train/round_noise.cc", "noise: models of clients' own count", "!at::equal(y, x)) return;", "y.numel() != x.numel()) return;", "train: RoundNoise.NamesMethodsWhoseClientsHaveModelsOfTheirOwn"),
    ("src/train/round_noise.cc", "noise: leaves are added as they come", "nodes_[nodes_.size() - 2].width == nodes_.back().width", "true", "train: ArrivingSum.HasTheBitsOfTheTree"),
    ("src/train/round_noise.cc", "noise: a half that the tree cuts off stays apart", "while (last_ == bounds_.back() && last_two_are_siblings()) merge_last_two();", "", "train: ArrivingSum.HasTheBitsOfTheTree"),
    ("src/train/training.cc", "noise: its sums are not saved", "if (options.noise_scale) state.noise.visit(v);", "", "train: RoundNoise.GoesOnAfterAStop"),
    ("src/analysis/noise_probe.cc", "the principal direction has the mean in it", "(inner_product(g, v_) - inner_product(centre_, v_)) / length", "inner_product(g, v_) / length", "probe: Noise.HasItsPrincipalDirectionFromOtherGradients"),
    ("src/train/training.cc", "smoothness: its totals are not saved", "if (options.smoothness_every > 0) state.smoothness.visit(v);", "", "train: RoundSmoothness.GoesOnAfterAStop"),
    ("src/train/round_smoothness.cc", "smoothness: pairs take what time they like", "t.seconds * (pairs + 1) / pairs <= run_.options.smoothness_share * run_.state.seconds", "pairs > 0", "train: RoundSmoothness.KeepsToItsShareOfTheTime"),
    ("src/train/round_smoothness.h", "smoothness: every round's pair is measured", "return round % run_.options.smoothness_every == 0;", "return true;", "train: RoundSmoothness.MeasuresSomeRoundsOnSomeUnits"),
    ("src/figure/panel_sheet.cc", "a guide stands on a log axis' 0", "if (!s.holds(x, s.y.high)) continue;", "", "figure: Panels.HaveGuidesFromTopToBottom"),
    ("src/train/trainer.cc", "clients take the steps of the one that takes most", "setup.steps = [steps = std::move(steps)](int client) { return steps[static_cast<size_t>(client)]; };", "(void)steps;", "train: Deadline.WhoComesTooLateWasNotThere"),
    ("src/engine/auto_interval.cc", "I grows beyond its bound", "std::min(wanted, options.most)", "wanted", "engine: AutoInterval.GrowsFourfoldAtMostAndNeverShrinks"),
    ("src/train/run_state.cc", "decisions on I are not saved", 'v.global("interval_decisions", intervals);', "", "interval: Grown.ADecisionBeforeTheCheckpointIsPartOfIt"),
    ("src/train/interval_record.cc", "decisions that are to be repeated are dropped", "if (d.round > round) so_far.decisions.push_back(d);", "(void)d;", "interval: Grown.AResumedRunRepeatsWhatItsFolderHas"),
    ("src/train/interval_control.cc", "the file's decisions are measured anew", "run_.repeated ? decision_after(*run_.repeated, run_.state.round) : nullptr", "nullptr", "interval: Grown.AnotherPlacementRepeatsTheDecisionsAndHasTheSameBits"),
    ("src/report/time_to_target.cc", "a speed-up has the error of one mean alone", "std::sqrt(a + b)", "std::sqrt(b)", "report: SpeedUps.HaveTheIntervalsOfTheirSeeds"),
]


def targets_of(rule):
    """What has to be built for the tests of a rule."""
    areas = [rule[4].split(": ")[0]] if len(rule) > 4 else ["algorithms", "oracle"]
    return ["tacet" if area == "cli" else "test_" + area for area in areas]


def build(folder, jobs, targets):
    return subprocess.run(["cmake", "--build", folder, "-j", str(jobs), "--target", *targets], capture_output=True,
                          text=True).returncode == 0


def named_failure(folder, area, name):
    """The name of a test that fails, in a list; a test that does not run proves nothing and is an error."""
    if area == "cli":
        command = [sys.executable, "-B", ROOT / "tests/cli/test_complaints.py", name]
    else:
        # Some folders have several programs, as tests/analysis has test_probe.
        program = next(pathlib.Path(folder).glob(f"tests/*/test_{area}"), None)
        if program is None:
            raise SystemExit(f"{area}: {name}: there is no tests/*/test_{area} in {folder}")
        command = [str(program), f"--gtest_filter={name}:*/{name}/*", "--gtest_brief=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "TACET_COMMAND": os.path.abspath(f"{folder}/tacet")})
    said = done.stdout + done.stderr
    if done.returncode < 0:
        return [f"{name}, which crashed"]
    if not re.search(r"[1-9]\d* tests? from|Ran [1-9]", said) or re.search("SKIPPED|skipped=", said):
        sys.exit(f"{area}: {name} does not run here")
    return [name] if done.returncode != 0 else []


def failures(folder, rule):
    """Names of failed tests; of `oracle` only when `algorithms` has none."""
    if len(rule) > 4:
        return named_failure(folder, *rule[4].split(": "))
    for area, choice in (("algorithms", "-Claims*:Theory*"), ("oracle", "*OnQuadratics*")):
        done = subprocess.run([f"{folder}/tests/{area}/test_{area}", f"--gtest_filter={choice}", "--gtest_brief=1"],
                              capture_output=True, text=True, timeout=300)
        names = re.findall(r"^\[  FAILED  \] (\S+?),? ", done.stdout, re.MULTILINE)
        if names or done.returncode != 0:
            return names or [f"{area} ended with {done.returncode}"]
    return []


def misplaced(rules):
    """What is wrong with rules whose text is not once in its file."""
    wrong = []
    for file, what, text, instead, *_ in rules:
        path = ROOT / file
        found = path.read_text(encoding="utf-8").count(text) if path.is_file() else "no file"
        if found != 1 or text == instead:
            wrong.append(f"{file}: the text of \"{what}\" must occur once and be replaced by another, it occurs {found} times")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?")
    parser.add_argument("--check", action="store_true", help="only look whether every rule's text occurs once in its file")
    parser.add_argument("--only", default="", help="rules of files whose name contains this")
    parser.add_argument("--silent", action="store_true", help="rules of SILENT only")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    chosen = [rule for rule in ([] if arguments.silent else RULES + OTHERS) + SILENT if arguments.only in rule[0]]
    wrong = misplaced(chosen)
    if wrong or not chosen:
        sys.exit("\n".join(wrong) or f"no rule is of a file whose name contains {arguments.only}")
    if arguments.check:
        print(f"each of {len(chosen)} rules is a text that occurs once")
        return 0
    if arguments.build is None:
        parser.error("a build folder is needed")
    targets = sorted({target for rule in chosen for target in targets_of(rule)})
    tests = {rule[4:]: rule for rule in chosen}  # each once
    if not build(arguments.build, arguments.jobs, targets) or any(failures(arguments.build, rule) for rule in tests.values()):
        sys.exit("the tests must pass before rules are broken")
    missed = 0
    print("| file | broken rule | noticed by |\n|---|---|---|")
    for rule in chosen:
        file, what, text, instead = rule[:4]
        path = ROOT / file
        original = path.read_text(encoding="utf-8")
        try:
            path.write_text(original.replace(text, instead), encoding="utf-8")
            built = build(arguments.build, arguments.jobs, targets_of(rule))
            names = failures(arguments.build, rule) if built else []
        except subprocess.TimeoutExpired as late:
            names = [f"{pathlib.Path(late.cmd[0]).name}, which did not end"]
        finally:
            path.write_text(original, encoding="utf-8")
        missed += not names
        shown = names[0] if names else "NOTHING" if built else "NOTHING: it does not compile"
        print(f"| {pathlib.Path(file).name} | {what} | {shown}{f' and {len(names) - 1} more' if len(names) > 1 else ''} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
