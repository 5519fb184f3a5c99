"""Workers of a run as copies of this process. The copies are made by fork, so they have the program's module, loss and data as
they are, lambdas and all; nothing is pickled and no script runs twice. The library's launcher watches them and starts lost
ones again."""

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from typing import Any, Callable, Iterator, List, Optional

import torch

from ._load import PeerLost, UserError, core

USER_MISTAKE, PEER_LOST, STRANDED, STOPPED, DEFECT = 2, 3, 75, 76, 1


class _Errors:
    """The errors of workers, each in a file of a folder that this process looks into when all have ended."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def write(self, kind: str, text: str) -> None:
        placed = core.placed_rank()
        path = os.path.join(self._folder, "error-%06d" % (placed[0] if placed else 0))
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"kind": kind, "text": text}, file)

    def first(self, kinds: "tuple[str, ...]") -> Optional[str]:
        """Returns the text of the lowest worker's error of one of these kinds."""
        for name in sorted(os.listdir(self._folder)):
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                error = json.load(file)
            if error["kind"] in kinds:
                return error["text"]
        return None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def _guarded(work: Callable[[bool], str], errors: _Errors) -> Callable[[bool], int]:
    """Returns the whole life of a worker: it never lets an exception out, and ends with an exit code of the command."""

    def life(rejoins: bool) -> int:
        try:
            status = work(rejoins)
            return {"interrupted": STOPPED, "stranded": STRANDED}.get(status, 0)
        except UserError as error:
            errors.write("user", str(error))
            return USER_MISTAKE
        except PeerLost as error:
            errors.write("lost", str(error))
            return PEER_LOST
        except BaseException:
            errors.write("defect", traceback.format_exc())
            return DEFECT
        finally:
            _flush()

    return life


def copies_can_differentiate() -> bool:
    """Tells whether gradients can be computed in copies of this process. Where torch has threads for devices besides the CPU
    (a GPU, or Debian 13's Vulkan), the first backward() starts them, and from then on torch refuses to in copies."""
    pid = os.fork()
    if pid == 0:
        try:
            torch.ones(1, requires_grad=True).sum().backward()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def launch_copies(work: Callable[[bool], int], workers: int, restarts: int) -> int:
    """Starts the workers and waits for them. Raises UserError where they could compute nothing."""
    if not copies_can_differentiate():
        raise UserError("workers must be 1 in a process that has computed gradients before, as this torch computes none in copies of it "
                        "(got %d): call tacet.train before the first backward(), or start the script by `tacet launch --workers %d -- "
                        "python …` and leave workers out" % (workers, workers))
    return core.launch_copies(work, workers, restarts)


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Has SIGTERM raise KeyboardInterrupt in the main thread, and puts the program's own answer back."""
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Supervisor:
    """A copy of this process that starts the workers and waits for them. It is made from a thread that has never computed: a
    copy of a thread with an OpenMP team would wait for a team that is not there."""

    def __init__(self, body: Callable[[], int], errors: _Errors) -> None:
        self._body, self._errors = body, errors
        self._pid = 0
        self._status: Optional[int] = None
        self._refused: Optional[OSError] = None
        self._begun, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._fork_and_wait, name="tacet-supervisor", daemon=True)

    def _fork_and_wait(self) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._refused = error
            self._begun.set()
            self._ended.set()
            return
        if pid == 0:
            code = DEFECT
            try:
                code = self._body()
            except UserError as error:
                self._errors.write("user", str(error))
                code = USER_MISTAKE
            except BaseException:
                traceback.print_exc()
            finally:
                _flush()
                os._exit(code)
        self._pid = pid
        self._begun.set()
        self._status = os.waitpid(pid, 0)[1]
        self._ended.set()

    def run(self) -> "tuple[int, bool]":
        """Returns the exit code, and true after a KeyboardInterrupt or SIGTERM, which the workers have answered with a checkpoint."""
        _flush()
        self._thread.start()
        self._begun.wait(5)  # the copy has the program's own answer to SIGTERM
        with _sigterm_as_interrupt():
            interrupts = self._wait()
        if self._refused:
            raise UserError("workers: this process can't be copied: %s" % self._refused)
        assert self._status is not None
        return os.waitstatus_to_exitcode(self._status), interrupts > 0

    def _wait(self) -> int:
        """Waits for the copy, hands signals on, and returns their number."""
        interrupts = 0
        while not self._ended.is_set():  # an interrupted Thread.join may take a living thread for ended
            try:
                self._ended.wait(0.2)
            except KeyboardInterrupt:
                interrupts += 1
                self._begun.wait(5)
                if self._pid:
                    os.kill(self._pid, signal.SIGTERM if interrupts == 1 else signal.SIGKILL)
        return interrupts


def run(work: Callable[[bool], str], *, workers: int, restarts: int) -> None:
    """Runs `work(rejoins)` in `workers` processes, and returns when all have ended well. `work` returns a run's status.

    Raises UserError, PeerLost, RuntimeError with a worker's traceback, or KeyboardInterrupt after a checkpoint was written."""
    with tempfile.TemporaryDirectory(prefix="tacet-") as folder:
        errors = _Errors(folder)
        code, interrupted = _Supervisor(lambda: launch_copies(_guarded(work, errors), workers, restarts), errors).run()
        if interrupted:
            raise KeyboardInterrupt
        _raise(code, errors)


def _raise(code: int, errors: _Errors) -> None:
    if code == 0:
        return
    defect = errors.first(("defect",))
    if defect is not None:
        raise RuntimeError("a worker ended with an exception:\n" + defect)
    if code == USER_MISTAKE:
        raise UserError(errors.first(("user",)) or "a worker was given wrong input")
    if code == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    if code == 128 + signal.SIGTERM:
        raise SystemExit(code)
    raise PeerLost(errors.first(("lost", "user")) or "a worker was lost, and the run could not go on without it")


def stop_signals(*, interrupt: bool) -> List[int]:
    """Returns the signals that end a run here after the round under way: SIGTERM, and with `interrupt` SIGINT. None outside of the
    main thread, as Python has it."""
    if threading.current_thread() is not threading.main_thread():
        return []
    ends: List[int] = [signal.SIGTERM, signal.SIGINT]
    return ends if interrupt else ends[:1]
