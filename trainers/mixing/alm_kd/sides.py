"""Both sides of the look-aheads of ALM-KD: what groups lose, and the loss they should lower.

L lanes, N training examples, N_meta held-out ones, J groups of G training examples in all lanes, V
held-out examples for each group, K = 1 + M losses per example, C classes, H features.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy_gradient, distillation_gradient
from trainers.classification.data.lanes import LaneData
from trainers.classification.networks.classifier import LaneClassifier, Output
from trainers.classification.networks.evaluation import frozen_output
from trainers.mixing.alm_kd.groups import EVERY, Deal
from trainers.mixing.held_out_loss import Goal, Targets, targets
from trainers.mixing.hypergradient import Evaluation, TrainingGroup


class Seen(NamedTuple):
    """What a student that stands still makes of all examples; ``r``: dl_ik/dz (L, N, K, C)."""

    train: Output
    meta: Output
    r: Tensor

    @staticmethod
    def by(student: LaneClassifier, data: LaneData, tau: Tensor) -> "Seen":
        """By ``student`` as it is now; ``tau`` (L,)."""
        train, meta = (frozen_output(student, data, split) for split in ("train", "meta"))
        z = train.logits.mT.contiguous().mT
        r = torch.stack(
            [
                cross_entropy_gradient(z, data.labels("train")),
                *(
                    distillation_gradient(t, z, tau.view(-1, 1))
                    for t in data.teachers_of("train").unbind(1)
                ),
            ],
            dim=2,
        )
        return Seen(train, meta, r)


@dataclass(frozen=True)
class HeldOut:
    """The loss to be lowered (`held_out_loss`), its ``share`` of held-out examples."""

    share: float
    loss: str

    def targets(self, data: LaneData, tau: Tensor) -> "HeldOutTargets":
        """What it asks of all examples; ``tau`` (L,)."""
        own = targets(data, "train", self.loss, tau) if self.share < 1 else None
        return HeldOutTargets(self.share, targets(data, "meta", self.loss, tau), own)


@dataclass(frozen=True)
class HeldOutTargets:
    """Of held-out examples, and of the training groups' own where these count."""

    share: float
    meta: Targets
    own: Targets | None

    def goal(self, deal: Deal, part: slice = EVERY) -> Goal:
        """The mean over a held-out mini-batch, and over the group's own."""
        p, s = (deal.meta(x, part) for x in self.meta)
        w = torch.full_like(s, self.share / s.shape[1])
        if self.own:
            own_p, own_s = (deal.train(x, part) for x in self.own)
            filled = deal.filled[part]
            own_w = (1 - self.share) * filled / filled.sum(-1, keepdim=True)
            p, w, s = (torch.cat(ab, dim=1) for ab in ((p, own_p), (w, own_w), (s, own_s)))
        return Goal(p.mT.contiguous(), w, s)


@dataclass(frozen=True)
class LastLayer:
    """The look-aheads of a deal through a step of the last layer; ``eta`` of every group, (J,)."""

    deal: Deal
    seen: Seen
    held_out: HeldOutTargets
    eta: Tensor
    batch_size: int

    def sides(self, part: slice) -> tuple[TrainingGroup, Evaluation]:
        """Of some groups."""
        deal, seen = self.deal, self.seen
        h = deal.train(seen.train.features, part)
        r = deal.train(seen.r, part).permute(0, 2, 3, 1).contiguous()
        r *= deal.filled[part].view(len(r), 1, 1, -1)
        group = TrainingGroup(h.mT, r, self.eta[part], self.batch_size)
        h_e, z_e = (deal.meta(x, part) for x in seen.meta)
        if self.held_out.own:
            h_e = torch.cat([h_e, h], dim=1)
            z_e = torch.cat([z_e, deal.train(seen.train.logits, part)], dim=1)
        evaluation = Evaluation(h_e.mT, z_e.mT.contiguous(), self.held_out.goal(deal, part))
        return group, evaluation
