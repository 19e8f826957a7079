"""Every method of texts: it trains, alone as among others, and goes on where it was broken off."""

import math

import pytest

from tests.contracts.test_checkpoints import EPOCHS, assert_goes_on
from tests.trainers.cases import Diary
from tests.trainers.text.cases import TextTrial, make_cohort
from trainers.entries import TEACHERS
from trainers.method import Method
from trainers.text.entry import TEXT

EVERY = pytest.mark.parametrize("method", TEXT.methods)
# Values under which a method does within a few epochs all that it ever does.
LIVELY = {
    "alm_kd": {"warmup_epochs": 1, "update_every": 1},
    "fine_tuning": {"fine_tune_epochs": 1},
    "bikd": {"held_out_batches": 1},
}


def _trials(method: str, count: int = 3) -> list[TextTrial]:
    return [
        TextTrial(
            f"trial-{i}", 3 + i // 2, {"lr": 0.002 * (i + 1), **LIVELY.get(method, {})},
            teacher=("one", "two")[i % 2],
        )
        for i in range(count)
    ]  # fmt: skip


@EVERY
def test_a_lane_is_the_trial_alone(method: str) -> None:
    trials, together = _trials(method), Diary()
    cohort = make_cohort(method, trials)
    cohort.train(together)
    cohort.test()
    for trial in trials:
        alone = Diary()
        make_cohort(method, [trial]).train(alone)
        assert together.rows[trial.name] == alone.rows[trial.name]
    for rows in together.rows.values():
        assert all(math.isfinite(value) for row in rows for value in row.values())


@EVERY
@pytest.mark.parametrize("last_epochs", [{}, {"trial-1": 2}], ids=["whole", "after-pruning"])
def test_it_goes_on_where_it_was_broken_off(method: str, last_epochs: dict[str, int]) -> None:
    trials = _trials(method)
    assert_goes_on(lambda: make_cohort(method, trials, epochs=EPOCHS), last_epochs)


@EVERY
def test_row_loads_a_method_and_says_what_it_is(method: str) -> None:
    entry = TEXT.methods[method]
    assert issubclass(entry.load(), Method)
    assert entry.summary
    assert entry.source
    assert entry.teachers in TEACHERS
    assert entry.hyperparameter("lr").default == 3e-3
