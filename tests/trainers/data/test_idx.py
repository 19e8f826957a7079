"""Compressed arrays of bytes: no more of them is unpacked than their header says."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainers.data import idx
from trainers.data.errors import DataError
from trainers.data.idx import read_idx


def _write(path: Path, shape: tuple[int, ...], content: bytes) -> Path:
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + content))
    return path


def test_an_array_is_read(tmp_path: Path) -> None:
    found = read_idx(_write(tmp_path / "a.gz", (2, 3), bytes(range(6))), 2)
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("content", "said"), [(5, "holds 5 bytes where"), (60_000_000, "holds more than 6 bytes where")]
)
def test_another_length_than_the_header_says_is_refused(
    tmp_path: Path, content: int, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_idx(_write(tmp_path / "a.gz", (2, 3), bytes(content)), 2)


def test_a_header_that_says_more_than_anyone_publishes_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(tmp_path / "a.gz", (2**32 - 1, 2**32 - 1), b"")
    with pytest.raises(DataError, match="none that is published does"):
        read_idx(file, 2)
    monkeypatch.setattr(idx, "LARGEST", 5)
    with pytest.raises(DataError, match="says that it holds 6 bytes"):
        read_idx(_write(file, (2, 3), bytes(6)), 2)
