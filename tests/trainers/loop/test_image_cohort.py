"""Cohorts of networks with batch normalisation: lanes, best epochs, evaluation, teachers."""

import pytest
import torch

from tests.trainers.cases import Diary, Trial, only, weights
from tests.trainers.image_cases import TEACHER, image_cohort
from trainers import evaluation
from trainers.evaluation import evaluation_rows, frozen_output
from trainers.loop.teachers import train_teachers

TRIALS = tuple(
    Trial(f"trial-{i}", seed=10 + i, noise_rate=0.4, values={"lr": lr})
    for i, lr in enumerate((0.1, 0.5, 0.02))
)


def test_lanes_train_in_turn_where_stacking_does_not_pay() -> None:
    cohort = image_cohort(TRIALS)
    assert [stack.names for stack in cohort.stacks] == [[t.name] for t in TRIALS]
    stacked = image_cohort(TRIALS, model=TEACHER)
    assert [stack.names for stack in stacked.stacks] == [[t.name for t in TRIALS]]


@pytest.mark.parametrize("method", ["labels_only", "alm_kd"])
def test_a_lane_is_the_trial_alone_though_others_leave(method: str) -> None:
    together = Diary({"trial-0": 1})
    cohort = image_cohort(TRIALS, method=method)
    cohort.train(together)
    cohort.test()
    for trial in TRIALS[1:]:
        diary, alone = Diary(), image_cohort([trial], method=method)
        expected = alone.train(diary)[trial.name]
        alone.test()
        assert together.rows[trial.name] == diary.rows[trial.name]
        found, its_own = weights(cohort, trial.name), weights(alone, trial.name)
        assert list(found) == list(its_own)
        for name, tensor in its_own.items():
            assert torch.equal(found[name], tensor), name
        assert expected.test


def test_the_best_epoch_has_its_own_running_statistics() -> None:
    trial = Trial("a", seed=4, noise_rate=0.6, values={"lr": 0.5})
    cohort = image_cohort([trial], epochs=7)
    tested: list[float] = []
    means: list[torch.Tensor] = []

    def watch(*_: object) -> list[bool]:
        tested.append(only(cohort).evaluate("test", ())["test_loss"].item())
        means.append(next(only(cohort).model.buffers()).clone())
        return [True]

    result = cohort.train(watch)["a"]
    cohort.test()
    best = result.best_epoch - 1
    assert best < 6
    assert not torch.equal(means[best], means[-1])
    assert torch.equal(next(only(cohort).model.buffers()), means[best])
    assert result.test["test_loss"] == tested[best]


def test_evaluation_moves_no_running_statistics_and_goes_back_to_training() -> None:
    cohort = image_cohort(TRIALS[:1])
    before = [b.clone() for b in only(cohort).model.buffers()]
    frozen_output(only(cohort).model, only(cohort).data, "train")
    assert all(torch.equal(a, b) for a, b in zip(before, only(cohort).model.buffers(), strict=True))
    assert only(cohort).model.training


def test_evaluation_in_small_batches_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = image_cohort(TRIALS).stacks
    whole = [frozen_output(stack.model, stack.data, "train") for stack in stacks]
    monkeypatch.setattr(evaluation, "ELEMENTS", 7 * stacks[0].model.widest)
    parts = [frozen_output(stack.model, stack.data, "train") for stack in stacks]
    assert evaluation_rows(stacks[0].model, 3, torch.device("cpu")) == 7
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize(
    ("widest", "lanes", "device", "rows"),
    [
        (64, 8, "cpu", 2048),
        (16 * 32 * 32, 1, "cpu", 256),
        (16 * 32 * 32, 500, "cpu", 256),
        (16 * 32 * 32, 500, "cuda", 32),
        (2**23, 1, "cpu", 1),
        (2**20, 1000, "cuda", 1),
    ],
)
def test_rows_of_an_evaluation_are_bounded_by_the_widest_layer(
    widest: int, lanes: int, device: str, rows: int
) -> None:
    """On a CPU whatever the number of lanes, so that a lane's batches are those it has alone."""
    model = only(image_cohort(TRIALS[:1])).model
    model.widest = widest
    assert evaluation_rows(model, lanes, torch.device(device)) == rows


def test_a_cohort_whose_lanes_all_stop_ends() -> None:
    cohort = image_cohort(TRIALS)
    cohort.train(Diary({t.name: 2 for t in TRIALS}))
    cohort.test()
    assert cohort.names == ()


def test_teachers_keep_their_running_statistics() -> None:
    cohort = image_cohort(TRIALS[:2])
    _, teachers = train_teachers(cohort, Diary())
    state = teachers["trial-1"].parameters
    expected = weights(cohort, "trial-1")
    assert set(state) == set(expected) == set(cohort.stacks[1].model.state_dict())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())
