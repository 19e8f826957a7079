"""Few calls of teachers, where examples are texts."""

import math

import pytest

from tests.trainers.cases import Diary, Trial
from tests.trainers.text.cases import make_cohort
from trainers.settings import TeacherCalls
from trainers.text.entry import TEXT

FEW = TeacherCalls(0.3, "label")
TRIALS = [
    Trial(f"trial-{i}", 3 + i // 2, 0.4, (("strong", "weak")[i % 2],), {"lr": 0.002 * (i + 1)})
    for i in range(3)
]


@pytest.mark.parametrize(
    "method", [n for n, e in TEXT.methods.items() if e.uses_teacher and not e.changes_inputs]
)
def test_a_lane_is_the_trial_alone_where_teachers_are_asked_about_some(method: str) -> None:
    together = Diary()
    cohort = make_cohort(method, TRIALS, calls=FEW)
    assert cohort.stacks[0].data.learned_places.shape[1] == 13
    cohort.train(together)
    for trial in TRIALS:
        alone = Diary()
        make_cohort(method, [trial], calls=FEW).train(alone)
        assert together.rows[trial.name] == alone.rows[trial.name]
        assert all(math.isfinite(row["train_loss"]) for row in alone.rows[trial.name])


def test_teachers_that_are_asked_at_every_step_cannot_be_asked_about_some() -> None:
    with pytest.raises(ValueError, match=r"inputs are changed, so that teachers are asked at"):
        make_cohort("mixkd", TRIALS, calls=TeacherCalls(0.3))
