"""Several teachers in the combination that all of them agree with most.

g_m    mean over the batch of d tau^2 KL(t_m || z) / dz                          (L, M, C)
w      argmin |sum_m w_m g_m|^2 with sum_m w_m = 1 and 0 <= w_m <= cap           (L, M)

One w for each batch. The cap, at least 1/M, keeps single teachers from taking all the weight.

Source: Du et al. 2020 (NeurIPS, "Agree to disagree: adaptive ensemble knowledge distillation in
gradient space") and its authors' public code, which solves the same problem as a one-class support
vector machine with nu = 1 / (M cap), its cap 0.6.
"""

import itertools

import torch
from torch import Tensor

from trainers.classes.losses import distillation_gradient
from trainers.method import Step
from trainers.mixing.several_teachers import SeveralTeachers

# Sweeps over all pairs; for two teachers the first is exact.
SWEEPS = 30


def least_norm_weights(g: Tensor, cap: Tensor) -> Tensor:
    """w (L, M) from gradients (L, M, C) and caps (L,), pair by pair of teachers.

    Each step moves weight between two teachers to where the norm is least on that line, inside the
    bounds: coordinate descent as in the training of support vector machines.
    """
    teachers = g.shape[1]
    gram = (g.unsqueeze(1) * g.unsqueeze(2)).sum(-1)
    w = torch.full_like(g[..., 0], 1 / teachers)
    cap = cap.clamp(min=1 / teachers)
    for _ in range(SWEEPS if teachers > 2 else 1):
        for i, j in itertools.combinations(range(teachers), 2):
            slope = ((gram[:, i] - gram[:, j]) * w).sum(-1)
            curve = gram[:, i, i] + gram[:, j, j] - 2 * gram[:, i, j]
            move = torch.where(curve > 0, -slope / curve, torch.zeros_like(slope))
            low = torch.maximum(-w[:, i], w[:, j] - cap)
            high = torch.minimum(w[:, j], cap - w[:, i])
            move = torch.minimum(torch.maximum(move, low), high)
            w[:, i] += move
            w[:, j] -= move
    return w


class AeKd(SeveralTeachers):
    """The convex combination of the teachers whose gradient is shortest."""

    def teacher_weights(self, step: Step) -> Tensor:
        tau = self.values.numbers["temperature"].view(-1, 1, 1)
        t, z = step.batch.targets.teachers, step.output.logits.detach()
        g = distillation_gradient(t, z.unsqueeze(1), tau).mean(2)
        return least_norm_weights(g, self.values.numbers["cap"]).unsqueeze(-1)
