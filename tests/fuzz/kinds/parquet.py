"""Tables as Parquet."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.kinds import rows
from tests.fuzz.kinds.students import write_student_of_tables
from tests.fuzz.routes import HERE, launched, shown
from tests.fuzz.target import Apply, Mutation, Target

# Rows of a file that is read to see whether it is whole.
LOOKED_AT = 10**6


def parquet() -> list[Target]:
    data = rows.of_numbers("parquet")
    logits = {"teacher": {"logits": f"{HERE}/logits.parquet"}}
    return [
        Target("parquet", "data", rows.write_numbers, ["a.parquet"], data, whole_parquet,
               [*OF_PARQUET, *rows.odd(_parquet)], rows.CONTAINERS),
        Target("parquet", "texts", rows.write_texts, ["a.parquet"], rows.of_texts("parquet"),
               whole_parquet, [*OF_PARQUET, *rows.odd(_parquet)], rows.CONTAINERS),
        Target("parquet", "logits", rows.write_numbers, ["logits.parquet"],
               launched("classification", {"dataset": "parquet", "path": f"{HERE}/a.parquet"},
                        logits), whole_parquet, OF_PARQUET, rows.CONTAINERS),
        Target("parquet", "predict", write_student_of_tables, ["new.parquet"],
               shown("student", "new.parquet"), whole_parquet, OF_PARQUET, rows.CONTAINERS),
    ]  # fmt: skip


def whole_parquet(file: Path) -> None:
    """Whether all of it can be read; of a huge one, whether what describes it can."""
    with pq.ParquetFile(file) as opened:
        if opened.metadata.num_rows < LOOKED_AT:
            opened.read().validate(full=True)


def _parquet(change: rows.Change) -> Apply:
    def apply(file: Path, rng: Random) -> None:
        rows = pq.read_table(file).to_pylist()
        change(rows, rng)
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: _column([row.get(name) for row in rows]) for name in names}
        pq.write_table(pa.table(columns), file)

    return apply


def _column(values: list[Any]) -> pa.Array:
    """Of one type, whichever takes all; else as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return pa.array([None if v is None else ascii(v) for v in values])


def _of_table(change: Callable[[pa.Table, Random], pa.Table], **options: Any) -> Apply:
    def apply(file: Path, rng: Random) -> None:
        pq.write_table(change(pq.read_table(file), rng), file, **options)

    return apply


def _another_type(table: pa.Table, rng: Random) -> pa.Table:
    """A column of a type that holds no plain numbers or texts, or others."""
    name = rng.choice(table.column_names)
    count = len(table)
    made = rng.choice(
        (
            pa.nulls(count), pa.nulls(count, pa.float64()), pa.nulls(count, pa.string()),
            pa.array([b"\xff"] * count), pa.array([b"\xff" * 4] * count, pa.binary(4)),
            pa.array([[1.0]] * count), pa.array([[1.0, None]] * count),
            pa.array([{"a": 1}] * count), pa.array([0] * count, pa.timestamp("ns")),
            pa.array([2**62] * count, pa.duration("s")), pa.array([0] * count, pa.date32()),
            pa.array([1] * count).cast(pa.decimal128(38, 3)), pa.array([True] * count),
            pa.array(["1"] * count).dictionary_encode(), pa.array([2**64 - 1] * count, pa.uint64()),
            pa.array(["x"] * count, pa.large_string()), pa.array([1.0] * count, pa.float16()),
            pa.array(["x"] * count, pa.string_view()), pa.array([[("a", 1)]] * count,
                                                                pa.map_(pa.string(), pa.int8())),
        )
    )  # fmt: skip
    return table.set_column(table.column_names.index(name), name, made)


def _nulls(table: pa.Table, rng: Random) -> pa.Table:
    name = rng.choice(table.column_names)
    values = table[name].to_pylist()
    values[rng.randrange(len(values))] = None
    return table.set_column(
        table.column_names.index(name), name, pa.array(values, table[name].type)
    )


def _twice_a_column(table: pa.Table, rng: Random) -> pa.Table:
    return table.append_column(rng.choice(table.column_names), table.column(0))


def _metadata(table: pa.Table, rng: Random) -> pa.Table:
    told = rng.choice((b"", b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [null]}',
                       b'{"index_columns": ["a"]}', b"\xff", b"[" * 100_000))  # fmt: skip
    return table.replace_schema_metadata({b"pandas": told})


def _parquet_bomb(file: Path, rng: Random) -> None:
    """A hundred million rows of the same, in a few kilobytes."""
    first = pq.read_table(file).slice(0, 1)
    file.write_bytes(_many_rows(tuple(first.to_pylist()[0].items())))


@cache
def _many_rows(row: tuple[tuple[str, Any], ...]) -> bytes:
    columns = {name: pa.repeat(pa.scalar(value), 10**7) for name, value in row}
    out = io.BytesIO()
    with pq.ParquetWriter(out, pa.table(columns).schema) as writer:
        for _ in range(10):
            writer.write_table(pa.table(columns))
    return out.getvalue()


OF_PARQUET = [
    Mutation("packed otherwise", "same", _of_table(lambda t, rng: t, compression="gzip")),
    Mutation(
        "not packed", "same", _of_table(lambda t, rng: t, compression="none", use_dictionary=False)
    ),
    Mutation("in small groups of rows", "same", _of_table(lambda t, rng: t, row_group_size=7)),
    Mutation("of another version", "same", _of_table(lambda t, rng: t, version="1.0")),
    Mutation(
        "texts as a dictionary",
        "same",
        _of_table(
            lambda t, rng: pa.table(
                {
                    n: t[n].dictionary_encode() if pa.types.is_string(t[n].type) else t[n]
                    for n in t.column_names
                }
            )
        ),
    ),
    Mutation("a column of another type", "any", _of_table(_another_type)),
    Mutation("a column of another type", "any", _of_table(_another_type)),
    Mutation("an empty place", "any", _of_table(_nulls)),
    Mutation("a column twice", "refused", _of_table(_twice_a_column)),
    Mutation("odd metadata", "any", _of_table(_metadata)),
    Mutation("no row", "refused", _of_table(lambda t, rng: t.slice(0, 0))),
    Mutation("no column", "refused", _of_table(lambda t, rng: t.select([]))),
    Mutation("nested", "any", _parquet(rows.nested)),
    Mutation("a bomb", "refused", _parquet_bomb),
]
