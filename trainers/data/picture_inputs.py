"""Files of pictures as raw inputs: which there are, and whether a student can be shown them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trainers.data.errors import DataError, counted, listed
from trainers.data.pictures import SUFFIXES, files_below

# What pixels are divided by.
WHITE = 255


class PictureFiles(NamedTuple):
    """Files in the order of their names, these relative to the folder, sentences on what was
    skipped, and what a student takes: ``channels`` and the ``side`` of squares in pixels."""

    files: list[Path]
    names: list[str]
    remarks: tuple[str, ...]
    channels: int
    side: int

    def where(self, start: int, stop: int) -> str:
        """Some of them, in words."""
        first, last = self.files[start], self.files[stop - 1]
        return f"{first}" if stop - start == 1 else f"{first} to {last}"


def picture_files(path: Path, facts: Mapping[str, Any]) -> PictureFiles:
    """A picture, or those of a folder and of folders in it, for a student of these facts: ``shape``
    of an input, and ``preprocessing``. DataError where it takes no square pictures, or there are
    none."""
    shape, standard = tuple(facts["shape"]), facts["preprocessing"]
    if standard is None or standard["scale"] != WHITE:
        reach = "as they were in an array" if standard is None else f"up to {standard['scale']:g}"
        raise DataError(
            f"{path}: the student takes numbers {reach}, no pixels up to {WHITE}; save the inputs "
            "as an .npy file in which they are written like that"
        )
    if len(shape) != 3 or shape[0] not in (1, 3) or shape[1] != shape[2]:
        raise DataError(
            f"{path}: the student takes inputs of the shape {shape}, which no square picture has; "
            "save them as an .npy file"
        )
    files, remarks = _found(path)
    root = path if path.is_dir() else path.parent
    names = [file.relative_to(root).as_posix() for file in files]
    return PictureFiles(files, names, remarks, *shape[:2])


def _found(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The pictures in the order of their names, and a sentence on what was skipped."""
    if not path.is_dir():
        return [path], ()
    files = files_below(path)
    pictures = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not pictures:
        read = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{path}: holds no picture; put some there, read is {read}")
    kinds = Counter(p.suffix.lower() or p.name for p in files if p.suffix.lower() not in SUFFIXES)
    if not kinds:
        return pictures, ()
    told = listed([f"{count} of {kind}" for kind, count in kinds.items()])
    return pictures, (f"{path}: skipped {counted(kinds.total(), 'file')}: {told}",)
