"""An answer to a report may come while the next epoch trains; that changes no number."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

import pytest
import torch

from tests.trainers.cases import Diary, Shape, Trial, lively_trials, make_cohort
from tests.trainers.image_cases import image_cohort
from trainers.classification.data.lanes import Treatment
from trainers.classification.entry import CLASSIFICATION
from trainers.loop.cohort import Cohort, LaneResult, Metrics

EPOCHS = 5


class Later(Future[Sequence[bool]]):
    """An answer that is there once somebody has looked for it so many times, or waits for it."""

    def __init__(self, answer: Sequence[bool], looks: int) -> None:
        super().__init__()
        self._answer, self._looks = answer, looks

    def done(self) -> bool:
        self._looks -= 1
        return self._looks < 0

    def result(self, timeout: float | None = None) -> Sequence[bool]:
        return self._answer


def _finished(cohort: Cohort, diary: Diary, looks: int | None) -> dict[str, LaneResult]:
    def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Sequence[bool] | Later:
        answer = diary(epoch, names, rows)
        return answer if looks is None else Later(answer, looks)

    results = cohort.train(report)
    cohort.test()
    return results


def _assert_same(make: Callable[[], Cohort], last_epochs: dict[str, int], looks: int) -> None:
    expected, prompt = Diary(last_epochs), make()
    found, late = Diary(last_epochs), make()
    straight = _finished(prompt, expected, None)
    delayed = _finished(late, found, looks)
    assert found.rows == expected.rows
    assert late.names == prompt.names
    for name, result in straight.items():
        other = delayed[name]
        assert (other.epochs, other.best_epoch, other.best, other.test) == (
            result.epochs, result.best_epoch, result.best, result.test,
        )  # fmt: skip
        assert all(torch.equal(other.tables[k], t) for k, t in result.tables.items())


@pytest.mark.parametrize("looks", [0, 1, 2, 1000])
@pytest.mark.parametrize(
    "method", [name for name, entry in CLASSIFICATION.methods.items() if entry.stacks]
)
def test_lanes_are_cut_in_the_middle_of_an_epoch_without_a_trace(method: str, looks: int) -> None:
    trials = lively_trials(method, 4)
    last_epochs = {"trial-0": 3, "trial-2": 1, "trial-3": EPOCHS}
    _assert_same(lambda: make_cohort(method, trials, Shape(EPOCHS)), last_epochs, looks)


@pytest.mark.parametrize("looks", [1, 1000])
def test_so_it_is_with_running_statistics_and_changed_inputs(looks: int) -> None:
    trials = [Trial(f"trial-{i}", seed=i, values={"lr": 0.01}) for i in range(3)]
    treatment = Treatment(augment="crop_flip")
    _assert_same(
        lambda: image_cohort(trials, 3, "alm_kd", treatment=treatment), {"trial-1": 1}, looks
    )


@pytest.mark.parametrize("looks", [1, 1000])
def test_all_lanes_may_be_stopped_so(looks: int) -> None:
    trials = lively_trials("alm_kd", 2)
    last_epochs = {"trial-0": 2, "trial-1": 2}
    _assert_same(lambda: make_cohort("alm_kd", trials, Shape(EPOCHS)), last_epochs, looks)


@pytest.mark.parametrize("others_end", [EPOCHS, 3])
def test_what_is_saved_knows_the_answer(others_end: int) -> None:
    trials = lively_trials("labels_only", 3)
    last_epochs = {"trial-0": others_end, "trial-1": 2, "trial-2": others_end}
    diary, cohort = Diary(last_epochs), make_cohort("labels_only", trials, Shape(EPOCHS))
    saved: dict[int, list[str]] = {}

    def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Later:
        return Later(diary(epoch, names, rows), 1000)

    def save() -> None:
        cohort.settle()
        saved[cohort.epoch] = cohort.state()["lanes"] if cohort.names else []

    results = cohort.train(report, save)
    assert saved[1] == ["trial-0", "trial-1", "trial-2"]
    assert saved[2] == ["trial-0", "trial-2"]
    assert saved[3] == (["trial-0", "trial-2"] if others_end > 3 else [])
    assert results["trial-0"].epochs == others_end
