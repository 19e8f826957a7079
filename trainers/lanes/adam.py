"""Adam over parameters with a leading lane dimension, a step size per lane.

g gradient plus decay times the parameter, m and v its running mean and mean square, t steps so far:
p <- p - lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).

Source: Kingma and Ba 2015, arXiv 1412.6980, with its defaults b1 0.9, b2 0.999, eps 1e-8.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainers.lanes.state import State, numbered

B1, B2, EPS = 0.9, 0.999, 1e-8


class LaneAdam:
    """As `torch.optim.Adam`, lane by lane."""

    def __init__(self, parameters: Sequence[nn.Parameter], lr: Tensor, decay: float) -> None:
        self._parameters = list(parameters)
        self._lr = lr
        self._decay = decay
        self._steps = 0
        self._m = [torch.zeros_like(p.data) for p in self._parameters]
        self._v = [torch.zeros_like(p.data) for p in self._parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One update of every parameter, from its gradient."""
        self._steps += 1
        for p, gradient, m, v in zip(self._parameters, gradients, self._m, self._v, strict=True):
            g = gradient + self._decay * p
            m.mul_(B1).add_(g, alpha=1 - B1)
            v.mul_(B2).add_(g.square(), alpha=1 - B2)
            size = (v / (1 - B2**self._steps)).sqrt_().add_(EPS)
            lr = self._lr.view(-1, *[1] * (p.dim() - 1))
            p.sub_(lr * m / (1 - B1**self._steps) / size)

    def state(self) -> dict[str, Any]:
        """t, m and v."""
        return {"steps": self._steps, "m": numbered(self._m), "v": numbered(self._v)}

    def load_state(self, state: State) -> None:
        """Put back what `state` gave."""
        self._steps = state["steps"]
        self._m, self._v = (list(state[name].values()) for name in ("m", "v"))

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices), the parameters too."""
        self._lr = self._lr[lanes]
        for p in self._parameters:
            p.data = p.data[lanes]
        self._m = [m[lanes] for m in self._m]
        self._v = [v[lanes] for v in self._v]
