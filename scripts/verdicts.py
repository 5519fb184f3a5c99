#!/usr/bin/env python3
"""Computes every number of docs/results.md from the metrics that are kept in docs/results, and the verdicts with them. Nothing is
run or drawn here; it needs python3 and nothing else.

    scripts/verdicts.py                     compares the page with the kept metrics; exit code 1 where they differ
    scripts/verdicts.py --write             writes the page's numbers anew
    scripts/verdicts.py --keep FOLDER...    keeps the metrics of figures that `tacet figure` has drawn into these folders

For a figure NAME, docs/results/NAME.json has the facts, docs/results/NAME.csv.xz all points of its runs: curve, value of the
parameter, seed, key, x, y, and the places on further axes. NAME.svg and NAME-KEY.svg are the pictures that the page shows. A number
is a mean over seeds with the deviation of a sample behind ±.
"""

import argparse
import collections
import csv
import io
import json
import lzma
import math
import pathlib
import re
import statistics
import sys
import typing

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- generated: ([\w-]+) -->\n(.*?)<!-- end of generated: \1 -->\n", re.S)
ALIKE = 0.05  # two means match where they differ by at most this share of the second, and losses by at most so many nats
ERRORS = 2.8  # standard errors of a difference that noise does not reach: 95 % for two groups of three runs


class Kept:
    """The kept metrics of one figure: runs by curve, value and key, each a list of (x, y) in the order of x."""

    def __init__(self, folder, name):
        self.facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        text = lzma.decompress((folder / f"{name}.csv.xz").read_bytes()).decode("utf-8")
        seeds = collections.defaultdict(lambda: collections.defaultdict(list))
        ends = collections.defaultdict(dict)
        for row in csv.DictReader(io.StringIO(text)):
            place = (row["curve"], row["value"], row["key"])
            seeds[place][row["seed"]].append((float(row["x"]), float(row["y"])))
            for axis in self.facts.get("over", []):
                ends[(*place, axis)][row["seed"]] = float(row[axis] or "nan")
        self.runs = {place: list(runs.values()) for place, runs in seeds.items()}
        self.ends = {place: list(runs.values()) for place, runs in ends.items()}
        self.key = self.facts["y"]
        self.diverged = {(group["curve"], group["value"]): group["runs"] for group in self.facts.get("diverged", [])}

    def curves(self):
        """Those with points first, then those whose runs all diverged."""
        return list(dict.fromkeys([curve for curve, _, _ in self.runs] + [curve for curve, _ in self.diverged]))

    def values(self):
        """Those at which a curve has points first, then those at which all runs of all curves diverged."""
        return list(dict.fromkeys([value for _, value, _ in self.runs] + [value for _, value in self.diverged]))

    def of(self, curve, value="", key=None):
        """The runs of a curve that did not diverge. A claim that needs some where there is none is an error."""
        place = (curve, value, key or self.key)
        if place not in self.runs:
            name = " at ".join(part for part in place[:2] if part)
            raise SystemExit(f"verdicts: {self.facts['figure']}: a claim needs a run of {name} with {place[2]}, got none")
        return self.runs[place]

    def end(self, curve, axis):
        """The mean over a curve's runs of the last place on an axis, the figure's own or a further one."""
        if axis == self.facts["x"]:
            return Mean([run[-1][0] for run in self.of(curve)])
        self.of(curve)
        return Mean(self.ends[(curve, "", self.key, axis)])


class Mean:
    """A mean over runs with the deviation of a sample, 0 for one run."""

    def __init__(self, values):
        self.n, self.mean = len(values), statistics.fmean(values)
        self.deviation = statistics.stdev(values) if len(values) > 1 else 0.0

    def error(self):
        """The standard error."""
        return self.deviation / math.sqrt(self.n)

    def times(self, factor):
        """The mean of the same runs in other units."""
        out = Mean([self.mean * factor])
        out.n, out.deviation = self.n, self.deviation * factor
        return out

    def text(self, factor=1.0):
        return f"{self.mean * factor:.4g} ± {self.deviation * factor:.2g}"


def last(runs):
    return Mean([run[-1][1] for run in runs])


def over_all(runs):
    """The mean of y over each run, then over the runs."""
    return Mean([statistics.fmean(y for _, y in run) for run in runs])


def average(means):
    """The mean of means, of one "run" whose deviation is its standard error."""
    out = Mean([mean.mean for mean in means])
    out.n, out.deviation = 1, error_of(*means) / len(means)
    return out


