"""The figures of curves, weights, search and differences: what is drawn, and drawn the same."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sweep.compare.comparison import comparison_table
from sweep.compare.curves import Curves, read_curves
from sweep.compare.figures.differences import paired_differences
from sweep.compare.figures.learning import learning_curves
from sweep.compare.figures.over_tasks import metric_over_tasks
from sweep.compare.figures.search import best_over_budget, importance, searched_methods, slices
from sweep.compare.figures.style import look, save
from sweep.compare.figures.weights import weighing_methods, weights_over_training
from sweep.compare.notation import objective_label
from sweep.compare.records import SweepRecord, trials_of

Make = Callable[..., Any]
SHARES = pd.DataFrame(
    [
        ("alm_kd", "40 % noise", "lr", 0.7, 12),
        ("alm_kd", "40 % noise", "tau", 0.3, 12),
        ("alm_kd", "60 % noise", "lr", 1.0, 12),
    ],
    columns=["method", "condition", "hyperparameter", "importance", "n_trials"],
)


@pytest.fixture
def curves(record: SweepRecord, make_histories: Make) -> Curves:
    return read_curves(record, make_histories(record))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for shown in figure.legends for text in shown.get_texts()]


def test_curves_end_where_pruning_cut(record: SweepRecord, curves: Curves) -> None:
    figure = learning_curves(record, curves)
    assert len(figure.axes) == 6
    for axes in figure.axes:
        (cut,) = [line for line in axes.get_lines() if line.get_marker() == "x"]
        assert list(cut.get_xdata()) == [3]
        assert list(cut.get_ydata()) == [83]
    assert "where pruning cut" in legend(figure)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["fixed_kd", "alm_kd"]


def test_what_is_known_at_the_end_of_each_task(record: SweepRecord, curves: Curves) -> None:
    """Of curves over six epochs, tasks of two: the second, the fourth and the sixth."""
    own = replace(record, epochs_of_task=2)
    figure = metric_over_tasks(own, curves)
    assert len(figure.axes) == len(record.conditions)
    (run,) = trials_of(record, "confirm", record.conditions[0], record.methods[0])["run_id"][:1]
    epochs, _ = curves.of(run, record.validation_column)
    ends = [int(epoch) // 2 for epoch in epochs if epoch % 2 == 0]
    lines = figure.axes[0].get_lines()
    assert [str(line.get_label()) for line in lines] == list(record.methods)
    assert all(list(line.get_xdata()) == ends for line in lines)
    assert figure.axes[0].get_ylabel() == objective_label(record)


def test_weights_of_clean_and_corrupted_examples(record: SweepRecord, curves: Curves) -> None:
    assert weighing_methods(record, curves) == ("alm_kd",)
    figure = weights_over_training(record, curves, "alm_kd")
    clean, noisy = figure.axes[0], figure.axes[1]
    drawn = {str(line.get_label()): line for line in noisy.get_lines()}
    assert set(drawn) == {
        "label, clean examples", "label, corrupted examples", "teacher, all examples",
    }  # fmt: skip
    np.testing.assert_allclose(drawn["label, clean examples"].get_ydata()[-1], 1.0)
    assert "label, corrupted examples" not in {str(x.get_label()) for x in clean.get_lines()}
    assert [text.get_text() for text in figure.axes[3].texts] == ["no corrupted labels"]


def test_differences_are_filled_where_called(record: SweepRecord) -> None:
    table = comparison_table(record, 0)
    (axes,) = paired_differences(table, record).axes
    marks = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    called = table[table["baseline"] != ""]["called"]
    shown = [mark.get_markerfacecolor() != "white" for mark in marks]
    assert shown == [bool(c) for c in called]
    deltas = table[table["baseline"] != ""]["delta"]
    np.testing.assert_allclose([mark.get_xdata()[0] for mark in marks], deltas)


def test_slices_span_the_domain_and_ring_the_chosen(record: SweepRecord, curves: Curves) -> None:
    figure = slices(record, curves, "alm_kd")
    assert len(figure.axes) == 6
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_xlim() == (0.01, 1.0)
    assert figure.axes[1].get_xscale() == "linear"
    assert legend(figure) == ["pruned", "complete", "chosen"]


def test_importance_is_drawn_where_it_is_known(record: SweepRecord) -> None:
    (axes,) = importance(record, SHARES).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tau", "lr"]
    assert legend(importance(record, SHARES)) == ["0 % noise", "40 % noise", "60 % noise"]


def test_the_budget_is_drawn_for_what_searched(make_record: Make) -> None:
    record = make_record(spaces={"alm_kd": {}})
    assert searched_methods(record) == ()
    record = make_record()
    figure = best_over_budget(record, 0)
    assert legend(figure) == ["fixed_kd", "alm_kd"]
    line = figure.axes[0].get_lines()[0]
    assert list(line.get_xdata()) == [10, 13, 23, 33]


def test_no_two_looks_agree() -> None:
    looks = [look(position) for position in range(28)]
    assert len({(one.colour, one.line) for one in looks}) == 28
    assert len({(one.marker, one.line) for one in looks[:7]}) == 7


def every_figure(record: SweepRecord, curves: Curves) -> Iterator[Figure]:
    yield learning_curves(record, curves)
    yield paired_differences(comparison_table(record, 0), record)
    yield best_over_budget(record, 0)
    yield importance(record, SHARES)
    for method in record.methods:
        yield slices(record, curves, method)
        yield weights_over_training(record, curves, method)


def test_nothing_finished_still_draws(make_record: Make, make_histories: Make) -> None:
    record = make_record(drop=lambda t: t.head(0))
    for figure in every_figure(record, read_curves(record, make_histories(record))):
        figure.draw_without_rendering()


def test_the_same_sweep_gives_the_same_bytes(
    record: SweepRecord, curves: Curves, tmp_path: Path
) -> None:
    draws = (lambda: learning_curves(record, curves), lambda: best_over_budget(record, 0))
    for number, draw in enumerate(draws):
        first = save(draw(), tmp_path / "first", str(number))
        second = save(draw(), tmp_path / "second", str(number))
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes()
