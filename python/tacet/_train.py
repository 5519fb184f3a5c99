"""Whole runs: tacet.train."""

import contextlib
import itertools
import os
import sys
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

import torch

from . import _host, _read, _toml, _workers
from ._data import Collate, HeldOutData, TrainingData
from ._groups import placement
from ._load import PeerLost, UserError, core


def _say(quiet: bool) -> Callable[[str, str], None]:
    """Returns what hears of a run's lines: warnings always reach stderr, others unless `quiet`."""

    def hear(kind: str, line: str) -> None:
        if kind == "warning" or not quiet:
            print("tacet: %s%s" % ("warning: " if kind == "warning" else "", line), file=sys.stderr, flush=True)

    return hear


# The defaults of [data] partition. With them none of its other keys is in use.
_PARTITION = {"partition.kind": "iid", "partition.seed": 1, "partition.every_round": False}


class _Program:
    """The program's module, loss and data, checked, before they are the host of a run."""

    def __init__(self, model: Any, loss: Any, data: Any, valid: Any, test: Any, labels: Any, collate: Optional[Collate]) -> None:
        given = {"model": model, "loss": loss, "data": data}
        missing = [name for name, value in given.items() if value is None]
        if missing:
            raise UserError("%s= must be given beside %s=" % ("= and ".join(missing), "=, ".join(set(given) - set(missing))))
        if not isinstance(model, torch.nn.Module):
            raise UserError("model= must be a torch.nn.Module, got %s" % type(model).__name__)
        if not callable(loss):
            raise UserError("loss= must be a function of (model, batch), got %r" % (loss,))
        self.model = model
        self._loss, self._data, self._labels, self._collate = loss, data, labels, collate
        self._splits = {name: split for name, split in (("valid", valid), ("test", test)) if split is not None}
        _host.trained(model)
        _host.carried(model)

    def sets(self) -> List[str]:
        """Returns what the recipe says of the program."""
        return ["data.name=python", "model.name=python", "model.module=" + _toml.value(_host.class_name(self.model), "model"),
                "model.fingerprint=" + _toml.value(_host.fingerprint(self.model), "model"),
                "model.start=" + _toml.value(_host.start_digest(self.model), "model"),
                "model.frozen=" + _toml.value(_host.frozen_digest(self.model), "model")]

    def clients(self) -> Optional[int]:
        return len(self._data) if isinstance(self._data, (list, tuple)) else None

    def host(self, recipe: Any) -> _host.ModuleHost:
        values = recipe.values()
        if values["run"]["dtype"] != "f32":
            raise UserError("run.dtype must be \"f32\" with model=, got %s: use torch.autocast in the loss" %
                            _toml.value(values["run"]["dtype"], "run"))
        data = TrainingData(self._data, clients=values["clients"].get("count"), labels=self._labels, collate=self._collate)
        for key, default in _PARTITION.items():
            if data.sizes and values["data"].get(key, default) != default:
                raise UserError("data.%s must not be given where each client has a data set of its own, got %s" %
                                (key, _toml.value(values["data"][key], "data")))
        held_out = {name: HeldOutData(name, split, size=values["data"]["eval_batch"], collate=self._collate)
                    for name, split in self._splits.items()}
        return _host.ModuleHost(model=self.model, loss=self._loss, data=data, held_out=held_out)


def _parsed(recipe: _toml.Recipe, program: Optional[_Program], overrides: Optional[Mapping[str, Any]]) -> Any:
    sets = (program.sets() if program else []) + _toml.sets_of(overrides)
    parsed = _toml.parse(recipe, sets)
    clients = program.clients() if program else None
    if clients is None:
        return parsed
    given = parsed.values()["clients"].get("count", clients)
    if given != clients:
        raise UserError("clients.count must be the number of data sets in data=, %d, got %d" % (clients, given))
    return _toml.parse(recipe, sets + ["clients.count=%d" % clients])


# Counts the calls of train in this process. Calls of one number are one run of the workers that a launcher placed: they meet by it,
# and one that was started again finds which runs have ended.
_calls = itertools.count(1)