def reaches(run, target, higher):
    """The first x at which y has reached the target; None where it never does."""
    return next((x for x, y in run if (y >= target if higher else y <= target)), None)


# A comparison of means is true, false, or None where the runs do not decide it.


def error_of(*means):
    """The standard error of a sum or difference of means."""
    return math.sqrt(sum(mean.error() ** 2 for mean in means))


def below(a, b):
    """Whether a is below b, by more than noise is."""
    difference, noise = b.mean - a.mean, ERRORS * error_of(a, b)
    return True if difference > noise else False if difference <= 0 and -difference >= noise else None


def at_most(a, b):
    """Whether a is not above b."""
    above = below(b, a)
    return None if above is None else not above


def between(a, low, high):
    """Whether a is neither below `low` nor above `high`."""
    sides = at_most(low, a), at_most(a, high)
    return False if False in sides else None if None in sides else True


def tolerance(key, of):
    """How far from a mean another one may be and still match it."""
    share = ALIKE * abs(of.mean)
    return min(share, ALIKE) if key.endswith("loss") else share


def no_worse(a, b, key):
    """Whether a is at most the tolerance worse than b. It is undecided where noise is larger than what would tell."""
    worse = b.mean - a.mean if key.endswith("accuracy") else a.mean - b.mean
    error, most = error_of(a, b), tolerance(key, b)
    if worse <= most:
        return True if error <= most or worse + ERRORS * error <= most else None
    return False if worse > ERRORS * error else None


def matches(a, b, key):
    """Whether a and b differ by at most the tolerance."""
    sides = no_worse(a, b, key), no_worse(b, a, key)
    return False if False in sides else None if None in sides else True


def word(fine, yes, no):
    """A comparison in words."""
    return "undecided" if fine is None else yes if fine else no


def apart(a, b, key):
    """How far a is from b: "+0.021" for losses, "-3.7 %" for others."""
    return f"{a.mean - b.mean:+.3f}" if key.endswith("loss") else f"{(a.mean / b.mean - 1) * 100:+.1f} %"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def verdict(holds, why):
    """`holds` has a truth for each part of the claim, None where it is undecided."""
    said = "holds" if all(holds) else "holds in part" if any(holds) else "does not hold" if False in holds else "undecided"
    count = f"{sum(map(bool, holds))} of {len(holds)} parts hold" if len(holds) > 1 else ""
    open_ones = holds.count(None)
    if open_ones and len(holds) > 1:
        count += f", {open_ones} {'is' if open_ones == 1 else 'are'} undecided"
    return f"**Verdict: {said}.** {count + '. ' if count else ''}{why}\n"


# -- claims: each takes the kept metrics of its figures and returns Markdown ---------------------------------------------------


def ends_table(kept, keys):
    """The last value of each key on each curve."""
    rows = []
    for curve in kept.curves():
        means = [last(kept.of(curve, key=key)) for key in keys]
        rows.append([curve, str(means[0].n)] + [mean.text() for mean in means])
    return table(["curve", "n"] + [f"last {key}" for key in keys], rows)


def same_as_baseline(baseline, metric):
    """CELGC's curves end where the baseline does: loss and metric no worse than its."""
    return near_each_other(*((f"celgc, I = {interval}", baseline) for interval in (2, 8, 32)), keys=("train_loss", metric))


def clipped_more(images, *texts):
    """The share of clipped steps: higher in celgc than in naive-clip, and more than twice as high in texts as in images."""
    rows, holds, shares = [], [], []
    for kept in (images, *texts):
        of = {curve: over_all(kept.of(curve, key="clipped_fraction")) for curve in kept.curves()}
        rows += [[kept.facts["title"], curve, str(mean.n), mean.text(100)] for curve, mean in of.items()]
        local = [mean for curve, mean in of.items() if curve.startswith("celgc")]
        holds += [below(of["naive-clip"], mean) for mean in local]
        shares.append(average(local))
    more = [below(shares[0].times(2), share) for share in shares[1:]]
    why = (f"{sum(map(bool, holds))} of {len(holds)} celgc curves clip more than naive-clip; celgc clips "
           + ", ".join(f"{share.mean * 100:.3g} %" for share in shares[1:])
           + f" of steps on texts, {shares[0].mean * 100:.3g} % on images, where more than twice as many count.")
    return table(["figure", "curve", "n", "clipped steps, %"], rows) + "\n" + verdict(holds + more, why)


