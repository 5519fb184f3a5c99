"""Loads the compiled part of tacet, after it has checked that it belongs to the torch of this Python. Two copies of libtorch in
one process would not share tensors."""

import torch

from . import _built

# Without the prefix the system's torch would be taken again, and without --no-deps pip would replace NumPy as well.
_AGAIN = ("build it again with `CMAKE_PREFIX_PATH=\"$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')\" "
          "pip install --no-build-isolation --no-deps --force-reinstall .` in tacet's source folder")


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])


if _series(torch.__version__) != _series(_built.TORCH_VERSION):
    raise ImportError("tacet was built with torch %s, but this Python has torch %s: %s" %
                      (_built.TORCH_VERSION, torch.__version__, _AGAIN))

try:
    from . import _core as core
except ImportError as error:
    raise ImportError("tacet's compiled part can't be loaded (%s): %s" % (error, _AGAIN)) from error


def _libraries() -> "set[str]":
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        return {line.split()[-1] for line in maps if "/libtorch_cpu" in line}


if len(_libraries()) > 1:
    raise ImportError("tacet was built with another libtorch than this Python's (%s are both loaded): %s" %
                      (" and ".join(sorted(_libraries())), _AGAIN))

UserError = core.UserError
PeerLost = core.PeerLost
__version__ = core.version
