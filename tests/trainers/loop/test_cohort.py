from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.trainers.cases import Diary, Shape, Trial, lively_trials, make_cohort, only
from trainers.classes.lanes import LOGITS
from trainers.classification.data.lanes import LaneData
from trainers.evaluation import frozen_output
from trainers.loop.cohort import Cohort
from trainers.loop.teachers import train_teachers
from trainers.settings import Training


def test_cosine_schedule_starts_at_one_and_falls() -> None:
    training = Training(4, 8, momentum=0.9, nesterov=True, schedule="cosine")
    factors = [training.lr_factor(epoch) for epoch in range(1, 5)]
    assert factors == pytest.approx([1.0, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5])


def test_steps_fall_after_each_milestone() -> None:
    training = Training(6, 8, 0.9, True, "steps", milestones=(2, 4), factor=0.1)
    factors = [training.lr_factor(epoch) for epoch in range(1, 7)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_steps_are_torchs_multi_step_schedule() -> None:
    sgd = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.MultiStepLR(sgd, [3, 5], gamma=0.3)
    ours = Training(8, 8, 0.9, True, "steps", milestones=(3, 5), factor=0.3)
    for epoch in range(1, 9):
        assert ours.lr_factor(epoch) == pytest.approx(theirs.get_last_lr()[0])
        sgd.step()
        theirs.step()


def test_a_constant_rate_stays() -> None:
    training = Training(4, 8, momentum=0.9, nesterov=True, schedule="constant")
    assert {training.lr_factor(epoch) for epoch in range(1, 5)} == {1.0}


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_best_epoch_is_the_first_with_the_best_validation_metric(metric: str) -> None:
    trials, diary = lively_trials("labels_only", 3), Diary()
    results = make_cohort("labels_only", trials, Shape(epochs=6, metric=metric)).train(diary)
    for name, result in results.items():
        values = [row[f"validation_{metric}"] for row in diary.rows[name]]
        best = max(values) if metric == "accuracy" else min(values)
        assert result.best_epoch == values.index(best) + 1
        assert result.best == diary.rows[name][result.best_epoch - 1]
        assert result.epochs == 6


def test_test_metrics_belong_to_the_best_epoch() -> None:
    trial = Trial("a", noise_rate=0.6, values={"lr": 0.1})
    cohort = make_cohort("labels_only", [trial], Shape(epochs=9, metric="loss"))
    tested: list[float] = []

    def watch(*_: object) -> list[bool]:
        tested.append(only(cohort).evaluate("test", ())["test_loss"].item())
        return [True]

    result = cohort.train(watch)["a"]
    cohort.test()
    assert 1 < result.best_epoch < 9
    assert result.test["test_loss"] == tested[result.best_epoch - 1]


def test_stopped_lanes_keep_what_was_known_of_them() -> None:
    trials, diary = lively_trials("labels_only", 3), Diary({"trial-1": 1})
    cohort = make_cohort("labels_only", trials)
    results = cohort.train(diary)
    cohort.test()
    assert cohort.names == ("trial-0", "trial-2")
    assert [results[t.name].epochs for t in trials] == [3, 1, 3]
    assert results["trial-1"].best == diary.rows["trial-1"][0]
    assert not results["trial-1"].test
    assert results["trial-0"].test


@pytest.mark.parametrize("method", ["alm_kd", "labels_only"])
def test_a_cohort_whose_lanes_all_stop_ends(method: str) -> None:
    trials = lively_trials(method, 2)
    diary = Diary({t.name: 2 for t in trials})
    cohort = make_cohort(method, trials)
    results = cohort.train(diary)
    cohort.test()
    assert cohort.names == ()
    assert [results[t.name].epochs for t in trials] == [2, 2]


def test_training_learns_the_blobs() -> None:
    trial, diary = Trial("a", noise_rate=0.0, values={"lr": 0.1}), Diary()
    make_cohort("labels_only", [trial], Shape(epochs=10)).train(diary)
    assert diary.rows["a"][-1]["validation_accuracy"] > 80
    assert diary.rows["a"][-1]["train_loss"] < diary.rows["a"][0]["train_loss"] / 2


def test_teachers_graduate_at_their_best_epoch_with_logits_on_every_example() -> None:
    cohort = make_cohort("labels_only", lively_trials("labels_only", 2))
    results, teachers = train_teachers(cohort, Diary())
    assert list(teachers) == ["trial-0", "trial-1"]
    data = only(cohort).data
    assert isinstance(data, LaneData)
    validation = frozen_output(only(cohort).model, data, "validation").logits
    for lane, (name, teacher) in enumerate(teachers.items()):
        logits = teacher.outputs[LOGITS]
        assert logits.shape == (len(data.inputs), data.classes)
        assert np.isfinite(logits).all()
        hits = (validation[lane].argmax(-1) == data.labels("validation")[lane]).float()
        assert 100 * hits.mean().item() == pytest.approx(results[name].best["validation_accuracy"])
        weights = dict(only(cohort).model.named_parameters())
        assert all(torch.equal(p, weights[k][lane]) for k, p in teacher.parameters.items())


def test_snapshots_are_what_the_network_was_after_those_epochs() -> None:
    trials = lively_trials("labels_only", 2)
    _, teachers = train_teachers(make_cohort("labels_only", trials), Diary(), snapshots=(1, 3))
    assert list(teachers) == [f"trial-{i}@{epoch}" for i in (0, 1) for epoch in (1, 3)]
    for epoch in (1, 3):
        short = make_cohort("labels_only", trials)
        seen = _weights_after(short, epoch)
        for lane in (0, 1):
            found = teachers[f"trial-{lane}@{epoch}"].parameters
            assert all(torch.equal(found[k], p[lane]) for k, p in seen.items())


def _weights_after(cohort: Cohort, last: int) -> dict[str, torch.Tensor]:
    seen: dict[str, torch.Tensor] = {}

    def look(epoch: int, names: Sequence[str], rows: object) -> list[bool]:
        if epoch == last:
            seen.update({k: p.detach().clone() for k, p in only(cohort).model.named_parameters()})
        return [epoch < last] * len(names)

    cohort.train(look)
    return seen


def test_a_teacher_that_was_stopped_leaves_nothing() -> None:
    trials = lively_trials("labels_only", 2)
    for snapshots in ((), (1,)):
        cohort = make_cohort("labels_only", trials)
        _, teachers = train_teachers(cohort, Diary({"trial-0": 2}), snapshots)
        assert {name.partition("@")[0] for name in teachers} == {"trial-1"}


@pytest.mark.parametrize("method", ["labels_only", "alm_kd"])
def test_lanes_of_one_seed_are_the_same_trials_alone(method: str) -> None:
    """They share their inputs in memory; to the last bit nothing else."""
    trials = [Trial(str(i), seed=4, values={"lr": 0.1 * (i + 1)}) for i in range(3)]
    together = Diary()
    make_cohort(method, trials).train(together)
    for trial in trials:
        alone = Diary()
        make_cohort(method, [trial]).train(alone)
        assert together.rows[trial.name] == alone.rows[trial.name]
