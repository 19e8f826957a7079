"""How a spec names code of the user's own: ``{path: package.module:Class}`` in place of a name."""

from collections.abc import Mapping, Sequence

from pydantic import PlainSerializer

from trainers.entries import DOTTED_PATH
from trainers.own import is_path


def named(value: object) -> object:
    """The name by which tables know what stands in place of one: of a mapping its path.

    ValueError where it is neither a plain name nor such a mapping.
    """
    if isinstance(value, str) and is_path(value):
        raise ValueError(f"{value!r} is code of your own; write it as {{path: {value!r}}}")
    if not isinstance(value, Mapping):
        return value
    path = value.get("path")
    if set(value) != {"path"} or not isinstance(path, str) or not DOTTED_PATH.fullmatch(path):
        raise ValueError(
            f"{dict(value)!r} must be a name, or {{path: package.module:Class}} for code of your "
            "own"
        )
    return path


def _written(name: str) -> object:
    return {"path": name} if is_path(name) else name


# A name in a table as a spec has it.
as_written = PlainSerializer(_written)


def not_allowed(sweep: str, paths: Sequence[str]) -> str:
    """Why a sweep may not run the code at these paths, and what to do."""
    return (
        f"{sweep}: runs the code of {', '.join(paths)}, which a spec alone may not do; if you "
        "trust it, give --allow-code"
    )
