"""Groups that take their steps some at a time end where they end side by side, to the last bit."""

import pytest
import torch
from torch import Tensor

from trainers.classes.terms import ClassObjective
from trainers.mixing.alm_kd import descent as alm_kd_descent
from trainers.mixing.alm_kd.descent import Descent, groups_at_once
from trainers.mixing.alm_kd.variants import VARIANTS
from trainers.mixing.hypergradient import Evaluation, TrainingGroup

J, K, C, G, H, V, BATCH = 7, 3, 5, 24, 6, 9, 12


def _down(variant: str) -> tuple[Tensor, list[int]]:
    """Where three steps lead, and how many groups went side by side."""
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    h, r, h_e, z_e = normal(J, H, G), normal(J, K, C, G), normal(J, H, V), normal(J, C, V)
    p, eta = normal(J, C, V).softmax(1), torch.rand(J, generator=g)
    w = torch.full((J, V), 1 / V)
    s, meta_lr = torch.rand(J, K, G, generator=g), 10 * torch.rand(J, 1, 1, generator=g)
    taken = []

    def sides(part: slice) -> tuple[TrainingGroup, Evaluation]:
        taken.append(len(h[part]))
        goal = ClassObjective(p[part], w[part], torch.ones_like(w[part]))
        group = TrainingGroup(h[part], r[part], eta[part], BATCH)
        return group, Evaluation(h_e[part], z_e[part], goal)

    descent = Descent(VARIANTS[variant].constraint, 3, meta_lr)
    return descent.down_by_last_layer(s, C, sides), taken


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("elements", "taken"), [(3 * K * C * G, [3, 3, 1]), (1, [1] * J)])
def test_some_groups_at_a_time_end_where_all_do(
    monkeypatch: pytest.MonkeyPatch, variant: str, elements: int, taken: list[int]
) -> None:
    together, all_at_once = _down(variant)
    assert all_at_once == [J]
    monkeypatch.setattr(alm_kd_descent, "ELEMENTS", elements)
    found, parts = _down(variant)
    assert parts == taken
    assert torch.equal(found, together)


def test_few_groups_go_side_by_side_where_their_gradients_are_many() -> None:
    assert groups_at_once(torch.zeros(118, 2, 384), numbers=100) == 6
    assert groups_at_once(torch.zeros(2, 2, 384), numbers=100_000) == 1
