"""Who runs a sweep is in the store, which is all that launches from two directories share."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from sweep.adapters.mlflow import claim
from sweep.adapters.mlflow.store import MlflowStore
from sweep.errors import BadInput, SweepFailed
from sweep.lock import Owner
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from tests.sweep.specs import small_spec

PLAN = Plan(small_spec({"conditions.noise_rate": [0.4]}))
HOLDS = """
import sys, time
from pathlib import Path
from sweep.plan.plan import Plan
from sweep.places import Places, open_store
from tests.sweep.specs import small_spec
store = open_store(Places(Path(sys.argv[2]), sys.argv[1]))
runs = store.open_sweep(Plan(small_spec({"conditions.noise_rate": [0.4]})))
with store.renewed("small", runs.parent_id):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def uri(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that two runs directories share."""
    # MLflow puts the files of such a store into the current directory.
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{places.database}"


def _launched_from(directory: Path, uri: str) -> MlflowStore:
    return open_store(Places(directory, uri))


@pytest.fixture
def elsewhere(uri: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the sweep, from a directory of its own."""
    words = [sys.executable, "-c", HOLDS, uri, str(tmp_path / "theirs")]
    own = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=own) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def _own_run(uri: str) -> Run:
    (run,) = MlflowClient(uri).search_runs(["1"], "tags.stage = 'sweep'")
    return run


def _pretend(uri: str, **changes: Any) -> None:
    """Have it held by a process that is otherwise."""
    run = _own_run(uri)
    owner = json.loads(run.data.tags[claim.OWNER]) | changes
    MlflowClient(uri).set_tag(run.info.run_id, claim.OWNER, json.dumps(owner))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("BEAT_EVERY", 0.05), ("DEAD_AFTER", 1.0), ("LOOK_EVERY", 0.05)):
        monkeypatch.setattr(claim, name, seconds)


def test_a_second_launch_from_another_directory_is_refused_naming_the_first(
    elsewhere: subprocess.Popen[str], uri: str, tmp_path: Path
) -> None:
    before = _own_run(uri).data.tags
    store = _launched_from(tmp_path / "mine", uri)
    message = rf"'small' is being run: by process {elsewhere.pid} on .*/theirs; .*--fork NAME"
    with pytest.raises(BadInput, match=message):
        store.open_sweep(PLAN)
    with pytest.raises(BadInput, match=message):
        store.refuse_held("small", print)
    assert _own_run(uri).data.tags == before


def test_one_whose_process_is_gone_is_taken_over_at_once(
    elsewhere: subprocess.Popen[str], uri: str, tmp_path: Path
) -> None:
    elsewhere.kill()
    elsewhere.wait()
    store = _launched_from(tmp_path / "mine", uri)
    holder = store.holder("small")
    assert holder is not None
    assert holder.why_gone(time.time()).startswith(f"process {elsewhere.pid} on ")
    store.open_sweep(PLAN)
    holder = store.holder("small")
    assert holder is not None
    assert holder.owner == Owner.of_this_process()
    assert holder.why_gone(time.time()) == ""
    assert store.launched_from("small").endswith("/mine")


def test_a_number_that_another_process_has_by_now_is_no_sign_of_life(
    elsewhere: subprocess.Popen[str], uri: str, tmp_path: Path
) -> None:
    _pretend(uri, began="1")
    _launched_from(tmp_path / "mine", uri).open_sweep(PLAN)


@pytest.mark.usefixtures("impatient")
def test_a_process_of_another_machine_is_watched_until_it_shows_no_life(
    uri: str, tmp_path: Path
) -> None:
    _launched_from(tmp_path / "theirs", uri).open_sweep(PLAN)
    _pretend(uri, host="far", pid=7, system="another boot")
    store, said = _launched_from(tmp_path / "mine", uri), []
    store.refuse_held("small", said.append)
    assert "was run by process 7 on far" in said[0]
    assert "waiting for a sign of life, 1 s at most" in said[0]
    store.open_sweep(PLAN)  # known to be gone: not watched again
    holder = store.holder("small")
    assert holder is not None
    assert holder.owner == Owner.of_this_process()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("clock", ["0", "9999999999", "not a number"])
def test_a_process_of_another_machine_that_shows_life_is_left_whatever_its_clock(
    uri: str, tmp_path: Path, clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = _launched_from(tmp_path / "theirs", uri)
    runs = theirs.open_sweep(PLAN)
    _pretend(uri, host="far", system="another boot")
    monkeypatch.setattr(claim, "DEAD_AFTER", 60.0)
    client = MlflowClient(uri)
    client.set_tag(runs.parent_id, claim.HEARTBEAT, clock)
    mine = _launched_from(tmp_path / "mine", uri)

    def beat(line: str) -> None:
        client.set_tag(runs.parent_id, claim.HEARTBEAT, f"{clock}1")

    # The beat comes after what is watched was read.
    with pytest.raises(BadInput, match="on far since"):
        mine.refuse_held("small", beat)


def test_a_silent_process_of_another_machine_is_told_by_readers(uri: str, tmp_path: Path) -> None:
    store = _launched_from(tmp_path / "theirs", uri)
    store.open_sweep(PLAN)
    _pretend(uri, host="far", system="another boot")
    holder = store.holder("small")
    assert holder is not None
    beat = float(holder.heartbeat)
    assert holder.why_gone(beat + 30) == ""
    assert holder.why_gone(beat - 3600) == ""  # its clock is ahead
    assert "on far since" in holder.why_gone(beat + 600)
    assert holder.why_gone(beat + 600).endswith("has given no sign of life for 10 min")


@pytest.mark.usefixtures("impatient")
def test_who_was_taken_over_ends(uri: str, tmp_path: Path) -> None:
    store = _launched_from(tmp_path / "mine", uri)
    runs = store.open_sweep(PLAN)

    def lose() -> None:
        with store.renewed("small", runs.parent_id):
            _pretend(uri, host="far", pid=7)
            # In short pieces: what interrupts is heard between two of them.
            _wait_for(lambda: False)

    with pytest.raises(SweepFailed, match=r"small: process 7 on far .* has taken over"):
        lose()


@pytest.mark.usefixtures("impatient")
def test_signs_of_life_are_given_until_the_end(uri: str, tmp_path: Path) -> None:
    store = _launched_from(tmp_path / "mine", uri)
    runs = store.open_sweep(PLAN)
    before = _own_run(uri).data.tags[claim.HEARTBEAT]
    with store.renewed("small", runs.parent_id):
        _wait_for(lambda: _own_run(uri).data.tags[claim.HEARTBEAT] != before)
    store.close_sweep("small", "complete")
    assert {claim.OWNER, claim.HEARTBEAT}.isdisjoint(_own_run(uri).data.tags)
    assert store.holder("small") is None


def test_of_two_that_make_a_new_sweep_at_once_the_first_has_it(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (_launched_from(tmp_path / name, uri) for name in ("a", "b"))
    monkeypatch.setattr(second._sweeps, "find", _once_nothing(second._sweeps.find))
    first.open_sweep(PLAN)
    with pytest.raises(BadInput, match=r"'small' is being launched: by process \d+ on .*/a"):
        second.open_sweep(PLAN)
    assert len(MlflowClient(uri).search_runs(["1"])) == 1


def _once_nothing(find: Callable[[str], Run | None]) -> Callable[[str], Run | None]:
    """As it was before the other had made its run."""
    answers: Iterator[None] = iter([None])
    return lambda name: next(answers, find(name))


def _wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
