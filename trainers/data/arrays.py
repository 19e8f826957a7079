"""Files of the user's own, read as plain arrays; nothing is unpickled."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError

Array = NDArray[Any]
# What numpy and the archive's reader raise at a file that is damaged, or that was made to harm.
UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, RuntimeError, SyntaxError,
    EOFError, MemoryError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    tokenize.TokenError,
)  # fmt: skip
# Bytes from which on an archive may not unpack to so many times what it takes.
MUCH, MOST_PACKED = 2**28, 400


def read_npz(file: Path) -> dict[str, Array]:
    """The arrays of an .npz file, by name."""
    loaded = _load(file)
    if not isinstance(loaded, dict):
        raise DataError(f"{file}: is no .npz file; save its arrays with numpy.savez")
    return loaded


def missing_file(path: str, **options: object) -> str | None:
    """What has to be there, or None if it is."""
    file = Path(path).expanduser()
    if file.is_dir():
        return f"{file} is a folder; name a file in it as data.path"
    return None if file.is_file() else f"there is no file {file}; put it there or correct data.path"


def read_labels(path: str) -> NDArray[np.int64]:
    """Labels (N,) of an .npy file, or of an .npz file that holds one array."""
    labels = read_vector(Path(path).expanduser(), "labels", "iu")
    return labels.astype(np.int64)


def read_vector(file: Path, what: str, kinds: Literal["iu", "U"]) -> Array:
    """One array (N,) of whole numbers or of texts, alone in a file; ``what`` it holds."""
    loaded = read_array(file, what)
    if loaded.ndim != 1 or loaded.dtype.kind not in kinds:
        raise DataError(
            f"{file}: holds {loaded.dtype} of the shape {loaded.shape}; {what} are one row of "
            f"{'texts' if kinds == 'U' else 'whole numbers'}"
        )
    return loaded


def read_array(file: Path, what: str) -> Array:
    """The array of an .npy file, or of an .npz file that holds one; ``what`` is in it."""
    loaded = _load(file)
    if not isinstance(loaded, dict):
        return loaded
    if len(loaded) != 1:
        raise DataError(
            f"{file}: holds {len(loaded)} arrays ({', '.join(loaded)}); save the one array of "
            f"{what} in a file of its own"
        )
    (array,) = loaded.values()
    return array


def _load(file: Path) -> Array | dict[str, Array]:
    """The array of an .npy file or the arrays of an .npz file; nothing is unpickled."""
    try:
        with file.open("rb") as stream:
            loaded: Any = np.load(stream, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                return np.asarray(loaded)
            assert loaded.zip is not None
            _refuse_bomb(file, loaded.zip)
            arrays = dict(loaded)
    except UNREADABLE as error:
        said = str(error) or type(error).__name__
        raise DataError(
            f"{file}: cannot be read as arrays of numpy: {said}; save plain ones with numpy.savez"
        ) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(
                f"{file}: holds {name[:80]!a}, which is no array; save arrays alone, with "
                "numpy.savez"
            )
    return arrays


def _refuse_bomb(file: Path, archive: zipfile.ZipFile) -> None:
    """DataError where an archive unpacks to far more than it takes itself."""
    members = archive.infolist()
    size, packed = (
        sum(getattr(m, name) for m in members) for name in ("file_size", "compress_size")
    )
    if size > MUCH and size > MOST_PACKED * packed:
        raise DataError(
            f"{file}: unpacks to {size / 2**20:.0f} MiB out of {packed / 2**20:.1f}; if it "
            "really holds so many equal numbers, save it with numpy.savez, which does not pack them"
        )
