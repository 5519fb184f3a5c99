"""Reads a checkpoint of tacet (docs/reference/checkpoint-format.md) with nothing but Python's standard library: load(folder) returns its
numbers and tensors. As a program it lists them. It writes nothing; to continue a run, use tacet train --resume."""

import array
import hashlib
import json
import os
import struct
import sys
from dataclasses import dataclass

TYPES = {"F32": "f", "F64": "d", "I64": "q", "I32": "i", "U8": "B"}  # array.array's codes


@dataclass
class Tensor:
    shape: list
    values: array.array  # flat, in C order


@dataclass
class Checkpoint:
    round: int  # finished rounds
    clients: int
    numbers: dict  # name → float, exact
    tensors: dict  # name → Tensor


def read_safetensors(path):
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = array.array(TYPES[entry["dtype"]], data[begin:end])
        if sys.byteorder == "big":
            values.byteswap()
        tensors[name] = Tensor(entry["shape"], values)
    return tensors


def check(folder):
    """Raises ValueError naming the file that does not match its checksum."""
    with open(os.path.join(folder, "SHA256SUMS"), encoding="ascii") as f:
        sums = [line.split() for line in f]
    for digest, name in sums:
        with open(os.path.join(folder, name), "rb") as f:
            if hashlib.sha256(f.read()).hexdigest() != digest:
                raise ValueError("%s does not match its checksum" % os.path.join(folder, name))


def load(folder):
    check(folder)
    with open(os.path.join(folder, "state.json"), encoding="utf-8") as f:
        state = json.load(f)
    if state["format"] != 2:
        raise ValueError("%s: format must be 2, got %r" % (folder, state["format"]))
    numbers = {name: struct.unpack("<d", struct.pack("<Q", n["bits"]))[0] for name, n in state["numbers"].items()}
    return Checkpoint(state["round"], state["clients"], numbers,
                      read_safetensors(os.path.join(folder, "state.safetensors")))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: read_checkpoint.py FOLDER")
    try:
        checkpoint = load(sys.argv[1])
    except (OSError, ValueError) as error:
        sys.exit("read_checkpoint.py: %s" % error)
    print("round %d, %d clients" % (checkpoint.round, checkpoint.clients))
    for name, value in sorted(checkpoint.numbers.items()):
        print("%-20s %.17g" % (name, value))
    for name, tensor in sorted(checkpoint.tensors.items()):
        print("%-20s %s" % (name, "×".join(map(str, tensor.shape)) or "scalar"))


if __name__ == "__main__":
    main()
