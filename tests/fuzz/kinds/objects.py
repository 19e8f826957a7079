"""Changes of files that hold one object of JSON, whatever it says."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.target import Apply

Content = dict[str, Any]
DEEP = "[" * 100_000 + "]" * 100_000
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 3, 2.5, 2**40, 10**400, 1e308, float("nan"), "", "x", "\ud800", "../x", [],
    [0], [-1], [2**40], [1, 2, 3], ["a"], {}, {"a": 1}, [[]],
)  # fmt: skip


def changed(change: Callable[[Content, Random], object]) -> Apply:
    """The object changed in place, and written again."""

    def apply(file: Path, rng: Random) -> None:
        content = json.loads(file.read_text("utf-8"))
        change(content, rng)
        file.write_text(json.dumps(content), "utf-8")

    return apply


def text(change: Callable[[str, Random], str]) -> Apply:
    """The text of a file changed."""

    def apply(file: Path, rng: Random) -> None:
        file.write_text(change(file.read_text("utf-8"), rng), "utf-8")

    return apply


def odd_value(content: Content, rng: Random) -> None:
    """Something, at any depth, is another value."""
    place: Any = content
    while place:
        key = rng.choice(sorted(place) if isinstance(place, dict) else range(len(place)))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.4:
            place[key] = rng.choice(ODD)
            return
        place = inner


def without_a_key(content: Content, rng: Random) -> None:
    """One of the outermost keys is gone."""
    del content[rng.choice(sorted(content))]


def nested(whole: str, rng: Random) -> str:
    """Something in it is nested deeper than a reader that recurses can go."""
    return f'{whole.rstrip().removesuffix("}")}, "x": {DEEP}}}'


def indented(whole: str, rng: Random) -> str:
    """The same, laid out otherwise."""
    return json.dumps(json.loads(whole), indent=3)


def whole_object(file: Path) -> None:
    """Raises where a file holds no object of JSON."""
    if not isinstance(json.loads(file.read_bytes()), dict):
        raise ValueError
