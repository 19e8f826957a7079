"""Results are whole, or it is noticed."""

import subprocess
from pathlib import Path

import pytest

from sweep.atomic_files import SUMS, damaged, replaced_together


@pytest.fixture
def results(tmp_path: Path) -> Path:
    directory = tmp_path / "results"
    with replaced_together(directory) as beside:
        (beside / "table.csv").write_text("1,2\n")
        (beside / "report.html").write_text("<p>")
    return directory


def test_whole_files_are_not_damaged(results: Path) -> None:
    assert damaged(results) == []
    assert {path.name for path in results.iterdir()} == {"table.csv", "report.html", SUMS}
    assert [path.name for path in results.parent.iterdir()] == ["results"]
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=results, check=True)


def test_changed_and_missing_files_are_named(results: Path) -> None:
    (results / "table.csv").write_text("1,3\n")
    assert damaged(results) == [results / "table.csv"]
    (results / "report.html").unlink()
    assert set(damaged(results)) == {results / "table.csv", results / "report.html"}


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_without_readable_checksums_nothing_is_taken_as_whole(
    results: Path, content: bytes | None
) -> None:
    (results / SUMS).unlink()
    if content is not None:
        (results / SUMS).write_bytes(content)
    assert damaged(results) == [results / SUMS]


def test_a_block_that_raises_leaves_what_was_there(results: Path) -> None:
    def write_half() -> None:
        with replaced_together(results) as beside:
            (beside / "table.csv").write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert (results / "table.csv").read_text() == "1,2\n"
    assert damaged(results) == []
    assert [path.name for path in results.parent.iterdir()] == ["results"]


def test_a_name_in_the_checksums_never_leads_outside(results: Path) -> None:
    (results / SUMS).write_text("0  ../../etc/passwd\n")
    assert damaged(results) == [results / "passwd"]
