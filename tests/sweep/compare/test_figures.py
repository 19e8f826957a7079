"""The figure over the noise rate: what is drawn, and that it is drawn the same twice."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.compare.comparison import comparison_table
from sweep.compare.figures.over_noise import Panel, conditions_of, metric_over_noise, panels_of
from sweep.compare.figures.style import Grid, draw_grid, save
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

MakeRecord = Callable[..., SweepRecord]
METHODS = tuple(f"method{number}" for number in range(9))


def draw(record: SweepRecord) -> tuple[Figure, pd.DataFrame]:
    table = comparison_table(record, 0)
    return metric_over_noise(table, record), table


def lines(axes: Axes) -> dict[str, Any]:
    return {str(line.get_label()): line for line in axes.get_lines()}


def test_each_method_is_drawn_at_its_means(record: SweepRecord) -> None:
    figure, table = draw(record)
    (axes,) = figure.axes
    assert list(lines(axes)) == ["fixed_kd", "alm_kd"]
    for method, line in lines(axes).items():
        rows = table[table["method"] == method]
        np.testing.assert_allclose(line.get_ydata(), rows["test_accuracy_mean"])
        np.testing.assert_allclose(line.get_xdata(), 100 * rows["noise_rate"], atol=2.0)


def test_intervals_are_those_of_the_table_and_hide_none(record: SweepRecord) -> None:
    figure, table = draw(record)
    (axes,) = figure.axes
    columns = []
    for method, bars in zip(record.methods, axes.collections, strict=True):
        ends = np.array([path.vertices for path in bars.get_paths()])
        rows = table[table["method"] == method]
        np.testing.assert_allclose(ends[:, 0, 1], rows["ci95_low"])
        np.testing.assert_allclose(ends[:, 1, 1], rows["ci95_high"])
        columns.append(ends[:, 0, 0])
    assert (columns[0] < columns[1]).all()


def test_methods_differ_without_colour(make_record: MakeRecord) -> None:
    record = make_record(methods=METHODS, baselines=METHODS[:1], values=lambda c, m, s: 90.0 + s)
    figure, _ = draw(record)
    drawn = lines(figure.axes[0]).values()
    assert len({(line.get_marker(), line.get_linestyle()) for line in drawn}) == len(METHODS)


def test_axes_say_what_and_in_which_unit(make_record: MakeRecord) -> None:
    figure, _ = draw(make_record(metric="word_error_rate", unit="", direction="minimize"))
    assert figure.axes[0].get_ylabel() == "Test word error rate"
    figure, _ = draw(make_record())
    assert figure.axes[0].get_ylabel() == "Test accuracy (%)"
    assert figure.axes[0].get_xlabel() == "Label noise rate (%)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fixed_kd", "alm_kd"]


def test_a_missing_cell_leaves_a_gap(make_record: MakeRecord) -> None:
    record = make_record(drop=lambda t: t[~((t["method"] == "alm_kd") & (t["noise_rate"] == 0.4))])
    figure, _ = draw(record)
    values = lines(figure.axes[0])["alm_kd"].get_ydata()
    assert list(np.isnan(values)) == [False, True, False]


def test_a_panel_for_each_noise_kind_and_teacher(make_record: MakeRecord) -> None:
    conditions = tuple(
        Condition(kind, rate, labels)
        for labels in ("noisy", "clean")
        for kind in ("symmetric", "pair")
        for rate in (0.2, 0.4)
    )
    record = make_record(conditions=conditions, values=lambda c, m, s: 90.0 + s - c)
    figure, _ = draw(record)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "Symmetric noise, teacher: noisy labels"
    assert titles[3] == "Pair noise, teacher: clean labels"


def test_no_noise_starts_the_line_of_every_kind(make_record: MakeRecord) -> None:
    clean = Condition("none", 0.0, "noisy")
    noisy = tuple(Condition(kind, 0.4, "noisy") for kind in ("symmetric", "pair"))
    record = make_record(conditions=(clean, *noisy), values=lambda c, m, s: 90.0 + s - c)
    assert panels_of(record) == [Panel("symmetric", "noisy"), Panel("pair", "noisy")]
    assert conditions_of(Panel("pair", "noisy"), record) == [clean, noisy[1]]
    alone = make_record(conditions=(clean,), values=lambda c, m, s: 90.0 + s)
    assert panels_of(alone) == [Panel("none", "noisy")]


def test_several_baselines_draw_each_method_once(make_record: MakeRecord) -> None:
    methods = ("fixed_kd", "alm_kd", "cross_entropy")
    figure, _ = draw(make_record(methods=methods, baselines=("fixed_kd", "cross_entropy")))
    assert list(lines(figure.axes[0])) == list(methods)


def test_nothing_finished_still_draws(make_record: MakeRecord, tmp_path: Path) -> None:
    figure, _ = draw(make_record(drop=lambda t: t.head(0)))
    assert all(path.exists() for path in save(figure, tmp_path, "empty"))


def test_the_same_sweep_gives_the_same_bytes(record: SweepRecord, tmp_path: Path) -> None:
    first = save(draw(record)[0], tmp_path / "first", "accuracy")
    second = save(draw(record)[0], tmp_path / "second", "accuracy")
    assert [path.name for path in first] == ["accuracy.svg", "accuracy.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"<dc:date>" not in first[0].read_bytes()


def test_dollars_in_a_name_are_no_formula(make_record: MakeRecord, tmp_path: Path) -> None:
    methods = ("a $\\frac{b$", "$c")
    record = make_record(methods=methods, baselines=methods[:1], values=lambda c, m, s: 90.0 + s)
    figure, _ = draw(record)
    figure.axes[0].set_xticks([0, 1], labels=["$\\nothing$", "d"])
    save(figure, tmp_path, "figure")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    shown = [text for legend in figure.legends for text in legend.get_texts()]
    assert [(text.get_text(), text.get_parse_math()) for text in shown] == [
        (name, False) for name in methods
    ]


def test_powers_beside_an_axis_are_formulas_still(tmp_path: Path) -> None:
    figure = draw_grid(Grid(1, 1), lambda axes: axes[0, 0].set_xscale("log"))
    save(figure, tmp_path, "figure")
    labels = figure.axes[0].get_xticklabels()
    assert all("\\mathdefault" in label.get_text() for label in labels)
    assert all(label.get_parse_math() for label in labels)


def test_drawing_loads_neither_a_display_nor_a_framework() -> None:
    unwanted = {"matplotlib.pyplot", "torch", "ray", "optuna", "mlflow"}
    program = "import sys, sweep.compare.outputs, sweep.compare.export; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert unwanted.isdisjoint(loaded.split())
