"""SGD and AdamW with a learning rate and a weight decay per lane, over one flat buffer of all
parameters.

L lanes, P parameters of one lane (padded so that each parameter starts on a cache line).

Parameters and their gradients become views into two (L, P) tensors, so that a step is a handful of
operations however many layers there are, and cutting lanes out is one index.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainers.lanes.state import State, numbered
from trainers.settings import Training

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


class LaneOptimizer(ABC):
    """What lane by lane steps have in common: the flat buffers, their states, cutting lanes out.

    ``clip_norm``: the length that the gradient of each lane is cut to, on its own; None for none.
    """

    def __init__(self, model: nn.Module, weight_decay: Tensor, clip_norm: float | None) -> None:
        self._model = model
        self._parameters = _learning(model)
        self._weight_decay = weight_decay.unsqueeze(1)
        self._clip_norm = clip_norm
        self._is_added_to = False
        self._flat = _flatten(self._parameters, len(weight_decay))
        self._bind()

    def step(self, losses: Tensor, lr: Tensor) -> None:
        """One update of every lane down the mean of its ``losses`` (L, B), rates ``lr`` (L,)."""
        self.add(losses, losses.shape[1])
        self.go(lr)

    def add(self, losses: Tensor, examples: int) -> None:
        """Take in the gradient of ``losses`` (L, b), those of a part of a batch of so many
        ``examples``, of whose losses the mean is what is lowered."""
        # Of one number: told where to begin from several, torch would load sympy first.
        whole = losses.shape[1] == examples
        total = losses.mean(1).sum() if whole else (losses.sum(1) / examples).sum()
        found = cast(
            Sequence[Tensor | None],
            torch.autograd.grad(total, self._parameters, allow_unused=True),
        )
        gradients = [
            torch.zeros_like(p) if gradient is None else gradient
            for p, gradient in zip(self._parameters, found, strict=True)
        ]
        if self._is_added_to:
            torch._foreach_add_(self._gradients, gradients)
        else:
            torch._foreach_copy_(self._gradients, gradients)
        self._is_added_to = True

    def go(self, lr: Tensor) -> None:
        """One update by all that was taken in since the last, rates ``lr`` (L,)."""
        self._is_added_to = False
        if self._clip_norm is not None:
            lengths = torch.linalg.vector_norm(self._gradient, dim=1, keepdim=True)
            # As torch.nn.utils.clip_grad_norm_ has it, margin and all.
            self._gradient.mul_((self._clip_norm / (lengths + 1e-6)).clamp(max=1.0))
        self._update(lr.unsqueeze(1))

    @abstractmethod
    def _update(self, lr: Tensor) -> None:
        """Move the flat parameters by their gradient, which nobody reads again; rates (L, 1)."""

    def state(self, of: nn.Module | None = None) -> LaneState:
        """A copy of all parameters and buffers of all lanes, or of another model of that making."""
        model = of or self._model
        flat = (
            self._flat.clone()
            if model is self._model
            else _flatten(_learning(model), len(self._flat))
        )
        return LaneState(flat, tuple(b.clone() for b in model.buffers()))

    def load(self, state: LaneState) -> None:
        """Put back what `state` gave."""
        self._flat.copy_(state.parameters)
        for buffer, kept in zip(self._model.buffers(), state.buffers, strict=True):
            buffer.copy_(kept)

    @property
    @abstractmethod
    def memory(self) -> dict[str, Any]:
        """What it remembers of earlier steps, as `trainers.lanes.state` has it."""

    @abstractmethod
    def _remember(self, memory: State) -> None:
        """Put back what `memory` gave."""

    @abstractmethod
    def _keep_memory(self, lanes: Tensor) -> None:
        """Cut it down to ``lanes`` (indices)."""

    def go_on(self, state: LaneState, memory: State) -> None:
        """Take up parameters and buffers as `state` gave them, and the memory of then."""
        self.load(state)
        self._remember(memory)

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices), the model's buffers too."""
        self._flat = self._flat[lanes]
        self._weight_decay = self._weight_decay[lanes]
        self._keep_memory(lanes)
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


