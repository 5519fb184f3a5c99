"""A module, its loss and its data as the objective of a run: the Python side of python/src/module_objective.cc. Parameters,
gradients and floating-point buffers of the module are views of three flat vectors that C++ works on."""

import hashlib
import json
import random
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy
import torch
from torch.utils import dlpack

from ._data import HeldOutData, TrainingData
from ._load import UserError

Loss = Callable[[torch.nn.Module, Any], Any]
Named = List[Tuple[str, torch.Tensor]]


def seed_everything(seed: int) -> None:
    """Seeds the generators that models and data sets draw from: torch's, Python's and numpy's."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed & 0xffffffff)


class Randomness:
    """Keeps the state of the three generators and puts it back."""

    def __init__(self) -> None:
        self._kept = torch.get_rng_state(), random.getstate(), numpy.random.get_state()

    def restore(self) -> None:
        torch.set_rng_state(self._kept[0])
        random.setstate(self._kept[1])
        numpy.random.set_state(self._kept[2])


_CPU = torch.device("cpu")
_FIRST_GRADIENTS = 2 ** 31  # number from which on the draws before round 1 are counted, as begin_draws of src/engine/round_setup.h


def _checked(kind: str, named: Named, device: torch.device) -> Named:
    for name, t in named:
        if t.dtype != torch.float32 or t.device != device or t.is_sparse:
            raise UserError("model=: the %s %s must be float32 on %s, got %s on %s" %
                            (kind, name, "the CPU" if device == _CPU else device, t.dtype, t.device))
    return named


def trained(module: torch.nn.Module, device: torch.device = _CPU) -> Named:
    """Returns the parameters that are trained, tied ones once. Raises UserError for another type or place than ours."""
    found = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    if not found:
        raise UserError("model= must have a parameter that requires a gradient, got none")
    return _checked("parameter", found, device)


def carried(module: torch.nn.Module, device: torch.device = _CPU) -> Named:
    """Returns the buffers that are averaged: the floating-point ones."""
    return _checked("buffer", [(name, b) for name, b in module.named_buffers() if b.is_floating_point()], device)


def class_name(module: torch.nn.Module) -> str:
    return "%s.%s" % (type(module).__module__, type(module).__qualname__)


def fingerprint(module: torch.nn.Module) -> str:
    """Returns a digest of the names, shapes and kinds of parameters and buffers."""
    facts = [[name, list(p.shape), p.requires_grad] for name, p in module.named_parameters()]
    facts += [[name, list(b.shape), str(b.dtype)] for name, b in module.named_buffers()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _values_digest(tensors: Sequence[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor.layout is torch.strided and tensor.numel() > 0:
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def start_digest(module: torch.nn.Module) -> str:
    """Returns a digest of the values of parameters and buffers, by which workers with other initial weights are noticed."""
    return _values_digest(list(module.parameters()) + list(module.buffers()))


def frozen_digest(module: torch.nn.Module) -> str:
    """Returns a digest of the values that a run neither trains nor saves, by which a resume with another network is noticed: those
    of frozen parameters and of buffers that are no floating-point ones."""
    return _values_digest([p for p in module.parameters() if not p.requires_grad] +
                          [b for b in module.buffers() if not b.is_floating_point()])


def slices(flat: torch.Tensor, tensors: Sequence[torch.Tensor]) -> List[torch.Tensor]:
    """Returns views of a flat vector with the tensors' shapes, one after the other."""
    views, first = [], 0
    for t in tensors:
        views.append(flat[first:first + t.numel()].view(t.shape))
        first += t.numel()
    return views


class Views:
    """Tensors that became slices of one flat vector, and the check that they still are. `kind` names them in messages."""

    def __init__(self, kind: str, tensors: Named) -> None:
        self.layers = [(name, list(t.shape)) for name, t in tensors]
        self._kind, self._tensors = kind, [t for _, t in tensors]
        device = self._tensors[0].device if tensors else _CPU
        self.flat = torch.empty(sum(t.numel() for _, t in tensors), device=device)
        for t, view in zip(self._tensors, slices(self.flat, self._tensors)):
            view.copy_(t.detach())
            t.data = view
        self._marks = [self._mark(t) for t in self._tensors]

    @staticmethod
    def _mark(t: torch.Tensor) -> Tuple[int, torch.Size, Tuple[int, ...]]:
        return t.data_ptr(), t.shape, t.stride()

    def check(self) -> None:
        """Raises UserError naming a tensor that has another device, shape or memory than it was given."""
        if [self._mark(t) for t in self._tensors] == self._marks:
            return
        for t, mark, (name, shape) in zip(self._tensors, self._marks, self.layers):
            if t.device != self.flat.device:
                raise UserError("%s %s must stay on %s during a run, but it was moved to %s" %
                                (self._kind, name, self.flat.device, t.device))
            if t.shape != mark[1]:
                raise UserError("%s %s must keep its shape %s during a run, got %s" %
                                (self._kind, name, tuple(shape), tuple(t.shape)))
            if self._mark(t) != mark:
                raise UserError("%s %s must keep its memory during a run, but it was replaced: change it in place (copy_), not by "
                                ".data, .to() or a new tensor" % (self._kind, name))

    def release(self) -> None:
        """Gives each tensor memory of its own."""
        for t in self._tensors:
            t.data = t.data.clone()


