"""A training loop of one's own with a method of tacet: the five lines that turn a DistributedDataParallel script into CELGC are
marked. Each process is one client.

    python own_loop.py                                        # one process
    tacet launch --workers 2 -- python own_loop.py            # two
    torchrun --nproc_per_node 2 own_loop.py                   # two
    mpirun -n 2 python own_loop.py                            # two

The workers meet by the launcher's variables. Where a script has called torch.distributed.init_process_group, they talk by that group."""

import torch
from torch import nn

import tacet  # 1


def main():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
    opt = tacet.optim.CELGC(net.parameters(), eta=0.2, gamma=0.2, interval=4)  # 2: was DDP(net) and SGD
    schedule = torch.optim.lr_scheduler.StepLR(opt, step_size=100, gamma=0.5)
    data = torch.Generator().manual_seed(100 + opt.rank)  # each client's own data
    for step in range(200):
        x = torch.randn(32, 20, generator=data)
        y = (x[:, 0] + 0.5 * x[:, 1] > 0).long()
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        schedule.step()
    opt.synchronize()  # 3: the mean of all workers, where the last round was not whole
    if opt.rank == 0:
        print("loss %.4f after %d communications" % (loss.item(), opt.metrics["communications"]))


if __name__ == "__main__":
    main()
