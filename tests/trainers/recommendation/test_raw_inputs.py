"""Users for whom a trained student recommends, from files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainers.data.errors import DataError
from trainers.recommendation.data.raw_inputs import read_users

FACTS = {"user_ids": ["7", "9", "10"], "user_column": "who"}


def _read(path: Path, **options: str) -> list[list[int]]:
    found = read_users(path, FACTS, options)
    inputs, remarks = found.batch(0, found.count)
    assert inputs.dtype == np.int64
    assert not remarks
    assert [FACTS["user_ids"][n] for (n,) in inputs] == found.keys["user"]
    return inputs.tolist()  # type: ignore[no-any-return]


def test_users_are_read_from_lines_and_tables(tmp_path: Path) -> None:
    wanted = [[2], [0], [2]]
    lines, table, packed = (tmp_path / name for name in ("a.txt", "a.csv", "a.parquet"))
    lines.write_text("10\n\n 7\n10\n", encoding="utf-8")
    assert _read(lines) == wanted
    table.write_text("n;who\n1;10\n2;7\n3;10", encoding="utf-8")
    assert _read(table, delimiter=";") == wanted
    assert _read(table, delimiter=";", user="who") == wanted
    pq.write_table(pa.table({"id": [10.0, 7.0, 10.0]}), packed)
    assert _read(packed, user="id") == wanted


def test_users_that_are_not_known_are_told(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("10\n8\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"the user '8' in row 2 was not there.*drop it"):
        _read(file)


def test_options_and_files_that_are_wrong_are_told(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("user,item\n10,1", encoding="utf-8")
    with pytest.raises(DataError, match=r"has no column 'who'.*data\.user"):
        _read(file)
    with pytest.raises(DataError, match=r"data\.item: .*does not take this field"):
        _read(file, item="item")
    with pytest.raises(DataError, match="there is no file"):
        _read(tmp_path / "b.csv")
    other = tmp_path / "a.npy"
    other.write_bytes(b"10")
    with pytest.raises(DataError, match=r"none of .*\.txt"):
        _read(other)
