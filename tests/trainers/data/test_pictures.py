"""Files of images: depth, orientation, colours, transparency, frames."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainers.classification.data.image_folder import image_folder
from trainers.data.errors import DataError
from trainers.data.pictures import read_all

ORIENTATION = 0x0112


def _one(path: Path, size: int = 2) -> np.ndarray:
    return read_all([path], size)[0][0]


def _grey(value: int, dtype: type = np.uint16) -> Image.Image:
    return Image.fromarray(np.full((4, 4), value, dtype))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("value", [0, 1000, 3000, 65535])
def test_images_of_16_bits_are_scaled_so_that_65535_is_white(
    tmp_path: Path, suffix: str, value: int
) -> None:
    _grey(value).save(tmp_path / f"a.{suffix}")
    pixels, remarks = read_all([tmp_path / f"a.{suffix}"], 2)
    assert pixels == pytest.approx(value / 257)
    assert "1 image of 16 bits, scaled so that 65535 is white" in remarks[0]
    assert f"the largest value is about {value}" in remarks[0]


@pytest.mark.parametrize(("largest", "white"), [(65535, 1000 / 257), (4095, 1000 / 4095 * 255)])
def test_a_portable_map_says_itself_what_is_white(
    tmp_path: Path, largest: int, white: float
) -> None:
    content = np.full((2, 2), 1000, ">u2").tobytes()
    (tmp_path / "a.ppm").write_bytes(f"P5 2 2 {largest}\n".encode() + content)
    assert _one(tmp_path / "a.ppm") == pytest.approx(white, abs=0.01)


def test_classes_of_16_bits_that_differ_in_brightness_stay_apart(tmp_path: Path) -> None:
    """The two classes were equal, all white, when values beyond 255 were cut."""
    rng = np.random.default_rng(0)
    for name, low, high in (("dark", 1000, 3000), ("light", 30_000, 60_000)):
        (tmp_path / name).mkdir()
        for i in range(5):
            values = rng.integers(low, high, (9, 9)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / name / f"{i}.png")
    dataset = image_folder(str(tmp_path), 8)
    brightness = dataset.inputs.mean(axis=(1, 2, 3))
    assert brightness[dataset.labels == 0].max() < brightness[dataset.labels == 1].min()
    # Fractions are kept: eight grey levels of 255 hold the dark class, and no two pixels are alike.
    assert len(np.unique(dataset.inputs[0, 0])) > 50


def test_images_of_8_bits_beside_one_of_16_are_as_they_are_alone(tmp_path: Path) -> None:
    _grey(200, np.uint8).save(tmp_path / "a.png")
    _grey(257).save(tmp_path / "b.png")
    pixels, _ = read_all([tmp_path / "a.png", tmp_path / "b.png"], 2)
    assert pixels.dtype == np.float32
    assert (pixels[0] == 200).all()
    assert (pixels[1] == 1).all()


@pytest.mark.parametrize(
    ("dtype", "mode"), [(np.int32, "32 bits (mode I)"), (np.float32, "floating-point numbers (")]
)
def test_images_without_a_known_white_are_refused(tmp_path: Path, dtype: type, mode: str) -> None:
    _grey(1, dtype).save(tmp_path / "a.tif")
    with pytest.raises(DataError) as caught:
        _one(tmp_path / "a.tif")
    assert str(caught.value).startswith(f"{tmp_path / 'a.tif'}: holds ")
    assert mode in str(caught.value)
    assert "save it with 8 or 16 bits a pixel" in str(caught.value)


def test_photographs_are_turned_as_viewers_show_them(tmp_path: Path) -> None:
    stored = np.zeros((64, 64, 3), np.uint8)
    stored[32:] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=100)
    # Upper half black, lower white; a quarter turn to the right puts the white to the left.
    shown = _one(tmp_path / "a.jpg", 8)
    assert (shown[:, :, 0] > 250).all()
    assert (shown[:, :, -1] < 5).all()


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 90, (90, 90, 90)),
        ("1", 1, (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("LA", (90, 255), (90, 90, 90)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
    ],
)
def test_every_usual_mode_is_its_colours(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], seen: tuple[int, ...]
) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new(mode, (3, 3), colour).save(path)
    pixels, remarks = read_all([path], 2)
    assert pixels[0, :, 0, 0].tolist() == list(seen)
    assert remarks == []


def test_picture_that_is_in_transparency_alone_is_refused(tmp_path: Path) -> None:
    glyph = np.zeros((4, 4, 4), np.uint8)
    glyph[1:3, 1:3, 3] = 255
    Image.fromarray(glyph).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: is of one colour, .* flatten it onto a backgr"):
        _one(tmp_path / "a.png")


def test_transparent_parts_and_further_frames_are_told(tmp_path: Path) -> None:
    half = np.random.default_rng(0).integers(0, 255, (4, 4, 4)).astype(np.uint8)
    Image.fromarray(half).save(tmp_path / "a.png")
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 200)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "c.tif", save_all=True, append_images=frames[1:])
    pixels, remarks = read_all([tmp_path / name for name in ("a.png", "b.gif", "c.tif")], 2)
    assert (pixels[1:] == 0).all()
    assert remarks[0].startswith("1 image with transparent parts")
    assert remarks[1] == "2 files of several frames or pages: the first was taken"


def test_a_picture_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """By what its head says, before any of it is unpacked: 60 000 x 60 000 in less than a kB."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    file = tmp_path / "a.png"
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    with pytest.raises(DataError, match=r"cannot be read as an image: .*decompression bomb"):
        read_all([file], 8)
