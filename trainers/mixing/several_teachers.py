"""Distillation from several teachers that differ in weight: what its methods share.

L_i   (1 - alpha) l_i0 + alpha sum_m w_im l_im, with sum_m w_im = 1

l_i0 the label's term, l_im those of M teachers; B examples of a batch, w (L, M, B). What differs is
w; no gradient flows through it.
"""

from abc import abstractmethod

import torch
from torch import Tensor

from trainers.method import Method, Step


class SeveralTeachers(Method):
    """A fixed mix of the label and a weighted mean of the teachers."""

    @abstractmethod
    def teacher_weights(self, step: Step) -> Tensor:
        """w, broadcastable to (L, M, B); called without a graph being made."""

    def losses(self, step: Step) -> Tensor:
        alpha = self.values.numbers["alpha"].view(-1, 1)
        with torch.no_grad():
            w = self.teacher_weights(step)
        teachers = (w * step.terms.teachers).sum(1)
        return (1 - alpha) * step.terms.label + alpha * teachers
