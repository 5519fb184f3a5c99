"""The workers of a program's own loop: torch.distributed's default group where the program has made one, else those that a
launcher placed, else this process alone."""

import datetime
import functools
import io
import os
import sys
import time
from typing import Any, List, Optional, Tuple

import torch

from ._load import PeerLost, UserError, core


_GIVEN_UP = (RuntimeError, ValueError)  # torch.distributed raises either for a connection or a group that is gone


class _Carrier:
    """Carries the library's messages with torch.distributed: pieces of bytes, to and from each rank. Messages of a backend that
    takes CPU tensors are sent from the library's own memory. For one that takes GPU tensors only (NCCL) they are staged: copied
    to `device`, sent in one batch, and what arrives is copied back."""

    def __init__(self, group: Any, timeout: float, device: Optional[torch.device]) -> None:
        import torch.distributed as dist
        self._dist, self._group, self._device = dist, group, device
        self._limit = datetime.timedelta(seconds=timeout)

    def __call__(self, to: List[List[memoryview]], from_: List[List[memoryview]]) -> None:
        if self._device is None:
            self._carry(to, from_)
        elif any(map(len, to)) or any(map(len, from_)):
            self._carry_staged(to, from_, self._device)

    def _carry_staged(self, to: List[List[memoryview]], from_: List[List[memoryview]], device: torch.device) -> None:
        dist, landed, steps = self._dist, [], []
        for q, pieces in enumerate(from_):
            for piece in pieces:
                here = _bytes(piece)
                landed.append((here, torch.empty_like(here, device=device)))
                steps.append(dist.P2POp(dist.irecv, landed[-1][1], q, self._group))
        for q, pieces in enumerate(to):
            steps += [dist.P2POp(dist.isend, _bytes(piece).to(device, copy=True), q, self._group) for piece in pieces]
        try:
            for wait in dist.batch_isend_irecv(steps):  # NCCL runs single ones in order: two workers would wait for each other
                wait.wait(self._limit)
            if device.type == "cuda":
                self._await_device(device)
        except _GIVEN_UP as error:
            raise self._lost(-1, error) from error
        for here, there in landed:
            here.copy_(there)

    def _await_device(self, device: torch.device) -> None:
        """Waits until the GPU has the messages. wait() has only put them in order before what the GPU does next."""
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(device))
        end = time.monotonic() + self._limit.total_seconds()
        while not done.query():
            if time.monotonic() > end:
                raise RuntimeError("no message within %g seconds" % self._limit.total_seconds())
            time.sleep(1e-4)

    def _carry(self, to: List[List[memoryview]], from_: List[List[memoryview]]) -> None:
        waits = []
        try:
            for q, pieces in enumerate(from_):
                waits += [(q, self._dist.irecv(_bytes(piece), q, group=self._group)) for piece in pieces]
            for q, pieces in enumerate(to):
                waits += [(q, self._dist.isend(_bytes(piece), q, group=self._group)) for piece in pieces]
        except _GIVEN_UP as error:
            raise self._lost(-1, error) from error
        for q, wait in waits:
            try:
                wait.wait(self._limit)
            except _GIVEN_UP as error:
                raise self._lost(q, error) from error

    @staticmethod
    def _lost(rank: int, error: Exception) -> PeerLost:
        lost = PeerLost("worker %s is gone, silent, or did not call step() as often as this one: %s" %
                        (rank if rank >= 0 else "(unknown)", str(error).splitlines()[0]))
        lost.rank = rank
        return lost


def _bytes(piece: memoryview) -> torch.Tensor:
    return torch.frombuffer(piece, dtype=torch.uint8)


_met: List[Any] = []


def _placed(timeout: float) -> Any:
    """Returns the group of a launcher's variables. They name one place to meet, so a process meets there once."""
    if not _met:
        _met.append(core.placed_group(timeout))
    return _met[0]


@functools.lru_cache(maxsize=None)
def end_as_the_command_does() -> None:
    """Lets an uncaught error of ours end a worker with the command's exit code, by which launchers know what happened: 2 for a
    UserError, 3 for a PeerLost."""
    before = sys.excepthook

    def hook(kind: Any, value: Any, trace: Any) -> None:
        before(kind, value, trace)
        if issubclass(kind, (UserError, PeerLost)):
            if isinstance(sys.stderr, io.StringIO) and sys.__stderr__:  # torch.distributed's hook around this one would show it later
                sys.__stderr__.write(sys.stderr.getvalue())
            for stream in filter(None, (sys.stdout, sys.stderr, sys.__stderr__)):
                stream.flush()
            os._exit(3 if issubclass(kind, PeerLost) else 2)

    sys.excepthook = hook


def placement() -> Optional[Tuple[int, int]]:
    """Returns this process's number among the workers that a launcher placed, and theirs; None where none did. From then on an
    uncaught error ends a placed worker as it does the command, also one of variables that do not fit."""
    try:
        placed = core.placed_rank()
    except UserError:
        end_as_the_command_does()
        raise
    if placed and placed[1] > 1:
        end_as_the_command_does()
    return placed


def _staging_device(group: Any) -> Optional[torch.device]:
    """Returns the GPU that messages of a group go through, or None for a group that takes CPU tensors."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.distributed.get_backend(group) == "nccl" else None


def default_group(timeout: float) -> Any:
    """Returns the group of this process's workers. Every wait in it ends after `timeout` seconds."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        group = torch.distributed.group.WORLD
        rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        if size == 1:
            return core.single_group()
        end_as_the_command_does()
        return core.carried_group(rank, size, "torch.distributed", _Carrier(group, timeout, _staging_device(group)))
    placement()  # before the workers meet, which may fail
    return _placed(timeout)
