"""Mistakes in a loop of one's own with tacet.optim: options, parameters and states that don't fit, tensors that are replaced, and groups
that fail are UserError or PeerLost with their place. What a right loop gives is in test_optim.py."""

import os
import socket
import subprocess
import sys
import unittest

import torch

import loop
import program
import tacet
from test_optim import REFUSED


class WhileMeeting(program.Case):
    """A worker that can't meet the others ends as it does later: with the command's exit codes, by which launchers know why."""

    def ends(self, code, words, port, **place):
        script = "import loop, tacet; tacet.optim.FedAvg(loop.plain_net().parameters(), eta=0.1, timeout=1)"
        variables = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **place}
        done = subprocess.run([sys.executable, "-B", "-c", script], env={**os.environ, **variables}, capture_output=True, text=True,
                              cwd=os.path.dirname(os.path.abspath(program.__file__)), timeout=200)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)

    def test_a_worker_that_does_not_come(self):
        self.ends(3, "tacet.PeerLost: worker 1 did not come within 1 s", program.free_port())

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.ends(2, "tacet.UserError: rendezvous: can't listen on", taken.getsockname()[1])

    def test_variables_that_do_not_fit(self):
        self.ends(2, "RANK must be a whole number from 0 to 1, got '2'", program.free_port(), RANK="2")


