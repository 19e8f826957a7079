"""One table over several sweeps of a store, by the commands."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search_spaces.domains import Choice
from sweep import cli
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import confirm_cohort, search_cohort
from tests.sweep.specs import small_spec

KD = {"method": "fixed_kd", "baseline": True}
# Both have the row fixed_kd at 40 %: one cell of the table.
SWEEPS = {
    "first": {"methods": [{"method": "alm_kd"}, KD], "conditions.noise_rate": [0.4]},
    "second": {"methods": [KD, {"method": "labels_only"}], "conditions.noise_rate": [0.2, 0.4]},
    "elsewhere": {"methods": [KD, {"method": "labels_only"}], "seed": 5},
}
GAINS = {"alm_kd": 4.0, "fixed_kd": 0.0, "labels_only": -3.0}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def finished(places: Places) -> Places:
    """Three sweeps of a store: a trial of every search and three confirm runs of every cell."""
    store = open_store(places)
    for name, changes in SWEEPS.items():
        plan = Plan(small_spec({"name": name, **changes}))
        tracker = MlflowTracker(plan, store.open_sweep(plan), places.runs_dir / f"{name}.spool")
        for cell in plan.cells:
            values = {
                name: domain.choices[0] if isinstance(domain, Choice) else domain.low
                for name, domain in cell.space.items()
            }
            search = search_cohort(plan, plan.searches_of(cell)[0], {0: values}, 0)
            confirm = confirm_cohort(plan, plan.searches_of(cell)[0], 0, values, plan.confirm_seeds)
            for task in (search, confirm):
                tracker.open(task)
                for lane in task.lanes:
                    key, seed = lane.key, lane.lane.seed
                    value = 80.0 + GAINS[cell.use.label] + seed / 8
                    tracker.log(1, {key: {"validation_accuracy": value}})
                    best = {"best_epoch": 1, "epochs_trained": 1, "best_validation_accuracy": value}
                    test = {"test_accuracy": value - 1} if task is confirm else {}
                    tracker.close(key, "complete", {**best, **test})
        tracker.flush()
        store.close_sweep(name, "complete")
    return places


@pytest.fixture
def run(
    finished: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command over that store: exit code, standard output and error."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["almkd", *words, "--runs-dir", str(finished.runs_dir)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        told = capsys.readouterr()
        code = stop.value.code
        return int(code or 0), told.out, told.err

    return run


def test_several_sweeps_have_a_table_figures_and_a_report_of_their_own(
    run: Run, finished: Places
) -> None:
    code, out, _ = run("compare", "first", "second")
    assert code == 0
    assert "first+second on digits" in out
    assert "alm_kd" in out
    assert "labels_only" in out
    results = finished.runs_dir / "first+second" / "results"
    with (results / "comparison.csv").open(encoding="utf-8") as file:
        rows = {(row["noise_rate"], row["method"]): row for row in csv.DictReader(file)}
    assert len(rows) == 2 * 3
    assert rows["0.4", "alm_kd"]["delta"] == "4.0"
    assert rows["0.2", "alm_kd"]["n_seeds"] == "0"
    names = {path.name for path in results.iterdir()}
    assert {"comparison.md", "comparison.tex", "differences.svg", "report.html"} <= names
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "one table of 2 sweeps" in page
    assert "almkd compare first second" in page
    assert page.count("name: first\n") == page.count("name: second\n") == 1
    # What the sweeps themselves have is left alone.
    assert not (finished.results("first")).exists()
    parent = open_store(finished).origin("first").parent_id
    assert not list((finished.runs_dir / "artifacts").glob(f"**/{parent}/artifacts/results"))


def test_it_goes_where_it_is_told(run: Run, tmp_path: Path, finished: Places) -> None:
    code, out, _ = run("compare", "second", "first", "--out", str(tmp_path / "both"))
    assert code == 0
    assert (tmp_path / "both" / "report.html").is_file()
    assert f"almkd ui --runs-dir {finished.runs_dir}" in out.replace("\n", " ").replace("  ", " ")
    code, _, err = run("compare", "first", "--out", str(tmp_path / "one"))
    assert code == 2
    assert "--out" in err


def test_sweeps_that_do_not_agree_are_refused(run: Run, finished: Places) -> None:
    for command in (["compare"], ["export"]):
        code, _, err = run(*command, "first", "elsewhere")
        assert code == 2
        assert "seed: 0 in first, 5 in elsewhere" in " ".join(err.split())
    assert not (finished.runs_dir / "first+elsewhere").exists()


def test_exports_are_one_table_or_one_below_the_other(run: Run) -> None:
    def exported(*words: str) -> list[dict[str, str]]:
        code, out, err = run("export", *words)
        assert code == 0, err
        return list(csv.DictReader(io.StringIO(out)))

    together = exported("first", "second")
    assert {row["sweep"] for row in together} == {"first+second"}
    assert len(together) == 6
    apart = exported("--sweep", "first", "--sweep", "second")
    assert [row["sweep"] for row in apart] == ["first"] * 2 + ["second"] * 4
    assert len(exported("first", "--sweep", "second")) == 6
    wide = exported("first", "second", "--wide")
    assert [row["method"] for row in wide] == ["alm_kd", "fixed_kd", "labels_only"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("first", "second", "--table", "trials"), "one table of comparison alone"),
        (("first", "second", "--sweep", "elsewhere"), "name all of them in one way"),
    ],
)
def test_what_cannot_be_one_table_is_refused(run: Run, words: tuple[str, ...], told: str) -> None:
    code, _, err = run("export", *words)
    assert code == 2
    assert told in " ".join(err.split())
