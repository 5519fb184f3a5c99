"""Federated averaging of logistic regression on MNIST's files in plain PyTorch: in a round some of many clients take one
epoch of SGD each, then their models are averaged. Every tenth round is evaluated. The images stay in memory as floats; the
time is that of the rounds and evaluations, without start-up and reading."""

import gzip
import pathlib
import time

import torch
import torch.nn.functional as F

import timing


def read_idx(folder, name, dimensions):
    path = pathlib.Path(folder) / name
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    return torch.frombuffer(bytearray(data[4 + 4 * dimensions:]), dtype=torch.uint8)


def read_split(folder, prefix):
    images = read_idx(folder, prefix + "-images-idx3-ubyte", 3).view(-1, 784).float()
    return (images / 255 - 0.1307) / 0.3081, read_idx(folder, prefix + "-labels-idx1-ubyte", 1).long()


def main():
    o = timing.arguments(__doc__, data=".", clients=1000, participating=10, batch=10, rounds=100, eval_every=10)
    images, labels = read_split(o.data, "train")
    test_images, test_labels = read_split(o.data, "t10k")
    shares = torch.randperm(len(images)).view(o.clients, -1)
    model = torch.nn.Linear(784, 10)
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.03)

    def local_epoch(share):
        for batch in share[torch.randperm(len(share))].split(o.batch):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()

    def one_round():
        start = [p.detach().clone() for p in parameters]
        total = [torch.zeros_like(p) for p in parameters]
        for client in torch.randperm(o.clients)[:o.participating]:
            with torch.no_grad():
                for p, s in zip(parameters, start):
                    p.copy_(s)
            local_epoch(shares[client])
            with torch.no_grad():
                for p, t in zip(parameters, total):
                    t += p
        with torch.no_grad():
            for p, t in zip(parameters, total):
                p.copy_(t / o.participating)

    def evaluate():
        with torch.no_grad():
            scores = model(test_images)
            return F.cross_entropy(scores, test_labels).item(), (scores.argmax(1) == test_labels).float().mean().item()

    one_round()
    timing.ready(o)
    before, begin = timing.faults(), time.perf_counter()
    for r in range(1, o.rounds + 1):
        one_round()
        if r % o.eval_every == 0:
            evaluate()
    seconds = time.perf_counter() - begin
    steps = o.rounds * o.participating * (shares.size(1) // o.batch)
    timing.report(o, parameters, seconds, (timing.faults() - before) / steps)


if __name__ == "__main__":
    main()
