"""Writes random pictures of every kind that PIL can save in the formats that tacet reads, K-FORMAT-MODE.END, and the RGB bytes that they
must be read as, the same name and .rgb, into a folder: what PIL's convert("RGB") gives of the file, and for 16 bits the values divided by
257 and rounded. Side: 8. A format that this PIL was built without is named on stderr."""

import random
import struct
import sys

try:
    from PIL import Image, ImageCms, features
except ImportError:
    print("write_pictures.py: PIL is not installed for " + sys.executable, file=sys.stderr)
    sys.exit(77)

SIDE = 8
draw = random.Random(1)


def noise(bands):
    return bytes(draw.randrange(256) for _ in range(SIDE * SIDE * bands))


def picture(mode):
    """A picture and, where PIL's convert("RGB") clips its values, the RGB bytes that it stands for."""
    size = (SIDE, SIDE)
    if mode in ("I", "I;16"):
        values = [draw.randrange(65536) for _ in range(SIDE * SIDE)]
        if mode == "I":
            image = Image.frombytes("I", size, struct.pack("<%di" % len(values), *values))
        else:
            image = Image.frombytes("I;16", size, struct.pack("<%dH" % len(values), *values))
        return image, bytes(b for v in values for b in [(2 * v + 257) // 514] * 3)
    if mode == "1":
        return Image.frombytes("L", size, noise(1)).convert("1"), None
    if mode == "P":
        image = Image.frombytes("RGB", size, noise(3))
        return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=draw.choice((2, 4, 16, 256))), None
    return Image.frombytes(mode, size, noise(len(Image.new(mode, (1, 1)).getbands()))), None


def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# Format, modes, and what is given to save() in turn.
KINDS = [
    ("png", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), [lambda: {}] * 6),
    ("png", ("P",), [lambda: {"transparency": 0}] * 3),
    ("png", ("RGB",), [lambda: {"icc_profile": profile()}] * 3),
    ("gif", ("1", "L", "P", "RGB"), [lambda: {"interlace": 0}, lambda: {"interlace": 1}, lambda: {"transparency": 1},
                                     lambda: {"save_all": True, "append_images": [picture("P")[0], picture("P")[0]]}]),
    ("bmp", ("1", "L", "P", "RGB", "RGBA"), [lambda: {}] * 2),
    ("ppm", ("1", "L", "RGB", "I"), [lambda: {}] * 2),
    ("tiff", ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"), [lambda: {}] * 2),
]
if features.check("libtiff"):
    for code in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        KINDS.append(("tiff", ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"), [lambda code=code: {"compression": code}]))
    KINDS.append(("tiff", ("1",), [lambda: {"compression": "group3"}, lambda: {"compression": "group4"}]))
else:
    print("write_pictures.py: this PIL writes no compressed TIFF", file=sys.stderr)
if features.check("webp"):
    KINDS.append(("webp", ("L", "RGB", "RGBA"), [lambda: {"lossless": True, "exact": True}, lambda: {"lossless": True}, lambda: {"quality": 80}]))
    KINDS.append(("webp", ("RGB", "RGBA"), [lambda: {"save_all": True, "lossless": True, "append_images": [picture("RGB")[0]]}]))
else:
    print("write_pictures.py: this PIL writes no WebP", file=sys.stderr)

count = 0
for kind, modes, options in KINDS:
    for mode in modes:
        for option in options:
            image, rgb = picture(mode)
            path = "%s/%d-%s-%s.%s" % (sys.argv[1], count, kind, mode.replace(";", ""), kind)
            image.save(path, **option())
            if rgb is None:
                with Image.open(path) as saved:
                    rgb = saved.convert("RGB").tobytes()
            with open(path + ".rgb", "wb") as f:
                f.write(rgb)
            count += 1
