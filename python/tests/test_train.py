"""tacet.train in one process: it learns, leaves the program as it was, repeats bit for bit, and resumes."""

import gc
import os
import signal
import subprocess
import sys
import time
import unittest

import torch
from torch import nn
from torch.utils.data import Dataset

import program
import tacet


# A long run of a recipe, and a Ctrl-C after it.
NATIVE = """
import os, signal, sys, time
import tacet
try:
    tacet.train({"data": {"name": "noise"}, "model": {"name": "quadratic"}, "clients": {"count": 2},
                 "algorithm": {"name": "celgc", "eta": 1e-6, "gamma": 1.0, "interval": 2},
                 "schedule": {"rounds": 1000000000}, "run": {"eval_every": 0, "checkpoint_every": 0}},
                out=sys.argv[1], workers=int(sys.argv[2]), quiet=True)
except KeyboardInterrupt:
    print("ended early")
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("then Ctrl-C is Python's", flush=True)
"""


class Pictures(Dataset):
    """Augments by chance, from torch's generator."""

    def __len__(self):
        return 60

    def __getitem__(self, k):
        x = torch.arange(5.0) + k % 3
        return x + torch.rand(5), k % 3


class Training(program.Case):
    def test_it_learns_and_the_module_holds_the_final_model(self):
        model = program.net()
        frozen = model.frozen.clone()
        run = program.trained(model=model, overrides={"schedule.rounds": 60})
        losses = [m["train_loss"] for m in run.lines if m["event"] == "round"]
        self.assertEqual(len(losses), 60)
        self.assertLess(losses[-1], 0.7 * losses[0])
        final = run.state_dict()
        for name, tensor in model.state_dict().items():
            if name in final:
                self.assertTrue(torch.equal(tensor, final[name]), name)
        self.assertTrue(torch.equal(frozen, model.frozen))
        self.assertNotIn("frozen", final)
        self.assertNotIn("again.weight", final)  # tied to second.weight, which counts
        self.assertIn("norm.running_mean", final)
        self.assertEqual(model.norm.num_batches_tracked.item(), 0)

    def test_figures_of_the_loss(self):
        run = program.trained()
        evaluation = [m for m in run.lines if m["event"] == "eval"][-1]
        self.assertGreater(evaluation["eval_accuracy"], 0)
        self.assertIn("eval_margin", evaluation)
        self.assertEqual(run.summary["model"], "python")
        self.assertIn('module = "program.Net"', run.recipe)

    def test_the_same_bits_again_whatever_the_generators_are(self):
        first = program.trained()
        torch.manual_seed(99)
        torch.rand(17)
        self.assertEqual(program.trained(model=program.net()).sha256, first.sha256)
        self.assertNotEqual(program.trained(overrides={"run.seed": 2}).sha256, first.sha256)

    def test_the_program_goes_on_as_before(self):
        model, threads = program.net(), torch.get_num_threads()
        grads = [p.grad for p in model.parameters()]
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        program.trained(model=model)
        self.assertTrue(torch.equal(torch.rand(3), expected))
        self.assertEqual(torch.get_num_threads(), threads)
        self.assertEqual([p.grad for p in model.parameters()], grads)
        before = model.first.weight.clone()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        program.mean_loss(model, program.dataset().tensors).backward()
        optimizer.step()
        self.assertFalse(torch.equal(before, model.first.weight))

    def test_a_list_a_function_and_one_data_set(self):
        parts = [program.dataset(20, k) for k in range(4)]
        listed = program.trained(data=parts, overrides={"clients.count": 4})
        made = program.trained(data=lambda client: program.dataset(20, client), overrides={"clients.count": 4})
        self.assertEqual(listed.sha256, made.sha256)
        shared = program.trained(overrides={"data.partition.kind": "dirichlet", "data.partition.alpha": 0.3})
        self.assertNotEqual(shared.sha256, program.trained().sha256)

    def test_augmentation_and_collate_are_repeatable(self):
        def collate(samples):
            return torch.stack([x for x, _ in samples]), torch.tensor([y for _, y in samples])

        runs = [program.trained(data=Pictures(), valid=Pictures(), collate=c, labels=[k % 3 for k in range(60)])
                for c in (None, collate, collate)]
        self.assertEqual(runs[1].sha256, runs[2].sha256)
        self.assertEqual(runs[0].sha256, runs[1].sha256)

    def test_a_thousand_rounds_take_no_more_memory(self):
        pages, calls = [], []

        def watched(model, batch):
            calls.append(1)
            if len(calls) in (300, 1300):
                gc.collect()
                with open("/proc/self/statm", encoding="ascii") as file:
                    pages.append(int(file.read().split()[1]))
            return program.mean_loss(model, batch)

        few = {"schedule.rounds": 1300, "algorithm.interval": 1, "clients.participating": 1, "run.checkpoint_every": 0,
               "run.log_every": 100}
        program.trained(loss=watched, valid=None, overrides=few)
        self.assertLess((pages[1] - pages[0]) * os.sysconf("SC_PAGE_SIZE"), 2 << 20)
        self.assertEqual(gc.collect(), 0)

    def test_memory_is_given_back_after_a_run(self):
        """A block of 256 MB stayed with the process when it was freed, as training keeps large blocks."""
        def pages():
            with open("/proc/self/statm", encoding="ascii") as file:
                return int(file.read().split()[1])

        program.trained(overrides={"schedule.rounds": 1})
        before = pages()
        block = torch.ones(64 << 20)
        with_block = pages()
        del block
        self.assertGreater((with_block - before) * os.sysconf("SC_PAGE_SIZE"), 200 << 20)
        self.assertLess((pages() - before) * os.sysconf("SC_PAGE_SIZE"), 20 << 20)

    def test_a_dict_and_text_are_recipes(self):
        table = {"data": {"batch_size": 8}, "algorithm": {"name": "celgc", "eta": 0.1, "gamma": 0.5, "interval": 3},
                 "clients": {"count": 6, "participating": 4}, "schedule": {"rounds": 12},
                 "run": {"eval_every": 0.5, "checkpoint_every": 0.5}}
        self.assertEqual(program.trained(recipe=table).sha256, program.trained().sha256)

    def test_a_loss_that_takes_the_gradients_away(self):
        def rude(model, batch):
            model.zero_grad(set_to_none=True)
            return program.loss(model, batch)

        self.assertEqual(program.trained(loss=rude).sha256, program.trained().sha256)

    def test_a_recipe_of_ones_own_model_needs_no_program(self):
        recipe = {"data": {"name": "noise"}, "model": {"name": "quadratic"},
                  "algorithm": {"name": "celgc", "eta": 0.1, "gamma": 1.0, "interval": 2}, "clients": {"count": 2},
                  "schedule": {"rounds": 3}}
        run = tacet.train(recipe, quiet=True)
        self.assertEqual(run.status, "done")
        self.assertEqual(run.summary["model"], "quadratic")

    def test_a_program_replaces_the_tables_of_a_recipe(self):
        recipe = program.RECIPE.replace("batch_size = 8", 'name = "fashion-mnist"\nbatch_size = 8') + '[model]\nname = "mlp"\n'
        self.assertEqual(program.trained(recipe=recipe).sha256, program.trained().sha256)