def speeds_up(kept):
    """N clients need fewer steps to the target than one, and about N-fold fewer: the speed-up is between 0.6 N and 1.5 N."""
    rows, fewer, near = [], [], []
    target, values = kept.facts["target"], kept.values()
    higher = kept.key.endswith("accuracy")
    for curve in kept.curves():
        steps = {}
        for value in values:
            found = [x for run in kept.of(curve, value) if (x := reaches(run, target, higher)) is not None]
            steps[value] = Mean(found) if len(found) == len(kept.of(curve, value)) else None
        base = steps[values[0]]
        for value in values:
            ratio = base.mean / steps[value].mean if base and steps[value] else None
            rows.append([curve, value, str(len(kept.of(curve, value))), steps[value].text() if steps[value] else "not reached",
                         f"{ratio:.3g}" if ratio else "–"])
            if value != values[0]:
                fewer.append(ratio is not None and below(steps[value], base))
                near.append(ratio is not None and between(base, *(steps[value].times(share * float(value)) for share in (0.6, 1.5))))
    why = (f"{sum(map(bool, fewer))} of {len(fewer)} numbers of clients N need fewer steps than one client; "
           f"{sum(map(bool, near))} of {len(near)} speed-ups lie between 0.6 N and 1.5 N.")
    head = ["curve", "N", "n", f"steps to {kept.key} = {target:g}", "speed-up"]
    return table(head, rows) + "\n" + verdict(fewer + near, why)


def finals_table(kept, keys):
    rows = []
    for curve in kept.curves():
        for value in kept.values():
            means = [last(kept.of(curve, value, key)) for key in keys]
            rows.append([curve, value, str(means[0].n)] + [mean.text() for mean in means])
    return table(["curve", kept.facts["parameter"], "n"] + [f"last {key}" for key in keys], rows)


def grows(hard, easy):
    """Whether the lead of the first mean over the second is larger in the pair `hard` than in `easy`, by more than noise is."""
    more = (hard[1].mean - hard[0].mean) - (easy[1].mean - easy[0].mean)
    noise = ERRORS * error_of(*hard, *easy)
    return True if more > noise else False if more <= 0 and -more >= noise else None


def best_where_hard(method, hard, alike=None):
    """The method's last loss is below each other one's at the hard values, its lead over each is larger at the first of them than
    at the last value, and it matches each at the value `alike`."""

    def claim(kept):
        holds, said = [], []
        others = [curve for curve in kept.curves() if curve != method]

        def part(text, truths):
            holds.extend(truths.values())
            undecided = [curve for curve, fine in truths.items() if fine is None]
            said.append(f"{text} {', '.join(curve for curve, fine in truths.items() if fine) or 'none'}"
                        + (f" (undecided: {', '.join(undecided)})" if undecided else ""))

        for value in hard:
            own = last(kept.of(method, value))
            part(f"at {value} it beats", {curve: below(own, last(kept.of(curve, value))) for curve in others})
        places = hard[0], kept.values()[-1]
        part(f"its lead at {places[0]} is larger than at {places[1]} over",
             {curve: grows(*((last(kept.of(method, place)), last(kept.of(curve, place))) for place in places)) for curve in others})
        if alike is not None:
            own = last(kept.of(method, alike))
            part(f"at {alike} it matches", {curve: matches(own, last(kept.of(curve, alike)), kept.key) for curve in others})
        why = f"{method}, by its last loss: " + "; ".join(said) + "."
        return finals_table(kept, [kept.key, "eval_accuracy"]) + "\n" + verdict(holds, why)

    return claim


def mean_curve(runs):
    """The mean of runs that have the same x."""
    return [(points[0][0], statistics.fmean(y for _, y in points)) for points in zip(*runs)]


def level_of(kept, curve, at=None):
    """A curve's mean accuracy at a round, or its best one."""
    target = max((y for x, y in mean_curve(kept.of(curve)) if at is None or x == at), default=None)
    if target is None:
        raise SystemExit(f"verdicts: {kept.facts['figure']}: a claim needs {curve} in round {at}, got none")
    return target


def rounds_to(kept, curve, target):
    """The rounds in which a curve's runs have an accuracy first, None for a run that never has it."""
    return [reaches(run, target, True) for run in kept.of(curve)]


def at_least(kept, curve, target):
    """The mean of those rounds, where a run that never has the accuracy counts with its last one."""
    found = rounds_to(kept, curve, target)
    return Mean([run[-1][0] if x is None else x for x, run in zip(found, kept.of(curve))])


def in_time(found, comparison):
    """Whether rounds compare as they should: not where no run ever got there, and undecided where some did not."""
    return False if not any(found) else None if None in found else comparison(Mean(found))


