"""Cohorts of networks with batch normalisation: lanes, best epochs, evaluation, teachers."""

import pytest
import torch

from tests.trainers.cases import Diary, Trial
from tests.trainers.image_cases import image_cohort
from trainers.classification.networks import evaluation
from trainers.classification.networks.evaluation import evaluation_rows, frozen_output
from trainers.loop.teachers import train_teachers

TRIALS = tuple(
    Trial(f"trial-{i}", seed=10 + i, noise_rate=0.4, values={"lr": lr})
    for i, lr in enumerate((0.1, 0.5, 0.02))
)


@pytest.mark.parametrize("method", ["cross_entropy", "alm_kd"])
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
        lane = cohort.names.index(trial.name)
        for name, tensor in alone.model.state_dict().items():
            assert torch.equal(cohort.model.state_dict()[name][lane], tensor[0]), name
        assert expected.test


def test_the_best_epoch_has_its_own_running_statistics() -> None:
    trial = Trial("a", seed=4, noise_rate=0.6, values={"lr": 0.5})
    cohort = image_cohort([trial], epochs=7)
    tested: list[float] = []
    means: list[torch.Tensor] = []

    def watch(*_: object) -> list[bool]:
        tested.append(cohort.evaluate("test")["test_loss"].item())
        means.append(next(cohort.model.buffers()).clone())
        return [True]

    result = cohort.train(watch)["a"]
    cohort.test()
    best = result.best_epoch - 1
    assert best < 6
    assert not torch.equal(means[best], means[-1])
    assert torch.equal(next(cohort.model.buffers()), means[best])
    assert result.test["test_loss"] == tested[best]


def test_evaluation_moves_no_running_statistics_and_goes_back_to_training() -> None:
    cohort = image_cohort(TRIALS[:1])
    before = [b.clone() for b in cohort.model.buffers()]
    frozen_output(cohort.model, cohort.data, "train")
    assert all(torch.equal(a, b) for a, b in zip(before, cohort.model.buffers(), strict=True))
    assert cohort.model.training


def test_evaluation_in_small_batches_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = image_cohort(TRIALS)
    whole = frozen_output(cohort.model, cohort.data, "train")
    monkeypatch.setattr(evaluation, "ELEMENTS", 7 * cohort.model.widest)
    parts = frozen_output(cohort.model, cohort.data, "train")
    assert evaluation_rows(cohort.model, 3, torch.device("cpu")) == 7
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
    model = image_cohort(TRIALS[:1]).model
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
    expected = cohort.model.state_dict()
    assert set(state) == set(expected)
    assert all(torch.equal(tensor, expected[name][1]) for name, tensor in state.items())
