"""One real sweep on Ray, looked at from all sides."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from sweep import cli
from sweep.commands.snapshot import IMPATIENT
from sweep.compare.comparison import comparison_columns, comparison_table, trials_table
from sweep.compare.records import trial_columns
from sweep.forecast.forecast import slots_here
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.results import Shown
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import end_to_end_spec, launched, launched_in_process, runs_of

LABELS = ("alm_kd", "fixed_kd", "cross_entropy", "alpha-half")
DESIGN_COLUMNS = (
    "sweep, dataset, noise_kind, noise_rate, teacher_labels, method, is_baseline, n_seeds, "
    "test_accuracy_mean, test_accuracy_std, ci95_low, ci95_high, delta, delta_ci95_low, "
    "delta_ci95_high, p_value, p_holm, prob_better, best_params, n_trials, n_pruned, epochs_trained"
)


@dataclass(frozen=True)
class Finished:
    """A sweep that has run on Ray, and everything it left."""

    spec: SweepSpec
    places: Places
    shown: Shown
    runs: list[Any]
    screen: str

    def children(self, stage: str) -> list[Any]:
        return [run for run in self.runs if run.data.tags["stage"] == stage]


@pytest.fixture(scope="module")
def finished(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    runs = tmp_path_factory.mktemp("runs")
    (runs / "mlflow.db").write_bytes(empty_store.read_bytes())
    spec, places, lines = end_to_end_spec(), Places(runs), runs / "screen.txt"
    shown = launched(spec, places, lines)
    found = runs_of(open_store(places), spec.name)
    return Finished(spec, places, shown, found, lines.read_text(encoding="utf-8"))


def _studies(places: Places, name: str) -> Iterator[optuna.Study]:
    storage = JournalStorage(JournalFileBackend(str(places.journal(name))))
    for summary in storage.get_all_studies():
        yield optuna.load_study(study_name=summary.study_name, storage=storage)


def _without_clock(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials without what a clock or a store made up, teachers in an order of their own."""
    # What trained side by side is a matter of the schedule.
    told = trials.drop(columns=["wall_s", "run_id", "started", "cohort"], errors="ignore")
    by = ["stage", "cell", "noise_rate", "trial", "seed"]
    return told.sort_values(by, ignore_index=True)


def test_comparison_has_a_row_per_cell_and_the_columns_of_the_design(finished: Finished) -> None:
    table = finished.shown.table
    assert list(table.columns) == list(comparison_columns("accuracy"))
    assert set(DESIGN_COLUMNS.split(", ")) <= set(table.columns)
    cells = list(zip(table["noise_rate"], table["method"], strict=True))
    assert cells == [(rate, label) for rate in (0.0, 0.4) for label in LABELS]
    assert set(table["n_seeds"]) == {3}
    assert table["is_baseline"].tolist() == [label == "fixed_kd" for label in LABELS] * 2
    assert table["n_trials"].tolist() == [6] * 8
    assert table["n_failed"].tolist() == [0] * 8


def test_one_parent_holds_every_run_and_all_have_ended_truly(finished: Finished) -> None:
    (parent,) = finished.children("sweep")
    budget = Plan(finished.spec).budget()
    counts = {stage: len(finished.children(stage)) for stage in ("teacher", "search", "confirm")}
    assert counts == {"teacher": budget.teachers, "search": 48, "confirm": 24}
    assert len(finished.runs) == 1 + sum(counts.values())
    for run in finished.runs:
        if run is not parent:
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        state = run.data.tags["state"]
        assert run.info.status == {"complete": "FINISHED", "pruned": "KILLED"}[state]
        assert ("pruned" in run.data.tags) == (state == "pruned")
        assert run.info.end_time >= run.info.start_time
    assert parent.info.status == "FINISHED"


def test_no_more_cohorts_train_at_once_than_there_are_processes(finished: Finished) -> None:
    trials = pd.read_csv(finished.places.results(finished.spec.name) / "trials.csv")
    trials["ended"] = trials["started"] + trials["wall_s"]
    cohorts = trials.dropna(subset=["cohort"]).groupby("cohort")
    begins, ends = cohorts["started"].min(), cohorts["ended"].max()
    at_once = [int(((begins <= begin) & (begin < ends)).sum()) for begin in begins]
    assert 1 <= max(at_once) <= slots_here(finished.spec.resources)


