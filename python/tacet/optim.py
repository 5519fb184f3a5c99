"""Methods of tacet in a training loop of your own.

    opt = tacet.optim.CELGC(net.parameters(), eta=0.1, gamma=0.5, interval=4)
    for batch in loader:
        opt.zero_grad()
        loss(net, batch).backward()
        opt.step()

Each process is one client. The method is the C++ one, unchanged: it runs on a thread of its own, and each gradient that it asks
for is the one that your loop computes next. Workers talk by torch.distributed's default group (Gloo), by a launcher's variables
(`tacet launch`, torchrun, mpirun, srun), or not at all in one process.
"""

import math
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import torch

from . import _toml
from ._agree import give_first, require_equal
from ._groups import default_group
from ._host import Parts, Views, carried, slices, trained
from ._load import UserError, core

__all__ = ["CELGC", "Episode", "EpisodePP", "FedAvg", "FedLamb", "Local", "LocalSteps", "NaiveClip", "Scaffold"]


def _recipe(algorithm: str, options: Dict[str, Any], seed: int, clients: int) -> Any:
    """Returns the checked recipe of a loop. Raises UserError naming the option."""
    given = {"algorithm.name": algorithm, **{"algorithm." + name: value for name, value in options.items() if value is not None},
             "run.seed": seed, "clients.count": clients, "data.name": "python", "model.name": "python", "model.module": "own loop",
             "model.fingerprint": "none", "model.start": "none", "schedule.rounds": 1}
    try:
        return core.parse_recipe("", "tacet.optim", _toml.sets_of(given))
    except UserError as error:
        text = str(error).replace("--set algorithm.name", "algorithm").replace("--set algorithm.", "").replace("--set ", "")
        raise UserError("tacet.optim: " + text.replace("tacet.optim:1: ", "")) from None


def _packed(part: Any) -> Any:
    """Returns bytes as a tensor, which torch.load takes where it reads weights only."""
    if not isinstance(part, bytes):
        return part
    return torch.frombuffer(bytearray(part), dtype=torch.uint8) if part else torch.zeros(0, dtype=torch.uint8)


def _unpacked(part: Any) -> Any:
    return part.numpy().tobytes() if isinstance(part, torch.Tensor) else part


def _difference(name: str, given: Any, mine: Any) -> "tuple[str, Any]":
    """Returns the first part of a fact in which a state differs from its optimizer, with the part that is needed, and the one that
    was given."""
    if name == "options" and isinstance(given, dict):
        name = next(k for k in (*mine, *given) if mine.get(k) != given.get(k))
        given, mine = given.get(name), mine.get(name)
    if name == "shapes" and isinstance(given, list):
        k = next((k for k, (a, b) in enumerate(zip(mine, given)) if a != b), min(len(mine), len(given)))
        name = "shape of params[%d]" % k
        given, mine = (shapes[k] if k < len(shapes) else "none" for shapes in (given, mine))
    return "%s is %s, as this optimizer's" % (name, mine), given


def _with_names(params: Any) -> Any:
    """Returns (name, parameter) pairs as a group that has the names, as newer torch makes it of them. Leaves others as they are."""
    if isinstance(params, torch.Tensor):
        return params  # torch refuses it
    given = list(params)
    if not given or not all(isinstance(one, tuple) and len(one) == 2 for one in given):
        return given
    return [{"params": [p for _, p in given], "param_names": [name for name, _ in given]}]


def _facts_of(parameters: Iterable[Tuple[str, torch.Tensor]]) -> Dict[str, Any]:
    """Returns the shape of each parameter, and whether it is trained."""
    facts: Dict[str, Any] = {}
    for name, p in parameters:
        facts["shape of " + name], facts["requires_grad of " + name] = list(p.shape), p.requires_grad
    return facts


def _needs_copies(device: torch.device) -> bool:
    return device.type != "cpu"