class _Job:
    """One run, as each of its workers does it."""

    def __init__(self, recipe: Any, program: Optional[_Program], out: str, resume: bool, quiet: bool, number: int) -> None:
        self._recipe, self._program, self._out, self._resume, self._quiet = recipe, program, out, resume, quiet
        self._number = number

    def run(self, *, rejoins: bool, alone: bool, interrupt: bool) -> Dict[str, Any]:
        host = self._program.host(self._recipe) if self._program else None
        try:
            return core.train_here(self._recipe, host, self._out, self._resume, rejoins, alone, self._number,
                                   _workers.stop_signals(interrupt=interrupt), _say(self._quiet))
        finally:
            if host:
                host.release()

    def in_worker(self, rejoins: bool) -> str:
        return self.run(rejoins=rejoins, alone=False, interrupt=False)["status"]

    def in_this_process(self, *, alone: bool) -> Dict[str, Any]:
        """Trains here, and leaves torch's threads and the generators as they were."""
        threads, randomness = torch.get_num_threads(), _host.Randomness()
        try:
            return self.run(rejoins=False, alone=alone, interrupt=True)
        finally:
            torch.set_num_threads(threads)
            randomness.restore()


@contextlib.contextmanager
def _folder(out: Optional[Any]) -> Iterator[str]:
    if out is not None:
        yield os.fspath(out)
        return
    with tempfile.TemporaryDirectory(prefix="tacet-run-") as place:
        yield os.path.join(place, "run")


def _load(model: Optional[torch.nn.Module], run: _read.Run) -> None:
    """Puts the final model into the program's module."""
    if model is None or run.status != "done":
        return
    final = run.state_dict()
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if name in final:
                tensor.copy_(final[name])


_ADVICE = {
    "model.start must be the same": "the workers' modules have other initial weights, so seed torch (torch.manual_seed) before the "
                                    "module is made",
    "model.frozen must be as in": "the module's frozen parameters and integer buffers, which no checkpoint has, must have the values "
                                  "that the run began with"}


def _said_of_python(work: Callable[[], Any]) -> Any:
    """Returns what `work` returns, and says in a message about a digest of the module what a program does about it."""
    try:
        return work()
    except UserError as error:
        for words, advice in _ADVICE.items():
            if words in str(error):
                raise UserError("%s: %s" % (error, advice)) from None
        raise


def _beside_the_first(facts: Dict[str, Any], program: Optional[_Program], recipe: Any, worker: int) -> _read.Run:
    """Returns the run as a placed worker has it that wrote no files. Those of the first one may be on another machine."""
    tensors = None
    if program and facts["status"] == "done":  # the module has the final model
        named = _host.trained(program.model) + _host.carried(program.model)
        tensors = {name: t.detach().clone() for name, t in named}
    summary = {"status": facts["status"], "rounds": facts["rounds"], "worker": worker}
    return _read.Run(folder=None, summary=summary, lines=[], recipe=recipe.toml(), tensors=tensors)


def _finished(folder: str, kept: bool, program: Optional[_Program]) -> _read.Run:
    run = _read.read_run(folder)
    _load(program.model if program else None, run)
    if not kept:
        run.folder = None
    return run