def test_runs_have_the_tags_that_they_are_found_by(finished: Finished) -> None:
    (parent,) = finished.children("sweep")
    for run in finished.children("search"):
        tags = run.data.tags
        assert tags["spec_hash"] == parent.data.tags["spec_hash"]
        assert tags["key"] == f"{tags['cell']}/trial/{tags['trial']}"
        assert tags["cell"] == f"symmetric-{float(tags['noise_rate']):g}-noisy/{tags['method']}"
        assert tags["seed"] == "0"
        assert tags["code_version"]
    seeds = Counter(run.data.tags["seed"] for run in finished.children("confirm"))
    assert seeds == {"1": 8, "2": 8, "3": 8}


def test_studies_hold_the_planned_trials_some_of_them_pruned(finished: Finished) -> None:
    studies = list(_studies(finished.places, finished.spec.name))
    assert len(studies) == 8
    states = [[trial.state for trial in study.get_trials()] for study in studies]
    assert [len(cell) for cell in states] == [6] * 8
    every = Counter(state for cell in states for state in cell)
    assert set(every) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert every[TrialState.PRUNED] == finished.shown.table["n_pruned"].sum() > 0


def test_studies_and_runs_tell_the_same(finished: Finished) -> None:
    runs = {run.data.tags["key"]: run for run in finished.children("search")}
    for study in _studies(finished.places, finished.spec.name):
        cell = study.study_name.removeprefix(f"{finished.spec.name}/")
        for trial in study.get_trials():
            run = runs[f"{cell}/trial/{trial.number}"]
            assert run.data.tags["state"] == trial.state.name.lower()
            assert run.data.metrics["epochs_trained"] == len(trial.intermediate_values)
            for name, value in trial.params.items():
                assert type(value)(run.data.params[name]) == value
            if trial.state == TrialState.COMPLETE:
                assert run.data.metrics["best_validation_accuracy"] == trial.value


def test_every_epoch_is_in_the_curves_and_the_best_one_counts(finished: Finished) -> None:
    client = mlflow.MlflowClient(tracking_uri=open_store(finished.places).uri)
    for run in [*finished.children("confirm")[:4], *finished.children("search")[:8]]:
        history = client.get_metric_history(run.info.run_id, "validation_accuracy")
        steps = [metric.step for metric in sorted(history, key=lambda m: m.step)]
        values = [metric.value for metric in sorted(history, key=lambda m: m.step)]
        assert steps == list(range(1, int(run.data.metrics["epochs_trained"]) + 1))
        if run.data.tags["state"] == "complete":
            assert run.data.metrics["best_validation_accuracy"] == max(values)
            assert run.data.metrics["best_epoch"] == 1 + values.index(max(values))


def test_only_confirm_runs_touch_the_test_split(finished: Finished) -> None:
    for stage in ("teacher", "search"):
        for run in finished.children(stage):
            assert not [name for name in run.data.metrics if name.startswith("test_")]
    for run in finished.children("confirm"):
        assert 0 <= run.data.metrics["test_accuracy"] <= 100


def test_weights_of_alm_kd_are_logged_and_of_no_other_method(finished: Finished) -> None:
    for run in [*finished.children("search"), *finished.children("confirm")]:
        weights = [name for name in run.data.metrics if "lambda" in name]
        assert bool(weights) == (run.data.tags["method"] == "alm_kd")


def test_comparison_equals_a_recomputation_from_the_runs(finished: Finished) -> None:
    scores: dict[tuple[float, str], dict[int, float]] = {}
    for run in finished.children("confirm"):
        tags = run.data.tags
        cell = scores.setdefault((float(tags["noise_rate"]), tags["method"]), {})
        cell[int(tags["seed"])] = run.data.metrics["test_accuracy"]
    for row in finished.shown.table.to_dict("records"):
        rate, method = row["noise_rate"], row["method"]
        values = scores[rate, method]
        assert sorted(values) == [1, 2, 3]
        assert row["test_accuracy_mean"] == pytest.approx(mean(values.values()))
        assert row["test_accuracy_std"] == pytest.approx(stdev(values.values()))
        if row["is_baseline"]:
            assert np.isnan(row["delta"])
            continue
        differences = [values[seed] - scores[rate, "fixed_kd"][seed] for seed in values]
        assert row["delta"] == pytest.approx(mean(differences))
        assert row["p_value"] >= 0.25  # the least that three seeds can reach
        epochs = [
            run.data.metrics["epochs_trained"]
            for run in [*finished.children("search"), *finished.children("confirm")]
            if (float(run.data.tags["noise_rate"]), run.data.tags["method"]) == (rate, method)
        ]
        assert row["epochs_trained"] == sum(epochs)


