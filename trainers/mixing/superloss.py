"""SuperLoss on top of fixed-alpha distillation: examples whose loss is large count less.

l_i     the fixed mix, (1 - alpha) l_i0 + alpha mean_m l_im
c       the label's loss of a guess that knows nothing; log C with C classes
x_i     (l_i - c) / reg, reg > 0 the strength of the regularization
sigma_i exp(-W(max(-2/e, x_i) / 2)), the confidence that minimises L_i; W Lambert's function
L_i     (l_i - c) sigma_i + reg (log sigma_i)^2

No gradient flows through sigma, which is at its minimum.

Source: Castells et al. 2020 (NeurIPS, "SuperLoss"); on the mixed loss as in the authors' public
code of arXiv 2202.03250, with reg 1 for 10 classes and 0.25 for 100.
"""

import math

import torch
from torch import Tensor

from trainers.method import Step
from trainers.mixing.fixed_kd import FixedKd

# Halley's iteration triples the correct digits each time; from these starts, enough for float64.
HALLEY_STEPS = 6


def lambert_w(x: Tensor) -> Tensor:
    """The principal branch of Lambert's W, w e^w = x, for x >= -1/e, element by element."""
    p = (2 * (math.e * x + 1)).clamp(min=0.0).sqrt()
    near_branch_point = -1 + p - p.square() / 3 + 11 * p.pow(3) / 72
    ell = torch.log1p(x.clamp(min=0.0))
    far = ell * (1 - torch.log1p(ell) / (2 + ell))
    w = torch.where(x < 0.5, near_branch_point, far)
    for _ in range(HALLEY_STEPS):
        e = torch.exp(w)
        f = w * e - x
        slope = e * (w + 1) - (w + 2) * f / (2 * w + 2)
        w = torch.where(p < 1e-3, w, w - f / slope)
    return w


def confidence(loss: Tensor, usual: float | Tensor, reg: Tensor) -> Tensor:
    """sigma for losses of any shape; ``usual``: that of a guess that knows nothing; ``reg``
    broadcasts."""
    x = (loss - usual) / reg
    return torch.exp(-lambert_w(0.5 * x.clamp(min=-2 / math.e)))


class SuperLoss(FixedKd):
    """One fixed mix, and less of it for examples that are hard."""

    def losses(self, step: Step) -> Tensor:
        loss, usual = super().losses(step), step.terms.uninformed
        reg = self.values.numbers["regularization"].view(-1, 1)
        sigma = confidence(loss.detach(), usual, reg)
        return (loss - usual) * sigma + reg * sigma.log().square()
