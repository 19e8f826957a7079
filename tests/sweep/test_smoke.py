"""A sweep's smallest form: the same cells, an epoch of each, nothing kept."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from rich.console import Console

from sweep import cli
from sweep import smoke as module
from sweep.adapters.ray.referee_actor import ALL_DONE
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.smoke import Failure, failures, smallest_of, smoke
from sweep.spec.presets import presets
from sweep.spec.reader import check_spec, read_spec
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import actor_in_process, train_in_process
from tests.sweep.specs import small_data, small_spec

OWN = {"method": {"path": "tests.sweep.own_methods:LateRaising"}}
BASELINE = {"method": "fixed_kd", "baseline": True}
REASON = "ValueError: too many examples"


@pytest.fixture
def kept_at(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Launches train in this process; the directories that they were told to write to."""
    directories: list[Path] = []

    def launch(spec: SweepSpec, places: Places, console: Console) -> SimpleNamespace:
        directories.append(places.runs_dir)
        store = open_store(places)
        actor = actor_in_process(spec, places, store, monkeypatch)
        while (cohort := actor.next_cohort()) != ALL_DONE:
            try:
                train_in_process(actor, cohort)
            except ValueError:
                actor.failed(cohort, traceback.format_exc())
        actor.close(interrupted=False)
        return SimpleNamespace(record=store.record(spec.name))

    monkeypatch.setattr(module, "launch", launch)
    return directories


@pytest.mark.parametrize("preset", presets())
def test_the_smallest_form_has_the_same_cells_and_teachers_of_one_seed(preset: str) -> None:
    whole, smallest = Plan(read_spec(preset)), Plan(smallest_of(read_spec(preset)))
    assert [cell.id for cell in smallest.cells] == [cell.id for cell in whole.cells]
    assert smallest.spec.student.training.epochs <= 2
    for cell in whole.cells:
        theirs = len(smallest.teachers_of(smallest.cell(cell.id), 1))
        assert theirs == len(whole.teachers_of(cell, 1))
    budget = smallest.budget()
    assert budget.search_trials == sum(bool(cell.space) for cell in smallest.cells)
    assert budget.confirm_runs == len(smallest.cells)


def test_students_take_an_epoch_of_each_kind_where_a_count_of_epochs_says_so() -> None:
    tuned = {"method": "fine_tuning", "clean": "train", "pin": {"fine_tune_epochs": 3}}
    longer = {**BASELINE, "with": {"student.training.epochs": 9}}
    smallest = smallest_of(small_spec({"methods": [tuned, longer]}))
    assert smallest.methods[0].pin == {"fine_tune_epochs": 1}
    assert {cell.spec.student.training.epochs for cell in Plan(smallest).cells} == {2}


def test_snapshots_stay_as_many_as_they_were() -> None:
    changes = {
        "teacher.training": {"epochs": 9, "schedule": "steps", "milestones": [4]},
        "teacher.snapshots": [3, 9],
        "student.training.evaluate_every": 2,
    }
    (teacher,) = smallest_of(small_spec(changes)).teacher
    assert (teacher.snapshots, teacher.training.epochs) == ((1, 2), 2)


def test_networks_of_conditions_and_rows_take_an_epoch_too() -> None:
    wide = {"model": {"name": "mlp", "hidden": [9]}, "training": {"epochs": 7}}
    schedule = {"epochs": 9, "schedule": "steps", "milestones": [4]}
    changes = {
        "conditions.vary": {"size": {"small": {"data.examples": 300}, "wide": {"teacher": wide}}},
        "methods": [
            {"method": "fixed_kd", "baseline": True},
            {"method": "fixed_kd", "label": "steps", "with": {"student.training": schedule}},
        ],
    }
    whole, smallest = Plan(small_spec(changes)), Plan(smallest_of(small_spec(changes)))
    assert [cell.id for cell in smallest.cells] == [cell.id for cell in whole.cells]
    for cell in smallest.cells:
        trainings = (cell.spec.student.training, *(t.training for t in cell.spec.teacher))
        assert {training.epochs for training in trainings} == {1}


def test_conditions_over_epochs_take_one_and_are_all_alike() -> None:
    changes = {
        "conditions.vary": {"long": {"field": "student.training.epochs", "values": [5, 9]}},
        "methods": [
            {"method": "fixed_kd", "baseline": True},
            {"method": "fixed_kd", "label": "b", "with": {"teacher.training.epochs": 7}},
        ],
    }
    smallest = Plan(smallest_of(small_spec(changes)))
    assert len(smallest.conditions) == 2 * 2
    for cell in smallest.cells:
        assert cell.spec.student.training.epochs == 1
        assert cell.spec.teacher[0].training.epochs == 1


def test_a_sweep_that_runs_has_no_failures_and_leaves_nothing(kept_at: list[Path]) -> None:
    assert smoke(small_spec()) == []
    (directory,) = kept_at
    assert not directory.exists()


def test_a_cell_that_fails_is_named_with_its_reason(kept_at: list[Path]) -> None:
    data = small_data({"methods": [OWN, BASELINE], "conditions.noise_rate": [0.4]})
    spec = check_spec(data, "small", allow_code=True)
    assert smoke(spec) == [Failure("symmetric-0.4-noisy/LateRaising", REASON)]
    assert not kept_at[0].exists()


def test_cells_whose_teacher_failed_say_so(kept_at: list[Path]) -> None:
    spec = small_spec({"teacher.lr": 1e30, "conditions.noise_rate": [0.4]})
    found = smoke(spec)
    assert found[0].cell == "teacher"
    assert "diverged" in found[0].reason
    assert found[1] == Failure("symmetric-0.4-noisy/alm_kd", "its teacher failed")


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs ``almkd launch`` on a spec: exit code, stdout and stderr; nothing may be written."""
    monkeypatch.chdir(tmp_path)

    def run(methods: object, *words: str) -> tuple[int, str, str]:
        data = small_data({"methods": methods, "conditions.noise_rate": [0.4]})
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(data))
        monkeypatch.setattr(sys, "argv", ["almkd", "launch", "small.yaml", "--smoke", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


@pytest.mark.usefixtures("kept_at")
def test_the_command_says_that_all_cells_run(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run([{"method": "labels_only"}, BASELINE])
    assert (code, out) == (0, "small: all 2 cells run; nothing was kept\n")


@pytest.mark.usefixtures("kept_at")
def test_the_command_fails_where_a_cell_does(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run([OWN, BASELINE], "--allow-code")
    assert (code, out) == (1, "")
    assert f"almkd: small: symmetric-0.4-noisy/LateRaising: {REASON}" in err.splitlines()


def test_a_cluster_is_refused(run: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = run([BASELINE], "--address", "auto")
    assert code == 2
    assert "--smoke: runs on this machine alone; leave out --address auto" in err


def test_failures_are_told_of_teachers_first() -> None:
    import pandas as pd

    trials = pd.DataFrame(
        [
            {
                "stage": "search",
                "cell": "a",
                "state": "failed",
                "reason": "x\nTypeError: y\n",
                "method": "a",
            },
            {"stage": "teacher", "cell": "", "state": "failed", "reason": "z", "method": "teacher"},
            {"stage": "confirm", "cell": "b", "state": "complete", "reason": None, "method": "b"},
        ]
    )
    assert failures(["a", "b"], trials) == [Failure("teacher", "z"), Failure("a", "TypeError: y")]
