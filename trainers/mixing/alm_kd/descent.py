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
    """How many steps, of which size (broadcast over (J, K, G)), under which constraint."""

    constraint: Constraint
    repeats: int
    meta_lr: Tensor

    def down(self, s: Tensor, slope: Slope) -> Tensor:
        """Where all steps lead from ``s``, every group at once."""
        for _ in range(self.repeats):
            lam = self.constraint.weights(s)
            s = self.constraint.descend(s, lam, slope(lam), self.meta_lr)
        return s

    def down_by_last_layer(self, s: Tensor, classes: int, sides: Sides) -> Tensor:
        """The same by the look-ahead of the last layer, some groups after the others."""
        size = groups_at_once(s, classes)
        parts = [slice(j, j + size) for j in range(0, len(s), size)]
        return torch.cat([self._part(part).down(s[part], _slope(*sides(part))) for part in parts])

    def _part(self, part: slice) -> "Descent":
        return Descent(self.constraint, self.repeats, self.meta_lr[part])


def groups_at_once(s: Tensor, classes: int) -> int:
    """How many groups of ``s`` (J, K, G) go side by side."""
    if s.device.type != "cpu":
        return len(s)
    return max(1, ELEMENTS // (classes * s[0].numel()))


def _slope(group: TrainingGroup, evaluation: Evaluation) -> Slope:
    return lambda lam: last_layer_hypergradient(lam, group, evaluation)