class _LibrarySide:
    """The flat vectors as the library sees them: the program's own on the CPU, copies of them for a model on a GPU."""

    def __init__(self, *flats: torch.Tensor) -> None:
        self._theirs = flats
        self.staged = _needs_copies(flats[0].device)
        self.flats = [torch.empty_like(f, device="cpu").copy_(f) for f in flats] if self.staged else list(flats)

    def capsules(self) -> List[Any]:
        return [torch.utils.dlpack.to_dlpack(f) for f in self.flats]

    def give(self) -> None:
        """Brings the program's values to the library."""
        if self.staged:
            for mine, theirs in zip(self.flats, self._theirs):
                mine.copy_(theirs)

    def take(self) -> None:
        """Brings the library's first vector, the parameters, to the program."""
        if self.staged:
            self._theirs[0].copy_(self.flats[0])


class Local(torch.optim.Optimizer):
    """A method with local steps as a torch optimizer.

    Args:
        params: the parameters of one model, float32 on one device, in one group. They become views of one flat vector, and their
            gradients of another, so that a step on the CPU costs no copy. On a GPU it costs one to the CPU, where the method
            computes, and one back. Those that require no gradient when the optimizer is made are frozen: no step changes them.
            net.named_parameters() gives their names as well. Muon (muloco, inner="muon") goes by them: embeddings and the head
            are AdamW's. Without names dimensions alone decide: an embedding is a matrix of Muon's, and the last matrix the head.
        algorithm: the method's name, one of tacet.algorithms() but celgc-partial, celgc-overlap and diloco-streaming, whose
            clients keep models of their own between rounds.
        eta: step size η. It is the group's "lr", so torch's schedulers drive it.
        gamma: bound γ on the length of a step, of methods that clip. It is the group's "gamma".
        interval: local steps I between two communications.
        seed: the run's seed, for methods that draw.
        timeout: seconds to wait for another worker before it counts as lost. In a script with several optimizers under a launcher the
            first one's counts.
        options: the method's other options, by the names of tacet.algorithms(). local_epochs, average_at_pass_end, weighted,
            coded messages, interval="auto" and noise_source = "system" are for whole runs and are errors here. So sparseloco takes
            message="f32", and fed-nova weighted=False.

    Made on all workers together, it gives them rank 0's parameters, trained and frozen ones. They must have equal options, seeds and
    shapes, and call step() equally often. Their "lr" and "gamma" must be equal as well, which a small message at each round's end
    compares: a schedule that goes by a worker's own loss (ReduceLROnPlateau) must get the mean of all. BatchNorm's buffers stay each
    worker's own. A loss under torch.autocast to bfloat16 is fine, as parameters and gradients stay float32.

    Raises:
        UserError: for options that don't fit or that differ among workers, parameters that change device, shape or memory, a step()
            that no gradient has reached, and a gradient that is not finite, with round and step.
        PeerLost: from step() and synchronize(), naming the worker that is gone or silent.

    Source: tacet.algorithms() names each method's paper.
    """

    def __init__(self, params: Iterable[Any], *, algorithm: str, eta: float, gamma: Optional[float] = None,
                 interval: Optional[int] = None, seed: int = 1, timeout: float = 60, **options: Any) -> None:
        self._loop: Any = None
        self._group = default_group(timeout)
        self._recipe = _recipe(algorithm, {"eta": eta, "gamma": gamma, "interval": interval, **options}, seed, self._group.size)
        super().__init__(_with_names(params), {"lr": float(eta), "gamma": math.inf if gamma is None else float(gamma)})
        if len(self.param_groups) != 1:
            raise UserError("params must be one group, as one step's length is bounded for all parameters together, got %d groups" %
                            len(self.param_groups))
        self._all: List[torch.Tensor] = self.param_groups[0]["params"]
        device = self._all[0].device
        for k, p in enumerate(self._all):
            if p.dtype != torch.float32 or p.device != device:
                raise UserError("params[%d] must be float32 on %s, where params[0] is, got %s on %s" % (k, device, p.dtype, p.device))
        named = [(name, p) for name, p in zip(self._names(), self._all) if p.requires_grad]
        if not named:
            raise UserError("params must have a parameter that requires a gradient, got none")
        self._parameters: List[torch.Tensor] = [p for _, p in named]
        self._asked = [p.requires_grad for p in self._all]  # whether each is trained
        self._views = Views("the parameter", named)
        self._flat = torch.zeros_like(self._views.flat)
        self._grads = slices(self._flat, self._parameters)
        for p, grad in zip(self._parameters, self._grads):
            p.grad = grad
        self._zeroed = -1  # version of the gradients right after zero_grad()
        self.correction = False  # the last step()'s gradient belonged to no local step
        self._library = _LibrarySide(self._views.flat, self._flat)
        require_equal(self._group, self._facts())
        core.Average(self._group).spread(self._library.capsules()[0])
        self._library.take()
        give_first(self._group, [p for p in self._all if not p.requires_grad])
        self._make_loop()

    def _names(self) -> List[str]:
        """Returns the parameters' names: those that the group has, else their places in it."""
        names = self.param_groups[0].get("param_names")
        if names is None:
            return ["params[%d]" % k for k in range(len(self._all))]
        if len(names) != len(self._all):
            raise UserError("param_names must have a name for each of the %d parameters, got %d" % (len(self._all), len(names)))
        return [str(name) for name in names]

    def _facts(self) -> Dict[str, Any]:
        """Returns what must be equal on all workers: the method, its options, the seed, the parameters' shapes, which are trained."""
        values = self._recipe.values()
        facts = {"algorithm" if key == "name" else key: value for key, value in values["algorithm"].items()}
        facts["seed"] = values["run"]["seed"]
        return {**facts, **_facts_of(zip(self._names(), self._all))}

    def add_param_group(self, param_group: Dict[str, Any]) -> None:
        """Raises UserError once the optimizer is made: the method works on one vector of all parameters, which has its length then."""
        if self._loop is not None:
            raise UserError("add_param_group() must not be called after the optimizer is made, whose parameters are one vector: make "
                            "another one over all parameters")
        super().add_param_group(param_group)

    def _check_parameters(self) -> None:
        self._views.check()
        for k, p in enumerate(self._all):
            if p.requires_grad != self._asked[k]:
                raise UserError("params[%d] must keep requires_grad = %s, which it had when the optimizer was made, got %s: make "
                                "another optimizer after freezing or unfreezing" % (k, self._asked[k], p.requires_grad))

    def _make_loop(self) -> None:
        self._loop = None  # a loop that is there ends first
        parameters, gradients = self._library.capsules()
        self._loop = core.LocalLoop(self._recipe, self._views.layers, parameters, gradients, self._group)

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Sets all gradients to zero. They are never None, as they are views of one vector."""
        self._flat.zero_()
        self._zeroed = self._flat._version
        for p, grad in zip(self._parameters, self._grads):
            p.grad = grad

    def _take_gradients(self) -> None:
        """Puts the gradients into their flat vector, where backward() has put them already unless someone made them anew."""
        found = self._flat._version != self._zeroed and any(p.grad is not None for p in self._parameters)
        for p, grad in zip(self._parameters, self._grads):
            if p.grad is grad:
                continue
            if p.grad is None:
                grad.zero_()
            elif p.grad.shape != grad.shape:
                raise UserError("a parameter's gradient must have its shape %s, got %s" % (tuple(grad.shape), tuple(p.grad.shape)))
            else:
                grad.copy_(p.grad)
                found = True
        if not found:
            raise UserError("step() must follow a backward() that reaches the parameters of this optimizer, but none of them has a "
                            "gradient since zero_grad(): is the model another one by now? (For a step without one, p.grad.zero_().)")

    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:  # type: ignore[override]
        """Hands the gradients to the method, which takes its step and, at a round's end, averages with the other workers. After
        it the parameters are where the next gradient is to be computed.

        Returns the closure's loss, if there is a closure. The attribute `correction` is True if the gradient belonged to no local step:
        EPISODE's at the common model, after which the method wants one more before it moves, or i-nsgd's second one of each step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._check_parameters()
        self._take_gradients()
        self._library.give()
        group = self.param_groups[0]
        self.correction = not self._loop.step(group["lr"], group["gamma"])
        self._library.take()
        return loss

    def synchronize(self) -> None:
        """Ends the round under way early and puts the mean of all workers' parameters into the model. All workers call it after
        equally many steps. It does nothing where a round has just ended, as the model is the common one then."""
        self._loop.synchronize()
        self._library.take()

    @property
    def rank(self) -> int:
        """This worker's number, 0 up to workers − 1, whichever launcher started it. Each worker is one client."""
        return int(self._group.rank)

    @property
    def workers(self) -> int:
        """How many workers train together."""
        return int(self._group.size)

    @property
    def between_rounds(self) -> bool:
        """True where the model is the common one: a round has ended, and no step of the next one was taken."""
        return self._loop.between_rounds

    @property
    def metrics(self) -> Dict[str, Any]:
        """The figures so far, with those that a loaded state brings: rounds, communications, bytes_sent (bytes of the method's
        messages, by this worker); and of the last round gradient_norm (mean), clipped_fraction and the method's own, such as
        global_norm and indicator."""
        return self._loop.figures()

    def state_dict(self) -> Dict[str, Any]:
        """Returns the optimizer's state, as torch's optimizers do. The model's own state_dict has the parameters.

        Raises UserError in the middle of a round: call synchronize() first, or save where between_rounds is True."""
        if not self.between_rounds:
            raise UserError("state_dict() must be called between two rounds (between_rounds is True, or after synchronize()), "
                            "got a round under way")
        return {**super().state_dict(), "tacet": {**self._belongings(), "parts": [_packed(part) for part in self._loop.state()]}}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        """Goes on from a state, at the parameters that the model has at the next step(). Each worker loads its own.

        Raises UserError for a state of another method, of other options than eta and gamma (which come with the state), of other
        shapes or of another worker, and changes nothing then."""
        state = dict(state_dict)
        own = state.pop("tacet", None)
        if not isinstance(own, dict) or "parts" not in own:
            raise UserError("load_state_dict() must get what state_dict() of tacet.optim returned, got another optimizer's state")
        parts = tuple(_unpacked(part) for part in own["parts"])
        for name, mine in self._belongings().items():
            if own.get(name) != mine and (name not in ("worker", "workers") or parts[4]):  # this part is the worker's own
                raise UserError("load_state_dict() must get a state whose %s, got %s" % (_difference(name, own.get(name), mine)))
        super().load_state_dict(state)
        self._make_loop()
        self._loop.restore(parts)

    def _belongings(self) -> Dict[str, Any]:
        """Returns what a state belongs to. It can't be understood with another one."""
        options = dict(self._recipe.values()["algorithm"])
        algorithm = options.pop("name")
        for name in ("eta", "gamma"):  # the group has them
            options.pop(name, None)
        return {"algorithm": algorithm, "options": options, "shapes": [list(p.shape) for p in self._parameters],
                "worker": self.rank, "workers": self.workers}


