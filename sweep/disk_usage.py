"""What a runs directory holds, by sweep and by kind, in files and bytes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep.adapters.mlflow.example_files import EXAMPLES_FILE
from sweep.adapters.mlflow.run_files import PREDICTIONS_FILE, STUDENT
from sweep.places import Places

# What several sweeps share stands under no sweep's name.
SHARED = ""


@dataclass(frozen=True)
class Usage:
    """Files of one kind of one sweep, and their bytes."""

    sweep: str
    kind: str
    files: int
    bytes: int


def usage(places: Places) -> list[Usage]:
    """By sweep, then by kind, both in alphabetical order; what is shared first."""
    found: dict[tuple[str, str], list[int]] = {}
    for file in _files(places.runs_dir):
        place = _place(file.relative_to(places.runs_dir), places)
        sizes = found.setdefault(place, [0, 0])
        sizes[0] += 1
        sizes[1] += _size(file)
    return [Usage(*place, *sizes) for place, sizes in sorted(found.items())]


def _place(file: Path, places: Places) -> tuple[str, str]:
    """The sweep and the kind of a file, by its path below the runs directory."""
    top, below = file.parts[0], file.parts[1:]
    if not below:
        return SHARED, "tracking database" if top.startswith(places.database.name) else "other"
    if top == places.teachers.name:
        return SHARED, "teachers"
    if top == places.artifacts.name:
        return below[0], _kind_of_artifact(below[1:])
    known = {"results", "checkpoints"}
    return top, below[0] if below[0] in known else "studies and state"


def _kind_of_artifact(below: tuple[str, ...]) -> str:
    """Of a file of a run, or of a model, below its sweep's folder."""
    if below[0] == "models":
        return "models"
    if STUDENT in below[:-1]:
        return "students"
    kinds = {PREDICTIONS_FILE: "predictions", EXAMPLES_FILE: "training examples"}
    return kinds.get(below[-1], "other artifacts")


def _files(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        yield from (Path(folder) / name for name in names)


def _size(file: Path) -> int:
    """Zero for one that is gone meanwhile, as while a sweep runs."""
    try:
        return file.lstat().st_size
    except FileNotFoundError:
        return 0
