"""SGD with a learning rate and a weight decay per lane, over one flat buffer of all parameters.

L lanes, P parameters of one lane (padded so that each parameter starts on a cache line).

Parameters and their gradients become views into two (L, P) tensors, so that a step is a handful of
operations however many layers there are, and cutting lanes out is one index.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainers.lanes.state import State, numbered

FLOATS_PER_CACHE_LINE = 16


@dataclass(frozen=True)
class LaneState:
    """All numbers of a model's lanes: parameters (L, P), and its buffers, each (L, ...)."""

    parameters: Tensor
    buffers: tuple[Tensor, ...]

    def replace(self, lanes: Tensor, other: "LaneState") -> None:
        """Overwrite ``lanes`` (indices) by those of ``other``, in place."""
        for mine, its in zip(self._tensors(), other._tensors(), strict=True):
            mine[lanes] = its[lanes]

    def keep(self, lanes: Tensor) -> "LaneState":
        """The same for ``lanes`` (indices) alone."""
        return LaneState(self.parameters[lanes], tuple(b[lanes] for b in self.buffers))

    def state(self) -> dict[str, Any]:
        """As part of a cohort's state."""
        return {"parameters": self.parameters, "buffers": numbered(self.buffers)}

    @staticmethod
    def of(state: State) -> "LaneState":
        """What gave that state."""
        return LaneState(state["parameters"], tuple(state["buffers"].values()))

    def _tensors(self) -> tuple[Tensor, ...]:
        return (self.parameters, *self.buffers)


class LaneSGD:
    """Stochastic gradient descent as in `torch.optim.SGD`, lane by lane.

    d <- g + weight_decay * p;  v <- momentum * v + d;  p <- p - lr * (d + momentum * v) with
    Nesterov momentum, p <- p - lr * v without.
    """

    def __init__(
        self, model: nn.Module, weight_decay: Tensor, momentum: float, nesterov: bool
    ) -> None:
        self._model = model
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._momentum = momentum
        self._nesterov = nesterov
        self._weight_decay = weight_decay.unsqueeze(1)
        self._flat = _flatten(self._parameters)
        self._velocity = torch.zeros_like(self._flat)
        self._bind()

    def step(self, losses: Tensor, lr: Tensor) -> None:
        """One update of every lane down the mean of its ``losses`` (L, B), rates ``lr`` (L,)."""
        # Of one number: told where to begin from several, torch would load sympy first.
        gradients = torch.autograd.grad(losses.mean(1).sum(), self._parameters)
        torch._foreach_copy_(self._gradients, gradients)
        # In the place of the gradient, which nobody reads again.
        update = self._gradient.addcmul_(self._flat, self._weight_decay)
        self._velocity.mul_(self._momentum).add_(update)
        if self._nesterov:
            update.add_(self._velocity, alpha=self._momentum)
        else:
            update = self._velocity
        self._flat.addcmul_(update, lr.unsqueeze(1), value=-1.0)

    def state(self) -> LaneState:
        """A copy of all parameters and buffers of all lanes."""
        return LaneState(self._flat.clone(), tuple(b.clone() for b in self._model.buffers()))

    def load(self, state: LaneState) -> None:
        """Put back what `state` gave."""
        self._flat.copy_(state.parameters)
        for buffer, kept in zip(self._model.buffers(), state.buffers, strict=True):
            buffer.copy_(kept)

    @property
    def velocity(self) -> Tensor:
        """v of all lanes, (L, P)."""
        return self._velocity

    def go_on(self, state: LaneState, velocity: Tensor) -> None:
        """Take up parameters and buffers as `state` gave them, and the velocity of then."""
        self.load(state)
        self._velocity.copy_(velocity)

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices), the model's buffers too."""
        self._flat = self._flat[lanes]
        self._velocity = self._velocity[lanes]
        self._weight_decay = self._weight_decay[lanes]
        for tensor in [*self._model.buffers(), *self._frozen()]:
            tensor.data = tensor.data[lanes]
        self._bind()

    def _frozen(self) -> list[nn.Parameter]:
        """Parameters that do not learn."""
        return [p for p in self._model.parameters() if not p.requires_grad]

    def _bind(self) -> None:
        """Make every parameter, and the place of its gradient, a view into the flat buffers."""
        self._gradient = torch.zeros_like(self._flat)
        self._gradients = []
        start = 0
        for p in self._parameters:
            shape, size = p.shape[1:], p[0].numel()
            p.data = _view(self._flat, start, shape)
            self._gradients.append(_view(self._gradient, start, shape))
            start += _padded(size)


def _padded(size: int) -> int:
    return math.ceil(size / FLOATS_PER_CACHE_LINE) * FLOATS_PER_CACHE_LINE


def _view(flat: Tensor, start: int, shape: torch.Size) -> Tensor:
    size = math.prod(shape)
    return flat[:, start : start + size].view(flat.shape[0], *shape)


def _flatten(parameters: list[nn.Parameter]) -> Tensor:
    lanes = parameters[0].shape[0]
    width = sum(_padded(p[0].numel()) for p in parameters)
    flat = parameters[0].detach().new_zeros(lanes, width)
    start = 0
    for p in parameters:
        size = p[0].numel()
        flat[:, start : start + size] = p.detach().reshape(lanes, size)
        start += _padded(size)
    return flat
