"""Prints what a step costs in Python with tacet and without: a perceptron of 1 M parameters at batch 32, and one of 1,000 for the
fixed part. The plain loop clips the gradient's norm and steps, as the method does. A machine's speed changes within seconds, so
the loops take turns of 25 steps, and each turn's time is divided by the plain loop's of the same turn. Printed are medians over
the turns, with the quartiles of the ratio, by the clock and of the processor (all threads). tacet.train runs 200 steps a turn,
between two turns of the plain loop.

    PYTHONPATH=build/release/python python3 python/benchmarks/step_overhead.py"""

import statistics
import time

import torch
from torch import nn
from torch.utils.data import TensorDataset

import tacet

STEPS, TURNS = 25, 80
TRAIN_STEPS, TRAIN_TURNS = 200, 12


def net(width):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def measured(steps, count):
    """Returns the seconds that one of the `count` steps takes, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    steps()
    return (time.perf_counter() - clock) / count, (time.process_time() - processor) / count


def loop(model, opt, data, before_step=lambda: None):
    """Returns a function that takes the loop's next 25 steps."""
    order, taken = torch.arange(len(data)), [0]

    def steps():
        for _ in range(STEPS):
            begin = 32 * taken[0] % 4096
            taken[0] += 1
            pick = order[begin:begin + 32]
            opt.zero_grad()
            loss(model, [t[pick] for t in data.tensors]).backward()
            before_step()
            opt.step()

    return steps


def plain(width, data):
    model = net(width)
    return loop(model, torch.optim.SGD(model.parameters(), 0.01), data,
                lambda: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))


def with_optim(width, data):
    model = net(width)
    return loop(model, tacet.optim.CELGC(model.parameters(), eta=0.01, gamma=0.01, interval=8), data)


def with_train(width, data):
    """Returns the times of a step in a run of tacet.train, without those of its start and end."""
    recipe = {"data": {"batch_size": 32}, "algorithm": {"name": "celgc", "eta": 0.01, "gamma": 0.01, "interval": 8},
              "clients": {"count": 1}, "schedule": {"rounds": TRAIN_STEPS // 8}, "run": {"eval_every": 0, "checkpoint_every": 0}}
    processor = time.process_time()
    run = tacet.train(recipe, model=net(width), loss=loss, data=data, quiet=True)
    return run.summary["seconds"] / TRAIN_STEPS, (time.process_time() - processor) / TRAIN_STEPS


def show(size, name, pairs):
    """Prints the medians of (plain, other) and of their ratio, for the clock and the processor."""
    for which, word in enumerate(("clock", "processor")):
        base, other = [p[which] for p, _ in pairs], [o[which] for _, o in pairs]
        low, middle, high = statistics.quantiles([o / p for o, p in zip(other, base)])
        print("%7d parameters  %-9s  %-10s  %8.1f us  plain %8.1f us  %+7.1f us  %+5.1f %% (quartiles %+.1f to %+.1f)  %d turns" %
              (size, word, name, 1e6 * statistics.median(other), 1e6 * statistics.median(base),
               1e6 * statistics.median([o - p for o, p in zip(other, base)]), 100 * (middle - 1), 100 * (low - 1), 100 * (high - 1),
               len(pairs)), flush=True)


def main():
    torch.set_num_threads(1)
    data = TensorDataset(torch.randn(8192, 64), torch.randint(10, (8192,)))
    for width in (8, 960):
        size = sum(p.numel() for p in net(width).parameters())
        ours, theirs = with_optim(width, data), plain(width, data)
        ours(), theirs()
        show(size, "optim", [(measured(theirs, STEPS), measured(ours, STEPS)) for _ in range(TURNS)])

        pairs = []
        for _ in range(TRAIN_TURNS):
            before, run, after = measured(theirs, STEPS), with_train(width, data), measured(theirs, STEPS)
            pairs.append(([(b + a) / 2 for b, a in zip(before, after)], run))
        show(size, "train", pairs)


if __name__ == "__main__":
    main()
