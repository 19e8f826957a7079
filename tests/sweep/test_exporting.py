"""Tables to a file: of what was tested, or of another test metric that the runs have."""

import json
import sys
from collections.abc import Callable, Sequence
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from sweep import cli
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.compare.comparison import comparison_columns, comparison_table
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import confirm_cohort
from tests.sweep.specs import small_spec

PLAN = Plan(small_spec({"conditions.noise_rate": [0.4], "compare.metric": "macro_f1"}))
# The validation objective and what is tested differ, and two metrics stand beside.
MEASURED = ("accuracy", "macro_f1", "loss")
Run = Callable[..., tuple[int, str, list[str]]]


def _value(metric: str, method: str, seed: int) -> float:
    """Made up: alm_kd is ahead in all of them."""
    gain = 4.0 if method == "alm_kd" else 0.0
    value = 80.0 + gain + seed / 8
    return {"accuracy": value, "macro_f1": value - 10, "loss": 5 - value / 20}[metric]


@pytest.fixture
def finished(places: Places) -> Places:
    """A store with three confirm runs for each method."""
    store = open_store(places)
    tracker = MlflowTracker(PLAN, store.open_sweep(PLAN), places.runs_dir / "spool")
    for cell in PLAN.cells:
        task = confirm_cohort(PLAN, PLAN.searches_of(cell)[0], 0, {"lr": 0.1}, PLAN.confirm_seeds)
        tracker.open(task)
        for lane in task.lanes:
            label, seed = cell.use.label, lane.lane.seed
            test = {f"test_{name}": _value(name, label, seed) for name in MEASURED}
            best = {"best_epoch": 3, "epochs_trained": 4, "best_validation_accuracy": 81.0}
            tracker.close(lane.key, "complete", {**best, **test})
    tracker.flush()
    return places


@pytest.fixture
def run(
    finished: Places, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Exports the sweep: exit code, standard output, lines of standard error."""

    def run(*words: str) -> tuple[int, str, list[str]]:
        runs_dir = ["--runs-dir", str(finished.runs_dir)]
        monkeypatch.setattr(sys, "argv", ["almkd", "export", "small", *words, *runs_dir])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsysbinary.readouterr()
        return int(stop.value.code or 0), said.out.decode(), said.err.decode().splitlines()

    return run


def _table(run: Run, words: Sequence[str] = ()) -> pd.DataFrame:
    code, out, err = run(*words)
    assert (code, err) == (0, [])
    return pd.read_csv(StringIO(out))


def test_the_record_tests_the_metric_that_the_spec_names(finished: Places) -> None:
    record = open_store(finished, must_exist=True).record("small")
    assert (record.metric, record.objective.name) == ("macro_f1", "accuracy")
    assert (record.test_column, record.validation_column) == (
        "test_macro_f1", "validation_accuracy",
    )  # fmt: skip
    # Of what the task can measure, what the runs hold; in the task's order.
    assert [metric.name for metric in record.others] == ["accuracy", "loss"]


def test_what_was_tested_is_exported_where_no_metric_is_named(run: Run) -> None:
    plain, named = _table(run), _table(run, ["--metric", "macro_f1"])
    assert list(plain.columns) == list(comparison_columns("macro_f1"))
    assert plain.equals(named)
    assert plain["p_value"].notna().sum() == 2
    means = dict(zip(plain["method"], plain["test_macro_f1_mean"], strict=True))
    assert means["alm_kd"] == pytest.approx(74.25)
    assert means["fixed_kd"] == pytest.approx(70.25)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_another_metric_is_compared_without_a_test(run: Run, finished: Places, metric: str) -> None:
    table = _table(run, ["--metric", metric])
    assert list(table.columns) == list(comparison_columns(metric))
    record = open_store(finished, must_exist=True).record("small")
    (looked_at,) = (other for other in record.others if other.name == metric)
    expected = comparison_table(record.looking_at(looked_at), PLAN.spec.seed)
    assert np.allclose(table[f"test_{metric}_mean"], expected[f"test_{metric}_mean"])
    seeds = PLAN.confirm_seeds
    mean = np.mean([_value(metric, "alm_kd", seed) for seed in seeds])
    assert table[f"test_{metric}_mean"][0] == pytest.approx(mean)
    assert table["delta"].notna().sum() == 2
    assert table[["p_value", "p_holm", "called"]].isna().all(axis=None)


def test_a_wide_table_of_another_metric_says_that_it_is_not_tested(run: Run) -> None:
    code, out, err = run("--metric", "loss", "--wide", "--format", "html")
    assert (code, err) == (0, [])
    assert "Test loss (nats)" in out
    assert "Differences to the best are not tested" in out


def test_rows_of_json_hold_the_metric(run: Run) -> None:
    code, out, _ = run("--metric", "loss", "--format", "json")
    assert code == 0
    rows = json.loads(out)
    assert {row["method"] for row in rows} == {"alm_kd", "fixed_kd", "cross_entropy"}
    assert all(row["test_loss_mean"] > 0 and row["p_value"] is None for row in rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metric", "los"], "--metric: 'los' is no test metric of small; did you mean 'loss'?"),
        # One of the task's, but not of these runs.
        (["--metric", "brier_score"], "known: accuracy, loss, macro_f1"),
        (["--metric", "loss", "--table", "trials"], "--metric: trials has every metric"),
        (["--metric", "loss", "--table", "curves"], "--metric: curves has every metric"),
    ],
)
def test_a_metric_that_the_runs_have_not_is_refused(
    run: Run, words: Sequence[str], message: str
) -> None:
    code, out, err = run(*words)
    assert (code, out, len(err)) == (2, "", 1)
    assert message in err[0]


def test_trials_hold_every_metric(run: Run) -> None:
    trials = _table(run, ["--table", "trials"])
    assert {f"test_{name}" for name in MEASURED} <= set(trials.columns)
    assert "validation_accuracy" in trials.columns
    assert trials[trials["method"] == "alm_kd"]["test_loss"].notna().all()
