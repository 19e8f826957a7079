"""Sweeps whose teachers the user brings: weights, logits, a module that loads its own."""

import shutil
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import load_file

from sweep import cli
from sweep.adapters.ray import referee_actor, session, tune
from sweep.adapters.ray.referee_actor import ALL_DONE, RefereeActor, Stores
from sweep.compare.confirm_runs import Wanted, select
from sweep.compare.records import SweepRecord
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.referee.referee import Progress
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import actor_in_process, launched_in_process, train_in_process
from tests.sweep.specs import small_data, small_spec

MLP = {"name": "mlp", "hidden": [24]}
CHANGES: dict[str, Any] = {
    "conditions.noise_rate": [0.4],
    "methods": [
        {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}},
        {"method": "fixed_kd", "baseline": True},
    ],
    "search.trials": 2,
    "search.generation": 2,
    "student.training.epochs": 2,
    "confirm.seeds": 2,
}
# A module like the network above that takes its weights from a file, and learns nothing.
MODULE = """
import torch

class Mine(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.body = torch.nn.ModuleList([torch.nn.Linear(64, 24)])
        self.head = torch.nn.Linear(24, 10)
        self.load_state_dict(torch.load(weights, weights_only=True))
        self.requires_grad_(False)

    def forward(self, x):
        return self.head(torch.relu(self.body[0](x.flatten(1))))
"""

# One that gives nothing that can be learned from.
FAILING = """
import torch

class Mine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(64, 10)
        self.requires_grad_(False)

    def forward(self, x):
        x = x.flatten(1)
        return self.head(x / (x == 0))  # of zeros, on which it is tried, zeros; else infinity
"""


def _spec(name: str, teacher: dict[str, Any], **changes: Any) -> SweepSpec:
    data = small_data({**CHANGES, "name": name, "teacher": teacher, **changes})
    return check_spec(data, name, allow_code=True)


def _results(record: SweepRecord) -> pd.DataFrame:
    """All that came out of search and confirm."""
    students = record.trials[record.trials["stage"] != "teacher"]
    columns = ["stage", "cell", "seed", "state", "validation_accuracy", "test_accuracy", "params"]
    return students[columns].sort_values(["stage", "cell", "seed", "params"]).reset_index(drop=True)


def _teachers(record: SweepRecord) -> pd.DataFrame:
    return record.trials[record.trials["stage"] == "teacher"]


