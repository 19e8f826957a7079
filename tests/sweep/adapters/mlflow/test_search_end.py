"""Where a limit of time ended searches: on record, and what a later launch makes of it."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from sweep.adapters.mlflow.requests import Requests
from sweep.adapters.mlflow.rows import Rows
from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.search_end import FIELD, OPTION, SearchEnd
from tests.sweep.specs import small_spec

BY_FIELD = SearchEnd(3, 6, FIELD, 60.0)
BY_OPTION = SearchEnd(3, 6, OPTION, 60.0)


def _plan(timeout: Any, trials: int = 6) -> Plan:
    return Plan(small_spec({"search.timeout": timeout, "search.trials": trials}))


@pytest.fixture
def store(places: Places) -> MlflowStore:
    return open_store(places)


def _ended(store: MlflowStore, plan: Plan, places: Places, end: SearchEnd) -> None:
    """A launch in which time was over."""
    tracker = MlflowTracker(plan, store.open_sweep(plan), places.runs_dir / "spool")
    tracker.end_searches(end)
    tracker.flush()


@pytest.mark.parametrize("sink", [Rows, Requests])
def test_every_sink_writes_it_to_the_sweep(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, places: Places, sink: type
) -> None:
    monkeypatch.setattr("sweep.adapters.mlflow.writer.Rows", sink)
    plan = _plan("1m")
    _ended(store, plan, places, BY_FIELD)
    parent = MlflowClient(tracking_uri=store.uri).get_run(store.origin("small").parent_id)
    assert parent.data.tags["search_end"] == BY_FIELD.as_text()
    assert store.record("small").search_ends == {"small": BY_FIELD}


@pytest.mark.parametrize("end", [BY_FIELD, BY_OPTION])
def test_a_launch_that_was_broken_off_keeps_to_it(
    store: MlflowStore, places: Places, end: SearchEnd
) -> None:
    plan = _plan("1m")
    _ended(store, plan, places, end)
    store.close_sweep("small", "interrupted")
    assert store.open_sweep(plan).search_end == end


def test_what_did_not_reach_the_store_is_known_from_the_spool(
    store: MlflowStore, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, spool = _plan("1m"), places.runs_dir / "spool"
    runs = store.open_sweep(plan)
    with monkeypatch.context() as patch:
        patch.setattr("sweep.adapters.mlflow.writer.Writer._work", lambda writer: None)
        killed = MlflowTracker(plan, runs, spool)
        killed.end_searches(BY_FIELD)
    assert store.record("small").search_ends == {}
    again = MlflowTracker(plan, store.open_sweep(plan), spool)
    assert again.search_end == BY_FIELD
    other = MlflowTracker(_plan("2m"), store.open_sweep(plan), spool)
    assert other.search_end is None
    again.flush()
    other.flush()
    killed._writer._spool._file.close()


def test_a_complete_sweep_is_complete_as_long_as_its_limit_is_that(
    store: MlflowStore, places: Places
) -> None:
    _ended(store, _plan("1m"), places, BY_FIELD)
    store.close_sweep("small", "complete")
    assert store.closed(_plan("1m")) is not None
    for changed in (_plan("2m"), _plan(None), _plan("1m", trials=9)):
        assert store.closed(changed) is None
    assert store.open_sweep(_plan("2m")).search_end is None
    assert store.record("small").search_ends == {}


def test_after_an_option_the_next_launch_searches_on(store: MlflowStore, places: Places) -> None:
    _ended(store, _plan(None), places, BY_OPTION)
    store.close_sweep("small", "complete")
    assert store.closed(_plan(None)) is None
    assert store.open_sweep(_plan(None)).search_end is None


def test_another_timeout_alone_is_no_other_sweep(store: MlflowStore, tmp_path: Path) -> None:
    store.open_sweep(_plan(None))
    store.close_sweep("small", "complete")
    assert store.closed(_plan("2m")) is not None