class Parts:
    """The modules, trained parameters and buffers that a module is made of, and the check that they are still in their places."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._places = [(table, key, part, prefix + "." + key if prefix else key)
                        for prefix, m in model.named_modules() if not isinstance(m, torch.jit.ScriptModule)
                        for table in (m._modules, m._parameters, m._buffers)
                        for key, part in table.items()
                        if part is not None and (table is not m._parameters or part.requires_grad)]
        self._buffers = {id(b) for b in model.buffers()}

    def check(self) -> None:
        """Raises UserError naming a part that was taken away or replaced. The old one would be trained, averaged and saved, and the
        module use the new one."""
        for table, key, part, name in self._places:
            if table.get(key) is part:
                continue
            if key in table and id(part) in self._buffers:
                raise UserError("model=: the buffer %s must be changed in place (copy_, mul_, …) during a run, got another tensor" % name)
            raise UserError("model=: %s must stay in the module during a run, but it was %s" %
                            (name, "replaced" if key in table else "deleted"))


def _number(given: Any) -> bool:
    """Tells whether it is one number: Python's, or a tensor or array of one element."""
    if isinstance(given, (int, float)):
        return True
    if isinstance(given, torch.Tensor):
        return given.numel() == 1 and not given.is_complex()
    return isinstance(given, (numpy.number, numpy.bool_, numpy.ndarray)) and given.size == 1 and given.dtype.kind in "biuf"


def _shown(given: Any) -> str:
    """Returns how a message shows what a loss returned."""
    if isinstance(given, torch.Tensor):
        return "a tensor of shape %s and type %s" % (tuple(given.shape), given.dtype)
    if isinstance(given, tuple):
        return "(%s)" % ", ".join(map(_shown, given))
    return repr(given)[:80]


