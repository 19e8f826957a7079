"""One training in the foreground: the numbers of the same training in a sweep, nothing caught,
nothing written."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sweep import cli
from sweep.adapters.ray.teacher_store import TeacherStore
from sweep.foreground import Teachers, Training, train_student
from sweep.plan.plan import Plan
from sweep.plan.tasks import confirm_cohort
from sweep.training import train
from tests.sweep.specs import small_data, small_spec
from trainers.loading import load_dataset

CELL = "symmetric-0.4-noisy/fixed_kd"
Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``almkd train`` beside a spec: exit code, lines of stdout and of stderr."""
    methods = [
        {"method": {"path": "tests.sweep.own_methods:Raising"}},
        {"method": "fixed_kd", "baseline": True, "pin": {"alpha": 0.5}},
    ]
    spec = small_data({"methods": methods})
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**spec, "methods": methods[1:]}))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["almkd", "train", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        assert {path.name for path in tmp_path.iterdir()} <= {"own.yaml", "small.yaml", "runs"}
        return int(stop.value.code or 0), said.out.splitlines(), said.err.splitlines()

    return run


def test_the_numbers_are_those_of_a_lane_of_the_sweep(tmp_path: Path) -> None:
    plan = Plan(small_spec())
    cell, values = plan.cell(CELL), {"alpha": 0.3, "lr": 0.05}
    teachers = Teachers(load_dataset(plan.spec.data_settings()), tmp_path / "none")
    for seed in (1, 2):
        for job in plan.jobs_of(cell, seed):
            assert not teachers.take(job)
            teachers.train(job)
    seen: dict[int, dict[str, float]] = {}
    alone = train_student(Training(plan, cell, values, 2), teachers, seen.__setitem__)
    task = confirm_cohort(plan, plan.searches_of(cell)[0], 3, values, (1, 2))
    outcomes, _ = train(task, teachers.dataset, teachers.outputs, lambda *_: [True, True])
    beside = outcomes[task.lanes[1].key]
    assert alone.best == {name: beside.best[name] for name in alone.best}
    assert (alone.best_epoch, alone.test) == (beside.best_epoch, {})
    assert list(seen) == [1, 2, 3, 4]
    assert not (tmp_path / "none").exists()


def test_epochs_are_told_as_a_table_and_the_one_that_counts_below(run: Run) -> None:
    code, out, err = run("small.yaml", "--cell", CELL, "--epochs", "2", "--value", "lr=0.05")
    head, *epochs, last = out
    assert code == 0
    assert head.split() == [
        *("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    ]
    assert [line.split()[0] for line in epochs] == ["1", "2"]
    assert re.fullmatch(r"validation at epoch \d, which counts: loss [\d.]+, accuracy [\d.]+", last)
    assert [re.sub(r", \S+:", ":", line) for line in err] == ["teacher 1/1: trained, and not kept"]


def test_a_metric_that_comes_later_has_its_column_from_then_on(run: Run) -> None:
    rarely = ("--set", "student.training.evaluate_every=2")
    _, out, _ = run("small.yaml", "--cell", CELL, "--epochs", "3", *rarely)
    assert [line.split()[0] for line in out] == ["epoch", "1", "epoch", "2", "3", "validation"]


def test_a_teacher_that_is_kept_is_taken(run: Run, tmp_path: Path) -> None:
    plan = Plan(small_spec())
    (job,) = plan.jobs_of(plan.cell(CELL), 5)
    teachers = Teachers(load_dataset(plan.spec.data_settings()), tmp_path / "none")
    teachers.train(job)
    weights = {name: array for name, array in teachers.weights[job.key].items()}
    TeacherStore(tmp_path / "runs" / "teachers").put(job.key, teachers.outputs[job.key], weights)
    words = ("small.yaml", "--cell", CELL, "--epochs", "1")
    code, _, err = run(*words, "--seed", "5")
    assert (code, err) == (0, [f"teacher 1/1, {job.key}: taken from runs/teachers"])
    code, _, err = run(*words, "--seed", "6")
    assert code == 0
    assert err[0].endswith("trained, and not kept")
    assert [path.stem for path in (tmp_path / "runs" / "teachers").iterdir()] == [job.key]


def test_an_exception_of_ones_own_code_comes_through(run: Run) -> None:
    with pytest.raises(KeyError, match="gamma"):
        run("own.yaml", "--cell", "symmetric-0-noisy/Raising", "--allow-code")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["small.yaml"], "--cell: is missing; give one of symmetric-0-noisy/fixed_kd, symm"),
        (["small.yaml", "--cell", "fixed"], "--cell: 'fixed' is no cell of small; "),
        (["small.yaml", "--cell", CELL, "--value", "lr"], "--value lr: write it as name=value"),
        (["small.yaml", "--cell", CELL, "--value", "beta=1"], "'beta' is no hyperparameter of"),
        (["small.yaml", "--cell", CELL, "--value", "alpha=2"], "--value alpha=2: 2 must be in"),
        (["small.yaml", "--cell", CELL, "--value", "alpha=x"], "'x' must be a number"),
        (["small.yaml", "--cell", CELL, "--epochs", "0"], "--epochs"),
        (["own.yaml", "--cell", CELL], "runs the code of tests.sweep.own_methods:Raising"),
        (["small.yaml", "--cell", CELL, "--set", "seed=-1"], "seed"),
    ],
)
def test_what_cannot_be_trained_is_refused(run: Run, words: list[str], said: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert said in "\n".join(err)
