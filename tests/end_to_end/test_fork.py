"""A fork takes over what is the very same, and its table is that of a sweep trained anew."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.ray.referee_actor import ALL_DONE
from sweep.compare.comparison import comparison_table
from sweep.fork import take_over
from sweep.places import Places, open_store
from sweep.plan.content import fingerprints
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import actor_in_process, train_in_process
from tests.sweep.specs import small_spec

ROWS = [{"method": "fixed_kd", "baseline": True}, {"method": "cross_entropy"}]
BASE: dict[str, Any] = {
    "conditions.noise_rate": [0.4],
    "methods": ROWS,
    "search.trials": 4,
    "search.generation": 2,
    "search.shortlist": {"configurations": 2, "seeds": 2},
    "confirm.seeds": 2,
}
MORE = [*ROWS, {"method": "label_smoothing"}]


def _train(spec: SweepSpec, places: Places, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Train what is left of a sweep; the keys of the students that were."""
    store = open_store(places)
    actor = actor_in_process(spec, places, store, monkeypatch)
    trained = []
    while (cohort := actor.next_cohort()) != ALL_DONE:
        task = actor._tasks[cohort]
        trained += [lane.key for lane in task.lanes if task.stage != "teacher"]
        train_in_process(actor, cohort)
    actor.close(interrupted=False)
    actor._referee._studies.close()
    store.close_sweep(spec.name, "complete")
    return trained


def _forked(name: str, changes: dict[str, Any]) -> SweepSpec:
    return small_spec({**BASE, "name": name, **changes})


def _take(spec: SweepSpec, places: Places, store: MlflowStore) -> int:
    plan = Plan(spec, fingerprints(spec, {}))
    places.sweep(spec.name).mkdir(parents=True)
    store.open_sweep(plan)
    journals = (str(places.journal("small")), str(places.journal(spec.name)))
    return take_over(plan, "small", store, journals)


@pytest.fixture
def base(places: Places, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return _train(small_spec(BASE), places, monkeypatch)


def _table(store: MlflowStore, name: str) -> pd.DataFrame:
    return comparison_table(store.record(name), 0)


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"methods": MORE}, ("fixed_kd", "cross_entropy")),
        ({"methods": MORE[1:] + MORE[:1], "confirm.seeds": 3}, ("fixed_kd", "cross_entropy")),
        ({"search.trials": 6}, ("fixed_kd", "cross_entropy")),
        ({"search.own": {"fixed_kd": {"alpha": {"low": 0.1, "high": 0.5}}}}, ("cross_entropy",)),
        ({"teacher.training.epochs": 2}, ("cross_entropy",)),
        ({"student.training.epochs": 3}, ()),
        ({"search.sampler.n_startup_trials": 2}, ()),
        ({"seed": 7}, ()),
    ],
    ids=str,
)
def test_what_is_new_is_trained_and_the_table_is_that_of_one_trained_anew(
    base: list[str],
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    taken: tuple[str, ...],
) -> None:
    store = open_store(places)
    count = _take(_forked("forked", changes), places, store)
    trained = _train(_forked("forked", changes), places, monkeypatch)
    anew = Places(tmp_path / "anew")
    everything = _train(_forked("forked", changes), anew, monkeypatch)
    pd.testing.assert_frame_equal(_table(store, "forked"), _table(open_store(anew), "forked"))
    kept = [key for key in base if key.split("/")[1] in taken]
    assert count == len(kept)
    assert set(trained) == set(everything) - set(kept)
    told = store.origin("forked").taken_over
    assert told == (f"{count} runs were taken over from small" if count else "")


def test_copies_have_all_that_the_runs_have_and_say_whose_they_are(
    base: list[str], places: Places
) -> None:
    store = open_store(places)
    assert _take(_forked("forked", {}), places, store) == len(base)
    old, new = ({r["key"]: r for r in _rows(store, name)} for name in ("small", "forked"))
    assert set(new) == set(base)
    for key, copy in new.items():
        run = old[key]
        assert copy["metrics"] == run["metrics"]
        assert copy["params"] == run["params"]
        assert (copy["start"], copy["end"]) == (run["start"], run["end"])
        assert copy["tags"]["taken_over_from"] == "small"
        assert copy["tags"]["taken_over_run"] == run["id"]
        assert copy["tags"]["sweep"] == "forked"
        assert copy["tags"]["state"] == run["tags"]["state"]
        assert _inputs(store, copy["id"]) == _inputs(store, run["id"])
        files = _files(store, copy["id"])
        assert files == _files(store, run["id"])
        assert bool(files) == (run["tags"]["stage"] == "confirm")
    curves = [
        store.histories().read([rows[base[0]]["id"]], ["validation_accuracy", "train_loss"])
        for rows in (old, new)
    ]
    one, other = (curve.drop(columns="run_id") for curve in curves)
    assert len(one) > 1
    pd.testing.assert_frame_equal(one, other)


def test_nothing_is_taken_of_other_content_or_of_a_sweep_that_is_not_there(
    base: list[str], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(places)
    plan = Plan(_forked("forked", {}))
    assert store.plan_to_take_from("nobody", plan) is None
    assert store.plan_to_take_from("small", plan) is not None
    monkeypatch.setattr("sweep.adapters.mlflow.store.is_same", lambda *_: False)
    assert store.plan_to_take_from("small", plan) is None


def _files(store: MlflowStore, run_id: str) -> dict[str, bytes]:
    """The files of a run by their paths."""
    client = MlflowClient(tracking_uri=store.uri)
    if not client.list_artifacts(run_id):
        return {}
    with TemporaryDirectory() as place:
        root = Path(client.download_artifacts(run_id, "", place))
        found = [path for path in root.rglob("*") if path.is_file()]
        return {str(path.relative_to(root)): path.read_bytes() for path in found}


def _inputs(store: MlflowStore, run_id: str) -> list[Any]:
    """What a run read."""
    found = MlflowClient(tracking_uri=store.uri).get_run(run_id).inputs.dataset_inputs
    assert len(found) == 1
    return [one.to_dictionary() for one in found]


def _rows(store: MlflowStore, name: str) -> list[dict[str, Any]]:
    from sweep.adapters.mlflow.runs import children

    found = children(store.uri, store.experiment(name), store.origin(name).parent_id)
    return [
        {"id": r.run_id, "key": r.tags["key"], "tags": r.tags, "params": r.params,
         "metrics": r.metrics, "start": r.start, "end": r.end}
        for r in found
        if r.tags["stage"] != "teacher"
    ]  # fmt: skip