def test_confirmed_is_the_best_trial_of_the_study(finished: Finished) -> None:
    table = finished.shown.table.set_index(["noise_rate", "method"])
    for study in _studies(finished.places, finished.spec.name):
        condition, label = study.study_name.removeprefix(f"{finished.spec.name}/").split("/")
        best = json.loads(table.loc[(float(condition.split("-")[1]), label), "best_params"])
        assert study.best_params.items() <= best.items()


def test_fixed_alpha_has_rows_of_its_own_with_its_pins(finished: Finished) -> None:
    table = finished.shown.table
    rows = table[table["method"] == "alpha-half"]
    assert len(rows) == 2
    for params in rows["best_params"].map(json.loads):
        assert (params["alpha"], params["lr"]) == (0.5, 0.1)


def test_tables_are_read_back_from_the_store_alone(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = open_store(finished.places).uri
    tables = {}
    for table in ("comparison", "trials"):
        words = ["almkd", "export", "tiny", "--table", table, "--tracking-uri", uri]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        tables[table] = pd.read_csv(StringIO(capsys.readouterr().out))
    assert len(tables["comparison"]) == 8
    assert set(trial_columns("accuracy", "accuracy")) <= set(tables["trials"].columns)
    assert Counter(tables["trials"]["stage"]) == {"teacher": 8, "search": 48, "confirm": 24}
    means = finished.shown.table["test_accuracy_mean"]
    assert tables["comparison"]["test_accuracy_mean"].tolist() == means.tolist()


@pytest.mark.parametrize("command", ["status", "watch", "list"])
def test_its_end_is_told_from_the_store_alone(
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
    sweep = [] if command == "list" else ["tiny"]
    uri = open_store(finished.places).uri
    monkeypatch.setattr("sys.argv", ["almkd", command, *sweep, "--tracking-uri", uri])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    said = capsys.readouterr().out
    if command == "list":
        assert said.splitlines()[1].split()[:2] == ["tiny", "complete"]
        return
    assert "complete: teachers 8/8, search 48/48, confirm 24/24" in said
    if command == "status":
        table = finished.shown.table
        asked = {row.split()[0]: row.split()[1] for row in said.splitlines()[2:]}
        assert len(asked) == len(table)
        assert set(asked.values()) == {"6/6"}


def test_parent_run_carries_spec_environment_tables_figure_and_report(finished: Finished) -> None:
    (parent,) = finished.children("sweep")
    client = mlflow.MlflowClient(tracking_uri=open_store(finished.places).uri)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"spec.yaml", "environment.json", "results"} <= files
    results = {Path(f.path).name for f in client.list_artifacts(parent.info.run_id, "results")}
    assert {"comparison.csv", "trials.csv", "report.html"} <= results
    assert any(name.endswith(".svg") for name in results)


def test_screen_tells_how_far_it_came(finished: Finished) -> None:
    assert "teachers 8/8, search 48/48, confirm 24/24" in finished.screen
    assert "Traceback" not in finished.screen


def test_profile_says_where_all_the_time_went(finished: Finished) -> None:
    told = json.loads(finished.places.profile("tiny").read_text(encoding="utf-8"))
    stages = {"teacher/", *(f"{s}/{m}" for s in ("search", "confirm") for m in LABELS)}
    assert set(told["cohorts"]) == stages
    assert all(seconds["training"] > 0 for seconds in told["cohorts"].values())
    had = told["processes"] * told["training_s"]
    assert sum(told["in_processes_s"].values()) == pytest.approx(had)
    assert told["writer_s"] > 0
    assert "where the time went" in finished.screen


def test_launching_again_trains_nothing_and_shows_the_same_table(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something is trained again")

    monkeypatch.setattr("sweep.adapters.ray.tune.train_everything", refuse)
    journal = finished.places.journal("tiny").read_bytes()
    comparison = (finished.shown.directory / "comparison.csv").read_bytes()
    again = launched(finished.spec, finished.places)
    pd.testing.assert_frame_equal(again.table, finished.shown.table)
    assert (again.directory / "comparison.csv").read_bytes() == comparison
    assert finished.places.journal("tiny").read_bytes() == journal
    after = runs_of(open_store(finished.places), "tiny")
    assert {(run.info.run_id, run.info.end_time, run.info.status) for run in after} == {
        (run.info.run_id, run.info.end_time, run.info.status) for run in finished.runs
    }


def test_same_spec_gives_the_same_tables_however_it_is_scheduled(
    finished: Finished, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = launched_in_process(finished.spec, places, monkeypatch)
    table = comparison_table(alone, finished.spec.seed)
    pd.testing.assert_frame_equal(table, finished.shown.table)
    pd.testing.assert_frame_equal(
        _without_clock(trials_table(alone)),
        _without_clock(trials_table(finished.shown.record)),
    )
