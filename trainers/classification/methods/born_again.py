"""Born-again networks: a student learns from a teacher of its own architecture.

L_i   (1 - alpha) CE(y_i, z_i) + alpha KL(softmax(t_i) || softmax(z_i)), without a temperature

The teacher of a generation is the student of the one before; that is the plan's matter. alpha 1,
the default, is the teacher alone.

Source: Furlanello et al. 2018, arXiv 1805.04770.
"""

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy, distillation
from trainers.classification.data.lanes import Batch
from trainers.method import Method


class BornAgain(Method):
    """Fixed-alpha distillation at temperature 1, from a teacher that is like the student."""

    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        alpha = self.values.numbers["alpha"].view(-1, 1)
        teacher = distillation(batch.teachers[:, 0], z, torch.ones_like(alpha))
        return (1 - alpha) * cross_entropy(z, batch.labels) + alpha * teacher
