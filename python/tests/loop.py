"""A worker of test_optim.py: training loops of its own on the batches that runs of tacet.train drew, one after the other.

    loop.py JOBS MODELS GROUP  (GROUP: "placed" by a launcher's variables, or "torch" for torch.distributed's group)

JOBS is a file with (method, options, batches by rank, staged); staged messages and vectors go through the copies that a GPU needs. The
final parameters go to MODELS-METHOD-RANK. Then worker 1 stops to take part, and worker 0 ends with exit code 3: a placed worker 1
ends, another one stays, silent, until its standard input is closed."""

import datetime
import os
import sys

import torch

import program
import tacet


def plain_net():
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def train(net, opt, batches):
    for batch in batches:
        opt.zero_grad()
        program.mean_loss(net, batch).backward()
        opt.step()


def refuse_other_starts(rank, out):
    """Prints what tacet.train says of workers whose modules begin with other weights."""
    try:
        program.trained(model=program.net(seed=rank), out=out)
    except tacet.UserError as error:
        print("refused:", error, flush=True)


def freeze(rank, timeout):
    """Checks that frozen parameters become rank 0's, and prints what is said of workers that have frozen others."""
    net, first = plain_net(), plain_net()
    net[0].requires_grad_(False)
    if rank > 0:
        with torch.no_grad():
            net[0].weight.zero_()
    tacet.optim.FedAvg(net.parameters(), eta=0.1, timeout=timeout)
    assert torch.equal(net[0].weight, first[0].weight)
    if rank > 0:
        with torch.no_grad():
            net[0].weight.zero_()
    net.register_parameter("whole", torch.nn.Parameter(torch.tensor([7 + rank, 2]), requires_grad=False))
    with tacet.LocalSteps(net, torch.optim.SGD(net[2].parameters(), 0.1), interval=1, timeout=timeout):
        assert torch.equal(net[0].weight, first[0].weight)
        assert net.whole.tolist() == [7, 2]
    net[0].requires_grad_(rank == 0)
    refused(lambda: tacet.optim.FedAvg(net[:3].parameters(), eta=0.1, timeout=timeout))


def refused(work):
    """Prints what is said of workers that differ."""
    try:
        work()
    except tacet.UserError as error:
        print("refused:", error, flush=True)


def differ(rank, timeout):
    """Prints what is said of workers with other seeds, intervals and rates."""
    def enter():
        with tacet.LocalSteps(net, torch.optim.SGD(net.parameters(), 0.1), interval=2 + rank, timeout=timeout):
            pass

    def step():
        opt = tacet.optim.FedAvg(net.parameters(), eta=0.1, interval=1, timeout=timeout)
        opt.param_groups[0]["lr"] /= 1 + rank
        train(net, opt, [program.dataset().tensors])

    net = plain_net()
    refused(lambda: tacet.optim.Local(net.parameters(), algorithm="scaffnew", eta=0.1, interval=4, seed=1 + rank, timeout=timeout))
    refused(lambda: tacet.optim.FedAvg(net.parameters(), eta=0.1, interval=2 + rank, timeout=timeout))
    refused(enter)
    refused(step)


def figures_go_on(opt, method, options, timeout):
    """Checks that an optimizer goes on with the figures of a saved state."""
    again = tacet.optim.Local(plain_net().parameters(), algorithm=method, timeout=timeout, **options)
    again.load_state_dict(opt.state_dict())
    for name in ("rounds", "communications", "bytes_sent"):
        assert again.metrics[name] == opt.metrics[name] > 0, name


def meet(group):
    if group == "placed":
        return
    os.environ["MASTER_PORT"] = os.environ["SECOND_PORT"]
    torch.distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))


def stage(staged):
    tacet.optim._needs_copies = lambda device: staged
    tacet._groups._staging_device = lambda group: torch.device("cpu") if staged else None


def main(jobs, models, group):
    rank = int(os.environ["RANK"])
    torch.set_num_threads(1)
    if group == "torch":
        refuse_other_starts(rank, models + "-refused")
    meet(group)
    timeout = 15 if group == "torch" else 60
    freeze(rank, timeout)
    differ(rank, timeout)
    for method, options, drawn, staged in torch.load(jobs):
        stage(staged)
        net = plain_net()
        if rank > 0:  # all begin with rank 0's
            with torch.no_grad():
                net[0].weight.zero_()
        opt = tacet.optim.Local(net.parameters(), algorithm=method, timeout=timeout, **options)
        train(net, opt, drawn[rank])
        assert opt.between_rounds, "the batches are whole rounds"
        figures_go_on(opt, method, options, timeout)
        torch.save({"parameters": [p.detach().clone() for p in net.parameters()], "metrics": opt.metrics},
                   "%s-%s-%d" % (models, method, rank))
    if rank == 0:
        train(net, opt, drawn[0])
    elif group != "placed":
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
