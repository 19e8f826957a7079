"""Batches in parts: that they are the whole."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Trial
from tests.trainers.language.cases import lanes, make_cohort
from trainers.lanes.batches import part_sizes


def _trained(method: str, values: dict[str, Any], **training: Any) -> tuple[list[Tensor], list]:
    trials = [Trial("a", values={"lr": 0.01, **values}), Trial("b", seed=5, values=values)]
    cohort = make_cohort(method, trials, lanes(trials), **training)
    rows: list[Any] = []

    def report(epoch: int, names: Any, of_lanes: Any) -> list[bool]:
        rows.append(of_lanes)
        return [True] * len(names)

    cohort.train(report)
    return [p.detach().clone() for s in cohort.stacks for p in s.model.parameters()], rows


METHODS = [
    ("fixed_kd", {"alpha": 0.6}),
    ("gkd", {"on_policy": 0.7}),
    ("skd", {"top_k": 3}),
    ("okd", {"module_lr": 0.05}),
    ("seq_kd", {}),
    ("bikd", {}),
    ("alm_kd", {"warmup_epochs": 0, "update_every": 1}),
]


@pytest.mark.parametrize(("method", "values"), METHODS)
def test_parts_are_the_whole(method: str, values: dict[str, Any], double_precision: None) -> None:
    whole, told = _trained(method, values, clip_norm=0.5)
    for parts in (2, 3):
        mine, said = _trained(method, values, clip_norm=0.5, accumulate=parts)
        assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(mine, whole, strict=True))
        for rows, others in zip(said, told, strict=True):
            for row, other in zip(rows, others, strict=True):
                assert row == pytest.approx(other, abs=1e-6)


def test_what_is_at_once_is_what_it_was() -> None:
    """One part is no other computation."""
    (whole, _), (one, _) = (_trained("fixed_kd", {}, accumulate=parts) for parts in (None, 1))
    assert all(torch.equal(a, b) for a, b in zip(whole, one, strict=True))


def test_parts_are_as_equal_as_may_be_and_none_is_of_one() -> None:
    assert part_sizes(17, 1) == [17]
    assert part_sizes(17, 2) == [9, 8]
    assert part_sizes(10, 4) == [3, 3, 4]
    assert part_sizes(3, 8) == [1, 1, 1]
    assert sum(part_sizes(101, 7)) == 101
