"""Stores that 0.1.0 wrote: read as they are, gone on with where they mean the same, refused else.

`kept/README.md` says how they were made. On a machine like that one, with the same torch, numbers
are the same to the last digit; elsewhere the same runs have to be there.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sweep import cli
from sweep.adapters.mlflow.runs import children
from sweep.errors import BadInput
from sweep.fork import take_over
from sweep.places import Places, open_store
from sweep.plan.meaning import changed_rows, is_before
from sweep.plan.plan import Plan
from sweep.run import launch
from sweep.spec.reader import read_spec
from sweep.spec.spec import SweepSpec
from tests.end_to_end.like_then import is_like_then
from tests.end_to_end.stage import launched_in_process
from tests.faults.launcher import COMMAND
from tests.sweep.specs import small_spec

KEPT = Path(__file__).parent / "kept"
# A search without what is new since.
NO_SHORTLIST, NO_LIMITS = "search.shortlist=none", "search.limits_first=false"
# How columns end that hold what was trained and what follows from it.
WORKED_OUT = (
    "mean", "std", "low", "high", "delta", "value", "holm", "better", "called", "params",
    "pruned", "trained",
)  # fmt: skip

Almkd = Callable[..., str]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The runs directory, elsewhere than it was made."""
    with tarfile.open(KEPT / "of_0_1_0.tar.gz") as kept:
        kept.extractall(tmp_path, filter="data")
    return tmp_path / "runs"