def in_rounds(found):
    """The rounds of runs in words."""
    reached = [x for x in found if x is not None]
    if len(reached) < len(found):
        return f"in {len(reached)} of {len(found)} runs" if reached else "never"
    return f"in round {Mean(found).text()}"


def half_the_rounds(kept):
    """fed-lamb has fed-ams's accuracy of round 16, the paper's example, and its best accuracy in at most 0.6 of its rounds."""
    example, best = level_of(kept, "fed-ams", 16), level_of(kept, "fed-ams")
    needs = at_least(kept, "fed-ams", best)
    early, late = rounds_to(kept, "fed-lamb", example), rounds_to(kept, "fed-lamb", best)
    holds = [in_time(early, lambda own: at_most(own, Mean([0.6 * 16]))), in_time(late, lambda own: at_most(own, needs.times(0.6)))]
    why = (f"fed-lamb has fed-ams's mean accuracy in round 16, {example * 100:.3g} %, {in_rounds(early)}; fed-ams's best mean "
           f"accuracy, {best * 100:.3g} %, for which fed-ams itself needs {needs.text()} rounds at least, {in_rounds(late)}.")
    return ends_table(kept, [kept.key]) + "\n" + verdict(holds, why)


def fastest(*epochs):
    """With each number of local epochs fed-lamb has the best accuracy of fed-ams, and that of fedavg, in fewer rounds than they."""

    def claim(kept):
        holds, said = [], []
        for suffix in epochs:
            for other in ("fed-ams", "fedavg"):
                target = level_of(kept, f"{other}, {suffix}")
                needs, own = at_least(kept, f"{other}, {suffix}", target), rounds_to(kept, f"fed-lamb, {suffix}", target)
                holds.append(in_time(own, lambda mean, needs=needs: below(mean, needs)))
                said.append(f"{suffix}: {other}'s best mean accuracy, {target * 100:.3g} %, for which {other} needs {needs.text()} "
                            f"rounds at least, {in_rounds(own)}")
        return ends_table(kept, [kept.key]) + "\n" + verdict(holds, "fed-lamb has, with " + "; with ".join(said) + ".")

    return claim


def ends_in_order(order):
    """The methods end in the stated order, each pair of neighbours a part of the claim."""

    def claim(kept):
        ends = {curve: last(kept.of(curve)) for curve in order}
        pairs = list(zip(order, order[1:]))
        holds = [below(ends[b], ends[a]) for a, b in pairs]
        seen = ", ".join(f"{a} above {b} {word(fine, 'yes', 'no')}" for (a, b), fine in zip(pairs, holds))
        return ends_table(kept, [kept.key]) + "\n" + verdict(holds, f"At the end: {seen}.")

    return claim


def nearly_bounded(kept):
    """99 of 100 updates of Adam have no coordinate above 3 η, and the last losses with and without clipping match."""
    eta, rows, holds = 1e-3, [], []
    for curve in kept.curves():
        sizes = sorted(y / eta for run in kept.of(curve, key="update_max") for _, y in run)
        high = sizes[min(len(sizes) - 1, math.floor(0.99 * len(sizes)))]
        holds.append(high <= 3)
        rows.append([curve, str(len(kept.of(curve))), f"{statistics.median(sizes):.3g}", f"{high:.3g}", f"{sizes[-1]:.3g}"])
    ends = [Mean([statistics.fmean(y for _, y in run[-100:]) for run in kept.of(curve)]) for curve in kept.curves()]
    holds.append(matches(ends[1], ends[0], kept.key))
    why = (f"The 99th percentile of the largest coordinate is at most 3 η for {sum(holds[:-1])} of {len(holds) - 1} curves; mean "
           f"loss of the last 100 steps {ends[0].text()} without and {ends[1].text()} with clipping.")
    head = ["curve", "n", "largest coordinate of an update / η: median", "99th percentile", "most"]
    return table(head, rows) + "\n" + verdict(holds, why)


def falls_under_a_tenth(kept):
    """The norm of the full gradient is under 0.1 on average over the last five measurements of every run."""
    rows, holds = [], []
    for curve in kept.curves():
        runs = kept.of(curve)
        late = [statistics.fmean(y for _, y in run[-5:]) for run in runs]
        holds += [value < 0.1 for value in late]
        rows.append([curve, str(len(runs)), Mean([run[0][1] for run in runs]).text(), Mean(late).text()])
    why = f"{sum(holds)} of {len(holds)} runs are under 0.1 on average over their last five measurements."
    return table(["curve", "n", "norm at the start", "norm late"], rows) + "\n" + verdict(holds, why)


