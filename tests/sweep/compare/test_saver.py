"""Figures saved by two processes: the same files whoever saves them, and whatever goes wrong."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
from matplotlib.figure import Figure

from sweep.compare.figures import style
from sweep.compare.figures.saver import FigureSaver
from sweep.compare.figures.style import Grid, draw_grid, save

STEMS = ("one", "two", "three")
PATIENCE_S = 120.0


def figure(number: int = 1) -> Figure:
    def draw(axes: Any) -> None:
        axes[0, 0].plot([0, number], [1, 2], label="line")

    return draw_grid(Grid(1, 1), draw)


def print_all(saver: FigureSaver, place: Path) -> dict[str, bytes]:
    """The content of every file by its name."""
    for number, stem in enumerate(STEMS):
        saver.take(figure(number), place, stem)
    saver.finish()
    return {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, bytes]:
    """What one process saves."""
    for number, stem in enumerate(STEMS):
        save(figure(number), tmp_path / "alone", stem)
    return {path.name: path.read_bytes() for path in (tmp_path / "alone").iterdir()}


def refuse(*_: object) -> NoReturn:
    raise AssertionError("this process was to leave that to the other")


def test_the_second_process_saves_the_same_files(
    alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "save", refuse)
    place = tmp_path / "second"
    with FigureSaver(cores=2) as saver:
        for number, stem in enumerate(STEMS):
            saver.take(figure(number), place, stem)
        deadline = time.monotonic() + PATIENCE_S
        while not (place / f"{STEMS[-1]}.png").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        saver.finish()
    assert {path.name: path.read_bytes() for path in place.iterdir()} == alone


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("cores", [1, 2])
def test_all_files_are_there_once_it_has_finished(
    cores: int, ahead: bool, alone: dict[str, bytes], tmp_path: Path
) -> None:
    with FigureSaver(cores, ahead) as saver:
        assert print_all(saver, tmp_path / "both") == alone


def test_a_second_process_that_dies_is_done_without(
    alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with FigureSaver(cores=2) as saver:
        assert print_all(saver, tmp_path / "dead") == alone


def test_a_figure_that_cannot_be_handed_over_is_saved_here(tmp_path: Path) -> None:
    drawn = figure()
    drawn.axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # no pickle of a lambda
    with FigureSaver(cores=2) as saver:
        saver.take(drawn, tmp_path, "one")
        saver.finish()
    assert {path.name for path in tmp_path.iterdir()} == {"one.svg", "one.png"}


def test_no_second_process_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with FigureSaver(cores=1):
        pass


def test_the_second_process_ends_with_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def note(*args: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(begin(*args, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", note)
    with FigureSaver(cores=2) as saver:
        saver.take(figure(), tmp_path, "one")  # and is not finished, as after an interrupt
    assert started[0].returncode is not None


WAITS = """
import sys, time
from sweep.compare.figures.saver import FigureSaver

with FigureSaver(cores=2, ahead=True):
    print("entered", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def test_a_second_process_that_gets_ready_ends_with_a_first_one_that_is_killed() -> None:
    command = [sys.executable, "-c", WAITS, str(PATIENCE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"entered\n"
        (second,) = psutil.Process(first.pid).children()
        if sys.platform == "linux":
            # Only the thread that loads is given what others leave.
            assert os.sched_getscheduler(second.pid) == os.SCHED_OTHER
        first.kill()
    second.wait(PATIENCE_S)


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with FigureSaver(cores=2) as saver:
        saver.take(figure(), tmp_path / "file", "one")
        with pytest.raises(OSError, match="file"):
            saver.finish()
