"""What is put through the fuzz: a kind of file, how almkd reads it, and what may become of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

# What has to come of a file that was changed: the same as before; a refusal; either of them.
Expected = Literal["same", "refused", "any"]
# Changes a file in its place, by what is drawn.
Apply = Callable[[Path, Random], object]


class PutAside(Exception):
    """A file that the project found damaged, reported, and does without; the message is its own.

    ``reached``: whether what it holds was looked at, and not its container alone.
    """

    def __init__(self, message: str, reached: bool = False) -> None:
        super().__init__(message)
        self.reached = reached


class WrongResult(Exception):
    """What was read cannot be right; the message says in what way."""


@dataclass(frozen=True)
class Mutation:
    """A change by which a file stays one of its kind: ``apply`` writes it anew in its place."""

    name: str
    expected: Expected
    apply: Apply


@dataclass(frozen=True)
class Target:
    """A kind of file, and one of the ways in which almkd reads it.

    ``format``: its line in the table; ``route``: which of its ways. ``write`` makes good files in a
    folder that is there. ``files``: those that may be changed, as patterns relative to it. ``read``
    is the smallest part of what a command does that reads all of such a file; it gives what came
    out, in a form that equals another's where the results do, and raises WrongResult where that
    cannot be right, PutAside where a damaged file is done without. ``is_whole``: whether a file is
    a container of its kind, by another reader than almkd's, which raises anything where it is not.
    ``containers``: the functions (``module:name``) that open one and know nothing of what it is to
    hold; what is refused elsewhere has passed them. ``may_be``: whether what was read of a changed
    file may be, given what was read of the good one. ``truth``: what another reader makes of a
    file, one of the values of what ``read`` gives; None where it does not know.
    """

    format: str
    route: str
    write: Callable[[Path], None]
    files: Sequence[str]
    read: Callable[[Path], object]
    is_whole: Callable[[Path], object]
    mutations: Sequence[Mutation]
    containers: frozenset[str]
    may_be: Callable[[object, object], bool] = field(default=lambda good, found: True)
    truth: Callable[[Path], object | None] = field(default=lambda file: None)

    @property
    def name(self) -> str:
        """Of this way of this kind of file."""
        return f"{self.format}: {self.route}"


# Kinds of files, in the order of the table, each with the ways in which it is read.
Targets = Mapping[str, Sequence[Target]]
