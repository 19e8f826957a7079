"""Adam over parameters with a leading lane dimension, a step size per lane.

L lanes.

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
    """As `torch.optim.Adam`, lane by lane; lanes may take their steps at different times."""

    def __init__(self, parameters: Sequence[nn.Parameter], lr: Tensor, decay: float) -> None:
        """``lr``: of every lane, (L,)."""
        self._parameters = list(parameters)
        self._lr = lr
        self._decay = decay
        self._steps = [0] * len(lr)
        self._m = [torch.zeros_like(p.data) for p in self._parameters]
        self._v = [torch.zeros_like(p.data) for p in self._parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lanes: Tensor) -> None:
        """One update of every parameter of ``lanes`` (indices), from the gradients of those."""
        chosen = lanes.tolist()
        for lane in chosen:
            self._steps[lane] += 1
        steps = [self._steps[lane] for lane in chosen]
        lr = self._lr[lanes]
        c1, c2 = (lr.new_tensor([1 - b**t for t in steps]) for b in (B1, B2))
        for p, gradient, m, v in zip(self._parameters, gradients, self._m, self._v, strict=True):
            shape = (-1, *[1] * (p.dim() - 1))
            g = gradient + self._decay * p[lanes]
            m[lanes] = m[lanes].mul_(B1).add_(g, alpha=1 - B1)
            v[lanes] = v[lanes].mul_(B2).add_(g.square(), alpha=1 - B2)
            size = (v[lanes] / c2.view(shape)).sqrt_().add_(EPS)
            p[lanes] -= lr.view(shape) * m[lanes] / c1.view(shape) / size

    def multiply_lr(self, factor: Tensor) -> None:
        """Multiply the step size of every lane by ``factor`` (L,)."""
        self._lr = self._lr * factor

    def state(self) -> dict[str, Any]:
        """The step sizes, t, m and v."""
        return {
            "lr": self._lr,
            "steps": torch.tensor(self._steps),
            "m": numbered(self._m),
            "v": numbered(self._v),
        }

    def load_state(self, state: State) -> None:
        """Put back what `state` gave."""
        self._lr, self._steps = state["lr"], state["steps"].tolist()
        self._m, self._v = ([t.clone() for t in state[name].values()] for name in ("m", "v"))

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices), the parameters too."""
        self._lr = self._lr[lanes]
        self._steps = [self._steps[i] for i in lanes.tolist()]
        for p in self._parameters:
            p.data = p.data[lanes]
        self._m = [m[lanes] for m in self._m]
        self._v = [v[lanes] for v in self._v]
