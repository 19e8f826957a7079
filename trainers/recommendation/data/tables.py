"""The user's own interactions: a table with a column of users and one of items.

R rows, N interactions. Users and items are called by whole numbers or texts, and numbered in
ascending order of these.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError, counted, listed
from trainers.data.table_files import read_table
from trainers.data.tables import Table, check_filled, columns
from trainers.recommendation.data.dataset import Interactions

if TYPE_CHECKING:
    import pyarrow as pa

# The values of ``order``: whether a user's interactions are dealt to splits by a draw, or by time.
DRAWN, TIME = "drawn", "time"
# Whole numbers.
WHOLE = re.compile(r"-?\d{1,18}")
# Floating point numbers below it are whole numbers without loss.
EXACT = 2**53


class Columns(NamedTuple):
    """What the columns are called; ``rating``, ``time``: None where there are none, or they do not
    count. ``at_least``: the rating from which on a row is an interaction."""

    user: str
    item: str
    rating: str | None = None
    at_least: float = float("-inf")
    time: str | None = None


class Counts(NamedTuple):
    """Rows in all, those whose rating is high enough, and those of them that are kept."""

    rows: int
    high: int
    kept: int


def interactions(path: str, user: str, item: str, order: str, **options: Any) -> Interactions:
    """A table of the kind that the end of its name says.

    ``options``: ``rating`` and ``time``, further columns; ``min_rating``; how a text is written
    (`Dialect`).
    """
    file = Path(path).expanduser()
    rating, least, time = (options.pop(name, None) for name in ("rating", "min_rating", "time"))
    if (rating is None) != (least is None):
        given, absent = ("rating", "min_rating") if least is None else ("min_rating", "rating")
        raise DataError(f"data.{given}: says nothing without data.{absent}; give both or neither")
    if order == TIME and time is None:
        raise DataError("data.order: time needs the column of times; name it as data.time")
    table = read_table(file, (user, item), **options)
    wanted = Columns(user, item, rating, float("-inf") if least is None else least, time)
    return of_table(file, table, wanted, order)


def of_table(file: Path, table: Table, names: Columns, order: str) -> Interactions:
    """The interactions in the order of their rows, each pair once: the earliest, or the first."""
    there = table.columns
    if names.user == names.item:
        raise DataError(f"data.item: {names.item!r} is the column of users; name another")
    users, user_ids = _numbered(ids_of(file, there, names.user, "user"))
    items, item_ids = _numbered(ids_of(file, there, names.item, "item"))
    rows = np.arange(len(users))
    if names.rating is not None:
        _column(file, there, names.rating, "rating")
        ratings = columns(file, there, [names.rating]).inputs[:, 0]
        rows = np.flatnonzero(ratings >= names.at_least)
        if not len(rows):
            raise DataError(
                f"{file}: no rating is {names.at_least:g} or higher; lower data.min_rating"
            )
    times = None if names.time is None else _places_in_time(file, there, names.time)
    kept = _each_once(users * len(item_ids) + items, rows, times)
    of_users, takers = np.unique(users[kept], return_inverse=True)
    of_items, taken = np.unique(items[kept], return_inverse=True)
    counts = Counts(len(users), len(rows), len(kept))
    lost = len(user_ids) - len(of_users), len(item_ids) - len(of_items)
    remarks = (*table.remarks, *_left_out(file, names, counts, lost))
    return Interactions(
        takers,
        taken,
        tuple(user_ids[n] for n in of_users),
        tuple(item_ids[n] for n in of_items),
        times[kept] if times is not None and order == TIME else None,
        info=DatasetInfo(remarks, feature_names=(names.user, names.item)),
    )


def ids_of(file: Path, table: "pa.Table", name: str, field: str) -> "pa.Array":
    """What stands in the column ``name``, as texts without blanks around them (R,); ``field``: the
    option of ``data`` that names it.

    Whole numbers are the same whether or not they are kept as floating point numbers. DataError
    where one is empty, or they are neither numbers nor texts.
    """
    import pyarrow as pa

    _column(file, table, name, field)
    if not len(table):
        raise DataError(f"{file}: has no row; write one for each interaction")
    check_filled(file, table, name)
    column = table[name].combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _trimmed(file, column.cast(pa.string()), field)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        exact = (np.floor(numbers) == numbers) & (np.abs(numbers) < EXACT)
        if len(odd := np.flatnonzero(~exact)):
            raise DataError(
                f"{file}: column {name!r} holds {numbers[odd[0]]:g} in row {odd[0] + 1}, which is "
                f"no {field}; drop such rows, or name the column of {field}s as data.{field}"
            )
        column = column.cast(pa.int64())
    if not pa.types.is_integer(column.type):
        raise DataError(
            f"{file}: column {name!r} holds {column.type}, and has to hold whole numbers or texts; "
            f"name the column of {field}s as data.{field}"
        )
    return column.cast(pa.string())


def _trimmed(file: Path, texts: "pa.Array", field: str) -> "pa.Array":
    """Without blanks around them, and, where all are whole numbers, without a decimal point."""
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(texts)
    if len(empty := np.flatnonzero(pc.equal(texts, "").to_numpy(zero_copy_only=False))):
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise DataError(f"{file}: has no {field} in row {empty[0] + 1}{more}; fill or drop these")
    if pc.all(pc.match_substring_regex(texts, f"^{WHOLE.pattern}(\\.0*)?$")).as_py():
        return pc.replace_substring_regex(texts, r"\.0*$", "")
    return texts


def _left_out(file: Path, names: Columns, counts: Counts, lost: tuple[int, int]) -> Iterator[str]:
    """Sentences on rows that are no interactions; ``lost``: users and items without another."""
    if low := counts.rows - counts.high:
        users, items = counted(lost[0], "user"), counted(lost[1], "item")
        also = f", and with them {users} and {items} that have no other" if any(lost) else ""
        yield (
            f"{file}: {low} of {counts.rows} ratings are below {names.at_least:g} and left out"
            f"{also}"
        )
    if again := counts.high - counts.kept:
        yield (
            f"{file}: left out {counted(again, 'row')} with a user and an item that another row "
            f"has; of each pair the {'earliest' if names.time else 'first'} is kept"
        )


def _numbered(ids: "pa.Array") -> tuple[NDArray[np.int64], list[str]]:
    """Texts (R,) as numbers, and what each stands for, in ascending order: of numbers, where all of
    them are whole ones."""
    encoded = ids.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    whole = all(map(WHOLE.fullmatch, names))
    order = sorted(range(len(names)), key=lambda n: (int(names[n]) if whole else 0, names[n]))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return place[encoded.indices.to_numpy()], [names[n] for n in order]


def _places_in_time(file: Path, table: "pa.Table", name: str) -> NDArray[np.int64]:
    """Times (R,) as whole numbers in their order; DataError where there is no such order."""
    import pyarrow as pa

    _column(file, table, name, "time")
    check_filled(file, table, name)
    kind = table[name].type
    ordered = (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal)
    if not any(test(kind) for test in ordered):
        raise DataError(
            f"{file}: column {name!r} holds {kind}, which are no times; write numbers, or dates "
            "such as 2024-01-31 12:00:00"
        )
    times = table[name].to_numpy()
    if pa.types.is_floating(kind) and len(odd := np.flatnonzero(np.isnan(times))):
        raise DataError(
            f"{file}: column {name!r} holds NaN in row {odd[0] + 1}; fill or drop such rows"
        )
    _, places = np.unique(times, return_inverse=True)
    return places.astype(np.int64)


def _each_once(
    pairs: NDArray[np.int64], rows: NDArray[np.int64], times: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Of the rows whose pairs (R,) are equal the earliest, in ascending order."""
    if times is not None:
        rows = rows[np.argsort(times[rows], kind="stable")]
    _, first = np.unique(pairs[rows], return_index=True)
    return np.sort(rows[first])


def _column(file: Path, table: "pa.Table", name: str, field: str) -> None:
    """DataError where there is no column ``name``, which data.``field`` says."""
    names = [name for name in table.column_names if name]
    if name not in names:
        raise DataError(
            f"{file}: has no column {name!r} but {listed(names)}; name the column of {field}s as "
            f"data.{field}"
        )
