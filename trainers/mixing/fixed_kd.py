"""Fixed-alpha distillation: L_i = (1 - alpha) CE(y_i, z_i) + alpha tau^2 KL(t_i || z_i).

alpha weight of the teacher in [0, 1], tau temperature, t_i teacher logits, z_i student logits; with
M teachers the second term is their mean.

Source: Hinton, Vinyals and Dean 2015, arXiv 1503.02531.
"""

from torch import Tensor

from trainers.classes.losses import cross_entropy, distillation
from trainers.classification.data.lanes import Batch
from trainers.method import Method


class FixedKd(Method):
    """The same mix for every example, all through training."""

    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        alpha = self.values.numbers["alpha"].view(-1, 1)
        tau = self.values.numbers["temperature"].view(-1, 1, 1)
        label = cross_entropy(z, batch.labels)
        teacher = distillation(batch.teachers, z.unsqueeze(1), tau).mean(1)
        return (1 - alpha) * label + alpha * teacher