class ModuleHost:
    """What the library asks of a program. Its attributes are read once: layers, buffer_layers, sizes, samples, labels, marks,
    splits, figures, has_accuracy."""

    def __init__(self, *, model: torch.nn.Module, loss: Loss, data: TrainingData, held_out: Dict[str, HeldOutData]) -> None:
        self._model, self._loss, self._data, self._held_out = model, loss, data, held_out
        self.sizes, self.samples, self.labels = data.sizes, data.samples, data.labels
        self.splits = list(held_out)
        self.marks = [("samples of clients" if data.sizes else "labels" if data.labels else "samples",
                       data.sizes or data.labels or [data.samples])]
        self.marks += [(name + " samples", [split.samples]) for name, split in held_out.items()]
        self._whole_buffers = [(b, b.clone()) for b in model.buffers() if not b.is_floating_point()]
        named = trained(model)
        self._tensors = [p for _, p in named]
        self._grads_before = [p.grad for p in self._tensors]
        self._parts = Parts(model)
        self._parameters = Views("model=: the parameter", named)
        self._buffers = Views("model=: the buffer", carried(model))
        self._gradients = torch.zeros_like(self._parameters.flat)
        self._grads = slices(self._gradients, self._tensors)
        for p, grad in zip(self._tensors, self._grads):
            p.grad = grad
        self.layers, self.buffer_layers = self._parameters.layers, self._buffers.layers
        self._mode: Optional[bool] = None
        self._modes_before = [(m, m.training) for m in model.modules()]
        self.figures: List[str] = []
        self.has_accuracy = False
        try:
            self._probe()
        except BaseException:
            self.release()
            raise

    def _probe(self) -> None:
        """Learns the names of the loss's figures, and finds its mistakes before the run has a file."""
        if not self.splits:
            return
        batch, size = self._held_out[self.splits[0]].batch(0, 2)
        seed_everything(0)
        names = self._sums(batch, size, "the first samples of %s=" % self.splits[0])[2]
        self.has_accuracy = "correct" in names
        self.figures = sorted(name for name in names if name != "correct")

    def capsule(self, which: str) -> Any:
        """Returns the flat vector behind the parameters, gradients or buffers as a DLPack capsule."""
        flat = {"parameters": self._parameters.flat, "gradients": self._gradients, "buffers": self._buffers.flat}[which]
        return dlpack.to_dlpack(flat)

    def units(self, split: str) -> int:
        return self._held_out[split].units

    def release(self) -> None:
        """Gives the module its own tensors again, with the values of the last evaluation or step, and its modes as they were."""
        self._parameters.release()
        self._buffers.release()
        for m, mode in self._modes_before:
            m.training = mode
        for p, before in zip(self._tensors, self._grads_before):
            p.grad = before

    def _train(self, mode: bool) -> None:
        if self._mode is not mode:
            self._model.train(mode)
            self._mode = mode

    def _value(self, batch: Any, place: str) -> Any:
        """Returns what the loss returns. Raises UserError for a loss that fails, or changes what the module is made of."""
        try:
            value = self._loss(self._model, batch)
        except UserError:
            raise
        except Exception as error:
            raise UserError("loss(model, batch) raised %s at %s: %s" % (type(error).__name__, place, error)) from error
        self._parts.check()
        self._parameters.check()
        if self.buffer_layers:
            self._buffers.check()
        return value

    @staticmethod
    def _mean(value: Any, place: str) -> torch.Tensor:
        """Returns the mean loss of what the loss function returned."""
        mean = value
        if isinstance(value, tuple) and len(value) in (2, 3):
            mean = value[0] / value[1] if isinstance(value[0], torch.Tensor) and _number(value[1]) else None
        if not isinstance(mean, torch.Tensor) or mean.dim() != 0 or not mean.is_floating_point():
            raise UserError("loss(model, batch) must return a mean loss, a float tensor without dimensions, or (sum, count, "
                            "metrics), got %s at %s" % (_shown(value), place))
        return mean

    def gradient(self, client: int, round: int, step: int, seed: int, indices: Any) -> float:
        """Adds the gradient at a mini-batch to the flat one, which is zero, and returns the mean loss. `indices` is the DLPack
        capsule of the samples' numbers, int64."""
        seed_everything(seed)
        batch = self._data.batch(client, torch.utils.dlpack.from_dlpack(indices))
        self._train(True)
        place = "round %d, client %d, gradient %d" % (round + 1, client, step + 1)
        if step >= _FIRST_GRADIENTS:
            place = "the first gradients, client %d" % client
        value = self._mean(self._value(batch, place), place)
        if not value.requires_grad:
            raise UserError("loss(model, batch) must depend on the model's parameters, got a loss without a gradient at " + place)
        value.backward()
        for p, grad in zip(self._tensors, self._grads):
            if p.grad is not grad:  # the loss took the gradients away (zero_grad) or made them anew
                if p.grad is not None:
                    grad.copy_(p.grad)
                p.grad = grad
        for b, start in self._whole_buffers:
            b.copy_(start)
        return value.item()

    def _sums(self, batch: Any, size: int, place: str) -> Tuple[float, float, Dict[str, float]]:
        self._train(False)
        with torch.no_grad():
            value = self._value(batch, place)
        if not isinstance(value, tuple):
            return self._mean(value, place).item() * size, size, {}
        self._mean(value, place)
        metrics = value[2] if len(value) == 3 else {}
        if not isinstance(metrics, dict):
            raise UserError("loss(model, batch) must return its metrics as a dict of sums over the batch, got %s at %s" %
                            (_shown(metrics), place))
        for name, m in metrics.items():
            if not _number(m):
                raise UserError("loss(model, batch) must return each metric as one number, its sum over the batch, got %s for %s "
                                "at %s" % (_shown(m), name, place))
        return float(value[0]), float(value[1]), {str(name): float(m) for name, m in metrics.items()}

    def evaluate(self, split: str, unit: int) -> List[float]:
        """Returns the sums of loss, correct answers and samples over a unit, then those of the figures."""
        seed_everything(unit)
        batch, size = self._held_out[split].batch(unit)
        loss, count, metrics = self._sums(batch, size, "the evaluation of " + split)
        known = set(self.figures) | ({"correct"} if self.has_accuracy else set())
        if set(metrics) != known:
            raise UserError("loss(model, batch) must return the same metrics for every batch, %s, got %s" %
                            (sorted(known), sorted(metrics)))
        return [loss, metrics.get("correct", 0.0), count] + [metrics[name] for name in self.figures]
