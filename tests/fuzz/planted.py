"""A kind of file for each thing that a fuzz has to notice: whoever reads it does that."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from sweep.errors import BadInput
from tests.fuzz.target import Mutation, PutAside, Target, Targets, WrongResult

MIB = 2**20
# What one of them takes, in bytes.
MUCH = 300 * MIB


def targets() -> Targets:
    return {name: [_target(name, read)] for name, read in READERS.items()}


def _target(name: str, read: Callable[[Path], object]) -> Target:
    def of_folder(folder: Path) -> object:
        content = (folder / "file").read_bytes()
        return read(folder) if content != b"good" else "good"

    # A file that means the same is to be read the same.
    expected = "same" if name in SAME else "any"
    return Target(
        name,
        "read",
        lambda folder: (folder / "file").write_bytes(b"good") and None,
        ["file"],
        of_folder,
        Path.read_bytes,
        [Mutation("changed", expected, _change)],
        frozenset(),
        may_be=lambda good, found: name != "taken for another",
    )


def _change(file: Path, rng: Random) -> None:
    file.write_bytes(b"changed")


def _raises(error: BaseException) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        raise error

    return read


def _hangs(folder: Path) -> object:
    while True:
        pass


def _dies(folder: Path) -> object:
    os._exit(3)


def _takes_memory(folder: Path) -> object:
    return len(b"x" * MUCH)


def _writes_outside(folder: Path) -> object:
    (folder.parent / "here" / "out").write_text("x", "utf-8")
    return "good"


def _runs(folder: Path) -> object:
    return os.system("true")


READERS: Mapping[str, Callable[[Path], object]] = {
    "refused": _raises(BadInput("file: is damaged; mend it")),
    "put aside": _raises(PutAside("file: is damaged; made again")),
    "read": lambda folder: "good",
    "raises": _raises(KeyError("x")),
    "panics": _raises(SystemExit(1)),
    "says nothing": _raises(BadInput(" ")),
    "refuses the same": _raises(BadInput("file: is damaged; mend it")),
    "reads something else": lambda folder: "other",
    "taken for another": lambda folder: "other",
    "cannot be right": _raises(WrongResult("labels -1 to 3")),
    "lacks memory": _raises(MemoryError()),
    "takes memory": _takes_memory,
    "hangs": _hangs,
    "dies": _dies,
    "writes outside": _writes_outside,
    "runs a program": _runs,
}
SAME = ("read", "refuses the same", "reads something else")
