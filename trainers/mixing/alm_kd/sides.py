"""Both sides of the look-aheads of ALM-KD: what groups lose, and the loss they should lower.

L lanes, N training examples, N_meta held-out ones, J groups of G training examples in all lanes, V
held-out examples for each group, K = 1 + M terms per example, T rows of an example where there are
several, C outputs, H features.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trainers.evaluation import frozen_output, joined
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.values import LaneValues
from trainers.mixing.alm_kd.groups import EVERY, Deal
from trainers.mixing.hypergradient import Evaluation, TrainingGroup
from trainers.task import Goal, Objective, Part, TaskData


@dataclass(frozen=True)
class HeldOut:
    """The loss to be lowered, and its ``share`` of held-out examples; the rest is the group's own.

    With the goal ``teacher`` held-out examples should meet the last teacher, the group's own their
    labels.
    """

    share: float
    goal: Goal

    def objective(
        self, data: TaskData, values: LaneValues, deal: Deal, part: slice = EVERY
    ) -> Objective:
        """The mean over a held-out mini-batch, and over the group's own; ``values``: by group."""
        lanes, filled = deal.lane[part], deal.filled[part]
        index = deal.index("meta", part)
        weight = filled.new_full(index.shape, self.share / index.shape[1])
        parts = [Part("meta", data.targets_of("meta", index, lanes), self.goal, weight)]
        if self.share < 1:
            own = (1 - self.share) * filled / filled.sum(-1, keepdim=True)
            targets = data.targets_of("train", deal.index("train", part), lanes)
            parts.append(Part("train", targets, self.goal, own))
        return data.held_out(parts, values)


class Seen(NamedTuple):
    """What a student that stands still makes of all examples; ``r``: dl_ik/dz (L, N, K[, T], C).

    ``bias``: whether its last layer has one.
    """

    train: Output
    meta: Output
    r: Tensor
    bias: bool

    @staticmethod
    def by(student: LaneNetwork, data: TaskData, values: LaneValues) -> "Seen":
        """By ``student`` as it is now; ValueError where its last layer is not all there is."""
        train, meta = (frozen_output(student, data, split) for split in ("train", "meta"))
        if train.features is None or meta.features is None:
            raise ValueError("the student does not end in a linear layer; take hypergradient: full")
        everything = torch.arange(data.size("train"), device=data.device).expand(data.lanes, -1)
        r = data.term_gradients(data.targets_of("train", everything), train, values)
        if r.features is not None:
            raise ValueError("a term depends on more than the last layer; take hypergradient: full")
        return Seen(train, meta, r.logits, student.last_layer_has_bias)


@dataclass(frozen=True)
class LastLayer:
    """The look-aheads of a deal through a step of the last layer; ``eta`` of every group, (J,).

    ``values``: of every lane of ``data``. ``rows``: T, where each row of an example has weights of
    its own, and is an example of its own here; None where an example has.
    """

    data: TaskData
    deal: Deal
    seen: Seen
    held_out: HeldOut
    eta: Tensor
    batch_size: int
    values: LaneValues
    rows: int | None = None

    def sides(self, part: slice) -> tuple[TrainingGroup, Evaluation]:
        """Of some groups."""
        deal, seen = self.deal, self.seen
        assert seen.train.features is not None
        h = deal.train(seen.train.features, part)
        r = deal.train(seen.r, part)
        own_h = h
        if self.rows is not None:
            own_h, r = with_rows(h, self.rows, 2), with_rows(r, self.rows, 3)
        several = r.dim() == 5
        r = r.permute(0, 2, 4, 1, 3).flatten(3) if several else r.permute(0, 2, 3, 1)
        r, scale = r.contiguous(), deal.scale[part]
        owner = None
        if several:
            of_row = torch.arange(h.shape[1], device=h.device).repeat_interleave(own_h.shape[2])
            owner = of_row.expand(len(h), -1)
            scale = scale.gather(1, owner)
        r *= scale.view(len(r), 1, 1, -1)
        group = TrainingGroup(
            _rows(own_h).mT, r, self.eta[part], self.batch_size,
            owner if self.rows is None else None, seen.bias,
        )  # fmt: skip
        held_out = seen.meta.each(lambda t: deal.meta(t, part))
        if self.held_out.share < 1:
            own = Output(h, deal.train(seen.train.logits, part))
            held_out = joined([held_out, own])
        h_e, z_e = held_out
        assert h_e is not None
        values = self.values.keep(deal.lane[part])
        objective = self.held_out.objective(self.data, values, deal, part)
        return group, Evaluation(_rows(h_e).mT, _rows(z_e).mT.contiguous(), objective)


def with_rows(x: Tensor, rows: int, dim: int) -> Tensor:
    """x with so many rows along ``dim``: those past the end are cut off, missing ones are zero."""
    missing = rows - x.shape[dim]
    if missing <= 0:
        return x.narrow(dim, 0, rows)
    shape = list(x.shape)
    shape[dim] = missing
    return torch.cat([x, x.new_zeros(shape)], dim)


def _rows(x: Tensor) -> Tensor:
    """(J, G, X), or (J, G, T, X) as (J, G * T, X)."""
    return x.flatten(1, 2) if x.dim() == 4 else x
