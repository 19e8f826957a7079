"""Runs in MLflow: written truly, read back equal."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from safetensors.numpy import load_file

from sweep.adapters.mlflow import tracking
from sweep.adapters.mlflow.example_files import write_examples
from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.errors import BadInput
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import (
    CohortTask,
    LaneOutcome,
    TrainedStudent,
    confirm_cohort,
    search_cohort,
    teacher_cohort,
)
from tests.sweep.specs import small_spec

PLAN = Plan(small_spec({"conditions.noise_rate": [0.4]}))
CELL = PLAN.cells[0]
VALUES = {"lr": 0.1 + 0.2, "variant": "box", "meta_lr": 1e-7}
TASK = search_cohort(PLAN, PLAN.searches_of(CELL)[0], {n: VALUES for n in range(4)}, 0)
KEYS = [lane.key for lane in TASK.lanes]


@pytest.fixture
def store(places: Places) -> MlflowStore:
    return open_store(places)


@contextmanager
def _tracking(store: MlflowStore, places: Places, plan: Plan = PLAN) -> Iterator[MlflowTracker]:
    """A tracker as one launch has it, flushed at its end."""
    tracker = MlflowTracker(plan, store.open_sweep(plan), places.runs_dir / "spool")
    yield tracker
    tracker.flush()


def _row(epoch: int) -> dict[str, float]:
    return {"validation_accuracy": 90.0 + epoch / 3, "train_loss": 1 / epoch}


def _runs(store: MlflowStore) -> dict[str, Any]:
    client = MlflowClient(tracking_uri=store.uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return {run.data.tags.get("key", "parent"): run for run in found}


def _curve(store: MlflowStore, run_id: str, name: str) -> list[tuple[int, float]]:
    history = MlflowClient(tracking_uri=store.uri).get_metric_history(run_id, name)
    return sorted((metric.step, metric.value) for metric in history)


def _complete(tracker: MlflowTracker, task: CohortTask, value: float) -> None:
    tracker.open(task)
    for lane in task.lanes:
        tracker.log(1, {lane.key: _row(1)})
        best = {"epochs_trained": 1, "best_epoch": 1, "best_validation_accuracy": value}
        test = {"test_accuracy": value - 1} if task.stage == "confirm" else {}
        tracker.close(lane.key, "complete", {**best, **test})


def test_ends_have_their_true_status(store: MlflowStore, places: Places) -> None:
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
        tracker.close(KEYS[0], "complete", {})
        tracker.close(KEYS[1], "pruned", {})
        tracker.close(KEYS[2], "failed", {}, "diverged in epoch 2")
        tracker.close(KEYS[3], "interrupted", {})
    runs = _runs(store)
    assert [runs[key].info.status for key in KEYS] == ["FINISHED", "KILLED", "FAILED", "KILLED"]
    states = [runs[key].data.tags["state"] for key in KEYS]
    assert states == ["complete", "pruned", "failed", "interrupted"]
    assert [key for key in KEYS if runs[key].data.tags.get("pruned") == "true"] == [KEYS[1]]
    assert runs[KEYS[2]].data.tags["reason"] == "diverged in epoch 2"


def test_runs_are_children_with_parameters_and_tags(store: MlflowStore, places: Places) -> None:
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
    runs = _runs(store)
    run = runs[KEYS[3]]
    assert run.info.status == "RUNNING"
    assert run.data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
    expected = {"stage": "search", "cell": CELL.id, "trial": "3", "seed": "0", "method": "alm_kd"}
    assert expected.items() <= run.data.tags.items()
    assert float(run.data.params["lr"]) == VALUES["lr"]
    assert run.data.params["variant"] == "box"
    assert run.data.params["warmup_epochs"] == "1"


def test_every_epoch_of_every_metric_reads_back_equal(store: MlflowStore, places: Places) -> None:
    epochs = range(1, 601)  # more than one request holds
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
        for epoch in epochs:
            tracker.log(epoch, {KEYS[0]: _row(epoch)})
        tracker.close(KEYS[0], "complete", {"best_validation_accuracy": 290.0})
    run = _runs(store)[KEYS[0]]
    for name in _row(1):
        expected = [(epoch, _row(epoch)[name]) for epoch in epochs]
        assert _curve(store, run.info.run_id, name) == expected
    assert run.data.metrics["epochs_trained"] == 600
    assert run.data.metrics["best_validation_accuracy"] == 290.0


def test_diverged_values_are_written_as_they_are(store: MlflowStore, places: Places) -> None:
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
        tracker.log(1, {KEYS[0]: {"validation_accuracy": 10.0, "train_loss": math.nan}})
        tracker.close(KEYS[0], "failed", {}, "diverged")
    run = _runs(store)[KEYS[0]]
    assert math.isnan(_curve(store, run.info.run_id, "train_loss")[0][1])


def test_second_try_goes_on_in_the_same_run_and_writes_no_epoch_twice(
    store: MlflowStore, places: Places
) -> None:
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
        for epoch in (1, 2):
            tracker.log(epoch, {KEYS[0]: _row(epoch)})
        tracker.close(KEYS[0], "interrupted", {})
    before = _runs(store)[KEYS[0]].info.run_id
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
        for epoch in (1, 2, 3):
            tracker.log(epoch, {KEYS[0]: _row(epoch)})
        tracker.close(KEYS[0], "complete", {"best_epoch": 3})
    run = _runs(store)[KEYS[0]]
    assert run.info.run_id == before
    assert run.info.status == "FINISHED"
    assert run.data.tags["state"] == "complete"
    curve = _curve(store, before, "validation_accuracy")
    assert curve == [(epoch, _row(epoch)["validation_accuracy"]) for epoch in (1, 2, 3)]


def test_a_run_is_timed_from_when_a_process_began_to_train_it(
    store: MlflowStore, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0]
    monkeypatch.setattr(tracking, "_now", lambda: clock[0])

    def at(seconds: int) -> None:
        clock[0] = 1000 * seconds

    def times() -> dict[str, list[float]]:
        trials = store.record("small").trials.set_index("trial").sort_index()
        return {name: trials[name].tolist() for name in ("started", "wall_s")}

    with _tracking(store, places) as tracker:
        at(1)
        tracker.open(TASK)
        at(5)
        tracker.begin(KEYS[:3])
        at(6)
        tracker.log(1, {KEYS[0]: _row(1), KEYS[1]: _row(1)})
        at(7)
        # Its process was lost, and another trains it.
        tracker.begin(KEYS[:2])
        at(8)
        tracker.log(2, {KEYS[0]: _row(2), KEYS[1]: _row(2)})
        at(9)
        tracker.close(KEYS[0], "complete", {})
        tracker.close(KEYS[1], "interrupted", {})
        # One of which no epoch was trained, and one that no process took.
        tracker.close(KEYS[2], "failed", {}, "raised")
        tracker.close(KEYS[3], "interrupted", {})
    assert times() == {"started": [5.0, 5.0, 5.0, 1.0], "wall_s": [4.0, 4.0, 4.0, 8.0]}
    with _tracking(store, places) as tracker:
        at(20)
        tracker.open(TASK)
        at(30)
        tracker.begin([KEYS[1], KEYS[3]])
        at(31)
        tracker.log(3, {KEYS[1]: _row(3)})
        tracker.log(1, {KEYS[3]: _row(1)})
        tracker.close(KEYS[1], "complete", {})
        tracker.close(KEYS[3], "complete", {})
    assert times()["started"] == [5.0, 5.0, 5.0, 30.0]


def test_reopened_sweep_knows_its_runs(store: MlflowStore, places: Places) -> None:
    with _tracking(store, places) as tracker:
        tracker.open(TASK)
        tracker.log(1, {KEYS[0]: _row(1)})
        tracker.close(KEYS[0], "pruned", {})
    again = open_store(places).open_sweep(PLAN)
    assert set(again.children) == set(KEYS)
    known = again.children[KEYS[0]]
    assert (known.state, known.epochs) == ("pruned", 1)
    assert again.children[KEYS[1]].state == "running"


def test_record_holds_what_was_written(store: MlflowStore, places: Places) -> None:
    teachers = teacher_cohort(PLAN.teachers[:1])
    with _tracking(store, places) as tracker:
        _complete(tracker, teachers, 97.25)
        _complete(tracker, TASK, 91.0 + 1 / 3)
        for cell in PLAN.cells:
            _complete(
                tracker,
                confirm_cohort(PLAN, PLAN.searches_of(cell)[0], 0, {"lr": 0.1}, (1, 2, 3)),
                90.1,
            )
    record = store.record("small")
    assert record.methods == ("alm_kd", "fixed_kd", "cross_entropy")
    assert record.baselines == ("fixed_kd",)
    assert record.confirm_seeds == (1, 2, 3)
    assert record.planned_trials == dict.fromkeys(record.methods, 6)
    trials = record.trials
    assert trials["stage"].value_counts().to_dict() == {"confirm": 9, "search": 4, "teacher": 1}
    search = trials[trials["stage"] == "search"]
    assert sorted(search["trial"]) == [0, 1, 2, 3]
    assert set(search["validation_accuracy"]) == {91.0 + 1 / 3}
    assert search["test_accuracy"].isna().all()
    confirm = trials[trials["stage"] == "confirm"]
    assert set(confirm["test_accuracy"]) == {90.1 - 1}
    assert confirm["trial"].isna().all()
    assert set(trials["epochs_trained"]) == {1}
    (params,) = set(search["params"])
    assert '"lr": 0.30000000000000004' in params
    assert '"meta_lr": 1e-07' in params


def test_changed_spec_under_the_same_name_is_refused_with_its_fields(store: MlflowStore) -> None:
    store.open_sweep(PLAN)
    changed = Plan(
        small_spec({"conditions.noise_rate": [0.4], "student.training.epochs": 9, "seed": 3})
    )
    for call in (store.open_sweep, store.closed):
        with pytest.raises(BadInput) as caught:
            call(changed)
        message = str(caught.value)
        assert "'small' was launched with another spec" in message
        assert "seed: 0 before, 3 now" in message
        assert "student.training.epochs: 4 before, 9 now" in message


ASKED = Plan(
    small_spec(
        {
            "conditions.noise_rate": [0.4],
            "compare.questions": [{"row": "alm_kd", "against": "fixed_kd"}],
        }
    )
)


def test_other_questions_go_on_with_the_sweep_and_are_told_once_there_are_results(
    store: MlflowStore, places: Places
) -> None:
    assert store.open_sweep(PLAN)
    assert store.record("small").declared is None
    store.open_sweep(ASKED)
    assert store.spec("small") == ASKED.spec
    assert store.origin("small").questions_changed == ""
    assert store.record("small").declared == ASKED.declared == {(
        "symmetric-0.4-noisy/alm_kd", "symmetric-0.4-noisy/fixed_kd"
    )}  # fmt: skip
    assert not store.ask_otherwise(ASKED)
    with _tracking(store, places) as tracker:
        _complete(
            tracker,
            confirm_cohort(PLAN, PLAN.searches_of(CELL)[0], 0, {"lr": 0.1}, (1, 2, 3)),
            90.1,
        )
    store.close_sweep("small", "complete")
    # That tracker opened the sweep with the first spec again, before there were results.
    assert store.origin("small").questions_changed == ""
    assert store.closed(ASKED) is not None
    assert store.ask_otherwise(ASKED)
    assert store.spec("small") == ASKED.spec
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", store.origin("small").questions_changed)


def test_sweep_is_complete_only_when_it_was_closed_so(store: MlflowStore) -> None:
    assert store.closed(PLAN) is None
    store.open_sweep(PLAN)
    assert store.closed(PLAN) is None
    store.close_sweep("small", "interrupted")
    assert store.closed(PLAN) is None
    assert _runs(store)["parent"].info.status == "KILLED"
    store.close_sweep("small", "complete")
    assert store.closed(PLAN) is not None
    assert store.spec("small") == PLAN.spec
    assert [row["state"] for row in store.sweeps()] == ["complete"]


def test_unknown_sweep_is_refused_with_the_nearest_name(store: MlflowStore) -> None:
    with pytest.raises(BadInput, match="no sweep"):
        store.record("small")
    store.open_sweep(PLAN)
    with pytest.raises(BadInput, match=r"'smal' is no sweep.*did you mean 'small'"):
        store.record("smal")


def test_store_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--tracking-uri nonsense://x: cannot be opened"):
        MlflowStore("nonsense://x")


def test_runs_of_a_killed_process_do_not_stay_running(store: MlflowStore, places: Places) -> None:
    with _tracking(store, places) as killed:
        killed.open(TASK)
    with _tracking(store, places):
        pass
    runs = _runs(store)
    assert {runs[key].data.tags["state"] for key in KEYS} == {"interrupted"}
    assert {runs[key].info.status for key in KEYS} == {"KILLED"}


def _spoil(store: MlflowStore, name: str) -> Path:
    """The artifact of the parent run, with one character changed."""
    parent = _runs(store)["parent"]
    path = Path(urlsplit(parent.info.artifact_uri).path) / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("6", "7", 1), encoding="utf-8")
    return path


def test_damaged_spec_is_noticed_and_made_again_from_the_same_one(store: MlflowStore) -> None:
    store.open_sweep(PLAN)
    _spoil(store, "spec.yaml")
    with pytest.raises(BadInput, match=r"spec\.yaml is not what was written .*launch it again"):
        store.spec("small")
    other = Plan(small_spec({"conditions.noise_rate": [0.2]}))
    with pytest.raises(BadInput, match="not the one that it was a copy of"):
        store.open_sweep(other)
    store.open_sweep(PLAN)
    assert store.spec("small") == PLAN.spec


def test_damaged_environment_is_told_in_place_of_versions(store: MlflowStore) -> None:
    store.open_sweep(PLAN)
    _spoil(store, "environment.json").unlink()
    assert "damaged" in store.origin("small").versions["not known"]


def _artifacts(store: MlflowStore, key: str, tmp_path: Path) -> Path:
    client = MlflowClient(tracking_uri=store.uri)
    return Path(client.download_artifacts(_runs(store)[key].info.run_id, "", str(tmp_path)))


def _outcome(examples: dict[str, Any]) -> LaneOutcome:
    """What a confirm run leaves."""
    logits = np.arange(6, dtype=np.float32).reshape(2, 3)
    return LaneOutcome(
        epochs=2,
        best_epoch=1,
        best={"validation_accuracy": 90.0},
        test={"test_accuracy": 88.0},
        examples=examples,
        predictions={"row": np.array([5, 8]), "label": np.array([1, 1]), "logit": logits},
        student=TrainedStudent(
            {"head.weight": np.ones((3, 2), np.float32)}, {"class_names": ["a", "b", "c"]}
        ),
    )


def test_confirm_run_keeps_its_labels_and_weights(
    store: MlflowStore, places: Places, tmp_path: Path
) -> None:
    task = confirm_cohort(PLAN, PLAN.searches_of(CELL)[0], 0, VALUES, (1,))
    key = task.lanes[0].key
    examples = {
        "row": np.array([7, 3, 9, 1]),
        "label": np.array([0, 1, 2, 0]),
        "true_label": np.array([0, 1, 1, 1]),
        "corrupted": np.array([False, False, True, True]),
        "lambda": np.array([[0.9, 0.1], [1.0, 0.0], [0.2, 0.8], [0.0, 2.0]]),
    }
    with _tracking(store, places) as tracker:
        tracker.open(task)
        tracker.attach(task, key, _outcome(examples))
        tracker.close(key, "complete", {})
    place = _artifacts(store, key, tmp_path)
    table = pd.read_parquet(place / "examples.parquet")
    assert table.columns.tolist() == [
        "row", "label", "true_label", "corrupted", "lambda_label", "lambda_teacher",
    ]  # fmt: skip
    assert table["row"].tolist() == [7, 3, 9, 1]
    assert table["corrupted"].tolist() == [False, False, True, True]
    assert table["lambda_label"].tolist() == [0.9, 1.0, 0.2, 0.0]
    assert table["lambda_teacher"].tolist() == [0.1, 0.0, 0.8, 2.0]
    labels = json.loads((place / "labels.json").read_text(encoding="utf-8"))
    assert labels["realised_noise_rate"] == 0.5
    third = 1 / 3
    assert labels["transition_matrix"] == [[1, 0, 0], [third, third, third], [0, 0, 0]]
    histogram = labels["weight_histogram"]
    assert (
        sum(histogram["clean"]["lambda_label"]) == sum(histogram["corrupted"]["lambda_label"]) == 2
    )
    assert histogram["corrupted"]["lambda_label"][0] == 1
    assert histogram["corrupted"]["lambda_teacher"][-1] == 1
    assert not list((places.runs_dir / "outbox").iterdir())


def test_files_on_their_way_are_sent_by_the_next_launch(
    store: MlflowStore, places: Places, tmp_path: Path
) -> None:
    task = confirm_cohort(PLAN, PLAN.searches_of(CELL)[0], 0, VALUES, (1,))
    key = task.lanes[0].key
    label = np.array([0, 1])
    clean = np.array([False, False])
    examples = {"row": label, "label": label, "true_label": label, "corrupted": clean}
    with _tracking(store, places) as tracker:
        tracker.open(task)
        tracker.attach(task, key, _outcome(examples))
        spooled = (places.runs_dir / "spool").read_bytes()
    (places.runs_dir / "spool").write_bytes(spooled)  # as if it had been killed before
    with _tracking(store, places):
        pass
    place = _artifacts(store, key, tmp_path)
    assert (place / "labels.json").exists()
    assert sorted(path.name for path in (place / "student").iterdir()) == [
        "student.json", "student.safetensors",
    ]  # fmt: skip
    assert not list((places.runs_dir / "outbox").iterdir())


def test_confirm_run_keeps_its_student_and_its_predictions(
    store: MlflowStore, places: Places, tmp_path: Path
) -> None:
    task = confirm_cohort(PLAN, PLAN.searches_of(CELL)[0], 0, VALUES, (1,))
    key = task.lanes[0].key
    with _tracking(store, places) as tracker:
        tracker.open(task)
        tracker.attach(task, key, _outcome({"row": np.array([0]), "corrupted": np.array([False])}))
        tracker.close(key, "complete", {})
    place = _artifacts(store, key, tmp_path)
    predictions = pd.read_parquet(place / "predictions.parquet")
    assert predictions.columns.tolist() == ["row", "label", "logit_0", "logit_1", "logit_2"]
    assert predictions["row"].tolist() == [5, 8]
    assert predictions["logit_2"].tolist() == [2, 5]
    assert load_file(place / "student" / "student.safetensors").keys() == {"head.weight"}
    told = json.loads((place / "student" / "student.json").read_text(encoding="utf-8"))
    assert told["network"]["name"] == task.spec.model.name
    assert told["class_names"] == ["a", "b", "c"]
    assert told["trained"]["sweep"] == "small"
    assert told["trained"]["label"] == task.spec.method
    assert told["trained"]["seed"] == 1
    assert told["trained"]["hyperparameters"].items() >= VALUES.items()
    assert told["metrics"] == {"validation_accuracy": 90.0, "test_accuracy": 88.0}


def test_no_student_is_kept_where_none_is_asked_for(
    store: MlflowStore, places: Places, tmp_path: Path
) -> None:
    plan = Plan(small_spec({"conditions.noise_rate": [0.4], "confirm.keep_students": "none"}))
    task = confirm_cohort(plan, plan.searches_of(CELL)[0], 0, VALUES, (1,))
    key = task.lanes[0].key
    runs = store.open_sweep(plan)
    tracker = MlflowTracker(plan, runs, places.runs_dir / "spool")
    tracker.open(task)
    tracker.attach(task, key, _outcome({"row": np.array([0]), "corrupted": np.array([False])}))
    tracker.close(key, "complete", {})
    tracker.flush()
    place = _artifacts(store, key, tmp_path)
    assert (place / "predictions.parquet").exists()
    assert not (place / "student").exists()


def test_files_on_their_way_are_sent_from_where_the_directory_is_now(
    store: MlflowStore, places: Places, tmp_path: Path
) -> None:
    task = confirm_cohort(PLAN, PLAN.searches_of(CELL)[0], 0, VALUES, (1,))
    key = task.lanes[0].key
    with _tracking(store, places) as tracker:
        tracker.open(task)
    kept = places.runs_dir / "outbox" / "0123" / "labels.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    attach = {"do": "attach", "key": key, "files": ["/before/outbox/0123/labels.json"]}
    (places.runs_dir / "spool").write_text(json.dumps(attach) + "\n")
    with _tracking(store, places):
        pass
    assert (_artifacts(store, key, tmp_path) / "labels.json").read_text() == "{}"
    assert not kept.exists()


def test_examples_without_classes_leave_what_their_task_knows(tmp_path: Path) -> None:
    """Of pairs of texts, say: no transition matrix, and every column that the task gives."""
    examples = {
        "row": np.array([4, 2, 0]),
        "corrupted": np.array([True, False, True]),
        "similarity": np.array([0.5, 4.0, 1.0]),
        "lambda": np.array([[0.9, 0.1, 0.0], [1.0, 0.0, 0.5], [0.2, 0.8, 2.0]]),
    }
    paths = write_examples(tmp_path / "outbox", examples)
    assert [path.name for path in paths] == ["examples.parquet", "labels.json"]
    table = pd.read_parquet(paths[0])
    assert table.columns.tolist() == [
        "row", "corrupted", "similarity", "lambda_label", "lambda_teacher_1", "lambda_teacher_2",
    ]  # fmt: skip
    assert table["similarity"].tolist() == [0.5, 4.0, 1.0]
    assert table["lambda_teacher_2"].tolist() == [0.0, 0.5, 2.0]
    summary = json.loads(paths[1].read_text(encoding="utf-8"))
    assert set(summary) == {"realised_noise_rate", "weight_histogram"}
    assert summary["realised_noise_rate"] == pytest.approx(2 / 3)
    assert sum(summary["weight_histogram"]["corrupted"]["lambda_label"]) == 2


def test_learned_weights_of_rows_are_kept_as_lists(tmp_path: Path) -> None:
    """Of sequences, say, each as long as its example."""
    of_rows = np.array([[[0.9, 0.1], [0.7, 0.2]], [[0.5, 0.5], [np.nan, np.nan]]])
    examples = {
        "row": np.array([4, 2]),
        "corrupted": np.array([True, False]),
        "lambda": np.nanmean(of_rows, 1),
        "lambda_rows": of_rows,
    }
    table = pd.read_parquet(write_examples(tmp_path / "outbox", examples)[0])
    assert [own.tolist() for own in table["lambda_label_rows"]] == [[0.9, 0.7], [0.5]]
    assert [own.tolist() for own in table["lambda_teacher_rows"]] == [[0.1, 0.2], [0.5]]
    assert table["lambda_label"].tolist() == pytest.approx([0.8, 0.5])


def test_rows_that_are_added_to_results_are_kept_in_mind(
    store: MlflowStore, places: Places
) -> None:
    more = [*PLAN.spec.model_dump(mode="json")["methods"], {"method": "superloss"}]
    seeds = Plan(small_spec({"conditions.noise_rate": [0.4], "confirm.seeds": 4}))
    with _tracking(store, places) as tracker:
        _complete(tracker, TASK, 90.0)
    store.open_sweep(seeds)
    assert store.origin("small").extended == ""
    with _tracking(store, places, seeds) as tracker:
        search = PLAN.searches_of(CELL)[0]
        _complete(tracker, confirm_cohort(PLAN, search, 0, VALUES, (1,)), 90.0)
    larger = Plan(small_spec({"conditions.noise_rate": [0.4], "confirm.seeds": 4, "methods": more}))
    store.open_sweep(larger)
    origin = store.origin("small")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", origin.extended)
    assert (origin.comparisons_before, larger.comparisons) == (2, 3)
