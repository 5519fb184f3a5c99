"""tacet.optim: a loop of one's own gives the bits of tacet.train on the same batches, for each method, alone and with two workers;
state, schedulers and early ends of rounds. Mistakes are in test_optim_mistakes.py."""

import gc
import os
import pathlib
import subprocess
import sys
import unittest
import weakref

import torch
from torch.utils.data import Dataset

import loop
import program
import tacet

METHODS = {"celgc": {"eta": 0.2, "gamma": 0.1, "interval": 4}, "episode": {"eta": 0.2, "gamma": 0.1, "interval": 4},
           "episode++": {"eta": 0.2, "gamma": 0.1, "interval": 4}, "scaffold": {"eta": 0.1, "interval": 4},
           "fed-lamb": {"eta": 0.01, "interval": 4}, "naive-clip": {"eta": 0.2, "gamma": 0.1}, "scaffnew": {"eta": 0.1, "interval": 4}}
REFUSED = ("celgc-partial", "celgc-overlap", "diloco-streaming")  # between rounds their clients are not at the common model


def options_of(method):
    """Options with which any method runs."""
    if method["name"] in METHODS:
        return METHODS[method["name"]]
    given = {"eta": 0.05, "gamma": 0.1, "interval": 4, "message": "f32", "weighted": False}
    known = {option["name"] for option in method["options"]}
    return {name: value for name, value in given.items() if name in known}


class Recording(Dataset):
    """A client's samples, in whose `drawn` the samples stand in the order in which they were asked for."""

    def __init__(self, seed):
        self.samples, self.drawn = program.dataset(24, seed), []

    def __len__(self):
        return 24

    def __getitem__(self, k):
        self.drawn.append(k)
        return self.samples[k]

    def batches(self, size):
        x, y = self.samples.tensors
        return [(x[part], y[part]) for part in torch.tensor(self.drawn).split(size)]


def whole_run(method, options, clients, rounds):
    """The final parameters of tacet.train, each client's batches in their order, and the run."""
    data = [Recording(seed) for seed in range(clients)]
    net = loop.plain_net()
    recipe = {"data": {"batch_size": 6}, "algorithm": {"name": method, **options}, "clients": {"count": clients},
              "schedule": {"rounds": rounds}}
    run = tacet.train(recipe, model=net, loss=program.mean_loss, data=data, quiet=True)
    return [p.detach().clone() for p in net.parameters()], [d.batches(6) for d in data], run


def muons_step(g, eta):
    """MuLoCo's first step along a matrix, whose momentum is g: five polynomials in g/‖g‖, times η √(rows/cols)."""
    tall = g.shape[0] > g.shape[1]
    x = (g.T if tall else g) / (g.norm() + 1e-7)
    for a, b, c in ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046),
                    (2.8366, -3.0525, 1.2012)):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return eta * (g.shape[0] / g.shape[1]) ** 0.5 * (x.T if tall else x)


def adamws_step(g, eta):
    """AdamW's first step without decay: both moments, corrected, are g and g²."""
    return eta * g / (g.abs() + 1e-8)


