"""Several teachers weighted by how well each knows the label of an example.

w_im   (1 - softmax_m CE(y_i, t_im)) / (M - 1): the lower a teacher's cross-entropy, the more weight

Source: Zhang et al. 2022, arXiv 2201.00007, and its authors' public code. Departures: the loss on
intermediate features is left out, as students here show their last layer alone; and the code's
further division by M, a constant factor that alpha would have to make up for.
"""

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy
from trainers.classification.data.lanes import Batch
from trainers.mixing.several_teachers import SeveralTeachers


def label_weights(t: Tensor, y: Tensor) -> Tensor:
    """w (L, M, B) from teacher logits (L, M, B, C), M at least 2, and labels (L, B)."""
    loss = cross_entropy(t, y.unsqueeze(1).expand(t.shape[:-1]))
    return (1 - torch.softmax(loss, dim=1)) / (t.shape[1] - 1)


class CaMkd(SeveralTeachers):
    """A teacher counts the more, the closer it is to the label."""

    def teacher_weights(self, batch: Batch, z: Tensor) -> Tensor:
        return label_weights(batch.teachers, batch.labels)
