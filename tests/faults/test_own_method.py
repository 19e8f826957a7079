"""The page on methods of one's own, followed to the letter in an empty folder; then killed."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.launcher import (
    COMMAND,
    FIRST_ASKED,
    ONE_AT_A_TIME,
    kill,
    run,
    same,
    start,
    table,
    table_undisturbed,
    wait_for_trials,
)

PAGE = (Path(__file__).parents[2] / "docs" / "your-own-method.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(YAML,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
# The sweep of the page, cut down to seconds; under the name that the helpers look for.
SMALLER: dict[str, Any] = {
    "name": "faults",
    "conditions": {"noise_rate": [0.4]},
    "search": {
        "trials": 6,
        "generation": 3,
        "sampler": {"name": "tpe", "n_startup_trials": 3},
        "pruner": {"name": "successive_halving", "reduction_factor": 2},
        "shortlist": {"configurations": 2, "seeds": 1},
    },
    "confirm": {"seeds": 2},
}
# Records of the journal in the middle of a search: its studies, and some generations.
UNDER_WAY = FIRST_ASKED + 12


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page has its reader write, the current directory."""
    (tmp_path / "logit_matching.py").write_text(PYTHON[0])
    (tmp_path / "mine.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _smaller(folder: Path) -> Path:
    """The page's sweep, smaller, with the method that has a state beside the other."""
    (folder / "logit_matching.py").write_text("\n\n".join(PYTHON))
    spec = {**yaml.safe_load(YAML), **SMALLER}
    for place in ("teacher", "student"):
        spec[place]["training"] = {"epochs": 5}
    spec["methods"].append({"method": {"path": "logit_matching:Fading"}})
    (folder / "faults.yaml").write_text(yaml.safe_dump(spec))
    return folder / "faults.yaml"


def test_the_method_is_some_thirty_lines() -> None:
    assert len(PYTHON[0].splitlines()) <= 30


def test_methods_of_the_page_go_on_where_they_were_killed(folder: Path) -> None:
    spec = _smaller(folder)
    options = ("--allow-code", "--set", "resources.checkpoint_every_s=0.1", *ONE_AT_A_TIME)
    whole = table_undisturbed(spec, folder / "whole")
    process = start(spec, folder / "broken", *options)
    wait_for_trials(process, folder / "broken", UNDER_WAY)
    kill(process, "launcher")
    shown = run(spec, folder / "broken", *options)
    # The tables are made without the code.
    (folder / "logit_matching.py").unlink()
    assert same(whole, table(folder / "broken"))
    assert list(whole["method"]) == ["LogitMatching", "fixed_kd", "Fading"]
    assert (whole["n_seeds"] == 2).all()
    assert not whole["n_failed"].any()
    assert whole["best_params"].str.contains("beta").tolist() == [True, False, True]
    assert "LogitMatching" in shown


def test_the_training_of_the_page_runs_in_the_foreground(folder: Path) -> None:
    (words,) = re.findall(r"^almkd (train .*)$", PAGE, re.MULTILINE)
    done = subprocess.run([*COMMAND, *words.split()], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("epoch", "1", "2", "3", "validation")
    ]
    written = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert written == {"logit_matching.py", "mine.yaml"}
