"""Images in a folder per class, resized to squares: Stanford Cars, FGVC-Aircraft, the user's own.

Either ``folder/<class>/<image>``, or ``folder/train/<class>/<image>`` beside
``folder/test/<class>/<image>``, where the second is the official test part. Classes are numbered in
the order of their names, images come in the order of theirs. Whatever else lies there is skipped,
and counted in a remark.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainers.classes.labels import named_oddly
from trainers.classification.data.dataset import Dataset, Images, of_images
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError, counted, listed
from trainers.data.pictures import SUFFIXES, is_hidden, read_all
from trainers.data.standard import Standard
from trainers.data.written import refuse_unwritable

PARTS = ("train", "test")
# What parts of a data set are called, in lower case.
PART_NAMES = {
    "train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval",
}  # fmt: skip
# What is read, in words.
READ = ", ".join(sorted(SUFFIXES))
# Of ImageNet's training images, as is usual for photographs.
STANDARD = Standard(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class _Found(NamedTuple):
    """The images of one part with their classes, and whatever was skipped on the way."""

    images: list[Path]
    labels: list[int]
    skipped: list[Path]


def image_folder(folder: str, image_size: int) -> Dataset:
    """Colour images (N, 3, image_size, image_size), standardised; height and width are stretched.

    Raises DataError where an image cannot be read or a class has none.
    """
    if problem := missing_image_folder(folder, image_size):
        raise DataError(problem)
    root = Path(folder).expanduser()
    try:
        names, parts = _look_through(root)
    except OSError as error:
        raise DataError(_unreadable(error)) from None
    refuse_unwritable(root, "a class", names)
    images, remarks = [], _told(root, [path for part in parts for path in part.skipped])
    for part in parts:
        pixels, odd = read_all(part.images, image_size)
        images.append(Images(pixels, np.asarray(part.labels, dtype=np.int64)))
        remarks += [f"{root}: {remark}" for remark in odd]
    info = DatasetInfo((*remarks, *named_oddly(root, names)), tuple(names))
    return of_images(images[:1], images[1:], len(names), STANDARD, info)


def missing_image_folder(folder: str, image_size: int) -> str | None:
    """What has to be where, or None if there are folders of classes."""
    root = Path(folder).expanduser()
    try:
        return _layout_problem(root)
    except OSError as error:
        return _unreadable(error)


def _unreadable(error: OSError) -> str:
    return f"{error.filename}: cannot be read: {error.strerror}; allow it, or name another folder"


def _layout_problem(root: Path) -> str | None:
    names = _folders(root)
    if problem := _parts_problem(root, names):
        return problem
    if _is_parted(root):
        train, test = (_folders(root / part) for part in PARTS)
        if len(train) > 1:
            strange = [name for name in test if name not in train]
            known = f"is no class of {root / 'train'}; remove it, or put images of it there too"
            return f"{root / 'test'}: {listed(strange)} {known}" if strange else None
    elif len(names) > 1:
        return None
    inner = names[0] if len(names) == 1 and len(_folders(root / names[0])) > 1 else ""
    hint = f"give data.folder: {root / inner}, " if inner else ""
    return (
        f"{root} holds no folder per class; {hint}put the images there as <class>/<image>, or as "
        "train/<class>/<image> and test/<class>/<image>, or correct data.folder"
    )


def _parts_problem(root: Path, names: Sequence[str]) -> str | None:
    """Why folders that are parts of a data set can be neither classes nor these parts, or None."""
    parts = [name for name in names if name.lower() in PART_NAMES]
    holding = [name for name in parts if _folders(root / name) and not _images(root / name)]
    if _is_parted(root) or len(names) < 2 or not holding:
        return None
    others = [name for name in names if name not in parts]
    if others:
        return (
            f"{root}: {listed(holding)} holds folders and no images, beside {listed(others)}; "
            "leave train and test alone there, or folders of classes alone"
        )
    return (
        f"{root}: {' and '.join(parts)} are parts of a data set and no classes; data.splits draws "
        "the validation split, so move its images to train/<class>/; a part that is to be the "
        "official test part has to be named test, beside train"
    )


def _is_parted(root: Path) -> bool:
    return _folders(root) == sorted(PARTS)


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not is_hidden(p))


def _images(folder: Path) -> list[Path]:
    """The images right in a folder, in the order of their names; a broken link is one, too."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.is_dir() and not is_hidden(path)
    )


def _look_through(root: Path) -> tuple[list[str], list[_Found]]:
    """The classes, and what there is of each part, the official test part last."""
    if not _is_parted(root):
        names = _folders(root)
        return names, [_found(root, names, must_have=True)]
    names = _folders(root / "train")
    train, test = (_found(root / part, names, must_have=part == "train") for part in PARTS)
    train.skipped.extend(path for path in root.iterdir() if path.name not in PARTS)
    return names, [train, test]


def _found(root: Path, names: Sequence[str], must_have: bool) -> _Found:
    """The images of every class; ``must_have``: DataError where a class has none."""
    found = _Found([], [], [])
    for c, name in enumerate(names):
        folder = root / name
        if not folder.is_dir():
            continue
        images = _images(folder)
        if must_have and not images:
            raise DataError(_empty_class(folder))
        found.images.extend(images)
        found.labels.extend([c] * len(images))
        taken = set(images)
        found.skipped.extend(path for path in folder.iterdir() if path not in taken)
    found.skipped.extend(path for path in root.iterdir() if path.name not in names)
    return found


def _empty_class(folder: Path) -> str:
    """Why a class has no image: what its folder holds instead, and what would be read."""
    inside = [path for path in folder.iterdir() if not is_hidden(path)]
    folders = sorted(path.name for path in inside if path.is_dir())
    suffixes = sorted({path.suffix.lower() or path.name for path in inside if not path.is_dir()})
    held = [f"files of {listed(suffixes)}"] if suffixes else []
    held += [f"folders ({listed(folders)})"] if folders else []
    remedy = "put its images right into it" if folders else "convert or remove them"
    return (
        f"{folder}: is a class without images, holding {' and '.join(held) or 'nothing'}; read is "
        f"{READ}, not in folders below; "
        f"{remedy if held else 'fill or remove it'}"
    )


def _told(root: Path, skipped: Sequence[Path]) -> list[str]:
    """A sentence on what was skipped, by kind."""
    counts: Counter[str] = Counter()
    for path in skipped:
        if is_hidden(path):
            counts["hidden"] += 1
        elif path.is_dir():
            inner = sum(1 for inner in path.rglob("*") if not inner.is_dir())
            counts["in folders below those of classes"] += inner
        elif path.suffix.lower() in SUFFIXES:
            counts["in no folder of a class"] += 1
        else:
            counts[f"of {path.suffix.lower() or path.name}"] += 1
    if not (total := counts.total()):
        return []
    told = listed([f"{count} {kind}" for kind, count in counts.items() if count])
    return [f"{root}: skipped {counted(total, 'file')}: {told}; read is {READ}"]
