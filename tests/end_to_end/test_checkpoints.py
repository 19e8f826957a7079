"""Cohorts that are broken off go on from their last checkpoint, in this launch or the next."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
import pytest

from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.ray.referee_actor import ALL_DONE, RefereeActor
from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from sweep.referee.reports import Reported
from tests.end_to_end.stage import actor_in_process, launched_in_process, train_in_process
from tests.sweep.specs import small_spec
from trainers.loop.cohort import Cohort

Clock = Callable[[], float]

EPOCHS = 4
SPEC = small_spec(
    {
        "conditions.noise_rate": [0.4],
        "methods": [
            {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}},
            {"method": "cross_entropy", "baseline": True},
        ],
        "teacher.training.epochs": EPOCHS,
        "student.training.epochs": EPOCHS,
        "resources.checkpoint_every_s": 1e-9,
    }
)


class BrokenOff(Exception):
    """A worker that dies in the middle."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    places = Places(tmp_path_factory.mktemp("undisturbed"))
    with pytest.MonkeyPatch.context() as patch:
        return comparison_table(launched_in_process(SPEC, places, patch), 0)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """How often each lane was trained in each epoch."""
    counts: Counter[tuple[str, int]] = Counter()
    train = Cohort._train_epoch

    def counted(self: Cohort, epoch: int) -> Any:
        counts.update((name, epoch) for name in self.names)
        return train(self, epoch)

    monkeypatch.setattr(Cohort, "_train_epoch", counted)
    return counts


def _break_off(
    actor: RefereeActor,
    cohort: str,
    epoch: int,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock | None = None,
) -> None:
    """Train until the metrics of ``epoch`` would be reported."""
    report = actor.report

    def breaking(cohort: str, reports: Sequence[Reported]) -> list[bool]:
        if any(at == epoch for at, *_ in reports):
            raise BrokenOff
        return report(cohort, reports)

    with monkeypatch.context() as patch, suppress(BrokenOff):
        patch.setattr(actor, "report", breaking)
        train_in_process(actor, cohort, clock)


def _killed(actor: RefereeActor) -> None:
    """The actor's process is gone, with what it held."""
    actor._tracker.flush()
    actor._referee._studies.close()


def _play(
    places: Places,
    epochs: Mapping[str, int],
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock | None = None,
) -> tuple[MlflowStore, list[str]]:
    """The sweep, the first cohort of each of these stages broken off in that epoch; which."""
    store = open_store(places)
    actor = actor_in_process(SPEC, places, store, monkeypatch)
    broken: dict[str, list[str]] = {}
    while (cohort := actor.next_cohort()) != ALL_DONE:
        task = actor._tasks[cohort]
        if task.stage not in epochs or task.stage in broken:
            train_in_process(actor, cohort, clock)
            continue
        broken[task.stage] = [lane.key for lane in task.lanes]
        _break_off(actor, cohort, epochs[task.stage], monkeypatch, clock)
        if how == "lost":
            actor.lost(cohort)
        else:
            if how == "interrupted":
                actor.close(interrupted=True)
                actor.finish(cohort, {}, {}, {})  # the worker was told to stop
            _killed(actor)
            actor = actor_in_process(SPEC, places, store, monkeypatch)
    actor.close(interrupted=False)
    store.close_sweep(SPEC.name, "complete")
    _killed(actor)
    return store, [key for keys in broken.values() for key in keys]


def _stands_still() -> float:
    """To a worker by this clock no time passes, so that all reports gather that may."""
    return 0.0


@pytest.mark.parametrize(
    ("how", "clock"),
    [("lost", None), ("killed", None), ("killed", _stands_still), ("interrupted", None)],
)
def test_every_stage_goes_on_from_its_last_checkpoint(
    how: str,
    clock: Clock | None,
    places: Places,
    undisturbed: pd.DataFrame,
    trained: Counter[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, broken = _play(
        places, {"teacher": 2, "search": 3, "confirm": 4}, how, monkeypatch, clock
    )
    twice = {at for at, times in trained.items() if times == 2}
    assert set(trained.values()) == {1, 2}
    assert {epoch for key, epoch in twice if key.startswith("teacher/")} == {2}
    assert {epoch for key, epoch in twice if "/trial/" in key} == {3}
    assert {epoch for key, epoch in twice if "/confirm/" in key} == {4}
    assert {key for key, _ in twice} <= set(broken)
    assert list(places.checkpoints(SPEC.name).iterdir()) == []
    pd.testing.assert_frame_equal(comparison_table(store.record(SPEC.name), 0), undisturbed)


def test_a_damaged_checkpoint_is_told_and_training_starts_again(
    places: Places, trained: Counter[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = actor_in_process(SPEC, places, open_store(places), monkeypatch)
    cohort = actor.next_cohort()
    _break_off(actor, cohort, 3, monkeypatch)
    _killed(actor)
    (path,) = places.checkpoints(SPEC.name).iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    actor = actor_in_process(SPEC, places, open_store(places), monkeypatch)
    assert actor.notices() == [
        f"{path}: does not hold what was written; this cohort is trained again"
    ]
    assert not path.exists()
    assert actor.next_cohort() == cohort
    train_in_process(actor, cohort)
    _killed(actor)
    assert {trained[key, 1] for key, _ in trained} == {2}


def test_small_cohorts_are_not_saved(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = small_spec({"methods": [{"method": "cross_entropy", "baseline": True}]})
    actor = actor_in_process(patient, places, open_store(places), monkeypatch)
    _break_off(actor, actor.next_cohort(), 3, monkeypatch)
    _killed(actor)
    assert list(places.checkpoints(patient.name).iterdir()) == []
