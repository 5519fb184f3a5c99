"""Writes small valid files of every format into tests/fuzz/corpus: where the fuzzers start. The result is kept in the repository."""

import gzip
import json
import pathlib
import struct
import zlib

ROOT = pathlib.Path(__file__).resolve().parent / "corpus"


def keep(kind, name, data):
    (ROOT / kind).mkdir(parents=True, exist_ok=True)
    (ROOT / kind / name).write_bytes(data)


labels = struct.pack(">BBBBI", 0, 0, 8, 1, 5) + bytes(range(5))
images = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4) + bytes(range(24))
keep("idx", "labels", labels)
keep("idx", "images", images)
keep("idx", "images.gz", gzip.compress(images, mtime=0))

for name, descr, shape, data in (("floats", "<f4", "(2, 3)", struct.pack("<6f", *range(6))), ("bytes", "|u1", "(4,)", bytes(4)),
                                 ("longs", "<i8", "(2,)", struct.pack("<2q", 1, -1))):
    header = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    keep("npy", name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)

header = json.dumps({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                     "b": {"dtype": "I64", "shape": [1], "data_offsets": [16, 24]}, "__metadata__": {"k": "v"}}).encode()
header += b" " * (-len(header) % 8)
keep("safetensors", "two", struct.pack("<Q", len(header)) + header + struct.pack("<4fq", 1, 2, 3, 4, 5))

keep("cifar", "two", b"".join(bytes([label]) + bytes((label + k) % 256 for k in range(3072)) for label in (3, 9)))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


rows = b"".join(b"\0" + bytes((x * y * c) % 256 for x in range(8) for c in (3, 5, 7)) for y in range(8))
keep("picture", "square.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) +
     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

keep("table", "rows.csv", b'text,label\n"a, ""b""",pos\r\n"one\ntwo",neg\n')
keep("table", "rows.tsv", b'text\tlabel\n"a\tb"\tpos\n"say ""hi"""\tneg\n')
keep("table", "plain.tsv", b'text\tlabel\n5" screen\tpos\rb\tneg\r')

keep("recipe", "sets", b'--set data.root=texts\n--set schedule.milestones=[80, 120]\n--set a.b={c = 1}\n--set run.seed=9223372036854775808\n'
     b'[data]\nname = "text"\npartition.kind = "iid"\nroot = \'C:\\Users\'\n[run]\nseed = 18446744073709551616\n')
keep("recipe", "strays", b'name = "x"\nextends = ""\n[data]\nname = 1\nname.x = 2\n[[algorithm]]\neta = 1979-05-27\n')
keep("folders", "classes", b"p cat/0.jpg\np cat/deep/1.jpg\nf cat/notes.txt\np dog/0.jpg\nf dog/._0.jpg\nd empty\n")
keep("folders", "links", b"p cat/0.jpg\np dog/0.jpg\nl cat/more dog\nl dog/up cat\nl lost nowhere\nf Thumbs.db\n")
