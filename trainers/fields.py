"""How a field of a table row is declared, whatever table it is: a hyperparameter of a method, an
option of a data set or of a noise kind, a size of a network."""

import dataclasses
import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

# What a hyperparameter may be.
Value = float | int | str
# ``sizes``: a list of whole numbers; ``pairs``: a list of two whole numbers each; ``names``: a list
# of texts; ``mapping``: names to whatever JSON holds; ``path``: a file or folder, or for code
# ``package.module:name``.
Kind = Literal["float", "int", "choice", "text", "path", "sizes", "pairs", "names", "mapping"]


class FieldError(ValueError):
    """A value that a row does not take; ``field`` is its place below the row."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


@dataclass(frozen=True)
class Field:
    """A named value that a row takes.

    ``low`` and ``high`` bound what is legal, both included (``open_low``, ``open_high``: low or
    high itself excluded), of a number or of every number in a list; what is searched is a matter of
    the search space. ``choices`` replaces them for words. ``words`` are words a number may be given
    as instead (``"uniform"`` for a random start). ``required``: it has no default, and ``example``
    shows one. ``default`` None: it may be left out, and is then not there. ``needs_optimizer``: it
    means something with that optimizer alone. ``needs``: values of others with which alone it
    does; these are the same in all trials of a row. ``below_epochs``: a count of epochs of which a
    training has to have more.
    """

    name: str
    kind: Kind
    default: Any
    meaning: str
    source: str
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    required: bool = False
    example: Any = None
    needs_optimizer: str = ""
    needs: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    below_epochs: bool = False

    def problem(self, value: object) -> str | None:
        """Why ``value`` is not legal, or None."""
        return _CHECKS[self.kind](self, value)

    def converted(self, value: Any) -> Any:
        """A legal value as it is kept: whole numbers as floats where floats are meant, lists as
        tuples."""
        if self.kind == "float" and isinstance(value, int):
            return float(value)
        if self.kind in ("sizes", "names"):
            return tuple(value)
        if self.kind == "pairs":
            return tuple((a, b) for a, b in value)
        return value

    def legal_range(self) -> str:
        """What is legal in words, e.g. ``(0, inf)`` or ``convex, box``."""
        if self.kind == "choice":
            return ", ".join(self.choices)
        if self.kind not in ("float", "int", "sizes"):
            return ""
        left = "(" if self.open_low or self.low == float("-inf") else "["
        right = ")" if self.open_high or self.high == float("inf") else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"

    def _number_problem(self, value: object) -> str | None:
        """Why ``value`` is no legal number, or None."""
        whole = self.kind != "float"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            also = f" or one of {', '.join(self.words)}" if self.words else ""
            return f"must be {'a whole number' if whole else 'a number'}{also}"
        assert isinstance(value, int | float)
        # An integer may be too large for a float, and NaN is in no range though it is outside none.
        if not abs(value) <= sys.float_info.max:
            return "must be a finite number"
        outside = value < self.low or value > self.high
        at_end = (self.open_low and value == self.low) or (self.open_high and value == self.high)
        if outside or at_end:
            return f"must be in {self.legal_range()}"
        return None


@dataclass(frozen=True)
class Limit:
    """Hyperparameters at which a method is a simpler one; ``method``: its name, if it has one.
    ``where``: others that have to be so for it."""

    at: Mapping[str, Value]
    method: str = ""
    where: Mapping[str, Value] = dataclasses.field(default_factory=dict)


def resolved(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every field's value, its default where none is given; what is None is left out."""
    values = {field.name: given.get(field.name, field.default) for field in fields}
    return {name: value for name, value in values.items() if value is not None}


def checked(fields: Sequence[Field], given: Mapping[str, Any], row: str) -> dict[str, Any]:
    """``given`` as it is kept; FieldError where ``row`` takes no such field or value."""
    known = {field.name: field for field in fields}
    for name, value in given.items():
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise FieldError(
                str(name), f"{hint}{row} does not take this field; remove it ({takes})"
            )
        if problem := known[name].problem(value):
            raise FieldError(str(name), f"{value!r} {problem}")
    for field in fields:
        if field.required and field.name not in given:
            raise FieldError(
                field.name,
                f"is missing; {row} needs it, add it, e.g. {field.name}: {field.example}",
            )
    return {name: known[name].converted(value) for name, value in given.items()}


def _check_number(field: Field, value: object) -> str | None:
    if isinstance(value, str) and value in field.words:
        return None
    return field._number_problem(value)


def _check_choice(field: Field, value: object) -> str | None:
    if isinstance(value, str) and value in field.choices:
        return None
    return f"must be one of {', '.join(field.choices)}"


def _check_text(field: Field, value: object) -> str | None:
    return None if isinstance(value, str) and value else "must be text, and not empty"


def _check_path(field: Field, value: object) -> str | None:
    if isinstance(value, str) and value and "\0" not in value:
        return None
    return "cannot be a path; name a file or folder, or drop the field"


def _check_sizes(field: Field, value: object) -> str | None:
    if not isinstance(value, list | tuple) or not value:
        return "must be a list of whole numbers, at least one"
    for place, number in enumerate(value):
        if problem := field._number_problem(number):
            return f"holds {number!r} at place {place}, which {problem}"
    return None


def _check_pairs(field: Field, value: object) -> str | None:
    if not isinstance(value, list | tuple) or not value:
        return "must be a list of pairs, at least one"
    for pair in value:
        whole = isinstance(pair, list | tuple) and all(type(part) is int for part in pair)
        if not whole or len(pair) != 2:
            return f"holds {pair!r}, which must be a pair of whole numbers such as [3, 5]"
    return None


def _check_names(field: Field, value: object) -> str | None:
    if not isinstance(value, list | tuple) or not value:
        return "must be a list of texts, at least one"
    for part in value:
        if not isinstance(part, str):
            return f"holds {part!r}, which must be text; write it in quotes"
    return None


def _check_mapping(field: Field, value: object) -> str | None:
    if not isinstance(value, Mapping):
        return "must be a mapping of names to values"
    for name, part in value.items():
        try:
            json.dumps(part, allow_nan=False)
        except (TypeError, ValueError):
            return (
                f"holds {name}: {part!r}, which must be made of numbers, texts, lists and mappings"
            )
    return None


_CHECKS: Mapping[Kind, Callable[[Field, object], str | None]] = {
    "float": _check_number,
    "int": _check_number,
    "choice": _check_choice,
    "text": _check_text,
    "path": _check_path,
    "sizes": _check_sizes,
    "pairs": _check_pairs,
    "names": _check_names,
    "mapping": _check_mapping,
}
