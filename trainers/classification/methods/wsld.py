"""Weighted soft labels: L_i = CE(y_i, z_i) + gamma w_i tau^2 KL(t_i || z_i).

w_i = 1 - exp(-CE(y_i, z_i) / CE(y_i, t_i)): near 1 where the student is further from the label than
the teacher, near 0 where it is closer; no gradient flows through it. gamma weighs distillation.

Source: Zhou et al. 2021, arXiv 2102.00650, and its authors' public code, whose margin of 1e-7
keeps the division finite. Departure: a divergence where the code has a cross-entropy with the
teacher; their gradients are the same.
"""

import torch
from torch import Tensor

from trainers.method import Method, Step

MARGIN = 1e-7


def soft_label_weights(student: Tensor, teacher: Tensor) -> Tensor:
    """w from the cross-entropies of student and teacher, each (L, B)."""
    return 1 - torch.exp(-student / (teacher + MARGIN))


class Wsld(Method):
    """Distillation weighted per example by who knows the label better."""

    def losses(self, step: Step) -> Tensor:
        gamma = self.values.numbers["kd_weight"].view(-1, 1)
        label = step.terms.label
        w = soft_label_weights(label.detach(), step.terms.label_at_teachers[:, 0])
        return label + gamma * w * step.terms.teacher(0)
