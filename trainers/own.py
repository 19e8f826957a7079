"""Code of the user's own as rows of the tables. Free of torch.

In a table a path ``package.module:name`` is a name, too: that of the row (`trainers.entries`) which
stands there, or which the class there has as its attribute ``entry``. No other name has a colon.

Code runs where its row is first asked for, unless that happens under `without_code`. A row that was
made once stays. What a sweep was launched with is kept beside it in plain values (`kept`) and taken
up (`take_up`) where the sweep is read again: a table of its results needs no code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, fields, replace
from typing import Any, Generic, TypeVar, cast

from trainers.entries import (
    DOTTED_PATH,
    TEACHERS,
    DatasetEntry,
    MethodEntry,
    NetworkEntry,
    Row,
    load,
)
from trainers.fields import Field, Limit

R = TypeVar("R", bound=Row)
# Hyperparameters that every method has, and every method with a teacher, as its task declares them.
EVERYONES, WITH_TEACHER = ("lr", "weight_decay"), ("temperature",)
# What tells a field, as JSON holds it, from another mapping.
OF_A_FIELD = {"name", "kind", "meaning", "source"}
PAGE = "docs/your-own-method.md shows how"
KINDS: Mapping[str, type[Row]] = {
    kind.__name__: kind for kind in (MethodEntry, DatasetEntry, NetworkEntry)
}

_may_run: ContextVar[bool] = ContextVar("code of the user's own may run", default=True)
# By path: rows made by code, and rows that a sweep was launched with.
_made: dict[str, Any] = {}
_kept: dict[str, Any] = {}


class OwnCodeError(ValueError):
    """Code of the user's own that is no row of its table; the message says why, and the remedy."""


class CodeNotAllowed(Exception):
    """Code that may not run where it is asked for; ``path``: where it stands."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@contextmanager
def without_code() -> Iterator[None]:
    """In the block a row that only code can make raises CodeNotAllowed."""
    before = _may_run.set(False)
    try:
        yield
    finally:
        _may_run.reset(before)


def is_path(name: str) -> bool:
    """Whether a name in a table is the path of code of the user's own."""
    return ":" in name


def usual_label(path: str) -> str:
    """What the code at a path is called where nobody says: the last of its names."""
    return path.rpartition(":")[2].rpartition(".")[2].strip("_")


