"""What sweeps take on the disk: told, freed, and whole afterwards."""

import json
import shutil
from pathlib import Path

import pytest

from sweep.adapters.mlflow.run_files import PREDICTIONS_FILE, STUDENT
from sweep.best_students import log_best_students
from sweep.compare.confirm_runs import Wanted, select, winners
from sweep.lock import locked
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from tests.end_to_end.test_students import Kept, command, kept_spec


@pytest.fixture(scope="module")
def swept(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs directory with two sweeps."""
    runs = tmp_path_factory.mktemp("runs")
    (runs / "mlflow.db").write_bytes(empty_store.read_bytes())
    for name in ("one", "other"):
        kept = Kept(kept_spec(name=name), Places(runs))
        log_best_students(name, kept.store)
    return runs


@pytest.fixture
def places(swept: Path, tmp_path: Path) -> Places:
    """A copy of it."""
    shutil.copytree(swept, tmp_path / "runs")
    return Places(tmp_path / "runs")


def _usage(places: Places) -> dict[tuple[str, str], dict[str, int]]:
    code, lines, _ = command("du", "--format", "json", places=places)
    assert code == 0
    return {(entry["sweep"], entry["kind"]): entry for entry in json.loads("\n".join(lines))}


def _table(name: str, places: Places) -> str:
    """The comparison of a sweep, as it is exported."""
    out = places.runs_dir.parent / "table.csv"
    code, _, said = command("export", name, "--out", str(out), places=places)
    assert code == 0, said
    return out.read_text(encoding="utf-8")


def test_every_file_is_told_once(places: Places) -> None:
    found = _usage(places)
    files = [path for path in places.runs_dir.rglob("*") if path.is_file()]
    assert sum(entry["files"] for entry in found.values()) == len(files)
    assert sum(entry["bytes"] for entry in found.values()) == sum(f.stat().st_size for f in files)
    for name in ("one", "other"):
        assert found[name, "predictions"]["files"] == 2 * 3
        assert found[name, "students"]["files"] == 2 * 2 * 3
        assert found[name, "models"]["files"] > 2
    assert found["", "teachers"]["files"] == 4


def test_the_table_ends_in_its_total(places: Places) -> None:
    _, lines, _ = command("du", places=places)
    assert lines[-1].split()[0] == "total"
    assert lines[-1].split()[1] == str(sum(e["files"] for e in _usage(places).values()))


def test_teachers_go_where_no_sweep_names_them(places: Places) -> None:
    """Those of both sweeps are the same: they stay until the last is gone."""
    stray = places.teachers / "0123456789abcdef-1.safetensors"
    stray.write_bytes(b"x")
    code, _, said = command("gc", "--teachers", "--yes", places=places)
    assert code == 0, said
    assert not stray.exists()
    assert len(list(places.teachers.iterdir())) == 4
    for left, name in ((4, "one"), (0, "other")):
        assert command("rm", name, "--yes", places=places)[0] == 0
        command("gc", "--teachers", "--yes", places=places)
        assert len(list(places.teachers.iterdir())) == left


def test_students_go_but_for_the_best_and_come_back(places: Places, tmp_path: Path) -> None:
    store = open_store(places)
    record = store.record("one")
    runs = select(record, Wanted())
    command("students", "one", "--out", str(tmp_path / "before"), places=places)
    code, _, said = command("gc", "one", "--students", "--yes", places=places)
    assert code == 0, said
    assert "deleted 4 students" in said
    files = store.artifacts()
    left = {run.run_id for run in runs if files.has(run.run_id, STUDENT)}
    assert left == {run.run_id for run in winners(record, runs)}
    assert "students: none" in command("gc", "one", "--students", "--yes", places=places)[2]
    other = select(store.record("other"), Wanted())
    assert all(files.has(run.run_id, STUDENT) for run in other)
    command("students", "one", "--out", str(tmp_path / "after"), places=places)
    for run in runs:
        was, now = (
            (tmp_path / when / run.folder / "student.safetensors").read_bytes()
            for when in ("before", "after")
        )
        assert was == now


def test_predictions_go_and_the_table_says_so(places: Places) -> None:
    code, _, said = command("gc", "one", "--predictions", "--yes", places=places)
    assert code == 0, said
    files = open_store(places).artifacts()
    for name, there in (("one", False), ("other", True)):
        runs = select(open_store(places).record(name), Wanted())
        assert {files.has(run.run_id, PREDICTIONS_FILE) for run in runs} == {there}
    code, _, said = command("export", "one", "--table", "predictions", places=places)
    assert code == 2
    assert "no finished confirm run kept its predictions" in said
    assert _table("one", places)


def test_a_removed_sweep_leaves_nothing_and_the_other_whole(places: Places) -> None:
    before = _table("other", places)
    code, _, said = command("rm", "one", "--yes", places=places)
    assert code == 0, said
    assert not [path for path in places.runs_dir.rglob("*") if "one" in path.parts]
    assert {sweep for sweep, _ in _usage(places)} == {"", "other"}
    assert _table("other", places) == before
    assert command("rm", "one", "--yes", places=places)[0] == 2
    # A sweep of that name can be begun anew.
    plan = Plan(kept_spec(name="one"))
    assert open_store(places).open_sweep(plan).children == {}


def test_a_removal_that_was_broken_off_goes_on(places: Places) -> None:
    store = open_store(places)
    store.delete_experiment(store.experiment("one"))
    code, _, said = command("rm", "one", "--yes", places=places)
    assert code == 0, said
    assert {sweep for sweep, _ in _usage(places)} == {"", "other"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rm", "one"), "give --yes"),
        (("rm", "none", "--yes"), "'none' is no sweep of this store"),
        (("gc",), "give --teachers, --students or --predictions"),
        (("gc", "one", "--teachers"), "are shared by all sweeps"),
        (("gc", "none", "--students"), "'none' is no sweep of this store"),
        (("du", "--format", "xml"), "known: json, text"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_all_as_it_was(
    places: Places, words: tuple[str, ...], said: str
) -> None:
    before = _usage(places)
    code, _, told = command(*words, places=places)
    assert code == 2
    assert said in told
    assert _usage(places) == before


def test_nothing_is_taken_from_a_sweep_that_runs(places: Places) -> None:
    before = _usage(places)
    with locked(places.sweep("one"), "one"):
        for words in (("rm", "one", "--yes"), ("gc", "--students", "--yes")):
            code, _, told = command(*words, places=places)
            assert code == 2
            assert "is being run" in told
    after = {place: entry for place, entry in _usage(places).items() if place[1] == "students"}
    assert after == {place: before[place] for place in after}


def test_a_sweep_with_a_registered_student_is_not_removed(places: Places, tmp_path: Path) -> None:
    words = ("--method", "fixed_kd", "--best", "--out", str(tmp_path / "out"))
    code, _, said = command("students", "one", *words, "--register", "mine", places=places)
    assert code == 0, said
    code, _, told = command("rm", "one", "--yes", places=places)
    assert code == 2
    assert "mine version 1" in told
    assert open_store(places).record("one").trials.shape[0]