def train(recipe: _toml.Recipe, *, model: Optional[torch.nn.Module] = None, loss: Optional[_host.Loss] = None, data: Any = None,
          valid: Any = None, test: Any = None, labels: Any = None, collate: Optional[Collate] = None, out: Any = None,
          workers: int = 1, overrides: Optional[Mapping[str, Any]] = None, resume: bool = False,
          quiet: bool = False) -> _read.Run:
    """Runs a recipe, on a module of your own or on the recipe's [model] and [data], and returns the finished run.

    The answer is bitwise the same for every number of workers, and for a run that was stopped and resumed.

    Args:
        recipe: path of a TOML file, TOML text, or a dict of dicts. Its tables are those of docs/reference/recipes.md.
        model: a torch.nn.Module with float32 parameters on the CPU. It replaces [model]. Parameters with requires_grad are
            trained, tied ones once. Floating-point buffers are averaged; others (num_batches_tracked) stay as they are. During
            the run its tensors are views of flat vectors, so they are changed in place (copy_, mul_, …) and never replaced;
            afterwards it holds the final model. Its gradients and its modes (train, eval) are then as they were, also after an
            error.
        loss: a function of (model, batch) that returns the batch's mean loss, a float tensor without dimensions, or
            (sum, count, metrics): the summed loss, the number it is summed over, and a dict of sums over the batch.
            metrics["correct"] becomes eval_accuracy, any other name eval_NAME.
        data: the training data in the place of [data]: a list of map-style Datasets, one a client; one Dataset, which
            data.partition shares out; or a function of the client's number that returns its Dataset.
        valid, test: Datasets to evaluate, in batches of data.eval_batch samples: valid during the run, test at its end. With test alone it
            is evaluated during the run, and its figures are called eval_….
        labels: whole numbers >= 0, one a sample of `data`, for a partition by labels. By default those that a Dataset has as
            `targets` or `labels`, or the last tensor of a TensorDataset. Others there, such as a regression's, are no labels.
        collate: makes a batch of a list of samples. By default torch's default_collate.
        out: folder of the run, new or empty. Without it the files lie in a temporary folder ($TMPDIR) that is removed at the end, also
            after an error or Ctrl-C: such a run can't be resumed. Where a launcher places several workers it must be given.
        workers: processes to start on this machine, copies of this one. Under torchrun, mpirun, srun or `tacet launch` it must
            be 1, as their variables place this process. There the first worker alone writes files. Its run has them all; those of
            the others have the final model of `model`, no lines, and a summary of status, rounds and the worker's number.
        overrides: {"algorithm.eta": 0.1, …}, stronger than the recipe.
        resume: goes on from the newest whole checkpoint in `out`, or begins where there is none. Checkpoints have what is trained and
            averaged. Frozen parameters and integer buffers come from `model`, and must be those that the run began with.
        quiet: says no evaluations on stderr, warnings only.

    Randomness: before each mini-batch torch's, Python's and numpy's generators are seeded by (run.seed, client, round, step),
    so dropout and augmentation do not depend on which worker computes. They are put back when the run ends.

    Several runs: the k-th calls of the workers that a launcher placed are one run, so all must call it equally often. A worker that was
    started again begins its script anew. A run that has ended meanwhile then returns with status "ended" and leaves `model` as it was.

    Raises:
        UserError: for a mistake in recipe, module, loss or data; nothing is written then.
        PeerLost: when workers were lost and the run could not go on.
        KeyboardInterrupt: after a Ctrl-C, when the round under way is finished and a checkpoint is written. A second Ctrl-C
            raises it in your code without a checkpoint.

    Source: docs/guide/python.md; the methods' papers are in tacet.algorithms().
    """
    number = next(_calls)  # before any error, which another worker may not have
    placed = placement()
    own = any(x is not None for x in (model, loss, data, valid, test, labels, collate))
    program = _Program(model, loss, data, valid, test, labels, collate) if own else None
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise UserError("workers= must be a whole number >= 1, got %r" % (workers,))
    if resume and out is None:
        raise UserError("resume=True: give the run's folder with out=")
    parsed = _parsed(recipe, program, overrides)
    if placed and placed[1] > 1 and workers > 1:
        raise UserError("workers= must be 1 where a launcher places the workers (this process is worker %d of %d), got %d" %
                        (placed[0], placed[1], workers))
    if placed and placed[1] > 1 and out is None:
        raise UserError("out= must be a folder where a launcher places the workers (this process is worker %d of %d), got nothing: "
                        "each would make a temporary one" % placed)
    with _folder(out) as folder:
        job = _Job(parsed, program, folder, resume, quiet, number)
        if workers > 1:
            core.check_run_folder(folder, resume)
            _said_of_python(lambda: _workers.run(job.in_worker, workers=workers, restarts=parsed.values()["run"]["restarts"]))
        else:
            facts = _said_of_python(lambda: job.in_this_process(alone=not placed))
            if facts["status"] == "stranded":
                raise PeerLost("this worker lost the others")
            if facts["status"] == "interrupted":
                raise KeyboardInterrupt
            if placed and (facts["status"] == "ended" or not facts["first"]):
                return _beside_the_first(facts, program, parsed, placed[0])
        return _finished(folder, out is not None, program)