class Table(Mapping[str, R], Generic[R]):
    """The rows of a task by name, and by path those of the user's own, which no list shows."""

    def __init__(self, kind: type[R], task: str, rows: Mapping[str, R]) -> None:
        self._kind, self._task, self._rows = kind, task, rows

    def __getitem__(self, name: str) -> R:
        """The row; OwnCodeError or CodeNotAllowed where a path gives none."""
        if not is_path(name):
            return self._rows[name]
        row = _row_at(name, self._kind)
        if not row.serves(self._task):
            raise KeyError(name)
        return completed(row, self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def completed(row: R, others: Mapping[str, R]) -> R:
    """A row that is not almkd's as it stands in a table: a method with what all methods there
    have."""
    if not isinstance(row, MethodEntry):
        return row
    declared = [h for other in others.values() for h in cast(MethodEntry, other).hyperparameters]
    usual = {h.name: h for h in reversed(declared)}
    names = (*EVERYONES, *(WITH_TEACHER if row.uses_teacher else ()))
    added = [usual[name] for name in names if name in usual and not row.has(name)]
    return replace(row, hyperparameters=(*added, *row.hyperparameters))


def problem(row: Row) -> str | None:
    """What is wrong with a row that nobody has checked, as what it does; or None."""
    if isinstance(row, MethodEntry) and row.teachers not in TEACHERS:
        return f"has teachers {row.teachers!r}; choose one of {', '.join(TEACHERS)}"
    names: set[str] = set()
    for h in row.declared:
        if not isinstance(h, Field):
            return f"declares {h!r}; it has to be a trainers.fields.Field"
        if h.name in names:
            return f"declares {h.name!r} twice; name each once"
        names.add(h.name)
        may_lack = h.required or (h.default is None and not isinstance(row, MethodEntry))
        if not may_lack and (wrong := h.problem(h.default)):
            return f"gives {h.name} the default {h.default!r}, which {wrong}; correct it"
    if isinstance(row, MethodEntry):
        named = [*row.asks_held_out, row.shifts_bias or {}, *(limit.where for limit in row.limits)]
        usual = (*EVERYONES, *(WITH_TEACHER if row.uses_teacher else ()))
        for name in [name for values in named for name in values]:
            if name not in (*names, *usual):
                return f"names {name!r} and does not declare it; correct the name"
    return None


def code_problem(row: Row) -> str | None:
    """Why the code of a row that stands by itself cannot be found, as what it does; or None."""
    if isinstance(row, DatasetEntry) or DOTTED_PATH.fullmatch(row.implementation):
        return None
    return f"has the implementation {row.implementation!r}; write it as package.module:Class"


def kept(path: str) -> Mapping[str, Any]:
    """What the row at a path, which is in use, declares, as JSON holds it: all but functions."""
    return _declared(_made.get(path) or _kept[path])


def as_kept_now(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `kept` gave, of whatever version, with the fields that rows have had since then."""
    return _declared(_row(declared))


def _declared(row: Row) -> Mapping[str, Any]:
    values = {f.name: getattr(row, f.name) for f in fields(row)}
    return {
        "kind": type(row).__name__,
        **{name: _plain(value) for name, value in values.items() if not callable(value)},
    }


def take_up(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Rows by path as `kept` gave them; those that code has made in this process come first."""
    for path, declared in rows.items():
        _kept[path] = _row(declared)


def _row(declared: Mapping[str, Any]) -> Row:
    kind = KINDS[declared["kind"]]
    values = {name: _read(value) for name, value in declared.items() if name != "kind"}
    if kind is DatasetEntry:
        values["load"] = _not_kept
    row: Row = kind(**values)
    return row


def _row_at(path: str, kind: type[R]) -> R:
    for known in (_made, _kept):
        if isinstance(row := known.get(path), kind):
            return row
    if not _may_run.get():
        raise CodeNotAllowed(path)
    _made[path] = row = _make(path, kind)
    return row


def _make(path: str, kind: type[R]) -> R:
    """The row at a path, from its code."""
    try:
        found = load(path)
    except Exception as error:
        raise OwnCodeError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}; mend it, or correct the "
            "path, which is looked for in the directory of the command"
        ) from error
    entry = found if isinstance(found, kind) else getattr(found, "entry", None)
    if not isinstance(entry, kind):
        raise OwnCodeError(
            f"{path} does not say which {kind.what} it has; give it an attribute entry, a "
            f"trainers.entries.{kind.__name__}: {PAGE}"
        )
    if wrong := problem(entry) or (code_problem(entry) if entry is found else None):
        raise OwnCodeError(f"{path}: its entry {wrong}")
    if isinstance(entry, DatasetEntry):
        return cast(R, replace(entry, origin=path))
    # Of a class it is that class, also where its entry was made of another's.
    code = entry.implementation if entry is found else path
    return cast(R, replace(entry, implementation=code, origin=path))


def _not_kept(**options: Any) -> Any:
    raise OwnCodeError("the data set's code was not run; give --allow-code")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [asdict(part) if isinstance(part, Field | Limit) else part for part in value]
    return value


def _read(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return tuple(_part(part) if isinstance(part, Mapping) else part for part in value)


def _part(declared: Mapping[str, Any]) -> Field | Limit | Mapping[str, Any]:
    if "at" in declared:
        return Limit(**declared)
    if not declared.keys() >= OF_A_FIELD:
        return declared
    return Field(
        **{**declared, "choices": tuple(declared["choices"]), "words": tuple(declared["words"])}
    )