class Words(torch.nn.Module):
    """The scores of single words."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.embedding = torch.nn.Embedding(6, 4)
        self.middle = torch.nn.Linear(4, 4)
        self.last = torch.nn.Linear(4, 3)

    def forward(self, words):
        return self.last(torch.tanh(self.middle(self.embedding(words))))


class Alone(program.Case):
    def muon_moves(self, net, params, batch):
        """The gradients at a batch, and what one step of muloco at η = 0.02 takes off the parameters. The outer step is the
        change itself: SGD with α = 1."""
        opt = tacet.optim.Local(params, algorithm="muloco", eta=0.02, interval=1, weight_decay=0.0, outer="sgd", outer_eta=1.0)
        before = [p.detach().clone() for p in net.parameters()]
        opt.zero_grad()
        program.mean_loss(net, batch).backward()
        gradients = [p.grad.clone() for p in net.parameters()]
        opt.step()
        return gradients, [x - p.detach() for x, p in zip(before, net.parameters())]

    def test_muon_steps_along_matrices(self):
        """The first layer's matrix is Muon's; the biases and the head, the last matrix, are AdamW's at 0.1 η."""
        net = loop.plain_net()
        gradients, moves = self.muon_moves(net, net.parameters(), program.dataset().tensors)
        for k, (g, move) in enumerate(zip(gradients, moves)):
            expected = muons_step(g, 0.02) if k == 0 else adamws_step(g, 0.002)
            self.assertTrue(torch.allclose(move, expected, rtol=1e-3, atol=1e-5), k)

    def test_muon_leaves_an_embedding_with_a_name_to_adamw(self):
        batch = torch.arange(12) % 6, torch.arange(12) % 3
        for named, expected in ((True, lambda g: adamws_step(g, 0.002)), (False, lambda g: muons_step(g, 0.02))):
            net = Words()
            gradients, moves = self.muon_moves(net, net.named_parameters() if named else net.parameters(), batch)
            self.assertTrue(torch.allclose(moves[0], expected(gradients[0]), rtol=1e-3, atol=1e-5), named)
            self.assertTrue(torch.allclose(moves[1], muons_step(gradients[1], 0.02), rtol=1e-3, atol=1e-5), named)

    def test_clipped_steps_are_the_papers(self):
        net, by_hand = loop.plain_net(), loop.plain_net()
        opt = tacet.optim.CELGC(net.parameters(), eta=0.2, gamma=0.1, interval=3)
        x, y = program.dataset().tensors
        for k in range(9):
            batch = x[8 * k:8 * k + 8], y[8 * k:8 * k + 8]
            opt.zero_grad()
            program.mean_loss(net, batch).backward()
            opt.step()
            by_hand.zero_grad()
            program.mean_loss(by_hand, batch).backward()
            norm = sum(p.grad.double().pow(2).sum() for p in by_hand.parameters()).sqrt()
            with torch.no_grad():
                for p in by_hand.parameters():
                    p -= min(0.2, 0.1 / norm.item()) * p.grad
        for p, q in zip(net.parameters(), by_hand.parameters()):
            self.assertTrue(torch.allclose(p, q, rtol=1e-5, atol=1e-7))
        self.assertEqual(opt.metrics["rounds"], 3)
        self.assertGreater(opt.metrics["clipped_fraction"], 0)

    def test_each_method_has_the_bits_of_a_run(self):
        for method in tacet.algorithms():
            name, options = method["name"], options_of(method)
            if name in REFUSED:
                continue
            final, batches, _ = whole_run(name, options, 1, 10)
            net = loop.plain_net()
            opt = tacet.optim.Local(net.parameters(), algorithm=name, **options)
            loop.train(net, opt, batches[0])
            self.assertTrue(opt.between_rounds, name)
            self.assertEqual(opt.metrics["rounds"], 10, name)
            for p, q in zip(net.parameters(), final):
                self.assertTrue(torch.equal(p, q), name)

    def test_corrections_are_told(self):
        net = loop.plain_net()
        opt = tacet.optim.Episode(net.parameters(), eta=0.1, gamma=0.1, interval=2)
        told = []
        for _ in range(6):
            before = net[0].weight.detach().clone()
            program.mean_loss(net, program.dataset().tensors).backward()
            opt.step()
            told.append(opt.correction)
            self.assertEqual(opt.correction, torch.equal(before, net[0].weight))
            opt.zero_grad()
        self.assertEqual(told, [True, False, False] * 2)
        self.assertIn("indicator", opt.metrics)

    def test_the_second_gradient_of_each_pair_of_i_nsgds_is_no_local_step(self):
        options = options_of(next(m for m in tacet.algorithms() if m["name"] == "i-nsgd"))
        net = loop.plain_net()
        opt = tacet.optim.Local(net.parameters(), algorithm="i-nsgd", **options)
        told = []
        for _ in range(10):  # more than a round of four pairs
            loop.train(net, opt, [program.dataset().tensors])
            told.append(opt.correction)
        self.assertEqual(told, [False, True] * 5)

    def test_schedulers_gradients_that_are_none_and_accumulation(self):
        net = loop.plain_net()
        opt = tacet.optim.FedAvg(net.parameters(), eta=0.1, interval=1)
        schedule = torch.optim.lr_scheduler.StepLR(opt, 1, gamma=0.5)
        batch = program.dataset().tensors
        for k in range(3):
            before = [p.detach().clone() for p in net.parameters()]
            net.zero_grad(set_to_none=True)
            for _ in range(2):
                (program.mean_loss(net, batch) / 2).backward()
            grads = [p.grad.clone() for p in net.parameters()]
            opt.step()
            for p, q, g in zip(net.parameters(), before, grads):
                self.assertTrue(torch.allclose(p, q - 0.1 * 0.5 ** k * g, atol=1e-7))
            schedule.step()

    def test_a_loss_in_mixed_precision(self):
        half, whole = loop.plain_net(), loop.plain_net()
        start = half[0].weight.detach().clone()
        batches = [program.dataset().tensors] * 4
        opt = tacet.optim.CELGC(half.parameters(), eta=0.2, gamma=0.1, interval=2)
        for batch in batches:
            opt.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = program.mean_loss(half, batch)
            value.backward()
            opt.step()
        loop.train(whole, tacet.optim.CELGC(whole.parameters(), eta=0.2, gamma=0.1, interval=2), batches)
        self.assertFalse(torch.equal(half[0].weight, whole[0].weight))  # it was computed in bfloat16
        moved = (whole[0].weight - start).norm()
        self.assertLess((half[0].weight - whole[0].weight).norm(), 0.05 * moved)

    def test_a_thousand_rounds_take_no_more_memory(self):
        net = loop.plain_net()
        opt = tacet.optim.Episode(net.parameters(), eta=0.1, gamma=0.1, interval=1)
        batch, pages = program.dataset(8).tensors, []
        for rounds in (300, 1000):
            loop.train(net, opt, [batch] * (2 * rounds))
            gc.collect()
            with open("/proc/self/statm", encoding="ascii") as file:
                pages.append(int(file.read().split()[1]))
        self.assertEqual(opt.metrics["rounds"], 1300)
        grown = (pages[1] - pages[0]) * os.sysconf("SC_PAGE_SIZE")
        print("1,000 rounds of tacet.optim took %d KiB more memory" % (grown // 1024), flush=True)
        self.assertLess(grown, 1 << 20)

    def test_a_saved_state_goes_on_with_the_same_bits(self):
        def some(net, opt, steps):
            for _ in range(steps):
                opt.zero_grad()
                program.mean_loss(net, program.dataset().tensors).backward()
                opt.step()

        options = {"algorithm": "fed-lamb", "eta": 0.01, "interval": 2}
        net = loop.plain_net()
        opt = tacet.optim.Local(net.parameters(), **options)
        some(net, opt, 4)
        torch.save([net.state_dict(), opt.state_dict()], self.path("saved"))
        some(net, opt, 1)
        self.mistake("between two rounds", opt.state_dict)
        some(net, opt, 3)
        again = loop.plain_net()
        other = tacet.optim.Local(again.parameters(), **options)
        model_state, state = torch.load(self.path("saved"))
        again.load_state_dict(model_state)
        other.load_state_dict(state)
        some(again, other, 4)
        self.assertEqual(other.metrics["rounds"], 4)
        for p, q in zip(net.parameters(), again.parameters()):
            self.assertTrue(torch.equal(p, q))

    def test_frozen_parameters_stay(self):
        net, rest = loop.plain_net(), loop.plain_net()
        net[0].requires_grad_(False)
        frozen = [p.detach().clone() for p in net[0].parameters()]
        options = {"eta": 0.1, "gamma": 0.1, "interval": 2, "weight_decay": 0.5}
        opt = tacet.optim.CELGC(net.parameters(), **options)
        loop.train(net, opt, [program.dataset().tensors] * 4)
        for p, q in zip(net[0].parameters(), frozen):
            self.assertTrue(torch.equal(p, q))
            self.assertIsNone(p.grad)
        rest[0].requires_grad_(False)
        loop.train(rest, tacet.optim.CELGC(rest[2].parameters(), **options), [program.dataset().tensors] * 4)
        self.assertTrue(torch.equal(net[2].weight, rest[2].weight))
        again = loop.plain_net()
        again[0].requires_grad_(False)
        tacet.optim.CELGC(again.parameters(), **options).load_state_dict(opt.state_dict())

    def test_a_round_ends_early(self):
        net = loop.plain_net()
        opt = tacet.optim.CELGC(net.parameters(), eta=0.1, gamma=0.1, interval=4)
        program.mean_loss(net, program.dataset().tensors).backward()
        opt.step()
        self.assertFalse(opt.between_rounds)
        here = net[0].weight.detach().clone()
        opt.synchronize()
        self.assertTrue(opt.between_rounds)
        self.assertTrue(torch.equal(here, net[0].weight))
        self.assertEqual(opt.metrics["communications"], 0)  # one worker talks to nobody

    def test_it_leaves_no_threads_and_no_tensors(self):
        threads = len(os.listdir("/proc/self/task"))
        for _ in range(3):
            net = loop.plain_net()
            opt = tacet.optim.CELGC(net.parameters(), eta=0.1, gamma=0.1, interval=2)
            program.mean_loss(net, program.dataset().tensors).backward()
            opt.step()
            gone = weakref.ref(opt)
            gc.disable()
            del opt, net
            gc.enable()
            self.assertIsNone(gone())
        self.assertEqual(len(os.listdir("/proc/self/task")), threads)

    def test_local_steps_around_another_optimizer(self):
        net, by_hand = loop.plain_net(), loop.plain_net()
        optimizer, other = (torch.optim.Adam(m.parameters()) for m in (net, by_hand))
        with tacet.LocalSteps(net, optimizer, interval=2) as local:
            for _ in range(3):
                for m, o in ((net, local), (by_hand, other)):
                    m.zero_grad()
                    program.mean_loss(m, program.dataset().tensors).backward()
                    o.step()
        for p, q in zip(net.parameters(), by_hand.parameters()):
            self.assertTrue(torch.equal(p, q))


    def test_an_outer_step_is_dilocos(self):
        net, by_hand = loop.plain_net(), loop.plain_net()
        outer = torch.optim.SGD(net.parameters(), lr=0.7, momentum=0.9, nesterov=True)
        common = [p.detach().clone() for p in by_hand.parameters()]
        momentum = [torch.zeros_like(p) for p in common]
        other = torch.optim.SGD(by_hand.parameters(), 0.1)
        batch = program.dataset().tensors
        with tacet.LocalSteps(net, torch.optim.SGD(net.parameters(), 0.1), interval=2, outer=outer) as local:
            for k in range(6):
                for m, o in ((net, local), (by_hand, other)):
                    m.zero_grad()
                    program.mean_loss(m, batch).backward()
                    o.step()
                if k % 2 == 0:
                    continue
                with torch.no_grad():
                    for p, x, m in zip(by_hand.parameters(), common, momentum):
                        change = x - p
                        m.mul_(0.9).add_(change)
                        x.sub_(0.7 * (change + 0.9 * m))
                        p.copy_(x)
        for p, q in zip(net.parameters(), by_hand.parameters()):
            self.assertTrue(torch.allclose(p, q, rtol=1e-5, atol=1e-7))

    def test_plain_averaging_is_an_outer_step_of_length_one(self):
        nets = loop.plain_net(), loop.plain_net()
        for net, outer in zip(nets, (None, torch.optim.SGD(nets[1].parameters(), lr=1))):
            with tacet.LocalSteps(net, torch.optim.SGD(net.parameters(), 0.1), interval=2, outer=outer) as local:
                loop.train(net, _Both(local), [program.dataset().tensors] * 3)
        for p, q in zip(nets[0].parameters(), nets[1].parameters()):
            self.assertTrue(torch.allclose(p, q, rtol=1e-6, atol=1e-7))


class _Both:
    """Steps of LocalSteps, and the zero_grad of its optimizer."""

    def __init__(self, local):
        self.step, self.zero_grad = local.step, local.optimizer.zero_grad


class TwoWorkers(program.Case):
    def start(self, rank, ports, group):
        environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0]),
                       "SECOND_PORT": str(ports[1]), "USE_LIBUV": "0"}  # Debian 13's torch has no libuv
        return subprocess.Popen([sys.executable, "-B", str(pathlib.Path(__file__).with_name("loop.py")), self.path("jobs"),
                                 self.path("model"), group], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def run_loops(self, methods, group, staged=""):
        """Two workers run each method with the bits of a run with two clients. Returns what they print, when at last worker 1 has
        stopped to take part and worker 0 has said so."""
        runs = {method: whole_run(method, METHODS[method], 2, 30) for method in methods}
        jobs = [(method, METHODS[method], batches, method == staged) for method, (_, batches, _) in runs.items()]
        torch.save(jobs, self.path("jobs"))
        ports = program.free_port(), program.free_port()
        first, second = (self.start(rank, ports, group) for rank in range(2))
        texts = [worker.communicate(timeout=200)[0] for worker in (first, second)]
        self.assertEqual(second.returncode, 0, texts)
        for method, (final, _, run) in runs.items():
            for rank in range(2):
                found = torch.load("%s-%s-%d" % (self.path("model"), method, rank))
                for p, q in zip(found["parameters"], final):
                    self.assertTrue(torch.equal(p, q), (method, rank))
                self.assertGreater(found["metrics"]["bytes_sent"], 0)
                self.assertEqual(found["metrics"]["communications"], run.summary["communications"], method)
        self.differences_are_told(texts)
        self.assertEqual(first.returncode, 3, texts)
        self.assertIn("tacet.PeerLost", texts[0])
        return texts[0]

    def differences_are_told(self, texts):
        """The worker that differs says how, the other one that one does. Rates are compared later, and both say how."""
        rates = "they are 0.1 and inf on worker 0, and 0.05 and inf on worker 1"
        for text in texts:
            self.assertIn("refused: the group's lr and gamma must be the same on all workers, but " + rates, text)
        self.assertEqual(texts[0].count("another worker's are not worker 0's"), 4)
        said = "refused: %s must be the same on all workers, but it is %s on worker 0 and %s on worker 1"
        for told, times in ((("requires_grad of params[0]", True, False), 1), (("seed", 1, 2), 1), (("interval", 2, 3), 2)):
            self.assertEqual(texts[1].count(said % told), times, texts[1])

    def test_placed_workers_and_one_that_ends_early(self):
        self.assertIn("worker 1", self.run_loops(("celgc", "episode", "scaffold", "scaffnew"), "placed"))

    def test_torch_distributed_and_a_silent_worker(self):
        text = self.run_loops(("celgc", "episode++", "fed-lamb", "naive-clip"), "torch", staged="celgc")
        self.assertIn("worker 1 is gone, silent, or did not call step() as often as this one", text)
        self.assertRegex(text, "refused: .*model.start must be the same .* for worker 1.*seed torch")


if __name__ == "__main__":
    unittest.main(verbosity=2)
