"""Tables of whatever kind of file: what is written, and what may be odd in their rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from tests.fuzz.routes import HERE, launched
from tests.fuzz.target import Apply, Expected, Mutation
from tests.trainers.specimens import TABLES, noise

Row = dict[str, Any]
Rows = list[Row]
N = 60
LABELS = ("x", "y", "z")
CONTAINERS = frozenset(
    {
        "trainers.data.tables:read_parquet", "trainers.data.delimited:read_text",
        "trainers.data.delimited:_parsed", "trainers.data.delimited:_header",
        "trainers.data.json_lines:read_json_lines", "trainers.data.delimited:read_delimited",
    }
)  # fmt: skip
# Texts that are odd in a column of any kind.
ODD_TEXTS = (
    "", " ", "NA", "nan", "null", "-", "1,5", "1.2.3", "0x10", "1e999", "-1e400", "=1+1", "\u0660",
    "\u2028", "a\x1b[2Jb", "\u202eabc", "ÿ" * 5000, "two\nlines", '"', "'", "\\", "{", "9" * 400,
    "e\u0301", "\ufeff", "true", "2024-01-01", "../../x",
)  # fmt: skip
ODD_VALUES: Sequence[Any] = (
    None,
    True,
    -1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    1e308,
    1e39,
    5e-324,
    *ODD_TEXTS,
)


def of_numbers(kind: str) -> Callable[[Path], object]:
    return launched("classification", {"dataset": kind, "path": f"{HERE}/a.{kind}"})


def of_texts(kind: str) -> Callable[[Path], object]:
    data = {"dataset": kind, "path": f"{HERE}/a.{kind}", "max_length": 7}
    return launched("text", data)


def write_numbers(folder: Path) -> None:
    columns = {"b": noise(N), "a": range(N), "label": LABELS * (N // len(LABELS))}
    for kind, write in TABLES.items():
        write(pd.DataFrame(columns), folder / f"a.{kind}")
    logits = {f"logit_{c}": column for c, column in enumerate(noise(len(LABELS), N))}
    pd.DataFrame({**logits, "row": range(N)}).to_parquet(folder / "logits.parquet", index=False)


def write_texts(folder: Path) -> None:
    written = [f"w{i % 7} w{i % 5} {LABELS[i % 3]}" for i in range(N)]
    columns = {"text": written, "label": LABELS * (N // len(LABELS))}
    for kind, write in TABLES.items():
        write(pd.DataFrame(columns), folder / f"a.{kind}")


Change = Callable[[Rows, Random], None]
# By a change of rows to a change of a file.
Rewrite = Callable[[Change], Apply]


def _name(rows: Rows, rng: Random) -> str:
    return str(rng.choice(sorted(rows[0])))


def _odd_value(rows: Rows, rng: Random) -> None:
    rng.choice(rows)[_name(rows, rng)] = rng.choice(ODD_VALUES)


def _odd_column(rows: Rows, rng: Random) -> None:
    name, value = _name(rows, rng), rng.choice(ODD_VALUES)
    for row in rows:
        row[name] = value


def _renamed(rows: Rows, rng: Random) -> None:
    name, other = _name(rows, rng), rng.choice((*ODD_TEXTS, "Label", "__index_level_0__"))
    for place, row in enumerate(rows):
        rows[place] = {other if key == name else key: value for key, value in row.items()}


def _further(rows: Rows, rng: Random) -> None:
    name, value = rng.choice(ODD_TEXTS), rng.choice(ODD_VALUES)
    for row in rows:
        row[name] = value


def _dropped(rows: Rows, rng: Random) -> None:
    name = _name(rows, rng)
    for row in rows:
        del row[name]


def _fewer(rows: Rows, rng: Random) -> None:
    del rows[rng.choice((1, 2, 3, 5)) :]


def _twice(rows: Rows, rng: Random) -> None:
    rows.append(dict(rng.choice(rows)))


def nested(rows: Rows, rng: Random) -> None:
    name = _name(rows, rng)
    for row in rows:
        row[name] = rng.choice(([row[name]], {"a": row[name]}, [[1, 2], [3]], {"a": {"b": []}}))


def lone_surrogate(rows: Rows, rng: Random) -> None:
    rng.choice(rows)[_name(rows, rng)] = rng.choice(("\ud800", "a\udc00b"))


def odd(rewrite: Rewrite) -> list[Mutation]:
    """What may be odd in a table of any kind."""
    changes: Mapping[str, tuple[Expected, Change]] = {
        "an odd value": ("any", _odd_value),
        "two odd values": ("any", lambda rows, rng: (_odd_value(rows, rng), _odd_value(rows, rng))),
        "a column of one odd value": ("any", _odd_column),
        "a column renamed": ("any", _renamed),
        "a further column": ("any", _further),
        "a column out": ("any", _dropped),
        "few rows": ("any", _fewer),
        "a row twice": ("any", _twice),
        "rows in another order": ("any", lambda rows, rng: rng.shuffle(rows)),
    }  # fmt: skip
    return [
        Mutation(name, expected, rewrite(change)) for name, (expected, change) in changes.items()
    ]
