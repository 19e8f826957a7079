"""Networks and data sets of the user's own, from the spec to a table."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from sweep.errors import BadInput
from sweep.inputs import load_data, refuse_unsound_code
from sweep.places import Places
from sweep.plan.plan import Plan
from sweep.run import launch
from sweep.spec.code_needed import needs_code
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import small_data
from trainers import own

MODULE = "tests.sweep.own_parts"


def _path(name: str) -> dict[str, str]:
    return {"path": f"{MODULE}:{name}"}


def _spec(**changes: object) -> SweepSpec:
    data = small_data({"conditions.noise_rate": [0.4], **changes})
    return check_spec(data, "small", allow_code=True)


def _whole() -> SweepSpec:
    return _spec(
        **{
            "data.dataset": _path("STRIPES"),
            "data.classes": 4,
            "student.model": {"name": _path("Narrow"), "width": 5},
            "teacher.model": {"name": _path("Narrow"), "width": 9},
        }
    )


def test_a_sweep_of_own_data_and_networks_goes_to_its_table(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = _whole()
    refuse_unsound_code(Plan(spec))
    record = launched_in_process(spec, places, monkeypatch)
    confirmed = record.trials[record.trials["stage"] == "confirm"]
    assert (confirmed["state"] == "complete").all()
    assert len(confirmed) == 9
    # Lanes of a network that gains from it train together.
    assert confirmed["cohort"].nunique() == 3


def test_a_spec_says_what_they_are_told_and_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = _whole()
    assert needs_code(spec) == (f"{MODULE}:STRIPES", f"{MODULE}:Narrow")
    written = spec.model_dump(mode="json")
    assert written["data"]["dataset"] == _path("STRIPES")
    assert written["student"]["model"] == {"name": _path("Narrow"), "width": 5}
    assert check_spec(written, "again", allow_code=True) == spec
    rows = json.loads(json.dumps({path: own.kept(path) for path in needs_code(spec)}))
    monkeypatch.setattr(own, "_made", {})
    monkeypatch.setattr(own, "_kept", {})
    with pytest.raises(BadInput, match="--allow-code"):
        check_spec(written, "again")
    own.take_up(rows)
    assert check_spec(written, "again") == spec
    assert own._made == {}


def test_defaults_are_those_of_the_row() -> None:
    spec = _spec(**{"student.model": {"name": _path("Narrow")}})
    network = spec.task_entry.networks[spec.student.model.name]
    assert network.complete(spec.student.model.settings()).sizes == {"width": 6}


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"student.model": {"name": _path("Narrow"), "width": 0}}, "model.width", "0 must be in"),
        ({"student.model": {"name": _path("Narrow"), "depth": 2}}, "model.depth", "does not take"),
        ({"student.model": {"name": _path("Undeclared")}}, "model.name", "which sizes it has"),
        ({"student.model": {"name": f"{MODULE}:Narrow"}}, "model.name", "write it as {path:"),
        ({"data.dataset": _path("STRIPES"), "data.rows": 3}, "data.rows", "does not take"),
        ({"data.dataset": _path("stripes")}, "data.dataset", "which options it has"),
        ({"data.dataset": _path("Narrow")}, "data.dataset", "which options it has"),
        ({"data.dataset": _path("OF_ANOTHER_TASK")}, "data.dataset", "is of no task there is"),
        ({"data.dataset": f"{MODULE}:STRIPES"}, "data.dataset", "write it as {path:"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_spec(
    changes: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(BadInput) as raised:
        _spec(**changes)
    (line,) = str(raised.value).splitlines()
    assert field in line
    assert said in line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Centred", "leaks: a lane has other numbers beside another lane than alone"),
        ("Turned", "gives logits of the shape (3, 10, 2); it has to be a tensor (3, 2"),
        ("Bare", "gives a Tensor; forward has to give a trainers.lanes.network.Output"),
    ],
)
def test_what_a_network_does_wrong_is_told_before_anything_is_written(
    name: str, said: str, tmp_path: Path
) -> None:
    spec = _spec(**{"student.model": {"name": _path(name)}})
    with pytest.raises(BadInput) as raised:
        launch(spec, Places(tmp_path / "runs"), Console(quiet=True))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"small: {MODULE}:{name} ")
    assert said in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("RAISING", "its load raises RuntimeError: no disk; mend it"),
        ("MISSING", "there is no file here; fetch it"),
        ("NO_DATASET", "its load gives a ndarray; it has to give the data set class"),
    ],
)
def test_what_a_data_set_does_wrong_is_told(name: str, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        load_data(Plan(_spec(**{"data.dataset": _path(name)})))
    assert str(raised.value).startswith(f"{MODULE}:{name}: {said}")