class Mistakes(program.Case):
    def local(self, **options):
        net = loop.plain_net()
        given = {"algorithm": "celgc", "eta": 0.1, "gamma": 0.1, "interval": 2, **options}
        return net, tacet.optim.Local(net.parameters(), **given)

    def test_options(self):
        self.mistake("gama: is not a key of celgc; did you mean gamma?", self.local, gama=1)
        self.mistake("did you mean episode?", self.local, algorithm="epsode")
        self.mistake("eta: must be > 0, got -1", self.local, eta=-1)
        for method in REFUSED:
            self.mistake("keeps a model of each client", self.local, algorithm=method)
        self.mistake("must be one group", lambda: tacet.optim.FedAvg(
            [{"params": [torch.nn.Parameter(torch.zeros(1))]}, {"params": [torch.nn.Parameter(torch.zeros(1))]}], eta=1, interval=1))
        self.mistake("params[0] must be float32", lambda: tacet.optim.FedAvg(loop.plain_net().double().parameters(), eta=1, interval=1))

    def test_a_gradient_that_is_not_finite(self):
        net, opt = self.local()
        (program.mean_loss(net, program.dataset().tensors) / 0).backward()
        self.mistake("the gradient is not finite at round 1, client 0, local step 1", opt.step)
        self.mistake("is not finite", opt.step)

    def test_parameters_that_move(self):
        net, opt = self.local()
        net[0].weight.data = torch.zeros(8, 5)
        self.mistake("the parameter params[0] must keep its memory", opt.step)

    def test_parameters_of_another_shape(self):
        net, opt = self.local()
        net[0].weight.data = net[0].weight.data.view(5, 8)
        self.mistake("params[0] must keep its shape (8, 5) during a run, got (5, 8)", opt.step)

    def test_a_model_that_was_made_anew(self):
        net, opt = self.local()
        again = loop.plain_net()
        opt.zero_grad()
        program.mean_loss(again, program.dataset().tensors).backward()
        self.mistake("none of them has a gradient since zero_grad()", opt.step)
        net.zero_grad(set_to_none=True)
        self.mistake("must follow a backward()", opt.step)
        net[0].weight.grad = torch.zeros(8, 5)  # a step without a gradient is possible
        opt.step()

    def test_outer_steps(self):
        net = loop.plain_net()
        inner = torch.optim.SGD(net.parameters(), 0.1)
        self.mistake("outer must be a torch optimizer", tacet.LocalSteps, net, inner, interval=2, outer=0.7)
        self.mistake("it lacks 2.weight", tacet.LocalSteps, net, inner, interval=2, outer=torch.optim.SGD(net[0].parameters(), 0.1))
        self.mistake("interval must be", tacet.LocalSteps, net, inner, interval=0)

    def test_a_buffer_that_is_assigned(self):
        def steps():
            net = program.net()
            with tacet.LocalSteps(net, torch.optim.SGD(net.parameters(), 0.1), interval=1) as local:
                program.mean_loss(net, program.dataset().tensors).backward()
                net.norm.running_mean = 0.9 * net.norm.running_mean
                local.step()

        self.mistake("the buffer norm.running_mean must be changed in place (copy_, mul_, …)", steps)

    def test_options_that_only_whole_runs_have(self):
        said = "algorithm.%s must be %s in a loop of one's own"
        self.mistake(said % ("local_epochs", "absent"), self.local, interval=None, local_epochs=2)
        self.mistake(said % ("average_at_pass_end", "false"), self.local, average_at_pass_end=True)
        self.mistake(said % ("weighted", "false"), self.local, algorithm="fedavg", gamma=None, weighted=True)
        for message in ("int8", "bf16", "topk"):
            self.mistake([said % ("message", '"f32"'), "got \"%s\"" % message], self.local, message=message)
        self.mistake(said % ("noise_source", '"keyed"'), self.local, algorithm="dp-fedavg", noise_source="system",
                     noise_multiplier=1, privacy_delta=1e-5)
        self.mistake("algorithm.interval must be an integer", self.local, interval="auto")

    def test_parameters_that_come_late_or_change(self):
        net, opt = self.local()
        self.mistake("add_param_group() must not be called", opt.add_param_group, {"params": [torch.nn.Parameter(torch.zeros(1))]})
        self.assertEqual(len(opt.param_groups), 1)
        program.mean_loss(net, program.dataset().tensors).backward()
        net[2].weight.requires_grad_(False)
        self.mistake("params[2] must keep requires_grad = True", opt.step)
        for p in net.parameters():
            p.requires_grad_(False)
        self.mistake("must have a parameter that requires a gradient", tacet.optim.FedAvg, net.parameters(), eta=1)

    def test_a_carrier_that_fails_says_so_at_every_step(self):
        def twice():
            broken = []

            def carry(to, from_):
                if broken:
                    raise KeyError("no such worker")
                for piece in sum(from_, []):
                    piece[:] = bytes(len(piece))

            tacet.optim.default_group = lambda timeout: tacet._load.core.carried_group(0, 2, "test", carry)
            net, opt = self.local(interval=1)
            broken.append(True)
            program.mean_loss(net, program.dataset().tensors).backward()
            texts = []
            for _ in range(3):
                try:
                    opt.step()
                except RuntimeError as error:
                    texts.append(str(error))
            return texts

        texts = program.in_copy(twice)
        self.assertEqual(len(texts), 3)
        for text in texts:
            self.assertIn("KeyError: 'no such worker'", text)

    def test_torch_distributeds_value_errors_are_lost_workers(self):
        class Gone:
            def irecv(self, *args, **named):
                raise ValueError("Default process group has not been initialized")

        carrier = tacet._groups._Carrier(None, 1, None)
        carrier._dist = Gone()
        with self.assertRaises(tacet.PeerLost):
            carrier([[]], [[memoryview(bytearray(4))]])

    def test_another_optimizers_state(self):
        net, opt = self.local()
        self.mistake("another optimizer's state", opt.load_state_dict, torch.optim.SGD(net.parameters(), 1).state_dict())

    def test_a_state_of_another_method_option_or_model(self):
        def state_of(net, **options):
            given = {"algorithm": "celgc", "eta": 0.1, "gamma": 0.1, "interval": 2, **options}
            opt = tacet.optim.Local(net.parameters(), **given)
            loop.train(net, opt, [program.dataset().tensors] * 20)
            opt.synchronize()
            return opt.state_dict()

        net, opt = self.local(momentum=0.9)
        said = "load_state_dict() must get a state whose "
        state = state_of(loop.plain_net(), momentum=0.9)
        other = tacet.optim.Local(loop.plain_net().parameters(), algorithm="episode++", eta=0.1, gamma=0.1, interval=2)
        self.mistake(said + "algorithm is episode++, as this optimizer's, got celgc", other.load_state_dict, state)
        self.mistake(said + "momentum is 0.9, as this optimizer's, got 0.0", opt.load_state_dict, state_of(loop.plain_net()))
        wider = torch.nn.Sequential(torch.nn.Linear(5, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3))
        self.mistake(said + "shape of params[0] is [8, 5], as this optimizer's, got [9, 5]", opt.load_state_dict,
                     state_of(wider, momentum=0.9))
        elsewhere = {**state, "tacet": {**state["tacet"], "worker": 1, "workers": 2}}
        self.mistake(said + "worker is 0, as this optimizer's, got 1", opt.load_state_dict, elsewhere)
        opt.load_state_dict(state_of(loop.plain_net(), momentum=0.9, eta=0.05))  # the group has its own
        self.assertEqual(opt.param_groups[0]["lr"], 0.05)
        loop.train(net, opt, [program.dataset().tensors] * 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