def near_each_other(*pairs, keys=None):
    """In each pair the first curve ends no worse than the second, by each of the keys; those of the figure where none are given."""

    def claim(kept):
        holds, said, named = [], [], keys or [kept.key, *kept.facts["also"]]
        for own, other in pairs:
            ends = [(key, last(kept.of(own, key=key)), last(kept.of(other, key=key))) for key in named]
            fine = [no_worse(a, b, key) for key, a, b in ends]
            holds += fine
            said.append(f"{own} against {other}: " + ", ".join(f"{key} {apart(a, b, key)} ({word(one, 'no worse', 'worse')})"
                                                               for (key, a, b), one in zip(ends, fine)))
        return ends_table(kept, named) + "\n" + verdict(holds, "; ".join(said) + ".")

    return claim


def below_all(method):
    """The method's last value is below that of every other curve."""

    def claim(kept):
        own = last(kept.of(method))
        beaten = {curve: below(own, last(kept.of(curve))) for curve in kept.curves() if curve != method}
        why = f"{method} ends below " + ", ".join(f"{curve} {word(fine, 'yes', 'no')}" for curve, fine in beaten.items()) + "."
        return ends_table(kept, [kept.key]) + "\n" + verdict(list(beaten.values()), why)

    return claim


def trains_when_clipped(pairs, classes):
    """In each pair the clipped curve fails in no run, the other one fails in every run at some η, and at the best η of either the
    clipped one ends no worse. A run fails where it diverged, or where its last loss is not more than 5 % below that of guessing,
    ln(classes)."""
    bound = (1 - ALIKE) * math.log(classes)

    def claim(kept):
        rows, failed, every = [], {}, {}
        for curve in (curve for pair in pairs for curve in pair):
            for value in kept.values():
                runs, diverged = kept.runs.get((curve, value, kept.key), []), kept.diverged.get((curve, value), 0)
                place = (curve, value)
                every[place], failed[place] = len(runs) + diverged, diverged + sum(run[-1][1] > bound for run in runs)
                ends = [last(kept.of(curve, value, key)).text() if runs else "–" for key in (kept.key, "eval_accuracy")]
                rows.append([curve, value, str(every[place]), str(diverged), str(failed[place]), *ends])
        holds, said, best = [], [], []
        for clipped, free in pairs:
            holds.append(all(failed[clipped, value] == 0 for value in kept.values()))
            holds.append(any(failed[free, value] == every[free, value] for value in kept.values()))
            said += [f"{curve} {sum(failed[curve, value] for value in kept.values())} of "
                     f"{sum(every[curve, value] for value in kept.values())}" for curve in (clipped, free)]
            ends = {curve: min((last(kept.of(curve, value)) for value in kept.values() if failed[curve, value] == 0),
                               key=lambda mean: mean.mean, default=None) for curve in (clipped, free)}
            holds.append(ends[free] is None or ends[clipped] is not None and no_worse(ends[clipped], ends[free], kept.key))
            best += [f"{curve} {mean.text() if mean else 'none'}" for curve, mean in ends.items()]
        why = (f"Runs that diverged, or ended with a loss above {bound:.3g}, 5 % below that of guessing: " + "; ".join(said) +
               ". Last loss at the best η of those where no run failed: " + "; ".join(best) + ".")
        head = ["curve", kept.facts["parameter"], "runs", "diverged", "failed", f"last {kept.key}", "last eval_accuracy"]
        return table(head, rows) + "\n" + verdict(holds, why)

    return claim


def costs_table(kept, keys):
    """The last value of each key on each curve, and what the runs cost."""
    rows = []
    for curve in kept.curves():
        means = [last(kept.of(curve, key=key)) for key in keys]
        rows.append([curve, str(means[0].n)] + [mean.text() for mean in means] +
                    [f"{kept.end(curve, 'bytes').mean / 1e6:.4g}", f"{kept.end(curve, 'seconds').mean:.3g}"])
    return table(["curve", "n"] + [f"last {key}" for key in keys] + ["MB of a client", "seconds"], rows)


def keeps_the_loss(method, rival, baseline, intervals):
    """At each interval the method's last validation loss is no worse than that of the baseline, which talks at every step, and
    below that of the rival, which sends as much."""

    def claim(kept):
        base = last(kept.of(baseline, key="eval_loss"))
        holds, said = [], []
        for interval in intervals:
            own, other = (last(kept.of(f"{name}, I = {interval}", key="eval_loss")) for name in (method, rival))
            near, ahead = no_worse(own, base, "eval_loss"), below(own, other)
            holds += [near, ahead]
            said.append(f"at I = {interval} {apart(own, base, 'eval_loss')} against {baseline}, {word(near, 'no worse', 'worse')}, "
                        f"and below {rival} {word(ahead, 'yes', 'no')}")
        why = f"Validation loss of {method}: " + "; ".join(said) + "."
        return costs_table(kept, [kept.key, "eval_loss"]) + "\n" + verdict(holds, why)

    return claim


