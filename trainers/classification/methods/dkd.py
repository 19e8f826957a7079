"""Decoupled distillation: L_i = CE(y_i, z_i) + ramp tau^2 (alpha TCKD_i + beta NCKD_i).

p, q    softmax(t_i / tau), softmax(z_i / tau); y the label
TCKD    KL between (p_y, 1 - p_y) and (q_y, 1 - q_y): how sure the teacher is of the label
NCKD    KL between p and q over the other classes, each normalised there
ramp    min(epoch / ramp_epochs, 1), epochs counted from 1

Plain distillation is TCKD + (1 - p_y) NCKD: it mutes the second term where the teacher is sure.

Source: Zhao et al. 2022, arXiv 2203.08679, and its authors' public code.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.losses import log_softmax
from trainers.lanes.network import LaneNetwork
from trainers.method import Method, Setup, Step

# In place of a logit, so low that its class is out of the softmax, yet finite.
OUT = -1e9


def decoupled(t: Tensor, z: Tensor, y: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """(tau^2 TCKD, tau^2 NCKD), each (..., B), from logits (..., B, C); tau broadcasts to B."""
    label = F.one_hot(y, z.shape[-1]).bool()
    t, z = t / tau.unsqueeze(-1), z / tau.unsqueeze(-1)
    log_p, log_q = _label_or_not(t, label), _label_or_not(z, label)
    target = (log_p.exp() * (log_p - log_q)).sum(-1)
    log_p, log_q = (log_softmax(x.masked_fill(label, OUT)) for x in (t, z))
    other = (log_p.exp() * (log_p - log_q)).sum(-1)
    return tau.square() * target, tau.square() * other


def _label_or_not(z: Tensor, label: Tensor) -> Tensor:
    """Log-probabilities (..., B, 2) of the label's class and of all others together."""
    log_p = log_softmax(z)
    return torch.stack(
        [log_p.masked_fill(~label, 0.0).sum(-1), log_p.masked_fill(label, OUT).logsumexp(-1)], -1
    )


class Dkd(Method):
    """Distillation in two parts, each with a weight of its own."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._epoch = 1

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._epoch = epoch

    def losses(self, step: Step) -> Tensor:
        numbers, y = self.values.numbers, step.batch.targets
        tau = numbers["temperature"].view(-1, 1)
        target, other = decoupled(y.teachers[:, 0], step.output.logits, y.labels, tau)
        alpha, beta = numbers["target_weight"].view(-1, 1), numbers["other_weight"].view(-1, 1)
        ramp = (self._epoch / numbers["ramp_epochs"]).clamp(max=1.0).view(-1, 1)
        return step.terms.label + ramp * (alpha * target + beta * other)