def _named(name: str, algorithm: str, first_line: str) -> type:
    def __init__(self: Any, params: Iterable[Any], *, eta: float, **options: Any) -> None:
        Local.__init__(self, params, algorithm=algorithm, eta=eta, **options)

    return type(name, (Local,), {"__init__": __init__, "__module__": __name__, "__doc__": first_line + " See Local."})


CELGC = _named("CELGC", "celgc", "Local steps with clipping (Liu et al., NeurIPS 2022).")
Episode = _named("Episode", "episode", "Episodic clipping with corrections (Crawshaw et al., ICLR 2023).")
EpisodePP = _named("EpisodePP", "episode++", "EPISODE with corrections of the round before (Crawshaw et al., NeurIPS 2023).")
FedAvg = _named("FedAvg", "fedavg", "Local steps and averaging (McMahan et al., AISTATS 2017).")
FedLamb = _named("FedLamb", "fed-lamb", "Local adaptive steps, layer by layer (Karimi et al., 2021).")
NaiveClip = _named("NaiveClip", "naive-clip", "Clipped steps along the mean gradient, one communication a step.")
Scaffold = _named("Scaffold", "scaffold", "Control variates against client drift (Karimireddy et al., ICML 2020).")


class LocalSteps:
    """Averaging around an optimizer of your own: every `interval` steps of it all workers' parameters are averaged, in one message.

        with tacet.LocalSteps(net, optimizer, interval=8) as local:
            for batch in loader:
                ...
                local.step()  # optimizer.step(), and every 8th time the mean

    Args:
        model: its parameters and floating-point buffers are averaged, float32 on one device. They are changed in place.
        optimizer: any torch optimizer over the model's parameters. Its state stays each worker's own.
        interval: steps between two averages, >= 1.
        outer: a torch optimizer over the model's parameters that takes the step from the last common model x to the next one. Its
            gradient is x − x̄, the way from the workers' mean back. SGD(lr=1) is plain averaging, SGD(lr=0.7, momentum=0.9,
            nesterov=True) DiLoCo's outer step. Its state is equal on all workers. Buffers are averaged as without it.
        timeout: seconds to wait for another worker before it counts as lost.

    At the beginning all workers get rank 0's parameters, frozen ones as well, and its floating-point buffers; at the end the mean of
    steps that are not averaged yet. interval, outer and the parameters' shapes must be equal on all workers then.

    Raises UserError for a model or an outer optimizer that does not fit or differs among workers, PeerLost when a worker is gone or
    silent.

    Source of the outer step: Douillard et al., DiLoCo, 2023, algorithm 1.
    """

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, *, interval: int,
                 outer: Optional[torch.optim.Optimizer] = None, timeout: float = 60) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise UserError("interval must be a whole number >= 1, got %r" % (interval,))
        self.optimizer, self.interval, self.outer = optimizer, interval, outer
        self.taken = 0  # steps so far
        self._averaged = 0  # steps that the last average had in it
        device = next((p.device for p in model.parameters() if p.requires_grad), torch.device("cpu"))
        parameters = trained(model, device)
        self._trained = [p for _, p in parameters]
        if outer is not None:
            self._check_outer(outer, parameters)
        self._group = default_group(timeout)
        self.rank, self.workers = int(self._group.rank), int(self._group.size)  # this worker's number, and how many there are
        self._average = core.Average(self._group)
        self._all = list(model.named_parameters())
        self._named = parameters + carried(model, device)
        self._parts = Parts(model)
        self._views: Optional[Views] = None
        self._library: Any = None
        self._common: Any = None  # the parameters after the last average, where there is an outer step

    @staticmethod
    def _check_outer(outer: Any, parameters: List[Any]) -> None:
        if not isinstance(outer, torch.optim.Optimizer):
            raise UserError("outer must be a torch optimizer over the model's parameters, or None, got %r" % (outer,))
        held = {id(p) for group in outer.param_groups for p in group["params"]}
        for name, p in parameters:
            if id(p) not in held:
                raise UserError("outer must hold all trained parameters of the model, but it lacks %s" % name)

    def __enter__(self) -> "LocalSteps":
        outer = "None" if self.outer is None else " ".join(repr(self.outer).split())
        buffers = {"shape of " + name: list(t.shape) for name, t in self._named}
        require_equal(self._group, {"interval": self.interval, "outer": outer, **_facts_of(self._all), **buffers})
        give_first(self._group, [p for _, p in self._all if not p.requires_grad])
        self._views = Views("the parameter or buffer", self._named)
        self._library = _LibrarySide(self._views.flat)
        self._together(self._average.spread)
        self._keep_common()
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None and self.taken > self._averaged:
            self.synchronize()
        if self._views is not None:
            self._views.release()
            self._views = None

    def _together(self, function: Callable[[Any], None]) -> None:
        if self._views is None:
            raise UserError("LocalSteps must be entered with `with` before its steps")
        self._parts.check()
        self._views.check()
        self._library.give()
        function(self._library.capsules()[0])
        self._library.take()

    def _keep_common(self) -> None:
        if self.outer is not None and self._views is not None:
            self._common = self._views.flat.clone()

    def step(self) -> None:
        """Takes a step of the optimizer, and averages after every interval-th one."""
        self.optimizer.step()
        self.taken += 1
        if self.taken % self.interval == 0:
            self.synchronize()

    def synchronize(self) -> None:
        """Averages now, and takes the outer step. All workers call it after equally many steps."""
        self._together(self._average.mean)
        self._averaged = self.taken
        if self.outer is not None:
            self._outer_step(self.outer)
            self._keep_common()

    def _outer_step(self, outer: torch.optim.Optimizer) -> None:
        """Goes back to the last common parameters, and from there on along x − x̄ as the outer optimizer does."""
        common = slices(self._common, self._trained)  # buffers come behind the parameters and keep their mean
        grads = [p.grad for p in self._trained]
        with torch.no_grad():
            for p, x in zip(self._trained, common):
                p.grad = x - p
                p.copy_(x)
        try:
            outer.step()
        finally:
            for p, grad in zip(self._trained, grads):
                p.grad = grad
