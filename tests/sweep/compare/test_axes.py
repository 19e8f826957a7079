"""Comparisons whose conditions differ on axes: columns, headings, figures, what counts once."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.compare import statistics
from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table, trials_table
from sweep.compare.curves import Curves
from sweep.compare.export import Source, Where, write_long, write_wide
from sweep.compare.fairness import fairness_table
from sweep.compare.figures.over_axis import edges_of, map_of_differences, metric_over_axis
from sweep.compare.figures.over_noise import metric_over_noise
from sweep.compare.findings import Findings
from sweep.compare.formats import latex_text
from sweep.compare.notation import condition_text, condition_title
from sweep.compare.outputs import drawings
from sweep.compare.paper import (
    paper_table,
    side_by_side,
    wide_html,
    wide_latex,
    wide_markdown,
)
from sweep.compare.questions import comparison_count
from sweep.compare.records import SweepRecord
from sweep.compare.tables import rows_of, to_rich
from sweep.plan.plan import Condition
from sweep.spec.axes import AxisValue
from tests.sweep.compare.nothing_kept import NOTHING_KEPT

Make = Callable[..., SweepRecord]
METHODS = ("fixed_kd", "alm_kd", "labels_only")
NO_CURVES = Curves(pd.DataFrame({"run_id": [], "epoch": []}))
GAINS = {"fixed_kd": 0.0, "alm_kd": 3.0, "labels_only": -4.0}


def clean(share: float) -> AxisValue:
    return AxisValue("clean", f"{share:g}", f"{share:g}", share, {"data.clean": share})


def pair(label: str) -> AxisValue:
    return AxisValue("pair", label, label.replace(" → ", "-"), None, {"student.model": label})


def values(condition: int, method: str, seed: int) -> float:
    noise = np.random.default_rng([condition, seed, *method.encode()]).normal(0.0, 0.2)
    return float(90.0 - condition + GAINS[method] + noise)


def conditions_of(rates: tuple[float, ...]) -> tuple[Condition, ...]:
    return tuple(
        Condition("symmetric", rate, "noisy", (share, names))
        for share in (clean(0.02), clean(0.1))
        for names in (pair("A → B"), pair("C → D"))
        for rate in rates
    )


def make(make_record: Make, rates: tuple[float, ...] = (0.4,), **changes: Any) -> SweepRecord:
    """labels_only reads neither axis: one cell for each noise rate."""
    conditions = conditions_of(rates)
    cells = {
        (condition, "labels_only"): f"symmetric-{condition.noise_rate:g}-noisy/labels_only"
        for condition in conditions
    }

    def once(trials: pd.DataFrame) -> pd.DataFrame:
        alone = trials["method"] == "labels_only"
        cell = "symmetric-" + trials["noise_rate"].map("{:g}".format) + "-noisy/labels_only"
        told = trials.assign(cell=trials["cell"].where(~alone, cell), clean=np.nan, pair=None)
        twice = told[alone].duplicated(["cell", "stage", "trial", "seed"])
        return told.drop(index=twice[twice].index)

    fields: dict[str, Any] = {
        "methods": METHODS,
        "baselines": METHODS[:1],
        "conditions": conditions,
        "axes": ("clean", "pair"),
        "cells": cells,
        "confirm_seeds": tuple(range(12)),
        "values": values,
        "drop": once,
    } | changes
    return make_record(**fields)


@pytest.fixture
def record(make_record: Make) -> SweepRecord:
    return make(make_record)


def test_axes_are_columns_and_tell_conditions_apart(record: SweepRecord) -> None:
    table = comparison_table(record, 0)
    assert list(table.columns[3:7]) == ["noise_rate", "teacher_labels", "clean", "pair"]
    assert len(table) == 4 * 3
    for condition in record.conditions:
        rows = rows_of(table, condition)
        assert list(rows["method"]) == list(METHODS)
        assert set(rows["clean"]) == {condition.varied[0].number}
        assert set(rows["pair"]) == {condition.varied[1].label}
    assert {"clean", "pair"} <= set(trials_table(record).columns)
    assert {"clean", "pair"} <= set(fairness_table(record).columns)


def test_a_cell_that_is_shown_in_several_conditions_is_the_same_in_each(
    record: SweepRecord,
) -> None:
    table = comparison_table(record, 0)
    same = table[table["method"] == "labels_only"]
    for column in ("test_accuracy_mean", "ci95_low", "ci95_high", "n_trials", "n_seeds"):
        assert same[column].nunique() == 1
    assert len(fairness_table(record)) == 4 * 2 + 1


def test_two_cells_that_are_compared_in_several_conditions_are_compared_once(
    make_record: Make,
) -> None:
    # Neither reads the axis: four conditions, one comparison of the two.
    def one(trials: pd.DataFrame) -> pd.DataFrame:
        told = trials.assign(cell="all/" + trials["method"], clean=np.nan, pair=None)
        return told.drop_duplicates(["cell", "stage", "trial", "seed"])

    conditions = conditions_of((0.4,))
    cells = {(c, m): f"all/{m}" for c in conditions for m in METHODS}
    shared = make(make_record, cells=cells, drop=one)
    table = comparison_table(shared, 0)
    assert comparison_count(shared) == 2
    p = table.groupby("method")["p_value"].first()[["alm_kd", "labels_only"]].to_numpy()
    for method, adjusted in zip(("alm_kd", "labels_only"), statistics.holm(p), strict=True):
        assert set(table[table["method"] == method]["p_holm"]) == {adjusted}
    assert "over 2 comparisons" not in " ".join(answer(table, shared))


def test_conditions_are_named_by_what_sets_them_apart(make_record: Make) -> None:
    alone = make(make_record)
    assert [condition_title(c, alone.conditions) for c in alone.conditions][:2] == [
        "clean 0.02, A → B",
        "clean 0.02, C → D",
    ]
    assert "under 40 % symmetric noise?" in answer(comparison_table(alone, 0), alone)[0]
    both = make(make_record, rates=(0.2, 0.4))
    assert condition_title(both.conditions[1], both.conditions) == "clean 0.02, A → B, 40 % noise"
    assert condition_text(both.conditions[1], both) == "40 % noise, clean 0.02, A → B"
    assert "under symmetric noise?" in answer(comparison_table(both, 0), both)[0]


def test_wide_tables_have_a_level_of_headings_for_each_axis(record: SweepRecord) -> None:
    table = comparison_table(record, 0)
    wide = paper_table(record, table, 0)
    latex = wide_latex(wide, "std").splitlines()
    assert latex[4] == r" & \multicolumn{2}{c}{clean 0.02} & \multicolumn{2}{c}{clean 0.1} \\"
    assert latex[5] == r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}"
    assert latex[6].startswith(r"method & A $\rightarrow$ B & C $\rightarrow$ D & A $")
    assert latex[7] == r"\midrule"
    html = wide_html(wide, "std")
    assert '<th scope="col" rowspan="2">method</th>' in html
    assert '<th scope="colgroup" colspan="2">clean 0.02</th>' in html
    assert html.count("A → B") == 2
    head = wide_markdown(wide, "std").splitlines()[0]
    assert [part.strip() for part in head.split("|")[2:-1]] == [
        condition_title(c, record.conditions) for c in record.conditions
    ]


def test_several_noise_rates_are_the_last_level(make_record: Make) -> None:
    record = make(make_record, rates=(0.2, 0.4))
    latex = wide_latex(paper_table(record, comparison_table(record, 0), 0), "std").splitlines()
    assert latex[4].count(r"\multicolumn{4}") == 2
    assert latex[6].count(r"\multicolumn{2}") == 4
    assert latex[8].count(r"20 \% noise") == 4


def test_the_terminal_shows_axes_as_columns(record: SweepRecord) -> None:
    view = to_rich(comparison_table(record, 0), record)
    assert [str(column.header) for column in view.columns][:3] == ["clean", "pair", "noise"]


def test_numbers_have_figures_of_their_own(make_record: Make) -> None:
    record = make(make_record, rates=(0.2, 0.4))
    table = comparison_table(record, 0)
    edges = edges_of(record)
    assert [edge.name for edge in edges] == ["noise_rate", "clean"]
    figure = metric_over_axis(table, record, edges[1])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["A → B, 20 % noise", "A → B, 40 % noise",
                      "C → D, 20 % noise", "C → D, 40 % noise"]  # fmt: skip
    line = next(x for x in figure.axes[0].get_lines() if x.get_label() == "alm_kd")
    means = [
        rows_of(table, c).set_index("method").loc["alm_kd", "test_accuracy_mean"]
        for c in record.conditions
        if (c.varied[1].label, c.noise_rate) == ("A → B", 0.2)
    ]
    np.testing.assert_allclose(line.get_ydata(), means)
    over_noise = metric_over_noise(table, record)
    assert len(over_noise.axes) == 4
    assert over_noise.axes[0].get_title() == "Symmetric noise, clean 0.02, A → B"


def test_a_map_frames_what_is_called(make_record: Make) -> None:
    record = make(make_record, rates=(0.2, 0.4))
    table = comparison_table(record, 0)
    x, y = edges_of(record)
    figure = map_of_differences(table, record, (x, y))
    assert len(figure.axes) == 2 * 2
    for axes in figure.axes:
        setting, named = axes.get_title().split("\n")
        method = named.split(" ")[0]
        rows = table[(table["method"] == method) & (table["pair"] == setting)]
        assert len(axes.texts) == len(rows) == 4
        assert len(axes.patches) == int((rows["called"] != "").sum())
        # By place: the noise rate to the right, the share of clean labels upwards.
        for text in axes.texts:
            column, row = (int(place) for place in text.get_position())
            here = rows[
                (rows["noise_rate"] == (0.2, 0.4)[column]) & (rows["clean"] == (0.02, 0.1)[row])
            ]
            shown = float(text.get_text())
            assert shown == pytest.approx(here["delta"].iloc[0], abs=0.06)


def test_a_sweep_has_the_figures_that_its_numbers_allow(make_record: Make) -> None:
    def stems(record: SweepRecord) -> list[str]:
        table = comparison_table(record, 0)
        findings = Findings(record, None, table, NO_CURVES, pd.DataFrame)  # type: ignore[arg-type]
        found = []
        for drawing in drawings(findings):
            if drawing.stem == "differences":
                break
            found.append(drawing.stem)
        return found

    noise_and_clean = make(make_record, rates=(0.2, 0.4))
    assert stems(noise_and_clean) == [
        "accuracy_over_noise", "accuracy_over_clean", "map_of_differences",
    ]  # fmt: skip
    assert stems(make(make_record)) == ["accuracy_over_clean"]
    assert stems(make_record()) == ["accuracy_over_noise"]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ((Where("clean", "0.1"),), 6),
        ((Where("clean", "0.10"), Where("pair", "A → B")), 3),
        ((Where("noise_rate", "0.2"),), 0),
    ],
)
def test_exports_are_narrowed_by_axes(
    record: SweepRecord, where: tuple[Where, ...], rows: int
) -> None:
    source = Source(record, 0, None, NOTHING_KEPT)  # type: ignore[arg-type]
    out = io.BytesIO()
    assert write_long([source], "comparison", "csv", out, where) == rows


def test_runs_that_read_no_axis_are_in_every_value_of_it(record: SweepRecord) -> None:
    source = Source(record, 0, None, NOTHING_KEPT)  # type: ignore[arg-type]
    out = io.BytesIO()
    write_long([source], "trials", "csv", out, (Where("clean", "0.1"),))
    told = pd.read_csv(io.BytesIO(out.getvalue()))
    assert set(told[told["method"] == "labels_only"]["stage"]) == {"search", "confirm"}


def test_wide_exports_keep_the_columns_that_were_asked_for(record: SweepRecord) -> None:
    source = Source(record, 0, None, NOTHING_KEPT)  # type: ignore[arg-type]
    out = io.BytesIO()
    write_wide([source], "markdown", "std", out, (Where("clean", "0.1"),))
    head = out.getvalue().decode().splitlines()[0]
    assert [part.strip() for part in head.split("|")[2:-1]] == ["A → B", "C → D"]


def test_clean_labels_stand_in_the_tables_and_in_a_sentence(make_record: Make) -> None:
    told = {f"symmetric-0.4-noisy-clean-{share}-pair-{pair}/alm_kd": f"{n} held out"
            for share, n in (("0.02", 35), ("0.1", 179)) for pair in ("A-B", "C-D")}  # fmt: skip
    told |= {"symmetric-0.4-noisy/labels_only": "none"}
    record = make(make_record, clean=told)
    table = comparison_table(record, 0)
    assert list(table["clean_labels"][:3]) == ["", "35 held out", "none"]
    assert "clean_labels" in fairness_table(record)
    line = answer(table, record)[-1]
    assert line == "Clean labels: alm_kd 35 to 179 held out; labels_only none."
    wide = paper_table(record, table, 0)
    assert f"{line}\n" in wide_markdown(wide, "std")
    assert wide_latex(wide, "std").splitlines()[1].endswith(latex_text(line))
    assert f"{line}</caption>" in wide_html(wide, "std")
    both = wide_markdown(side_by_side([wide, wide]), "std")
    assert "Clean labels in digits-noise: alm_kd 35 to 179" in both
