"""Writes random pictures of every kind that PIL can save as PNG, K.png, and the RGB bytes that they must be read as, K.rgb, into a
folder: what PIL's convert("RGB") gives, and for 16 bits the values divided by 257 and rounded. Side: 8."""

import random
import struct
import sys

try:
    from PIL import Image, ImageCms
except ImportError:
    print("write_pictures.py: PIL is not installed for " + sys.executable, file=sys.stderr)
    sys.exit(77)

SIDE = 8
draw = random.Random(1)


def noise(bands):
    return bytes(draw.randrange(256) for _ in range(SIDE * SIDE * bands))


def picture(mode):
    """A picture and its RGB bytes."""
    size = (SIDE, SIDE)
    if mode == "I;16":
        values = [draw.randrange(65536) for _ in range(SIDE * SIDE)]
        image = Image.frombytes("I;16", size, struct.pack("<%dH" % len(values), *values))
        return image, bytes(b for v in values for b in [(2 * v + 257) // 514] * 3)
    if mode == "1":
        image = Image.frombytes("L", size, noise(1)).convert("1")
    elif mode == "P":
        image = Image.frombytes("RGB", size, noise(3)).convert("P", palette=Image.Palette.ADAPTIVE, colors=draw.choice((2, 4, 16, 256)))
    else:
        image = Image.frombytes(mode, size, noise(len(Image.new(mode, (1, 1)).getbands())))
    return image, image.convert("RGB").tobytes()


count = 0
for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
    for _ in range(6):
        image, rgb = picture(mode)
        more = {}
        if mode == "P" and count % 2:
            more["transparency"] = 0
        if mode == "RGB" and count % 2:
            more["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        image.save("%s/%d.png" % (sys.argv[1], count), **more)
        with open("%s/%d.rgb" % (sys.argv[1], count), "wb") as f:
            f.write(rgb)
        count += 1
