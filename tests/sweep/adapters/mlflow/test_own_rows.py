"""What code of the user's own declared is kept with the spec: read without it, held to by it."""

import json
from dataclasses import replace

import pytest

from sweep.adapters.mlflow.store import MlflowStore
from sweep.errors import BadInput
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.own_methods import ENTRY
from tests.sweep.specs import small_data
from trainers import own
from trainers.fields import Limit

PATH = "tests.sweep.own_methods:Squared"


def _spec() -> SweepSpec:
    methods = [{"method": {"path": PATH}}, {"method": "fixed_kd", "baseline": True}]
    return check_spec(small_data({"methods": methods}), "small", allow_code=True)


@pytest.fixture
def store(places: Places) -> MlflowStore:
    """A store in which the sweep has begun."""
    store = open_store(places)
    store.open_sweep(Plan(_spec()))
    return store


def test_a_sweep_is_read_without_the_code(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, cells = _spec(), Plan(_spec()).cells
    monkeypatch.setattr(own, "_made", {})
    monkeypatch.setattr(own, "_kept", {})
    monkeypatch.setattr(own, "load", lambda path: pytest.fail(f"{path} was loaded"))
    assert store.spec("small") == spec
    assert [cell.space for cell in Plan(store.spec("small")).cells] == [c.space for c in cells]
    assert store.record("small").methods == ("Squared", "fixed_kd")


@pytest.mark.parametrize(
    "changed",
    [
        {"space": {}},
        {"teachers": "any"},
        {"hyperparameters": (), "space": {}},
        {"limits": (Limit({"beta": 0.5}, "labels_only"),)},
    ],
)
def test_an_entry_that_changed_is_another_sweep(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object]
) -> None:
    _spec()
    entry = replace(ENTRY, implementation=PATH, origin=PATH, **changed)  # type: ignore[arg-type]
    monkeypatch.setitem(own._made, PATH, entry)
    plan = Plan(_spec())
    for ask in (store.open_sweep, store.closed):
        with pytest.raises(BadInput, match="declared something else") as raised:
            ask(plan)
        assert PATH in str(raised.value)
        assert "--fork NAME" in str(raised.value)


def test_limits_are_read_back_and_fields_of_later_versions_have_their_defaults() -> None:
    _spec()
    limited = replace(ENTRY, implementation=PATH, limits=(Limit({"beta": 0.5}, "labels_only"),))
    rows = json.loads(json.dumps({PATH: own._declared(limited)}))
    assert own._row(rows[PATH]) == limited
    earlier = {
        name: value
        for name, value in own._declared(replace(ENTRY, implementation=PATH)).items()
        if name not in {"limits", "needs_clean_rows"}
    }
    now = own.as_kept_now(json.loads(json.dumps(earlier)))
    assert now == own._declared(replace(ENTRY, implementation=PATH))
