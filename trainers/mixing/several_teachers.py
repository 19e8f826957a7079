"""Distillation from several teachers that differ in weight: what its methods share.

L_i   (1 - alpha) CE(y_i, z_i) + alpha sum_m w_im tau^2 KL(t_im || z_i), with sum_m w_im = 1

M teachers, B examples of a batch, t (L, M, B, C), w (L, M, B). What differs is w; no gradient flows
through it.
"""

from abc import abstractmethod

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy, distillation
from trainers.classification.data.lanes import Batch
from trainers.method import Method


class SeveralTeachers(Method):
    """A fixed mix of the label and a weighted mean of the teachers."""

    @abstractmethod
    def teacher_weights(self, batch: Batch, z: Tensor) -> Tensor:
        """w, broadcastable to (L, M, B), at student logits ``z`` (L, B, C) without a graph."""

    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        alpha = self.values.numbers["alpha"].view(-1, 1)
        tau = self.values.numbers["temperature"].view(-1, 1, 1)
        with torch.no_grad():
            w = self.teacher_weights(batch, z.detach())
        teachers = (w * distillation(batch.teachers, z.unsqueeze(1), tau)).sum(1)
        return (1 - alpha) * cross_entropy(z, batch.labels) + alpha * teachers
