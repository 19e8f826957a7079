"""Two metrics that a task sets against each other: the figure, where it is listed, the terminal."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from rich.console import Console

from sweep.compare.comparison import comparison_table
from sweep.compare.curves import Curves
from sweep.compare.figures.against import metric_against_metric
from sweep.compare.figures.style import look, save
from sweep.compare.findings import Findings
from sweep.compare.outputs import Drawing, drawings
from sweep.compare.records import SweepRecord, of_plan
from sweep.compare.tables import against_to_rich
from sweep.plan.plan import Plan
from sweep.spec.reader import read_spec
from tests.sweep.specs import small_spec
from trainers.entries import Metric, TaskEntry
from trainers.registry import TASKS

MakeRecord = Callable[..., SweepRecord]
POPULAR = Metric("recall_20_popular", "of popular items", "percent", "maximize")
LOSS = Metric("loss", "negative log-likelihood", "nats", "minimize")
BOTH = (POPULAR, LOSS)


def _measured(trials: pd.DataFrame) -> pd.DataFrame:
    """With a recall that falls as accuracy rises, and a loss that does so otherwise."""
    accuracy = trials["test_accuracy"]
    return trials.assign(test_recall_20_popular=110 - accuracy, test_loss=(accuracy / 50) ** 2)


@pytest.fixture
def record(make_record: MakeRecord) -> SweepRecord:
    return make_record(others=BOTH, against=BOTH, drop=_measured)


def _listed(record: SweepRecord) -> dict[str, Drawing]:
    origin: Any = type("Origin", (), {"spec": read_spec("digits")})
    no_curves = Curves(pd.DataFrame({"run_id": [], "epoch": []}))
    findings = Findings(record, origin, comparison_table(record, 0), no_curves, pd.DataFrame)
    return {drawing.stem: drawing for drawing in drawings(findings)}


def _printed(record: SweepRecord) -> str:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(against_to_rich(record))
    return console.export_text()


def _points(axes: Axes) -> dict[str, tuple[float, float]]:
    """Where each method stands."""
    return {
        str(line.get_label()): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))  # type: ignore[index, arg-type]
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def _means(record: SweepRecord, rate: float, method: str) -> tuple[float, float]:
    """Of both metrics over the confirm runs of a cell, independently of the tables."""
    runs = record.trials.query("stage == 'confirm' and method == @method and noise_rate == @rate")
    return runs["test_recall_20_popular"].mean(), runs["test_loss"].mean()


def test_each_method_stands_at_both_its_means(record: SweepRecord) -> None:
    figure = metric_against_metric(record, 0)
    assert len(figure.axes) == len(record.conditions)
    for axes, condition in zip(figure.axes, record.conditions, strict=True):
        points = _points(axes)
        assert list(points) == list(record.methods)
        for method, point in points.items():
            np.testing.assert_allclose(point, _means(record, condition.noise_rate, method))
        assert axes.get_title() == f"{100 * condition.noise_rate:g} % noise"


def test_intervals_are_those_of_a_comparison_of_that_metric(record: SweepRecord) -> None:
    tables = [comparison_table(record.looking_at(metric), 0) for metric in BOTH]
    axes = metric_against_metric(record, 0).axes[2]
    for position, method in enumerate(record.methods):
        bars = axes.collections[2 * position : 2 * position + 2]
        ends = [np.array(bar.get_paths()[0].vertices) for bar in bars]
        rows = [t[(t["method"] == method) & (t["noise_rate"] == 0.6)].iloc[0] for t in tables]
        for side, row in enumerate(rows):
            np.testing.assert_allclose(ends[side][:, side], [row["ci95_low"], row["ci95_high"]])
        np.testing.assert_allclose(ends[0][:, 1], rows[1]["test_loss_mean"])
        np.testing.assert_allclose(ends[1][:, 0], rows[0]["test_recall_20_popular_mean"])


def test_methods_look_as_elsewhere_and_lines_cross_at_the_baseline(record: SweepRecord) -> None:
    figure = metric_against_metric(record, 0)
    axes = figure.axes[1]
    drawn = {str(line.get_label()): line for line in axes.get_lines()}
    for position, method in enumerate(record.methods):
        line, expected = drawn[method], look(position)
        assert (line.get_color(), line.get_marker()) == (expected.colour, expected.marker)
    cross = [line for line in axes.get_lines() if str(line.get_label()).startswith("_")]
    at = (cross[0].get_xdata()[0], cross[1].get_ydata()[0])  # type: ignore[index]
    np.testing.assert_allclose(at, _points(axes)["fixed_kd"])
    assert axes.get_xlabel() == "Test recall 20 popular (%)"
    assert axes.get_ylabel() == ""
    assert figure.axes[0].get_ylabel() == "Test loss (nats)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(record.methods)


def test_the_tested_metric_may_be_one_of_the_two(make_record: MakeRecord) -> None:
    accuracy = Metric("accuracy", "share that is right", "percent", "maximize")
    record = make_record(others=(LOSS,), against=(accuracy, LOSS), drop=_measured)
    table = comparison_table(record, 0)
    points = _points(metric_against_metric(record, 0).axes[0])
    for method, (x, _) in points.items():
        rows = table[(table["method"] == method) & (table["noise_rate"] == 0.0)]
        assert x == pytest.approx(rows["test_accuracy_mean"].iloc[0])


def test_a_missing_cell_is_left_out(make_record: MakeRecord, tmp_path: Path) -> None:
    def lacking(trials: pd.DataFrame) -> pd.DataFrame:
        return _measured(
            trials[~((trials["method"] == "fixed_kd") & (trials["noise_rate"] == 0.4))]
        )

    record = make_record(others=BOTH, against=BOTH, drop=lacking)
    figure = metric_against_metric(record, 0)
    assert np.isnan(_points(figure.axes[1])["fixed_kd"]).all()
    assert np.isfinite(_points(figure.axes[1])["alm_kd"]).all()
    assert len(figure.axes[1].get_lines()) == len(record.methods)
    assert [line.split()[-1] for line in _printed(record).splitlines() if "40 %" in line] == ["–"]  # noqa: RUF001
    nothing = make_record(others=BOTH, against=BOTH, drop=lambda t: _measured(t.head(0)))
    assert all(path.exists() for path in save(metric_against_metric(nothing, 0), tmp_path, "none"))


def test_it_is_listed_where_the_task_says_so_and_both_were_measured(
    record: SweepRecord, make_record: MakeRecord
) -> None:
    drawing = _listed(record)["loss_against_recall_20_popular"]
    assert drawing.title == "Test loss against recall 20 popular"
    assert "recall 20 popular higher is better, loss lower is better" in drawing.caption
    assert "cross at fixed_kd" in drawing.caption
    assert drawing.draw().axes[0].get_ylabel() == "Test loss (nats)"
    for other in (
        make_record(others=BOTH, drop=_measured),
        make_record(others=(LOSS,), against=BOTH, drop=_measured),
    ):
        assert not [stem for stem in _listed(other) if "against" in stem]
        assert against_to_rich(other) is None


def test_the_terminal_shows_both_beside_each_other(record: SweepRecord) -> None:
    text = _printed(record)
    assert "loss against recall 20 popular, 8 seeds" in " ".join(text.split())
    assert "nothing is tested here" in text
    assert "Test loss (nats)" in text
    rows = [line.split() for line in text.splitlines() if "_kd" in line]
    assert len(rows) == len(record.conditions) * len(record.methods)
    for row, rate in zip(rows, np.repeat([0.0, 0.4, 0.6], 2), strict=True):
        method, popular, _, _, loss, _, _ = row[-7:]
        expected = _means(record, rate, method)
        assert (float(popular), float(loss)) == pytest.approx(expected, abs=0.006)


def test_the_plan_takes_the_two_metrics_from_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["classification"]
    assert of_plan(Plan(small_spec({})))["against"] is None
    other = replace(task, against=("accuracy", "loss"))
    monkeypatch.setitem(cast(dict[str, TaskEntry], TASKS), "classification", other)
    found = of_plan(Plan(small_spec({})))["against"]
    assert found == (task.metrics["accuracy"], task.metrics["loss"])
