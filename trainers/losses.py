"""Per-example losses and their gradients with respect to the student's logits.

z   student logits          (..., C)
t   teacher logits          (..., C)
y   labels                  (...)     integers in [0, C)
tau temperature             broadcastable to (...)

Nothing here takes a mean: the one place that does is the training loop. The factor tau^2, which
keeps the size of the distillation gradient independent of tau (Hinton et al. 2015), lives in
`distillation` and its gradient alone.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """-log softmax(z)[y]: ``(..., C), (...) -> (...)``, in nats."""
    return -F.log_softmax(z, dim=-1).gather(-1, y.unsqueeze(-1)).squeeze(-1)


def distillation(t: Tensor, z: Tensor, tau: Tensor) -> Tensor:
    """tau^2 * KL(softmax(t / tau) || softmax(z / tau)): ``(..., C), (..., C) -> (...)``."""
    tau = tau.unsqueeze(-1)
    log_p = F.log_softmax(t / tau, dim=-1)
    log_q = F.log_softmax(z / tau, dim=-1)
    return tau.squeeze(-1).square() * (log_p.exp() * (log_p - log_q)).sum(-1)


def cross_entropy_gradient(z: Tensor, y: Tensor) -> Tensor:
    """d cross_entropy / dz = softmax(z) - onehot(y): ``(..., C)``."""
    return torch.softmax(z, dim=-1) - F.one_hot(y, z.shape[-1]).to(z.dtype)


def distillation_gradient(t: Tensor, z: Tensor, tau: Tensor) -> Tensor:
    """d distillation / dz = tau * (softmax(z / tau) - softmax(t / tau)): ``(..., C)``."""
    tau = tau.unsqueeze(-1)
    return tau * (torch.softmax(z / tau, dim=-1) - torch.softmax(t / tau, dim=-1))
