"""Learned weights against the best row without, which validation chooses."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from sweep.compare.against_best import against_best_table, best_without_weights
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

CONDITIONS = tuple(Condition("symmetric", rate, "noisy") for rate in (0.2, 0.6))
METHODS = ("alm_kd", "fixed_kd", "labels_only")
Make = Callable[..., SweepRecord]
# Test and validation means by condition. At 60 % noise the test disagrees with validation.
TEST = {"alm_kd": (92.0, 89.0), "fixed_kd": (91.0, 88.0), "labels_only": (90.0, 85.0)}
VALIDATION = {"alm_kd": (99.0, 99.0), "fixed_kd": (91.0, 84.0), "labels_only": (90.0, 87.0)}


def _record(make_record: Make, **changes: object) -> SweepRecord:
    def with_validation(trials: pd.DataFrame) -> pd.DataFrame:
        confirm = trials["stage"] == "confirm"
        places = {c.noise_rate: number for number, c in enumerate(CONDITIONS)}
        trials.loc[confirm, "validation_accuracy"] = [
            VALIDATION[row["method"]][places[row["noise_rate"]]]
            for row in trials[confirm].to_dict("records")
        ]
        return trials

    fields = {
        "values": lambda condition, method, seed: TEST[method][condition] + 0.1 * seed,
        "methods": METHODS,
        "conditions": CONDITIONS,
        "learns_weights": ("alm_kd",),
        "drop": with_validation,
    } | changes
    return make_record(**fields)


def test_the_reference_is_the_best_by_validation_and_never_one_that_learns(
    make_record: Make,
) -> None:
    record = _record(make_record)
    chosen = [best_without_weights(record, condition) for condition in CONDITIONS]
    assert chosen == ["fixed_kd", "labels_only"]


def test_differences_are_to_the_reference_of_their_condition(make_record: Make) -> None:
    table = against_best_table(_record(make_record), seed=0)
    assert list(table["reference"]) == ["fixed_kd", "labels_only"]
    np.testing.assert_allclose(table["delta"], [1.0, 4.0])
    np.testing.assert_allclose(table["delta_ci95_low"], [1.0, 4.0])
    assert list(table["n_seeds"]) == [8, 8]


def test_a_row_that_lacks_seeds_is_no_reference(make_record: Make) -> None:
    record = _record(make_record)
    gone = (record.trials["method"] == "labels_only") & (record.trials["seed"] == 3)
    confirm = record.trials["stage"] == "confirm"
    short = _record(make_record, drop=lambda _: record.trials[~(gone & confirm)])
    assert best_without_weights(short, CONDITIONS[1]) == "fixed_kd"


def test_lower_is_better_where_the_objective_says_so(make_record: Make) -> None:
    record = _record(make_record, direction="minimize")
    assert best_without_weights(record, CONDITIONS[1]) == "fixed_kd"


def test_without_learned_weights_there_is_nothing_to_show(record: SweepRecord) -> None:
    assert against_best_table(record, seed=0).empty
