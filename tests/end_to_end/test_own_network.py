"""A sweep whose student is a module of the user's own."""

import sys
from pathlib import Path

import pytest

from sweep import cli
from sweep.places import Places
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import small_data, small_spec

MODULE = """
import torch

class Student(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = torch.nn.Linear(64, width)
        self.head = torch.nn.Linear(width, 10)

    def forward(self, x):
        return self.head(torch.relu(self.body(x.flatten(1))))
"""
CHANGES = {
    "conditions.noise_rate": [0.4],
    "student.model": {"name": "module", "path": "my_nets:Student", "arguments": {"width": 9}},
    "student.training.epochs": 2,
    "methods": [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}],
    "search.trials": 2,
    "search.generation": 1,
    "confirm.seeds": 2,
}


def test_sweep_of_own_networks_trains_one_to_a_cohort(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    record = launched_in_process(small_spec(CHANGES), places, monkeypatch)
    confirmed = record.trials[record.trials["stage"] == "confirm"]
    assert (confirmed["state"] == "complete").all()
    assert len(confirmed) == 4
    assert confirmed["cohort"].nunique() == 4


def test_such_a_sweep_is_refused_unless_code_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(small_data(CHANGES)))
    monkeypatch.setattr(sys, "argv", ["almkd", "launch", "own.yaml"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "my_nets:Student" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]


def test_a_row_that_shifts_a_bias_is_refused_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    (tmp_path / "my_nets.py").write_text(MODULE.replace("(width, 10)", "(width, 10, bias=False)"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    rows = [{"method": "ckd"}, {"method": "fixed_kd", "baseline": True}]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(small_data({**CHANGES, "methods": rows})))
    monkeypatch.setattr(sys, "argv", ["almkd", "launch", "own.yaml", "--allow-code"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert (
        "ckd: calibrate: bias shifts the bias of the student's last layer, and my_nets:Student "
        "shows none; give it one, or pin another value"
    ) in capsys.readouterr().err
