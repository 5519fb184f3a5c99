"""tacet for Python: train your own PyTorch module with every method of tacet, on worker processes that may be lost, with exact
resume, and read what runs have written.

    run = tacet.train("recipe.toml", model=net, loss=loss, data=dataset, workers=4, out="runs/first")

Nothing here computes: the methods, the rounds and the messages are tacet's C++ library, the losses are PyTorch's.
"""

from ._load import UserError, PeerLost, __version__
from ._read import Checkpoint, Run, algorithms, compare, read_checkpoint, read_run, report
from ._train import train
from . import optim
from .optim import LocalSteps

__all__ = ["Checkpoint", "LocalSteps", "PeerLost", "Run", "UserError", "__version__", "algorithms", "compare", "optim",
           "read_checkpoint", "read_run", "report", "train"]
