"""How far a student's next-token distribution q is from a teacher's p, place by place.

p, q  log-probabilities (..., V), of which p carries no gradient
fkl   KL(p || q)                       rkl   KL(q || p)
jsd   beta KL(p || m) + (1 - beta) KL(q || m),  m = beta p + (1 - beta) q
skew_fkl  KL(p || a p + (1 - a) q)     skew_rkl  KL(q || (1 - a) p + a q)
tvd   half the sum of |p - q|          todi  each entry of the vocabulary its own mix of fkl and rkl

A gradient flows through q inside every mixture. jsd vanishes at both ends of beta, where it is
neither fkl nor rkl but 0, so that beta is inside (0, 1). Where a teacher's logits are infinite,
its log-probabilities are taken for `FLOOR`, so that neither losses nor gradients are NaN. torch's
own logaddexp and sigmoid round the last elements of a tensor unlike those before them, so that a
lane would depend on others; they are written out.

Source: jsd and f-divergences: Agarwal et al. 2024 (arXiv 2306.13649), eq. 1; skewed ones: Ko et al.
2024 (arXiv 2402.03898); todi: Jung et al. 2025 (arXiv 2505.16297).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

# Stands for the logarithm of no probability: finite, so that 0 times it is 0.
FLOOR = -1e4


class Shape(NamedTuple):
    """What shapes a divergence: ``beta`` of jsd, ``skew`` of the skewed; they broadcast over
    (...)."""

    beta: Tensor
    skew: Tensor


def log_probabilities(z: Tensor) -> Tensor:
    """Of logits (..., V), over the last dimension, in float32 at least."""
    wide = z if z.dtype == torch.float64 else z.float()
    return torch.log_softmax(wide, dim=-1).clamp(min=FLOOR)


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    return (log_a.exp() * (log_a - log_b)).sum(-1)


def _mixture(log_a: Tensor, log_b: Tensor, share: Tensor) -> Tensor:
    """log(share a + (1 - share) b); ``share`` in (0, 1)."""
    of_a = share.log().unsqueeze(-1)
    of_b = torch.log1p(-share).unsqueeze(-1)
    a, b = log_a + of_a, log_b + of_b
    return torch.maximum(a, b) + torch.log1p(torch.exp(-(a - b).abs()))


def _fkl(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    return _kl(p, q)


def _rkl(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    return _kl(q, p)


def _jsd(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    m = _mixture(p, q, shape.beta)
    return shape.beta * _kl(p, m) + (1 - shape.beta) * _kl(q, m)


def _skew_fkl(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    return _kl(p, _mixture(p, q, shape.skew))


def _skew_rkl(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    return _kl(q, _mixture(q, p, shape.skew))


def _tvd(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    return 0.5 * (p.exp() - q.exp()).abs().sum(-1)


def _todi(p: Tensor, q: Tensor, shape: Shape) -> Tensor:
    """w p log(p / q) + (1 - w) q log(q / p), w = sigmoid(log p - log q) without gradient: larger
    than both divergences, not between them."""
    w = 1 / (1 + torch.exp((q - p).detach()))
    return (w * p.exp() * (p - q) + (1 - w) * q.exp() * (q - p)).sum(-1)


DIVERGENCES: Mapping[str, Callable[[Tensor, Tensor, Shape], Tensor]] = {
    "fkl": _fkl,
    "rkl": _rkl,
    "jsd": _jsd,
    "skew_fkl": _skew_fkl,
    "skew_rkl": _skew_rkl,
    "tvd": _tvd,
    "todi": _todi,
}
