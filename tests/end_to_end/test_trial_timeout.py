"""Trials that take longer than they may, in the referee's process with its real stores."""

from collections.abc import Sequence
from typing import Any

import pytest

from sweep.adapters.ray import referee_actor
from sweep.adapters.ray.dispatch import Worker
from sweep.adapters.ray.heartbeats import Heartbeats
from sweep.adapters.ray.referee_actor import ALL_DONE, RefereeActor
from sweep.compare.fairness import failures_table
from sweep.places import Places, open_store
from tests.end_to_end.stage import actor_in_process, train_in_process
from tests.sweep.specs import small_spec

SPEC = small_spec(
    {
        "conditions.noise_rate": [0.4],
        "methods": [{"method": "fixed_kd"}, {"method": "cross_entropy", "baseline": True}],
        "search.trials": 3,
        "confirm.seeds": 2,
        "resources.trial_timeout_s": 30,
    }
)
REASON = "took longer than resources.trial_timeout_s, 30 s"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def actor(places: Places, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> RefereeActor:
    actor = actor_in_process(SPEC, places, open_store(places), monkeypatch)
    actor._heartbeats = Heartbeats(3600.0, clock)
    return actor


def test_a_slow_cell_fails_and_the_others_are_compared(
    places: Places, actor: RefereeActor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = actor._referee.report

    def slow(cohort: str, epoch: int, keys: Sequence[str], rows: Any) -> list[bool]:
        clock.now += 20.0 if "fixed_kd" in cohort else 5.0
        return report(cohort, epoch, keys, rows)

    monkeypatch.setattr(actor._referee, "report", slow)
    while (cohort := actor.next_cohort()) != ALL_DONE:
        train_in_process(actor, cohort)
    assert not actor._tasks, "what is over is forgotten"
    actor.close(interrupted=False)
    record = open_store(places).record(SPEC.name)
    search = record.trials[record.trials["stage"] == "search"]
    slow_ones = search[search["method"] == "fixed_kd"]
    assert set(slow_ones["state"]) == {"failed"}
    assert set(slow_ones["reason"]) == {REASON}
    assert set(slow_ones["epochs_trained"]) == {2}
    assert "failed" not in set(search[search["method"] == "cross_entropy"]["state"])
    confirm = record.trials[record.trials["stage"] == "confirm"]
    assert set(confirm["method"]) == {"cross_entropy"}
    assert set(confirm["state"]) == {"complete"}
    told = failures_table(record)
    assert list(told[told["stage"] == "search"]["reason"]) == [REASON] * 3


def test_a_trial_that_reports_nothing_is_ended_with_its_process(
    places: Places, actor: RefereeActor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Worker] = []
    monkeypatch.setattr(referee_actor, "_end", ended.append)
    cohort = actor.next_cohort()
    while actor._tasks[cohort].stage != "search":
        train_in_process(actor, cohort)
        cohort = actor.next_cohort()
    worker = Worker(b"", "", 1)
    actor.fetch(cohort, worker)
    clock.now += 30
    actor.progress()
    assert ended == []
    clock.now += 1
    assert actor.progress().states == {"failed": 3}
    assert ended == [worker]
    actor.lost(cohort)
    actor.close(interrupted=True)
    record = open_store(places).record(SPEC.name)
    failed = record.trials[record.trials["state"] == "failed"]
    assert set(failed["reason"]) == {REASON}
