"""A sweep whose students start from weights that labels alone have trained."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from sweep.adapters.ray.referee_actor import ALL_DONE
from sweep.adapters.ray.teacher_store import TeacherStore
from sweep.compare.records import SweepRecord
from sweep.foreground import Teachers, Training, train_student
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.removal import unnamed_teachers
from tests.end_to_end.stage import actor_in_process, launched_in_process, train_in_process
from tests.sweep.specs import small_spec
from trainers.lanes.weights import put_lane_weights
from trainers.loading import load_dataset
from trainers.loop import stack

ROWS = [
    {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}},
    {"method": "cross_entropy", "baseline": True},
]
SPEC = small_spec(
    {
        "name": "warm",
        "methods": ROWS,
        "conditions.noise_rate": [0.4],
        "conditions.vary": {"warm": {"field": "student.warm_start.epochs", "values": [1, 5]}},
        "student.warm_start": {"epochs": 1, "lr": 0.1},
        "student.training.epochs": 2,
        "search.trials": 1,
        "search.generation": 1,
        "confirm.seeds": 1,
        "data.examples": 400,
        "resources.checkpoint_every_s": 1e-9,
    }
)
PLAN = Plan(SPEC)


class _Died(Exception):
    """The referee's process ends in the middle of a cohort."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, SweepRecord, list[Any]]:
    """The sweep, and the weights that were put in place of drawn ones."""
    places, put = Places(tmp_path_factory.mktemp("whole")), []

    def watch(network: Any, weights: Any) -> None:
        put.extend(weights)
        put_lane_weights(network, weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "put_lane_weights", watch)
        record = launched_in_process(SPEC, places, patch)
    return places, record, put


def test_every_student_starts_from_that_of_its_seed_and_condition(
    whole: tuple[Places, SweepRecord, list[Any]],
) -> None:
    places, record, put = whole
    trials = record.trials
    starts = trials[trials["method"] == "warm start"]
    assert (starts["stage"] == "teacher").all()
    assert (starts["state"] == "complete").all()
    assert len(starts) == len(PLAN.starts) == 2 * 2
    assert sorted(starts["epochs_trained"]) == [1, 1, 5, 5]
    assert (starts["epochs_trained"] == starts["best_epoch"]).all()
    assert len(trials[trials["method"] == "teacher"]) == len(PLAN.teachers) == 2
    students = trials[trials["stage"] != "teacher"]
    assert len(put) == len(students) == 2 * 2 * (1 + 1)
    store = TeacherStore(places.teachers)
    kept = [store.weights(job.key) for job in PLAN.starts]
    for weights in put:
        same = [all((w[k] == weights[k]).all() for k in weights) for w in kept]
        assert sum(same) == 1
    assert all(not outputs for outputs in store.outputs(j.key for j in PLAN.starts)[0].values())


def test_conditions_differ_in_what_their_students_start_from(
    whole: tuple[Places, SweepRecord, list[Any]],
) -> None:
    trials = whole[1].trials
    confirm = trials[trials["stage"] == "confirm"]
    assert confirm["warm"].value_counts().to_dict() == {1.0: 2, 5.0: 2}
    first = trials[(trials["stage"] == "search") & (trials["trial"] == 0)]
    values = first.groupby("method")["validation_accuracy"].nunique()
    assert (values == 2).all()


def test_no_start_is_garbage(whole: tuple[Places, SweepRecord, list[Any]]) -> None:
    assert not unnamed_teachers(whole[0], open_store(whole[0]))


def test_a_sweep_that_is_killed_again_and_again_ends_the_same(
    whole: tuple[Places, SweepRecord, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cohort is broken off once, after its first epoch, and the process with it."""
    places, seen = Places(tmp_path), set[str]()
    store = open_store(places)
    actor = actor_in_process(SPEC, places, store, monkeypatch)
    while (cohort := actor.next_cohort()) != ALL_DONE:
        if cohort not in seen:
            seen.add(cohort)
            with monkeypatch.context() as patch, suppress(_Died):
                patch.setattr(actor, "save", _save_and_die(actor.save))
                patch.setattr(actor, "finish", _die)
                train_in_process(actor, cohort)
                raise AssertionError(f"{cohort} was not broken off")
            actor._tracker.flush()
            actor._referee._studies.close()
            actor = actor_in_process(SPEC, places, store, monkeypatch)
            continue
        train_in_process(actor, cohort)
    actor.close(interrupted=False)
    actor._referee._studies.close()
    store.close_sweep(SPEC.name, "complete")
    pd.testing.assert_frame_equal(_numbers(store.record(SPEC.name)), _numbers(whole[1]))


def test_the_foreground_trains_from_it_too(
    whole: tuple[Places, SweepRecord, list[Any]], tmp_path: Path
) -> None:
    places, record, _ = whole
    search, dataset = PLAN.searches[0], load_dataset(SPEC.data_settings())
    trials = record.trials
    (row,) = trials[(trials["cell"] == search.id) & (trials["trial"] == 0)].to_dict("records")
    values = {k: v for k, v in json.loads(row["params"]).items() if k in search.cell.space}
    training = Training(PLAN, search.cell, values, search.seed)
    assert [job.role for job in training.teachers] == ["teacher", "warm start"]
    torch.set_num_threads(1)
    for directory in (places.teachers, tmp_path):
        teachers = Teachers(dataset, directory)
        for job in training.teachers:
            assert teachers.take(job) == (directory == places.teachers)
            if directory == tmp_path:
                teachers.train(job)
        outcome = train_student(training, teachers, lambda epoch, metrics: None)
        found = outcome.best["validation_accuracy"]
        assert found == row["validation_accuracy"]


def _numbers(record: SweepRecord) -> pd.DataFrame:
    """What every run came to, in an order of its own."""
    columns = ["stage", "cell", "trial", "seed", "params", "state", "validation_accuracy",
               "test_accuracy", "best_epoch", "epochs_trained"]  # fmt: skip
    return record.trials[columns].sort_values(columns[:5]).reset_index(drop=True)


def _save_and_die(save: Any) -> Any:
    def saving(*told: Any) -> None:
        save(*told)
        raise _Died

    return saving


def _die(*_: Any) -> None:
    raise _Died
