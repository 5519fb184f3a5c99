from array import array
from typing import Any, Dict, List

class Tensor:
    shape: List[int]
    values: "array[Any]"

class Checkpoint:
    round: int
    clients: int
    numbers: Dict[str, float]
    tensors: Dict[str, Tensor]

def read_safetensors(path: str) -> Dict[str, Tensor]: ...
def load(folder: str) -> Checkpoint: ...
