"""The tutorial's commands, run in its order from an empty folder, print what it shows.

The sweep is a smaller one than the reader's, trained in this process: of what it prints the rows of
the table are compared, of what its students predict the columns and classes.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sweep import cli
from sweep.places import Places
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SMALLER = (
    "search.trials=2",
    "search.shortlist=none",
    "confirm.seeds=2",
    "teacher.training.epochs=4",
    "student.training.epochs=4",
)
SEED = re.compile(r"seed-\d+")
# The first columns of the table: noise, method, what it is compared with.
ROW = re.compile(r"^(\d+ %)? +(alm_kd|fixed_kd|labels_only) +(\S+)", re.MULTILINE)


class Step(NamedTuple):
    """A command of the tutorial, and what it prints there."""

    words: list[str]
    printed: str


def _blocks(kind: str) -> list[str]:
    return [text for of, text in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")) if of == kind]


def _steps() -> Iterator[Step]:
    for block in _blocks("console"):
        command, _, printed = block.partition("\n")
        yield Step(command.removeprefix("$ ").split(), printed)


def _rows(text: str) -> list[tuple[str, ...]]:
    return [match.groups(default="") for match in ROW.finditer(text)]


def test_the_tutorial(
    empty_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALMKD_RUNS", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").write_bytes(empty_store.read_bytes())
    for program in _blocks("python"):
        subprocess.run([sys.executable, "-c", program], check=True)

    def run(*words: str) -> str:
        """What a command prints, on either stream."""
        monkeypatch.setattr(sys, "argv", list(words))
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        assert stop.value.code == 0, said.err
        return said.err + said.out

    seed = ""
    tried = []
    for step in _steps():
        program, command, *_ = step.words
        assert program == "almkd"
        tried.append(command)
        if command == "launch":
            launched_in_process(
                read_spec(step.words[2], SMALLER), Places(Path("runs")), monkeypatch
            )
            rows = _rows(run("almkd", "compare", "mine"))
            assert rows == _rows(step.printed)
            assert len(rows) == 8
            continue
        said = run(*(SEED.sub(seed, word) for word in step.words))
        if command in ("new", "check"):
            assert said == step.printed
        elif command == "plan":
            assert said.startswith(step.printed)
        elif command == "students":
            (seed,) = SEED.findall(said)
            assert said == SEED.sub(seed, step.printed)
        else:
            _check_predictions(said, step.printed)
    assert tried == ["new", "check", "plan", "launch", "students", "predict"]


def _check_predictions(said: str, printed: str) -> None:
    """The same remark, columns and rows; classes among those of the data."""
    cells, shown = (
        [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
        for text in (said, printed)
    )
    assert cells[:2] == shown[:2]
    assert [line[1] for line in cells[3:]] == [line[1] for line in shown[3:]] == list("01234")
    assert {line[2] for line in cells[3:]} <= {"benign", "malignant"}
