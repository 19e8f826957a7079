"""ALM-KD's look-ahead of vectors of users and items: its gradient in closed form, by the general
rule, and by autograd through the step.

For an interaction n of user u with item i, its negatives j, and a term k, r_nkj the derivative of
the term by D_j = s_ui - s_uj; held-out triples (v, a, b) with the loss -log sigmoid(D'), rho its
derivative at the vectors p', q' after the step:

    H = sum of rho (q'_a - q'_b) in row v             (U, D)
    G = sum of rho p'_v in row a, less it in row b     (I, D)
    dL/dlam_nk = -step_n sum_j r_nkj (H_u . (q_i - q_j) + p_u . (G_i - G_j))
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Trial, only
from tests.trainers.recommendation.cases import SMALL, lanes, make_cohort
from trainers.lanes.seeds import torch_generator
from trainers.mixing.alm_kd.groups import Deal
from trainers.mixing.alm_kd.rule import AlmKd
from trainers.mixing.alm_kd.sides import HeldOut
from trainers.mixing.look_ahead import Network, look_ahead_gradient
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.networks.network import Asked
from trainers.settings import ModelSpec

GCN = ModelSpec("light_gcn", {"width": 4, "layers": 2})
TRIALS = [
    Trial("a", 1, 0.4, ("strong", "weak"), {"temperature": 0.7}),
    Trial("b", 2, 0.2, ("weak", "strong"), {"temperature": 2.0}),
]
VALUES = {"warmup_epochs": 0, "update_every": 1, "grad_fit": 3}
BATCH, HELD_OUT = 25, 11
STEP = torch.tensor([40.0, 5.0], dtype=torch.float64) / BATCH
K = 3

pytestmark = pytest.mark.usefixtures("double_precision")


class Problem:
    """The last group of every lane, which is filled up: what it loses, and what that should
    lower."""

    def __init__(self, model: ModelSpec = SMALL) -> None:
        trials = [replace(t, values={**VALUES, **t.values}) for t in TRIALS]
        stack = only(make_cohort("alm_kd", trials, lanes(trials), model))
        method, at = stack.method, torch.arange(2)
        assert isinstance(method, AlmKd)
        assert isinstance(stack.data, InteractionLanes)
        order = [torch_generator(trial.seed, "test") for trial in trials]
        deal = Deal.draw(order, at, BATCH, 3, HELD_OUT, stack.data)
        last = deal.groups - 1
        self.data, self.network = stack.data, Network(stack.model, at)
        self.group, self.held_out = method._sides(
            self.network, deal, HeldOut(1.0, "labels"), method.values, last
        )
        self.train, self.meta = deal.train_index[:, last], deal.meta_index[:, last]
        self.lam = torch.rand(2, K, 3 * BATCH, generator=torch.Generator().manual_seed(0))

    def gradient(self) -> Tensor:
        """By the general rule, (L, K, G)."""
        theta = self.network.parameters
        return look_ahead_gradient(theta, self.group, self.lam, STEP, self.held_out)

    def through_the_step(self) -> Tensor:
        """By autograd of the held-out loss after the step, written out."""
        lam = self.lam.clone().requires_grad_()
        theta = {k: p.clone().requires_grad_() for k, p in self.network.parameters.items()}
        terms = self.group.scale.unsqueeze(1) * self.group.terms(self.group.output(theta))
        gradients = torch.autograd.grad(
            (lam * terms).sum(), list(theta.values()), create_graph=True
        )
        moved = {
            k: p - STEP.view(-1, 1, 1) * g
            for (k, p), g in zip(theta.items(), gradients, strict=True)
        }
        (found,) = torch.autograd.grad(self.held_out(moved).sum(), lam)
        return found

    def in_closed_form(self, lane: int) -> Tensor:
        """Of one lane, (K, G), interaction by interaction."""
        p, q = (self.network.parameters[name][lane] for name in ("users", "items"))
        train, meta = (
            self.data.inputs_of(split, index) for split, index in
            (("train", self.train), ("meta", self.meta))
        )  # fmt: skip
        scale = self.group.scale[lane]
        r = self._slopes(lane, p, q, train)
        # The step, as what each pair moves.
        moved_p, moved_q = p.clone(), q.clone()
        for n, user in enumerate(train.users[lane].tolist()):
            item, *negatives = train.items[lane, n].tolist()
            for j, other in enumerate(negatives):
                pull = STEP[lane] * scale[n] * (self.lam[lane, :, n] * r[:, n, j]).sum()
                moved_p[user] -= pull * (q[item] - q[other])
                moved_q[item] -= pull * p[user]
                moved_q[other] += pull * p[user]
        h, g = torch.zeros_like(p), torch.zeros_like(q)
        for v, user in enumerate(meta.users[lane].tolist()):
            item, *negatives = meta.items[lane, v].tolist()
            for other in negatives:
                above = moved_p[user] @ (moved_q[item] - moved_q[other])
                rho = -torch.sigmoid(-above) / (HELD_OUT * len(negatives))
                h[user] += rho * (moved_q[item] - moved_q[other])
                g[item] += rho * moved_p[user]
                g[other] -= rho * moved_p[user]
        found = torch.zeros(K, 3 * BATCH)
        for n, user in enumerate(train.users[lane].tolist()):
            item, *negatives = train.items[lane, n].tolist()
            for j, other in enumerate(negatives):
                along = h[user] @ (q[item] - q[other]) + p[user] @ (g[item] - g[other])
                found[:, n] -= STEP[lane] * scale[n] * r[:, n, j] * along
        return found

    def _slopes(self, lane: int, p: Tensor, q: Tensor, asked: Asked) -> Tensor:
        """r: the derivatives of the terms by D_j, (K, G, n), each with its mean over negatives."""
        s = (p[asked.users[lane]].unsqueeze(1) * q[asked.items[lane]]).sum(2)
        above = s[:, :1] - s[:, 1:]
        tau = float(TRIALS[lane].values["temperature"])
        t = self.data.targets_of("train", self.train).teachers[lane]
        wanted = torch.sigmoid((t[..., :1] - t[..., 1:]) / tau)
        label = -torch.sigmoid(-above)
        each = [label, *(tau * (torch.sigmoid(above / tau) - own) for own in wanted)]
        return torch.stack(each) / above.shape[1]


def test_the_closed_form_is_the_general_rule_and_autograd_through_the_step() -> None:
    problem = Problem()
    found, expected = problem.gradient(), problem.through_the_step()
    assert found.abs().max() > 1e-5
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)
    for lane in range(2):
        own = problem.in_closed_form(lane)
        torch.testing.assert_close(found[lane], own, rtol=1e-9, atol=1e-15)
    # What only fills up weighs nothing.
    filler = problem.group.scale == 0
    assert filler.any()
    assert found.mT[filler].count_nonzero() == 0


def test_so_it_is_where_vectors_are_smoothed_over_the_graph() -> None:
    problem = Problem(GCN)
    found = problem.gradient()
    assert found.abs().max() > 1e-7
    torch.testing.assert_close(found, problem.through_the_step(), rtol=1e-9, atol=1e-15)
