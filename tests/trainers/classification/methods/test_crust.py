"""Coresets against a greedy search over plain sets, and the training that they leave."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Diary, Shape, Trial, history, make_cohort, only
from trainers.classification.methods.crust import (
    SELECTIONS,
    central_coresets,
    coreset_weights,
    greedy_coresets,
    squared_distances,
)
from trainers.classification.networks.classifier import Output

pytestmark = pytest.mark.usefixtures("double_precision")


def _value(d: np.ndarray, members: Sequence[int]) -> float:
    """F of a coreset."""
    return float((d.max() - d)[:, members].max(1).sum())


def _greedy(d: np.ndarray, count: int) -> set[int]:
    """Greedy facility location on one class, set by set."""
    chosen: list[int] = []
    while len(chosen) < count:
        others = [j for j in range(len(d)) if j not in chosen]
        chosen.append(max(others, key=lambda j: _value(d, [*chosen, j])))
    return set(chosen)


def _by_totals(d: np.ndarray, count: int) -> set[int]:
    """A lazy search that takes the head of its queue where its total is not below the next one's
    entry, where gains would have to be compared."""
    queue = sorted(((_value(d, [j]), j) for j in range(len(d))), key=lambda entry: -entry[0])
    chosen: list[int] = []
    while len(chosen) < count:
        _, j = queue.pop(0)
        total = _value(d, [*chosen, j])
        if not queue or total >= queue[0][0]:
            chosen.append(j)
        else:
            queue = sorted([*queue, (total, j)], key=lambda entry: -entry[0])
    return set(chosen)


SLOW = {"greedy": _greedy, "central": _by_totals}


def _points(n: int, seed: int) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


def test_distances_are_those_of_the_gradients_written_out() -> None:
    r, h = _points(6, 1), torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    ones = torch.ones(6, 1)
    gradients = torch.einsum("ic,ih->ich", r, torch.cat([h, ones], dim=1)).flatten(1)
    expected = torch.cdist(gradients, gradients).square()
    torch.testing.assert_close(squared_distances(r, h), expected, atol=1e-9, rtol=1e-7)


def test_of_four_points_greedy_takes_one_far_out_and_central_two_in_the_middle() -> None:
    points = torch.tensor([0.0, 0.1, 0.2, 5.0]).unsqueeze(1)
    d = torch.cdist(points, points)
    for choose, wanted, value in (
        (greedy_coresets, [1, 3], 19.8),
        (central_coresets, [1, 2], 15.1),
    ):
        (found,) = choose(d.unsqueeze(0), torch.tensor([4]), torch.tensor([2]))
        assert found.nonzero().flatten().tolist() == wanted
        assert _value(d.numpy(), wanted) == pytest.approx(value)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_classes_side_by_side_are_the_slow_search_class_by_class(selection: str) -> None:
    sizes, counts = (9, 6, 1), (4, 3, 1)
    d = torch.zeros(3, 9, 9)
    for k, n in enumerate(sizes):
        points = _points(n, k)
        d[k, :n, :n] = torch.cdist(points, points)
    found = SELECTIONS[selection](d, torch.tensor(sizes), torch.tensor(counts))
    for k, (n, count) in enumerate(zip(sizes, counts, strict=True)):
        expected = SLOW[selection](d[k, :n, :n].numpy(), count)
        assert set(found[k].nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize("selection", SELECTIONS)
def test_weights_count_the_neighbours_of_those_chosen(selection: str) -> None:
    output = Output(_points(20, 3), _points(20, 4))
    y = torch.tensor([0] * 11 + [2] * 9)
    w = coreset_weights(output, y, 0.3, 0.8, selection)
    r = torch.softmax(output.logits, -1) - torch.eye(3)[y]
    expected = np.zeros(20)
    for label, count in ((0, 4), (2, 3)):
        members = np.flatnonzero(y.numpy() == label)
        d = squared_distances(r[members], output.features[members]).sqrt().numpy()
        near = d <= 0.8 * np.sort(d, axis=None)[(d.size - 1) // 2]
        for j in SLOW[selection](d, count):
            expected[members[j]] = near[j].sum()
    np.testing.assert_allclose(w, expected / expected.mean())


def test_a_coreset_of_all_with_all_as_neighbours_weighs_all_the_same() -> None:
    output = Output(_points(12, 3), _points(12, 4))
    y = torch.arange(12) % 3
    for selection in SELECTIONS:
        w = coreset_weights(output, y, 1.0, 1e9, selection)
        torch.testing.assert_close(w, torch.ones(12))


def test_a_class_of_one_is_its_own_coreset() -> None:
    output = Output(_points(3, 3), _points(3, 4))
    for selection in SELECTIONS:
        w = coreset_weights(output, torch.tensor([0, 0, 1]), 0.5, 0.0, selection)
        assert w[2] > 0


def test_clean_examples_weigh_more_than_corrupted_ones() -> None:
    """What the method is for, over eight seeds with four labels in ten corrupted."""
    values = {"coreset_after": 4, "lr": 0.1}
    trials = [Trial(str(seed), seed=seed, values=values) for seed in range(8)]
    diary = Diary()
    make_cohort("crust", trials, Shape(epochs=6)).train(diary)
    shares = [diary.rows[trial.name][-1]["coreset_clean"] for trial in trials]
    before = [diary.rows[trial.name][0]["coreset_clean"] for trial in trials]
    assert np.mean(before) == pytest.approx(0.6, abs=0.01)
    assert np.mean(shares) > 0.7


def test_training_before_the_first_coreset_is_cross_entropy() -> None:
    found = history("crust", Trial("a", values={"coreset_after": 3}))
    expected = history("labels_only", Trial("a"))
    assert [{**row, "coreset_clean": 0} for row in found] == [
        {**row, "coreset_clean": 0} for row in expected
    ]


def test_coresets_are_of_the_student_as_it_is_and_report_how_clean_they_are() -> None:
    values = {"coreset_after": 1, "coreset_ratio": 0.4, "lr": 0.1}
    cohort = make_cohort("crust", [Trial("a", values=values)], Shape(epochs=4))
    seen = []

    def watch(epoch: int, names: Sequence[str], rows: list[dict[str, float]]) -> list[bool]:
        seen.append((only(cohort).method.tables()["weight"][0].clone(), rows[0]["coreset_clean"]))
        return [True]

    cohort.train(watch)
    assert (seen[0][0] == 1).all()
    clean = ~only(cohort).data.corrupted[0]
    for w, share in seen[1:]:
        assert 0.38 * len(w) < (w > 0).sum() < 0.46 * len(w)
        assert share == pytest.approx(float(w[clean].sum() / w.sum()), rel=1e-6)
    assert not torch.equal(seen[1][0], seen[2][0])
