"""A file that changes under a sweep: its data, its noise, the code of its user."""

import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sweep import cli
from sweep.adapters.ray import session, tune
from sweep.places import Places, open_store
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.end_to_end import stage
from tests.end_to_end.stage import (
    actor_in_process,
    launched_in_process,
    runs_of,
    train_in_process,
)
from tests.sweep.specs import small_data

NET = """
import torch

class Student(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(3, 5)
        self.head = torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))
"""
CHANGES = {
    "data": {"dataset": "npz", "path": "data.npz"},
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}],
    "student.model": {"name": "module", "path": "changing_nets:Student"},
    "student.training.epochs": 2,
    "search.trials": 2,
    "search.generation": 1,
    "confirm.seeds": 2,
}
Cli = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with what the sweep reads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "changing_nets", raising=False)
    _write_data(0)
    (tmp_path / "changing_nets.py").write_text(NET)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small_data(CHANGES)))
    return tmp_path


@pytest.fixture
def almkd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command that trains nothing on Ray: its exit code and what it prints."""
    monkeypatch.setattr(session, "ray_session", lambda *_: nullcontext())
    monkeypatch.setattr(tune, "train_everything", lambda *_: pytest.fail("the sweep went on"))

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["almkd", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out + said.err

    return run


def _write_data(seed: int, save: Callable[..., None] = np.savez) -> None:
    rng = np.random.default_rng(seed)
    save("data.npz", inputs=rng.normal(size=(120, 3)), labels=np.arange(120) % 3)


def _spec(name: str = "small") -> SweepSpec:
    return check_spec(small_data({**CHANGES, "name": name}), name, allow_code=True)


def _begin(places: Places, monkeypatch: pytest.MonkeyPatch, cohorts: int) -> None:
    """A launch of the sweep that is interrupted after so many cohorts."""
    store = open_store(places)
    actor = actor_in_process(_spec(), places, store, monkeypatch)
    for _ in range(cohorts):
        train_in_process(actor, actor.next_cohort())
    actor.close(interrupted=True)
    store.close_sweep("small", "interrupted")


def _content(places: Places) -> dict[str, Any]:
    """Files of the runs directory, and every run of the sweep; without what each launch renews."""
    runs = runs_of(open_store(places), "small")
    kept = {
        run.info.run_id: (run.info.status, run.info.end_time, run.data.tags, run.data.metrics)
        for run in runs
    }
    files = {
        path.relative_to(places.runs_dir): path.read_bytes()
        for path in places.runs_dir.rglob("*")
        if path.is_file() and not path.name.startswith(("mlflow.db", "lock"))
    }
    return {**kept, **{str(path): content for path, content in files.items()}}


def _teachers(places: Places) -> set[str]:
    return {path.stem for path in (places.runs_dir / "teachers").iterdir()}


def _confirmed(places: Places) -> pd.DataFrame:
    trials = open_store(places).record("small").trials
    found = trials[trials["stage"] == "confirm"].sort_values(["cell", "seed"])
    return found[["cell", "seed", "state", "test_accuracy"]].reset_index(drop=True)


@pytest.mark.parametrize("changed", ["data", "module"])
def test_a_sweep_is_not_resumed_on_changed_content(
    places: Places, monkeypatch: pytest.MonkeyPatch, almkd: Cli, folder: Path, changed: str
) -> None:
    _begin(places, monkeypatch, 3)
    before = _content(places)
    if changed == "data":
        _write_data(1)
    else:
        (folder / "changing_nets.py").write_text(NET.replace("relu", "tanh"))
    words = ("launch", "small.yaml", "--allow-code", "--runs-dir", str(places.runs_dir))
    code, said = almkd(*words)
    assert code == 2
    what = {"data": "the data set npz (path data.npz)", "module": "the module changing_nets"}
    assert f"the sweep 'small' was launched when {what[changed]} held something else" in said
    assert _content(places) == before


def test_a_complete_sweep_is_not_extended_on_changed_content(
    places: Places, monkeypatch: pytest.MonkeyPatch, almkd: Cli
) -> None:
    launched_in_process(_spec(), places, monkeypatch)
    before = _content(places)
    _write_data(1)
    options = ("--allow-code", "--runs-dir", str(places.runs_dir))
    code, said = almkd("launch", "small.yaml", "--set", "confirm.seeds=3", *options)
    assert code == 2
    assert "held something else" in said
    assert _content(places) == before


def test_a_file_that_was_written_anew_with_the_same_content_goes_on(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Places(tmp_path / "whole")
    shutil.copytree(places.runs_dir, whole.runs_dir)
    launched_in_process(_spec(), whole, monkeypatch)
    _begin(places, monkeypatch, 4)
    _write_data(0, np.savez_compressed)
    launched_in_process(_spec(), places, monkeypatch)
    pd.testing.assert_frame_equal(_confirmed(places), _confirmed(whole))
    assert (_confirmed(places)["state"] == "complete").all()
    assert _teachers(places) == _teachers(whole)


def test_changed_data_under_another_name_has_teachers_of_its_own(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched_in_process(_spec(), places, monkeypatch)
    first = _teachers(places)
    launched_in_process(_spec("same"), places, monkeypatch)
    assert _teachers(places) == first
    _write_data(1)
    launched_in_process(_spec("changed"), places, monkeypatch)
    assert len(_teachers(places)) == 2 * len(first)


def test_a_sweep_of_an_earlier_version_goes_on_with_its_teachers(
    places: Places, monkeypatch: pytest.MonkeyPatch, almkd: Cli, tmp_path: Path
) -> None:
    whole = Places(tmp_path / "whole")
    shutil.copytree(places.runs_dir, whole.runs_dir)
    launched_in_process(_spec(), whole, monkeypatch)
    with monkeypatch.context() as earlier:
        earlier.setattr(stage, "fingerprints", lambda *_: {})
        _begin(places, monkeypatch, 1)
    trained = _teachers(places)
    assert trained
    launched_in_process(_spec(), places, monkeypatch)
    assert trained < _teachers(places)
    assert not _teachers(places) & _teachers(whole)
    runs = runs_of(open_store(places), "small")
    teachers = [run.data.tags["key"] for run in runs if run.data.tags["stage"] == "teacher"]
    assert len(teachers) == len(set(teachers)) == 3
    pd.testing.assert_frame_equal(_confirmed(places), _confirmed(whole))
    # From then on it is held to what it read.
    open_store(places).close_sweep("small", "interrupted")
    _write_data(1)
    words = ("launch", "small.yaml", "--allow-code", "--runs-dir", str(places.runs_dir))
    code, said = almkd(*words)
    assert code == 2
    assert "held something else" in said


def test_results_are_shown_and_exported_whatever_became_of_the_files(
    places: Places, monkeypatch: pytest.MonkeyPatch, almkd: Cli, folder: Path
) -> None:
    launched_in_process(_spec(), places, monkeypatch)
    options = ("--runs-dir", str(places.runs_dir))
    assert almkd("compare", "small", *options)[0] == 0
    _write_data(1)
    code, again = almkd("launch", "small.yaml", "--allow-code", *options)
    assert code == 0
    assert "alm_kd" in again
    (folder / "data.npz").unlink()
    (folder / "changing_nets.py").unlink()
    code, exported = almkd("export", "small", "--table", "trials", *options)
    assert code == 0
    assert exported.count('"small","confirm"') == 4
    assert almkd("launch", "small.yaml", "--allow-code", *options)[0] == 0


def test_a_training_in_the_foreground_takes_the_teachers_of_what_it_reads(
    places: Places, monkeypatch: pytest.MonkeyPatch, almkd: Cli
) -> None:
    launched_in_process(_spec(), places, monkeypatch)
    words = ("train", "small.yaml", "--cell", "symmetric-0.4-noisy/fixed_kd", "--allow-code")
    options = ("--runs-dir", str(places.runs_dir))
    code, said = almkd(*words, *options)
    assert code == 0
    assert "taken from" in said
    _write_data(1)
    code, said = almkd(*words, *options)
    assert code == 0
    assert "trained, and not kept" in said
