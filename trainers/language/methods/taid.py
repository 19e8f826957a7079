"""Temporally adaptive interpolated distillation (TAID): L_i = (1 - alpha) l_i0 + alpha mean over
tokens of KL(p_t || q), with a target on the way from the student to the teacher.

L lanes, B examples, z the student's logits, z_T the teacher's, n of N steps done.

p_t = softmax((1 - t) sg[z] + t z_T), t = t_start at first. After each step, J the batch's
cross-entropy between p_t and q:

    d = (J_before - J) / J_before            m = t_momentum m + (1 - t_momentum) d
    t = min(1, max(t_start + (1 - t_start) n / N, t + t_step sigmoid(m) (1 - t)))

so that t rises at least in a line, and faster while J falls.

Source: Shing et al. 2025 (ICLR), arXiv 2501.16937, and its authors' public code, which follows the
cross-entropy where the paper has the divergence: that is 0 where t is. There the teacher is all of
the loss; alpha, 1 by default, is of this project, so that labels can be mixed in as in others.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork
from trainers.lanes.state import State
from trainers.language.data.lanes import SequenceLanes
from trainers.language.divergences import log_probabilities
from trainers.language.methods.progress import Progress
from trainers.language.terms import SequenceTargets
from trainers.method import Method, Setup, Step

# Keeps the relative change finite, as in the authors' code.
LEAST = 1e-15


class Taid(Method):
    """The teacher's term with a target that moves from the student to the teacher."""

    data: SequenceLanes

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._progress = Progress(setup.training, self.data.size("train"))
        self._t = self.values.numbers["t_start"].clone()
        self._momentum = torch.zeros_like(self._t)
        self._before = torch.full_like(self._t, torch.nan)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._progress.begin_epoch(epoch)

    def losses(self, step: Step) -> Tensor:
        old: SequenceTargets = step.batch.targets
        z = step.output.logits
        t = self._t.view(-1, 1, 1, 1)
        between = (1 - t) * z.detach() + t * old.teachers[:, 0]
        targets = SequenceTargets(old.tokens, lambda: between.unsqueeze(1))
        self._follow(_cross_entropy(targets.share, between, z.detach()))
        alpha = self.values.numbers["alpha"].view(-1, 1)
        terms = self.data.terms(targets, step.output, self.values)
        return (1 - alpha) * step.terms.label + alpha * terms.teacher(0)

    def end_step(self, student: LaneNetwork) -> None:
        self._progress.end_step()
        start = self.values.numbers["t_start"]
        line = start + (1 - start) * self._progress.share
        self._t = torch.maximum(line, self._t).clamp(max=1)

    def metrics(self) -> Mapping[str, Tensor]:
        return {"taid_t": self._t}

    def state(self) -> dict[str, Any]:
        return {"t": self._t, "momentum": self._momentum, "before": self._before}

    def load_state(self, state: State) -> None:
        self._t, self._momentum = state["t"], state["momentum"]
        self._before = state["before"]

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._t, self._momentum = self._t[lanes], self._momentum[lanes]
        self._before = self._before[lanes]

    def _follow(self, now: Tensor) -> None:
        """Move t by how the loss (L,) has changed; not at the first step."""
        numbers, first = self.values.numbers, self._before.isnan()
        fall = (self._before - now) / (self._before + LEAST)
        kept = numbers["t_momentum"]
        momentum = kept * self._momentum + (1 - kept) * fall
        # torch's sigmoid rounds the last elements of a tensor unlike those before them.
        moved = self._t + numbers["t_step"] * (1 - self._t) / (1 + torch.exp(-momentum))
        self._momentum = torch.where(first, self._momentum, momentum)
        self._t = torch.where(first, self._t, moved)
        self._before = now


def _cross_entropy(share: Tensor, target: Tensor, z: Tensor) -> Tensor:
    """Of every lane, (L,): the mean over responses of the mean over their tokens, between logits
    (L, B, R, V)."""
    lost = -(log_probabilities(target).exp() * log_probabilities(z)).sum(-1)
    return (share * lost).sum(2).mean(1)
