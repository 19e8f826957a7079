"""Coresets against a greedy search over plain sets, and the training that they leave."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Shape, Trial, history, make_cohort
from trainers.crust import coreset_weights, facility_location, squared_distances
from trainers.models import Output

pytestmark = pytest.mark.usefixtures("double_precision")


def _slow_weights(d: np.ndarray, count: int) -> np.ndarray:
    """Greedy facility location on one class, set by set."""
    near = d.max() - d
    chosen: list[int] = []

    def value(members: Sequence[int]) -> float:
        return float(near[:, members].max(1).sum())

    while len(chosen) < count:
        others = [j for j in range(len(d)) if j not in chosen]
        chosen.append(max(others, key=lambda j: value([*chosen, j])))
    nearest = [chosen[int(near[i, chosen].argmax())] for i in range(len(d))]
    return np.bincount(nearest, minlength=len(d)).astype(float)


def _points(n: int, seed: int) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


def test_distances_are_those_of_the_gradients_written_out() -> None:
    r, h = _points(6, 1), torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    ones = torch.ones(6, 1)
    gradients = torch.einsum("ic,ih->ich", r, torch.cat([h, ones], dim=1)).flatten(1)
    expected = torch.cdist(gradients, gradients).square()
    torch.testing.assert_close(squared_distances(r, h), expected, atol=1e-9, rtol=1e-7)


def test_classes_side_by_side_are_the_slow_search_class_by_class() -> None:
    sizes, counts = (9, 6, 1), (4, 3, 1)
    d = torch.zeros(3, 9, 9)
    for k, n in enumerate(sizes):
        points = _points(n, k)
        d[k, :n, :n] = torch.cdist(points, points)
    found = facility_location(d, torch.tensor(sizes), torch.tensor(counts))
    for k, (n, count) in enumerate(zip(sizes, counts, strict=True)):
        expected = _slow_weights(d[k, :n, :n].numpy(), count)
        np.testing.assert_array_equal(found[k, :n], expected)
        assert (found[k, n:] == 0).all()
        assert (found[k] > 0).sum() == count


def test_a_coreset_of_all_weighs_all_the_same() -> None:
    output = Output(_points(12, 3), _points(12, 4))
    y = torch.arange(12) % 3
    torch.testing.assert_close(coreset_weights(output, y, 1.0, 3), torch.ones(12))


def test_weights_stand_for_every_example_of_a_class() -> None:
    output = Output(_points(20, 3), _points(20, 4))
    y = torch.tensor([0] * 11 + [2] * 9)
    w = coreset_weights(output, y, 0.3, 3)
    assert w[y == 0].sum() == 11
    assert w[y == 2].sum() == 9
    assert ((w > 0) & (y == 0)).sum() == 4
    assert ((w > 0) & (y == 2)).sum() == 3


def test_training_before_the_first_coreset_is_cross_entropy() -> None:
    found = history("crust", Trial("a", values={"coreset_after": 3}))
    expected = history("cross_entropy", Trial("a"))
    assert [{**row, "coreset_clean": 0} for row in found] == [
        {**row, "coreset_clean": 0} for row in expected
    ]


def test_coresets_are_of_the_student_as_it_is_and_report_how_clean_they_are() -> None:
    values = {"coreset_after": 1, "coreset_ratio": 0.4, "lr": 0.1}
    cohort = make_cohort("crust", [Trial("a", values=values)], Shape(epochs=4))
    seen = []

    def watch(epoch: int, names: Sequence[str], rows: list[dict[str, float]]) -> list[bool]:
        seen.append((cohort.method.tables()["weight"][0].clone(), rows[0]["coreset_clean"]))
        return [True]

    cohort.train(watch)
    assert (seen[0][0] == 1).all()
    clean = ~cohort.data.corrupted[0]
    for w, share in seen[1:]:
        assert 0.38 * len(w) < (w > 0).sum() < 0.46 * len(w)
        assert share == pytest.approx(float(w[clean].sum() / len(w)), rel=1e-6)
    assert not torch.equal(seen[1][0], seen[2][0])