@pytest.fixture
def almkd(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Almkd:
    """What a command prints that ends well."""

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["almkd", *words, "--runs-dir", str(runs)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        assert (stop.value.code or 0) == 0, said.err
        return said.out

    return run


def _spec(name: str, *changes: str) -> SweepSpec:
    return read_spec(KEPT / f"{name}.yaml", [NO_SHORTLIST, *changes])


def _exported(almkd: Almkd, sweep: str, table: str = "comparison") -> pd.DataFrame:
    return _table(io.StringIO(almkd("export", sweep, "--table", table)))


def _then(table: str) -> pd.DataFrame:
    """What 0.1.0 exported of the sweep that it ran to its end."""
    return _table(KEPT / f"of_0_1_0_{table}.csv")


def _table(file: Path | io.StringIO) -> pd.DataFrame:
    return pd.read_csv(file, keep_default_na=False, dtype=str)


def _hold_same(now: pd.DataFrame, then: pd.DataFrame, columns: Sequence[str]) -> None:
    assert len(now) == len(then)
    for column in columns:
        try:
            a, b = now[column].astype(float), then[column].astype(float)
        except ValueError:
            assert list(now[column]) == list(then[column]), column
        else:
            np.testing.assert_array_equal(a, b, err_msg=column)


def _hold_whole(almkd: Almkd, sweep: str) -> None:
    """Its comparison is that of the sweep that 0.1.0 ran to its end, and so is every trial."""
    like = is_like_then(KEPT / "of_0_1_0.json")
    then = _then("comparison")
    columns = [c for c in then.columns if c != "sweep" and (like or not c.endswith(WORKED_OUT))]
    _hold_same(_exported(almkd, sweep), then, columns)
    key = ["cell", "trial"]
    now, then = (
        table[table["stage"] == "search"].sort_values(key).reset_index(drop=True)
        for table in (_exported(almkd, sweep, "trials"), _then("trials"))
    )
    _hold_same(now, then, [*key, *(["params", "state", "validation_accuracy"] if like else [])])


def _contents(runs: Path) -> dict[str, str]:
    """Digests of what a launch that is refused leaves alone: databases, journals, teachers."""
    kept = [runs / "mlflow.db", *runs.glob("*/optuna.journal"), *runs.glob("teachers/*")]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def test_they_are_listed_with_their_states(almkd: Almkd) -> None:
    lines = almkd("list").splitlines()[1:]
    states = {line.split()[0]: line.split()[1] for line in lines}
    assert states == {
        "whole": "complete", "broken": "interrupted", "killed": "stopped", "learned": "interrupted",
    }  # fmt: skip
    for sweep, state in states.items():
        assert f"{sweep}: {state}: " in almkd("status", sweep)


@pytest.mark.parametrize("table", ["comparison", "trials"])
def test_a_table_is_what_it_was(almkd: Almkd, table: str) -> None:
    then = _then(table)
    _hold_same(_exported(almkd, "whole", table), then, list(then.columns))


def test_a_comparison_is_made_again(almkd: Almkd, runs: Path) -> None:
    out = almkd("compare", "whole")
    assert "Does cross_entropy beat fixed_kd on digits" in " ".join(out.split())
    then = _then("comparison")
    made = _table(runs / "whole" / "results" / "comparison.csv")
    _hold_same(made, then, list(then.columns))
    assert (runs / "whole" / "results" / "report.html").exists()


def test_what_was_interrupted_goes_on_and_ends_as_a_whole_one(
    almkd: Almkd, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(runs)
    begun = open_store(places).as_begun(Plan(_spec("broken")))
    assert not begun.spec.search.limits_first
    launched_in_process(begun.spec, places, monkeypatch)
    _hold_whole(almkd, "broken")


def test_what_was_killed_goes_on_by_the_same_command(almkd: Almkd, runs: Path) -> None:
    """With what it had not yet written to its tracking store."""
    assert (runs / "killed" / "mlflow.spool").stat().st_size
    spec = str(KEPT / "killed.yaml")
    done = subprocess.run(
        [*COMMAND, "launch", spec, "--runs-dir", str(runs), "--set", NO_SHORTLIST],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "its searches go on as they began" in " ".join(done.stdout.split())
    assert "killed: complete: " in almkd("status", "killed")
    _hold_whole(almkd, "killed")


def test_rows_that_mean_something_else_are_not_gone_on_with(runs: Path) -> None:
    open_store(Places(runs))  # which records that the directory was moved
    before = _contents(runs)
    with pytest.raises(BadInput) as refused:
        launch(_spec("learned"), Places(runs), Console(quiet=True))
    said = str(refused.value)
    assert said.startswith("learned: almkd 0.1.0+g0042397 trained runs of alm_kd, whose method")
    assert "--fork NAME" in said
    assert _contents(runs) == before


def test_a_fork_takes_over_the_rows_that_mean_the_same_alone(runs: Path) -> None:
    places, spec = Places(runs), _spec("learned", NO_LIMITS, "name=again")
    places.sweep("again").mkdir()
    store, plan = open_store(places), Plan(spec)
    store.open_sweep(plan)
    studies = (str(places.journal("learned")), str(places.journal("again")))
    assert take_over(plan, "learned", store, studies) > 0
    parent = store._find("again")
    found = list(children(store.uri, parent.info.experiment_id, parent.info.run_id))
    assert {run.tags["method"] for run in found} == {"fixed_kd", "cross_entropy"}
    assert {run.tags["taken_over_from"] for run in found} == {"learned"}


def test_a_fork_that_tries_limits_first_takes_over_no_mix(runs: Path) -> None:
    places, spec = Places(runs), _spec("learned", "name=again")
    places.sweep("again").mkdir()
    store, plan = open_store(places), Plan(spec)
    store.open_sweep(plan)
    studies = (str(places.journal("learned")), str(places.journal("again")))
    take_over(plan, "learned", store, studies)
    parent = store._find("again")
    found = children(store.uri, parent.info.experiment_id, parent.info.run_id)
    assert {run.tags["method"] for run in found} == {"cross_entropy"}


@pytest.mark.parametrize(
    ("version", "before"),
    [("0.1.0", True), ("0.1.0+g0042397.dirty", True), ("0.2.0+g1", False), ("0.10.0", False),
     ("1.0", False), ("0", False), ("", False), ("not known", False)],
)  # fmt: skip
def test_a_version_is_of_an_earlier_release_or_not(version: str, before: bool) -> None:
    assert is_before(version, "0.2.0") == before
    assert changed_rows(Plan(_spec("learned")), version) == ({"alm_kd"} if before else set())


def test_a_default_that_is_searched_or_pinned_instead_changes_no_row() -> None:
    searched = {"method": "dist"}
    dropped = {"method": "dist", "label": "pinned", "pin": {"temperature": 2.0}}
    plan = Plan(small_spec({"methods": [searched, {**dropped, "baseline": True}]}))
    assert not changed_rows(plan, "0.1.0")
