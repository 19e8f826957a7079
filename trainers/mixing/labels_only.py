"""Training on the given labels alone: L_i = CE(y_i, z_i)."""

from torch import Tensor

from trainers.classes.losses import cross_entropy
from trainers.classification.data.lanes import Batch
from trainers.method import Method


class CrossEntropy(Method):
    """Cross-entropy with the given labels; the teacher is not read."""

    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        return cross_entropy(z, batch.labels)