def few_values_suffice(full):
    """Each other curve's last validation loss is no worse than that of full messages, and its bytes are at most a tenth of theirs."""

    def claim(kept):
        base, most = last(kept.of(full, key="eval_loss")), kept.end(full, "bytes").mean
        holds, said = [], []
        for curve in kept.curves():
            if curve == full:
                continue
            own, share = last(kept.of(curve, key="eval_loss")), kept.end(curve, "bytes").mean / most
            near = no_worse(own, base, "eval_loss")
            holds += [near, share <= 0.1]
            said.append(f"{curve} {apart(own, base, 'eval_loss')}, {word(near, 'no worse', 'worse')}, with {share * 100:.3g} % of the "
                        "bytes")
        why = f"Validation loss against {full}: " + "; ".join(said) + "."
        return costs_table(kept, [kept.key, "eval_loss"]) + "\n" + verdict(holds, why)

    return claim


def stuck_or_not(stuck, free):
    """The stuck curve never changes; the others end at the minimum, within a thousandth."""

    def claim(kept):
        rows, holds, said = [], [], []
        for curve in (stuck, *free):
            ys = [y for _, y in kept.of(curve)[0]]
            holds.append(len(set(ys)) == 1 and ys[0] > 0 if curve == stuck else ys[-1] < 1e-3)
            reached = reaches(kept.of(curve)[0], 1e-3, False)
            said.append(f"{curve} " + (f"in round {reached:g}" if reached is not None else "never"))
            rows.append([curve, *(f"{y:.4g}" for y in (*ys[:3], ys[-1]))])
        why = "At the minimum, within a thousandth: " + ", ".join(said) + "."
        return table(["distance to the minimum", "round 1", "round 2", "round 3", "last round"], rows) + "\n" + verdict(holds, why)

    return claim


FEDERATED = ["fed-lamb", "fed-adam", "fed-ams", "fedavg"]
OVERVIEW = "overview"  # the block with one row for each claim
CLIPPED, OVER_BYTES = "-clipped_fraction", "-over-bytes"


class Claim(typing.NamedTuple):
    """What a block rests on."""

    says: str  # the claim in a few words
    figures: list
    compute: typing.Callable  # takes the kept metrics of the figures, returns Markdown with a verdict
    kinds: list = [""]  # of each figure's pictures: the ends of their names; "" is the figure's first one


