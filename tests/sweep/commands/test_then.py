"""``almkd launch --then``: what runs at the end, what it is told, and that it changes nothing."""

import json
import os
import sys
from pathlib import Path

import pytest

from sweep import api, cli
from sweep.adapters.ray.jobs import written_into
from sweep.errors import BadInput, SweepFailed
from tests.sweep.specs import small_spec

# Writes what it was told, and where it ran, into a file.
SCRIPT = """#!/bin/sh
set -eu
printf '%s\\n' "$1" "$ALMKD_SWEEP" "$ALMKD_STATE" "$ALMKD_TABLE" "$ALMKD_REPORT" "$PWD" > told
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in an empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "at the end.sh"
    path.write_text(SCRIPT, encoding="utf-8")
    path.chmod(0o755)
    return path


def launched(monkeypatch: pytest.MonkeyPatch, ends: BaseException | None, *words: str) -> int:
    """The exit code of a launch of `digits` that ends so."""

    def run(*given: object) -> None:
        if ends:
            raise ends

    monkeypatch.setattr(api, "run", run)
    monkeypatch.setattr(sys, "argv", ["almkd", "launch", "digits", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


@pytest.mark.parametrize(
    ("ends", "state", "code"),
    [
        (None, "complete", 0),
        (SweepFailed("digits: no cell could be confirmed"), "failed", 1),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_the_command_knows_how_the_launch_ended(
    script: Path, monkeypatch: pytest.MonkeyPatch, ends: BaseException, state: str, code: int
) -> None:
    """Quoted once for sh, with a variable that is read at the end."""
    command = f"'{script}' \"now $ALMKD_STATE\""
    assert launched(monkeypatch, ends, "--runs-dir", "kept here", "--then", command) == code
    results = script.parent / "kept here" / "digits" / "results"
    places = [str(results / name) for name in ("comparison.csv", "report.html")]
    assert (script.parent / "told").read_text(encoding="utf-8").splitlines() == [
        f"now {state}",
        "digits",
        state,
        *(places if state == "complete" else ["", ""]),
        str(script.parent),
    ]


@pytest.mark.parametrize(("ends", "code"), [(None, 0), (SweepFailed("broken"), 1)])
def test_that_the_command_fails_is_told_and_changes_no_exit_code(
    script: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    ends: BaseException | None,
    code: int,
) -> None:
    assert launched(monkeypatch, ends, "--then", "echo said; exit 3") == code
    out, err = capfd.readouterr()
    assert out == "said\n"
    assert "almkd: --then 'echo said; exit 3': ended with exit code 3; the launch is" in err


def test_what_never_began_runs_no_command(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"'{script}' x"
    assert launched(monkeypatch, BadInput("wrong"), "--then", command) == 2
    assert launched(monkeypatch, None, "--set", "seed=x", "--then", command) == 2
    assert launched(monkeypatch, None, "--smoke", "--then", command) == 2
    assert os.listdir(script.parent) == [script.name]


def test_on_a_cluster_it_goes_with_the_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = written_into(tmp_path, small_spec(), ["--then", "mail 'me' < \"$ALMKD_TABLE\""])
    assert words[words.index("--then") + 1] == "mail 'me' < \"$ALMKD_TABLE\""
    taken: list[list[str]] = []
    monkeypatch.setattr(
        "sweep.commands.launching._submit", lambda spec, to, wait, options: taken.append(options)
    )
    given = ("--address", "http://127.0.0.1:1", "--profile", "--then", "true")
    assert launched(monkeypatch, None, *given) == 0
    assert json.dumps(taken) == json.dumps([["--profile", "--then", "true"]])
