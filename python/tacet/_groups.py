"""The workers of a program's own loop: torch.distributed's default group where the program has made one, else those that a
launcher placed, else this process alone."""

import datetime
import functools
import os
import sys
from typing import Any, List

import torch

from ._load import PeerLost, UserError, core


class _Carrier:
    """Carries the library's messages with torch.distributed: pieces of bytes, to and from each rank."""

    def __init__(self, group: Any, timeout: float) -> None:
        import torch.distributed as dist
        self._dist, self._group = dist, group
        self._limit = datetime.timedelta(seconds=timeout)

    def __call__(self, to: List[List[memoryview]], from_: List[List[memoryview]]) -> None:
        waits = []
        try:
            for q, pieces in enumerate(from_):
                waits += [(q, self._dist.irecv(_bytes(piece), q, group=self._group)) for piece in pieces]
            for q, pieces in enumerate(to):
                waits += [(q, self._dist.isend(_bytes(piece), q, group=self._group)) for piece in pieces]
        except RuntimeError as error:
            raise self._lost(-1, error) from error
        for q, wait in waits:
            try:
                wait.wait(self._limit)
            except RuntimeError as error:
                raise self._lost(q, error) from error

    @staticmethod
    def _lost(rank: int, error: Exception) -> PeerLost:
        lost = PeerLost("worker %s is gone, silent, or did not call step() as often as this one: %s" %
                        (rank if rank >= 0 else "(unknown)", str(error).splitlines()[0]))
        lost.rank = rank
        return lost


def _bytes(piece: memoryview) -> torch.Tensor:
    return torch.frombuffer(piece, dtype=torch.uint8)


@functools.lru_cache(maxsize=None)
def _placed(timeout: float) -> Any:
    """Returns the group of a launcher's variables. They name one place to meet, so a process meets there once."""
    return core.placed_group(timeout)


@functools.lru_cache(maxsize=None)
def end_as_the_command_does() -> None:
    """Lets an uncaught error of ours end a worker with the command's exit code, by which launchers know what happened: 2 for a
    UserError, 3 for a PeerLost."""
    before = sys.excepthook

    def hook(kind: Any, value: Any, trace: Any) -> None:
        before(kind, value, trace)
        if issubclass(kind, (UserError, PeerLost)):
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(3 if issubclass(kind, PeerLost) else 2)

    sys.excepthook = hook


def default_group(timeout: float) -> Any:
    """Returns the group of this process's workers. Every wait in it ends after `timeout` seconds."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        group = torch.distributed.group.WORLD
        rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        if size == 1:
            return core.single_group()
        end_as_the_command_does()
        return core.carried_group(rank, size, "torch.distributed", _Carrier(group, timeout))
    group = _placed(timeout)
    if group.size > 1:
        end_as_the_command_does()
    return group
