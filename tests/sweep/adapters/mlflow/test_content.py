"""What a sweep read is kept with it: the same goes on, other content is refused and changes
nothing, and a sweep that kept none takes it up where it is."""

from collections.abc import Mapping
from typing import Any

import pytest
from mlflow import MlflowClient

from sweep.adapters.mlflow.kept_specs import KeptSpecs
from sweep.adapters.mlflow.store import MlflowStore
from sweep.errors import BadInput
from sweep.places import Places, open_store
from sweep.plan.content import named_by
from sweep.plan.plan import Plan
from tests.sweep.specs import small_spec

SPEC = small_spec({"data": {"dataset": "npz", "path": "data.npz"}, "conditions.noise_rate": [0.4]})
(DATA,) = named_by(SPEC)


@pytest.fixture
def store(places: Places) -> MlflowStore:
    return open_store(places)


def _plan(content: str | None, changes: Mapping[str, Any] | None = None) -> Plan:
    """The sweep as somebody plans it who read that content, or read nothing."""
    data = {"dataset": "npz", "path": "data.npz"}
    spec = small_spec({"data": data, "conditions.noise_rate": [0.4], **(changes or {})})
    return Plan(spec, {} if content is None else dict.fromkeys(named_by(spec), content))


def _kept(store: MlflowStore) -> list[Any]:
    """All that the store has of the sweep: tags, state and files of its run."""
    client = MlflowClient(tracking_uri=store.uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    files = [client.list_artifacts(run.info.run_id) for run in runs]
    tags = [dict(run.data.tags) for run in runs]
    return [tags, [run.info.status for run in runs], [[f.path for f in some] for some in files]]


def test_the_same_content_goes_on_and_other_content_is_refused(store: MlflowStore) -> None:
    for _ in range(2):
        assert store.open_sweep(_plan("a")).fingerprints == {DATA: "a"}
    store.close_sweep("small", "interrupted")
    before = _kept(store)
    with pytest.raises(BadInput) as raised:
        store.open_sweep(_plan("b"))
    (line,) = str(raised.value).splitlines()
    assert "the sweep 'small' was launched when the data set npz (path data.npz) held" in line
    assert "put back what it was" in line
    assert "--fork NAME" in line
    assert _kept(store) == before
    assert store.open_sweep(_plan("a")).fingerprints == {DATA: "a"}


def test_an_extension_on_other_content_is_refused(store: MlflowStore) -> None:
    store.open_sweep(_plan("a"))
    store.close_sweep("small", "complete")
    before = _kept(store)
    with pytest.raises(BadInput, match="held something else"):
        store.open_sweep(_plan("b", {"confirm.seeds": 5}))
    assert _kept(store) == before


def test_a_complete_sweep_is_shown_whatever_the_content_is_now(store: MlflowStore) -> None:
    store.open_sweep(_plan("a"))
    store.close_sweep("small", "complete")
    for content in ("a", "b", None):
        assert store.closed(_plan(content)) is not None


def test_where_nothing_can_be_read_what_was_kept_counts(store: MlflowStore) -> None:
    store.open_sweep(_plan("a"))
    assert store.open_sweep(_plan(None)).fingerprints == {DATA: "a"}


def test_a_sweep_that_kept_none_takes_it_up_and_keeps_its_teachers(store: MlflowStore) -> None:
    # As an earlier version left it.
    store.open_sweep(_plan(None))
    store.close_sweep("small", "interrupted")
    for _ in range(2):
        runs = store.open_sweep(_plan("a"))
        assert runs.fingerprints == {}
        old, new = Plan(SPEC), Plan(SPEC, runs.fingerprints)
        assert [job.key for job in old.teachers] == [job.key for job in new.teachers]
    with pytest.raises(BadInput, match="held something else"):
        store.open_sweep(_plan("b"))


def test_what_is_added_to_such_a_sweep_counts_in_full(store: MlflowStore) -> None:
    files = {"conditions.vary": {"file": {"field": "data.path", "values": ["data.npz"]}}}
    store.open_sweep(_plan(None, files))
    more = {"conditions.vary": {"file": {"field": "data.path", "values": ["data.npz", "b.npz"]}}}
    for _ in range(2):
        (name,) = store.open_sweep(_plan("a", more)).fingerprints
        assert "b.npz" in name
    with pytest.raises(BadInput, match=r"\(path data.npz\)"):
        store.open_sweep(_plan("b", more))


def test_so_does_one_whose_kept_spec_is_damaged(store: MlflowStore, places: Places) -> None:
    store.open_sweep(_plan(None))
    (file,) = places.runs_dir.glob("artifacts/small/*/artifacts/spec.yaml")
    file.write_text("name: small")
    assert store.open_sweep(_plan("a")).fingerprints == {}


def test_one_that_was_broken_off_before_anything_was_kept_counts_in_full(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(KeptSpecs, "keep", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            store.open_sweep(_plan("a"))
    assert store.open_sweep(_plan("a")).fingerprints == {DATA: "a"}


def test_it_is_read_back_without_the_file(store: MlflowStore) -> None:
    store.open_sweep(_plan("a"))
    assert store.spec("small") == SPEC
    assert store.record("small").name == "small"
    assert store.progress("small").state == "running"