CLAIMS = {  # by the block's name, which begins with the letter of its section
    "a-images": Claim("CELGC ends as naive parallel clipping does, images", ["celgc-images-small"],
                      same_as_baseline("naive-clip", "eval_accuracy")),
    "a-ptb": Claim("CELGC ends as naive parallel clipping does, Penn Treebank", ["celgc-ptb-small"],
                   same_as_baseline("naive-clip", "eval_perplexity")),
    "a-wikitext2": Claim("CELGC ends as naive parallel clipping does, WikiText-2", ["celgc-wikitext2-small"],
                         same_as_baseline("naive-clip", "eval_perplexity")),
    "b-images": Claim("steps to a target fall about N-fold, images", ["speedup-images-small"], speeds_up),
    "b-text": Claim("steps to a target fall about N-fold, text", ["speedup-text-small"], speeds_up),
    "c": Claim("CELGC clips more often than naive parallel clipping, and far more often on texts than on images",
               ["celgc-images-small", "celgc-ptb-small", "celgc-wikitext2-small"], clipped_more, [CLIPPED]),
    "d-shards": Claim("CELGC keeps up on unequal shards", ["unequal-shards-ptb-small"],
                      near_each_other(("celgc, I = 4", "naive-clip"), ("celgc, I = 4", "celgc, I = 4, equal shards"))),
    "d-six": Claim("CELGC keeps up with 6 of 8 clients", ["six-of-eight-ptb-small"],
                   near_each_other(("celgc, I = 4, 6 of 8", "naive-clip, 6 of 8"), ("celgc, I = 4, 6 of 8", "celgc, I = 4, 8 of 8"))),
    "d-batch": Claim("CELGC keeps up with large batches", ["large-batch-images-small"],
                     near_each_other(("celgc, I = 2", "naive-clip"), ("celgc, I = 8", "naive-clip"))),
    "e": Claim("EPISODE wins as clients become less alike, images", ["episode-similarity-small"],
               best_where_hard("episode", ["0", "10"], "100")),
    "e-tweets": Claim("EPISODE wins as clients become less alike, tweets", ["episode-tweets-small"],
                      best_where_hard("episode", ["0", "10"])),
    "e-synthetic": Claim("EPISODE ends lowest, synthetic data", ["synthetic-heterogeneity"], below_all("episode")),
    "e-stuck": Claim("CELGC is stuck where EPISODE and Clip21 are not", ["stuck-pair"], stuck_or_not("celgc", ["episode", "clip21"])),
    "f-participation": Claim("EPISODE++ wins as fewer clients take part, images", ["episode-pp-participation-small"],
                             best_where_hard("episode++", ["2", "4"])),
    "f-similarity": Claim("EPISODE++ wins as clients become less alike, images", ["episode-pp-similarity-small"],
                          best_where_hard("episode++", ["0", "10"])),
    "f-tweets": Claim("EPISODE++ wins as fewer clients take part, tweets", ["episode-pp-tweets-small"],
                      best_where_hard("episode++", ["2", "4"])),
    "g-mnist": Claim("FED-LAMB needs about half the rounds of FED-AMS, MNIST", ["fed-lamb-mnist-small"], half_the_rounds),
    "g-fashion": Claim("FED-LAMB needs about half the rounds of FED-AMS, Fashion-MNIST", ["fed-lamb-fashion-small"], half_the_rounds),
    "g-alike": Claim("FED-LAMB is the fastest with clients that are alike", ["fed-lamb-iid-small"],
                     fastest("1 local epoch", "3 local epochs")),
    "g-resnet9": Claim("FED-LAMB, FED-ADAM, FED-AMS, FedAvg end in this order, ResNet-9", ["fed-lamb-resnet9-small"],
                       ends_in_order(FEDERATED)),
    "g-resnet18": Claim("FED-LAMB, FED-ADAM, FED-AMS, FedAvg end in this order, ResNet-18", ["fed-lamb-resnet18-small"],
                        ends_in_order(FEDERATED)),
    "h": Claim("generalized SignSGD is on par with Adam, and Adam needs no clipping", ["sign-sgd-transformer-small"],
               near_each_other(("sign-sgd-gen", "adam"), ("adam, clipped at 1", "adam"))),
    "h-updates": Claim("Adam's updates are almost bounded", ["adam-updates-small"], nearly_bounded, ["-update_max"]),
    "i": Claim("the norm of the gradient falls under a tenth", ["gradient-norm-small"], falls_under_a_tenth),
    "j": Claim("SCAFFOLD and FedDyn fail at larger steps without clipping", ["clipped-corrections-small"],
               trains_when_clipped((("scaffold, clipped", "scaffold"), ("feddyn, clipped", "feddyn")), 10)),
    "k": Claim("DiLoCo keeps the loss of training that talks at every step, LSTM", ["diloco-text-small"],
               keeps_the_loss("diloco", "celgc", "adam", [4, 30, 100]), ["", OVER_BYTES]),
    "k-gpt2": Claim("DiLoCo keeps the loss of training that talks at every step, Transformer", ["diloco-gpt2-small"],
                    keeps_the_loss("diloco", "celgc", "adam", [4, 30, 100]), ["", OVER_BYTES]),
    "l": Claim("the largest values of a message suffice", ["topk-text-small"], few_values_suffice("full messages")),
}


def source_of(kept):
    facts = kept.facts
    grid, minutes = facts.get("grid_runs", 0), (facts["training_seconds"] + facts.get("grid_seconds", 0)) / 60
    spent = f"{minutes:.3g}" if minutes >= 0.1 else "under 0.1"
    lines = [f"`tacet figure {facts['figure']}`: {facts['runs']} runs{f' and {grid} more of grids' if grid else ''}, {spent} core "
             f"minutes, tacet {', '.join(facts['versions'])}."]
    lines += [f"{note}." for note in facts["notes"]]
    return " ".join(lines) + "\n"


def shown(kept, folder, kinds):
    """The Markdown of a figure's pictures."""
    lines = []
    for kind in kinds:
        path = folder / f"{kept.facts['figure']}{kind}.svg"
        if not path.exists():
            raise SystemExit(f"verdicts: {path} must be a picture of the kept figure, got none")
        title = kept.facts["title"] + kind.replace("-", ", ", 1).replace("-", " ")
        lines.append(f"![{title}]({folder.name}/{path.name})\n")
    return "".join(lines)


