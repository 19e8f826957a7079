"""The steps that the weights of many groups take, no more groups at a time than a cache holds.

J groups of G examples, K losses per example, C classes.

s     free coordinates of the weights, see `trainers.mixing.alm_kd.variants`     (J, K, G)

Groups do not look at each other, so that which of them go side by side changes no number. On a CPU
a few take all their steps before the next ones start: their gradients, read twice a step, then stay
near the processor. On a GPU all of them go at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.mixing.alm_kd.variants import Constraint
from trainers.mixing.hypergradient import Evaluation, TrainingGroup, last_layer_hypergradient

# Weights (groups, K, G) to the gradient of the held-out loss in them.
Slope = Callable[[Tensor], Tensor]

# Some of the J groups to both sides of their look-ahead.
Sides = Callable[[slice], tuple[TrainingGroup, Evaluation]]

# Gradients by the logits, K * C * G numbers a group, of all groups that go side by side on a CPU:
# 2 MiB in single precision. Twice or half of it is as fast; all groups at once take twice the time
# at the size of CIFAR-100.
ELEMENTS = 2**19


@dataclass(frozen=True)
class Descent:
    """How many steps, of which size (broadcast over (J, K, G)), under which constraint.

    ``real``: for a normalised step, which examples are more than filling, 1 or 0, broadcast over
    (J, K, G); None for the raw one. Normalised, the gradients of a group are divided by their root
    mean square over examples and losses at its first step, so that ``meta_lr`` is how far a typical
    weight moves in that step, on every task.
    """

    constraint: Constraint
    repeats: int
    meta_lr: Tensor
    real: Tensor | None = None

    def down(self, s: Tensor, slope: Slope) -> Tensor:
        """Where all steps lead from ``s``, every group at once."""
        size: Tensor | None = None
        for _ in range(self.repeats):
            lam = self.constraint.weights(s)
            g = slope(lam)
            if self.real is not None:
                size = root_mean_square(g, self.real) if size is None else size
                g = g / size
            s = self.constraint.descend(s, lam, g, self.meta_lr)
        return s

    def down_by_last_layer(self, s: Tensor, numbers: int, sides: Sides) -> Tensor:
        """The same by the look-ahead of the last layer, some groups after the others.

        ``numbers``: how many gradients a loss of an example has, over its rows and their outputs.
        """
        size = groups_at_once(s, numbers)
        parts = [slice(j, j + size) for j in range(0, len(s), size)]
        return torch.cat([self._part(part).down(s[part], _slope(*sides(part))) for part in parts])

    def _part(self, part: slice) -> "Descent":
        real = None if self.real is None else self.real[part]
        return Descent(self.constraint, self.repeats, self.meta_lr[part], real)


def root_mean_square(g: Tensor, real: Tensor) -> Tensor:
    """Of gradients (J, K, G) over the real examples of each group, (J, 1, 1); 1 where it is 0."""
    count = real.expand_as(g).sum((1, 2), keepdim=True)
    size = ((g.square() * real).sum((1, 2), keepdim=True) / count).sqrt()
    return torch.where(size > 0, size, torch.ones_like(size))


def groups_at_once(s: Tensor, numbers: int) -> int:
    """How many groups of ``s`` (J, K, G) go side by side; ``numbers`` as in `Descent`."""
    if s.device.type != "cpu":
        return len(s)
    return max(1, ELEMENTS // (numbers * s[0].numel()))


def _slope(group: TrainingGroup, evaluation: Evaluation) -> Slope:
    return lambda lam: last_layer_hypergradient(lam, group, evaluation)
