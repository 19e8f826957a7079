"""A sweep that lowers a loss, evaluates every third epoch, and tests another metric."""

import numpy as np
import pandas as pd
import pytest

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.curves import curves_pages
from sweep.compare.exploratory import exploratory_table
from sweep.compare.records import SweepRecord
from sweep.places import Places, open_store
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import small_spec

EVALUATED = [3, 6, 7]


@pytest.fixture
def record(places: Places, monkeypatch: pytest.MonkeyPatch) -> SweepRecord:
    spec = small_spec(
        {
            "conditions.noise_rate": [0.4],
            "objective": {"metric": "loss"},
            "compare": {"metric": "macro_f1"},
            "student.training": {"epochs": 7, "batch_size": 64, "evaluate_every": 3},
            "search.trials": 9,
        }
    )
    return launched_in_process(spec, places, monkeypatch)


def test_it_searches_prunes_selects_and_compares(record: SweepRecord, places: Places) -> None:
    trials = record.trials
    search = trials[trials["stage"] == "search"]
    pruned = search[search["state"] == "pruned"]
    # Nothing is judged where nothing was evaluated.
    assert len(pruned)
    assert set(pruned["epochs_trained"]) <= set(EVALUATED[:-1])
    assert set(search[search["state"] == "complete"]["epochs_trained"]) == {EVALUATED[-1]}
    assert set(trials[trials["state"] == "complete"]["best_epoch"]) - {1, 2, 3} <= {6, 7}
    _assert_curves(record, places)
    table = comparison_table(record, 0)
    assert table["test_macro_f1_mean"].between(0, 100).all()
    others = " ".join(exploratory_table(record, 0)["metric"])
    for name in ("accuracy, % (higher is better)", "loss, nats (lower is better)", "brier"):
        assert name in others
    assert "macro" not in others
    _assert_best_is_lowest(record)
    assert "macro f1" in " ".join(answer(table, record)).lower()


def _assert_curves(record: SweepRecord, places: Places) -> None:
    curves = pd.concat(list(curves_pages(record, open_store(places).histories())))
    students = curves[curves["stage"] == "search"]
    assert set(students.dropna(subset="validation_loss")["epoch"]) == set(EVALUATED)
    assert set(students.dropna(subset="train_loss")["epoch"]) == set(range(1, 8))


def _assert_best_is_lowest(record: SweepRecord) -> None:
    """What is confirmed is the trial with the lowest validation loss."""
    trials = record.trials
    for method in record.methods:
        own = trials[trials["method"] == method]
        search = own[(own["stage"] == "search") & (own["state"] == "complete")]
        best = search.loc[search["validation_loss"].idxmin(), "params"]
        confirmed = own[own["stage"] == "confirm"]["params"]
        assert len(confirmed)
        assert np.all(confirmed == best)
