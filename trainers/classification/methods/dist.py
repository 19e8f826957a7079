"""DIST: a student whose predictions correlate with the teacher's, over classes and over the batch.

p, q    softmax(t / tau), softmax(z / tau), each (B, C); rho Pearson's correlation
inter_i 1 - rho(q_i, p_i), over the classes of example i
intra   1 - mean_c rho(q_.c, p_.c), over the examples of the batch, class by class
L_i     CE(y_i, z_i) + tau^2 (beta inter_i + gamma intra)

The second relation belongs to a batch, not to an example: every example of it carries its value.

Source: Huang et al. 2022, arXiv 2205.10536, and its authors' public code, which has beta = gamma =
1 and multiplies their sum by 2 in all configurations (``kd_loss_weight``): beta = gamma = 2 here.
"""

import torch
from torch import Tensor

from trainers.classes.losses import softmax
from trainers.method import Method, Step

# Keeps the correlation of constant vectors at zero.
MARGIN = 1e-8


def pearson(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Pearson's correlation along ``dim``; 0 where one side is constant."""
    a, b = (x - x.mean(dim, keepdim=True) for x in (a, b))
    lengths = torch.linalg.vector_norm(a, dim=dim) * torch.linalg.vector_norm(b, dim=dim)
    correlation: Tensor = (a * b).sum(dim) / (lengths + MARGIN)
    return correlation


class Dist(Method):
    """Distillation of relations between predictions instead of the predictions."""

    def losses(self, step: Step) -> Tensor:
        numbers = self.values.numbers
        tau = numbers["temperature"].view(-1, 1)
        both = (step.batch.targets.teachers[:, 0], step.output.logits)
        p, q = (softmax(x / tau.unsqueeze(-1)) for x in both)
        inter = 1 - pearson(q, p, dim=-1)
        intra = 1 - pearson(q, p, dim=-2).mean(-1, keepdim=True)
        beta, gamma = numbers["inter_weight"].view(-1, 1), numbers["intra_weight"].view(-1, 1)
        return step.terms.label + tau.square() * (beta * inter + gamma * intra)
