"""Lines with checksums: whatever is not what was written is noticed."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.adapters.checked_lines import DamagedLine, Sums, read
from sweep.adapters.mlflow.spool import Spool
from sweep.adapters.optuna.journal import BatchedJournal, ReadJournal
from sweep.errors import SweepFailed

RECORDS = [{"do": "log", "row": {"loss": 0.1 + 0.2, "é\ud800": None}, "at": n} for n in range(4)]


def _lines() -> list[bytes]:
    sums = Sums()
    return [sums.line(record) for record in RECORDS]


def _file(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "lines"
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize("count", range(5))
def test_every_beginning_is_read_and_goes_on(tmp_path: Path, count: int) -> None:
    path = _file(tmp_path, _lines()[:count])
    records, sums = read(path)
    assert records == RECORDS[:count]
    path.write_bytes(path.read_bytes() + sums.line({"do": "open"}))
    assert read(path)[0] == [*RECORDS[:count], {"do": "open"}]


def test_values_that_json_has_no_form_for_come_back(tmp_path: Path) -> None:
    path = _file(tmp_path, [Sums().line({"values": [math.inf, math.nan, -0.0, 1e-320]})])
    (record,), _ = read(path)
    assert str(record["values"]) == "[inf, nan, -0.0, 1e-320]"


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a digit": lambda ls: [ls[0].replace(b'"at":0', b'"at":7'), *ls[1:]],
    "a digit of the last": lambda ls: [*ls[:3], ls[3].replace(b'"at":3', b'"at":4')],
    "a sum": lambda ls: [*ls[:2], ls[2].replace(b'"crc32":', b'"crc32":1'), ls[3]],
    "no sum": lambda ls: [ls[0], b'{"do":"log"}\n', *ls[1:]],
    "one left out": lambda ls: [ls[0], *ls[2:]],
    "the first left out": lambda ls: ls[1:],
    "one twice": lambda ls: [ls[0], *ls],
    "two exchanged": lambda ls: [ls[1], ls[0], *ls[2:]],
    "no record": lambda ls: [*ls, b"[1]\n"],
    "no JSON": lambda ls: [ls[0][:-4] + b"\n", *ls[1:]],
    "nested deeply": lambda ls: [*ls, b"[" * 100_000 + b"\n"],
    "empty": lambda ls: [ls[0], b"\n", *ls[1:]],
}


@pytest.mark.parametrize("how", DAMAGES)
def test_what_was_not_written_so_is_noticed(tmp_path: Path, how: str) -> None:
    with pytest.raises(DamagedLine, match=r"line \d"):
        read(_file(tmp_path, DAMAGES[how](_lines())))


def test_records_of_an_earlier_version_may_come_first(tmp_path: Path) -> None:
    old = [json.dumps(record).encode() + b"\n" for record in RECORDS]
    assert read(_file(tmp_path, [*old, *_lines()]))[0] == RECORDS * 2


def test_a_damaged_spool_is_told_with_the_remedy(tmp_path: Path) -> None:
    path = _file(tmp_path, DAMAGES["a digit"](_lines()))
    before = path.read_bytes()
    with pytest.raises(SweepFailed, match=rf"{path}: is damaged \(line 1 .*; restore it .*delete"):
        Spool(path)
    assert path.read_bytes() == before


def test_a_spool_that_was_emptied_begins_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put(RECORDS)
    spool.clear()
    spool.put(RECORDS[:1])
    assert Spool(tmp_path / "spool").left_over == RECORDS[:1]


def test_a_journal_is_checked_by_its_owner_and_by_readers(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for part in (RECORDS[:2], RECORDS[2:]):
        journal = BatchedJournal(path)
        journal.append_logs(part)
        journal.flush()
        journal.close()
    assert ReadJournal(path).read_logs(1) == RECORDS[1:]
    path.write_bytes(path.read_bytes().replace(b'"at":1', b'"at":5'))
    for reader in (ReadJournal, BatchedJournal):
        with pytest.raises(SweepFailed, match=r"journal: is damaged \(line 2 .*; restore it"):
            reader(path)
