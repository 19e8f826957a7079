"""Text that others wrote speaks to no terminal, and is taken for nothing but text."""

import io
import pty
import sys
from pathlib import Path

import pytest

from sweep import cli
from sweep.commands.printing import print_table
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.showing import new_console
from sweep.table_files import written
from sweep.terminal import Terminal, printable
from tests.sweep.specs import small_spec

# Sets the window's title, clears the screen, goes back to the line's beginning, turns text around.
EVIL = "\x1b]0;mine\x07\x1b[2J\r\x9b31m\u202e"
SHOWN = r"\x1b]0;mine\x07\x1b[2J\r\x9b31m\u202e"
# Rich takes these two out by itself.
SHOWN_BY_RICH = SHOWN.replace(r"\x07", "").replace(r"\r", "")
# What Rich would take for a colour, for the end of one that never began, and for a picture.
MARKUP = "[red]a[/nothing] :boom:"


def test_what_speaks_to_a_terminal_is_written_out() -> None:
    assert printable(EVIL) == SHOWN
    assert printable("a\tb\nß → 漢") == "a\tb\nß → 漢"
    assert printable(SHOWN) == SHOWN


def test_a_console_shows_it_and_takes_brackets_as_they_are() -> None:
    out = io.StringIO()
    Terminal(file=out, width=200).print(f"{EVIL}{MARKUP}", highlight=False)
    assert out.getvalue() == f"{SHOWN_BY_RICH}{MARKUP}\n"


def test_what_a_console_says_itself_is_left_alone() -> None:
    out = io.StringIO()
    Terminal(file=out, force_terminal=True, color_system="standard").print("a", style="bold")
    assert out.getvalue() == "\x1b[1ma\x1b[0m\n"


def test_a_table_of_a_command_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["sweep", "description"], [{"sweep": "a", "description": f"{EVIL}{MARKUP}"}])
    new_console().print(f"{EVIL}{MARKUP}", highlight=False)
    said = capsys.readouterr().out
    assert said.count(SHOWN) == said.count(SHOWN_BY_RICH) == 1
    assert said.count(MARKUP) == 2
    assert "\x1b" not in said


def _almkd(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["almkd", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_a_sweeps_description_is_listed_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = Places(tmp_path / "runs")
    store = open_store(places)
    store.open_sweep(Plan(small_spec({"description": f"{EVIL}{MARKUP}"})))
    store.close_sweep("small", "interrupted")
    for command in (["list"], ["status", "small"], ["watch", "small"]):
        code = _almkd(monkeypatch, *command, "--runs-dir", str(places.runs_dir))
        said = capsys.readouterr()
        assert code in (0, 1)
        assert "\x1b" not in said.out + said.err
        assert "Traceback" not in said.err
        assert (SHOWN in said.out) == (MARKUP in said.out) == (command == ["list"])


def test_a_message_is_shown_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _almkd(monkeypatch, "launch", f"{EVIL}.yaml") == 2
    said = capsys.readouterr().err
    assert f"{SHOWN}.yaml: there is no such file" in said
    assert "\x1b" not in said


def test_a_table_that_is_exported_to_a_terminal_is_shown_so_and_a_file_has_it_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(stream: io.BytesIO) -> int:
        stream.write(EVIL.encode())
        return 1

    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal, open(ours, "rb", buffering=0) as shown:
        monkeypatch.setattr(sys, "stdout", terminal)
        written(write, "csv", None)  # type: ignore[arg-type]
        assert shown.read(1000) == SHOWN.encode()
        written(write, "csv", tmp_path / "a.csv")  # type: ignore[arg-type]
    assert (tmp_path / "a.csv").read_bytes() == EVIL.encode()