class LaneSGD(LaneOptimizer):
    """Stochastic gradient descent as in `torch.optim.SGD`, lane by lane.

    d <- g + weight_decay * p;  v <- momentum * v + d;  p <- p - lr * (d + momentum * v) with
    Nesterov momentum, p <- p - lr * v without.
    """

    def __init__(
        self,
        model: nn.Module,
        weight_decay: Tensor,
        momentum: float,
        nesterov: bool,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(model, weight_decay, clip_norm)
        self._momentum = momentum
        self._nesterov = nesterov
        self._velocity = torch.zeros_like(self._flat)

    def _update(self, lr: Tensor) -> None:
        # In the place of the gradient, which nobody reads again.
        update = self._gradient.addcmul_(self._flat, self._weight_decay)
        self._velocity.mul_(self._momentum).add_(update)
        if self._nesterov:
            update.add_(self._velocity, alpha=self._momentum)
        else:
            update = self._velocity
        self._flat.addcmul_(update, lr, value=-1.0)

    @property
    def memory(self) -> dict[str, Any]:
        return {"velocity": self._velocity}

    def _remember(self, memory: State) -> None:
        self._velocity.copy_(memory["velocity"])

    def _keep_memory(self, lanes: Tensor) -> None:
        self._velocity = self._velocity[lanes]


class LaneAdamW(LaneOptimizer):
    """Adam with decoupled weight decay as in `torch.optim.AdamW`, lane by lane.

    p <- p - lr * weight_decay * p;  m and v the running mean and mean square of g, t steps so far;
    p <- p - lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).

    Source: Loshchilov and Hutter 2019, arXiv 1711.05101; Kingma and Ba 2015, arXiv 1412.6980.
    """

    def __init__(
        self,
        model: nn.Module,
        weight_decay: Tensor,
        betas: tuple[float, float],
        epsilon: float,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(model, weight_decay, clip_norm)
        self._betas = betas
        self._epsilon = epsilon
        self._steps = 0
        self._m, self._v = torch.zeros_like(self._flat), torch.zeros_like(self._flat)

    def _update(self, lr: Tensor) -> None:
        b1, b2 = self._betas
        self._steps += 1
        self._flat.addcmul_(self._flat * self._weight_decay, lr, value=-1.0)
        self._m.mul_(b1).add_(self._gradient, alpha=1 - b1)
        self._v.mul_(b2).addcmul_(self._gradient, self._gradient, value=1 - b2)
        size = (self._v / (1 - b2**self._steps)).sqrt_().add_(self._epsilon)
        self._flat.addcmul_(self._m / size, lr, value=-1.0 / (1 - b1**self._steps))

    @property
    def memory(self) -> dict[str, Any]:
        return {"steps": self._steps, "m": self._m, "v": self._v}

    def _remember(self, memory: State) -> None:
        self._steps = memory["steps"]
        self._m.copy_(memory["m"])
        self._v.copy_(memory["v"])

    def _keep_memory(self, lanes: Tensor) -> None:
        self._m, self._v = self._m[lanes], self._v[lanes]


def lane_optimizer(model: nn.Module, weight_decay: Tensor, training: Training) -> LaneOptimizer:
    """The optimizer that ``training`` names."""
    if training.optimizer == "adamw":
        betas = (training.beta1, training.beta2)
        return LaneAdamW(model, weight_decay, betas, training.epsilon, training.clip_norm)
    return LaneSGD(model, weight_decay, training.momentum, training.nesterov, training.clip_norm)


def _learning(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _padded(size: int) -> int:
    return math.ceil(size / FLOATS_PER_CACHE_LINE) * FLOATS_PER_CACHE_LINE


def _view(flat: Tensor, start: int, shape: torch.Size) -> Tensor:
    size = math.prod(shape)
    return flat[:, start : start + size].view(flat.shape[0], *shape)


def _flatten(parameters: list[nn.Parameter], lanes: int) -> Tensor:
    if not parameters:
        return torch.zeros(lanes, 0)
    width = sum(_padded(p[0].numel()) for p in parameters)
    flat = parameters[0].detach().new_zeros(lanes, width)
    start = 0
    for p in parameters:
        size = p[0].numel()
        flat[:, start : start + size] = p.detach().reshape(lanes, size)
        start += _padded(size)
    return flat
