"""The record of a sweep counts the runs of what was chosen, and leaves earlier choices out."""

import json
from collections.abc import Mapping

import pandas as pd
import pytest

from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.places import Places, open_store
from sweep.plan.plan import CellSearch, Plan
from sweep.plan.tasks import CohortTask, confirm_cohort, search_cohort, shortlist_cohort
from sweep.referee.stores import EndedRun
from tests.sweep.specs import small_spec

CHANGES = {
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}],
    "search.shortlist": {"configurations": 2, "seeds": 2},
}
SHARED = Plan(small_spec(CHANGES))
PER_SEED = Plan(small_spec({**CHANGES, "search.per_seed": True}))
# Trial -> its best validation value in the search; its configuration is its number.
SEARCHED = {0: 90.0, 1: 95.0, 2: 93.0, 3: 80.0}


@pytest.fixture
def store(places: Places) -> MlflowStore:
    return open_store(places)


def _values(trial: int) -> dict[str, float]:
    return {"lr": 0.01 * (1 + trial)}


def _close(tracker: MlflowTracker, task: CohortTask, values: Mapping[str, float | None]) -> None:
    tracker.open(task)
    for lane in task.lanes:
        value = values.get(lane.key, 91.0)
        best = {"epochs_trained": 4, "best_epoch": 2, "best_validation_accuracy": value}
        test = {"test_accuracy": 90.0} if task.stage == "confirm" else {}
        if value is None:
            tracker.close(lane.key, "failed", {"epochs_trained": 1}, "diverged")
        else:
            tracker.close(lane.key, "complete", {**best, **test})


def _write(
    tracker: MlflowTracker,
    plan: Plan,
    search: CellSearch,
    again: Mapping[int, tuple[float | None, ...]],
    confirmed: tuple[int, ...],
) -> None:
    """A search with what the shortlist brought by trial, and confirm runs of some trials."""
    trials = search_cohort(plan, search, {n: _values(n) for n in SEARCHED}, 0)
    values = {f"{search.id}/trial/{n}": value for n, value in SEARCHED.items()}
    _close(tracker, trials, values)
    runs = [(n, _values(n), s) for n, streams in again.items() for s in range(1, 1 + len(streams))]
    if runs:
        results = {
            f"{search.id}/shortlist/{n}/{s}": value
            for n, streams in again.items()
            for s, value in enumerate(streams, start=1)
        }
        _close(tracker, shortlist_cohort(plan, search, runs), results)
    for trial in confirmed:
        task = confirm_cohort(plan, search, trial, _values(trial), search.confirmed)
        _close(tracker, task, {})


def _confirmed(trials: pd.DataFrame) -> dict[int, int]:
    """Seed -> the trial whose configuration its confirm run has; each seed once."""
    confirm = trials[trials["stage"] == "confirm"]
    assert not confirm["seed"].duplicated().any()
    numbers = [round(json.loads(params)["lr"] / 0.01) - 1 for params in confirm["params"]]
    return dict(zip(confirm["seed"].tolist(), numbers, strict=True))


@pytest.mark.parametrize(
    ("again", "chosen"),
    [
        ({1: (80.0, 84.0), 2: (92.0, 93.0)}, 2),
        ({1: (95.0, None), 2: (70.0, 71.0)}, 2),
        ({1: (95.0, 94.0), 2: (92.0, 93.0)}, 1),
        ({1: (95.0, 94.0), 2: (92.0,)}, None),
        ({1: (95.0, None), 2: (None, 71.0)}, None),
        ({1: (95.0, 94.0), 2: (92.0, 93.0), 0: (99.0, 99.0)}, 1),
    ],
)
def test_confirm_runs_of_the_best_mean_are_counted(
    store: MlflowStore,
    places: Places,
    again: dict[int, tuple[float | None, ...]],
    chosen: int | None,
) -> None:
    (search,) = SHARED.searches
    tracker = MlflowTracker(SHARED, store.open_sweep(SHARED), places.runs_dir / "spool")
    _write(tracker, SHARED, search, again, (0, 1, 2))
    tracker.flush()
    trials = store.record("small").trials
    confirmed = _confirmed(trials)
    assert confirmed == ({} if chosen is None else dict.fromkeys((1, 2, 3), chosen))
    shortlist = trials[trials["stage"] == "shortlist"]
    assert set(shortlist["trial"]) == {1, 2}
    assert set(shortlist["stream"]) == {1, 2}


def test_every_seed_counts_what_its_own_search_chose(store: MlflowStore, places: Places) -> None:
    tracker = MlflowTracker(PER_SEED, store.open_sweep(PER_SEED), places.runs_dir / "spool")
    for search in PER_SEED.searches:
        better = {1: (95.0, 95.0), 2: (90.0, 90.0)}
        worse = {1: (80.0, 80.0), 2: (90.0, 90.0)}
        _write(tracker, PER_SEED, search, worse if search.seed == 2 else better, (1, 2))
    tracker.flush()
    trials = store.record("small").trials
    assert _confirmed(trials) == {1: 1, 2: 2, 3: 1}


def test_the_next_launch_knows_what_ended_and_how_well(store: MlflowStore, places: Places) -> None:
    (search,) = SHARED.searches
    tracker = MlflowTracker(SHARED, store.open_sweep(SHARED), places.runs_dir / "spool")
    _write(tracker, SHARED, search, {1: (80.0 + 1 / 3, None), 2: (92.0, 93.0)}, ())
    tracker.flush()
    again = MlflowTracker(SHARED, store.open_sweep(SHARED), places.runs_dir / "spool")
    ended = again.ended()
    assert ended[f"{search.id}/shortlist/1/1"] == EndedRun("complete", 80.0 + 1 / 3)
    assert ended[f"{search.id}/shortlist/1/2"] == EndedRun("failed", None)
    assert ended[f"{search.id}/trial/3"] == EndedRun("complete", 80.0)