def block(claim, folder):
    """The text between a block's marks."""
    missing = [figure for figure in claim.figures if not (folder / f"{figure}.json").exists()]
    if missing:
        return "**Verdict: not run yet.** " + " ".join(f"`tacet figure {figure}` runs it." for figure in missing) + "\n"
    kept = [Kept(folder, figure) for figure in claim.figures]
    return ("\n".join(source_of(one) for one in kept) + "\n" + claim.compute(*kept) + "\n" +
            "".join(shown(one, folder, claim.kinds) for one in kept))


def overview(blocks):
    """One row for each claim: what it says, its verdict, and the figures that it rests on."""
    rows = []
    for name, claim in CLAIMS.items():
        said = re.search(r"\*\*Verdict: (.*?)\.\*\*", blocks[name]).group(1)
        rows.append([f"({name[0]}) {claim.says}", said, ", ".join(f"`{figure}`" for figure in claim.figures)])
    return table(["claim", "verdict", "figures"], rows)


def page_of(text, folder):
    """The page with every block written anew. An unknown block, and a claim without one, are errors."""
    names = [match.group(1) for match in BLOCK.finditer(text)]
    for name in names:
        if name not in CLAIMS and name != OVERVIEW:
            raise SystemExit(f"verdicts: docs/results.md: {name} is no claim; the claims are {', '.join(CLAIMS)}")
    lacking = [name for name in (OVERVIEW, *CLAIMS) if names.count(name) != 1]
    if lacking:
        raise SystemExit(f"verdicts: docs/results.md must have one block for each claim, has not for {', '.join(lacking)}")

    blocks = {name: block(claim, folder) for name, claim in CLAIMS.items()}
    blocks[OVERVIEW] = overview(blocks)

    def fresh(match):
        name = match.group(1)
        return f"<!-- generated: {name} -->\n{blocks[name]}<!-- end of generated: {name} -->\n"

    return BLOCK.sub(fresh, text)


def pictures():
    """The kinds of pictures that claims show, by figure."""
    out = collections.defaultdict(set)
    for claim in CLAIMS.values():
        for figure in claim.figures:
            out[figure].update(claim.kinds)
    return out


def unused(folder):
    """Kept files of which no claim makes use."""
    files = {f"{figure}{end}" for figure, kinds in pictures().items()
             for end in (".json", ".csv.xz", *(f"{kind}.svg" for kind in kinds))}
    return [path.name for path in sorted(folder.glob("*")) if path.name not in files]


def keep(source, folder):
    """Keeps the metrics of a figure that was drawn into `source`, and the pictures of it that claims show."""

    def drawn(name):
        path = source / name
        if not path.exists():
            raise SystemExit(f"verdicts: {path} must be a file that `tacet figure` has written, got none")
        return path.read_bytes()

    facts = drawn("figure.json")
    name = json.loads(facts)["figure"]
    files = {f"{name}{kind}.svg": drawn(f"figure{kind}.svg") for kind in pictures()[name]}
    packed = lzma.compress(drawn("points.csv"), preset=9 | lzma.PRESET_EXTREME)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in {f"{name}.json": facts, f"{name}.csv.xz": packed, **files}.items():
        (folder / file).write_bytes(content)
    print(f"kept {name}: {len(packed)} bytes")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="write the page's numbers anew")
    parser.add_argument("--keep", nargs="+", type=pathlib.Path, metavar="FOLDER", help="keep the metrics of these figures")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs" / "results.md", help="default: %(default)s")
    options = parser.parse_args(arguments)
    folder = options.page.with_suffix("")
    if options.keep:
        for source in options.keep:
            keep(source, folder)
        return 0
    strays = unused(folder)
    if strays:
        print(f"verdicts: no claim uses {', '.join(strays)} of {folder}")
        return 1
    text = options.page.read_text(encoding="utf-8")
    fresh = page_of(text, folder)
    if fresh == text:
        return 0
    if options.write:
        options.page.write_text(fresh, encoding="utf-8")
        return 0
    for was, now in zip(BLOCK.finditer(text), BLOCK.finditer(fresh)):
        if was.group(2) != now.group(2):
            print(f"verdicts: {options.page}: the block {was.group(1)} differs from what the kept metrics give:\n{now.group(2)}")
    print("scripts/verdicts.py --write writes the page's numbers anew")
    return 1


if __name__ == "__main__":
    sys.exit(main())
