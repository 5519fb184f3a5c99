"""Writes random arrays as NumPy saves them, K.npy, and the same numbers in C order as float64, wantK.npy, into a folder. Types, byte
orders, Fortran order, sizes and header versions vary."""

import sys

try:
    import numpy
except ImportError:
    print("write_arrays.py: NumPy is not installed for " + sys.executable, file=sys.stderr)
    sys.exit(77)

TYPES = ["?", "i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]
SHAPES = [(5,), (4, 3), (3, 1, 4), (2, 3, 2, 5), (7, 1), (0, 3)]


def python2(path):
    """Rewrites a header as Python 2's NumPy wrote it, with sizes such as 40L."""
    with open(path, "rb") as f:
        data = f.read()
    size = int.from_bytes(data[8:10], "little")
    head, numbers = data[10:10 + size].decode("latin1"), data[10 + size:]
    before, after = head.rstrip().split("(")
    sizes, rest = after.split(")")
    head = before + "(" + ", ".join(s.strip() + "L" for s in sizes.split(",") if s.strip()) + ",)" + rest
    head += " " * (-(len(head) + 11) % 16) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode("latin1") + numbers)


draw = numpy.random.default_rng(1)
count = 0
for kind in TYPES:
    for shape in SHAPES:
        array = (draw.integers(0, 2 if kind == "?" else 120, shape) * (0.5 if "f" in kind else 1)).astype(kind)
        if count % 3 == 1:
            array = numpy.asfortranarray(array)
        place = "%s/%d.npy" % (sys.argv[1], count)
        with open(place, "wb") as out:
            numpy.lib.format.write_array(out, array, version=((1, 0), (2, 0))[count % 2])
        if count % 4 == 0:
            python2(place)
        numpy.save("%s/want%d.npy" % (sys.argv[1], count), numpy.ascontiguousarray(array, dtype="<f8"))
        count += 1