class Stopping(program.Case):
    def test_signals_reach_a_run_without_python_code(self):
        for workers, number in ((1, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGINT), (2, signal.SIGTERM)):
            folder = self.path("native-%d-%d" % (workers, number))
            with subprocess.Popen([sys.executable, "-B", "-c", NATIVE, folder, str(workers)], stdout=subprocess.PIPE, text=True) as run:
                log = os.path.join(folder, "metrics.jsonl")
                for _ in range(600):
                    time.sleep(0.1)
                    if os.path.exists(log) and os.path.getsize(log) > 1000:
                        break
                run.send_signal(number)
                try:
                    text = run.communicate(timeout=60)[0]
                except subprocess.TimeoutExpired:
                    run.kill()
                    raise
            self.assertIn("ended early", text)
            self.assertIn("then Ctrl-C is Python's", text)
            self.assertEqual(tacet.read_run(folder).status, "interrupted")
            self.assertGreater(tacet.read_checkpoint(folder).round, 0)

    def test_a_second_signal_ends_a_run_at_once(self):
        def twice(model, batch):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)

        with self.assertRaises(KeyboardInterrupt):
            program.trained(loss=twice, valid=None)

    def test_an_interrupted_run_goes_on_with_the_same_bits(self):
        whole = program.trained()
        stopper = {"calls": 0}

        def stopping(model, batch):
            stopper["calls"] += 1
            if stopper["calls"] == 60:
                os.kill(os.getpid(), signal.SIGINT)
            return program.loss(model, batch)

        with self.assertRaises(KeyboardInterrupt):
            program.trained(loss=stopping, out=self.path("run"))
        self.assertEqual(tacet.read_run(self.path("run")).status, "interrupted")
        self.assertLess(tacet.read_checkpoint(self.path("run")).round, 12)
        resumed = program.trained(out=self.path("run"), resume=True)
        self.assertEqual(resumed.sha256, whole.sha256)

    def test_resume_begins_where_there_is_no_checkpoint_yet(self):
        self.assertEqual(program.trained(out=self.path("new"), resume=True).sha256, program.trained().sha256)

    def test_other_frozen_parameters_or_integer_buffers_do_not_resume(self):
        program.trained(out=self.path("run"))
        others = program.net(), program.net()
        others[0].frozen.data += 1
        others[1].norm.num_batches_tracked += 1
        for other in others:
            self.mistake(["model.frozen must be as in", "recipe.toml", "got ", "must have the values that the run began with"],
                         program.trained, model=other, out=self.path("run"), resume=True)
        self.assertEqual(program.trained(out=self.path("run"), resume=True).status, "done")

    def test_a_run_of_an_older_version_resumes_without_a_digest_of_its_frozen_parameters(self):
        first = program.trained(out=self.path("run"))
        with open(self.path("run", "recipe.toml"), encoding="utf-8") as file:
            lines = file.readlines()
        with open(self.path("run", "recipe.toml"), "w", encoding="utf-8") as file:
            file.writelines(line for line in lines if not line.startswith("frozen = "))
        self.assertIn("frozen = ", "".join(lines))
        self.assertEqual(program.trained(out=self.path("run"), resume=True).sha256, first.sha256)

    def test_another_module_does_not_resume(self):
        program.trained(out=self.path("run"))
        torch.manual_seed(1)
        self.mistake(["model.fingerprint", "recipe.toml"], program.trained, model=program.Net(hidden=9), out=self.path("run"),
                     resume=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
