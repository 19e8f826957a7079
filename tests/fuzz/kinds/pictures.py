"""Images of every format that is read."""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from tests.fuzz.kinds.students import SIDE, write_student_of_pictures
from tests.fuzz.routes import HERE, launched, shown
from tests.fuzz.target import Apply, Mutation, Target

CONTAINERS = frozenset({"trainers.data.pictures:_read"})
# By the end of a name what is saved there, as an image of three colours.
FORMATS: Mapping[str, Mapping[str, Any]] = {
    "png": {}, "bmp": {}, "ppm": {}, "tiff": {}, "webp": {"lossless": True}, "gif": {}, "jpg": {},
}  # fmt: skip
SIZE = (12, 9)
OF_A_CLASS = 7
# Of huge images, which have as many rows many times.
ROWS = 100


def images() -> list[Target]:
    """A folder for each class; pictures that a student is shown."""
    data = {"dataset": "image_folder", "folder": f"{HERE}/pictures", "image_size": SIDE}
    splits = {"data.splits": {"train": 0.3, "meta": 0.2, "validation": 0.2, "test": 0.3}}
    return [
        Target("images", "data", _write, ["pictures/cat/*"],
               launched("classification", data, splits), whole_image, OF_IMAGES, CONTAINERS),
        Target("images", "predict", _write_shown, ["new/*"], shown("student", "new"), whole_image,
               OF_IMAGES, CONTAINERS),
    ]  # fmt: skip


def whole_image(file: Path) -> None:
    """Whether all of it can be decoded; of a huge one, whether its header can."""
    with Image.open(file) as image:
        if image.width * image.height < 10**7:
            image.load()


def _picture(c: int, i: int) -> Image.Image:
    rng = np.random.default_rng(100 * c + i)
    return Image.fromarray(rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8))


def _write(folder: Path) -> None:
    for c, name in enumerate(("cat", "dog")):
        place = folder / "pictures" / name
        place.mkdir(parents=True)
        kinds = list(FORMATS.items()) if name == "cat" else [("png", {})] * OF_A_CLASS
        for i, (kind, options) in enumerate(kinds):
            _picture(c, i).save(place / f"{i:02}.{kind}", **options)


def _write_shown(folder: Path) -> None:
    write_student_of_pictures(folder)
    (folder / "new").mkdir()
    for i, (kind, options) in enumerate(FORMATS.items()):
        _picture(0, i).save(folder / "new" / f"{i:02}.{kind}", **options)


Make = Callable[[Image.Image, Random], Image.Image]


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


def _saved(make: Make, kind: str = "PNG", **options: Any) -> Apply:
    """Another image in its place, of this format whatever its name says."""
    return lambda file, rng: make(_opened(file), rng).save(file, kind, **options)


def _mode(mode: str) -> Make:
    return lambda image, rng: image.convert(mode)


