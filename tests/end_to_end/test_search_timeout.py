"""A sweep whose searches ended for want of time is complete for everything that reads it."""

import pytest

from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import launched_in_process, runs_of
from tests.sweep.specs import small_spec

# No generation but the first begins within it.
CHANGES = {
    "search.timeout": 0.01,
    "search.trials": 4,
    "search.generation": 2,
    "confirm.seeds": 2,
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}, {"method": "cross_entropy"}],
}


@pytest.fixture
def spec(places: Places, monkeypatch: pytest.MonkeyPatch) -> SweepSpec:
    spec = small_spec(CHANGES)
    launched_in_process(spec, places, monkeypatch)
    return spec


def test_it_lacks_nothing_but_what_a_run_that_was_deleted_leaves(
    spec: SweepSpec, places: Places
) -> None:
    from mlflow import MlflowClient

    store = open_store(places)
    progress = store.progress("small")
    assert progress.state == "complete"
    assert (progress.stages["search"].done, progress.stages["search"].planned) == (4, 4)
    assert not [line for line in progress.notes if "lost" in line]
    lacks = store.closed(Plan(spec))
    assert lacks is not None
    assert (lacks.missing, lacks.left_out) == ({}, {})
    search = [run for run in runs_of(store, "small") if run.data.tags.get("stage") == "search"]
    MlflowClient(tracking_uri=store.uri).delete_run(search[0].info.run_id)
    lacks = store.closed(Plan(spec))
    assert lacks is not None
    # With the winner of a search, its confirm runs are lost too.
    assert lacks.missing["search"] == 1
