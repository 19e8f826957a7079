"""Best so far over epochs spent."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from sweep.compare.outlook import outlook
from sweep.compare.records import SweepRecord, trials_of
from sweep.compare.spending import best_so_far, resampled_best

Make = Callable[..., SweepRecord]


def search_of(record: SweepRecord) -> pd.DataFrame:
    return trials_of(record, "search", record.conditions[0], "alm_kd")


def test_pruned_and_failed_trials_cost_epochs_and_bring_nothing(record: SweepRecord) -> None:
    # complete, pruned, complete, failed: validation 80, 81, 82, 83
    spent, best = best_so_far(search_of(record), record)
    assert list(spent) == [10, 13, 23, 33]
    assert list(best) == [80, 80, 82, 82]


def test_lower_can_be_better(make_record: Make) -> None:
    record = make_record(direction="minimize")
    assert list(best_so_far(search_of(record), record)[1]) == [80, 80, 80, 80]


def test_nothing_is_known_before_the_first_value(record: SweepRecord) -> None:
    search = search_of(record)
    search = search.assign(trial=[1, 0, 2, 3])
    assert np.isnan(best_so_far(search, record)[1][0])


def test_the_band_is_seeded_ordered_and_within_what_was_seen(record: SweepRecord) -> None:
    search = pd.concat([search_of(record)] * 5).assign(trial=range(20))
    first = resampled_best(search, record, np.random.default_rng(1))
    again = resampled_best(search, record, np.random.default_rng(1))
    budgets, low, high = first
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (low <= high).all()
    assert (np.diff(low) >= 0).all()
    assert low.min() >= 80
    assert high.max() <= 82
    assert budgets.max() == search["epochs_trained"].sum()


def test_no_complete_trial_leaves_no_band(record: SweepRecord) -> None:
    search = search_of(record).assign(state="pruned")
    budgets, low, high = resampled_best(search, record, np.random.default_rng(0))
    assert len(budgets) == len(low) == len(high) == 0


def test_outlook_says_what_could_be_seen(make_record: Make) -> None:
    record = make_record(values=lambda c, m, s: 90.0 + (m == "alm_kd") * (s % 3))
    text = outlook(record, 10)
    assert "3 of 3 comparisons, median standard deviation 0.83" in text
    # 1.25 standard deviations for three comparisons.
    assert "with 10 seeds a true difference of about 1 percentage points is called in 80 %" in text
    more = outlook(record, 40)
    assert "with 40 seeds a true difference of about 0.44" in more
    assert outlook(record, 6) == ""
    assert outlook(make_record(drop=lambda t: t.head(0)), 10) == ""
