"""Reads what runs have written: folders, checkpoints, tables and pages."""

import json
import os
from typing import Any, Dict, List, Optional, Sequence, Union

import torch

from . import _checkpoint_files as files  # python/read_checkpoint.py, which the build puts here
from ._load import UserError, core

Folder = Union[str, "os.PathLike[str]"]
_TYPES = {"f": torch.float32, "d": torch.float64, "q": torch.int64, "i": torch.int32, "B": torch.uint8}


def _tensors(found: Dict[str, Any]) -> Dict[str, torch.Tensor]:
    """Returns the tensors that the reader gave as flat arrays with a shape."""
    made = {}
    for name, t in found.items():
        kind = _TYPES[t.values.typecode]
        flat = torch.frombuffer(t.values, dtype=kind).clone() if len(t.values) else torch.empty(0, dtype=kind)
        made[name] = flat.reshape(t.shape)
    return made


def model_of(path: str) -> Dict[str, torch.Tensor]:
    """Returns the tensors of a safetensors file by name."""
    return _tensors(files.read_safetensors(path))


class Run:
    """A run that has ended, was interrupted or still goes on, as its folder tells.

    folder   path of the folder; None for a run that was trained without out=, and on workers of a launcher but the first
    summary  the dict of summary.json: status, final and best figures, rounds, bytes_sent (bytes), seconds, versions; on workers of a
             launcher but the first, which writes the files, status, rounds and worker alone
    lines    a dict for each line of metrics.jsonl, in order; empty on those workers
    recipe   the resolved recipe as TOML text
    """

    def __init__(self, *, folder: Optional[str], summary: Dict[str, Any], lines: List[Dict[str, Any]], recipe: str,
                 tensors: Optional[Dict[str, torch.Tensor]]) -> None:
        self.folder, self.summary, self.lines, self.recipe, self._tensors = folder, summary, lines, recipe, tensors

    @property
    def metrics(self) -> Any:
        """The lines of metrics.jsonl: a pandas.DataFrame where pandas is installed, else a list of dicts. Its columns are those of
        docs/reference/run-files.md, `event`, `round`, `epoch`, `train_loss`, …"""
        try:
            import pandas
        except ImportError:
            return self.lines
        return pandas.DataFrame(self.lines)

    @property
    def status(self) -> str:
        """"done", "interrupted", "failed" or "running"; "ended" on a worker that asked to join when the others had finished."""
        return self.summary["status"]

    @property
    def sha256(self) -> str:
        """The SHA-256 of model.safetensors, in hexadecimal digits; empty before the run is done, and where another worker wrote it."""
        return self.summary.get("model_sha256") or ""

    def state_dict(self) -> Dict[str, torch.Tensor]:
        """Returns the final averaged model, float32 tensors by the module's own names: trained parameters and floating-point
        buffers. Load it with module.load_state_dict(…, strict=False). Raises UserError for a run that is not done."""
        if self._tensors is None:
            if "worker" in self.summary:
                raise UserError("worker %d of a launcher has no model of a run without model=: the first worker has written it" %
                                self.summary["worker"])
            raise UserError("%s has no model.safetensors yet: its status is %s" % (self.folder, self.status))
        return {name: t.clone() for name, t in self._tensors.items()}

    def __repr__(self) -> str:
        final = ", ".join("%s %.6g" % (k, v) for k, v in (self.summary.get("final") or {}).items() if isinstance(v, (int, float)))
        place = "of worker %d" % self.summary["worker"] if "worker" in self.summary else self.folder or "in memory"
        return "<tacet.Run %s, %s, %s rounds%s>" % (place, self.status, self.summary.get("rounds"), ", " + final if final else "")


def _json_lines(path: str) -> List[Dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    lines = []
    for number, line in enumerate(whole.split("\n")[:-1], 1):  # a last line without its end is still being written
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise UserError("%s:%d: must be a JSON object: %s" % (path, number, error)) from error
    return lines


def read_run(folder: Folder) -> Run:
    """Reads a run's folder, in whatever state the run is.

    Raises UserError for a folder that is none of a run."""
    folder = os.fspath(folder)
    path = {name: os.path.join(folder, name) for name in ("summary.json", "metrics.jsonl", "recipe.toml", "model.safetensors")}
    if not os.path.isfile(path["metrics.jsonl"]) or not os.path.isfile(path["summary.json"]):
        raise UserError("%s must be a run's folder, with metrics.jsonl and summary.json, got %s" %
                        (folder, "another folder" if os.path.isdir(folder) else "no folder"))
    with open(path["summary.json"], encoding="utf-8") as file:
        summary = json.load(file)
    with open(path["recipe.toml"], encoding="utf-8") as file:
        recipe = file.read()
    model = path["model.safetensors"]
    tensors = model_of(model) if os.path.isfile(model) else None
    return Run(folder=folder, summary=summary, lines=_json_lines(path["metrics.jsonl"]), recipe=recipe, tensors=tensors)


class Checkpoint:
    """A checkpoint's content.

    round    finished rounds
    clients  number of clients
    numbers  floats by name, exact
    tensors  torch tensors by name: the model `x`, the clients' vectors, data positions, …
    """

    def __init__(self, *, round: int, clients: int, numbers: Dict[str, float], tensors: Dict[str, torch.Tensor]) -> None:
        self.round, self.clients, self.numbers, self.tensors = round, clients, numbers, tensors


def read_checkpoint(folder: Folder) -> Checkpoint:
    """Reads a checkpoint: its folder, or a run's folder, of which checkpoint/ is read. Checks its checksums
    (docs/reference/checkpoint-format.md).

    Raises UserError naming the file that is missing or does not match its checksum."""
    folder = os.fspath(folder)
    inner = os.path.join(folder, "checkpoint")
    place = inner if os.path.isdir(inner) else folder
    try:
        found = files.load(place)
    except (OSError, ValueError, KeyError) as error:
        raise UserError("%s must be a whole checkpoint: %s" % (place, error)) from error
    return Checkpoint(round=found.round, clients=found.clients, numbers=found.numbers, tensors=_tensors(found.tensors))


def compare(folders: Sequence[Folder]) -> List[Dict[str, Any]]:
    """Returns the figures of runs, a dict a run in the order given, as `tacet compare --json` prints them: status, algorithm,
    epochs, train_loss, final and best figures, rounds, communications, bytes_sent (bytes), seconds. A figure that a run does
    not tell is None.

    Raises UserError for a folder that is none of a run."""
    return json.loads(core.compare_json([os.fspath(f) for f in folders]))["runs"]


def report(folders: Sequence[Folder], *, output: Folder = "report.html") -> str:
    """Writes one self-contained HTML page with tables and figures of runs, and returns its path.

    Raises UserError for a folder that is none of a run, or a page that can't be written."""
    core.write_report([os.fspath(f) for f in folders], os.fspath(output))
    return os.fspath(output)


def algorithms() -> List[Dict[str, Any]]:
    """Returns all methods, a dict each: name, paper (source), summary, use, and options, a list of dicts with name, default,
    allowed and meaning."""
    return core.algorithms()