def _begin(spec: SweepSpec, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that is interrupted once the teacher is there."""
    store = open_store(places)
    actor = actor_in_process(spec, places, store, monkeypatch)
    train_in_process(actor, actor.next_cohort())
    actor.close(interrupted=True)
    store.close_sweep(spec.name, "interrupted")


def _kept(places: Places) -> list[Path]:
    return sorted((places.runs_dir / "teachers").glob("*.safetensors"))


@pytest.fixture(scope="module")
def brought(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that another sweep trained on all true labels: the student's
    directory as ``almkd students`` writes it, and its weights as a checkpoint of torch."""
    folder = tmp_path_factory.mktemp("brought")
    runs = Places(folder / "runs")
    runs.runs_dir.mkdir()
    shutil.copy(empty_store, runs.runs_dir)
    row = {"method": "labels_only", "baseline": True, "pin": {"lr": 0.1, "weight_decay": 0.0}}
    changes = {"name": "first", "student.model": MLP, "methods": [row], "confirm.seeds": 1}
    with pytest.MonkeyPatch.context() as patch:
        launched_in_process(small_spec({**changes, "conditions.noise_rate": [0.0]}), runs, patch)
    store = open_store(runs)
    (run,) = select(store.record("first"), Wanted())
    student = store.artifacts().fetch(run.run_id, "student", folder)
    assert student == folder / "student"
    weights = load_file(student / "student.safetensors")
    tensors = {f"module.{name}": torch.from_numpy(w) for name, w in weights.items()}
    torch.save({"epoch": 3, "state_dict": tensors}, folder / "checkpoint.pt")
    plain = {name: torch.from_numpy(w) for name, w in weights.items()}
    torch.save(plain, folder / "plain.pt")
    return folder


def test_weights_logits_and_a_module_of_the_same_network_teach_the_same(
    places: Places, brought: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, with no teacher trained."""
    directory = {"model": MLP, "weights": str(brought / "student")}
    first = launched_in_process(_spec("directory", directory), places, monkeypatch)
    assert (_results(first)["state"] == "complete").all()
    (row,) = _teachers(first).to_dict("records")
    assert (row["state"], row["epochs_trained"], row["train_examples"]) == ("complete", 0, 0)
    assert row["validation_accuracy"] > 80

    checkpoint = {"model": MLP, "weights": str(brought / "checkpoint.pt")}
    second = launched_in_process(_spec("checkpoint", checkpoint), places, monkeypatch)
    pd.testing.assert_frame_equal(_results(first), _results(second))
    one, other = (load_file(path) for path in _kept(places))
    assert set(one) == set(other)
    assert all(np.array_equal(one[name], other[name]) for name in one)

    np.savez(tmp_path / "logits.npz", anything=one["logits"])
    logits = {"logits": str(tmp_path / "logits.npz")}
    third = launched_in_process(_spec("logits", logits), places, monkeypatch)
    pd.testing.assert_frame_equal(_results(first), _results(third))
    assert _teachers(third)["validation_accuracy"].tolist() == [row["validation_accuracy"]]

    (tmp_path / "given_nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = {"weights": str(brought / "plain.pt")}
    own = {"name": "module", "path": "given_nets:Mine", "arguments": arguments}
    fourth = launched_in_process(_spec("module", {"model": own}), places, monkeypatch)
    teachers = _teachers(fourth)
    assert set(teachers["state"]) == {"complete"}
    assert set(teachers["epochs_trained"]) == {0}
    columns = ["stage", "cell", "seed", "state", "params"]
    pd.testing.assert_frame_equal(_results(first)[columns], _results(fourth)[columns])
    for metric in ("validation_accuracy", "test_accuracy"):
        np.testing.assert_allclose(_results(first)[metric], _results(fourth)[metric], atol=1.0)


def test_a_given_teacher_goes_along_where_inputs_are_changed(
    places: Places, brought: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = {"model": MLP, "weights": str(brought / "student")}
    spec = _spec("augmented", teacher, **{"data.augment": "crop_flip"})
    results = _results(launched_in_process(spec, places, monkeypatch))
    assert (results["state"] == "complete").all()
    assert len(_kept(places)) == 1


def test_a_sweep_that_was_broken_off_takes_the_teacher_once(
    places: Places, brought: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = _spec("broken", {"model": MLP, "weights": str(brought / "plain.pt")})
    _begin(spec, places, monkeypatch)
    before = _teachers(open_store(places).record("broken"))
    assert before["state"].tolist() == ["complete"]
    record = launched_in_process(spec, places, monkeypatch)
    same = ["run_id", "state", "validation_accuracy", "started", "wall_s"]
    pd.testing.assert_frame_equal(_teachers(record)[same], before[same])
    assert (_results(record)["state"] == "complete").all()


def test_a_file_that_changed_is_not_gone_on_with(
    places: Places,
    brought: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "teacher.pt"
    shutil.copy(brought / "plain.pt", file)
    data = small_data({**CHANGES, "teacher": {"model": MLP, "weights": str(file)}})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(data))
    _begin(check_spec(data, "small"), places, monkeypatch)
    changed = {k: 2 * t for k, t in torch.load(file, weights_only=True).items()}
    torch.save(changed, file)
    said = _launch(tmp_path / "small.yaml", places, monkeypatch, capsys)
    assert f"when the file of a teacher's weights, {file}, held something else" in said


@pytest.mark.parametrize(
    ("model", "content", "said"),
    [
        (
            {"name": "mlp", "hidden": [23]},
            None,
            "of another shape: body.0.weight (24, 64) in place",
        ),
        ({"name": "mlp", "hidden": [24, 9]}, None, "missing: body.1.weight, body.1.bias"),
        (MLP, b"no weights", "cannot be read as weights alone"),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_anything_is_written(  # noqa: PLR0917
    places: Places,
    brought: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: dict[str, Any],
    content: bytes | None,
    said: str,
) -> None:
    file = tmp_path / "teacher.pt"
    file.write_bytes(content or (brought / "plain.pt").read_bytes())
    data = small_data({**CHANGES, "teacher": {"model": model, "weights": str(file)}})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(data))
    told = _launch(tmp_path / "small.yaml", places, monkeypatch, capsys)
    assert f"small: teacher.weights: {file}" in told
    assert said in told
    assert not open_store(places).sweeps()


def test_a_file_that_is_not_there_is_told_at_once(
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = small_data({**CHANGES, "teacher": {"logits": "nowhere.npy"}})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(data))
    told = _launch(tmp_path / "small.yaml", places, monkeypatch, capsys)
    missing = tmp_path / "nowhere.npy"
    assert f"there is no file {missing}; put it there or correct teacher.logits" in told


def _launch(
    file: Path,
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What a launch says that is refused."""
    monkeypatch.setattr(session, "ray_session", lambda *_: nullcontext())
    monkeypatch.setattr(tune, "train_everything", lambda *_: pytest.fail("the sweep went on"))
    words = ["almkd", "launch", str(file), "--runs-dir", str(places.runs_dir)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_where_teachers_fail_the_last_line_says_which_and_why(
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "failing_nets.py").write_text(FAILING)
    monkeypatch.syspath_prepend(tmp_path)
    model = {"name": "module", "path": "failing_nets:Mine"}
    data = small_data({**CHANGES, "teacher": {"model": model}})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(data))
    monkeypatch.setattr(session, "ray_session", lambda *_: nullcontext())
    monkeypatch.setattr(referee_actor.ray, "put", lambda array: array)
    monkeypatch.setattr(tune, "train_everything", _train_everything)
    words = ["almkd", "launch", str(tmp_path / "small.yaml"), "--allow-code"]
    monkeypatch.setattr(sys, "argv", [*words, "--runs-dir", str(places.runs_dir)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("almkd: small: no cell could be confirmed; almkd export small")
    assert "the teacher module (path failing_nets:Mine) of seed 0, labels: 40 % symmetric" in last
    assert "ValueError: the teacher gives NaN or infinity for some of the examples" in last
    assert last.endswith(" (and 2 more)")


def _train_everything(
    spec: SweepSpec, stores: Stores, inputs: Any, *_: object
) -> tuple[Progress, None]:
    """As on Ray, in this process."""
    actor = RefereeActor(spec, stores, inputs)
    while (cohort := actor.next_cohort()) != ALL_DONE:
        try:
            train_in_process(actor, cohort)
        except ValueError:
            actor.failed(cohort, traceback.format_exc())
    return actor.close(interrupted=False), None


def test_one_training_in_the_foreground_hears_it_too(
    brought: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    teacher = {"model": MLP, "weights": str(brought / "student")}
    (tmp_path / "small.yaml").write_text(
        yaml.safe_dump(small_data({**CHANGES, "teacher": teacher}))
    )
    words = [
        "almkd",
        "train",
        str(tmp_path / "small.yaml"),
        "--cell",
        "symmetric-0.4-noisy/fixed_kd",
    ]
    monkeypatch.setattr(sys, "argv", [*words, "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr()
    assert stop.value.code == 0
    assert "given, and not trained" in said.err
    assert "validation at epoch" in said.out


def test_one_teacher_serves_every_seed_and_all_noise(brought: Path) -> None:
    teacher = {"model": MLP, "weights": str(brought / "plain.pt")}
    plan = Plan(_spec("many", teacher, **{"conditions.noise_rate": [0.0, 0.2, 0.4]}))
    assert len(plan.teachers) == plan.budget().teachers == 1
    assert len({plan.teachers_of(cell, seed) for cell in plan.cells for seed in range(3)}) == 1
