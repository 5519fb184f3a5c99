"""A worker of test_optim.py: a training loop of its own on the batches that a run of tacet.train drew.

    loop.py METHOD OPTIONS BATCHES MODEL GROUP  (OPTIONS is JSON; GROUP is "placed" or "torch")

It writes the final parameters to MODEL."""

import datetime
import json
import os
import sys

import torch

import program
import tacet


def plain_net():
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def main(method, options, batches, model, group):
    options = json.loads(options)
    rank = int(os.environ["RANK"])
    if group == "torch":
        torch.distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    drawn = torch.load(batches)[rank]
    torch.set_num_threads(1)
    net = plain_net()
    if rank > 0:  # all begin with rank 0's
        with torch.no_grad():
            net[0].weight.zero_()
    opt = tacet.optim.Local(net.parameters(), algorithm=method, **options)
    for batch in drawn:
        opt.zero_grad()
        program.mean_loss(net, batch).backward()
        opt.step()
    assert opt.between_rounds, "the batches are whole rounds"
    torch.save({"parameters": [p.detach().clone() for p in net.parameters()], "metrics": opt.metrics}, model + str(rank))


if __name__ == "__main__":
    main(*sys.argv[1:])
