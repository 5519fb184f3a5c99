"""What a step costs in Python with tacet and without, in turns: a perceptron of 1 M parameters at batch 32, and one of 1,000 for
the fixed part. The plain loop clips the gradient's norm and steps, as the method does. Prints the median and the least time of a
step over the turns, by the clock and of the processor (all threads), and what it is more than the plain loop's.

    PYTHONPATH=build/release/python python3 python/benchmarks/step_overhead.py"""

import statistics
import time

import torch
from torch import nn
from torch.utils.data import TensorDataset

import tacet

STEPS, TURNS = 200, 9


def net(width):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def measured(steps):
    """Returns the seconds that `steps` takes a step, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    steps()
    return (time.perf_counter() - clock) / STEPS, (time.process_time() - processor) / STEPS


def loop(model, opt, data, before_step=lambda: None):
    order = torch.arange(len(data))

    def steps():
        for step in range(STEPS):
            pick = order[32 * step % 4096:32 * step % 4096 + 32]
            opt.zero_grad()
            loss(model, [t[pick] for t in data.tensors]).backward()
            before_step()
            opt.step()

    return measured(steps)


def plain(width, data):
    model = net(width)
    return loop(model, torch.optim.SGD(model.parameters(), 0.01), data,
                lambda: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))


def with_optim(width, data):
    model = net(width)
    return loop(model, tacet.optim.CELGC(model.parameters(), eta=0.01, gamma=0.01, interval=8), data)


def with_train(width, data):
    recipe = {"data": {"batch_size": 32}, "algorithm": {"name": "celgc", "eta": 0.01, "gamma": 0.01, "interval": 8},
              "clients": {"count": 1}, "schedule": {"rounds": STEPS // 8}, "run": {"eval_every": 0, "checkpoint_every": 0}}
    processor = time.process_time()
    run = tacet.train(recipe, model=net(width), loss=loss, data=data, quiet=True)
    return run.summary["seconds"] / STEPS, (time.process_time() - processor) / STEPS


def main():
    torch.set_num_threads(1)
    data = TensorDataset(torch.randn(8192, 64), torch.randint(10, (8192,)))
    for width in (8, 960):
        size = sum(p.numel() for p in net(width).parameters())
        times = {f: [] for f in (plain, with_optim, with_train)}
        for _ in range(TURNS):
            for f in times:
                times[f].append(f(width, data))
        for name, which in (("clock", 0), ("processor", 1)):
            seconds = {f: [t[which] for t in of] for f, of in times.items()}
            for f, of in seconds.items():
                middle, least = statistics.median(of), min(of)
                base, floor = statistics.median(seconds[plain]), min(seconds[plain])
                print("%7d parameters  %-9s  %-10s  median %8.1f us %+7.1f us %+6.1f %%   least %8.1f us %+7.1f us %+6.1f %%" %
                      (size, name, f.__name__, 1e6 * middle, 1e6 * (middle - base), 100 * (middle / base - 1),
                       1e6 * least, 1e6 * (least - floor), 100 * (least / floor - 1)), flush=True)


if __name__ == "__main__":
    main()