def _deep(image: Image.Image, rng: Random) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of whatever chunks, each with its sum."""
    made = [b"\x89PNG\r\n\x1a\n"]
    for name, content in chunks:
        sum_ = struct.pack(">I", zlib.crc32(name + content))
        made += [struct.pack(">I", len(content)), name, content, sum_]
    return b"".join(made)


def _header(width: int, height: int, depth: int = 8, kind: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)


def _huge(file: Path, rng: Random) -> None:
    """A size in the header that nothing behind it has."""
    sides = [2**31 - 1, 65_535, 20_000, 13_000, 1, 0]
    file.write_bytes(
        _png(_header(rng.choice(sides), rng.choice(sides), rng.choice((1, 8, 16)),
                     rng.choice((0, 2, 3, 4, 6))),
             (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )  # fmt: skip


@cache
def _blank(side: int, depth: int, kind: int) -> bytes:
    """A square of one colour, of whatever depth, in kilobytes."""
    channels = {0: 1, 2: 3, 6: 4}[kind]
    rows = bytes((1 + side * channels * depth // 8) * ROWS)
    # A block that is flushed in full knows nothing of those before it, and can be repeated.
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = pack.compress(rows) + pack.flush(zlib.Z_FULL_FLUSH)
    sum_ = 1
    for _ in range(side // ROWS):
        sum_ = zlib.adler32(rows, sum_)
    content = b"\x78\xda" + block * (side // ROWS) + pack.flush() + struct.pack(">I", sum_)
    return _png(_header(side, side, depth, kind), (b"IDAT", content), (b"IEND", b""))


def _bomb(file: Path, rng: Random) -> None:
    """An image of 130 or 170 million pixels in a few hundred kilobytes."""
    file.write_bytes(_blank(rng.choice((11_500, 13_000)), *rng.choice(((8, 2), (8, 6), (16, 0)))))


def _bombs(file: Path, rng: Random) -> None:
    """All pictures of the folder are such, and are read at once."""
    content = _blank(9_000, 8, 2)
    for each in file.parent.iterdir():
        each.write_bytes(content)


def _frames(file: Path, rng: Random) -> None:
    image = _opened(file)
    others = [image.rotate(90 * i) for i in range(3)]
    image.save(file, rng.choice(("GIF", "TIFF", "WEBP", "PNG")), save_all=True,
               append_images=others)  # fmt: skip


def _exif(file: Path, rng: Random) -> None:
    """What says how it is turned says anything."""
    exif = Image.Exif()
    exif[0x0112] = rng.choice((1, 2, 6, 8, 0, 9, 65_535))
    content = exif.tobytes()
    if rng.random() < 0.5:
        at = rng.randrange(6, len(content))
        content = content[:at] + rng.randbytes(2) + content[at + 2 :]
    _opened(file).save(file, rng.choice(("JPEG", "PNG", "WEBP")), exif=content)


def _text_bomb(file: Path, rng: Random) -> None:
    """A comment of 60 MB, packed."""
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * 60_000_000, zip=True)
    _opened(file).save(file, "PNG", pnginfo=info)


def _svg(file: Path, rng: Random) -> None:
    file.write_text(
        rng.choice(
            (
                "<svg xmlns='http://www.w3.org/2000/svg'/>",
                "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
                "P3 2 2 255 1 2",
                "P6\n99999 99999\n255\n",
                "#define a_width 9\n#define a_height 9\nstatic char a_bits[] = {0};",
            )
        )
    )


def _same(kind: str, **options: Any) -> Apply:
    return _saved(lambda image, rng: image, kind, **options)


OF_IMAGES = [
    Mutation("as PNG", "same", _same("PNG", compress_level=1)),
    Mutation("as BMP", "same", _same("BMP")),
    Mutation("as TIFF", "same", _same("TIFF", compression="tiff_lzw")),
    Mutation("as PPM", "same", _same("PPM")),
    Mutation("interlaced GIF", "any", _same("GIF", interlace=1)),
    Mutation("poor JPEG", "any", _same("JPEG", quality=5, progressive=True)),
    Mutation("grey", "any", _saved(_mode("L"))),
    Mutation("of two colours", "any", _saved(_mode("1"), "TIFF", compression="group4")),
    Mutation("of a palette", "any", _saved(_mode("P"))),
    Mutation("with transparency", "any", _saved(_mode("RGBA"))),
    Mutation("CMYK", "any", _saved(_mode("CMYK"), "TIFF")),
    Mutation("of 16 bits", "any", _saved(_deep)),
    Mutation("of 32 bits", "refused", _saved(_mode("I"), "TIFF")),
    Mutation("of floating-point numbers", "refused", _saved(_mode("F"), "TIFF")),
    Mutation("of one pixel", "any", _saved(lambda image, rng: image.resize((1, 1)))),
    Mutation("wide and flat", "any", _saved(lambda image, rng: image.resize((30_000, 1)))),
    Mutation("of another size in its header", "any", _huge),
    Mutation("a bomb", "any", _bomb),
    Mutation("bombs", "any", _bombs),
    Mutation("several frames", "any", _frames),
    Mutation("turned", "any", _exif),
    Mutation("a comment that unpacks", "any", _text_bomb),
    Mutation("another kind of image", "any", _svg),
]
