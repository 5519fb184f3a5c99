"""What a step costs in Python with tacet and without, in turns: a perceptron of 1 M parameters at batch 32, and one of 1,000 for
the fixed part. Prints microseconds a step and the difference.

    PYTHONPATH=build/release/python python3 python/benchmarks/step_overhead.py"""

import statistics
import time

import torch
from torch import nn
from torch.utils.data import TensorDataset

import tacet

STEPS, TURNS = 200, 5


def net(width):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def plain(width, data):
    model = net(width)
    opt = torch.optim.SGD(model.parameters(), 0.01)
    order = torch.arange(len(data))
    begin = time.perf_counter()
    for step in range(STEPS):
        pick = order[32 * step % 4096:32 * step % 4096 + 32]
        opt.zero_grad()
        loss(model, [t[pick] for t in data.tensors]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    return (time.perf_counter() - begin) / STEPS


def with_optim(width, data):
    model = net(width)
    opt = tacet.optim.CELGC(model.parameters(), eta=0.01, gamma=0.01, interval=8)
    order = torch.arange(len(data))
    begin = time.perf_counter()
    for step in range(STEPS):
        pick = order[32 * step % 4096:32 * step % 4096 + 32]
        opt.zero_grad()
        loss(model, [t[pick] for t in data.tensors]).backward()
        opt.step()
    return (time.perf_counter() - begin) / STEPS


def with_train(width, data):
    recipe = {"data": {"batch_size": 32}, "algorithm": {"name": "celgc", "eta": 0.01, "gamma": 0.01, "interval": 8},
              "clients": {"count": 1}, "schedule": {"rounds": STEPS // 8}, "run": {"eval_every": 0, "checkpoint_every": 0}}
    run = tacet.train(recipe, model=net(width), loss=loss, data=data, quiet=True)
    return run.summary["seconds"] / (STEPS // 8 * 8)


def main():
    torch.set_num_threads(1)
    data = TensorDataset(torch.randn(8192, 64), torch.randint(10, (8192,)))
    for width in (8, 960):
        size = sum(p.numel() for p in net(width).parameters())
        times = {f: [] for f in (plain, with_optim, with_train)}
        for _ in range(TURNS):
            for f in times:
                times[f].append(f(width, data))
        base = statistics.median(times[plain])
        for f, seconds in times.items():
            middle = statistics.median(seconds)
            print("%7d parameters  %-10s %8.1f us a step (%8.1f … %8.1f)  %+7.1f us  %+6.1f %%" %
                  (size, f.__name__, 1e6 * middle, 1e6 * min(seconds), 1e6 * max(seconds), 1e6 * (middle - base),
                   100 * (middle / base - 1)))


if __name__ == "__main__":
    main()
