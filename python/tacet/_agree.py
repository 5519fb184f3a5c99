"""What the workers of a program's own loop must have alike: the check of it, and worker 0's values for all."""

import json
from typing import Any, Mapping, Sequence

import torch
from torch.utils import dlpack

from ._load import UserError, core


def _bytes_of_first(group: Any, mine: torch.Tensor) -> torch.Tensor:
    """Returns worker 0's bytes, as uint8. All workers give equally many. Collective."""
    whole = torch.zeros((mine.numel() + 3) // 4 * 4, dtype=torch.uint8)
    whole[:mine.numel()] = mine
    core.Average(group).spread(dlpack.to_dlpack(whole.view(torch.float32)))  # it moves bits, whatever numbers they make
    return whole[:mine.numel()]


def _text_of_first(group: Any, mine: str) -> str:
    """Returns worker 0's text, which may be of another length. Collective."""
    data = torch.frombuffer(bytearray(mine.encode()), dtype=torch.uint8)
    length = int(_bytes_of_first(group, torch.tensor([data.numel()]).view(torch.uint8)).view(torch.int64).item())
    theirs = _bytes_of_first(group, data if group.rank == 0 else torch.zeros(length, dtype=torch.uint8))
    return bytes(theirs.tolist()).decode()


def require_equal(group: Any, facts: Mapping[str, Any]) -> None:
    """Raises UserError on all workers where a fact of one is not worker 0's, as its text says it. A worker that differs names the
    first such fact. Collective."""
    if group.size == 1:
        return
    mine = {name: str(value) for name, value in facts.items()}
    first = json.loads(_text_of_first(group, json.dumps(mine)))
    name = next((name for name in {**first, **mine} if first.get(name) != mine.get(name)), None)
    differing = torch.tensor([float(name is not None)])
    core.Average(group).mean(dlpack.to_dlpack(differing))
    if name is not None:
        raise UserError("%s must be the same on all workers, but it is %s on worker 0 and %s on worker %d" %
                        (name, first.get(name, "absent"), mine.get(name, "absent"), group.rank))
    if differing.item() > 0:
        raise UserError("parameters and options must be the same on all workers, but another worker's are not worker 0's: its own message "
                        "names the difference")


def give_first(group: Any, tensors: Sequence[torch.Tensor]) -> None:
    """Gives tensors of any type and device worker 0's values. Collective."""
    filled = [t for t in tensors if t.numel() > 0]
    if group.size == 1 or not filled:
        return
    mine = [t.detach().cpu().contiguous().view(-1).view(torch.uint8) for t in filled]
    theirs = _bytes_of_first(group, torch.cat(mine)).split([part.numel() for part in mine])
    with torch.no_grad():
        for t, part in zip(filled, theirs):
            t.copy_(part.clone().view(t.dtype).view(t.shape))  # a copy begins where its type's numbers may begin
