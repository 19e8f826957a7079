"""Checkpoints on disk: found by those lanes that they hold, whole or not at all, gone when over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweep.adapters.ray import checkpoint_store
from sweep.adapters.ray.checkpoint_store import CheckpointStore
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, confirm_cohort
from tests.sweep.specs import small_spec

STATE = b"state\nwith a line of its own"


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints")


def _task(*seeds: int, changes: Mapping[str, Any] | None = None) -> CohortTask:
    plan = Plan(small_spec(changes))
    return confirm_cohort(plan, plan.searches[0], 0, {}, seeds)


def _keys(task: CohortTask) -> list[str]:
    return [lane.key for lane in task.lanes]


def _put(store: CheckpointStore, task: CohortTask, epoch: int = 1, state: bytes = STATE) -> None:
    store.put(task, _keys(task), epoch, state)


def _files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "checkpoints").iterdir())


def test_a_state_is_found_by_the_next_launch(store: CheckpointStore, tmp_path: Path) -> None:
    _put(store, _task(1, 2))
    again = CheckpointStore(tmp_path / "checkpoints")
    assert again.find(_task(1, 2)) == STATE
    assert again.cohorts == [frozenset(_keys(_task(1, 2)))]
    assert again.notices == []


def test_a_later_state_takes_the_place_of_an_earlier_one(
    store: CheckpointStore, tmp_path: Path
) -> None:
    _put(store, _task(1, 2), 1)
    _put(store, _task(1, 2), 2, b"later")
    assert store.find(_task(1, 2)) == b"later"
    assert len(_files(tmp_path)) == 1


def test_a_state_is_for_some_of_its_lanes_and_for_no_others(store: CheckpointStore) -> None:
    store.put(_task(1, 2, 3), _keys(_task(1, 2)), 5, STATE)
    assert store.find(_task(2)) == STATE
    assert store.find(_task(1, 2, 3)) == b""
    assert store.find(_task(4)) == b""


def test_of_several_the_one_that_is_furthest_on_is_taken(store: CheckpointStore) -> None:
    _put(store, _task(1, 2, 3), 9, b"ninth")
    _put(store, _task(1, 2), 10, b"tenth")
    assert store.find(_task(1, 2)) == b"tenth"


@pytest.mark.parametrize(
    "changes",
    [
        {"student.training.epochs": 5},
        {"student.model.hidden": [9]},
        {"data.splits.train": 0.3},
        {"methods.0.pin.warmup_epochs": 2},
        {"objective.metric": "loss"},
    ],
)
def test_a_state_of_another_spec_is_of_no_use(
    store: CheckpointStore, changes: dict[str, Any]
) -> None:
    _put(store, _task(1, 2))
    assert _keys(_task(1, 2, changes=changes)) == _keys(_task(1, 2))
    assert store.find(_task(1, 2, changes=changes)) == b""


def test_a_state_by_other_code_is_of_no_use(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(store, _task(1, 2))
    monkeypatch.setattr(checkpoint_store, "code_version", lambda: "another")
    assert store.find(_task(1, 2)) == b""


def test_what_is_over_is_deleted_unless_a_part_of_it_still_trains(
    store: CheckpointStore, tmp_path: Path
) -> None:
    _put(store, _task(1, 2))
    _put(store, _task(3))
    store.landed(_task(1), flying=_keys(_task(2)))
    assert len(_files(tmp_path)) == 2
    store.landed(_task(2), flying=[])
    assert store.find(_task(1, 2)) == b""
    assert store.find(_task(3)) == STATE
    store.clear()
    assert _files(tmp_path) == []


@pytest.mark.parametrize("place", [0, 70, 80, -1])
def test_a_changed_byte_is_told_and_the_file_is_gone(
    store: CheckpointStore, tmp_path: Path, place: int
) -> None:
    _put(store, _task(1, 2))
    (path,) = _files(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert store.find(_task(1, 2)) == b""
    path.write_bytes(content)
    again = CheckpointStore(tmp_path / "checkpoints")
    assert [line.split(":")[0] for line in again.notices] == [str(path)]
    assert again.find(_task(1, 2)) == b""
    assert _files(tmp_path) == []


def test_a_file_that_was_never_finished_is_swept_up(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_store.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        _put(store, _task(1, 2))
    assert len(_files(tmp_path)) == 1
    assert CheckpointStore(tmp_path / "checkpoints").notices == []
    assert _files(tmp_path) == []


def test_a_full_disk_leaves_the_earlier_state_and_nothing_beside_it(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    _put(store, _task(1, 2))
    monkeypatch.setattr(checkpoint_store.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        _put(store, _task(1, 2), 2, b"later")
    assert len(_files(tmp_path)) == 1
    assert store.find(_task(1, 2)) == STATE
