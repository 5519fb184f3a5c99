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



def flat_webp(side, green, red, blue):
    """A lossless WebP of one colour: sizes, alpha, version, no transformation, cache or further codes, five codes of one symbol."""
    fields = [(side - 1, 14), (side - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    for symbol in (green, red, blue, 255, 0):
        fields += [(1, 1), (0, 1), (1, 1), (symbol, 8)]
    bits = sum(value << sum(n for _, n in fields[:k]) for k, (value, _) in enumerate(fields))
    data = b"\x2f" + bits.to_bytes((sum(n for _, n in fields) + 7) // 8, "little")
    data += b"\0" * (len(data) % 2)
    return b"VP8L" + struct.pack("<I", len(data)) + data


def riff(chunks):
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


keep("picture", "flat.webp", riff(flat_webp(8, 100, 200, 50)))
frame = bytes(6) + bytes((7, 0, 0, 7, 0, 0, 100, 0, 0, 0)) + flat_webp(8, 100, 200, 50)
keep("picture", "two.webp", riff(b"VP8X" + struct.pack("<I", 10) + bytes((2, 0, 0, 0, 9, 0, 0, 9, 0, 0)) + b"ANIM" +
                                 struct.pack("<I", 6) + bytes(6) + 2 * (b"ANMF" + struct.pack("<I", len(frame)) + frame)))


def tiff(tags, data):
    """A TIFF whose values lie behind its one table of tags. A tag is its number and short numbers."""
    end, table, more = 8 + 2 + 12 * (len(tags) + 1) + 4, b"", b""
    for number, values in sorted(tags + [(273, None)]):
        if values is None:
            table += struct.pack("<HHII", number, 4, 1, end)
        elif len(values) <= 2:
            table += struct.pack("<HHI", number, 3, len(values)) + struct.pack("<2H", *(values + [0])[:2])
        else:
            table += struct.pack("<HHII", number, 3, len(values), end + len(data) + len(more))
            more += struct.pack("<%dH" % len(values), *values)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags) + 1) + table + bytes(4) + data + more


def page(photometric, bits, samples, data, *more, compression=1):
    return tiff([(256, [8]), (257, [8]), (258, [bits] * samples), (259, [compression]), (262, [photometric]), (277, [samples]), (278, [8]),
                 (279, [len(data)])] + list(more), data)


keep("picture", "rgb.tiff", page(2, 8, 3, bytes(range(192))))
keep("picture", "grey16.tiff", page(1, 16, 1, bytes(range(128))))
keep("picture", "alpha.tiff", page(2, 8, 4, bytes(range(256)), (338, [1])))
keep("picture", "inks.tiff", page(5, 8, 4, bytes(range(256))))
keep("picture", "palette.tiff", page(3, 4, 1, bytes(range(32)), (320, [(257 * k) % 65536 for k in range(48)])))
keep("picture", "packed.tiff", page(1, 8, 1, 8 * bytes((249, 7)), compression=32773))

# Nine bits a code, low bits first: the clear code, the indices themselves, the end.
codes = [256] + [k % 4 for k in range(64)] + [257]
bits = sum(code << (9 * k) for k, code in enumerate(codes))
packed = bits.to_bytes((9 * len(codes) + 7) // 8, "little")
image = bytes((8, len(packed))) + packed + b"\0"
screen = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x81, 0, 0) + bytes(range(12))
keep("picture", "four.gif", screen + b"!\xf9\4\1\0\0\2\0" + b"," + struct.pack("<4HB", 0, 0, 8, 8, 0) + image + b";")
keep("picture", "passes.gif", screen + b"," + struct.pack("<4HB", 0, 0, 8, 8, 0x40) + image + b";")


def bitmap(bits, compression, rows, palette=b""):
    begin = 54 + len(palette)
    return (b"BM" + struct.pack("<IHHI", begin + len(rows), 0, 0, begin) +
            struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, bits, compression, len(rows), 0, 0, 0, 0) + palette + rows)


keep("picture", "rgb.bmp", bitmap(24, 0, bytes(range(192))))
keep("picture", "palette.bmp", bitmap(4, 0, bytes(range(32)), bytes(range(64))))
keep("picture", "runs.bmp", bitmap(8, 1, 7 * b"\2\1\0\6\1\2\3\4\5\6\0\0" + b"\0\2\3\0\5\7\0\1", bytes(k // 4 for k in range(1024))))
keep("picture", "masks.bmp", bitmap(16, 3, bytes(range(128)), struct.pack("<3I", 0xf800, 0x7e0, 0x1f)))
keep("picture", "rgb.ppm", b"P6 # c\n8 8 255\n" + bytes(range(192)))
keep("picture", "deep.pgm", b"P5 8 8 1023\n" + 16 * bytes((0, 1, 3, 255, 1, 0, 2, 9)))
keep("picture", "text.ppm", b"P3 8 8 9\n" + 64 * b"1 2 9\n")
keep("picture", "bits.pbm", b"P1 8 8\n" + 8 * b"10110010\n")

keep("table", "rows.csv", b'text,label\n"a, ""b""",pos\r\n"one\ntwo",neg\n')
keep("table", "rows.tsv", b'text\tlabel\n"a\tb"\tpos\n"say ""hi"""\tneg\n')
keep("table", "plain.tsv", b'text\tlabel\n5" screen\tpos\rb\tneg\r')

keep("recipe", "sets", b'--set data.root=texts\n--set schedule.milestones=[80, 120]\n--set a.b={c = 1}\n--set run.seed=9223372036854775808\n'
     b'[data]\nname = "text"\npartition.kind = "iid"\nroot = \'C:\\Users\'\n[run]\nseed = 18446744073709551616\n')
keep("recipe", "strays", b'name = "x"\nextends = ""\n[data]\nname = 1\nname.x = 2\n[[algorithm]]\neta = 1979-05-27\n')
keep("folders", "classes", b"p cat/0.jpg\np cat/deep/1.jpg\nf cat/notes.txt\np dog/0.jpg\nf dog/._0.jpg\nd empty\n")
keep("folders", "links", b"p cat/0.jpg\np dog/0.jpg\nl cat/more dog\nl dog/up cat\nl lost nowhere\nf Thumbs.db\n")
